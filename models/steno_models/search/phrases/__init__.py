"""Phrases that are expected: they count for more, and nothing else counts for less.

An Aho–Corasick automaton over words (Aho & Corasick 1975) runs beside the language model: the state
of a hypothesis is the pair of both. Each occurrence of a phrase adds its boost once for each of its
words; part of that is lent while a phrase goes on, so that the beam keeps it, and is taken back
where the phrase breaks off (weight pushing; Pundak et al. 2018 for phrases in beam search).

    score(words) = score without phrases + sum over occurrences of boost * number of words

automaton.py: phrases as flat arrays. kernels.py: the compiled walk through them.
"""
