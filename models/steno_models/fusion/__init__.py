"""Language models joined to models that write labels, by more than sums of scores.

    shallow   ln p(y | x) + λ ln p_LM(y): scores are added in the search, which is `search.fusion`
    deep      a scalar gate on the LM's hidden state beside the state of a trained decoder
    cold      a gate for each unit on a projection of the LM's logits, in training from its start

Gulcehre et al. (2015) for shallow and deep; Sriram et al. (2018) for cold. In both of the latter
the addition to what a decoder's last hidden layer hears is

    a_deep = U (σ(vᵀ h_LM + b) h_LM),   a_cold = U (σ(W [s; p] + b) ∘ p),   p = relu(P ℓ_LM)

Files: language (what a language model must answer), layers (deep, cold), scorer (any stepwise model
in shallow fusion; density ratios, which take away what a decoder has learnt of its own texts);
section and start, of trainings.
"""
