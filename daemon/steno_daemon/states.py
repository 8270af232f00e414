"""The life of a session: what it can be in, and what may come in then."""

from enum import Enum


class State(Enum):
    """Where a session is in its life."""

    IDLE = "idle"
    LISTENING = "listening"
    DRAINING = "draining"
    CLOSED = "closed"


class Input(Enum):
    """What can come in."""

    START = "start"
    AUDIO = "audio"
    CONFIGURE = "configure"
    ADD_WORDS = "add_words"
    FINALIZE = "finalize"
    STOP = "stop"


TRANSITIONS = {
    (State.IDLE, Input.START): State.LISTENING,
    (State.IDLE, Input.STOP): State.CLOSED,
    (State.LISTENING, Input.AUDIO): State.LISTENING,
    (State.LISTENING, Input.CONFIGURE): State.LISTENING,
    (State.LISTENING, Input.ADD_WORDS): State.LISTENING,
    (State.LISTENING, Input.FINALIZE): State.LISTENING,
    (State.LISTENING, Input.STOP): State.DRAINING,
}
"""What may come in when, and what the session is then. A drained session is closed."""
