"""Viewers of captions: over a WebSocket, or as server-sent events.

Both say the same: first `watching`, then the events of the topic. Who watches `live` goes on with
the next session when one has ended. A viewer reads at its own pace and holds nobody up.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from aiohttp import ClientConnectionError, WSCloseCode, WSMsgType, web

from steno_daemon.auth import Grant
from steno_daemon.captions.hub import LIVE, Hub, MissedError, Topic
from steno_daemon.errors import LimitError
from steno_daemon.limits import Deadlines, MessageRate, Places
from steno_daemon.metrics import Metrics
from steno_daemon.transports.receiving import Receiver

KEEP_ALIVE_S = 15.0
HEARTBEAT_S = 30.0
RETRY_MS = 1_000
_NOTHING_TO_SAY = 4 * 1024
"""Bytes that a viewer may send in one message; it has nothing to say."""
_MESSAGES_PER_S = 1.0


class Watching(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="watching"):
    """The first message to a viewer: whom it watches.

    Attributes:
        seq: number of the newest event that is history; what comes behind it is news.
    """

    seq: int
    session: str
    label: str
    language_model: str
    channels: int


T = TypeVar("T")
Message = tuple[int | None, str]
"""The number of an event, if it has one to come back with, and its JSON."""
Withdrawal = asyncio.Future[None]
"""Done when a viewer may watch no more."""


class Gallery:
    """Lets viewers in and shows them their topics.

    Args:
        hub: has the topics.
        metrics: counts viewers.
        max_viewers: at once.
    """

    def __init__(self, hub: Hub, metrics: Metrics, max_viewers: int) -> None:
        self._hub = hub
        self._metrics = metrics
        self._places = Places("limits.viewers", max_viewers)
        self._viewers: dict[Withdrawal, Grant] = {}

    @property
    def count(self) -> int:
        """How many watch now."""
        return self._places.taken

    def withdraw(self, is_good: Callable[[Grant], bool]) -> None:
        """End the viewers under grants that are good no more."""
        for withdrawal, grant in self._viewers.items():
            if not is_good(grant) and not withdrawal.done():
                withdrawal.set_result(None)

    async def watch(self, request: web.Request, grant: Grant) -> web.StreamResponse:
        """Answer `/watch/{session}`; the session `live` need not have begun.

        `?after=N` leaves out what came up to event N, `?last=N` all but the last N finals of a
        history: 0 for what is new alone.
        """
        name = request.match_info["session"]
        topic = self._hub.find(name)
        if topic is None and name != LIVE:
            raise web.HTTPNotFound(text="expected a session of /sessions or live, found another\n")
        begin = Begin(_number(request, "after", -1), _number(request, "last", None))
        messages = self._live(begin) if name == LIVE else self._messages(topic, begin)
        with self._counted(grant) as withdrawal:
            if "upgrade" in request.headers.get("Connection", "").lower():
                return await _over_websocket(request, messages, withdrawal)
            return await _over_sse(request, messages, withdrawal)

    async def _live(self, begin: "Begin") -> AsyncIterator[Message]:
        """Yield the messages of the newest live session, and then of the next, for ever."""
        topic = await self._hub.live()
        while True:
            async for message in self._messages(topic, begin):
                yield message
            begin = Begin()
            topic = self._hub.find(LIVE) or await self._hub.next()

    async def _messages(self, topic: Topic | None, begin: "Begin") -> AsyncIterator[Message]:
        """Yield the messages about one session until it ends."""
        if topic is None:
            return
        about = topic.about
        yield (
            None,
            _json(
                Watching(
                    seq=topic.newest,
                    session=about.session,
                    label=about.label,
                    language_model=about.language_model,
                    channels=about.channels,
                )
            ),
        )
        viewer = topic.viewer(begin.in_topic(topic))
        seen = 0
        while items := await viewer.next():
            for number, event in items:
                yield number, _json(event)
            self._metrics.skipped_partials(viewer.skipped_partials - seen)
            seen = viewer.skipped_partials

    @contextlib.contextmanager
    def _counted(self, grant: Grant) -> Iterator[Withdrawal]:
        """Take a place for as long as somebody watches; yields what ends that early."""
        self._places.enter()
        self._metrics.viewers(self._places.taken)
        withdrawal: Withdrawal = asyncio.get_running_loop().create_future()
        self._viewers[withdrawal] = grant
        try:
            yield withdrawal
        finally:
            del self._viewers[withdrawal]
            withdrawal.cancel()
            self._places.leave()
            self._metrics.viewers(self._places.taken)


@dataclass(frozen=True, slots=True)
class Begin:
    """Where in a history a viewer begins.

    Attributes:
        after: number of the last event that it has, -1 for none.
        last: how many finals of the history it wants; None for all that came after `after`.
    """

    after: int = -1
    last: int | None = None

    def in_topic(self, topic: Topic) -> int:
        """Return the number of the last event that a viewer of the topic does not want.

        Whoever comes back with a number wants what came since, however much that is.
        """
        if self.after >= 0 or self.last is None:
            return self.after
        return topic.before_last(self.last)


def _number(request: web.Request, name: str, default: T) -> int | T:
    """Return a number that a viewer asks for; a browser that comes back says `after` itself."""
    again = request.headers.get("Last-Event-ID") if name == "after" else None
    said = again or request.query.get(name)
    if not said:
        return default
    try:
        return max(-1, int(said[:18]))
    except ValueError:
        raise web.HTTPBadRequest(
            text=f"expected a number in {name}, found something else\n"
        ) from None


def _json(message: msgspec.Struct) -> str:
    return msgspec.json.encode(message).decode()


async def _over_websocket(
    request: web.Request, messages: AsyncIterator[Message], withdrawal: Withdrawal
) -> web.WebSocketResponse:
    """Send messages until they end, the viewer goes or may watch no more."""
    deadlines = Deadlines()
    socket = web.WebSocketResponse(
        autoping=False,
        compress=False,
        max_msg_size=_NOTHING_TO_SAY,
        heartbeat=HEARTBEAT_S,
        timeout=deadlines.close_s,
    )
    await socket.prepare(request)
    show = asyncio.create_task(_send_all(socket, messages, deadlines.send_s))
    stay = asyncio.create_task(_until_gone(socket))
    try:
        await asyncio.wait([stay, withdrawal], return_when=asyncio.FIRST_COMPLETED)
    finally:
        show.cancel()
        stay.cancel()
        await asyncio.wait([show, stay])
        if withdrawal.done():
            await _dismiss(socket, deadlines.close_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadlines.close_s):
                await socket.close()
    return socket


async def _dismiss(socket: web.WebSocketResponse, close_s: float) -> None:
    """Send a viewer away whose token was taken back."""
    with contextlib.suppress(TimeoutError, ClientConnectionError):
        async with asyncio.timeout(close_s):
            await socket.close(
                code=WSCloseCode.POLICY_VIOLATION, message=b"the token was taken back"
            )


async def _until_gone(socket: web.WebSocketResponse) -> None:
    """Wait for a viewer to leave; what it says until then is not for us, and not much."""
    rate = MessageRate(_MESSAGES_PER_S)
    receiver = Receiver(socket, rate)
    try:
        while (await receiver.receive()).type in {WSMsgType.TEXT, WSMsgType.BINARY}:
            rate.take()
    except LimitError as error:
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=str(error).encode()[:120])
    except ClientConnectionError:
        pass


async def _send_all(
    socket: web.WebSocketResponse, messages: AsyncIterator[Message], send_s: float
) -> None:
    try:
        async for _, text in messages:
            async with asyncio.timeout(send_s):
                await socket.send_str(text)
        await socket.close(code=WSCloseCode.OK, message=b"the session has ended")
    except MissedError as error:
        await socket.close(code=WSCloseCode.TRY_AGAIN_LATER, message=str(error).encode()[:120])
    except (TimeoutError, ClientConnectionError):
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too slow")


async def _over_sse(
    request: web.Request, messages: AsyncIterator[Message], withdrawal: Withdrawal
) -> web.StreamResponse:
    """Send messages as server-sent events; a browser comes back by itself when they end."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",  # nginx would hold events back
        }
    )
    await response.prepare(request)
    with contextlib.suppress(ClientConnectionError):
        await response.write(f"retry: {RETRY_MS}\n\n".encode())
        async for chunk in _kept_alive(messages, withdrawal):
            async with asyncio.timeout(Deadlines().send_s):
                await response.write(chunk.encode())
    return response


async def _kept_alive(
    messages: AsyncIterator[Message], withdrawal: Withdrawal
) -> AsyncIterator[str]:
    """Yield messages as events, and comments where there is none for long."""
    waiting: asyncio.Task[Message] | None = None
    try:
        while True:
            waiting = waiting or asyncio.ensure_future(anext(messages))
            both: set[asyncio.Future[Any]] = {waiting, withdrawal}
            done, _ = await asyncio.wait(
                both,
                timeout=KEEP_ALIVE_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if withdrawal in done:
                return
            if not done:
                yield ": keep-alive\n\n"
                continue
            number, text = waiting.result()
            waiting = None
            yield (f"id: {number}\n" if number is not None else "") + f"data: {text}\n\n"
    except StopAsyncIteration:
        yield "event: end\ndata: {}\n\n"
    except MissedError as error:
        yield f"event: missed\ndata: {msgspec.json.encode(str(error)).decode()}\n\n"
    finally:
        if waiting is not None:
            waiting.cancel()
