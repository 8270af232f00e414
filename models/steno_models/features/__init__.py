"""What the models hear: 100 frames a second, whole and incrementally with the same numbers.

extractor.py  framing, and what takes samples in blocks; Kaldi's extractors are fed so
spectra.py    power spectra and their mel bands, on kernels.py
fbank.py      80 log-mel energies, for networks
mfcc.py       13 cepstra, for Gaussians (Davis & Mermelstein 1980)
deltas.py     slopes appended to features (Furui 1986)
cmvn.py       mean and variance normalisation, global and over a sliding window
"""
