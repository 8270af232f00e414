"""Vectors of spoken words from the pieces of speech around them (Chung, Glass, Interspeech 2018).

An encoder reads the frames of a piece into one vector z; from it a decoder draws the frames of the
pieces around it (skip-gram), or from the mean of their vectors those of the piece itself (CBOW):

    l = Σ over neighbours n  1/T_n Σ_t ‖y_t(z) - x_t(n)‖²

The vector of a word is the mean of its pieces'. What such vectors encode has been doubted (arXiv
2209.10791, 2311.09319): `steno-models crossmodal encodes` measures it.

model.py embed.py                     inference
loss.py train.py task.py config.py    training; data.py batches of neighbours
command.py                            `steno-models train` of a file with family = "speech2vec"
"""
