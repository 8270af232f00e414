"""Lets the tests of the daemon import what they share: `from tests.daemon.fakes import …`."""

import sys
from pathlib import Path

REPOSITORY = str(Path(__file__).resolve().parents[2])
if REPOSITORY not in sys.path:
    sys.path.insert(0, REPOSITORY)
