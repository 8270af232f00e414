"""`steno-models hmm evaluate`: the word error rate of a model, with a bundle's language model.

A stage that is adapted to speakers decodes twice: what the stage before it found in a speaker's
recordings says which state each frame belongs to, from which follows the speaker's map; then the
mapped frames are decoded (two passes, as in Gales 1998).
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from steno_models import bundle
from steno_models.errors import ConfigError
from steno_models.hmm.config import read_config
from steno_models.hmm.hybrid.config import read_hybrid
from steno_models.hmm.hybrid.data import speaker_energies
from steno_models.hmm.hybrid.rounds import read_table as read_rounds
from steno_models.hmm.hybrid.system import load_hybrid
from steno_models.hmm.recipe import ADAPTED, BEFORE_ADAPTED, STAGES, SUBSPACE, model_path
from steno_models.hmm.speakers import adapted_frames
from steno_models.hmm.speech import Recording, SpeakerFeatures, read_recordings, speaker_cepstra
from steno_models.hmm.subspace_system import SUBSPACE_SCALE, load_subspace_system
from steno_models.hmm.system import Acoustics, System, load_system
from steno_models.hmm.tandem.command import tandem_features
from steno_models.hmm.tandem.config import read_tandem
from steno_models.hmm_decoder import ACOUSTIC_SCALE, Dictionary, HmmDecoder
from steno_models.search.options import SearchOptions
from steno_models.text.normalise import normalise
from steno_models.text.wer import word_error_rate
from steno_models.training.manifest import read_manifest
from steno_models.training.toml_file import read_table

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """What decoding needs beside the acoustic model."""

    dictionary: Dictionary
    options: SearchOptions
    acoustic_scale: float = ACOUSTIC_SCALE

    def decoder(self, system: Acoustics) -> HmmDecoder:
        """Return a decoder with `system`."""
        return HmmDecoder.build(system, self.dictionary, self.options, self.acoustic_scale)


def decode_once(
    system: Acoustics, speech: Sequence[Recording], setting: Setting, tick: Tick
) -> list[list[int]]:
    """Return the ids of the words that `system` finds in each of `speech`."""
    decoder, found = setting.decoder(system), []
    for recording in speech:
        found.append(decoder.decode(system.front_end(recording.cepstra)))
        tick()
    return found


def decode_adapted(
    systems: tuple[System, System], speech: Sequence[Recording], setting: Setting, tick: Tick
) -> list[list[int]]:
    """Return the ids of the words that the second of `systems` finds, adapted to each speaker.

    The first one finds the words from which the speakers' maps are estimated.
    """
    first, second = systems
    guesses = decode_once(first, speech, setting, tick)
    ways = setting.dictionary.pronunciations
    supposed = [
        replace(recording, words=ways.of_words(words))
        for recording, words in zip(speech, guesses, strict=True)
    ]
    decoder, found = setting.decoder(second), []
    for frames in adapted_frames(first, second, supposed):
        found.append(decoder.decode(frames))
        tick()
    return found


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured.

    Attributes:
        name: its stage or round.
        features: what it hears.
        acoustic_scale: factor on its log-likelihoods, unless another is asked for.
        system: the acoustic model.
        before: the one whose words adapt `system` to speakers; None where it is not adapted.
    """

    name: str
    features: SpeakerFeatures
    acoustic_scale: float
    system: Acoustics
    before: System | None = None

    def decode(
        self, speech: Sequence[Recording], setting: Setting, progress: Progress
    ) -> list[list[int]]:
        """Return the ids of the words that are found in each of `speech`."""
        passes = 1 if self.before is None else 2
        task = progress.add_task("decoding", total=passes * len(speech))

        def tick() -> None:
            progress.advance(task)

        if self.before is not None and isinstance(self.system, System):
            return decode_adapted((self.before, self.system), speech, setting, tick)
        return decode_once(self.system, speech, setting, tick)


