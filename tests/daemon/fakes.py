"""A recogniser without weights that really listens: it hears hummed notes and names them.

`speak("do mi", …)` makes the sound; a run of loud encoder steps is a word, named by the strongest
filter of its spectrum. It decodes in chunks and keeps what is left over in its state, as the real
one does, so a word that is cut or fed twice shows in the text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np

from steno_daemon import wire
from steno_models.features.fbank import StreamingFbank
from steno_models.recogniser import (
    Alternative,
    DecodeOptions,
    LanguageModel,
    State,
    Update,
    Word,
)
from steno_models.recogniser import Work as Chunk
from steno_models.types import FloatArray

RATE = 16_000
NOTES = {"do": 200.0, "re": 300.0, "mi": 450.0, "fa": 675.0, "so": 1000.0}
LOUD = 18.0
STEP_FRAMES = 4
WORD_S = 0.3
GAP_S = 0.2


def silence(seconds: float, *, seed: int = 0) -> FloatArray:
    """Faint noise."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    return (noise * 1e-3).astype(np.float32)


def hum(note: str, seconds: float = WORD_S) -> FloatArray:
    """A note that a voice activity detector takes for a voice."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = NOTES[note]
    tone = sum(
        (np.sin(2 * np.pi * pitch * k * time + k) / k**1.5 for k in range(1, int(3500 / pitch))),
        start=np.zeros(len(time)),
    )
    envelope = np.minimum(1, np.minimum(time, time[::-1]) / 0.02)
    return np.asarray(0.3 * tone / np.abs(tone).max() * envelope, np.float32)


def murmur(seconds: float) -> FloatArray:
    """What a voice activity detector takes for a voice and the fake takes for silence."""
    pieces = [np.concatenate([0.06 * hum("do", 0.2), silence(0.05)])] * round(seconds / 0.25)
    return np.concatenate(pieces)


def speak(
    text: str, *, lead_s: float = 0.6, tail_s: float = 1.2, gap_s: float = GAP_S
) -> FloatArray:
    """Notes with gaps between them, silence before and after; noise is under all of it."""
    parts = [silence(lead_s)]
    for index, note in enumerate(text.split()):
        parts += [hum(note)] if index == 0 else [silence(gap_s), hum(note)]
    sound = np.concatenate([*parts, silence(tail_s)])
    return sound + silence(len(sound) / RATE, seed=1)


def pcm(samples: FloatArray) -> bytes:
    """16-bit samples."""
    return np.clip(np.rint(samples * 32768), -32768, 32767).astype("<i2").tobytes()


@dataclass(frozen=True, slots=True)
class FakeState:
    """Frames that wait for a chunk to be whole, and the spectra of the steps decoded so far."""

    chunk_steps: int
    n_best: int
    next_steps: int  # of the chunk that comes next
    frames: FloatArray = field(default_factory=lambda: np.zeros((0, 80), np.float32))
    steps: tuple[FloatArray, ...] = ()
    language_model: str = "general"


@dataclass(frozen=True, slots=True)
class FakeContext:
    """Its chunk."""

    chunk_steps: int = 16


class FakeRecogniser:
    """Hears notes; its states only pass for those of the real one.

    Args:
        dropout_steps: silence of up to so many steps does not end a note: a browser's fake
            microphone stutters on a busy machine.
    """

    context = FakeContext()
    features = StreamingFbank

    def __init__(self, *, dropout_steps: int = 0) -> None:
        self.batches: list[int] = []
        self._dropout_steps = dropout_steps

    def start(self, options: DecodeOptions) -> State:
        chunk_steps = options.chunk_steps or 16
        first_steps = min(chunk_steps, options.first_chunk_steps or chunk_steps)
        state = FakeState(chunk_steps, options.n_best, first_steps)
        return cast("State", replace(state, language_model=str(options.language_model)))

    def rescored(self, state: State, language_model: str | LanguageModel) -> State:
        heard: object = state
        assert isinstance(heard, FakeState)
        return cast("State", replace(heard, language_model=str(language_model)))

    def step(self, work: Sequence[Chunk]) -> Sequence[tuple[Update, State]]:
        self.batches.append(len(work))
        return [self._step(chunk) for chunk in work]

    def _step(self, chunk: Chunk) -> tuple[Update, State]:
        state: object = chunk.state
        assert isinstance(state, FakeState)
        assert chunk.features.ndim == 2
        assert chunk.features.shape[1] == 80
        frames = np.concatenate([state.frames, chunk.features])
        size, first = STEP_FRAMES * state.chunk_steps, STEP_FRAMES * state.next_steps
        if chunk.is_last:
            ready = len(frames) // STEP_FRAMES * STEP_FRAMES
        else:
            ready = 0 if len(frames) < first else first + (len(frames) - first) // size * size
        spectra = frames[:ready].reshape(-1, STEP_FRAMES, 80).mean(axis=1)
        steps = (*state.steps, *spectra)
        after = replace(state, frames=frames[ready:], steps=steps)
        if ready:
            after = replace(after, next_steps=state.chunk_steps)
        runs = _runs([float(step.max()) > LOUD for step in steps], self._dropout_steps)
        update = _update(steps, runs, is_last=chunk.is_last, n_best=state.n_best)
        update = _in_words_of(state.language_model, update)
        missing = STEP_FRAMES * after.next_steps - len(after.frames)
        return replace(update, missing_frames=missing), cast("State", after)


def _update(
    steps: Sequence[FloatArray], runs: Sequence[tuple[int, int]], *, is_last: bool, n_best: int
) -> Update:
    words = tuple(_word(steps, start, end) for start, end in runs)
    last_loud = runs[-1][1] if runs else 0
    finished = is_last or last_loud < len(steps)
    alternatives = [Alternative(words[: len(words) - k], -np.float64(k)) for k in range(n_best)]
    return Update(
        words=words,
        stable_words=len(words) if finished else max(0, len(words) - 1),
        steps=len(steps),
        trailing_blank_steps=len(steps) - last_loud,
        alternatives=tuple(alternatives) if is_last else (),
    )


def _in_words_of(language_model: str, update: Update) -> Update:
    """What a model that is not the general one hears: the same, in words of its own."""
    if language_model == "general":
        return update

    def own(words: tuple[Word, ...]) -> tuple[Word, ...]:
        return tuple(replace(word, text=f"{language_model}-{word.text}") for word in words)

    alternatives = tuple(replace(one, words=own(one.words)) for one in update.alternatives)
    return replace(update, words=own(update.words), alternatives=alternatives)


def _runs(loud: Sequence[bool], dropout_steps: int) -> list[tuple[int, int]]:
    """Where it is loud for two steps or more, over dropouts."""
    edges = np.flatnonzero(np.diff([0, *loud, 0]))
    runs: list[tuple[int, int]] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and start - runs[-1][1] <= dropout_steps:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return [(start, end) for start, end in runs if end - start > 1]


def _word(steps: Sequence[FloatArray], start: int, end: int) -> Word:
    strongest = int(np.mean(steps[start:end], axis=0).argmax())
    name = min(NOTES, key=lambda note: abs(_mel_bin(NOTES[note]) - strongest))
    # numpy numbers, as compiled searches return them
    return Word(name, start, end, confidence=np.float64(0.9))


def _mel_bin(hertz: float) -> float:
    low, high, at = (1127 * np.log(1 + f / 700) for f in (20.0, 7600.0, hertz))
    return float((at - low) / (high - low) * 81 - 1)


def finals(events: Iterable[wire.ServerMessage]) -> list[str]:
    """The texts of the finals."""
    return [event.text for event in events if isinstance(event, wire.Final)]
