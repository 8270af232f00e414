"""A real daemon with the English bundle: domains are swapped while people speak."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from tests.daemon.fakes import pcm
from tests.daemon.serving import PATIENCE_S, Served, Talk, serving, talking
from tests.models.domains import write_domain

from steno_daemon import wire
from steno_daemon.config import Config, EngineConfig, ServerConfig
from steno_daemon.signals import obey_signals
from steno_daemon.wire import DomainState, ErrorCode, When
from steno_models import bundle
from steno_models.audio import read_file
from steno_models.domain import Loader

CLIP = Path(__file__).parents[1] / "data/librivox/sense_and_sensibility_01_austen_64kb-0880.flac"
LEGAL = ["tort writ", "writ tort tort", "tort"]
MEDICAL = ["pill gland", "gland pill pill", "gland"]


@cache
def english() -> bundle.Bundle:
    return bundle.load("en")


@cache
def sound() -> bytes:
    """A sentence and a pause."""
    return pcm(np.concatenate([read_file(CLIP), np.zeros(24_000, np.float32)]))


HALF = len(sound()) // 4 * 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "domains"
    write_domain(path / "legal", "legal", LEGAL)
    write_domain(path / "medical", "medical", MEDICAL)
    return path


def config_of(folder: Path | None) -> Config:
    return Config(
        server=ServerConfig(resume_s=0),
        engine=EngineConfig(domains_directory=folder, degrade=False, batch_wait_ms=0),
    )


@asynccontextmanager
async def listening(folder: Path | None) -> AsyncIterator[Served]:
    recogniser, load = english().recogniser, Loader(english())
    async with serving(recogniser, config=config_of(folder), load_domain=load) as served:
        yield served


async def begin(talk: Talk, language_model: str = "general") -> str:
    """Open a session, and return its name."""
    await talk.say(wire.Start(language_model=language_model, word_times=True))
    ready = await talk.hear(wire.Ready)
    assert isinstance(ready, wire.Ready)
    return ready.session


def lasting(talk: Talk) -> list[str]:
    """What does not depend on how busy the machine is, byte for byte."""
    kinds = wire.SpeechStarted | wire.Final | wire.Endpoint
    return [wire.encode(event) for event in talk.events if isinstance(event, kinds)]


def words(talk: Talk) -> set[str]:
    finals = [event for event in talk.events if isinstance(event, wire.Final)]
    assert finals
    return {word for final in finals for word in final.text.split()}


def without_numbers(lines: list[str]) -> list[str]:
    return [line.partition('"segment"')[2] for line in lines]


async def whole(served: Served, language_model: str) -> Talk:
    """A session that nobody disturbs."""
    async with talking(served.url) as talk:
        await begin(talk, language_model)
        await talk.say(sound(), wire.Stop())
        await talk.rest()
    return talk


def mapped(name: str) -> set[str]:
    """The mappings of a domain that this process has; other tests may have left some."""
    gc.collect()
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line for line in lines if f"/{name}.bin" in line}


async def test_a_swap_now_changes_the_session_that_it_names_and_no_other(folder: Path) -> None:
    async with listening(folder) as served:
        async with (
            talking(served.url) as swapped,
            talking(served.url) as other,
            talking(served.url) as medical,
        ):
            name = await begin(swapped)
            await begin(other)
            await begin(medical, "medical")
            for talk in (swapped, other, medical):
                await talk.say(sound()[:HALF])
                await talk.hear(wire.Partial)
            answer = await served.call(
                wire.SwapDomain(session=name, name="legal", at=When.NOW, id=7)
            )
            assert answer == wire.DomainSwapped(
                id=7, session=name, name="legal", version=1, at=When.NOW
            )
            for talk in (swapped, other, medical):
                await talk.say(sound()[HALF:], wire.Stop())
                await talk.rest()
        alone = await whole(served, "legal")
        general = await whole(served, "general")
        undisturbed = await whole(served, "medical")
        assert words(alone) <= {"tort", "writ"}
        [event] = [event for event in swapped.events if isinstance(event, wire.Switched)]
        assert (event.language_model, event.segment, event.at) == ("legal", 0, When.NOW)
        assert without_numbers(lasting(swapped)) == without_numbers(lasting(alone))
        assert without_numbers(lasting(other)) == without_numbers(lasting(general))
        assert without_numbers(lasting(medical)) == without_numbers(lasting(undisturbed))
        assert words(medical) <= {"pill", "gland"}


async def test_memory_is_returned_when_the_last_session_lets_go(folder: Path) -> None:
    before = mapped("legal")
    async with listening(folder) as served:
        assert mapped("legal") - before
        async with talking(served.url) as talk:
            name = await begin(talk, "legal")
            await talk.say(sound()[:HALF])
            await talk.hear(wire.Partial)
            answer = await served.call(wire.RetireDomain(name="legal"))
            assert answer == wire.DomainRetired(name="legal", sessions=(name,))
            assert mapped("legal") - before
            listed = await served.call(wire.ShowDomain(name="legal"))
            assert isinstance(listed, wire.Domains)
            assert {one.state for one in listed.domains} >= {DomainState.RETIRING}
            assert isinstance(await served.call(wire.LoadDomain(name="legal")), wire.DomainLoaded)
            refused = await served.call(wire.SwapDomain(session=name, name="nowhere"))
            assert isinstance(refused, wire.Refused)
            assert refused.code is ErrorCode.UNKNOWN_LANGUAGE_MODEL
            assert isinstance(
                await served.call(wire.RetireDomain(name="legal")), wire.DomainRetired
            )
            await talk.say(sound()[HALF:], wire.Stop())
            await talk.rest()
            assert words(talk) <= {"tort", "writ"}
        await served.nobody_is_left()
        async with asyncio.timeout(PATIENCE_S):
            while mapped("legal") - before:
                await served.health()
        assert mapped("medical")


async def test_a_session_that_breaks_off_lets_go_too(folder: Path) -> None:
    before = mapped("legal")
    async with listening(folder) as served:
        async with talking(served.url) as talk:
            await begin(talk, "legal")
            await talk.say(sound()[:HALF])
            await talk.hear(wire.Partial)
            await served.call(wire.RetireDomain(name="legal"))
            talk.connection.transport.abort()
        await served.nobody_is_left()
        async with asyncio.timeout(PATIENCE_S):
            while mapped("legal") - before:
                await served.health()
        assert served.daemon.engine.sessions == 0


async def test_a_failed_load_leaves_the_old_one(folder: Path) -> None:
    async with listening(folder) as served:
        before = await whole(served, "legal")
        file = folder / "legal" / "legal.bin"
        file.write_bytes(file.read_bytes()[:100])
        refused = await served.call(wire.LoadDomain(name="legal"))
        assert isinstance(refused, wire.Refused)
        assert refused.code is ErrorCode.LANGUAGE_MODEL_FAILED
        assert "legal.bin is damaged or half written" in refused.message
        after = await whole(served, "legal")
        assert lasting(after) == lasting(before)
        shown = await served.call(wire.ShowDomain(name="legal"))
        assert isinstance(shown, wire.Domains)
        [legal] = shown.domains
        assert (legal.version, legal.state) == (1, DomainState.LOADED)
        assert "damaged" in (legal.fault or "")


async def test_a_reload_and_a_restart_reach_what_was_put_there(folder: Path) -> None:
    async with listening(None) as served:
        assert (await served.health())["models"] == ["general"]
        obey_signals(served.daemon, lambda: config_of(folder))
        try:
            os.kill(os.getpid(), signal.SIGHUP)
            async with asyncio.timeout(PATIENCE_S):
                while "medical" not in str((await served.health())["models"]):
                    pass
        finally:
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().remove_signal_handler(number)
        assert (await served.health())["models"] == ["general", "legal", "medical"]
        assert words(await whole(served, "medical")) <= {"pill", "gland"}


async def test_names_that_are_paths_lead_nowhere(folder: Path) -> None:
    async with listening(folder) as served, talking(served.url) as talk:
        for name in ("../legal", "/etc/passwd", "legal/../legal", "legal\0", "."):
            for call in (wire.LoadDomain(name=name), wire.RetireDomain(name=name)):
                refused = await served.call(call)
                assert isinstance(refused, wire.Refused)
                assert refused.code is ErrorCode.UNKNOWN_LANGUAGE_MODEL
                assert refused.found == name
        await begin(talk)
        await talk.say(wire.Configure(language_model="../legal", at=When.NOW))
        error = await talk.hear(wire.Error)
        assert isinstance(error, wire.Error)
        assert error.code is ErrorCode.UNKNOWN_LANGUAGE_MODEL
        unknown = await served.call(wire.SwapDomain(session="nobody", name="legal"))
        assert isinstance(unknown, wire.Refused)
        assert unknown.code is ErrorCode.UNKNOWN_SESSION
        fixed = await served.call(wire.RetireDomain(name="general"))
        assert isinstance(fixed, wire.Refused)
        assert fixed.code is ErrorCode.LANGUAGE_MODEL_FIXED
