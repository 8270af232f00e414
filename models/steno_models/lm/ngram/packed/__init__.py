"""Arrays of small numbers at as many bits each as the largest one needs, read where they lie.

Idea: a vocabulary of 110 000 words needs 17 bits a word, not 32. Value i stands at the bits
i b .. (i + 1) b of a run of 32-bit words, least significant first: two words, a shift and a mask
read it, whatever the width b.

Files: kernels.
"""
