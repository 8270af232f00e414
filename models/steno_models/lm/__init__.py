"""Models of which words follow which, p(w | h), and their fusion with a recogniser.

ngram/          counted word n-grams with back-off, memory-mapped
factorized/     counts as products of vectors
feedforward/    a network of the last words
recurrent/      a network of all words so far
neural/         what the networks share: units, softmax, batches, a model's folder
scorer.py       what a search or a second pass asks of any of them
interpolation.py, em.py   several as one, and their weights
open_model.py   any stored model as a scorer
perplexity.py, train_command.py, command.py   the commands
"""
