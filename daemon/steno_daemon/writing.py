"""Finals as people write them: what a session wishes of the models' `written`, and where it goes.

What stands in `written` is a function of the final and of the one before it in its channel, both as
they are sent: a daemon that takes a session up finds the one before among the session's events, and
goes on writing as if nothing had happened. It takes a millisecond or two for a final, once a
sentence, so that it is done where finals are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import msgspec

from steno_daemon import wire
from steno_daemon.wire import EndpointReason
from steno_models.punctuation.model import END, Context, Punctuator, pause_class
from steno_models.punctuation.written import Hearing, context, written

_BY_SILENCE = frozenset(
    {
        EndpointReason.TRAILING_SILENCE,
        EndpointReason.BLANK_SILENCE,
        EndpointReason.FINALIZE,
        EndpointReason.STOP,
    }
)
_NEW_THOUGHT_S = 3.0
"""Silence behind which a sentence begins, whatever the last final ended with."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How finals are written.

    Attributes:
        punctuator: of the language that is spoken; None where there is none, and nothing is written
            otherwise than it is spoken.
        punctuate: whether to, where a session does not say.
        numbers: whether to write figures, likewise.
    """

    punctuator: Punctuator | None = None
    punctuate: bool = False
    numbers: bool = False

    def wished(self, start: wire.Start) -> "Writing":
        """Return how the finals of a session are written."""
        return replace(
            self,
            punctuate=self.punctuate if start.punctuate is None else start.punctuate,
            numbers=self.numbers if start.written_numbers is None else start.written_numbers,
        )

    def final(
        self, final: wire.Final, reason: EndpointReason, before: wire.Final | None
    ) -> wire.Final:
        """Return a final with what is written for it.

        Args:
            final: with its words.
            reason: why its segment ended.
            before: the final before it in the same channel.
        """
        words = final.words or ()
        if not words or self.punctuator is None or not (self.punctuate or self.numbers):
            return final
        punctuator = self.punctuator if self.punctuate else None
        hearing = Hearing(
            [word.text for word in words], _pauses(words, reason), _context(final, before)
        )
        tokens = written(hearing, punctuator, numbers=self.numbers)
        return msgspec.structs.replace(
            final,
            written=" ".join(token.text for token in tokens),
            written_words=tuple(
                wire.WrittenWord(
                    text=token.text,
                    start=words[token.begin].start,
                    end=words[token.end - 1].end,
                    confidence=min(one.confidence for one in words[token.begin : token.end]),
                    words=token.end - token.begin,
                )
                for token in tokens
            ),
        )


def _pauses(words: Sequence[wire.Word], reason: EndpointReason) -> list[int | None]:
    """Return the class of the pause behind each word; a cut within speech tells of none."""
    between: list[int | None] = [pause_class(two.start - one.end) for one, two in pairwise(words)]
    return [*between, END if reason in _BY_SILENCE else None]


def _context(final: wire.Final, before: wire.Final | None) -> Context:
    """Return what the final before leaves to this one."""
    if before is None or before.written is None:
        return Context()
    left = context(before.text, before.written)
    is_new = final.start - before.end > _NEW_THOUGHT_S
    return Context(left.words) if is_new else left
