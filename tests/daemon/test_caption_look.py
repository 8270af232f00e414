"""How the caption page looks and is used: on a phone, without a mouse, without good eyes."""

import re

import pytest
from tests.daemon.browser import PHONE, Chromium, Page
from tests.daemon.fakes import pcm, speak
from tests.daemon.serving import Talk
from tests.daemon.showing import finals, needs_chromium, opened, tell, watched

from steno_daemon import wire

pytestmark = needs_chromium

THEMES = ("light", "dark", "contrast")
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
SIZE = "parseFloat(getComputedStyle(document.querySelector('#page')).fontSize)"
THEME = "document.documentElement.dataset.theme"


async def talk_a_while(talk: Talk, shown: Page, count: int) -> None:
    """Fill the screen with finals, and leave a partial below them."""
    for _ in range(count):
        await tell(talk, "do re mi fa so do re mi fa so")
    await talk.say(pcm(speak("do re mi fa", tail_s=0.0)))
    await finals(shown, count)
    await shown.until("document.querySelector('#live .unstable')")


def luminance(colour: str) -> float:
    """Return the relative luminance of an opaque colour, as WCAG defines it."""
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    parts = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)
    ]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 … 21."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


async def colour(shown: Page, selector: str, name: str = "color") -> str:
    return str(await shown.js(f"getComputedStyle(document.querySelector('{selector}')).{name}"))


async def test_a_phone_shows_everything_without_scrolling_sideways(browser: Chromium) -> None:
    async with watched(browser, size=PHONE) as (shown, talk):
        await talk_a_while(talk, shown, 6)
        for step in range(1, 10):
            await shown.js(f"document.querySelector('#size').value = {step}")
            await shown.js("document.querySelector('#size').dispatchEvent(new Event('input'))")
            assert await shown.js(OVERFLOW) == 0
            assert await shown.js("captions.scrollWidth - captions.clientWidth") == 0
        await shown.size(320, 568)
        assert await shown.js(OVERFLOW) == 0
        await shown.choose("#source", "mic")
        assert await shown.js(OVERFLOW) == 0
        small = """[...document.querySelectorAll('.bar button, .bar select')]
            .filter((one) => one.checkVisibility())
            .map((one) => one.getBoundingClientRect())
            .filter(({ width, height }) => Math.min(width, height) < 44).length"""
        assert await shown.js(small) == 0
        await shown.click("#settings-open")
        assert await shown.js("settings.scrollWidth - settings.clientWidth") == 0


@pytest.mark.parametrize("theme", THEMES)
async def test_every_word_stands_out_from_the_ground(browser: Chromium, theme: str) -> None:
    async with watched(browser, f"&theme={theme}") as (shown, talk):
        await talk_a_while(talk, shown, 1)
        ground = await colour(shown, "body", "backgroundColor")
        bar = await colour(shown, ".bar", "backgroundColor")
        assert contrast(await colour(shown, "#log .words"), ground) >= 15
        assert contrast(await colour(shown, "#live .stable"), ground) >= 15
        assert contrast(await colour(shown, "#live .unstable"), ground) >= 5.5
        assert contrast(await colour(shown, "#status"), bar) >= 4.5
        assert contrast(await colour(shown, "#source", "borderTopColor"), bar) >= 3
        assert "dotted" in await colour(shown, "#live .unstable", "textDecorationStyle")
        line = "getComputedStyle(document.querySelector('#live .line'), '::before')"
        assert contrast(await shown.js(f"{line}.backgroundColor"), ground) >= 3
        # a button of the microphone is seen, whatever the colours
        await shown.choose("#source", "mic")
        button = await colour(shown, "#speak", "backgroundColor")
        assert contrast(await colour(shown, "#speak"), button) >= 4.5


async def test_the_theme_is_the_systems_until_somebody_chooses(browser: Chromium) -> None:
    async with opened(browser) as (_, shown):
        await shown.likes(color_scheme="dark")
        await shown.until(f"{THEME} === 'dark'")
        await shown.likes(color_scheme="light", contrast="more")
        await shown.until(f"{THEME} === 'contrast'")
        await shown.likes(color_scheme="light", contrast="no-preference")
        await shown.until(f"{THEME} === 'light'")
        await shown.click("#theme")
        await shown.until(f"{THEME} === 'dark'")
        await shown.go(await shown.js("location.href"))
        assert await shown.js(THEME) == "dark"
        assert await shown.js("document.querySelector('[value=dark]').checked")


async def test_the_address_sets_size_and_theme(browser: Chromium) -> None:
    async with opened(browser, "/?size=8&theme=contrast") as (_, shown):
        assert await shown.js(SIZE) == 96
        assert await shown.js(THEME) == "contrast"
        assert not await shown.js("localStorage.getItem('steno.size')")


async def test_keys_do_what_the_page_says_they_do(browser: Chromium) -> None:
    async with opened(browser) as (_, shown):
        before = await shown.js(SIZE)
        await shown.press("+")
        assert await shown.js(SIZE) > before
        await shown.press("-")
        assert await shown.js(SIZE) == before
        theme = await shown.js(THEME)
        await shown.press("t")
        assert await shown.js(THEME) != theme
        await shown.press("m")
        await shown.until("/Listening/.test(document.querySelector('#status').textContent)")
        await shown.press("m")
        await shown.until("/Ready/.test(document.querySelector('#status').textContent)")
        await shown.press("f")
        await shown.until("document.fullscreenElement")
        await shown.until("getComputedStyle(document.querySelector('.top')).opacity === '0'")
        await shown.press("f")
        await shown.until("getComputedStyle(document.querySelector('.top')).opacity === '1'")
        await shown.press("?")
        assert await shown.js("settings.open")
        await shown.js("document.querySelector('#keys').click()")
        await shown.press("Escape")
        await shown.until("!settings.open")
        await shown.press("+")
        assert await shown.js(SIZE) == before
        assert shown.faults == []


