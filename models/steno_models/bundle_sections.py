"""What the descriptions of bundles say of single families, beside what all have in bundle.toml."""

from typing import Annotated, Literal

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


class SpellerSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speller and attention, as `SpellerOptions` has them, and what is special to their search.

    Attributes:
        ctc_weight: the share of CTC.
        length_power: of the normalisation by length.
        coverage: what it counts to have looked at all.
        labels_per_step: no text has more labels for each encoder step.
        label_score: added for each label.
        internal_weight: of what the speller says without sound, which is taken away from what the
            language model says.
    """

    width: int
    layers: int = 1
    feeds: str = "both"
    attention: str = "location"
    attention_width: int
    attention_channels: int = 10
    attention_kernel: int = 31
    ctc_weight: float = 0.3
    length_power: float = 0.0
    coverage: float = 0.0
    labels_per_step: float = 1.0
    label_score: float = 0.0
    internal_weight: float = 0.0


class HmmSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hidden Markov models.

    Attributes:
        kind: what the states emit from: Gaussian mixtures or a subspace GMM on cepstra, or a
            network (hybrid) on log-mel energies.
        acoustic_scale: factor on log-likelihoods.
        cmvn_window_frames: over so many frames up to the present one features are normalised.
        cmvn_prior_frames: for how many of them the training data stand in while there are fewer.
    """

    kind: Literal["gmm", "subspace", "hybrid"] = "gmm"
    acoustic_scale: float
    cmvn_window_frames: int = 600
    cmvn_prior_frames: int = 200


class SecondPassSection(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """How finals are ranked anew; `steno-models tune-second-pass` writes it.

    Attributes:
        kind: by a neural language model (`second_pass/language/`), by a speller on the bundle's own
            encoder (`second_pass/speller/`), or by both.
        n_best: candidates of the first pass that are looked at.
        margin: those that the first pass puts further behind its best, in log units, are not asked
            about and stay behind those that are: who is so far back hardly ever comes out first.
        batch: how many are scored at a time, at most; a speller needs memory for all of them.
        budget_ms: from the moment a final is asked for to the end of the second pass.
        hold_ms: words are called stable so long after their end at the earliest, so that there is
            something left to choose from.
        context_words: the language model reads the newest finals of the stream with no more words
            than that together; 0 for none.
        alike_words: what the language model says of candidates that agree in so many words in a
            row is worked out once; 0 where all before counts. With 8 a hundred candidates take a
            third of the time.
        language_weight: factor on ln p of the mixed language models.
        neural_share: of the neural one in the mixture.
        attention_weight: factor on ln p of the speller.
        word_score: added for each word.
        confidence: the calibration of words of both passes; that of the first where left out.
    """

    kind: Literal["language", "attention", "both"]
    n_best: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    margin: Annotated[float, msgspec.Meta(ge=0)] = float("inf")
    batch: Annotated[int, msgspec.Meta(ge=1, le=100)] = 100
    budget_ms: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 200
    hold_ms: Annotated[int, msgspec.Meta(ge=0, le=60_000)] = 6_000
    context_words: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    alike_words: Annotated[int, msgspec.Meta(ge=0, le=100)] = 0
    language_weight: Annotated[float, msgspec.Meta(ge=0)]
    neural_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    attention_weight: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    word_score: float = 0.0
    confidence: dict[str, float] | None = None


class SpellerShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Speller and attention of a second pass, as `SpellerOptions` has them."""

    width: int
    layers: int = 1
    feeds: str = "both"
    attention: str = "location"
    attention_width: int
    attention_channels: int = 10
    attention_kernel: int = 31
