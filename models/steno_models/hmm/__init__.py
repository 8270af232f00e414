"""Hidden Markov models of phones: whose phone is each 10 ms frame, and which words were said?

Every phone is three or five states, left to right; every state emits frames from a mixture of
diagonal Gaussians (Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 1989). With the words
known, the states form a graph, and the forced alignment is its best path:

    argmax over paths s of  sum_t  log a(s[t-1], s[t]) + log p(x[t] | s[t])

topology.py the graph of an utterance; gmm.py the emissions; model.py emissions and transitions;
kernels.py Viterbi and forward-backward; align.py alignments as values and files; frames.py the
observations; corpus.py from manifests to examples and to aligned corpora; train.py flat start and
EM (Viterbi and Baum-Welch); command.py the phones of frames, for other models; forced.py any
system's alignment of a recording of any length, for `steno-models force-align`.

contexts.py triphones; questions.py and tree.py their tied states; lda.py, semitied.py and fmllr.py
maps of the features, speakers.py one for each speaker; sgmm.py, sgmm_train.py, subspace.py and
subspace_system.py the subspace GMM; speech.py what is learned from; course.py one stage, stages.py
all of them; system.py the model as a file; config.py and recipe.py `steno-models hmm train`.

hybrid/ a network in the place of the Gaussians; tandem/ a network before them.
"""
