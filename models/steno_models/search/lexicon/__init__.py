"""A lexicon's file, read at the speed of its bytes: a domain is loaded while people speak.

Idea: one pass over the bytes. The words of the vocabulary are in a hash table of their bytes; a
phone of one or two bytes is a number, with a place in a table. A file of any other form is left to
`pronunciations`, which takes its time and says what is wrong.

Files: kernels.
"""
