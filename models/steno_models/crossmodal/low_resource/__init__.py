"""A language with little data, from end to end: what can be had for how many transcripts.

(a) no transcripts: pieces, clusters, a space of them, a map onto a space of words, classification
(b) minutes of transcripts: a recogniser of letters, on a filter bank or on another language's steps
(c) (b) with the words of texts that nobody has spoken: unseen words by how they are spelled

config.py  the recipe, a TOML file, and its rows    speech.py  (a)    letters.py  (b) and (c)
table.py   the rows so far     command.py  `steno-models crossmodal low-resource`
"""
