"""All hostile connections there are: the one of a seed and a number is always the same."""

from collections.abc import Callable
from random import Random

from tests.daemon import mutants_http, mutants_websocket
from tests.daemon.mutant import Mutant

KINDS: dict[Callable[[Random], Mutant], float] = {
    mutants_websocket.messages: 24,
    mutants_websocket.names: 8,
    mutants_websocket.sound: 8,
    mutants_websocket.container: 8,
    mutants_websocket.order: 8,
    mutants_websocket.flipped: 8,
    mutants_websocket.framing: 14,
    mutants_websocket.viewing: 4,
    mutants_http.requests: 30,
    mutants_http.heads: 6,
    mutants_http.handshake: 8,
    mutants_http.dribble: 0.8,
    mutants_websocket.size: 0.4,
    mutants_websocket.bomb: 0.4,
    mutants_websocket.flood: 0.4,
    mutants_http.body: 0.4,
}
"""What there is, and how often."""


def mutant(seed: int, number: int) -> Mutant:
    """The hostile connection of that number."""
    rng = Random(f"{seed}/{number}")
    return _kind(rng)(rng)


def kind_of(seed: int, number: int) -> str:
    """What kind of connection it is, without making it."""
    return _kind(Random(f"{seed}/{number}")).__name__


def _kind(rng: Random) -> Callable[[Random], Mutant]:
    [kind] = rng.choices(list(KINDS), list(KINDS.values()))
    return kind
