"""A recurrent network of words or subwords: the history is as long as what was said.

    h_i = LSTM(v(w_{i-1}), h_{i-1}),   p(w_i | w_1 … w_{i-1}) = softmax of v(w) · P h_i + b(w)

Mikolov et al. (2010); Sundermeyer, Schlüter & Ney (2012) for the LSTM; one set of vectors v for
input and output, Press & Wolf (2017), Inan, Khosravi & Socher (2017).

    model.py      the network, whole texts and single steps
    config.py     what a training's TOML file may say
    train.py      from a configuration to a model's folder
    novels.toml   the recipe of a model of 14 MB; the loss and the scorer are in neural/
"""
