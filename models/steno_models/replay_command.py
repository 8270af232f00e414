"""Recorded sessions decoded again, with the same model or another, and what became different.

    steno-models replay CAPTURE… [--bundle en] [--language-model L] [--json]

A capture is what the daemon keeps of a session whose speaker consents (`record` in `start`, and
`recording.directory` in its configuration). The session runs again on the same bytes through the
same code: the same model says the same words.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from steno_models import bundle
from steno_models.errors import DataError
from steno_models.recogniser import Recogniser
from steno_models.text.wer import Alignment, align

CONTEXT_WORDS = 4
"""Words shown on either side of a difference."""


class Final(Protocol):
    """What is needed of a final that a session sent."""

    @property
    def channel(self) -> int:
        """Whose words they are."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def start(self) -> float:
        """Where they begin, in seconds."""

    @property
    def end(self) -> float:
        """Where they end."""


class Replayed(Protocol):
    """What a daemon tells of a session that it replays: as it was then and as it is now."""

    @property
    def session(self) -> str:
        """Its name."""

    @property
    def began(self) -> str:
        """Wall time, ISO 8601."""

    @property
    def bundle(self) -> str:
        """What decoded it then."""

    @property
    def language_model(self) -> str:
        """With what language model."""

    @property
    def audio_s(self) -> float:
        """How much audio there is."""

    @property
    def saved_segments(self) -> int:
        """How many segments were decoded with less effort, then and now."""

    @property
    def ending(self) -> str | None:
        """Why the capture ends before the session did."""

    @property
    def then(self) -> Sequence[Final]:
        """What was said."""

    @property
    def now(self) -> Sequence[Final]:
        """What is said now."""


class ReplayCapture(Protocol):
    """What an installed daemon offers."""

    def __call__(
        self,
        recogniser: Recogniser,
        path: Path,
        *,
        language_models: Sequence[str],
        language_model: str | None,
    ) -> Replayed:
        """Decode a captured session again."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a session differs from what it was.

    Attributes:
        identical: whether every utterance has the same words at the same times.
        words: against each other, of all channels one after the other.
        then_utterances: how many there were.
        now_utterances: how many there are.
    """

    identical: bool
    words: Alignment
    then_utterances: int
    now_utterances: int

    @property
    def word_error_rate(self) -> float:
        """Words that differ, as a share of those of then."""
        return self.words.errors / max(1, self.words.reference_length)


def capture_replay() -> ReplayCapture:
    """Return the replay that an installed daemon offers.

    Raises:
        DataError: no daemon is installed.
    """
    found = list(entry_points(group="steno.streaming", name="replay"))
    if not found:
        raise DataError("expected a daemon to replay with (pip install 'steno-asr[daemon]'), none")
    replay: ReplayCapture = found[0].load()
    return replay


def compare(replayed: Replayed) -> Comparison:
    """Return how what is said now differs from what was said then."""
    then, now = (
        [(final.channel, final.text, final.start, final.end) for final in finals]
        for finals in (replayed.then, replayed.now)
    )
    return Comparison(
        identical=then == now,
        words=align(_words(replayed.then), _words(replayed.now)),
        then_utterances=len(then),
        now_utterances=len(now),
    )


def _words(finals: Sequence[Final]) -> list[str]:
    return [word for final in finals for word in final.text.split()]


def drawn(words: Alignment) -> Text:
    """Return the differences with some words around them: red went, green came."""
    text = Text()
    gap = False
    for pair, shown in zip(words.pairs, _near_differences(words), strict=True):
        if not shown:
            gap = True
            continue
        if gap:
            text.append("… ", style="dim")
            gap = False
        _draw(text, *pair)
    if gap:
        text.append("…", style="dim")
    return text


def _near_differences(words: Alignment) -> Iterator[bool]:
    """Yield for each pair whether it differs or a few words away one does."""
    differs = [old != new for old, new in words.pairs]
    for at in range(len(differs)):
        yield any(differs[max(0, at - CONTEXT_WORDS) : at + CONTEXT_WORDS + 1])


