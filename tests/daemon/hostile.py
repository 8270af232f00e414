"""Plays a hostile connection and tells what the daemon did about it."""

import asyncio
import re
import struct
from contextlib import suppress
from dataclasses import dataclass

from tests.daemon.mutant import Ending, Mutant, Opcode

PATIENCE_S = 60.0
ANSWER_S = 1.0
QUIET_S = 0.25
DEAF_S = 5.0
HEARD_BYTES = 8 * 1024 * 1024
END_OF_HEAD = b"\r\n\r\n"
STATUS = re.compile(rb"(?:^|\n)HTTP/\d\.\d (\d{3}) ")
MUST_NOT_COME_BACK = {
    rb"HTTP/\d\.\d 50[024] ": "a status that says that the daemon is to blame",
    rb'"code":"(internal|recogniser_failed)"': "an error that says that the daemon is to blame",
    rb"root:x:0:": "a file of the system",
    rb"PRIVATE KEY": "a key",
    rb"Traceback": "a traceback",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it.

    Attributes:
        answer: in short, such as "400", "closed 1009", "cut off" or "stalled".
        fault: what the daemon did that it must not do.
    """

    answer: str
    fault: str | None = None


class Ears:
    """Keeps what comes back, as far as anybody wants to know."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self.heard = bytearray()
        self.answered = asyncio.Event()
        self.task = asyncio.create_task(self._listen(reader))

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(64 * 1024):
                if len(self.heard) < HEARD_BYTES:
                    self.heard += data
                if END_OF_HEAD in self.heard:
                    self.answered.set()
        self.answered.set()


async def reach(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect; a host that is a path has no port."""
    if host.startswith("/"):
        return await asyncio.open_unix_connection(host)
    return await asyncio.open_connection(host, port)


async def play(mutant: Mutant, host: str, port: int) -> Outcome:
    """Do what the mutant says.

    Raises:
        OSError: nobody listens.
    """
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await reach(host, port)
    ears = Ears(reader)
    stalled = False
    try:
        async with asyncio.timeout(DEAF_S if mutant.ending is Ending.DEAF else PATIENCE_S):
            with suppress(ConnectionError):
                await _send(mutant, writer, ears)
            if mutant.ending is Ending.FAREWELL:
                await asyncio.wait([ears.task])
            if mutant.ending is Ending.LISTEN:
                await _hear_the_rest(writer, ears)
    except TimeoutError:
        stalled = True
    finally:
        ears.task.cancel()
        writer.transport.abort()
    return _outcome(mutant, bytes(ears.heard), stalled=stalled)


async def dribble(mutant: Mutant, host: str, port: int) -> float:
    """Send a byte a second until the daemon has enough, and return how long that took, in s."""
    loop = asyncio.get_running_loop()
    reader, writer = await reach(host, port)
    ears = Ears(reader)
    began_s = loop.time()
    try:
        with suppress(ConnectionError):
            writer.write(mutant.head)
            while not (await asyncio.wait([ears.task], timeout=1.0))[0]:
                writer.write(b"x")
                await writer.drain()
        return loop.time() - began_s
    finally:
        ears.task.cancel()
        writer.transport.abort()


async def _send(mutant: Mutant, writer: asyncio.StreamWriter, ears: Ears) -> None:
    """Send everything, until the daemon hangs up."""
    writer.write(mutant.head)
    await writer.drain()
    if mutant.asks_for_a_websocket:
        await ears.answered.wait()
    deaf = mutant.ending is Ending.DEAF
    if deaf:
        ears.task.cancel()
    for send in mutant.sends:
        for _ in range(send.times):
            if ears.task.done() and not deaf:
                return
            writer.write(send.data)
            await writer.drain()


async def _hear_the_rest(writer: asyncio.StreamWriter, ears: Ears) -> None:
    """Wait for the daemon to end the connection; when it falls silent, end it from here."""
    heard_bytes = -1
    while len(ears.heard) > heard_bytes:
        heard_bytes = len(ears.heard)
        done, _ = await asyncio.wait([ears.task], timeout=QUIET_S if heard_bytes else ANSWER_S)
        if done:
            return
    with suppress(OSError):
        writer.write_eof()
    await asyncio.wait([ears.task])


def _outcome(mutant: Mutant, heard: bytes, *, stalled: bool) -> Outcome:
    """What the bytes that came back mean."""
    head, _, rest = heard.partition(END_OF_HEAD)
    statuses = [found.decode() for found in STATUS.findall(heard)]
    code = close_code(rest) if statuses[:1] == ["101"] else None
    blamed = b'"code":"invalid_audio"' in heard  # a file that is broken is the client's own fault
    fault = "the close code 1011" if code == 1011 and not blamed else None
    if stalled and mutant.ending is Ending.FAREWELL:
        fault = f"no end of the conversation within {PATIENCE_S:.0f} s"
    for pattern, what in MUST_NOT_COME_BACK.items():
        if found := re.search(pattern, heard):
            fault = f"{what}: {found[0]!r}"
    if code is not None:
        answer = f"closed {code}"
    elif mutant.ending in {Ending.VANISH, Ending.DEAF}:
        answer = f"left ({mutant.ending.value})"
    elif stalled:
        answer = "stalled"
    else:
        answer = statuses[-1] if statuses else f"answered {head[:20]!r}" if head else "cut off"
    return Outcome(answer, fault)


def close_code(data: bytes) -> int | None:
    """The close code among the frames of a server, 1005 for none in the frame."""
    at = 0
    while at + 2 <= len(data):
        opcode, size, at = data[at] & 15, data[at + 1], at + 2
        if size >= 126:
            width = 2 if size == 126 else 8
            size, at = int.from_bytes(data[at : at + width]), at + width
        if opcode == Opcode.CLOSE:
            return struct.unpack_from(">H", data, at)[0] if size >= 2 else 1005
        at += size
    return None
