"""What language models with vectors for words share, whatever stands between the vectors.

Idea: words with own vectors are predicted in two steps, the frequent ones and classes of the others
first, then a word within its class, so that a probability costs a few thousand products and still
sums to 1; the rarest words share one vector and are told apart by how often they occur.

Files: units (words or subwords as numbers), softmax (the two steps; the loss), scorer (hypotheses),
prefixes (what several of them begin with), stored (a model's folder), quantise (a smaller one);
corpus (texts as one array), batches (streams and sentences), task and train (the loop's view),
config (the tables of all trainings).
"""
