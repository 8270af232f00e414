"""Tandem: what a network hears becomes a feature of Gaussians (Hermansky, Ellis & Sharma 2000).

    x'[t] = [ cepstra[t],  P (log p(phone | x)[t] - mean) ]

The posteriors are far from Gaussian and depend on each other; their logarithms in the directions of
their greatest variance (P, principal components) are neither as much. In place of the posteriors
may stand what passes through a bottleneck of the network (Grezl et al. 2007). All stages of
`steno-models hmm train` run on such features as they do on cepstra.

features.py from samples to these features; config.py and command.py `steno-models hmm tandem`.
"""
