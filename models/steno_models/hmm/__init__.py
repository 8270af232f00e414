"""Hidden Markov models of phones: whose phone is each 10 ms frame?

Every phone is three states, left to right; every state emits 39 MFCC features from a mixture of
diagonal Gaussians (Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 1989). With the words
known, the states form a graph, and the forced alignment is its best path:

    argmax over paths s of  sum_t  log a(s[t-1], s[t]) + log p(x[t] | s[t])

topology.py the graph of an utterance; gmm.py the emissions; model.py emissions and transitions;
kernels.py Viterbi and forward-backward; align.py alignments as values and files; frames.py the
observations; corpus.py from manifests to examples and to aligned corpora; train.py flat start and
EM (Viterbi and Baum-Welch); command.py `steno-models force-align`.
"""
