"""Fixtures for every test: where the training corpora are, where the shipped clips are."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of training corpora; the test skips where there is none."""
    root = Path(os.environ.get("STENO_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (root / "librispeech_mini" / "dev.jsonl").exists():
        pytest.skip(f"needs the training corpora in STENO_DATA, none found at {root}")
    return root


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of public-domain recordings that the repository ships."""
    return REPOSITORY / "tests" / "data"