def _draw(text: Text, old: str | None, new: str | None) -> None:
    """Append a pair of words, also to be told apart where there are no colours."""
    if old == new:
        text.append(f"{old} ")
        return
    if old is not None:
        text.append(f"[-{old}-]", style="red")
    if new is not None:
        text.append(f"{{+{new}+}}", style="green")
    text.append(" ")


def figures(replayed: Replayed, compared: Comparison) -> dict[str, object]:
    """Return everything by name, as JSON has it."""
    words = compared.words
    return {
        "session": replayed.session,
        "began": replayed.began,
        "bundle": replayed.bundle,
        "language_model": replayed.language_model,
        "audio_s": replayed.audio_s,
        "ending": replayed.ending,
        "saved_segments": replayed.saved_segments,
        "identical": compared.identical,
        "word_error_rate": compared.word_error_rate,
        "substitutions": words.substitutions,
        "deletions": words.deletions,
        "insertions": words.insertions,
        "words": {"then": words.reference_length, "now": len(_words(replayed.now))},
        "utterances": {"then": compared.then_utterances, "now": compared.now_utterances},
        "then": [_as_json(final) for final in replayed.then],
        "now": [_as_json(final) for final in replayed.now],
    }


def _as_json(final: Final) -> dict[str, object]:
    return {
        "channel": final.channel,
        "start": final.start,
        "end": final.end,
        "text": final.text,
    }


def show(console: Console, replayed: Replayed, compared: Comparison) -> None:
    """Print the difference for a person."""
    console.print(
        f"[bold]{escape(replayed.session)}[/] of {replayed.began}, {replayed.audio_s:.1f} s, "
        f"{escape(replayed.bundle)}, {escape(replayed.language_model)}"
    )
    if replayed.ending is not None:
        console.print(f"  compared as far as it goes: {escape(replayed.ending)}", style="yellow")
    if replayed.saved_segments:
        console.print(
            f"  {replayed.saved_segments} segments with less effort, as the daemon was overloaded"
        )
    words = compared.words
    amount = f"{words.reference_length} words in {compared.then_utterances} utterances"
    if compared.identical:
        console.print(f"  identical: {amount}", style="green")
        return
    if words.errors:
        console.print(drawn(words))
    console.print(
        f"  {100 * compared.word_error_rate:.2f} % of {amount} differ: "
        f"{words.substitutions} other, {words.deletions} gone, {words.insertions} new; "
        f"{compared.now_utterances} utterances now"
        + ("" if words.errors else "; the words are the same, their times or cuts are not")
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steno-models replay",
        description="Decode recorded sessions again, byte by byte as they were received, and show "
        "what is different from what was said then: [-word-] went, {+word+} came.",
        epilog="The daemon records a session whose client says `record` in `start`, where its "
        "configuration names a recording.directory.",
    )
    parser.add_argument("captures", nargs="+", type=Path, metavar="CAPTURE", help="a directory")
    parser.add_argument("--bundle", default="en", help="a bundle's name or directory (en)")
    parser.add_argument("--language-model", help="another than that of then")
    parser.add_argument("--json", action="store_true", help="print a list of JSON objects")
    return parser


def main(arguments: Sequence[str]) -> int:
    """Run `steno-models replay`."""
    import torch  # noqa: PLC0415

    asked = _parser().parse_args(arguments)
    replay = capture_replay()
    torch.set_num_threads(1)
    loaded = bundle.load(asked.bundle)
    console = Console(highlight=False)
    found = []
    for path in asked.captures:
        replayed = replay(
            loaded.recogniser,
            path,
            language_models=tuple(loaded.language_models),
            language_model=asked.language_model,
        )
        compared = compare(replayed)
        found.append(figures(replayed, compared))
        if not asked.json:
            show(console, replayed, compared)
    if asked.json:
        json.dump(found, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
    return 0
