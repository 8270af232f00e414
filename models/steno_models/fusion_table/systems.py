"""Each way of joining a language model to a speller, with the language model of each domain."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from steno_models.errors import ConfigError
from steno_models.fusion.language import LanguageNetwork
from steno_models.fusion.scorer import DensityRatio, LanguageSteps, StepScorer
from steno_models.fusion_table.config import Search
from steno_models.las.internal import InternalSteps
from steno_models.las.search import SearchOptions
from steno_models.las.trained import TrainedLas
from steno_models.search.fusion import Scorer, ShallowFusion


@dataclass(frozen=True, slots=True)
class System:
    """A row of the table.

    Attributes:
        way: in which the language model is joined.
        language: the domain of the language model, None without one.
        options: of the search.
    """

    way: str
    language: str | None
    options: SearchOptions


def search_options(search: Search, scorer: Scorer | None = None) -> SearchOptions:
    """Return how to search, with a language model in shallow fusion if there is a scorer."""
    return SearchOptions(
        beam=search.beam,
        candidates=search.candidates,
        ctc_weight=search.ctc_weight,
        labels_per_step=search.labels_per_step,
        fusion=ShallowFusion(scorer=scorer, weight=search.lm_weight),
    )


def plain_systems(
    trained: TrainedLas, languages: Mapping[str, LanguageNetwork], search: Search
) -> Iterator[System]:
    """Give the systems of a speller without a fusion: alone, and with scores added in the search.

    Args:
        trained: the speller.
        languages: by domain, the first one being that of the speller's training.
        search: of all.
    """
    scorers = {name: StepScorer(LanguageSteps(each)) for name, each in languages.items()}
    internal = StepScorer(InternalSteps(trained.model.speller))
    ratio = search.subtracted_weight / search.lm_weight
    first = next(iter(scorers))
    yield System("no language model", None, search_options(search))
    for name, scorer in scorers.items():
        yield System("shallow", name, search_options(search, scorer))
    for name, scorer in scorers.items():
        lessened = DensityRatio(target=scorer, source=internal, ratio=ratio)
        yield System("shallow, internal taken away", name, search_options(search, lessened))
    for name, scorer in scorers.items():
        if name != first:
            lessened = DensityRatio(target=scorer, source=scorers[first], ratio=ratio)
            yield System("shallow, density ratio", name, search_options(search, lessened))


def fused_systems(
    kind: str, trained: TrainedLas, languages: Mapping[str, LanguageNetwork], search: Search
) -> Iterator[System]:
    """Give the systems of a fused speller, each with its language model in place while it lasts.

    A language model that does not fit into a fusion has no row.
    """
    fusion = trained.model.speller.fusion
    if fusion is None:
        raise ConfigError(f"expected a speller with {kind} fusion, found one without")
    for name, language in languages.items():
        if kind == "deep" and language.width != fusion.language.width:
            continue
        fusion.replace(language)
        yield System(kind, name, search_options(search))
