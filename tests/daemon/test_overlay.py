"""Captions over a picture: the overlay in a real browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.daemon.browser import Chromium, Page, page
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.pictures import alpha
from tests.daemon.serving import PATIENCE_S, Served, Talk, serving, talking
from tests.daemon.showing import address, needs_chromium, tell
from tests.daemon.wires import wired

from steno_daemon import wire

pytestmark = needs_chromium

LINES = "document.querySelector('#lines').textContent"
SHOWN = "[...document.querySelectorAll('#lines p')].map((line) => line.textContent)"


@asynccontextmanager
async def over(browser: Chromium, query: str = "") -> AsyncIterator[tuple[Served, Page, Talk]]:
    """A daemon, its overlay, and somebody who speaks."""
    async with (
        serving(FakeRecogniser()) as served,
        page(browser, address(served, f"/overlay?session=live&{query}"), size=(960, 540)) as shown,
        talking(served.url) as talk,
    ):
        await talk.say(wire.Start())
        await talk.hear(wire.Ready)
        yield served, shown, talk


async def style(shown: Page, selector: str, name: str) -> str:
    """Return a property of an element as the browser computed it."""
    return str(await shown.js(f"getComputedStyle(document.querySelector('{selector}')).{name}"))


async def test_nothing_but_captions_is_seen_and_they_go_when_nobody_speaks(
    browser: Chromium,
) -> None:
    async with over(browser, "expire=1") as (served, shown, talk):
        assert alpha(await shown.picture(transparent=True)).max() == 0
        await shown.js("""
            window.shades = [];
            new MutationObserver(() => shades.push(document.querySelector("#lines").className))
                .observe(document.querySelector("#lines"), { attributes: true });
        """)
        await tell(talk, "do re mi")
        await shown.until(f"{LINES} === 'do re mi'")
        seen = alpha(await shown.picture(transparent=True))
        rows = seen.max(axis=1).nonzero()[0]
        assert rows.min() > len(seen) / 2
        assert seen[0].max() == 0
        await shown.until(f"{LINES} === ''")
        assert "gone" in await shown.js("shades")
        assert alpha(await shown.picture(transparent=True)).max() == 0
        assert shown.faults == []
        assert {url.split("/")[2] for url in shown.requests} == {served.url.split("/")[2]}


async def test_no_more_than_two_lines_are_seen_and_the_newest_is_the_last(
    browser: Chromium,
) -> None:
    async with over(browser, "size=40") as (_, shown, talk):
        for text in ("do re", "mi fa", "so do"):
            await tell(talk, text)
        await shown.until(f"{LINES}.endsWith('so do')")
        assert await shown.js(SHOWN) == ["mi fa", "so do"]
        height = await shown.js("document.querySelector('#box').clientHeight")
        assert height == pytest.approx(2 * 40 * 1.4, abs=1)
        last = "document.querySelector('#lines p:last-child').getBoundingClientRect().bottom"
        bottom = await shown.js("document.querySelector('#box').getBoundingClientRect().bottom")
        assert await shown.js(last) == pytest.approx(bottom, abs=1)


async def test_a_line_on_the_screen_is_never_broken_anew(browser: Chromium) -> None:
    async with over(browser, "size=48&width=420") as (_, shown, talk):
        await shown.js("""
            window.rows = {};
            const look = () => {
                const words = document.querySelector("#lines .words");
                const top = words?.getBoundingClientRect().y;
                const range = document.createRange();
                for (const span of words?.children ?? []) {
                    const before = span.previousSibling?.textContent.length ?? 0;
                    for (const { index, 0: word } of span.textContent.matchAll(/[a-z]+/g)) {
                        range.setStart(span.firstChild, index);
                        range.setEnd(span.firstChild, index + word.length);
                        const row = Math.round(range.getBoundingClientRect().y - top);
                        (rows[before + index] ??= []).push(row);
                    }
                }
            };
            new MutationObserver(look).observe(document.querySelector("#lines"),
                { childList: true, subtree: true, characterData: true });
        """)
        sound = pcm(speak("do re mi fa so do re mi fa so do re"))
        await talk.say(*(sound[i : i + 6400] for i in range(0, len(sound), 6400)), wire.Finalize())
        await talk.hear(wire.Final)
        await shown.until(f"{LINES}.split(' ').length === 12")
        rows = await shown.js("rows")
        assert len(rows) == 12
        assert max(len(seen) for seen in rows.values()) > 2
        assert len({seen[0] for seen in rows.values()}) > 1
        assert all(len(set(seen)) == 1 for seen in rows.values())


async def test_the_address_sets_the_look(browser: Chromium) -> None:
    query = (
        "size=61&lines=3&colour=ffee00&background=transparent&outline=2&align=left"
        "&position=top&margin=10&font=monospace&case=uppercase&radius=nonsense%3B"
    )
    async with over(browser, query) as (_, shown, talk):
        await tell(talk, "do")
        await shown.until(f"{LINES} === 'do'")
        assert await style(shown, "#box", "fontSize") == "61px"
        assert await style(shown, "#box", "fontFamily") == "monospace"
        assert await style(shown, "#box", "textAlign") == "left"
        assert await style(shown, ".words", "color") == "rgb(255, 238, 0)"
        assert await style(shown, ".words", "backgroundColor") == "rgba(0, 0, 0, 0)"
        assert await style(shown, ".words", "textTransform") == "uppercase"
        assert "2px" in await style(shown, ".words", "textShadow")
        assert await style(shown, ".words", "borderRadius") != "nonsense"
        box = await shown.js("(({ top, height }) => [top, height])(box.getBoundingClientRect())")
        assert box == [pytest.approx(10, abs=1), pytest.approx(3 * 61 * 1.4, abs=1)]


async def test_the_custom_css_of_a_mixer_holds(browser: Chromium) -> None:
    async with over(browser) as (_, shown, talk):
        await shown.js("""{
            const given = document.createElement("style"); // as OBS does it
            given.innerHTML = ":root { --steno-size: 33px; } .words { color: rgb(1, 2, 3); }";
            document.querySelector("head").appendChild(given);
        }""")
        await tell(talk, "do")
        await shown.until(f"{LINES} === 'do'")
        assert await style(shown, "#box", "fontSize") == "33px"
        assert await style(shown, ".words", "color") == "rgb(1, 2, 3)"


async def test_words_that_may_change_can_be_hidden(browser: Chromium) -> None:
    async with over(browser, "open=hide") as (_, shown, talk):
        await shown.js("""
            window.open_words = [];
            new MutationObserver(() => document.querySelectorAll(".unstable").forEach(
                (words) => words.textContent && open_words.push(words.textContent)))
                .observe(document.querySelector("#lines"),
                    { childList: true, subtree: true, characterData: true });
        """)
        sound = pcm(speak("do re mi fa so"))
        await talk.say(*(sound[i : i + 6400] for i in range(0, len(sound), 6400)), wire.Finalize())
        await talk.hear(wire.Final)
        await shown.until(f"{LINES} === 'do re mi fa so'")
        assert await shown.js("open_words") == []


async def test_what_was_said_before_is_not_shown_and_every_break_is_mended(
    browser: Chromium,
) -> None:
    async with (
        serving(FakeRecogniser()) as served,
        wired(served.url) as line,
        talking(served.url) as talk,
    ):
        await talk.say(wire.Start())
        await tell(talk, "do")
        async with page(browser, f"{line.url}/overlay") as shown:
            while "re" not in await shown.js(LINES):
                await tell(talk, "re")
            for text in ("mi", "fa"):
                line.cut()
                async with asyncio.timeout(PATIENCE_S):
                    await line.tried.wait()
                line.mend()
                await tell(talk, text)
                await shown.until(f"{LINES}.endsWith('{text}')")
                assert "do" not in await shown.js(LINES)
