"""Speech and text on one map, without a dictionary (Chung, Weng, Tong, Glass, NeurIPS 2018).

Words that are used alike lie alike in any embedding space, whether its words were written or
heard. So one rotation lays a space of sounds onto a space of texts:

    W = argmin over orthogonal W of  Σ over pairs  ‖W x - y‖²,   the pairs found without labels

space.py          words, vectors, counts: a space as a value and as a folder
word2vec_text.py  … and as the text format of Word2Vec
word2vec/         vectors of words from running text: skip-gram with negative sampling
alignment/        the map: starts, refinement, choice, measurement
plots.py          both spaces before and after, and their similarities
word2vec_command.py align_command.py   `steno-models crossmodal word2vec`, `… align`
"""
