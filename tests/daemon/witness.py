"""A healthy client beside hostile ones: it says the same again and again, and must be heard."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from tests.daemon.fakes import finals
from tests.daemon.serving import PATIENCE_S
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from steno_daemon import wire
from steno_daemon.wire import CloseReason, ErrorCode

PIECE_BYTES = 6_400
PAUSE_S = 0.25
"""Between two sessions: it is there to be heard, not to keep the daemon from being attacked."""


class BrokenOffError(Exception):
    """A session did not come to its end."""


@dataclass(slots=True)
class Witness:
    """What it says, and what came of it.

    Attributes:
        sound: 16 bits, 16 kHz.
        texts: what is heard when nothing disturbs.
        passes: sessions in which every word was heard.
        refused: sessions that found the daemon full, and were tried again.
        wrong: what was heard instead, or how the session broke.
    """

    url: str
    sound: bytes
    token: str | None = None
    texts: list[str] = field(default_factory=list)
    passes: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)

    async def begin(self) -> None:
        """Learn what is heard while nobody disturbs."""
        texts = await self._session()
        if not texts:
            raise ValueError(f"expected words from {self.url}, found {texts}")
        self.texts = texts

    async def go_on(self) -> None:
        """Speak in one session after the other, until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(PAUSE_S)

    async def once(self) -> None:
        """Speak in one session, and compare."""
        try:
            texts = await self._session()
        except (BrokenOffError, ConnectionClosed, OSError, TimeoutError) as error:
            self.wrong.append(f"{type(error).__name__}: {error}")
            return
        if texts is None:
            self.refused += 1
        elif texts == self.texts:
            self.passes += 1
        else:
            self.wrong.append(f"expected {self.texts}, found {texts}")

    async def _session(self) -> list[str] | None:
        """The finals of a session, None where there was no room."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            async with (
                asyncio.timeout(PATIENCE_S),
                connect(
                    self.url, proxy=None, additional_headers=headers, open_timeout=PATIENCE_S
                ) as socket,
            ):
                events = await self._talk(socket)
        except InvalidStatus as error:
            if error.response.status_code == 503:
                return None
            raise BrokenOffError(str(error)) from error
        if any(isinstance(e, wire.Error) and e.code is ErrorCode.OVERLOADED for e in events):
            return None
        last = events[-1] if events else None
        if not isinstance(last, wire.Closed) or last.reason is not CloseReason.STOPPED:
            how = socket.protocol.close_exc
            raise BrokenOffError(f"expected closed, stopped, found {last} and then {how}")
        return finals(events)

    async def _talk(self, socket: ClientConnection) -> list[wire.ServerMessage]:
        """Say everything, and return everything that is heard meanwhile and after."""
        events: list[wire.ServerMessage] = []
        mouth = asyncio.create_task(self._speak(socket))
        with suppress(ConnectionClosed):
            while True:
                events.append(wire.decode_server(await socket.recv()))
        mouth.cancel()
        await asyncio.wait([mouth])
        return events

    async def _speak(self, socket: ClientConnection) -> None:
        """Say everything, as far as anybody listens."""
        with suppress(ConnectionClosed):
            await socket.send(wire.encode(wire.Start()))
            for at in range(0, len(self.sound), PIECE_BYTES):
                await socket.send(self.sound[at : at + PIECE_BYTES])
            await socket.send(wire.encode(wire.Stop()))
