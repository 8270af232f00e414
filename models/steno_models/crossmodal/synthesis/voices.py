"""Who speaks: a number of voices, drawn by a seed."""

import numpy as np

from steno_models.crossmodal.synthesis.espeak import Voice

LANGUAGES = ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd")
VARIANTS = ("", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f3", "f4", "f5")
SLOWEST, FASTEST = 130, 200  # words a minute


def voices(number: int, seed: int, languages: tuple[str, ...] = LANGUAGES) -> list[Voice]:
    """Return `number` voices; the first ones differ in accent and timbre, all in pitch and rate."""
    random = np.random.default_rng(seed)
    pairs = [(language, variant) for variant in VARIANTS for language in languages]
    order = random.permutation(len(pairs))
    found: list[Voice] = []
    for place in range(number):
        language, variant = pairs[order[place % len(pairs)]]
        found.append(
            Voice(
                language,
                variant,
                int(random.integers(SLOWEST, FASTEST + 1)),
                int(random.integers(30, 71)),
                int(random.integers(30, 71)),
            )
        )
    return found
