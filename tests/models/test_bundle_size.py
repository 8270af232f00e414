"""What is shipped stays small enough to be downloaded with the package."""

import pytest

from steno_models import bundle

_MOST_BYTES = 60_000_000


@pytest.mark.parametrize("name", ["en"])
def test_an_embedded_bundle_is_at_most_60_mb(name: str) -> None:
    files = [file for file in bundle.find(name).rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= _MOST_BYTES
