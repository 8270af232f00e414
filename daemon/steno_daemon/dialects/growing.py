"""A transcript that only grows, for clients that append what they hear."""

from steno_daemon import wire


class Growing:
    """Joins the segments of a stream to one text, and says what has become certain of it.

    Attributes:
        text: the finals so far, with spaces between them.
    """

    def __init__(self) -> None:
        self.text = ""
        self._said = ""  # of the open segment

    def partial(self, event: wire.Partial) -> str:
        """Return what is certain now and was not before; often nothing."""
        return self._grow(event.text[: event.stable_chars])

    def final(self, event: wire.Final) -> str:
        """Return what of the segment was not said yet, and begin the next one."""
        rest = self._grow(event.text)
        self.text = f"{self.text} {event.text}" if self.text else event.text
        self._said = ""
        return rest

    def _grow(self, text: str) -> str:
        """Return what comes after what was said.

        Nothing where the words were taken back, as a language model that is switched at once may
        do: what a client was given to append cannot be mended.
        """
        if not text.startswith(self._said) or len(text) == len(self._said):
            return ""
        new = text[len(self._said) :]
        if not self._said and self.text:
            new = " " + new
        self._said = text
        return new
