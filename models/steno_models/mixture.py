"""Language models of any domains as one, each with its weight.

    mix = Mixer(extend)
    model = mix([(general, 0.3), (medicine, 0.7)])

What takes a moment, a lexicon of the words of all, is made once for the same language models and
kept as long as anybody decodes with it; other weights cost nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakValueDictionary

from steno_models.errors import ConfigError
from steno_models.lm.cache.counts import Counts
from steno_models.personal import Personal
from steno_models.recogniser import LanguageModel, Wishes
from steno_models.search.mixture.joint import Source, join
from steno_models.search.mixture.kernels import MOST_PARTS
from steno_models.search.mixture.mixing import check_weights
from steno_models.search.search import BeamSearch

if TYPE_CHECKING:
    from steno_models.vocabulary import Extended

Extend: TypeAlias = "Callable[[LanguageModel, Wishes], Extended]"


@dataclass(frozen=True, eq=False)
class Joint:
    """Language models under one vocabulary; whoever decodes with them holds it.

    Attributes:
        models: they, nothing added to them.
        search: through all.
        words: the spelling of its word ids.
    """

    models: tuple[LanguageModel, ...]
    search: BeamSearch
    words: Sequence[str]

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """The word ids by spelling."""
        return {word: number for number, word in enumerate(self.words)}


class Mixer:
    """Mixes language models; may be called in any thread.

    Args:
        extend: adds to a mixture what was added to its parts; None where nothing can be added.
    """

    def __init__(self, extend: "Extend | None" = None) -> None:
        self._extend = extend
        self._joints: WeakValueDictionary[tuple[int, ...], Joint] = WeakValueDictionary()
        self._lock = Lock()

    def __call__(
        self, parts: Sequence[tuple[LanguageModel, float]], said: Counts | None = None
    ) -> LanguageModel:
        """Return language models, each with its weight, as one.

        Args:
            parts: they.
            said: what the speaker said before, to be expected again; None where that counts not.

        Raises:
            ConfigError: the weights are outside 0 to 1 or do not sum to 1; the models are too many
                or do not fit together.
        """
        check_weights([weight for _, weight in parts])
        used = [(model, weight) for model, weight in parts if weight > 0]
        plain = tuple(model.plain or model for model, _ in used)
        joint = self.joint(plain)
        search, weights = joint.search, tuple(weight for _, weight in used)
        if search.mixing is None:
            raise ConfigError("expected a search of several language models, found one of one")
        mixed = LanguageModel(
            search.remixed(replace(search.mixing, weights=weights)),
            joint.words,
            neural_share=_share(used),
            joint=joint,
        )
        if said is not None:
            if len(used) == MOST_PARTS:
                raise ConfigError(
                    f"expected at most {MOST_PARTS - 1} language models beside a personal one, "
                    f"found {len(used)}"
                )
            mixed = replace(mixed, personal=Personal(said, joint.numbers))
        wishes = Wishes()
        for model, _ in used:
            wishes = wishes.joined(model.wishes)
        if self._extend is None or wishes == Wishes():
            return mixed
        return self._extend(mixed, wishes).model

    def joint(self, models: tuple[LanguageModel, ...]) -> Joint:
        """Return language models to which nothing was added under one vocabulary."""
        key = tuple(map(id, models))
        with self._lock:
            joint = self._joints.get(key)
            if joint is None:
                search, words = join([Source(model.search, model.words) for model in models])
                joint = self._joints[key] = Joint(models, search, words)
            return joint


def _share(used: Sequence[tuple[LanguageModel, float]]) -> float | None:
    """Return how much a neural model counts beside them: on average, where all say so."""
    total = 0.0
    for model, weight in used:
        if model.neural_share is None:
            return None
        total += weight * model.neural_share
    return total
