"""A seeded sample of the campaigns over all dialects: `dialect_faults` and `mutation` do more."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.progress import Progress
from tests.daemon import dialect_cost, dialect_weight, soak
from tests.daemon.brokers import broker_program
from tests.daemon.dialect_accounts import LIFE_S, LOOK_S, WARM_S, Life, report, table
from tests.daemon.dialect_cost import Round, Spent, cost_of
from tests.daemon.dialect_faults import BROKERED, DIALECTS, Campaign
from tests.daemon.dialect_talk import talked
from tests.daemon.dialects import mutants
from tests.daemon.dialects.posts import posts
from tests.daemon.dialects.speakers import is_prefix
from tests.daemon.fakes import speak
from tests.daemon.faults import NotBegunError, said
from tests.daemon.hollow import HollowExtractor
from tests.daemon.hostile import play
from tests.daemon.mutant import Ending
from tests.daemon.mutation_mqtt import BrokerCampaign
from tests.daemon.mutation_place import Place, every_dialect
from tests.daemon.process import listener
from websockets.asyncio.server import ServerConnection, serve

from steno_models.features.fbank import StreamingFbank

SEED = 7
FAULTS = 12
MUTANTS = 25
CONNECTED = ("vosk", "deepgram", "openai", "sherpa", "wyoming", "wyoming-unix")


def spoken_here() -> tuple[str, ...]:
    """The dialects that can be tried on this machine."""
    try:
        broker_program()
    except FileNotFoundError:
        return tuple(one for one in DIALECTS if one not in BROKERED)
    return DIALECTS


# What is counted.


def test_a_beginning_is_a_beginning() -> None:
    assert is_prefix([], ["do"])
    assert is_prefix(["do"], ["do", "mi"])
    assert not is_prefix(["mi"], ["do", "mi"])
    assert not is_prefix(["do", "mi", "re"], ["do", "mi"])


def test_a_life_that_was_too_short_says_nothing_of_its_memory() -> None:
    short = Life([100.0, 200.0])
    assert short.grown is None
    assert "too short" in short.verdict
    looks = round((LIFE_S - WARM_S) / LOOK_S)
    life = Life([50.0] * round(WARM_S / LOOK_S) + [100.0] * (looks // 2) + [110.0] * (looks // 2))
    assert life.grown == pytest.approx(0.1)
    assert "+10.0%" in life.verdict


@pytest.mark.parametrize("opening", ["before", "behind"])
async def test_a_connection_that_breaks_before_its_session_began_loses_none(opening: str) -> None:
    async def hang_up(socket: ServerConnection) -> None:
        if opening == "behind":
            await socket.recv()  # `start`
        socket.transport.abort()

    async with serve(hang_up, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(NotBegunError, match="expected a session"):
            await said(url, [speak("do")], pace=100.0)


def test_a_dialect_costs_what_the_loop_takes_more_in_shares_of_the_engine() -> None:
    native = Spent(1.0, 99.0)
    rounds = [Round(native, Spent(loop, 99.0), 10.0) for loop in (1.1, 1.2, 1.9)]
    cost = cost_of(rounds)
    assert cost.median == pytest.approx(0.02)
    assert (cost.low, cost.high) == pytest.approx((0.01, 0.09))
    assert cost.verdict == "open"
    assert cost_of(rounds[:2]).verdict == "below"
    assert cost_of(rounds[2:]).verdict == "above"
    assert dialect_cost.table({"vosk": rounds}).row_count == 1
    assert Spent(5.0, 9.0).since(Spent(1.0, 1.0), 4.0) == Spent(1.0, 2.0)


@pytest.mark.parametrize("dialect", dialect_weight.DIALECTS)
def test_every_dialect_can_be_weighed_alone(dialect: str) -> None:
    talk = dialect_weight.talk_of(dialect)
    talk.take(talk.message(bytes(3_200)))
    events = list(dialect_weight.events_until(13.0, 0.0))
    assert {type(event).__name__ for event in events} == {
        "SpeechStarted", "Partial", "Final", "Endpoint"
    }  # fmt: skip
    talk.tell(events, 13.0)


def test_hollow_features_are_as_many_as_real_ones() -> None:
    sound = speak("do")
    hollow, real = HollowExtractor(), StreamingFbank()
    for start in range(0, len(sound), 1_234):
        block = sound[start : start + 1_234]
        assert hollow.accept(block).shape == real.accept(block).shape


def test_hostile_clients_and_posts_are_always_the_same() -> None:
    for dialect in CONNECTED:
        kinds = {mutants.kind_of(dialect, SEED, number) for number in range(3_000)}
        assert kinds >= {"messages", "flood", "size", "dribble"}
        for number in range(20):
            made = mutants.mutant(dialect, SEED, number)
            assert made == mutants.mutant(dialect, SEED, number)
            assert made.kind == f"{dialect} {mutants.kind_of(dialect, SEED, number)}"
    for dialect in BROKERED:
        assert posts(dialect, SEED, 3) == posts(dialect, SEED, 3)
        assert {posts(dialect, SEED, n)[0] for n in range(1_000)} == {"messages", "size", "flood"}


# The campaigns.


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """A daemon that hears notes and speaks every dialect."""
    loop = asyncio.new_event_loop()
    opened = every_dialect()
    found = loop.run_until_complete(opened.__aenter__())
    yield found
    complaints = found.complaints()
    loop.run_until_complete(opened.__aexit__(None, None, None))
    loop.close()
    assert complaints == []


@pytest.mark.parametrize("dialect", CONNECTED)
def test_hostile_clients_of_every_dialect_bring_nothing_down(dialect: str, place: Place) -> None:
    async def attack() -> None:
        host, port = place.door(dialect)
        numbers = (n for n in range(1_000) if mutants.kind_of(dialect, SEED, n) != "dribble")
        for _ in range(MUTANTS):
            mutant = mutants.mutant(dialect, SEED, next(numbers))
            if mutant.ending is not Ending.DEAF:
                outcome = await play(mutant, host, port)
                assert outcome.fault is None, mutant
        assert await talked(dialect, place, speak("do mi")) == ["do", "mi"]

    asyncio.run(attack())


@pytest.mark.parametrize("dialect", BROKERED)
def test_hostile_posts_bring_nothing_down(dialect: str, place: Place) -> None:
    if dialect not in place.dialects:
        pytest.skip("needs the MQTT broker mosquitto, which is not installed")

    async def attack() -> None:
        _, port = place.door(dialect)
        campaign = BrokerCampaign(dialect, port, SEED, 4 * MUTANTS)
        await campaign.run(concurrency=1)
        assert campaign.mutations >= 4 * MUTANTS
        assert campaign.faults == []
        assert await talked(dialect, place, speak("do mi")) == ["do", "mi"]

    asyncio.run(attack())


def test_what_a_dialect_spends_is_counted(place: Place) -> None:
    before = dialect_cost.spent(listener(place.port))
    asyncio.run(talked("native", place, speak("do mi")))
    after = dialect_cost.spent(listener(place.port))
    assert after.loop > before.loop
    assert after.engine > before.engine


async def test_broken_connections_and_dead_daemons_lose_nobody_a_word_in_any_dialect(
    tmp_path: Path,
) -> None:
    dialects = spoken_here()
    campaign = Campaign(
        seed=SEED,
        count=FAULTS,
        sessions=len(dialects),
        dialects=dialects,
        pace=8.0,
        kill_every=FAULTS // 2,
    )
    await campaign.run(tmp_path, Progress(disable=True))
    assert campaign.tally.wrong == []
    assert campaign.tally.faults.total() >= FAULTS
    assert campaign.accounts["native"].whole > 0
    assert sum(one.kills for one in campaign.accounts.values()) > 0
    told = report(campaign.tally, campaign.accounts, campaign.longest)
    assert told["sessions"] == campaign.tally.sessions
    assert table(campaign.accounts).row_count == len(dialects)


async def test_guests_of_a_soak_come_in_every_dialect() -> None:
    dialects = spoken_here()
    soaked = soak.Soak(hours=0, seed=SEED, dialects=dialects[:3])
    await soaked.run("tests.daemon.humming")
    assert soaked.guests == soaked.guests_by_dialect.total() > 0
    assert soaked.complaints == []
    assert soaked.unheard == 0
    assert [word.text for word in soaked.round(-1)] == [word.text for word in soaked.round(1)]
