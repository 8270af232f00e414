"""`steno lm`: what an administrator says to a daemon, and what is shown of the answers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from tests.daemon.fakes import FakeRecogniser, pcm, silence, speak
from tests.daemon.made import Folder
from tests.daemon.serving import PATIENCE_S, Served, serving

from steno_clients import admin
from steno_clients.__main__ import main
from steno_clients.command_line import read_arguments
from steno_clients.connection import Door
from steno_clients.errors import (
    AccessDeniedError,
    ConnectionFailedError,
    NotFoundError,
    ProtocolError,
    RefusedError,
)
from steno_clients.lm import lines_of
from steno_clients.websocket import StenoClient
from steno_daemon import wire
from steno_daemon.config import Config, EngineConfig, ServerConfig
from steno_daemon.wire import DomainState, When

LEGAL = wire.Domain(
    name="legal",
    version=2,
    state=DomainState.LOADED,
    source="legal",
    sessions=("a1", "b2"),
    loaded_s_ago=61.0,
    load_ms=250,
    size_bytes=38_700_000,
    words=110_333,
    ngrams=(110_336, 2_196_724),
    made="2026-11-22T08:29:48+00:00",
    shares=(wire.Share(source="text", weight=0.9), wire.Share(source="en", weight=0.1)),
    perplexity=20.84,
    unknown_rate=0.012,
)
BROKEN = wire.Domain(
    name="medical", version=0, state=DomainState.FAILED, source="medical", fault="half written"
)


def test_language_models_are_a_table() -> None:
    assert list(lines_of((LEGAL, BROKEN), whole=False)) == [
        "NAME     VERSION  STATE   SESSIONS  WORDS    SIZE     SOURCE",
        "legal    2        loaded  2         110,333  38.7 MB  legal",
        "medical  -        failed  0         -        -        medical",
        "  not loaded: half written",
    ]


def test_one_language_model_is_told_whole() -> None:
    assert list(lines_of((LEGAL,), whole=True)) == [
        "name        legal",
        "version     2",
        "state       loaded",
        "source      legal",
        "sessions    a1, b2",
        "loaded      0:01:01 ago, in 0.25 s",
        "size        38.7 MB",
        "words       110,333",
        "n-grams     110,336, 2,196,724",
        "made        2026-11-22T08:29:48+00:00",
        "mixed of    text 0.900, en 0.100",
        "perplexity  20.8",
        "unknown     1.20%",
    ]


def test_what_was_done_is_one_line() -> None:
    done = (
        wire.DomainLoaded(name="legal", version=3, load_ms=1250),
        wire.DomainRetired(name="legal", sessions=("a1",)),
        wire.DomainRetired(name="legal", sessions=()),
        wire.DomainSwapped(session="a1", name="legal", version=3, at=When.NOW),
        wire.DomainSwapped(session="a1", name="legal", version=3, at=When.SEGMENT),
    )
    assert [line for one in done for line in lines_of(one, whole=False)] == [
        "legal 3 was loaded in 1.25 s",
        "legal is retired; 1 sessions keep it",
        "legal is retired",
        "session a1 has legal 3 now",
        "session a1 has legal 3 from the next segment on",
    ]


def test_a_domain_is_another_word_for_a_language_model() -> None:
    assert read_arguments(["caption", "--domain", "legal"]).language_model == "legal"


@asynccontextmanager
async def daemon(tmp_path: Path) -> AsyncIterator[Served]:
    folder = Folder(tmp_path / "domains")
    folder.put("legal")
    folder.put("medical", "bad")
    config = Config(
        server=ServerConfig(resume_s=0), engine=EngineConfig(domains_directory=folder.path)
    )
    async with serving(FakeRecogniser(), config=config, load_domain=folder.load) as served:
        yield served


async def test_the_program_does_what_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def steno(*words: str, status: int = 0) -> str:
        arguments = ["lm", *words, "--url", served.url]
        assert await asyncio.to_thread(main, arguments) == status
        said = capsys.readouterr()
        return said.err if status else said.out

    async with daemon(tmp_path) as served:
        rows = (await steno("list")).splitlines()
        assert [row.split()[:3] for row in rows[1:4]] == [
            ["general", "1", "loaded"],
            ["legal", "1", "loaded"],
            ["medical", "-", "failed"],
        ]
        assert rows[4] == "  not loaded: medical is damaged"
        assert "legal 2 was loaded in" in await steno("load", "legal")
        [shown] = msgspec.json.decode(await steno("show", "legal", "--json"))
        assert (shown["version"], shown["words"]) == (2, 3)
        assert await steno("retire", "legal") == "legal is retired\n"
        assert "expected one of general, found legal" in await steno("retire", "legal", status=1)
        assert "medical is damaged" in await steno("load", "medical", status=1)
        assert "the bundle's own" in await steno("retire", "general", status=1)
        assert "no such session" in await steno("swap", "nobody", "general", status=1)


async def test_a_client_changes_its_model_and_an_administrator_changes_it_again(
    tmp_path: Path,
) -> None:
    async with daemon(tmp_path) as served:
        door = Door(url=served.url)
        async with StenoClient.connect(served.url, rate=16_000) as client:
            await client.send(pcm(speak("do re", tail_s=2.0)))
            await client.switch("legal", at="now")
            async with asyncio.timeout(PATIENCE_S):
                first = await anext(e async for e in client if isinstance(e, wire.Switched))
            assert (first.language_model, first.version) == ("legal", 1)
            session = client.ready.session
            [legal] = await asyncio.to_thread(admin.show_domain, door, "legal")
            assert legal.sessions == (session,)
            swapped = await asyncio.to_thread(admin.swap_domain, door, session, "general")
            assert swapped.name == "general"
            await client.send(pcm(silence(0.5)))
            await client.stop()
            switches = [e async for e in client if isinstance(e, wire.Switched)]
            assert [event.language_model for event in switches] == ["general"]
        with pytest.raises(RefusedError, match="no such language model") as refused:
            await asyncio.to_thread(admin.load_domain, door, "../legal")
        assert refused.value.answer.found == "../legal"


async def test_answers_that_are_none_have_a_name() -> None:
    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status, body = acts.pop(0)
        head = f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    acts = [(200, b"{}"), (200, b"<html>"), (404, b"nothing"), (403, b"no")]
    kinds = [ProtocolError, ProtocolError, NotFoundError, AccessDeniedError]
    async with await asyncio.start_server(stranger, "127.0.0.1", 0) as server:
        door = Door(url=f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for kind in kinds:
            with pytest.raises(kind, match="expected"):
                await asyncio.to_thread(admin.domains, door)
    with pytest.raises(ConnectionFailedError, match="no daemon at"):
        await asyncio.to_thread(admin.domains, Door(url="ws://127.0.0.1:9"))
