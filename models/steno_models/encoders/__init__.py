"""Encoders: features in, one vector every 40 ms out, whole or in chunks with explicit state.

A chunked Conformer (Gulati et al. 2020, arXiv:2005.08100) trained with random chunk sizes (Zhang et
al. 2020, arXiv:2012.05481), so that chunk and left context are chosen at run time:

    S = T / 4,   step s of chunk c attends to steps [c·C − left, (c + 1)·C)

    subsampling.py  (B, T, F) features → (B, S, D), by two strided convolutions
    attention.py    self-attention with rotary positions and a chunk mask
    conformer.py    the block, the encoder, whole-utterance form and streaming form
"""
