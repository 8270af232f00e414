"""What a session says of itself, beside what it hears: errors, complaints, how far it is."""

from collections.abc import Sequence

from steno_daemon import wire
from steno_daemon.errors import WireError
from steno_daemon.outbox import Outbox
from steno_daemon.transcript import UNNUMBERED
from steno_daemon.wire import CloseReason, ErrorCode


class Replies:
    """Puts the daemon's own words into a session's outbox.

    Args:
        outbox: of the session.

    Attributes:
        acknowledged: samples of the client that it was told are needed no more.
    """

    def __init__(self, outbox: Outbox) -> None:
        self.acknowledged = 0
        self._outbox = outbox
        self._complained: set[str] = set()

    def fail(
        self,
        code: ErrorCode,
        message: str,
        *,
        expected: str | None = None,
        found: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        """Say why the session ends."""
        self._outbox.add(
            wire.Error(
                seq=UNNUMBERED,
                code=code,
                message=message,
                fatal=True,
                expected=expected,
                found=found,
                retry_after_s=retry_after_s,
            )
        )

    def fail_for(self, error: WireError, *, retry_after_s: float | None = None) -> None:
        """Say that the session ends by what its client did."""
        self.fail(
            ErrorCode(error.code),
            error.message,
            expected=error.expected,
            found=error.found,
            retry_after_s=retry_after_s,
        )

    def complain(self, error: WireError, *, once: str | None = None) -> None:
        """Say what the client did wrong; of what has a name in `once`, the first time only."""
        if once is not None:
            if once in self._complained:
                return
            self._complained.add(once)
        self._outbox.add(
            wire.Error(
                seq=UNNUMBERED,
                code=ErrorCode(error.code),
                message=error.message,
                fatal=False,
                expected=error.expected,
                found=error.found,
            )
        )

    def withdraw(self) -> None:
        """Say that the session ends because its client may not hold it any more."""
        self.fail(
            ErrorCode.TOKEN_WITHDRAWN,
            "the token was taken back",
            expected="a token with the scope recognise",
            found="one that the daemon knows no more",
        )

    def complain_of_place(
        self, what: str, state: str, fitting: Sequence[str], *, once: bool
    ) -> None:
        """Say that something came when it could not; of audio once a state."""
        self.complain(
            WireError(
                ErrorCode.UNEXPECTED_MESSAGE,
                f"{what} came while the session is {state}",
                expected=" or ".join(fitting) or "nothing more",
                found=what,
            ),
            once=f"{what} while {state}" if once else None,
        )

    def complain_of_unknown_word(self, name: str) -> None:
        """Say that no unknown word of that id was told of."""
        self.complain(
            WireError(
                ErrorCode.INVALID_MESSAGE,
                "there was no such unknown word",
                expected="the id of an unknown_word of this session",
                found=name,
            )
        )

    def complain_of_loose_bytes(self, block_bytes: int, found: str) -> None:
        """Say once that the audio is cut within a sample: it may well be misread."""
        self.complain(
            WireError(
                ErrorCode.INVALID_AUDIO,
                "the audio is cut within a sample",
                expected=f"a multiple of {block_bytes} bytes",
                found=found,
            ),
            once="loose bytes",
        )

    def acknowledge(self, samples: int) -> None:
        """Say how many of the client's samples are needed no more, if that is news."""
        if samples > self.acknowledged:
            self.acknowledged = samples
            self._outbox.add(wire.Acknowledged(seq=UNNUMBERED, samples=samples))

    def close(self, reason: CloseReason) -> None:
        """Say the last word."""
        self._outbox.add(wire.Closed(seq=UNNUMBERED, reason=reason))
