"""The likeliest words of a word graph, with their posteriors: what a stream shows as it goes.

Idea: a partial is asked for after every chunk, so that all of it is one compiled call; only what it
finds becomes Python. A word's posterior is the sum over the links of that word that overlap it in
time (Wessel et al. 2001).

Files: kernels.
"""
