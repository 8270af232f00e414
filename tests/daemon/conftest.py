"""Lets the tests of the daemon import what they share: `from tests.daemon.fakes import …`."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = str(Path(__file__).resolve().parents[2])
if REPOSITORY not in sys.path:
    sys.path.insert(0, REPOSITORY)

from tests.daemon.browser import Chromium, chromium  # noqa: E402 — found by the line above


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    """A browser for the tests of one file."""
    with chromium() as running:
        yield running
