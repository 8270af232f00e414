"""A real recording, the English bundle: every dialect hears what the native one does."""

from pathlib import Path

import pytest
from tests.daemon.dialects.clients import CLIENTS, PATHS, everything, native
from tests.daemon.serving import serving

from steno_models import bundle
from steno_models.audio import read_file

CLIP = Path(__file__).parents[2] / "data/librivox/sense_and_sensibility_01_austen_64kb-0880.flac"
WITHIN_S = 0.02
RESAMPLED = {"openai"}
"""It hears the recording at 24 kHz and back: a word more or less may differ."""


async def test_every_dialect_hears_the_words_and_times_of_the_native_one() -> None:
    sound = read_file(CLIP)
    async with serving(bundle.load("en").recogniser, config=everything()) as served:
        expected = await native(served, sound)
        assert len(expected) > 5
        for dialect, client in CLIENTS.items():
            found = await client(served.url + PATHS[dialect], sound)
            texts, theirs = [one.text for one in found], [one.text for one in expected]
            if dialect in RESAMPLED:
                same = sum(a == b for a, b in zip(texts, theirs, strict=False))
                assert same >= len(theirs) - 1, dialect
                continue
            assert texts == theirs, dialect
            for mine, other in zip(found, expected, strict=True):
                assert mine.start == pytest.approx(other.start, abs=WITHIN_S), dialect
