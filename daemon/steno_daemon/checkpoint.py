"""Where a stream can be taken up again: plain values, enough to go on as if nothing had happened.

At the end of a segment, and now and then in silence, the segmenter begins its detector anew. What
it does from there on is a function of the checkpoint and of the audio behind it, so that another
daemon, given both, finds the same segments and words.
"""

from dataclasses import dataclass

from steno_daemon.endpoint import Rules
from steno_models.vad.webrtc import VadMemory


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a segmenter that holds no work.

    Attributes:
        position: 16 kHz sample from which on audio is needed.
        cursor: up to where it has listened.
        floor: where the last segment ended.
        turned: where speech or silence began last.
        segments: how many had been announced.
        said: the words of the newest finals.
        is_open: whether a segment goes on from `position`.
        rules: of the endpoint.
        vad: what the detector knows.
        language_model: name of the one that goes on; empty for that of the session's start.
        wishes: number of the words and phrases that it is extended by; 0 for none.
    """

    position: int = 0
    cursor: int = 0
    floor: int = 0
    turned: int = 0
    segments: int = 0
    said: tuple[tuple[str, ...], ...] = ()
    is_open: bool = False
    rules: Rules | None = None
    vad: VadMemory | None = None
    language_model: str = ""
    wishes: int = 0
