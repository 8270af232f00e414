"""The language models of one session: named by its client, held until nothing needs them."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from steno_daemon.domains import Domains, Version
from steno_daemon.errors import UnknownModelError, WireError
from steno_daemon.replies import Replies
from steno_daemon.wire import ErrorCode
from steno_models.errors import ConfigError
from steno_models.search.mixture.mixing import check_weights

if TYPE_CHECKING:
    from steno_daemon.personal import Memory

_MOST = 4
"""So many language models are decoded with at once, a personal one included."""


class Models:
    """What a session has of the daemon's language models.

    Args:
        domains: of the daemon.
        holder: name of the session.
        replies: tell the client of names that there are not.
    """

    def __init__(self, domains: Domains, holder: str, replies: Replies) -> None:
        self._domains = domains
        self._holder = holder
        self._replies = replies
        self._held: frozenset[Version] = frozenset()

    @property
    def are_changing(self) -> bool:
        """Whether more than one is held, so that one of them may soon be needed no more."""
        return len(self._held) > 1

    def newest(self, name: str) -> Version | None:
        """Return the newest version of a language model; None, and a complaint, without one."""
        try:
            return self._domains.newest(name)
        except UnknownModelError as error:
            self._replies.complain(
                WireError(
                    ErrorCode.UNKNOWN_LANGUAGE_MODEL,
                    "there is no such language model",
                    expected="one of " + ", ".join(error.expected),
                    found=error.found,
                )
            )
            return None

    def mixture(self, weights: Mapping[str, float]) -> Version | None:
        """Return several language models as one, to be made; None, and a complaint, without."""
        try:
            check_weights(list(weights.values()))
        except ConfigError as error:
            expected, _, found = str(error).removeprefix("expected ").partition(", found ")
            self._complain(f"weights are {spelled(weights)}", expected, found)
            return None
        found_versions = [(self.newest(name), weight) for name, weight in weights.items()]
        parts = tuple((version, weight) for version, weight in found_versions if version)
        if len(parts) < len(weights):
            return None
        number = sum(version.number for version, _ in parts)
        return Version(spelled(weights), number, parts=parts)

    def with_memory(self, version: Version, memory: "Memory") -> Version | None:
        """Return a language model with that of a speaker beside it, to be made; or a complaint."""
        parts = version.parts or ((version, 1.0),)
        if len(parts) == _MOST:
            self._complain(
                "there are too many language models",
                f"at most {_MOST - 1} beside a personal one",
                str(len(parts)),
            )
            return None
        return Version(version.name, version.number, parts=parts, personal=memory)

    def restored(self, name: str) -> Version:
        """Return the language model of a session that was kept, or the general one instead."""
        weights = weights_in(name)
        found = self.newest(name) if weights is None else self.mixture(weights)
        return found or self._domains.newest(self._domains.default)

    def _complain(self, message: str, expected: str, found: str) -> None:
        error = WireError(ErrorCode.INVALID_MESSAGE, message, expected=expected, found=found)
        self._replies.complain(error)

    def hold(self, versions: Collection[Version]) -> None:
        """Hold these and no others."""
        held = frozenset(one for version in versions for one in version.origins)
        if held != self._held:
            self._held = held
            self._domains.hold(self._holder, held)


def spelled(weights: Mapping[str, float]) -> str:
    """Return the name of a mixture, such as "general:0.3+medicine:0.7"."""
    return "+".join(f"{name}:{weight!r}" for name, weight in weights.items())


def weights_in(name: str) -> dict[str, float] | None:
    """Return the weights that a mixture's name tells; None of any other name."""
    if ":" not in name:
        return None
    pairs = [one.rpartition(":") for one in name.split("+")]
    return {part: float(weight) for part, _, weight in pairs}
