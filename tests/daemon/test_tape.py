import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from steno_daemon.tape import Tape


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 30_000)), max_size=12))
def test_what_is_kept_is_what_was_appended(steps: list[tuple[int, int]]) -> None:
    tape = Tape()
    whole = np.arange(sum(count for count, _ in steps), dtype=np.float32)
    for count, keep in steps:
        tape.append(whole[tape.end : tape.end + count])
        tape.forget_before(tape.end - keep)
        assert np.array_equal(tape.read(tape.start, tape.end), whole[tape.start : tape.end])
        assert tape.end - tape.start >= min(keep, tape.end) or tape.start > 0


def test_an_hour_needs_the_memory_of_what_is_kept() -> None:
    tape = Tape()
    block = np.ones(16_000, np.float32)
    for _ in range(3_600):
        tape.append(block)
        tape.forget_before(tape.end - 8_000)
    assert tape.end == 3_600 * 16_000
    assert tape._buffer.nbytes < 1_000_000
