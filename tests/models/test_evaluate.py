"""The evaluation: what a viewer saw, counted from the events of a session."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from steno_models import __main__ as program
from steno_models.evaluate import Event, Heard, evaluate, figures, hear_streamed
from steno_models.types import FloatArray


@dataclass(frozen=True)
class Word:
    text: str
    end: float


@dataclass(frozen=True)
class Partial:
    words: tuple[Word, ...]
    stable_chars: int = 0

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True)
class Final:
    words: tuple[Word, ...]
    text: str


def events() -> list[tuple[int, Event]]:
    see, sea, it = Word("see", 0.5), Word("sea", 0.5), Word("it", 0.9)
    return [
        (12_800, Partial((see,))),
        (16_000, Partial((sea, it))),
        (24_000, Final((sea, it), "sea it")),
    ]


def test_a_word_counts_from_when_it_came_to_stay() -> None:
    heard = hear_streamed(iter(events()))
    assert heard.text == "sea it"
    assert heard.latency is not None
    assert heard.latency.words == pytest.approx([0.5, 0.1])
    assert heard.latency.finals == pytest.approx([0.6])
    assert (heard.latency.shown, heard.latency.revised) == (3, 1)


def test_a_word_that_changes_leaves_those_behind_it_as_they_are() -> None:
    see, sea, it, now = Word("see", 0.5), Word("sea", 0.5), Word("it", 0.9), Word("now", 1.2)
    said: list[tuple[int, Event]] = [
        (16_000, Partial((see, it))),
        (32_000, Partial((see, it, now))),
        (48_000, Partial((sea, it, now))),
        (48_000, Final((sea, it, now), "sea it now")),
    ]
    latency = hear_streamed(iter(said)).latency
    assert latency is not None
    assert latency.words == pytest.approx([2.5, 0.1, 0.8])
    assert (latency.shown, latency.revised) == (4, 1)


def test_stable_text_that_is_taken_back_is_counted() -> None:
    see, sea, it = Word("see", 0.5), Word("sea", 0.5), Word("it", 0.9)
    said: list[Event] = [
        Partial((see,), 3),
        Partial((see, it), 3),
        Partial((sea, it)),  # breaks it
        Partial((sea, it), 6),
        Final((sea,), "sea"),  # breaks it
        Final((see,), "see"),
    ]
    heard = hear_streamed(iter([(16_000 * i, event) for i, event in enumerate(said)]))
    assert heard.latency is not None
    assert heard.latency.broken == 2


def test_the_report_counts_errors_and_delays_over_all_recordings(clips: Path) -> None:
    manifest = clips / "librivox" / "manifest.jsonl"
    first = json.loads(manifest.read_text().splitlines()[0])["text"]
    seconds: list[float] = []

    def hear(samples: FloatArray) -> Heard:
        seconds.append(len(samples) / 16_000)
        heard = hear_streamed(iter(events()))
        return Heard(first, 0.5, heard.latency)

    report = evaluate(manifest, hear)
    numbers = figures(report)
    assert numbers["audio_s"] == pytest.approx(sum(seconds))
    assert numbers["real_time_factor"] == pytest.approx(0.5 * len(seconds) / sum(seconds))
    assert numbers["final_delay_p50_s"] == pytest.approx(0.6)
    assert numbers["revision_rate"] == pytest.approx(1 / 3)
    errors = numbers["substitutions"] + numbers["deletions"] + numbers["insertions"]
    assert numbers["wer"] == pytest.approx(errors / numbers["reference_words"])
    assert errors > 0


def test_the_program_evaluates_the_embedded_bundle(
    clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = clips / "librivox" / "manifest.jsonl"
    assert program.main(["evaluate", "--manifest", str(manifest), "--json"]) == 0
    numbers = json.loads(capsys.readouterr().out)
    assert 0 <= numbers["wer"] < 0.6
    assert np.isfinite(list(numbers.values())).all()


def test_the_program_names_what_it_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["sing"]) == 2
    assert "expected a command, found sing" in capsys.readouterr().err
    assert program.main(["lm", "sing"]) == 2
    assert program.main(["evaluate", "--manifest", "nowhere.jsonl"]) == 1
    assert "nowhere.jsonl" in capsys.readouterr().err
