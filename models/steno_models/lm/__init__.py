"""Models of which words follow which, p(w | h), and their fusion with a recogniser.

Files: ngram/ (counted word n-grams with back-off, memory-mapped).
"""
