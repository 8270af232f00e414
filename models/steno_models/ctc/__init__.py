"""Connectionist temporal classification (Graves et al. 2006).

    p(y | x) = Σ over alignments a of y:  Π over steps s:  p(a_s | x),   a_s a token or the blank

Units are phones; the words come from the search through the lexicon.

    model.py   encoder and output layer, whole and streaming: log probabilities of tokens
    loss.py    the CTC loss of the last and of a middle layer, and the frame loss on alignments
    data.py    targets, labels of frames as a last column of features, augmentation
    task.py    the losses over the course of a training, and the phone error rate
    config.py  what a training's TOML file may say
    train.py   from a configuration file to a bundle's weights
"""
