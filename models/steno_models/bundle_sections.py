"""What the descriptions of bundles say of single families, beside what all have in bundle.toml."""

from typing import Literal

import msgspec


class TransducerSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Predictor and joiner, as `TransducerOptions` has them, and what is special to their search.

    Attributes:
        max_symbols: most labels at one encoder step.
        candidates: labels of a hypothesis that a language model is asked about.
        internal_weight: factor on the internal language model that is subtracted.
        label_score: added for each label.
    """

    predictor: Literal["stateless", "recurrent"] = "stateless"
    predictor_width: int
    predictor_layers: int = 1
    cell: Literal["lstm", "gru"] = "lstm"
    context: int = 2
    joiner: Literal["softmax", "factorised"] = "softmax"
    joiner_width: int
    max_symbols: int = 3
    candidates: int = 16
    internal_weight: float = 0.0
    label_score: float = 0.0


class HmmSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hidden Markov models on cepstra.

    Attributes:
        kind: what the states emit from: Gaussian mixtures, or a subspace GMM.
        acoustic_scale: factor on log-likelihoods.
        cmvn_window_frames: over so many frames up to the present one cepstra are normalised.
        cmvn_prior_frames: for how many of them the training data stand in while there are fewer.
    """

    kind: Literal["gmm", "subspace"] = "gmm"
    acoustic_scale: float
    cmvn_window_frames: int = 600
    cmvn_prior_frames: int = 200
