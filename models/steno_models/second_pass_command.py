"""`steno-models tune-second-pass`: give a bundle a second pass, and find what its parts weigh."""

import argparse
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import tomli_w
import torch
from rich.console import Console
from rich.progress import track

from steno_models import bundle, bundle_command
from steno_models.bundle_second_pass import FOLDER, LANGUAGE, SPELLER, weights_of
from steno_models.bundle_sections import SecondPassSection
from steno_models.errors import ConfigError, DataError
from steno_models.recogniser import DecodeOptions, Work
from steno_models.rescoring.candidate import Candidate, sureness
from steno_models.rescoring.combination import Weights
from steno_models.rescoring.second_pass import SecondPass, Segment, ranked, within
from steno_models.rescoring.tuning import Judged, outcome, tuned
from steno_models.search.confidence import (
    Calibration,
    DoubleArray,
    expected_calibration_error,
    features,
    fit,
    reliability,
)
from steno_models.text.normalise import normalise
from steno_models.text.wer import align
from steno_models.training.manifest import read_manifest
from steno_models.training.recordings import read_samples
from steno_models.training.utterance import Utterance
from steno_models.two_pass_recogniser import TwoPassRecogniser

ALIKE_WORDS = 8
"""A hundredth of the errors on both dev sets, or less, is what that costs."""

_DESCRIPTION = """Fit the weights of a bundle's second pass, and the confidence of its words, on
the recordings of a manifest. What that is worth is measured on each half of them with what was
fitted on the other one. With --language or --speller the model is copied into the bundle first.
What was found is written into bundle.toml, which is then sealed anew.

Candidates that begin alike are read once, and all of them side by side, so that a recurrent model
of 14 MB reads a hundred in a tenth of a second of one core. As many are read as there is time for
within --budget-ms, the best first; the others stay in the order of the first pass behind them.
`steno-models lm quantise` makes such a model half as large, `steno-models lm build --prune` the
n-grams beside it smaller, where a bundle must not grow.
"""

_EXAMPLES = """examples:
  steno-models lm quantise ./lm-novels ./lm-small
  steno-models tune-second-pass --bundle ./my-bundle --language ./lm-small --manifest dev.jsonl \
      --n-best 50 --margin 6 --budget-ms 300
  steno-models tune-second-pass --bundle ./my-bundle --manifest dev.jsonl --n-best 20
  steno-models evaluate --bundle ./my-bundle --manifest test.jsonl --streaming
"""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """What both passes think of a recording.

    Attributes:
        judged: the candidates that the second pass is asked about, with their errors.
        behind: the others.
        spoken: what was said.
    """

    judged: Judged
    behind: Sequence[Candidate]
    spoken: Sequence[str]


def judge(recogniser: TwoPassRecogniser, utterances: Iterable[Utterance]) -> list[Recording]:
    """Return what both passes think of `utterances`, each a segment of its own."""
    rescorer = recogniser.rescorer
    if not isinstance(rescorer, SecondPass):
        raise ConfigError("expected a second pass with weights")
    found = []
    for utterance in utterances:
        samples = recogniser.features().accept(read_samples(utterance))
        options = DecodeOptions(second_pass=False)
        [(_, state)] = recogniser.first.step(
            [Work(samples, recogniser.first.start(options), is_last=True)]
        )
        listed = recogniser.first.candidates(state, rescorer.n_best)
        candidates = within(listed, rescorer.margin)
        segment = Segment(recogniser.steps(state), rescorer.begin(()))
        opinions = rescorer.opinions(candidates, segment)
        spoken = normalise(utterance.text).split()
        errors = np.array([align(spoken, one.texts).errors for one in candidates], np.float64)
        judged = Judged(candidates, opinions, errors, len(spoken))
        found.append(Recording(judged, listed[len(candidates) :], spoken))
    return found


