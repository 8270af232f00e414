"""What a map from heard words to a text is good for (Chung et al., NeurIPS 2018, section 4).

    classify    which word of the text is it?
    synonyms    which words of the text mean the same?
    translate   which words of a text in another language do?

A piece of speech is right at k if a true answer is among the k nearest words of its cluster. True
words serve to test, and to teach the maps that are called supervised: other words than tested.

identity.py  which true words the pieces of a cluster are
answers.py   which words of the text are right
measure.py   shares that are right, for a map; always beside chance and the most frequent words
command.py   `steno-models crossmodal classify`, `… synonyms`, `… translate`
"""
