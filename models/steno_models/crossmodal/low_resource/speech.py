"""(a): no transcripts at all. Speech and text meet for the first time when it is measured."""

from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from steno_models.crossmodal.cluster_command import main as cluster
from steno_models.crossmodal.low_resource.config import LowResource
from steno_models.crossmodal.segment_command import left_out
from steno_models.crossmodal.segment_command import main as segment
from steno_models.crossmodal.segmentation.segments import write_segments
from steno_models.crossmodal.segmentation.times import read_times
from steno_models.crossmodal.tasks import command
from steno_models.crossmodal.word2vec.train import Word2VecOptions
from steno_models.crossmodal.word2vec.train import train as learn_words
from steno_models.crossmodal.word2vec.vocabulary import numbered
from steno_models.errors import ConfigError
from steno_models.text.letters import plain
from steno_models.training.manifest import read_manifest


class WordlessRow(Struct, frozen=True, kw_only=True):
    """What speech without transcripts is worth.

    Attributes:
        name: of the row.
        systems: the rows of `crossmodal classify`: pieces without labels, and true words.
    """

    name: str
    systems: list[command.Row]


def measure(recipe: LowResource, name: str) -> WordlessRow:
    """Return the row of speech without transcripts; what is made already is not made again.

    The text is that of all transcripts, and no recording is told what was said in it.

    Raises:
        ConfigError: there are no true words in time to measure with.
    """
    if recipe.times is None:
        raise ConfigError(f"{name}: expected `times`, true words to measure with, found none")
    folder = recipe.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    truth, pieces = folder / "truth.jsonl", folder / "pieces.jsonl"
    utterances = read_manifest(recipe.train)
    if not truth.is_file():
        write_segments(truth, read_times(recipe.times, utterances, left_out))
    options = recipe.pieces
    if not (folder / "text" / "words.txt").is_file():
        text = numbered((plain(u.text) for u in utterances), min_count=options.min_count)
        learn_words(text, Word2VecOptions(dimensions=options.dimensions)).save(folder / "text")
    speech = [str(recipe.train), "--cache", str(recipe.cache)]
    if not pieces.is_file():
        segment([*speech, "--method", options.method, "--out", str(pieces)])
    shared = ["--vectors", "word2vec", "--dimensions", str(options.dimensions)]
    shared += ["--min-count", str(options.min_count)]
    heard = {
        options.method: ["--segments", str(pieces), "--clusters", str(options.clusters)],
        "true words": ["--segments", str(truth), "--own-names"],
    }
    for system, arguments in heard.items():
        out = _folder(folder, system)
        if not (out / "words.txt").is_file():
            cluster([*speech, *arguments, *shared, "--out", str(out)])
    return WordlessRow(name=name, systems=_classified(folder, list(heard)))


def _folder(folder: Path, system: str) -> Path:
    return folder / system.replace(" ", "-")


def _classified(folder: Path, systems: Sequence[str]) -> list[command.Row]:
    asked = [str(folder / "text"), "--truth", str(folder / "truth.jsonl"), "--closed"]
    for system in systems:
        asked += ["--system", f"{system}={_folder(folder, system)}"]
    return command.measured("classify", asked)
