"""What can go wrong for a client, by whose fault it is."""

from steno_daemon.wire import CloseReason, Error, Refused


class StenoClientsError(Exception):
    """Anything that this package reports to its caller."""


class ConnectionFailedError(StenoClientsError):
    """No daemon answered at the address."""


class AccessDeniedError(ConnectionFailedError):
    """The daemon is there, and does not let this client in."""


class NotFoundError(ConnectionFailedError):
    """Somebody is there, and has nothing under this address."""


class ConnectionLostError(StenoClientsError):
    """The daemon was there, and the stream ended before its last word.

    Attributes:
        code: with which code the WebSocket was closed, if it was.
    """

    def __init__(self, message: str, *, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


class SessionEndedError(ConnectionLostError):
    """The daemon ended the session of its own accord.

    Attributes:
        reason: what it gave as the reason.
    """

    def __init__(self, reason: CloseReason) -> None:
        super().__init__(
            f"expected the session to last until it is stopped, found it closed: {reason.value}"
        )
        self.reason = reason


class DeadlineError(StenoClientsError):
    """The daemon did not answer in time."""


class ProtocolError(StenoClientsError):
    """The peer speaks, but not as a daemon does."""


class ServerError(StenoClientsError):
    """The daemon refused the session or gave it up.

    Attributes:
        error: its message, with the code, and when to try again if it said so.
    """

    def __init__(self, error: Error) -> None:
        details = f"{error.message} ({error.code.value})"
        if error.expected is not None:
            details += f": expected {error.expected}"
        if error.found is not None:
            details += f"{':' if error.expected is None else ','} found {error.found}"
        super().__init__(details)
        self.error = error


class AudioError(StenoClientsError):
    """A sound file or an array is not audio that can be sent."""


class MicrophoneError(StenoClientsError):
    """There is no microphone, or it cannot be opened."""


class OutputError(StenoClientsError):
    """A result cannot be written where it was wanted."""


class RefusedError(StenoClientsError):
    """The daemon did not do what an administrator asked.

    Attributes:
        answer: its own words, with the code.
    """

    def __init__(self, answer: Refused) -> None:
        detail = f": expected {answer.expected}, found {answer.found}" if answer.expected else ""
        super().__init__(answer.message + detail)
        self.answer = answer
