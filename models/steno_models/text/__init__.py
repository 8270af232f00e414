"""From spelling to sound and back: what the recogniser's words are made of.

Idea: text becomes lower-case words, words become phones, phones are what CTC hears. A word that no
dictionary holds is pronounced by a joint-sequence model (Bisani & Ney 2008), whose units are
pairs of a letter and its phones, q = (g, p):  p(g, p) = sum over segmentations of
prod_i p(q_i | q_(i-n+1) ... q_(i-1)).

Files: tokens (phones, token tables); bpe (subword units); units (what a model writes);
normalise (text to words; numerals and written say how; spoken_numbers and inverse go back);
lexicon (words to pronunciations); g2p (the model and its file g2p_english.npz; made by graphones,
graphone_ngram and g2p_train); wer (alignment, error rates, intervals); kernels (compiled loops).
"""
