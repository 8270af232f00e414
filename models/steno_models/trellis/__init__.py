"""The best way of a recording through a network of nodes, however long the recording is.

Whatever emits (a GMM-HMM's states, a CTC model's tokens), a text is a network whose nodes stand in
topological order: each may be stayed in, and arcs lead forward. The forced alignment is the best
path (Viterbi 1967):

    v(t, n) = log p(x_t | n) + max over m:  v(t−1, m) + arc(m, n)      m = n or an arc m → n

An hour has some 10⁵ frames and as many nodes, too many for all pairs of them. Of each frame only
the nodes within a beam of the best are kept, which are near each other, for the text is a chain;
and the decisions are not kept but made again block by block from checkpoints on the way back
(Grice, Hughey & Speck 1997).

    network.py   the network, and what emits
    kernels.py   the sweeps, as compiled loops
    viterbi.py   the best path in bounded memory
"""
