"""Second pass: the n-best list of a segment, ranked anew once the segment has ended.

What streams must be quick and look at what was said alone; at an endpoint there is time for models
that read a whole sentence. With y a candidate, x the sound and h the finals before it,

    score(y) = rest(y | x) + α Σ ln[(1 − λ) p_ngram(w | …) + λ p_neural(w | h, …)]
               + β ln p_speller(y | x) + ρ |y|

rest being what the first pass found without its language model (two passes: Ney & Aubert 1994;
neural language models: Mikolov et al. 2010; a speller on the same encoder: Sainath et al. 2019).
Candidates differ in few words, but a network forgets nothing: what is shared is how they begin. So
each prefix is read once; what all begin with, the stable words, already while the segment lasts.

    candidate.py     an entry of the list, its score in parts; how sure its words are
    combination.py   the sum above
    language.py      p_neural, which reads on over the finals of a stream
    attention.py     p_speller
    pace.py          how many candidates there is time for
    second_pass.py   asks them, the best candidates first, for as long as there is time
    tuning.py        the weights with the fewest errors
"""
