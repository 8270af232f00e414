"""Where the words of a known text are in a recording: as files, and as pictures.

The text is brought to spoken words, each word to its pronunciations, these to a network of nodes,
and the best path through it says when each phone is spoken:

    argmax over paths s of  Σ_t  log a(s_{t−1}, s_t) + log p(x_t | s_t)

    written.py       words as written, and the spoken words that they stand for
    dictionary.py    how spoken words sound, in English or in the phones of a lexicon
    sound.py         recordings as features, block by block, and whether anybody speaks
    timed.py         words and phones in time
    ctc_route.py     by the CTC model of a bundle
    hmm_route.py     by GMM-HMMs, trained before or now
    formats.py       CTM, TextGrid and JSON; captions.py SRT and WebVTT
    force_align_command.py  `steno-models force-align`
    trellises.py     all paths of an utterance through the lattices of HMM, CTC, RNN-T and LAS
    plots.py         what they look like
    command.py       `steno-models alignments`
"""
