"""Marks, capitals and figures: what a reader wants and nobody says.

Idea: recognised words are lower case without marks. A linear model over hashed features of the
words around each, decided from left to right, says which mark follows it and how it is written;
pauses between words count as evidence of their own:
p(mark | words, pause) ∝ p(mark | words) p(pause | mark).  Hashing: Weinberger et al. 2009; training
by AdaGrad: Duchi, Hazan & Singer 2011.

Files: labelled (written text as words with marks and cases); features (hashed templates); model
(weights and decisions; english/ is the shipped one); written (words, marks and `text.inverse` put
together); corpus (files as documents, some held out); examples, kernels and train (training);
pauses (what silence tells); evaluate (F1 with intervals, confusion); command.
"""
