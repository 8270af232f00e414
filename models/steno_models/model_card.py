"""The beginning of a model card: what is known when a bundle is made, and what is not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from steno_models.bundle import Description
from steno_models.errors import DataError
from steno_models.lm.ngram.model import NgramModel
from steno_models.training.manifest import manifest_name, read_manifest

CARD = "MODEL_CARD.md"

_FAMILIES = {
    "ctc": "An encoder trained by CTC over phones, searched through a lexicon.",
    "rnnt": "A recurrent neural network transducer.",
    "hmm": "Hidden Markov models of phones on cepstra, searched through a lexicon.",
    "las": "An encoder that listens to whole segments, and a speller.",
}

_UNMEASURED = (
    "Words: not yet measured. `steno-models evaluate --bundle DIR --manifest FILE.jsonl "
    "--streaming` says the word error rate with its interval, speed and delays; `steno-models "
    "calibrate` makes its confidences probabilities."
)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an acoustic model comes from.

    Attributes:
        config: the TOML file of its training.
        corpora: the manifests of the speech that it learnt from.
        point: the checkpoint's step, or the stage.
        parameters: how many numbers it has.
        errors: what its own training measured on held-out speech.
    """

    config: Path
    corpora: Sequence[Path]
    point: str
    parameters: int
    errors: Mapping[str, float]


def model_card(path: Path, description: Description, origin: Origin) -> str:
    """Return the card of the bundle in `path`, with gaps for what only people and tests know."""
    size_mb = sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6
    what = (
        f"{_FAMILIES[description.family]} {origin.parameters:,} parameters, {size_mb:.1f} MB. From "
        f"{origin.point} of the training that `{origin.config.name}` says."
    )
    parts = [
        f"# {description.name}, version {description.version}: {description.language}",
        what,
        "## What it was trained on",
        _corpora(origin.corpora),
        "Licences: not yet written down.",
        "## Language models",
        _language_models(path, description.language_models),
        "## What it was measured to do",
        _errors(origin.errors),
        _UNMEASURED,
    ]
    return "\n\n".join(parts) + "\n"


def _corpora(manifests: Sequence[Path]) -> str:
    rows = ["| manifest | utterances | hours |", "|---|---|---|"]
    for manifest in manifests:
        try:
            utterances = read_manifest(manifest)
        except DataError:
            rows.append(f"| `{manifest_name(manifest)}` | not here any more | |")
            continue
        hours = sum(utterance.duration_s for utterance in utterances) / 3600
        rows.append(f"| `{manifest_name(manifest)}` | {len(utterances):,} | {hours:.1f} |")
    return "\n".join(rows)


def _language_models(path: Path, names: Sequence[str]) -> str:
    if not names:
        return "None: what it writes is its own spelling."
    lines = []
    for name in names:
        model = NgramModel.open(path / "lm" / f"{name}.bin")
        lines.append(f"- `{name}`: {model.order}-grams of {len(model.vocabulary) - 3:,} words")
    return "\n".join(lines)


def _errors(errors: Mapping[str, float]) -> str:
    if not errors:
        return "Its training measured no error rate."
    lines = [f"- {name}: {100 * value:.1f} %" for name, value in errors.items()]
    return "\n".join(["By its training, on held-out speech, in its own units:", "", *lines])
