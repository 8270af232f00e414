"""The messages of vosk-server: one reply for every binary frame, whatever there is to say.

Most of its clients send a frame, wait for the reply and send the next one. So the reply to a frame
comes when its audio was heard: with the words of utterances that ended in it, or with the
hypothesis. What the protocol has no message for (limits, faults, what was not understood) stands
in a member `error` beside the usual ones, and in the text of the close.

`phrase_list`, vosk's grammar, makes its phrases likelier here, and other words are heard all the
same; `model` names a language model of the daemon.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import zip_longest
from math import isfinite
from typing import TypeAlias

from steno_daemon.complaints import shorten
from steno_daemon.dialects.closing import sentence
from steno_daemon.dialects.dialect import Dialect, Frame, cut
from steno_daemon.dialects.door import About, Door, Hello, Welcome
from steno_daemon.dialects.expecting import expected
from steno_daemon.errors import WireError
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import (
    SAMPLE_RATE_MAX,
    SAMPLE_RATE_MIN,
    Alternative,
    Closed,
    Configure,
    Endpoint,
    Error,
    ErrorCode,
    Final,
    Finalized,
    Partial,
    Phrase,
    ServerMessage,
    Start,
    Word,
)

N_BEST_MAX = 20
GRAIN_S = 1e-3
"""Places that are nearer to each other are the same."""
Reply: TypeAlias = dict[str, object]


class _Kind(Enum):
    """What a reply is owed for."""

    AUDIO = "audio"
    RESET = "reset"
    EOF = "eof"


@dataclass(frozen=True, slots=True)
class _Debt:
    """A reply that the client waits for.

    Attributes:
        kind: what for.
        at_s: how much audio there was before it.
    """

    kind: _Kind
    at_s: float


class VoskDialect(Dialect):
    """One connection of a client of vosk-server.

    Args:
        about: the daemon.
        rate: of the samples, as long as the client says nothing else.
        language_model: likewise.
    """

    def __init__(self, about: About, *, rate: int, language_model: str) -> None:
        self._about = about
        self._rate: float = rate
        self._language_model = language_model
        self._words = True
        self._alternatives = 0
        self._phrases: tuple[Phrase, ...] = ()
        self._debts: deque[_Debt] = deque()
        self._partial = ""
        self._finals: list[Final] = []
        self._complaint: str | None = None
        self._finalized_s = -1.0
        self._over = False
        self._heard_s: Callable[[], float] = float  # none yet

    @property
    def owed(self) -> int:
        """How many replies the client waits for."""
        return len(self._debts)

    @property
    def follows(self) -> bool:
        """Whether the next reply is due by now; those behind the last audio wait for its end."""
        return bool(self._debts) and self._is_due(self._debts[0], self._heard_s())

    def begin(self, session: Session) -> None:
        """Follow what is heard; nothing begins before the first audio."""
        self._heard_s = lambda: session.told_s

    def pieces(self, session: Session, frame: Frame) -> Iterator[Frame]:
        """Return audio in pieces; behind the last one its reply is owed."""
        if self._over:
            return
        if isinstance(frame, str):
            yield frame
            return
        if session.state is State.IDLE:
            self._start(session)
        yield from cut(frame)
        self._owe(_Kind.AUDIO, session)

    def receive(self, session: Session, piece: Frame) -> None:
        """Tell the session what a piece says."""
        if isinstance(piece, bytes):
            session.receive_audio(piece)
        else:
            self._obey(session, piece)

    def encode(self, event: ServerMessage) -> Iterator[Frame]:
        """Take note of what was heard; at the end, pay all debts."""
        match event:
            case Partial():
                self._partial = event.text
            case Final():
                self._finals.append(event)
                self._partial = ""
            case Endpoint():
                self._partial = ""
            case Finalized():
                self._finalized_s = event.samples / self._rate
            case Error():
                self._complaint = sentence(event)
            case Closed():
                yield from self._last_words()
            case _:
                pass

    def replies(self, told_s: float) -> Iterator[Frame]:
        """Return the replies whose audio was heard."""
        while self._debts and self._is_due(self._debts[0], told_s):
            debt = self._debts.popleft()
            yield self._reply(is_final=debt.kind is not _Kind.AUDIO or bool(self._finals))

    def _is_due(self, debt: _Debt, told_s: float) -> bool:
        match debt.kind:
            case _Kind.AUDIO:
                return debt.at_s <= told_s
            case _Kind.RESET:
                return debt.at_s <= max(0.0, self._finalized_s) + GRAIN_S
            case _Kind.EOF:
                return False  # it waits for the end

    def _owe(self, kind: _Kind, session: Session) -> None:
        self._debts.append(_Debt(kind, session.received_s))

    def _last_words(self) -> Iterator[Frame]:
        """Yield what is owed when the session is over: its last words in the last reply."""
        debts, self._debts = self._debts, deque()
        self._over = True
        for debt in list(debts)[:-1]:
            yield self._reply(is_final=debt.kind is not _Kind.AUDIO)
        if debts or self._finals:
            yield self._reply(is_final=True)

    def _obey(self, session: Session, text: str) -> None:
        """Do what a text frame says; one that is no message is owed a reply all the same."""
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict) and "config" in said:
            self._configure(session, said["config"])
        elif isinstance(said, dict) and said.get("eof"):
            self._owe(_Kind.EOF, session)
            self._over = True
            session.receive_stop()
        elif isinstance(said, dict) and said.get("reset"):
            self._owe(_Kind.RESET, session)
            if session.received_s > max(0.0, self._finalized_s) + GRAIN_S:
                session.receive_finalize()
        else:
            self._complain('a JSON object with "config", "eof" or "reset"', shorten(text))
            if "config" not in text:  # there never is a reply to that
                self._owe(_Kind.AUDIO, session)

    def _configure(self, session: Session, config: object) -> None:
        """Take what counts from the first audio on; what makes no sense is left as it is."""
        if not isinstance(config, dict):
            self._complain("an object as config", shorten(json.dumps(config)))
            return
        if session.state is not State.IDLE:
            if "model" in config:
                self._reconfigure(session, config)
            return
        rate = config.get("sample_rate", self._rate)
        if _is_number(rate) and SAMPLE_RATE_MIN <= rate <= SAMPLE_RATE_MAX:
            self._rate = round(rate)
        else:
            session.refuse(
                WireError(
                    ErrorCode.INVALID_MESSAGE,
                    "the audio cannot be heard",
                    expected=f"a sample_rate of {SAMPLE_RATE_MIN} to {SAMPLE_RATE_MAX}",
                    found=shorten(json.dumps(rate)),
                )
            )
            return
        self._words = bool(config.get("words", self._words))
        alternatives = config.get("max_alternatives", 0)
        if _is_number(alternatives):
            self._alternatives = max(0, min(N_BEST_MAX, round(alternatives)))
        else:
            self._complain("a number as max_alternatives", shorten(json.dumps(alternatives)))
        self._expect(config)
        if "model" in config:
            self._choose(config["model"])

    def _reconfigure(self, session: Session, config: dict[str, object]) -> None:
        """Change the model while there is audio, and what is expected of it."""
        before = self._language_model, self._phrases
        self._choose(config["model"])
        self._expect(config)
        name, phrases = self._language_model, self._phrases
        if (name, phrases) != before:
            session.receive_configure(
                Configure(
                    language_model=None if name == before[0] else name,
                    phrases=None if phrases == before[1] else phrases,
                )
            )

    def _expect(self, config: dict[str, object]) -> None:
        """Take the phrases that are likely to be said."""
        phrases = config.get("phrase_list")
        if isinstance(phrases, list):
            self._phrases = expected(phrases)
        elif phrases is not None:
            self._complain("a list of texts as phrase_list", shorten(json.dumps(phrases)))

    def _choose(self, model: object) -> None:
        """Take another language model, if there is one of that name."""
        found = self._about.language_model(model) if isinstance(model, str) else None
        if found is None:
            known = ", ".join(self._about.language_models)
            self._complain(f"one of {known} as model", shorten(json.dumps(model)))
        else:
            self._language_model = found

    def _start(self, session: Session) -> None:
        session.receive_start(
            Start(
                rate=round(self._rate),
                language_model=self._language_model,
                word_times=self._words,
                n_best=max(1, self._alternatives),
                phrases=self._phrases,
            )
        )

    def _complain(self, expected: str, found: str) -> None:
        """Let the next reply say what was not understood."""
        self._complaint = f"expected {expected}, found {found}"

    def _reply(self, *, is_final: bool) -> str:
        """Return a reply, as vosk writes it."""
        if not is_final and self._complaint is None:  # most replies: what follows takes long
            return f'{{\n  "partial" : {json.dumps(self._partial)}\n}}'
        reply = self._final() if is_final else {"partial": self._partial}
        if self._complaint is not None:
            reply["error"], self._complaint = self._complaint, None
        return json.dumps(reply, indent=2, separators=(",", " : "), sort_keys=True)

    def _final(self) -> Reply:
        """Return the words of the utterances that ended since the last reply, as one."""
        finals, self._finals = self._finals, []
        if self._alternatives:
            return {"alternatives": _alternatives(finals)}
        reply: Reply = {"text": " ".join(final.text for final in finals)}
        words = [word for final in finals for word in final.words or ()]
        if self._words and words:
            reply["result"] = [{"conf": word.confidence, **_place(word)} for word in words]
        return reply


def _alternatives(finals: list[Final]) -> list[Reply]:
    """Return the hypotheses of utterances one after the other: the best, the second, and so on."""
    if not finals:
        return [{"text": "", "confidence": 1.0}]
    lists = [final.alternatives or (_only(final),) for final in finals]
    merged = []
    for entries in zip_longest(*lists):
        said = [entry or known[0] for entry, known in zip(entries, lists, strict=True)]
        reply: Reply = {
            "text": " ".join(entry.text for entry in said),
            "confidence": sum(entry.score for entry in said),
        }
        words = [word for entry in said for word in entry.words or ()]
        if words:
            reply["result"] = [_place(word) for word in words]
        merged.append(reply)
    return merged


def _only(final: Final) -> Alternative:
    """Return the one hypothesis of an utterance that has no others."""
    return Alternative(text=final.text, confidence=final.confidence, score=0.0, words=final.words)


def _place(word: Word) -> Reply:
    return {"word": word.text, "start": word.start, "end": word.end}


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)  # of any number of digits


class VoskDoor(Door):
    """Where clients of vosk-server come in.

    Args:
        about: the daemon.
        rate: of clients that say none.
    """

    name = "vosk"
    path = "/vosk"

    def __init__(self, about: About, *, rate: int) -> None:
        self._about = about
        self._rate = rate

    def welcome(self, hello: Hello) -> Welcome:
        """Return a dialect; `?domain=` in the address names a language model."""
        name = self._about.required_language_model(hello.first("domain"))
        return Welcome(VoskDialect(self._about, rate=self._rate, language_model=name))
