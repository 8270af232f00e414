"""What the systems of a table hear in the speech of each domain."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch.nn.utils.rnn import pad_sequence

from steno_models.fusion.language import LanguageNetwork
from steno_models.fusion_table.config import FusionTableConfig
from steno_models.fusion_table.systems import System, fused_systems, plain_systems
from steno_models.las.model import Encoded
from steno_models.las.search import LasSearch
from steno_models.las.trained import TrainedLas
from steno_models.lm.open_model import open_label_network
from steno_models.text.normalise import normalise
from steno_models.text.wer import ErrorRate, word_error_rate
from steno_models.training.feature_cache import Recipe, cached_features
from steno_models.training.manifest import read_manifest
from steno_models.training.varied import Plain
from steno_models.types import FloatArray

_TOGETHER = 16  # utterances that are searched at once


@dataclass(frozen=True, slots=True)
class Row:
    """A system and its word error rate in each domain.

    Attributes:
        way: in which the language model is joined.
        language: the domain of the language model, None without one.
        rates: by domain of the speech.
    """

    way: str
    language: str | None
    rates: Mapping[str, ErrorRate]


@dataclass(frozen=True, slots=True)
class Speech:
    """Speech to measure on: log-mel energies, (T, F) each, and what is said."""

    heard: Sequence[FloatArray]
    said: Sequence[str]


def rows(config: FusionTableConfig, console: Console, limit: int | None = None) -> list[Row]:
    """Return the table's rows.

    Args:
        config: of the table, whose trainings are finished.
        console: is told what is measured.
        limit: how many utterances of each domain, None for all.
    """
    spellers = config.spellers()
    speech = {
        domain.name: read_speech(domain.manifest, spellers["plain"].cache, limit)
        for domain in config.domains
    }
    found = []
    for kind, speller in spellers.items():
        trained = TrainedLas.load(speller, open_language=open_label_network)
        symbols = trained.units.table.symbols
        languages = {
            domain.name: open_label_network(domain.network(), symbols) for domain in config.domains
        }
        encoded = {name: list(_encoded(trained, each)) for name, each in speech.items()}
        for system in _systems(config, kind, trained, languages):
            rates = {
                name: word_error_rate(each.said, _texts(trained, system, encoded[name]))
                for name, each in speech.items()
            }
            found.append(Row(system.way, system.language, rates))
            told = "; ".join(f"WER on {name} {rate}" for name, rate in rates.items())
            console.print(
                f"{system.way}, {system.language or '–'}: {told}", highlight=False, soft_wrap=True
            )
    return found


def read_speech(manifest: Path, cache: Path, limit: int | None) -> Speech:
    """Return the speech of a manifest, or so many of its first utterances."""
    utterances = read_manifest(manifest)
    features = cached_features(utterances, cache, recipe=Recipe(), processes=1)
    taken = utterances[:limit]
    return Speech(
        [features.read(number, 0) for number in range(len(taken))],
        [normalise(each.text) for each in taken],
    )


def _systems(
    config: FusionTableConfig,
    kind: str,
    trained: TrainedLas,
    languages: Mapping[str, LanguageNetwork],
) -> Iterator[System]:
    if kind == "plain":
        return plain_systems(trained, languages, config.search)
    return fused_systems(kind, trained, languages, config.search)


@torch.inference_mode()
def _encoded(trained: TrainedLas, speech: Speech) -> Iterator[Encoded]:
    """Give the encoder steps of a few utterances at a time."""
    normalised = Plain(trained.cmvn)
    for begin in range(0, len(speech.heard), _TOGETHER):
        heard = [torch.from_numpy(normalised.of(each)) for each in speech.heard[begin:][:_TOGETHER]]
        lengths = torch.tensor([len(each) for each in heard])
        yield trained.model.encode(pad_sequence(heard, batch_first=True), lengths, trained.context)


def _texts(trained: TrainedLas, system: System, encoded: Sequence[Encoded]) -> list[str]:
    search = LasSearch(trained.model, system.options)
    return [
        " ".join(trained.units.parts(best.tokens))
        for each in encoded
        for best, *_ in search.search(each)
    ]
