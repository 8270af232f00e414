"""`steno-models hmm evaluate`: the word error rate of a stage, with a bundle's language model.

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
from steno_models.errors import DataError
from steno_models.hmm.config import read_config
from steno_models.hmm.recipe import ADAPTED, BEFORE_ADAPTED, STAGES, SUBSPACE, model_path
from steno_models.hmm.speakers import speaker_frames
from steno_models.hmm.speech import Recording, read_recordings
from steno_models.hmm.subspace import load_subspace_system
from steno_models.hmm.system import Acoustics, System, load_system
from steno_models.hmm_decoder import ACOUSTIC_SCALE, Dictionary, HmmDecoder
from steno_models.search.options import SearchOptions
from steno_models.text.normalise import normalise
from steno_models.text.wer import word_error_rate
from steno_models.training.manifest import read_manifest
from steno_models.types import FloatArray, IntArray

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
        replace(recording, words=[ways[word] for word in words])
        for recording, words in zip(speech, guesses, strict=True)
    ]
    states = [_states(first, second, recording) for recording in supposed]
    base = [second.front_end(recording.cepstra) for recording in speech]
    decoder, found = setting.decoder(second), []
    for frames in speaker_frames(second.model.gmm, speech, base, states):
        found.append(decoder.decode(frames))
        tick()
    return found


def _states(first: System, second: System, recording: Recording) -> IntArray | None:
    """Return the states of `second` on the best path of `first`; None if the words do not fit."""
    if not recording.words:
        return None
    frames: FloatArray = first.front_end(recording.cepstra)
    try:
        path = first.model.best_path(frames, recording.graph(first.units))
    except DataError:
        return None
    return recording.graph(second.units).states[path]


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models hmm evaluate`."""
    asked = _parser().parse_args(arguments)
    folder = read_config(asked.config).folder
    lm_folder = bundle.find(asked.bundle) / "lm"
    options = SearchOptions(
        beam=asked.beam,
        max_tokens=asked.max_tokens,
        lm_weight=asked.lm_weight,
        word_score=asked.word_score,
    )
    setting = Setting(
        Dictionary.open(lm_folder, asked.language_model), options, asked.acoustic_scale
    )
    utterances = read_manifest(asked.manifest)[: asked.limit]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        task = progress.add_task("reading", total=len(utterances))
        pairs = []
        for pair in read_recordings(utterances):
            pairs.append(pair)
            progress.advance(task)
        speech = [recording for _, recording in pairs]
        found = _found(folder, asked.stage, speech, setting, progress)
    spelling = setting.dictionary.words
    references = [normalise(utterance.text) for utterance, _ in pairs]
    hypotheses = [" ".join(spelling[word] for word in words) for words in found]
    sys.stdout.write(f"{asked.stage}: {word_error_rate(references, hypotheses)}\n")
    if asked.hypotheses:
        lines = zip(references, hypotheses, strict=True)
        text = "\n".join(f"REF {reference}\nHYP {hypothesis}\n" for reference, hypothesis in lines)
        asked.hypotheses.write_text(text, encoding="utf-8")
    return 0


def _found(
    folder: Path, stage: str, speech: Sequence[Recording], setting: Setting, progress: Progress
) -> list[list[int]]:
    """Return the ids of the words that the model of `stage` in `folder` finds."""
    task = progress.add_task("decoding", total=len(speech) * (2 if stage == ADAPTED else 1))

    def tick() -> None:
        progress.advance(task)

    path = model_path(folder, stage)
    if stage == SUBSPACE:
        return decode_once(load_subspace_system(path), speech, setting, tick)
    system = load_system(path)
    if stage != ADAPTED:
        return decode_once(system, speech, setting, tick)
    before = load_system(model_path(folder, BEFORE_ADAPTED))
    return decode_adapted((before, system), speech, setting, tick)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models hmm evaluate",
        description="Measure a stage of a training on a manifest: word error rate with its 95 % "
        "interval. Cepstra are normalised over all recordings of a speaker in it.",
    )
    parser.add_argument("config", type=Path, metavar="CONFIG.toml", help="that of the training")
    parser.add_argument("--manifest", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--stage", choices=STAGES, default=ADAPTED)
    parser.add_argument("--bundle", default="en", help="whose language model and words to use")
    parser.add_argument("--language-model", default="general")
    parser.add_argument("--limit", type=int, metavar="N", help="the first N utterances only")
    parser.add_argument("--acoustic-scale", type=float, default=ACOUSTIC_SCALE)
    parser.add_argument("--lm-weight", type=float, default=1.0)
    parser.add_argument("--word-score", type=float, default=0.0)
    parser.add_argument("--beam", type=float, default=14.0)
    parser.add_argument("--max-tokens", type=int, default=5000)
    parser.add_argument("--hypotheses", type=Path, help="write reference and hypothesis lines")
    return parser
