"""`stenod` with a recogniser that hears hummed notes: a real daemon that costs next to nothing.

python -m tests.daemon.humming --config stenod.toml
"""

import sys

from tests.daemon.fakes import FakeRecogniser

from steno_daemon import __main__ as stenod
from steno_daemon.config import EngineConfig
from steno_daemon.server import Model


def _load(engine: EngineConfig) -> Model:
    return Model(engine.bundle, "1", ("general",), FakeRecogniser())


def main() -> int:
    """Run it; returns the exit status."""
    stenod._load = _load
    return stenod.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
