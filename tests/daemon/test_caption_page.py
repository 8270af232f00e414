"""The caption page in a real browser, with a recording in place of the microphone."""

import asyncio
import json
from difflib import SequenceMatcher
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.daemon.browser import Chromium, page
from tests.daemon.captioning import parse
from tests.daemon.fakes import FakeRecogniser, pcm, silence, speak
from tests.daemon.serving import PATIENCE_S, serving, talking
from tests.daemon.showing import (
    PLAIN_SOUND,
    address,
    finals,
    needs_chromium,
    opened,
    status_is,
    tell,
    watched,
)

from steno_daemon import wire
from steno_daemon.auth import hash_token
from steno_daemon.config import Config, SecurityConfig, ServerConfig, TokenConfig
from steno_daemon.server import Model
from steno_models import bundle
from steno_models.audio import read_file
from steno_models.recogniser import Recogniser

pytestmark = needs_chromium

CLIP = Path(__file__).parents[1] / "data/librivox/sense_and_sensibility_01_austen_64kb-0870.flac"
CLIP_TEXT = (
    "and mister john dashwood had then leisure to consider how much there might be prudently in "
    "his power to do for them"
)
TOKEN = "steno-of-the-test-0123456789"  # noqa: S105 — good for nothing else
WATCH_LIVE_LINES = """
    const look = () => {
        const part = (name) => document.querySelector(`#live .${name}`)?.textContent ?? "";
        window.seen ??= [];
        window.seen.push([part("stable"), part("unstable")]);
    };
    new MutationObserver(look).observe(document.querySelector("#live"),
        { childList: true, subtree: true, characterData: true });
"""


async def test_what_is_said_appears_while_it_is_said_and_becomes_final(browser: Chromium) -> None:
    browser.hear(speak("do re mi fa so do"))
    async with opened(browser) as (served, shown):
        await shown.js(WATCH_LIVE_LINES)
        await shown.click("#speak")
        assert await finals(shown, 1) == ["do re mi fa so do"]
        assert await shown.text("#status-text") == "Listening"
        seen = [(stable, unstable) for stable, unstable in await shown.js("window.seen")]
        both = [stable + unstable for stable, unstable in seen if stable and unstable]
        assert both
        assert all("do re mi fa so do".startswith(text) for text in both)
        promised = [stable for stable, _ in seen if stable]
        assert all(new.startswith(old) for old, new in pairwise(promised))
        await shown.click("#speak")
        await status_is(shown, "Ready")
        assert shown.faults == []
        assert {urlsplit(url).netloc for url in shown.requests} == {urlsplit(served.url).netloc}


async def test_finals_alone_are_read_aloud(browser: Chromium) -> None:
    async with watched(browser) as (shown, talk):
        await tell(talk, "do re")
        await finals(shown, 1)
        log = "document.querySelector('#log').closest('[aria-live]')"
        assert await shown.js(f"[{log}.role, {log}.ariaLive]") == ["log", "polite"]
        assert await shown.js("document.querySelector('#live').ariaLive") == "off"
        assert not await shown.js("document.querySelector('#log').contains(live)")


async def test_a_history_is_not_read_aloud(browser: Chromium) -> None:
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        await talk.say(wire.Start())
        for _ in range(5):
            await tell(talk, "do re")
        look = """
            window.live = [];
            document.addEventListener("DOMContentLoaded", () => {
                const log = document.querySelector("#log");
                new MutationObserver(() => live.push(log.ariaLive)).observe(log, {childList: true});
            });
        """
        async with page(browser, address(served, "/?session=live"), before=look) as shown:
            await finals(shown, 5)
            assert set(await shown.js("window.live")) == {"off"}
            await shown.until("document.querySelector('#log').ariaLive === 'polite'")
            await tell(talk, "mi")
            await finals(shown, 6)
            assert (await shown.js("window.live"))[-1] == "polite"


async def test_a_real_voice_is_captioned_by_the_embedded_bundle(browser: Chromium) -> None:
    browser.hear(np.concatenate([silence(1.0), read_file(CLIP)]))
    recogniser = bundle.load("en").recogniser
    async with (
        serving(recogniser, ServerConfig(resume_s=60)) as served,
        page(browser, address(served), before=PLAIN_SOUND) as shown,
    ):
        await shown.click("#speak")
        heard = (await finals(shown, 1))[0].split()
        alike = SequenceMatcher(None, CLIP_TEXT.split(), heard, autojunk=False).ratio()
        assert alike > 0.7, heard
        assert shown.faults == []


