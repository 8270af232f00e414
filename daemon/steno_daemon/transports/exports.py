"""Captions as files: the list of sessions, WebVTT and SubRip so far, and HLS."""

import time
from collections.abc import Callable

import msgspec
from aiohttp import web

from steno_daemon.captions.hub import Hub


class Exports:
    """Answers requests for what a hub keeps.

    Args:
        hub: has the captions.
        clock: the same as the hub's.
    """

    def __init__(self, hub: Hub, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
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
