"""Whose session it is: a name for the log, a grant, and the secret of who may come back to it."""

from dataclasses import dataclass

from steno_daemon.auth import Grant


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose session it is.

    Attributes:
        name: random, and no secret.
        grant: of the client's token.
        resume_token: for a client that comes back; None where it cannot.
        resume_sha256: of the secret in it.
    """

    name: str
    grant: Grant
    resume_token: str | None = None
    resume_sha256: str = ""
