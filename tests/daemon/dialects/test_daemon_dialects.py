"""Every dialect over real sockets: the words of the native one, and who does not come in."""

import asyncio
import json
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import msgspec
import pytest
from tests.daemon.dialects.clients import (
    CLIENTS,
    EVERY_DIALECT,
    PATHS,
    connected,
    cut,
    everything,
    native,
    rest,
)
from tests.daemon.dialects.mutants import mutants
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.hostile import play
from tests.daemon.serving import PATIENCE_S, Served, serving
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response
from websockets.typing import Origin

from steno_daemon.auth import hash_token
from steno_daemon.config import Config, LimitsConfig, ServerConfig, TokenConfig

SOUND = speak("do mi re fa", gap_s=1.0)
TOKEN = "steno_test_token_of_somebody"  # noqa: S105 — of this test
AUDIO = pcm(speak("do"))


async def refused(url: str, *offers: str, headers: dict[str, str] | None = None) -> Response:
    with pytest.raises(InvalidStatus) as caught:
        async with connected(url, *offers, headers=headers):
            pass
    return caught.value.response


def guarded(scope: str = "recognise", most: int | None = None) -> Config:
    return everything(
        TokenConfig(
            name="somebody",
            sha256=hash_token(TOKEN),
            scopes=(scope,),  # type: ignore[arg-type]
            max_sessions=most,
        )
    )


@pytest.mark.parametrize("dialect", EVERY_DIALECT)
async def test_the_words_are_those_of_the_native_dialect(dialect: str) -> None:
    async with serving(FakeRecogniser(), config=everything()) as served:
        expected = await native(served, SOUND)
        assert [word.text for word in expected] == ["do", "mi", "re", "fa"]
        found = await CLIENTS[dialect](served.url + PATHS[dialect], SOUND)
        assert [word.text for word in found] == [word.text for word in expected]
        for mine, theirs in zip(found, expected, strict=True):
            assert mine.start is None or mine.start == pytest.approx(theirs.start, abs=0.02)
        await served.nobody_is_left()


@pytest.mark.parametrize("dialect", ["vosk", "sherpa"])
@pytest.mark.parametrize("path", ["", "/any/path?x=y"])
async def test_dialects_without_a_path_have_a_port_of_their_own(dialect: str, path: str) -> None:
    async with serving(FakeRecogniser(), config=everything()) as served:
        found = await CLIENTS[dialect](served.own[dialect] + path, SOUND)
        assert [word.text for word in found] == ["do", "mi", "re", "fa"]


@pytest.mark.parametrize("dialect", EVERY_DIALECT)
async def test_what_is_not_switched_on_is_not_there(dialect: str) -> None:
    async with serving(FakeRecogniser()) as served:
        assert served.own == {}
        assert (await refused(served.url + PATHS[dialect])).status_code == 404


async def test_a_plain_request_hears_that_a_websocket_was_expected() -> None:
    async with serving(FakeRecogniser(), config=everything()) as served:
        status, body = await served.get("/vosk")
        assert " 426 " in status
        assert b"expected a WebSocket" in body


WAYS = [
    *((dialect, (), {"Authorization": f"Bearer {TOKEN}"}) for dialect in EVERY_DIALECT),
    ("deepgram", (), {"Authorization": f"Token {TOKEN}"}),
    ("deepgram", ("token", TOKEN), {}),
    ("openai", ("realtime", f"openai-insecure-api-key.{TOKEN}"), {}),
]


@pytest.mark.parametrize(("dialect", "offers", "headers"), WAYS)
async def test_a_token_is_shown_in_the_ways_of_the_dialect(
    dialect: str, offers: tuple[str, ...], headers: dict[str, str]
) -> None:
    async with serving(FakeRecogniser(), config=guarded()) as served:
        url = served.url + PATHS[dialect]
        assert (await refused(url)).status_code == 401
        async with connected(url, *offers, headers=headers) as socket:
            assert socket.subprotocol == (offers[0] if offers else None)
        await served.nobody_is_left()


