"""Vectors of words from running text: skip-gram with negative sampling (Mikolov et al. 2013).

    l = -ln σ(u_c · v) - Σ over negatives n: ln σ(-u_n · v)

for a word v, each neighbour c in a window around it, and words n drawn by their frequency^¾.

vocabulary.py which words, and a text as their numbers; sampling.py what is drawn; kernels.py the
steps, compiled; train.py the epochs, on one thread or several.
"""
