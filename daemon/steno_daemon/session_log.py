"""Lines of the log about one session; never with what was said in it."""

import logging
from collections.abc import MutableMapping


class SessionLog(logging.LoggerAdapter[logging.Logger]):
    """Puts the session's name before every line."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, object]
    ) -> tuple[str, MutableMapping[str, object]]:
        """Return the line with the name, which structured logs get as a field, too."""
        name = self.extra["session"] if self.extra else ""
        return f"session {name}: {msg}", {**kwargs, "extra": {"session": name}}
