"""The language models of one session: named by its client, held until nothing needs them."""

from collections.abc import Collection

from steno_daemon.domains import Domains, Version
from steno_daemon.errors import UnknownModelError, WireError
from steno_daemon.replies import Replies
from steno_daemon.wire import ErrorCode


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

    def restored(self, name: str) -> Version:
        """Return the language model of a session that was kept, or the general one instead."""
        return self.newest(name) or self._domains.newest(self._domains.default)

    def hold(self, versions: Collection[Version]) -> None:
        """Hold these and no others."""
        held = frozenset(version.base or version for version in versions)
        if held != self._held:
            self._held = held
            self._domains.hold(self._holder, held)