async def test_everything_can_be_reached_and_seen_without_a_mouse(browser: Chromium) -> None:
    async with opened(browser) as (_, shown):
        reached = []
        for _ in range(20):
            await shown.press("Tab")
            name, ring = await shown.js(
                "(({ id, className }) => [id || className,"
                " getComputedStyle(document.activeElement).outlineStyle])(document.activeElement)"
            )
            if not name or name in reached:
                break
            reached.append(name)
            assert ring == "solid", name
        expected = ["skip", "theme", "present", "settings-open", "captions", "source", "domain"]
        expected += ["speak", "smaller", "larger", "transcript-open"]
        assert reached == expected


async def names(shown: Page) -> set[tuple[str, str]]:
    """Return role and name of everything that a screen reader finds."""
    tree = (await shown.call("Accessibility.getFullAXTree"))["nodes"]
    return {
        (node["role"]["value"], node.get("name", {}).get("value", ""))
        for node in tree
        if not node["ignored"]
    }


def nameless(found: set[tuple[str, str]]) -> list[str]:
    """Return the roles of controls without a name."""
    controls = {"button", "combobox", "radio", "checkbox", "slider", "link", "textbox"}
    return [role for role, name in found if role in controls and not name]


async def test_everything_has_a_name_for_who_does_not_see_it(browser: Chromium) -> None:
    async with opened(browser) as (_, shown):
        await shown.click("#settings-open")
        found = await names(shown)
        assert not nameless(found)
        assert {("radio", "High contrast"), ("slider", "Text size")} <= found
        await shown.js("settings.close()")
        await shown.js("document.querySelector('#transcript').showPopover()")
        found = await names(shown)
        assert not nameless(found)
        expected = {
            ("main", "Captions"),
            ("log", "What was said"),
            ("combobox", "Show"),
            ("combobox", "Domain"),
            ("button", "Larger text"),
            ("button", "Start microphone"),
        }
        assert expected <= found
        await shown.size(*PHONE)
        await shown.choose("#source", "live")
        found = await names(shown)
        assert not nameless(found)
        assert ("combobox", "Show") in found


async def test_the_page_stays_where_the_reader_scrolled_to_and_goes_back_on_request(
    browser: Chromium,
) -> None:
    at_end = "captions.scrollHeight - captions.scrollTop - captions.clientHeight < 2"
    async with watched(browser, "&size=8", size=(900, 500)) as (shown, talk):
        await talk_a_while(talk, shown, 3)
        await shown.until(at_end)
        assert await shown.js("document.querySelector('#newer').hidden")
        await shown.js("captions.scrollTop = 40")
        await shown.until("!document.querySelector('#newer').hidden")
        await tell(talk, "so so")
        await finals(shown, 4)
        await shown.until("/1 new/.test(document.querySelector('#newer').textContent)")
        assert await shown.js("captions.scrollTop") == 40
        await shown.press("End")
        await shown.until(at_end)
        assert await shown.js("document.querySelector('#newer').hidden")
        await tell(talk, "mi mi")
        await finals(shown, 5)
        await shown.until(at_end)


async def test_a_line_rolls_into_view_without_moving_the_end(browser: Chromium) -> None:
    async with watched(browser, "&size=8", size=(900, 500)) as (shown, talk):
        await talk_a_while(talk, shown, 3)
        await shown.js("""(() => {
            window.seen = [];
            const look = () => {
                const rolls = document.querySelector("#log").getAnimations().length;
                const { scrollHeight, scrollTop, clientHeight } = captions;
                seen.push([rolls, scrollHeight, scrollHeight - scrollTop - clientHeight]);
                requestAnimationFrame(look);
            };
            look();
        })()""")
        for count in (4, 5):
            await tell(talk, "so so")
            await finals(shown, count)
        seen = await shown.js("window.seen")
        assert any(rolls for rolls, _, _ in seen)
        heights = [height for _, height, _ in seen]
        assert heights == sorted(heights)
        assert max(away for _, _, away in seen) < 2


async def test_the_end_key_goes_to_the_end_that_is_there_when_it_arrives(
    browser: Chromium,
) -> None:
    async with watched(browser, "&size=8", size=(900, 500)) as (shown, talk):
        await talk_a_while(talk, shown, 6)
        await shown.js("captions.scrollTop = 0")
        await shown.until("!document.querySelector('#newer').hidden")
        await talk.say(pcm(speak("so so mi mi so so")), wire.Finalize())
        await shown.press("End")
        await finals(shown, 7)
        await shown.until("captions.scrollHeight - captions.scrollTop - captions.clientHeight < 2")
        assert await shown.js("document.querySelector('#newer').hidden")


async def test_a_final_stands_where_its_partial_stood(browser: Chromium) -> None:
    async with watched(browser) as (shown, talk):
        await shown.js("""
            window.places = [];
            const look = () => {
                const words = [...document.querySelectorAll("#page .words")].at(-1);
                if (words) {
                    const { x, y, height } = words.getBoundingClientRect();
                    places.push([words.textContent, x, y, height]);
                }
                requestAnimationFrame(look);
            };
            look();
        """)
        sound = pcm(speak("do re mi"))
        await talk.say(*(sound[i : i + 6400] for i in range(0, len(sound), 6400)))
        await talk.say(wire.Finalize())
        await talk.hear(wire.Final)
        await finals(shown, 1)
        await shown.until("document.getAnimations().length === 0")
        await shown.js("new Promise((done) => requestAnimationFrame(() => done()))")
        places = {tuple(place[1:]) for place in await shown.js("places") if place[0] == "do re mi"}
        assert len(places) == 1
