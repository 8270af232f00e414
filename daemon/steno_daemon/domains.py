"""Language models as run-time objects: a name stands for its newest version.

A session that names one holds the version that it got until it lets go: a newer version, or the
name's retirement, changes nothing for it. What nobody holds any more and no name stands for leaves
memory. Sessions and this module live on the event loop; the engine's thread gets the language model
itself with every piece of work, so that it never looks a name up.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import TYPE_CHECKING

from steno_daemon.errors import FixedModelError, UnknownModelError

if TYPE_CHECKING:
    from steno_daemon.personal import Memory
    from steno_models.domain import Domain
    from steno_models.recogniser import LanguageModel

logger = logging.getLogger(__name__)

GENERAL = "general"
"""The one that a session gets which names none."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a version was loaded from: the name of its folder, and how long it took."""

    folder: str
    load_s: float


@dataclass(eq=False, slots=True)
class Version:
    """A language model as it was loaded once.

    Attributes:
        name: that sessions give.
        number: counts up with every load of the name.
        domain: what was loaded; None of the bundle's own, which the recogniser knows by name.
        origin: where it is from; None of the bundle's own.
        holders: names of the sessions that have it.
        loaded_s: when it was loaded, by the monotonic clock.
        is_retired: whether no further session gets it.
        base: the one that this one extends for one session; None of all others.
        extended: what is decoded with then.
        is_ready: whether that was made, or cannot be.
        wishes: the number of what the session expects; 0 where that is nothing.
        parts: the versions that this one is a mixture of, each with its weight; none of all others.
        personal: what remembers what the speaker says, where that counts beside the parts.
    """

    name: str
    number: int = 1
    domain: "Domain | None" = None
    origin: Origin | None = None
    holders: set[str] = field(default_factory=set)
    loaded_s: float = field(default_factory=monotonic)
    is_retired: bool = False
    base: "Version | None" = None
    extended: "LanguageModel | None" = None
    wishes: int = 0
    parts: "tuple[tuple[Version, float], ...]" = ()
    personal: "Memory | None" = None
    is_ready: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_ready = self.base is None and not self.parts

    def extend(self, model: "LanguageModel | None") -> None:
        """Decode with this from now on; with the base where there is none."""
        self.extended = model
        self.is_ready = True

    @property
    def language_model(self) -> "LanguageModel | str":
        """What the recogniser decodes with: itself, or its name where it is the bundle's."""
        if self.extended is not None:
            return self.extended
        if self.base is not None:
            return self.base.language_model
        if self.parts:  # they could not be mixed
            return self.parts[0][0].language_model
        return self.name if self.domain is None else self.domain.model

    @property
    def origins(self) -> "tuple[Version, ...]":
        """Those with a name, that this one is made of, or is."""
        if self.base is not None:
            return self.base.origins
        return tuple(part for part, _ in self.parts) or (self,)

    @property
    def weights(self) -> dict[str, float]:
        """How much each language model counts, by name."""
        parts = self.base.parts if self.base is not None else self.parts
        return {part.name: weight for part, weight in parts}

    @property
    def has_added(self) -> bool:
        """Whether words were added to it for good."""
        model = self.language_model
        return not isinstance(model, str) and model.plain is not None

    @property
    def is_of_bundle(self) -> bool:
        """Whether it came with the acoustic model, and stays as long."""
        return self.origin is None


class Domains:
    """The language models of the daemon.

    Args:
        names: of the bundle's own.

    Attributes:
        dropped: how many versions have left memory.
    """

    def __init__(self, names: Sequence[str] = (GENERAL,)) -> None:
        self.dropped = 0
        self._newest = {name: Version(name) for name in names}
        self._retired: list[Version] = []
        self._numbers = dict.fromkeys(names, 1)

    @property
    def names(self) -> tuple[str, ...]:
        """What a session may name, the bundle's own first."""
        return tuple(self._newest)

    @property
    def default(self) -> str:
        """The general one, or the first."""
        return GENERAL if GENERAL in self._newest else self.names[0]

    @property
    def versions(self) -> list[Version]:
        """Every version that is in memory, by name and number."""
        return sorted(
            [*self._newest.values(), *self._retired], key=lambda one: (one.name, one.number)
        )

    def check(self, name: str) -> None:
        """Check that there is a language model of that name.

        Raises:
            UnknownModelError: there is none; it lists those that there are.
        """
        self.newest(name)

    def newest(self, name: str) -> Version:
        """Return the newest version of a language model.

        Raises:
            UnknownModelError: there is none; it lists those that there are.
        """
        if name not in self._newest:
            raise UnknownModelError(expected=self.names, found=name)
        return self._newest[name]

    def check_free(self, name: str) -> None:
        """Check that a name is none of the bundle's own.

        Raises:
            FixedModelError: it is.
        """
        found = self._newest.get(name)
        if found is not None and found.is_of_bundle:
            raise FixedModelError(name)

    def add(self, domain: "Domain", origin: Origin) -> Version:
        """Let a name stand for what was loaded, from now on.

        Raises:
            FixedModelError: the name is the bundle's.
        """
        name = domain.description.name
        self.check_free(name)
        number = self._numbers[name] = self._numbers.get(name, 0) + 1
        former = self._newest.get(name)
        self._newest[name] = Version(name, number, domain, origin)
        if former is not None:
            self._retire(former)
        return self._newest[name]

    def enrich(self, name: str, model: "LanguageModel") -> Version:
        """Let a name stand for its newest version with other words added, from now on.

        Raises:
            UnknownModelError: there is none of that name.
        """
        former = self.newest(name)
        number = self._numbers[name] = self._numbers[name] + 1
        domain = None if former.domain is None else replace(former.domain, model=model)
        version = Version(name, number, domain, former.origin)
        if domain is None:
            version.extend(model)
        self._newest[name] = version
        self._retire(former)
        return version

    def retire(self, name: str) -> Version:
        """Let no further session have a language model; return the version that was the newest.

        Raises:
            UnknownModelError: there is none of that name.
            FixedModelError: it is the bundle's.
        """
        version = self.newest(name)
        self.check_free(name)
        del self._newest[name]
        self._retire(version)
        return version

    def hold(self, holder: str, versions: Collection[Version]) -> None:
        """Let a session have these versions and no others; to be called again when they change."""
        for version in versions:
            version.holders.add(holder)
        for version in self.versions:
            if version not in versions and holder in version.holders:
                version.holders.discard(holder)
                self._drop_if_idle(version)

    def let_go(self, holder: str) -> None:
        """Take every version back from a session."""
        self.hold(holder, ())

    def _retire(self, version: Version) -> None:
        version.is_retired = True
        self._retired.append(version)
        self._drop_if_idle(version)

    def _drop_if_idle(self, version: Version) -> None:
        """Let go of a version that no name stands for and nobody holds: its memory is returned."""
        if version.is_retired and not version.holders:
            self._retired.remove(version)
            version.domain = None
            self.dropped += 1
            logger.info("%s %d leaves memory", version.name, version.number)
