"""What the daemon has to offer, for protocols whose clients ask before they send audio."""

from dataclasses import dataclass

from steno_daemon.dialects.door import About
from steno_daemon.errors import WireError
from steno_daemon.wire import ErrorCode


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Program, bundle and language models.

    Attributes:
        about: the bundle and its language models.
        program: version of the program.
        language: of the bundle, such as "en"; empty where that is not known.
    """

    about: About
    program: str = "unknown"
    language: str = ""

    def language_model(self, wish: str | None) -> str:
        """Return the language model of that name; the default one for no name or the bundle's.

        Raises:
            UnknownModelError: there is none.
        """
        return self.about.required_language_model(None if wish == self.about.bundle else wish)

    def check_language(self, wish: str | None) -> None:
        """Check that the bundle speaks a language; of "en-GB" the part "en" counts.

        Raises:
            WireError: it speaks another one.
        """
        if not wish or not self.language or wish.casefold() == "auto":
            return
        if _family(wish) != _family(self.language):
            raise WireError(
                ErrorCode.INVALID_MESSAGE,
                "the bundle does not know this language",
                expected=self.language,
                found=wish,
            )


def _family(language: str) -> str:
    """Return the language itself, without country or script."""
    return language.casefold().replace("_", "-").partition("-")[0]