async def test_a_session_of_another_client_is_found_and_shown(browser: Chromium) -> None:
    async with opened(browser) as (served, shown), talking(served.url) as talk:
        await talk.say(wire.Start(label="Main <b>hall</b>"))
        await tell(talk, "do re mi")
        entry = "[...document.querySelector('#source').options].find((o) => /hall/.test(o.text))"
        name = await shown.until(f"{entry}?.value")
        assert "Main <b>hall</b>" in await shown.js(f"{entry}.text")
        await shown.choose("#source", name)
        assert await finals(shown, 1) == ["do re mi"]
        assert await shown.text("#status-text") == "Main <b>hall</b>"
        assert await shown.js("document.querySelector('#speak').hidden")
        await talk.say(pcm(speak("fa so")), wire.Stop())
        assert await finals(shown, 2) == ["do re mi", "fa so"]
        await status_is(shown, "ended")
        assert shown.faults == []


async def test_the_newest_session_follows_the_one_that_ended(browser: Chromium) -> None:
    async with opened(browser, "/?session=live") as (served, shown):
        await status_is(shown, "Waiting for a session")
        for text in ("do re", "mi fa"):
            async with talking(served.url) as talk:
                await talk.say(wire.Start(label=text))
                await tell(talk, text)
                await talk.say(wire.Stop())
                await talk.rest()
        assert await finals(shown, 2) == ["do re", "mi fa"]
        assert await shown.text("#log .divider") == "mi fa"
        assert shown.faults == []


async def test_every_channel_is_named(browser: Chromium) -> None:
    start = wire.Start(channels=2, separate_channels=True)
    async with watched(browser, start=start) as (shown, talk):
        both = np.stack([speak("do re"), speak("mi fa")], axis=1)
        await talk.say(pcm(both), wire.Stop())
        await talk.rest()
        await finals(shown, 2)
        names = "[...document.querySelectorAll('#log .channel')].map((name) => name.textContent)"
        assert sorted(await shown.js(names)) == ["1", "2"]


