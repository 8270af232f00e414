"""Word-like pieces of speech, without labels.

A piece becomes one vector: ten cepstral frames, evenly spaced. Landmarks say where pieces may end;
which of them do, and what sounds alike, is found together:

    ES-KMeans  min over segmentations Q, means μ of  Σ over pieces  len(x) min_k ‖x - μ_k‖²
    BES-GMM    P(Q, z | speech), a Bayesian Gaussian mixture over the pieces of all of it

syllables.py kernels.py  landmarks by the rhythm of syllables (Räsänen et al. 2015, 2018)
landmarks.py embedding.py  what may be a piece, and its vector (Levin et al. 2013)
es_kmeans.py           Kamper, Livescu, Goldwater, ASRU 2017
bes_gmm.py mixture.py  Kamper, Jansen, Goldwater, Computer Speech & Language 2017
times.py               true words: forced alignments, phone alignments with texts
segments.py            pieces in time as values and as a file
methods.py             the ways to cut speech, by name
score.py               boundary, token and R-value scores
"""
