"""Words that no lexicon holds: where they are said, and which of a million they could be.

Idea: a word outside the lexicon leaves words in its place that fit the sound badly (Bazzi & Glass
2000, generic word models; Hazen & Bazzi 2001, confidence and such models together). Stretches of
such words are heard once more through a loop of phones, and words known from texts alone compete
for what is heard, by sound, by how often they are written, and by the words beside them:

    unknown, if  Σ trees(nats behind, language model with <unk>, posteriors, best candidate) > t

After the segment's end, so that the search and its partials are left alone.

vocabulary.py build.py kinds.py   the candidates on disk, how they are made, what endings tell
stretches.py look.py measures.py known.py sweep/   a first look at all stretches, in one search
boosting.py weights.py            the trees that tell; all that is fitted
phonotactics.py kernels.py        the phone bigram; the loop, forced scores and the shortlist
candidates.py embedding.py proposer.py   which it could be, the part of meaning; all together
fit.py detection.py figures.py experiment.py trial.py confirming.py   how, and on which speech
recogniser.py attach.py           beside any recogniser of the family ctc; of a bundle
command.py                        `steno-models unknown-words build | fit | evaluate`
"""
