"""What tests of the caption page and the overlay share: a daemon, its page, what is on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.daemon.browser import DESK, PROGRAM, Chromium, Page, page
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.serving import Served, Talk, serving, talking

from steno_daemon import wire
from steno_daemon.config import Config, ServerConfig

needs_chromium = pytest.mark.skipif(PROGRAM is None, reason="needs chromium, none was found")
FINALS = "[...document.querySelectorAll('#log .words')].map((line) => line.textContent)"
PLAIN_SOUND = """
    try {
        localStorage.setItem("steno.even", "off"); // it would bend the notes
    } catch {
        // the page before the first has no storage
    }
"""


def address(served: Served, path: str = "/") -> str:
    """Return the address of a page."""
    return served.url.replace("ws://", "http://") + path


@asynccontextmanager
async def opened(
    browser: Chromium,
    path: str = "/",
    *,
    size: tuple[int, int] = DESK,
    before: str = PLAIN_SOUND,
    config: Config | None = None,
) -> AsyncIterator[tuple[Served, Page]]:
    """A daemon that hears notes, and its page; `before` is a script that runs before its own."""
    config = config or Config(server=ServerConfig(resume_s=60))
    async with (
        serving(FakeRecogniser(dropout_steps=2), config=config) as served,
        page(browser, address(served, path), size=size, before=before) as shown,
    ):
        yield served, shown


@asynccontextmanager
async def watched(
    browser: Chromium,
    query: str = "",
    *,
    size: tuple[int, int] = DESK,
    start: wire.Start | None = None,
) -> AsyncIterator[tuple[Page, Talk]]:
    """The page of the newest session, and another client, who has started one."""
    async with (
        opened(browser, f"/?session=live{query}", size=size) as (served, shown),
        talking(served.url) as talk,
    ):
        await status_is(shown, "Waiting for a session")  # a short one could be over before
        await talk.say(start or wire.Start())
        yield shown, talk


async def tell(talk: Talk, text: str) -> None:
    """Say something in a session of another client, and wait until it is final."""
    await talk.say(pcm(speak(text)), wire.Finalize())
    await talk.hear(wire.Final)


async def finals(shown: Page, count: int) -> list[str]:
    """Wait for so many finals on the page and return them all."""
    await shown.until(f"{FINALS}.length >= {count}")
    found = await shown.js(FINALS)
    assert isinstance(found, list)
    return found


async def status_is(shown: Page, pattern: str) -> None:
    """Wait until the page says in its status what a regular expression finds."""
    await shown.until(f"/{pattern}/.test(document.querySelector('#status').textContent)")