def find_subject(path: Path, stage: str | None) -> Subject:
    """Return what the training that the TOML file at `path` says has left.

    Args:
        path: of the file; its `kind` says whether it is of a hybrid, a tandem, or of Gaussians.
        stage: of Gaussians, or `round1` and so on or `sequence` of a hybrid; if None that which is
            adapted to speakers, or the best.

    Raises:
        ConfigError: there is no such kind or stage.
        DataError: its files are missing or damaged.
    """
    match read_table(path).get("kind"):
        case None:
            return _gaussians(read_config(path).folder, stage, speaker_cepstra)
        case "tandem":
            tandem = read_tandem(path)
            return _gaussians(tandem.folder, stage, tandem_features(tandem))
        case "hybrid":
            folder = read_hybrid(path).folder
            name = stage or read_rounds(folder).best_name
            hybrid = load_hybrid(folder / name)
            return Subject(name, speaker_energies, hybrid.acoustic_scale, hybrid)
        case other:
            raise ConfigError(f"{path}: expected a kind of: hybrid, tandem, or none, found {other}")


def _gaussians(folder: Path, stage: str | None, features: SpeakerFeatures) -> Subject:
    """Return `stage` of a training of Gaussians in `folder`."""
    name = stage or ADAPTED
    if name not in STAGES:
        raise ConfigError(f"expected a stage of: {', '.join(STAGES)}, found {name}")
    path = model_path(folder, name)
    if name == SUBSPACE:
        return Subject(name, features, SUBSPACE_SCALE, load_subspace_system(path))
    before = load_system(model_path(folder, BEFORE_ADAPTED)) if name == ADAPTED else None
    return Subject(name, features, ACOUSTIC_SCALE, load_system(path), before)


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models hmm evaluate`."""
    asked = _parser().parse_args(arguments)
    subject = find_subject(asked.config, asked.stage)
    options = SearchOptions(
        beam=asked.beam,
        max_tokens=asked.max_tokens,
        lm_weight=asked.lm_weight,
        word_score=asked.word_score,
    )
    setting = Setting(
        Dictionary.open(bundle.find(asked.bundle) / "lm", asked.language_model),
        options,
        subject.acoustic_scale if asked.acoustic_scale is None else asked.acoustic_scale,
    )
    utterances = read_manifest(asked.manifest)[: asked.limit]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("reading", total=len(utterances))
        pairs = []
        for pair in read_recordings(utterances, subject.features):
            pairs.append(pair)
            progress.advance(task)
        found = subject.decode([recording for _, recording in pairs], setting, progress)
    spelling = setting.dictionary.words
    references = [normalise(utterance.text) for utterance, _ in pairs]
    hypotheses = [" ".join(spelling[word] for word in words) for words in found]
    sys.stdout.write(f"{subject.name}: {word_error_rate(references, hypotheses)}\n")
    if asked.hypotheses:
        lines = zip(references, hypotheses, strict=True)
        text = "\n".join(f"REF {reference}\nHYP {hypothesis}\n" for reference, hypothesis in lines)
        asked.hypotheses.write_text(text, encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models hmm evaluate",
        description="Measure a stage of a training on a manifest: word error rate with its 95 % "
        "interval. Cepstra are normalised over all recordings of a speaker in it.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="that of the training")
    parser.add_argument("--manifest", type=Path, required=True, metavar="FILE.jsonl")
    stages = f"{', '.join(STAGES)}, or round1, … and sequence of a hybrid; else tri3, or the best"
    parser.add_argument("--stage", help=stages)
    parser.add_argument("--bundle", default="en", help="whose language model and words to use")
    parser.add_argument("--language-model", default="general")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N utterances only")
    scales = "factor on log-likelihoods (a frame's 1/10, a network's 0.2 for each frame of a step)"
    parser.add_argument("--acoustic-scale", type=float, help=scales)
    parser.add_argument("--lm-weight", type=float, default=1.0)
    parser.add_argument("--word-score", type=float, default=0.0)
    parser.add_argument("--beam", type=float, default=14.0)
    parser.add_argument("--max-tokens", type=int, default=5000)
    parser.add_argument("--hypotheses", type=Path, help="write reference and hypothesis lines")
    return parser
