"""Connectionist temporal classification (Graves et al. 2006).

    p(y | x) = Σ over alignments a of y:  Π over steps s:  p(a_s | x),   a_s a token or the blank

Units are phones; the words come from the search through the lexicon.

    model.py      encoder and output layer, whole and streaming: log probabilities of tokens
    loss.py       CTC of the last and of a middle layer, CTC-CRF, and the frame loss on alignments
    align.py      a text in the posteriors: best path and all paths
    extents.py    … and from spikes to where phones begin and end
    crf/          the denominator of CTC-CRF, a sum over all label sequences
    label_lm.py   the trigram of phones that weighs them
    data.py       targets, labels of frames as a last column of features
    variation.py  what features are changed into each time they are used
    task.py       the losses over the course of a training, and the phone error rate
    config.py     what a training's TOML file may say, stage by stage
    start.py      weights to begin with: of a bundle or of an earlier training
    train.py      from a configuration to a bundle's weights
"""