def measured(
    recordings: Sequence[Recording], weights: Weights, scale: float
) -> tuple[DoubleArray, np.typing.NDArray[np.bool_]]:
    """Return (words, features) of the finals of both passes, and (words,) whether each is right."""
    rows, correct = [], []
    for one in recordings:
        candidates = [*one.judged.candidates, *one.behind]
        order = ranked(candidates, one.judged.scores(weights).tolist())
        rows.append(features(sureness(order, 0, scale)))
        pairs = align(one.spoken, order[0].candidate.texts).pairs
        correct += [theirs == ours for theirs, ours in pairs if ours is not None]
    return np.concatenate(rows), np.array(correct, bool)


def _section(path: Path, asked: argparse.Namespace) -> SecondPassSection:
    """Return the section to begin with: the bundle's own, or one as neutral as the first pass."""
    description, folder = bundle.describe(path), path / FOLDER
    there = [name for name in (LANGUAGE, SPELLER) if (folder / name).is_dir()]
    if not there:
        raise ConfigError(
            f"expected models of a second pass in {folder}, or --language or --speller, found none"
        )
    kind = {LANGUAGE: "language", SPELLER: "attention"}[there[0]] if len(there) == 1 else "both"
    known = description.second_pass or SecondPassSection(
        kind="language", language_weight=description.search.lm_weight, alike_words=ALIKE_WORDS
    )
    wished = {
        "n_best": asked.n_best,
        "margin": asked.margin,
        "budget_ms": asked.budget_ms,
        "context_words": asked.context_words,
        "alike_words": asked.alike_words,
    }
    changes = {name: value for name, value in wished.items() if value is not None}
    return msgspec.convert(
        {**msgspec.to_builtins(known), "kind": kind, **changes}, SecondPassSection
    )


def _write(path: Path, section: SecondPassSection) -> None:
    described = msgspec.structs.replace(bundle.describe(path), second_pass=section)
    (path / bundle.DESCRIPTION).write_text(tomli_w.dumps(msgspec.to_builtins(described)))
    bundle_command.seal(path)


