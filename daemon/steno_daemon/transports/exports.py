"""Captions as files: the list of sessions, WebVTT and SubRip so far, and HLS."""

import time
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from steno_daemon.captions.export import Exporter
from steno_daemon.captions.hub import LIVE, Hub, Topic

DELAY_MAX_MS = 600_000
CARRIED = ("delay_ms", "token")
"""Parameters of a playlist that its segments need as well."""


class Exports:
    """Answers requests for what a hub keeps.

    Args:
        hub: has the captions.
        exporter: writes them.
        clock: the same as the hub's.
    """

    def __init__(
        self, hub: Hub, exporter: Exporter, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hub = hub
        self._exporter = exporter
        self._clock = clock

    async def sessions(self, _: web.Request) -> web.StreamResponse:
        """Answer `/sessions`: those that run and those that ended lately, the newest first."""
        found = [
            {
                "session": topic.about.session,
                "label": topic.about.label,
                "language_model": topic.about.language_model,
                "channels": topic.about.channels,
                "live": topic.is_live,
                "started_s_ago": round(self._clock() - topic.began_s, 1),
            }
            for topic in self._hub.topics()
        ]
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")

    async def whole(self, request: web.Request) -> web.StreamResponse:
        """Answer `/captions/{session}.vtt` or `.srt`: everything so far."""
        topic, delay_ms = self._topic(request), _delay_ms(request)
        if request.match_info["form"] == "srt":
            text = await self._exporter.srt(topic, delay_ms=delay_ms)
            return _text(text, "application/x-subrip")
        return _text(await self._exporter.webvtt(topic, delay_ms=delay_ms), "text/vtt")

    async def playlist(self, request: web.Request) -> web.StreamResponse:
        """Answer `/captions/{session}/index.m3u8`; of `live`, tell which session that is.

        A player keeps to one address, and the segments of two sessions have the same numbers.
        """
        if request.match_info["session"] == LIVE:
            name = self._topic(request).about.session
            query = f"?{request.query_string}" if request.query_string else ""
            raise web.HTTPTemporaryRedirect(f"/captions/{name}/index.m3u8{query}")
        carried = {name: request.query[name] for name in CARRIED if name in request.query}
        text = await self._exporter.playlist(
            self._topic(request), delay_ms=_delay_ms(request), query=urlencode(carried)
        )
        return _text(text, "application/vnd.apple.mpegurl")

    async def segment(self, request: web.Request) -> web.StreamResponse:
        """Answer `/captions/{session}/segment-{n}.vtt`."""
        number = int(request.match_info["n"][:12])
        of_one = request.match_info["session"] != LIVE
        text = of_one and await self._exporter.segment(
            self._topic(request), number, delay_ms=_delay_ms(request)
        )
        if not text:
            raise web.HTTPNotFound(text="expected a segment of the playlist, found another\n")
        return _text(text, "text/vtt", keep_s=3600)

    def _topic(self, request: web.Request) -> Topic:
        topic = self._hub.find(request.match_info["session"])
        if topic is None:
            raise web.HTTPNotFound(text="expected a session of /sessions or live, found another\n")
        return topic


def _delay_ms(request: web.Request) -> int | None:
    """Return what is to be added to every time, None where the request does not say."""
    said = request.query.get("delay_ms")
    if said is None:
        return None
    try:
        delay_ms = int(said[:12])
    except ValueError:
        delay_ms = DELAY_MAX_MS + 1
    if abs(delay_ms) > DELAY_MAX_MS:
        raise web.HTTPBadRequest(
            text=f"delay_ms: expected -{DELAY_MAX_MS} to {DELAY_MAX_MS}, found another\n"
        )
    return delay_ms


def _text(text: str, content_type: str, *, keep_s: int = 0) -> web.Response:
    """Return captions; what grows is not kept by caches."""
    cache = f"private, max-age={keep_s}" if keep_s else "no-store"
    return web.Response(
        text=text, content_type=content_type, charset="utf-8", headers={"Cache-Control": cache}
    )
