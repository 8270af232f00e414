"""WebVTT: the text of cues as browsers and players of live video read it (W3C)."""

from collections.abc import Sequence

from steno_daemon.captions.cues import Cue, clock

HEADER = "WEBVTT\n\n"


def render(cues: Sequence[Cue]) -> str:
    """Return the blocks of cues, without `HEADER`; a channel is a voice with its number."""
    return "".join(
        f"{clock(cue.start_ms, mark='.')} --> {clock(cue.end_ms, mark='.')}\n"
        + ("" if cue.channel is None else f"<v Channel {cue.channel + 1}>")
        + "\n".join(_escape(line) for line in cue.lines)
        + "\n\n"
        for cue in cues
    )


def note(text: str) -> str:
    """Return a comment, one line that no viewer sees."""
    return f"NOTE {text.replace('-->', '->')}\n\n"


def _escape(line: str) -> str:
    """Return the line as WebVTT wants it: `&`, `<` and `>` begin other things there."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
