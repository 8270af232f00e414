"""`steno-models replay`: what it says of sessions that were decoded again."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from steno_models import __main__ as program
from steno_models import replay_command
from steno_models.recogniser import Recogniser
from steno_models.replay_command import Replayed, compare, drawn


@dataclass(frozen=True)
class Final:
    text: str
    start: float = 0.0
    end: float = 1.0
    channel: int = 0


@dataclass(frozen=True)
class Session:
    then: Sequence[Final]
    now: Sequence[Final]
    session: str = "ab12"
    began: str = "2026-03-04T12:00:00Z"
    bundle: str = "en [1]"
    language_model: str = "general"
    audio_s: float = 12.0
    saved_segments: int = 0
    ending: str | None = None


@dataclass
class Daemon:
    """Stands in for an installed daemon; replays what a test gives it."""

    sessions: list[Session]
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    language_models: Sequence[str] = ()

    def __call__(
        self,
        recogniser: Recogniser,
        path: Path,
        *,
        language_models: Sequence[str],
        language_model: str | None,
    ) -> Replayed:
        assert recogniser.context.chunk_steps == 4
        self.asked.append((path.name, language_model))
        self.language_models = language_models
        return self.sessions.pop(0)


def run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    daemon: Daemon,
    *arguments: str,
) -> str:
    monkeypatch.setattr(replay_command, "capture_replay", lambda: daemon)
    monkeypatch.setenv("COLUMNS", "200")
    assert program.main(["replay", *arguments]) == 0
    return capsys.readouterr().out


def long_ago(words: str) -> Session:
    return Session([Final(words)], [Final(words)])


def test_the_same_words_at_the_same_times_are_identical(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon([long_ago("see the cat"), long_ago("at tea")])
    said = run(monkeypatch, capsys, daemon, "one", "two", "--bundle", str(tiny_bundle))
    assert said.count("identical: ") == 2
    assert "ab12 of 2026-03-04T12:00:00Z, 12.0 s, en [1], general" in said
    assert "identical: 3 words in 1 utterances" in said
    assert daemon.asked == [("one", None), ("two", None)]
    assert daemon.language_models == ("general",)


def test_words_that_went_and_came_stand_in_their_place(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    then = [Final("a b c d e see the cat f g h i j k l"), Final("gone now", channel=1)]
    now = [Final("a b c d e see a cat f g h i j k l"), Final("now then", channel=1)]
    daemon = Daemon([Session(then, now, saved_segments=3)])
    said = run(
        monkeypatch,
        capsys,
        daemon,
        *("one", "--language-model", "tea", "--bundle", str(tiny_bundle)),
    )
    assert "… c d e see [-the-]{+a+} cat f g h i j k l [-gone-] now {+then+}" in said
    assert "17.65 % of 17 words in 2 utterances differ: 1 other, 1 gone, 1 new" in said
    assert "3 segments with less effort" in said
    assert daemon.asked == [("one", "tea")]


def test_only_words_near_a_difference_are_shown() -> None:
    before, after = ("w " * 20).split(), ("v " * 20).split()
    then = Session([Final(" ".join([*before, "x", *after]))], [Final(" ".join([*before, *after]))])
    text = drawn(compare(then).words)
    assert text.plain == "… w w w w [-x-] v v v v …"
    assert {str(span.style) for span in text.spans} == {"dim", "red"}


def test_the_same_words_at_other_times_are_not_identical(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    moved = Session([Final("see")], [Final("see", end=1.04)])
    said = run(monkeypatch, capsys, Daemon([moved]), "one", "--bundle", str(tiny_bundle))
    assert "identical" not in said
    assert "0.00 % of 1 words" in said
    assert "the words are the same, their times or cuts are not" in said


def test_colours_are_for_terminals() -> None:
    went = compare(Session([Final("see it")], [Final("see")])).words
    console = Console(width=80, force_terminal=True, color_system="standard")
    with console.capture() as captured:
        console.print(drawn(went))
    assert "\x1b[31m[-it-]" in captured.get()


@pytest.mark.parametrize(("then", "now"), [([], []), ([], ["see"]), (["see"], [])])
def test_a_session_may_have_no_words(then: list[str], now: list[str]) -> None:
    compared = compare(Session([Final(t) for t in then], [Final(t) for t in now]))
    assert compared.identical == (then == now)
    assert compared.word_error_rate == float(then != now)
    assert compared.words.errors == int(then != now)


def test_json_has_everything_by_name(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon = Daemon(
        [long_ago("see"), Session([Final("see it")], [Final("tea")], ending="the disk is too slow")]
    )
    said = run(monkeypatch, capsys, daemon, "a", "b", "--json", "--bundle", str(tiny_bundle))
    same, other = json.loads(said)
    assert (same["identical"], same["word_error_rate"], same["ending"]) == (True, 0.0, None)
    assert (other["identical"], other["word_error_rate"]) == (False, 1.0)
    assert (other["substitutions"], other["deletions"], other["insertions"]) == (1, 1, 0)
    assert other["words"] == {"then": 2, "now": 1}
    assert other["ending"] == "the disk is too slow"
    assert other["now"] == [{"channel": 0, "start": 0.0, "end": 1.0, "text": "tea"}]


def test_without_a_daemon_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(replay_command, "entry_points", lambda **_: [])
    assert program.main(["replay", "one"]) == 1
    assert "pip install 'steno-asr[daemon]'" in capsys.readouterr().err
