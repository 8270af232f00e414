"""Histories and words as vectors whose products are what was counted; unseen pairs get the rest.

    minimise  sum over h, w of  a(h, w) (g(c(h, w)) - u(h) · v(w))²,   g(c) = c or ln(1 + c)

A smoothing: histories that went on alike get like vectors, so that a word that followed one of them
is expected after the others. It is a network with one hidden layer and no bend: its input says
which history (one of R), U is its first layer, V its second. Without weights a the best factors are
those of the singular value decomposition (Eckart & Young 1936); with them there is gradient descent
(Srebro & Jaakkola 2003). Vectors of words from their contexts: Deerwester et al. (1990).

    counts.py   pairs of histories and words      loss.py    the sum, without the dense matrix
    model.py    the network; smoothed p(w | h)    scorer.py  hypotheses
    config.py, train.py, novels.toml              from a configuration to a model's folder
"""
