"""Beam search from token posteriors to words, one encoder step at a time, for streams.

Idea: token passing (Young, Russell & Thornton 1989) through the prefix tree of the pronunciations
(Ney et al. 1992), one copy of the tree for each language-model state, reached copies only. A token
is a state of that product, Viterbi's best way there, and a link to the words before:

    score(words) = max over alignments of sum ln p(token, step)
                   + sum over words of (lm_weight ln p(word | words before) + word_score)

The language model is looked ahead (Ortmanns, Ney & Eiden 1996): within a word a token counts the
best word that can still come of it. State is a value; any chunking gives the same.

Files: tree (the lexicon), topology (CTC, or HMMs of one state a token), options, state, search (the
calls), kernels (the compiled step), ahead (the compiled look-ahead), links (the compiled word
graph), ways (back through it, compiled), hypothesis, nbest, confidence; added and growing (words
that come later), phrases (what is expected), mixture (several language models at once), lexicon
(its file, read quickly), remembering (what looking ahead found). For searches that write labels:
fusion (language models of labels), word_scorer (models of words as such).
"""
