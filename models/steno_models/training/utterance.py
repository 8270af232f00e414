"""One stretch of speech: the value that every corpus reader gives and every cache takes."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech: where it is, who says it and what is said."""

    key: str
    audio: Path
    offset_s: float
    duration_s: float
    text: str
    speaker: str
