"""A feed-forward network of the last words (Bengio, Ducharme, Vincent & Jauvin 2003).

    x = (v(w_{i-n+1}), …, v(w_{i-1})),   z = W x + U tanh(d + H x),   p(w_i) = softmax of v(w) · z

Their equation (1), with the vectors of words at the output too.

    model.py      the network, whole texts and single steps
    config.py     what a training's TOML file may say
    train.py      from a configuration to a model's folder
    novels.toml   a small recipe; the loss and the scorer are in neural/
"""