def _copy(source: Path | None, target: Path) -> None:
    """Put a model into the bundle in place of the one that was there."""
    if source is None:
        return
    if not source.is_dir():
        raise DataError(f"expected the folder of a model, found none at {source}")
    if target.exists():
        shutil.rmtree(target)
    target.mkdir(parents=True)
    for file in sorted(source.iterdir()):
        if file.is_file() and file.suffix in {".toml", ".txt", ".safetensors"}:
            shutil.copyfile(file, target / file.name)


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What suits some recordings: the weights of both passes, and the confidence of the words."""

    weights: Weights
    calibration: Calibration


def fitted(recordings: Sequence[Recording], starts: Sequence[Weights], scale: float) -> Fitted:
    """Return what suits `recordings`, from the best of `starts` on."""
    judged = [one.judged for one in recordings]
    start = min(starts, key=lambda one: outcome(judged, one, scale))
    weights = tuned(judged, start, scale)
    return Fitted(weights, fit(*measured(recordings, weights, scale)))


def tune(
    path: Path, section: SecondPassSection, utterances: Sequence[Utterance], console: Console
) -> SecondPassSection:
    """Return `section` with the weights and the confidence that suit `utterances`, and say so.

    Raises:
        ConfigError: the bundle has no second pass.
        DataError: there are too few recordings.
    """
    recogniser = bundle.load(path).recogniser
    if not isinstance(recogniser, TwoPassRecogniser):
        raise ConfigError(f"expected a bundle with a second pass in {path}, found one without")
    if len(utterances) < 2:
        raise DataError(f"expected two recordings or more, found {len(utterances)}")
    scale = recogniser.posterior_scale
    recordings = judge(recogniser, track(utterances, "both passes", console=console))
    neutral = Weights(language=bundle.describe(path).search.lm_weight)
    starts = neutral, weights_of(section)
    halves = recordings[::2], recordings[1::2]
    for_other = [(fitted(half, starts, scale), halves[1 - k]) for k, half in enumerate(halves)]
    found = fitted(recordings, starts, scale)
    report(for_other, neutral, scale)
    weights = found.weights
    _say(
        f"weights: language {weights.language:g}, neural share {weights.neural_share:g}, "
        f"attention {weights.attention:g}, word {weights.word:g}"
    )
    return msgspec.structs.replace(
        section,
        language_weight=weights.language,
        neural_share=weights.neural_share,
        attention_weight=weights.attention,
        word_score=weights.word,
        confidence=found.calibration.to_table(),
    )


def _say(line: str) -> None:
    Console().print(line, highlight=False, soft_wrap=True)


def report(
    for_other: Sequence[tuple[Fitted, Sequence[Recording]]], neutral: Weights, scale: float
) -> None:
    """Say what recordings make of what was fitted on others."""
    judged = [one.judged for _, recordings in for_other for one in recordings]
    spoken = sum(one.spoken for one in judged)
    first = outcome(judged, neutral, scale).errors
    both, sure, correct = 0, [], []
    for suited, recordings in for_other:
        both += outcome([one.judged for one in recordings], suited.weights, scale).errors
        found, right = measured(recordings, suited.weights, scale)
        odds = found @ np.array(suited.calibration.weights) + suited.calibration.bias
        sure.append(1 / (1 + np.exp(-odds)))
        correct.append(right)
    best = int(sum(one.errors.min() for one in judged))
    _say(f"each half with what was fitted on the other, {spoken} words:")
    for name, errors in ("first pass", first), ("both passes", both), ("best in the lists", best):
        _say(f"  {name}: {errors} errors, {100 * errors / spoken:.2f} % of the words")
    bins = reliability(np.concatenate(sure), np.concatenate(correct))
    _say(f"  expected calibration error {100 * expected_calibration_error(bins):.1f} %")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models tune-second-pass",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--bundle", required=True, help="the bundle's directory")
    add(
        "--manifest",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE.jsonl",
        help="speech that nothing was trained on, as `steno-models manifest` lists it",
    )
    add("--language", type=Path, metavar="DIR", help="a model of `steno-models lm train`")
    add("--speller", type=Path, metavar="DIR", help="a speller that looks at the bundle's encoder")
    add("--n-best", type=int, metavar="N", help="candidates of the first pass (10)")
    add(
        "--margin",
        type=float,
        metavar="LOG",
        help="log units behind the best of the first pass; candidates further back are not asked "
        "about (no bound; on read speech 6 leaves half of a hundred out and no winner)",
    )
    add("--budget-ms", type=int, metavar="MS", help="until the final must be there (200)")
    add(
        "--context-words",
        type=int,
        metavar="N",
        help="of the stream's newest finals that the language model reads first (0)",
    )
    parser.add_argument(
        "--alike-words",
        type=int,
        metavar="N",
        help="candidates that agree in so many words in a row go on as one for the language model; "
        f"0: never, at three times the cost ({ALIKE_WORDS})",
    )
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models tune-second-pass`."""
    asked = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    path = bundle.find(asked.bundle)
    utterances = [one for manifest in asked.manifest for one in read_manifest(manifest)]
    with tempfile.TemporaryDirectory(prefix="steno-bundle-") as made:
        copy = Path(made) / "bundle"  # if anything fails, the bundle is as it was
        shutil.copytree(path, copy)
        _copy(asked.language, copy / FOLDER / LANGUAGE)
        _copy(asked.speller, copy / FOLDER / SPELLER)
        try:
            section = _section(copy, asked)
        except msgspec.ValidationError as error:
            raise ConfigError(f"expected options of a second pass, found: {error}") from error
        _write(copy, section)
        section = tune(copy, section, utterances, Console(stderr=True))
    _copy(asked.language, path / FOLDER / LANGUAGE)
    _copy(asked.speller, path / FOLDER / SPELLER)
    _write(path, section)
    return 0
