"""Listen, attend and spell (Chan et al. 2016; Chorowski et al. 2015).

    p(y | x) = Π_u p(y_u | y_1 … y_{u−1}, c_u),   c_u = Σ_s α_us h_s

An encoder listens to the whole utterance; a speller writes it token by token and looks before each
at the steps that it needs. CTC on the same encoder keeps the looks in order, in training and in the
search (Watanabe et al. 2017). A language model adds its scores in the search, or speaks to the
speller's last layer: the room `fusion` has deep and cold fusion.

    attention.py      where to look: dot product, additive, location-aware, forward
    speller.py        the LSTM that looks and writes
    model.py          encoder, speller and CTC, and their shape
    prefix.py         CTC's prefix probabilities; kernels.py is their compiled recursion
    ranking.py        normalisation by length and coverage
    search.py         beam search with CTC and a language model
    internal.py       what the speller has learnt of its texts, to be taken away in shallow fusion
    rescore.py        the speller as a second pass
    attention_map.py  the weights of a given text, to be drawn
    trained.py        a trained model from its files
    loss.py           what is learnt
    task.py           … over the course of a training, and the error rate of the search
    config.py         what a training's TOML file may say
    train.py          from a configuration to weights; command.py is its command line
"""
