"""Word n-grams with back-off: counted, smoothed, pruned, and looked up without loading.

Idea: p(w | h) = p*(w | h) where the n-gram hw was kept, else b(h) p(w | h'), with h' the history
without its first word. Estimation is interpolated modified Kneser-Ney (Chen & Goodman 1998):
p(w | h) = max(c(hw) - D(c(hw)), 0) / sum_v c(hv) + g(h) p(w | h'); pruning is Stolcke's (1998).

Files: corpus (text to tokens), vocabulary (which words, in which order), trie (the numbering of
n-grams), counts; smoothing (which of) kneser_ney, witten_bell, katz; backoff (a model at full
precision), prune, sizes (what pruning costs), mixture, arpa, codebook and quantise (its numbers as
codes), packed (at as many bits as they need), binary (the one file), model (look-up), scorer,
kernels (the compiled look-up); the commands build and convert.
"""
