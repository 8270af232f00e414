"""What clients of other servers say is likely to be said, as phrases of a session.

session.receive_configure(Configure(phrases=expected(texts)))    once it has begun
Start(phrases=expected(texts))                                   before
"""

from collections.abc import Iterable

import msgspec

from steno_daemon.wire import Phrase

BOOST = 2.0
PHRASES_MAX = 10_000
"""More is looked at of nobody's list; the configuration allows a session no more either."""
_PLACEHOLDERS = frozenset({"[unk]", "<unk>"})


def expected(texts: Iterable[object], boost: float = BOOST) -> tuple[Phrase, ...]:
    """Return the phrases that `texts` hold, each once; what is no text of a fair length is none.

    Args:
        texts: as the client sent them; placeholders for unknown words are passed over.
        boost: of each, in nats a word.
    """
    phrases: dict[str, Phrase] = {}
    for text in texts:
        if len(phrases) == PHRASES_MAX:
            break
        if isinstance(text, str) and text.strip() and text not in _PLACEHOLDERS:
            try:
                phrases[text] = msgspec.convert({"text": text, "boost": boost}, Phrase)
            except msgspec.ValidationError:
                continue
    return tuple(phrases.values())
