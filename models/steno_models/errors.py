"""What can go wrong, by whose fault it is."""


class StenoModelsError(Exception):
    """Anything that this package reports to its caller."""


class DataError(StenoModelsError):
    """A user's recording, text, manifest or model file is missing or malformed."""


class ConfigError(StenoModelsError):
    """A configuration says something impossible."""


class BundleError(StenoModelsError):
    """A bundle is incomplete, truncated or was changed."""


class AudioError(DataError):
    """Bytes that should be sound are not what they claim to be.

    Attributes:
        message: one line for a person.
        expected: what would have been right.
        found: what came instead, shortened.
    """

    def __init__(self, message: str, *, expected: str, found: str) -> None:
        super().__init__(f"{message}: expected {expected}, found {found}")
        self.message = message
        self.expected = expected
        self.found = found
