"""Encoders: features in, one vector every few frames out, whole or as they come.

The Conformer (Gulati et al. 2020) looks by chunks, chosen at run time; of the others each looks as
far as its shape says. A step s of factor r and field f is about the frames s·r … s·r + f − 1.

    protocol.py     what every encoder is: steps, whole and streamed, and how late they come
    build.py        from the shape of an encoder to the encoder
    section.py      the table of a TOML file that says its shape
    conformer.py    the chunked Conformer, on attention.py and subsampling.py
    past.py         the keys and values that its streams look back at
    lstm.py         recurrent: of one direction, of both, and the pyramid (Chan et al. 2016)
    both_ways.py    how LSTMs of both directions read sequences of unequal lengths
    tdnn.py         time delays, sparse (Peddinti et al. 2015) and factorised (Povey et al. 2018)
    cnn.py          1-D convolutions with residuals: causal, a little ahead, or within chunks
    transformer.py  self-attention, over everything or truncated
    windows.py      layers that see windows, over utterances and over streams
    downsample.py   several steps made into one: side by side, pooled, or the first of them
"""