async def test_the_domain_is_chosen_and_changed_while_somebody_speaks(
    browser: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    def two_domains(
        name: str,
        version: str,
        _: tuple[str, ...],
        recogniser: Recogniser,
        *__: object,
        **___: object,
    ) -> Model:
        return Model(name, version, ("general", "medicine"), recogniser)

    monkeypatch.setattr("tests.daemon.serving.Model", two_domains)
    browser.hear(np.concatenate([speak("do re"), speak("mi fa", lead_s=3.0)]))
    domains = "[...document.querySelector('#domain').options].map(({ value }) => value)"
    async with opened(browser) as (served, shown):
        await shown.until(f"{domains}.join() === 'general,medicine'")
        await shown.choose("#domain", "medicine")
        await shown.click("#speak")
        await finals(shown, 1)
        await shown.choose("#domain", "general")
        assert await finals(shown, 2) == ["medicine-do medicine-re", "mi fa"]
        _, body = await served.get("/sessions")
        found = [(one["language_model"], one["live"]) for one in json.loads(body)]
        assert found == [("general", True), ("medicine", False)]
        times = "[...document.querySelectorAll('#log .time')].map((time) => time.textContent)"
        first, second = await shown.js(times)
        assert first == "0:00"
        assert second > "0:02"
        assert await shown.js("localStorage.getItem('steno.domain')") == "general"
        assert shown.faults == []


async def test_server_sent_events_take_the_place_of_a_web_socket(browser: Chromium) -> None:
    blocked = """
        window.WebSocket = class extends EventTarget {
            constructor() { super(); setTimeout(() => this.onclose?.({ code: 1006 })); }
            close() {}
        };
    """
    async with serving(FakeRecogniser()) as served, talking(served.url) as talk:
        await talk.say(wire.Start())
        await tell(talk, "do re")
        async with page(browser, address(served, "/?session=live"), before=blocked) as shown:
            assert await finals(shown, 1) == ["do re"]
            await tell(talk, "mi")
            assert await finals(shown, 2) == ["do re", "mi"]


async def test_who_finds_no_room_is_told_when_to_come_again_and_gets_in(browser: Chromium) -> None:
    browser.hear(speak("do re"))
    async with (
        serving(FakeRecogniser(), max_sessions=1) as served,
        page(browser, address(served), before=PLAIN_SOUND) as shown,
    ):
        async with talking(served.url) as talk:
            await talk.say(wire.Start())
            await talk.hear(wire.Ready)
            await shown.click("#speak")
            await status_is(shown, r"full, trying again in \d+ s")
        await status_is(shown, "Listening")
        assert shown.faults == []


@pytest.mark.parametrize(
    ("before", "says"),
    [
        ("throw new DOMException('no', 'NotAllowedError')", "Allow it"),
        ("throw new DOMException('no', 'NotFoundError')", "No microphone was found"),
        ("throw new DOMException('no', 'NotReadableError')", "Another program"),
    ],
)
async def test_a_microphone_that_gives_nothing_is_explained(
    browser: Chromium, before: str, says: str
) -> None:
    before = f"MediaDevices.prototype.getUserMedia = async () => {{ {before} }};"
    async with opened(browser, before=before) as (_, shown):
        await shown.click("#speak")
        await shown.until(f"document.querySelector('#notice-text').textContent.includes('{says}')")
        assert await shown.js("document.querySelector('#notice').role") == "alert"
        assert await shown.text("#status-text") == "Ready"
        assert await shown.text("#speak span") == "Start microphone"


async def test_a_page_that_is_not_safe_says_why_it_has_no_microphone(browser: Chromium) -> None:
    before = "Object.defineProperty(navigator, 'mediaDevices', { value: undefined });"
    async with opened(browser, before=before) as (_, shown):
        await shown.click("#speak")
        await shown.until("document.querySelector('#notice-text').textContent")
        assert "https" in await shown.text("#notice-text")


def guarded() -> Config:
    """A configuration in which one token opens everything that the page needs."""
    known = TokenConfig(name="page", sha256=hash_token(TOKEN))
    return Config(server=ServerConfig(resume_s=60), security=SecurityConfig(tokens=(known,)))


async def test_the_token_of_the_address_is_taken_out_of_it_and_opens_the_daemon(
    browser: Chromium,
) -> None:
    browser.hear(speak("do re"))
    async with opened(browser, f"/#token={TOKEN}", config=guarded()) as (served, shown):
        assert TOKEN not in await shown.js("location.href")
        await shown.click("#speak")
        assert await finals(shown, 1) == ["do re"]
        assert [url for url in shown.requests if url == f"{served.url}/?token={TOKEN}"]
        await shown.go(address(served))
        assert shown.dialogs == ["beforeunload"]
        await shown.until("document.querySelector('#source optgroup')")
        assert not await shown.js("document.querySelector('#ask-token').open")
        assert shown.faults == []


async def test_who_has_no_token_is_asked_for_one(browser: Chromium) -> None:
    async with opened(browser, "/?session=live", config=guarded()) as (_, shown):
        await shown.until("document.querySelector('#ask-token').open")
        await shown.js("document.querySelector('#token').value = 'another one entirely'")
        await shown.press("Enter")
        await shown.until("/wrong/.test(document.querySelector('#ask-token').textContent)")
        await shown.until("document.querySelector('#ask-token').open")
        await shown.js(f"document.querySelector('#token').value = {TOKEN!r}")
        await shown.press("Enter")
        await status_is(shown, "Waiting for a session")
        assert not await shown.js("document.querySelector('#ask-token').open")


async def test_the_microphone_with_a_wrong_token_asks_for_another(browser: Chromium) -> None:
    async with opened(browser, "/#token=wrong", config=guarded()) as (_, shown):
        await shown.until("document.querySelector('#ask-token').open")
        await shown.js("document.querySelector('#ask-token').close()")
        await shown.click("#speak")
        await shown.until("document.querySelector('#ask-token').open")
        await status_is(shown, "Ready")
        assert await shown.text("#speak span") == "Start microphone"


async def test_the_transcript_can_be_copied_and_downloaded(
    browser: Chromium, tmp_path: Path
) -> None:
    async with watched(browser, start=wire.Start(word_times=True)) as (shown, talk):
        await shown.keep_downloads(tmp_path)
        for text in ("do re mi", "fa so"):
            await tell(talk, text)
        await finals(shown, 2)
        await shown.press("c")
        await shown.until("document.querySelector('#toast').textContent === 'Copied'")
        assert await shown.clipboard() == "do re mi\nfa so\n"
        saved = {}
        for name in ("save-txt", "save-vtt"):
            await shown.click("#transcript-open")
            await shown.click(f"#{name}")
            async with asyncio.timeout(PATIENCE_S):
                file = tmp_path / await shown.downloads.get()
            saved[file.suffix] = file.read_text(encoding="utf-8")
        assert saved[".txt"] == "do re mi\nfa so\n"
        cues = parse(saved[".vtt"])
        assert [cue.lines for cue in cues] == [("do re mi",), ("fa so",)]
        assert cues[0].start_ms < cues[0].end_ms <= cues[1].start_ms


async def test_captions_that_were_cleared_can_be_put_back(browser: Chromium) -> None:
    async with watched(browser) as (shown, talk):
        await tell(talk, "do re")
        await finals(shown, 1)
        await shown.js("document.querySelector('#clear').click()")
        await shown.until("!document.querySelector('#log').hasChildNodes()")
        await tell(talk, "mi")
        await finals(shown, 1)
        await shown.click("#notice-action")
        assert await finals(shown, 2) == ["do re", "mi"]
