"""A domain: a language model with its lexicon, made from plain text, for use at run time.

Idea: a speaker's subject changes which words come and which follow which, not how they sound. So a
domain is a vocabulary, its pronunciations and an n-gram model, and any acoustic model of the same
phones can decode with it. Text of the subject is short: its model is mixed with the general one,
p(w | h) = sum_i weight_i p_i(w | h), the weights by expectation maximisation on held-out text
(Jelinek & Mercer 1980).

Files: description (what a domain's folder holds), general (a stored model under a larger
vocabulary), words (which words, how they sound), mixing (the models and their weights), prepared
(the lexicon as the tree that is searched), build (the whole way), folder (written whole or not at
all), command (`steno-models lm build --name`).
"""
