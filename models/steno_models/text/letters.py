"""Running text of any language as its words, as they are written: small letters, no marks."""

import re
import unicodedata
from collections.abc import Iterator

from steno_models.text.normalise import paragraphs

_SENTENCE_END = re.compile(r"""[.!?…؟।]+["'’”»)\]]*\s+|[。！？]+""")


def plain(text: str) -> str:
    """Return `text` in small composed letters, blanks between words, without punctuation."""
    composed = unicodedata.normalize("NFC", text.casefold())
    kept = (c if unicodedata.category(c)[0] in "LM" or c in "'’-" else " " for c in composed)
    return " ".join("".join(kept).split())


def plain_sentences(text: str) -> Iterator[str]:
    """Yield the sentences of running text, each plain, none empty."""
    for paragraph in paragraphs(text):
        for sentence in _SENTENCE_END.split(paragraph):
            if words := plain(sentence):
                yield words
