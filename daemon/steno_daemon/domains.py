"""Language models that a session may name."""

from dataclasses import dataclass

from steno_daemon.errors import UnknownModelError

GENERAL = "general"
"""The one that a session gets which names none."""


@dataclass(frozen=True, slots=True)
class Domains:
    """The language models of the loaded bundle, by name."""

    names: tuple[str, ...]

    @property
    def default(self) -> str:
        """The general one, or the first."""
        return GENERAL if GENERAL in self.names else self.names[0]

    def check(self, name: str) -> None:
        """Check that there is a language model of that name.

        Raises:
            UnknownModelError: there is none; it lists those that there are.
        """
        if name not in self.names:
            raise UnknownModelError(expected=self.names, found=name)
