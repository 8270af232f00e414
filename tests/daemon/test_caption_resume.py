"""Captions in a browser when connections break: nothing is lost, nothing is shown twice."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.daemon.browser import Chromium, Page, page
from tests.daemon.fakes import FakeRecogniser, speak
from tests.daemon.serving import PATIENCE_S, Served, serving, talking
from tests.daemon.showing import PLAIN_SOUND, finals, needs_chromium, status_is, tell
from tests.daemon.wires import Wire, wired

from steno_daemon import wire
from steno_daemon.config import ServerConfig

pytestmark = needs_chromium

SENTENCE = "do re mi fa so do re mi"
ON_ITS_WAY = "/fa/.test(document.querySelector('#live').textContent)"


async def sessions(served: Served) -> list[dict[str, object]]:
    """The sessions that the daemon knows, those that ended too."""
    _, body = await served.get("/sessions")
    found = json.loads(body)
    assert isinstance(found, list)
    return found


async def cut_until_it_shows(line: Wire, shown: Page) -> None:
    """Cut the wire, and mend it when the page has said so and tried in vain."""
    line.cut()
    await status_is(shown, "Connection lost, trying again")
    async with asyncio.timeout(PATIENCE_S):
        await line.tried.wait()
    line.mend()


@asynccontextmanager
async def over_a_wire(
    browser: Chromium, *, resume_s: float
) -> AsyncIterator[tuple[Served, Wire, Page]]:
    """A daemon that keeps sessions so long, and its page at the other end of a wire."""
    async with (
        serving(FakeRecogniser(), ServerConfig(resume_s=resume_s)) as served,
        wired(served.url) as line,
        page(browser, line.url, before=PLAIN_SOUND) as shown,
    ):
        yield served, line, shown


async def test_a_session_whose_connection_broke_goes_on_without_losing_a_word(
    browser: Chromium,
) -> None:
    browser.hear(speak(SENTENCE))
    async with over_a_wire(browser, resume_s=60) as (served, line, shown):
        await shown.click("#speak")
        await shown.until(ON_ITS_WAY)
        await cut_until_it_shows(line, shown)
        assert await finals(shown, 1) == [SENTENCE]
        await status_is(shown, "Listening")
        assert [session["live"] for session in await sessions(served)] == [True]


async def test_a_session_that_the_daemon_gave_up_is_followed_by_one_that_takes_the_rest(
    browser: Chromium,
) -> None:
    browser.hear(speak(SENTENCE))
    async with over_a_wire(browser, resume_s=0.2) as (served, line, shown):
        await shown.click("#speak")
        await shown.until(ON_ITS_WAY)
        line.cut()
        await served.sessions_are(0)
        line.mend()
        assert await finals(shown, 1) == [SENTENCE]
        assert [session["live"] for session in await sessions(served)] == [True, False]


async def test_a_session_that_cannot_be_resumed_is_followed_by_one_that_takes_the_rest(
    browser: Chromium,
) -> None:
    browser.hear(speak(SENTENCE))
    async with over_a_wire(browser, resume_s=0) as (served, line, shown):
        await shown.click("#speak")
        await shown.until(ON_ITS_WAY)
        await cut_until_it_shows(line, shown)
        assert await finals(shown, 1) == [SENTENCE]
        assert [session["live"] for session in await sessions(served)] == [True, False]


async def test_the_last_words_come_even_when_the_connection_breaks_before_them(
    browser: Chromium,
) -> None:
    browser.hear(speak("do re mi", tail_s=0.0))
    async with over_a_wire(browser, resume_s=60) as (_, line, shown):
        await shown.click("#speak")
        await shown.until("/re/.test(document.querySelector('#live').textContent)")
        line.cut()
        await status_is(shown, "Connection lost, trying again")
        await shown.click("#speak")
        line.mend()
        assert "do re" in (await finals(shown, 1))[0]
        await status_is(shown, "Ready")


async def test_a_viewer_comes_back_and_has_what_was_said_meanwhile_once(
    browser: Chromium,
) -> None:
    async with (
        serving(FakeRecogniser()) as served,
        wired(served.url) as line,
        talking(served.url) as talk,
        page(browser, f"{line.url}/?session=live") as shown,
    ):
        await talk.say(wire.Start())
        await tell(talk, "do re")
        await finals(shown, 1)
        line.cut()
        await status_is(shown, "Connection lost, trying again")
        await tell(talk, "mi fa")
        line.mend()
        await finals(shown, 2)
        for text in ("so do", "re mi"):
            line.snap()
            await tell(talk, text)
        assert await finals(shown, 4) == ["do re", "mi fa", "so do", "re mi"]


async def test_a_viewer_finds_the_session_that_began_while_it_was_away(browser: Chromium) -> None:
    async with (
        serving(FakeRecogniser()) as served,
        wired(served.url) as line,
        page(browser, f"{line.url}/?session=live") as shown,
    ):
        async with talking(served.url) as talk:
            await talk.say(wire.Start())
            await tell(talk, "do")
            await finals(shown, 1)
            line.cut()
            await status_is(shown, "Connection lost, trying again")
            await tell(talk, "re")
            await talk.say(wire.Stop())
            await talk.rest()
        async with talking(served.url) as talk:
            await talk.say(wire.Start())
            await tell(talk, "mi")
            line.mend()
            assert await finals(shown, 3) == ["do", "re", "mi"]


async def test_a_daemon_that_goes_down_and_comes_again_is_found_again(browser: Chromium) -> None:
    browser.hear(speak("do re", tail_s=3.0))
    async with (
        serving(FakeRecogniser()) as first,
        wired(first.url) as line,
        page(browser, line.url, before=PLAIN_SOUND) as shown,
    ):
        await shown.click("#speak")
        await shown.until("/re/.test(document.querySelector('#live').textContent)")
        await first.stop()
        assert await finals(shown, 1) == ["do re"]
        await status_is(shown, "Connection lost, trying again")
        async with serving(FakeRecogniser()) as second:
            line.lead_to(second.url)
            await status_is(shown, "Listening")
            [session] = await sessions(second)
            assert session["live"]
