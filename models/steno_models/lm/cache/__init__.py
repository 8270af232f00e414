"""What one speaker said, as a language model: a cache whose memory fades.

Idea: who said a word will say it again (Kuhn & De Mori 1990); the newer, the likelier (Clarkson &
Robinson 1997). Words and pairs of words are counted, and every count halves with so many words:

    p(w | v) = b c(v, w) / c(v) + (1 - b) c(w) / C,    b = c(v) / (c(v) + 1)

That is a back-off model of what was said alone, to be interpolated with one that knows the rest.

Files: counts (what is remembered), model (the back-off model), personal (beside another model).
"""