@pytest.mark.parametrize("dialect", EVERY_DIALECT)
async def test_who_may_not_come_in_hears_it_in_the_form_of_the_dialect(dialect: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with serving(FakeRecogniser(), config=guarded("watch")) as served:
        for status, shown in ((401, {}), (401, {"Authorization": "Bearer x"}), (403, headers)):
            response = await refused(served.url + PATHS[dialect], headers=shown)
            assert response.status_code == status
            assert b"expected" in response.body
            if dialect == "deepgram":
                said = json.loads(response.body)
                assert said["err_code"] in {"INVALID_AUTH", "INSUFFICIENT_PERMISSIONS"}
                assert response.headers["dg-request-id"] == said["request_id"]
            if dialect == "openai":
                assert json.loads(response.body)["error"]["code"]


@pytest.mark.parametrize("dialect", EVERY_DIALECT)
@pytest.mark.parametrize(("most", "status"), [(None, 503), (1, 429)])
async def test_a_full_daemon_refuses_before_the_connection_and_lets_in_again(
    dialect: str, most: int | None, status: int
) -> None:
    url, headers = PATHS[dialect], {"Authorization": f"Bearer {TOKEN}"}
    seats = 1 if most is None else 5
    async with serving(FakeRecogniser(), config=guarded(most=most), max_sessions=seats) as served:
        async with connected(f"{served.url}/sherpa", headers=headers):
            await served.sessions_are(1)
            response = await refused(served.url + url, headers=headers)
            assert response.status_code == status
            assert int(response.headers["Retry-After"]) >= 1
            assert ("Hint" in response.headers) is (dialect == "sherpa" and most is None)
        await served.sessions_are(0)
        async with connected(served.url + url, headers=headers):
            pass


async def test_foreign_pages_are_refused_in_every_dialect() -> None:
    async with serving(FakeRecogniser(), config=everything()) as served:
        for path in PATHS.values():
            with pytest.raises(InvalidStatus) as caught:
                await connect(served.url + path, proxy=None, origin=Origin("https://evil.example"))
            assert caught.value.response.status_code == 403


@pytest.mark.parametrize("dialect", EVERY_DIALECT)
async def test_an_unknown_domain_is_refused_where_the_dialect_names_them(dialect: str) -> None:
    names = ("general", "law")
    async with serving(FakeRecogniser(), config=everything(), language_models=names) as served:
        url = served.url + PATHS[dialect] + ("&" if "?" in PATHS[dialect] else "?")
        async with connected(f"{url}domain=law&model=law"):
            pass
        if dialect in {"vosk", "sherpa"}:
            response = await refused(f"{url}domain=medicine")
            assert response.status_code == 400
            assert b"expected one of general, law, found medicine" in response.body


@pytest.mark.parametrize("dialect", EVERY_DIALECT)
async def test_a_client_that_vanishes_leaves_nothing_behind_and_waits_for_nothing(
    dialect: str,
) -> None:
    config = msgspec.structs.replace(everything(), server=ServerConfig(resume_s=600))
    async with serving(FakeRecogniser(), config=config) as served:
        async with connected(served.url + PATHS[dialect]) as socket:
            await socket.send(AUDIO)
            socket.transport.abort()
        await served.nobody_is_left()
        assert len(served.daemon.streams) == 0


FEW = msgspec.structs.replace(everything(), limits=LimitsConfig(messages_per_s=1))


async def test_audio_in_text_frames_does_not_count_as_messages() -> None:
    async with (
        serving(FakeRecogniser(), config=FEW) as served,
        connected(served.url + PATHS["openai"]) as socket,
    ):
        await socket.recv()
        for _ in range(100):
            await socket.send('{"type": "input_audio_buffer.append", "audio": "AAAAAAAA"}')
        await socket.send('{"type": "input_audio_buffer.commit"}')
        assert json.loads(await socket.recv())["error"]["code"] == "input_audio_buffer_commit_empty"


async def test_too_many_messages_end_a_connection_in_words() -> None:
    async with (
        serving(FakeRecogniser(), config=FEW) as served,
        connected(served.url + PATHS["deepgram"]) as socket,
    ):
        for _ in range(100):
            await socket.send('{"type": "KeepAlive"}')
        errors = [one for one in await rest(socket) if one["type"] == "Error"]
        assert errors[0]["variant"] == "limit_exceeded"
        assert socket.close_code == 1008


async def test_a_daemon_that_goes_down_says_the_last_words_in_every_dialect() -> None:
    async with AsyncExitStack() as open_ones:
        served: Served = await open_ones.enter_async_context(
            serving(FakeRecogniser(), config=everything())
        )
        sound = pcm(speak("do", tail_s=0.1))
        sockets = {}
        for dialect in ("vosk", "deepgram"):
            socket = await open_ones.enter_async_context(connected(served.url + PATHS[dialect]))
            sockets[dialect] = socket
            if dialect == "vosk":
                await socket.send('{"config": {"sample_rate": 16000}}')
            for frame in cut(sound):
                await socket.send(frame)
        await served.sessions_are(2)
        served.daemon.stop()
        said = {name: json.dumps(await rest(socket)) for name, socket in sockets.items()}
        assert '"text": "do"' in said["vosk"]
        assert '"transcript": "do"' in said["deepgram"]
        assert {socket.close_code for socket in sockets.values()} == {1001}


@pytest.mark.parametrize("dialect", EVERY_DIALECT)
async def test_mutated_messages_bring_nothing_down(
    dialect: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(FakeRecogniser(), config=everything()) as served:
        host, port = urlsplit(served.url).hostname, urlsplit(served.url).port
        assert host is not None
        assert port is not None
        for mutant in mutants(dialect, seed=7, count=40):
            async with asyncio.timeout(PATIENCE_S):
                outcome = await play(mutant, host, port)
            assert outcome.fault is None, mutant
        found = await CLIENTS[dialect](served.url + PATHS[dialect], speak("do mi"))
        assert [word.text for word in found] == ["do", "mi"]
        await served.nobody_is_left()
    assert "fault of the daemon" not in caplog.text
