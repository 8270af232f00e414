"""Speech and text on one map, without a dictionary (Chung, Weng, Tong, Glass, NeurIPS 2018).

Words that are used alike lie alike in any embedding space, whether its words were written or
heard. So one rotation lays a space of sounds onto a space of texts:

    W = argmin over orthogonal W of  Σ over pairs  ‖W x - y‖²,   the pairs found without labels

space.py          words, vectors, counts: a space as a value and as a folder
word2vec_text.py  … and as the text format of Word2Vec
word2vec/         vectors of words from running text: skip-gram with negative sampling
speech.py segmentation/  recordings as frames, and their word-like pieces without labels
posteriors.py phones_heard.py   … or as a recogniser hears them, and the phones of their pieces
clusters.py heard.py     pieces that sound alike as words, and a space of these
speech2vec/ encoding.py  vectors from neighbouring pieces of speech, and what vectors encode
synthesis/        hours of speech of many voices for any text
alignment/ tasks/ the map: starts, refinement, choice, measurement; and what it is good for
lookup.py         the map at work: written words for a stretch of sound that nobody knows
plots.py          both spaces before and after, and their similarities
*_command.py      `steno-models crossmodal …`
"""
