"""Hostile clients against a daemon in this process, beside a healthy one; `mutation` does more."""

import asyncio
import logging
import os
import socket

import pytest
from tests.daemon import nasty
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.hostile import close_code
from tests.daemon.mutant import FIN, Opcode, closing, frame
from tests.daemon.mutants import KINDS, kind_of, mutant
from tests.daemon.mutation import Campaign
from tests.daemon.process import listener
from tests.daemon.serving import Served, serving
from tests.daemon.witness import Witness
from websockets.frames import Frame
from websockets.streams import StreamReader

SEED = 7
COUNT = 300


def address(served: Served) -> tuple[str, int]:
    host, _, port = served.url.removeprefix("ws://").rpartition(":")
    return host, int(port)


HEAVY = {"size", "bomb", "flood", "body"}


# The generator.


def test_the_mutant_of_a_seed_and_a_number_is_always_the_same() -> None:
    for number in range(50):
        assert mutant(SEED, number) == mutant(SEED, number)
    assert mutant(SEED, 1) != mutant(SEED + 1, 1)


def test_every_kind_of_mutant_comes_up() -> None:
    numbers = {kind_of(SEED, number): number for number in range(3_000)}
    assert len(numbers) == len(KINDS)
    for kind, number in numbers.items():
        assert mutant(SEED, number).kind == kind


def test_a_frame_of_ours_is_read_as_it_was_meant() -> None:
    for payload in (b"", b"x", b"y" * 125, b"z" * 126, b"u" * 65_535, b"v" * 65_536):
        for mask in (b"\0\0\0\0", b"mask"):
            reader = StreamReader()
            reader.feed_data(frame(Opcode.BINARY, payload, mask=mask))
            reader.feed_eof()
            parse = Frame.parse(reader.read_exact, mask=True)
            with pytest.raises(StopIteration) as caught:
                next(parse)
            assert caught.value.value.data == payload
            assert (caught.value.value.opcode, caught.value.value.fin) == (Opcode.BINARY, True)


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_the_close_code_is_found_behind_whatever_came_before(size: int) -> None:
    said = frame(Opcode.TEXT, b"x" * size, mask=None)
    assert close_code(said + frame(Opcode.CLOSE, b"\x03\xf1bad", mask=None)) == 1009
    assert close_code(said + frame(Opcode.CLOSE, mask=None)) == 1005
    assert close_code(said) is None


def test_the_files_that_are_damaged_were_whole() -> None:
    assert nasty.opus_file("ogg").startswith(b"OggS")
    assert b"webm" in nasty.opus_file("webm")[:64]
    assert closing()[0] == FIN | Opcode.CLOSE


def test_the_process_behind_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = listener(server.getsockname()[1])
        assert found.pid == os.getpid()
        assert found.is_alive()
        before = found.open_files()
        with socket.socket():
            assert found.open_files() == before + 1
        assert found.resident_bytes() > 1_000_000
    with pytest.raises(LookupError):
        listener(server.fileno() + 70_000)


# The daemon.


async def test_mutated_traffic_brings_nothing_down_and_costs_a_healthy_client_no_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(FakeRecogniser()) as served:
        witness = Witness(served.url, pcm(speak("do mi re")))
        await witness.begin()
        assert witness.texts == ["do mi re"]
        attack = Campaign(*address(served), SEED, COUNT)
        numbers = iter(n for n in range(3 * COUNT) if kind_of(SEED, n) not in {*HEAVY, "dribble"})
        beside = asyncio.create_task(witness.go_on())
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(attack.work(numbers, tasks))
        beside.cancel()
        await asyncio.wait([beside])
        await witness.once()
        assert attack.mutations >= COUNT
        assert attack.faults == []
        assert witness.wrong == []
        assert witness.passes > 0
        await served.nobody_is_left()
    assert "fault of the daemon" not in caplog.text
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("kind", sorted(HEAVY))
async def test_what_is_far_too_much_is_turned_away(kind: str) -> None:
    number = next(number for number in range(10_000) if kind_of(SEED, number) == kind)
    async with serving(FakeRecogniser()) as served:
        attack = Campaign(*address(served), SEED, COUNT)
        await attack.one(number)
        assert attack.faults == []
        witness = Witness(served.url, pcm(speak("do mi re")))
        await witness.begin()
        assert witness.texts == ["do mi re"]
        await served.nobody_is_left()


async def test_clients_that_dribble_keep_nobody_waiting() -> None:
    async with serving(FakeRecogniser()) as served:
        numbers = [n for n in range(5_000) if kind_of(SEED, n) == "dribble"][:20]
        attack = Campaign(*address(served), SEED, COUNT)
        slow = [asyncio.create_task(attack.dribble(number)) for number in numbers]
        witness = Witness(served.url, pcm(speak("do mi re")))
        await witness.begin()
        assert witness.texts == ["do mi re"]
        assert attack.faults == []
        for task in slow:
            task.cancel()
        await asyncio.wait(slow)
        await served.nobody_is_left()
