"""Several language models in one search, their probabilities interpolated word by word.

Equation: p(w | h) = sum_i weight_i p_i(w | h_i), h_i what the i-th model keeps of the history
(Jelinek & Mercer 1980). Nothing is merged beforehand: where a word ends each model is asked, so
that the sum is exact, also where models back off, and other weights cost nothing to make. Looking
ahead from inside a word takes the largest p_i(w | h_i) of each model, which is at least as much.

A state of the mixture is one state of each model. The compiled search numbers them as they come
up; a `SearchState` carries those that its tokens stand on.

Files: kernels (the compiled sums), mixing (weights, memory), joint (one vocabulary, one lexicon
tree and the search of several).
"""
