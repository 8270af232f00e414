"""What can go wrong, by whose fault it is."""


class StenoModelsError(Exception):
    """Anything that this package reports to its caller."""


class DataError(StenoModelsError):
    """A user's recording, text, manifest or model file is missing or malformed."""


class ConfigError(StenoModelsError):
    """A configuration says something impossible."""


class BundleError(StenoModelsError):
    """A bundle is incomplete, truncated or was changed."""
