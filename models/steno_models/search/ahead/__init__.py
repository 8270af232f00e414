"""Looking ahead in the language model from inside a word (Ortmanns, Ney & Eiden 1996).

Equation: ahead(h, node) = max over words w below the node of ln p(w | h). The n-grams that the
history h lists are scanned within the node's range of word ids; what it does not list is
backoff(h) + ahead(h', node), h' the history without its first word; the empty history's are
computed once. Values are remembered in a direct-mapped cache.

Files: kernels.
"""
