import pytest

from steno_daemon.endpoint import Rules, Situation, decide, widest_gap
from steno_daemon.wire import Endpointing, EndpointReason
from steno_models.recogniser import Word

S = 16_000
RULES = Rules(
    trailing_silence_samples=S,
    empty_silence_samples=3 * S,
    blank_silence_samples=2 * S,
    max_utterance_samples=20 * S,
)


@pytest.mark.parametrize(
    ("length", "silence", "blank", "words", "reason"),
    [
        (5 * S, S - 1, 0, 1, None),
        (5 * S, S, 0, 1, EndpointReason.TRAILING_SILENCE),
        (5 * S, 2 * S, 0, 0, None),
        (5 * S, 3 * S, 0, 0, EndpointReason.EMPTY_SILENCE),
        (5 * S, 0, 2 * S - 1, 1, None),
        (5 * S, 0, 2 * S, 1, EndpointReason.BLANK_SILENCE),
        (5 * S, 0, 4 * S, 0, None),
        (11 * S, S // 5, 0, 1, None),
        (12 * S, S // 10, 0, 1, None),
        (12 * S, S // 8, 0, 1, EndpointReason.MAX_UTTERANCE),
        (20 * S - 1, 0, 0, 1, None),
        (20 * S, 0, 0, 1, EndpointReason.MAX_UTTERANCE),
        (20 * S, 0, 20 * S, 0, EndpointReason.MAX_UTTERANCE),
    ],
)
def test_each_rule_ends_an_utterance_at_its_threshold_and_not_before(
    length: int, silence: int, blank: int, words: int, reason: EndpointReason | None
) -> None:
    here = Situation(length, silence, blank, has_words=words > 0)
    assert decide(RULES, here) is reason


def test_the_blank_rule_can_be_switched_off() -> None:
    rules = RULES.changed(Endpointing(blank_silence_ms=0))
    assert decide(rules, Situation(5 * S, 0, 5 * S, has_words=True)) is None


def test_what_a_client_does_not_name_stays() -> None:
    changed = RULES.changed(Endpointing(max_utterance_s=10.0, pre_roll_ms=0))
    assert changed.max_utterance_samples == 10 * S
    assert changed.soft_utterance_samples == 6 * S
    assert changed.pre_roll_samples == 0
    assert changed.trailing_silence_samples == RULES.trailing_silence_samples
    assert RULES.changed(Endpointing()) == RULES


def spans(*edges: tuple[int, int]) -> list[Word]:
    return [Word("x", start, end, 1.0) for start, end in edges]


def test_a_long_utterance_is_cut_in_the_widest_gap_of_its_last_two_thirds() -> None:
    words = spans((0, 10), (40, 50), (60, 70), (76, 80), (81, 99))
    assert widest_gap(words, steps=100, first=0) == 55


def test_of_equal_gaps_the_latest_is_cut() -> None:
    assert widest_gap(spans((50, 60), (64, 70), (74, 100)), steps=100, first=0) == 72


def test_no_promised_word_comes_behind_the_cut() -> None:
    words = spans((0, 50), (60, 70), (72, 99))
    assert widest_gap(words, steps=100, first=2) == 71
    assert widest_gap(words, steps=100, first=3) == 99


def test_without_a_gap_the_cut_is_at_the_end() -> None:
    assert widest_gap([], steps=100, first=0) == 100
    assert widest_gap(spans((0, 10)), steps=100, first=0) == 55
    assert widest_gap(spans((0, 10), (11, 20), (21, 100)), steps=100, first=0) == 100


def test_a_single_word_at_the_end_is_left_whole_to_the_next_segment() -> None:
    assert widest_gap(spans((80, 100)), steps=100, first=0) == 79
    assert widest_gap(spans((80, 100)), steps=100, first=1) == 100
    assert widest_gap(spans((60, 70), (75, 100)), steps=100, first=0) == 72
