"""From spelling to sound and back: what the recogniser's words are made of.

Idea: text becomes lower-case words, words become phones, phones are what CTC hears. A word that no
dictionary holds is pronounced by a joint-sequence model (Bisani & Ney 2008), whose units are
pairs of letters and phones, q = (g, p):  p(g, p) = sum over segmentations of
prod_i p(q_i | q_(i-n+1) ... q_(i-1)).

Files: tokens (phones and token tables), normalise (running text to words; numbers, written_forms
beside it), lexicon (words to pronunciations), g2p (the model; graphones, graphone_ngram, g2p_train
and kernels make it), wer (alignment, error rates and their intervals).
"""
