"""SubRip: the text of cues as nearly every player reads it."""

from collections.abc import Sequence

from steno_daemon.captions.cues import Cue, clock, label


def render(cues: Sequence[Cue], *, first: int = 1) -> str:
    """Return the blocks of cues, numbered from `first`; a channel is a number before the text."""
    return "".join(
        f"{number}\n{clock(cue.start_ms, mark=',')} --> {clock(cue.end_ms, mark=',')}\n"
        + label(cue.channel)
        + "\n".join(cue.lines)
        + "\n\n"
        for number, cue in enumerate(cues, first)
    )
