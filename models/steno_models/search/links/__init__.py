"""The word graph that tokens leave behind: which words came before, which others nearly did.

Idea: a link is a word that ended, with the link before it and the few other histories that lost to
that one on the way through the word (Young, Russell & Thornton 1989; Ney & Aubert 1994). All ways
through the graph are real alignments with their true scores; of two ways with the same words only
the better is kept, and with it its own alternatives.

Files: kernels (collecting what no token reaches, settling what is certain, posteriors).
"""
