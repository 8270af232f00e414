"""What can go wrong in the daemon, by whose fault it is."""

from collections.abc import Sequence


class StenoDaemonError(Exception):
    """Anything that this package reports to its caller."""


class WireError(StenoDaemonError):
    """A message breaks the protocol: what was expected and what was found.

    Attributes:
        code: the `wire.ErrorCode` under which the other side hears of it.
        message: one line for a person.
        expected: what would have been right.
        found: what came instead, shortened.
    """

    def __init__(self, code: str, message: str, *, expected: str, found: str) -> None:
        super().__init__(f"{message}: expected {expected}, found {found}")
        self.code = code
        self.message = message
        self.expected = expected
        self.found = found


class ConfigError(StenoDaemonError):
    """The configuration file or the command line says something impossible."""


class OverloadedError(StenoDaemonError):
    """The daemon runs as many sessions as it can keep up with.

    Attributes:
        retry_after_s: seconds after which another try makes sense.
    """

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnknownModelError(StenoDaemonError):
    """A session asks for a language model that is not loaded.

    Attributes:
        expected: names of those that are.
        found: the name that was asked for.
    """

    def __init__(self, *, expected: Sequence[str], found: str) -> None:
        super().__init__(
            f"there is no such language model: expected one of {', '.join(expected)}, found {found}"
        )
        self.expected = expected
        self.found = found


class FixedModelError(StenoDaemonError):
    """A language model came with the bundle: it can neither be replaced nor retired.

    Attributes:
        name: of it.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"expected a domain of the daemon's folder, found {name}, which is the bundle's own"
        )
        self.name = name


class DomainError(StenoDaemonError):
    """A domain could not be loaded; what was loaded before stays."""


class UnauthorisedError(StenoDaemonError):
    """A client shows no token, or one that nobody was given; HTTP says 401."""


class ForbiddenError(StenoDaemonError):
    """A client may not do this: its token has another scope, or its web page is foreign.

    HTTP says 403.

    Attributes:
        expected: what would have been let through.
        found: what came instead.
    """

    def __init__(self, message: str, *, expected: str, found: str) -> None:
        super().__init__(f"{message}: expected {expected}, found {found}")
        self.expected = expected
        self.found = found


class LimitError(StenoDaemonError):
    """A client took all that it may take; HTTP says 429.

    Attributes:
        limit: name of the limit, as the configuration calls it.
        expected: the most that is allowed, with its unit.
        found: what the client asked for.
        retry_after_s: seconds after which it is allowed again; None where waiting does not help.
    """

    def __init__(
        self, limit: str, *, expected: str, found: str, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"the limit {limit} is reached: expected {expected}, found {found}")
        self.limit = limit
        self.expected = expected
        self.found = found
        self.retry_after_s = retry_after_s


class MicrophoneError(StenoDaemonError):
    """A microphone of this machine cannot be listened to, or no longer.

    Attributes:
        is_lasting: whether it makes no sense to try again.
    """

    def __init__(self, message: str, *, is_lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = is_lasting


class BrokerError(StenoDaemonError):
    """The MQTT broker cannot be reached, lets the daemon not in, or has gone."""
