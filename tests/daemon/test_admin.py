"""`/admin`: who may call there, and what is said to those who may not or cannot."""

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from urllib.error import HTTPError

import pytest
from tests.daemon.fakes import FakeRecogniser
from tests.daemon.made import Folder
from tests.daemon.serving import PATIENCE_S, Served, serving
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from steno_daemon import wire
from steno_daemon.auth import hash_token
from steno_daemon.config import Config, EngineConfig, SecurityConfig, ServerConfig, TokenConfig
from steno_daemon.wire import ErrorCode

BOSS, VIEWER = "steno_test_token_of_the_boss", "steno_test_token_of_a_viewer"
AGAINST_THE_RULES = 1008


def config(folder: Path, *tokens: TokenConfig) -> Config:
    return Config(
        server=ServerConfig(resume_s=0),
        engine=EngineConfig(domains_directory=folder),
        security=SecurityConfig(tokens=tokens),
    )


TOKENS = (
    TokenConfig(name="boss", sha256=hash_token(BOSS), scopes=("admin",)),
    TokenConfig(name="viewer", sha256=hash_token(VIEWER), scopes=("recognise", "watch")),
)


@asynccontextmanager
async def daemon(tmp_path: Path) -> AsyncIterator[tuple[Served, Folder]]:
    folder = Folder(tmp_path / "domains")
    folder.put("legal")
    settings = config(folder.path, *TOKENS)
    async with serving(FakeRecogniser(), config=settings, load_domain=folder.load) as served:
        yield served, folder


async def post(served: Served, body: bytes, token: str | None = BOSS) -> tuple[int, str]:
    """The status and the text that a POST gets."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = served.url.replace("ws:", "http:") + "/admin"
    request = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310 — http

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                request, timeout=PATIENCE_S
            ) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def test_only_the_scope_admin_is_let_in(tmp_path: Path) -> None:
    call = wire.encode(wire.ListDomains(id=3)).encode()
    async with daemon(tmp_path) as (served, _):
        assert (await post(served, call, None))[0] == HTTPStatus.UNAUTHORIZED
        status, text = await post(served, call, VIEWER)
        assert status == HTTPStatus.FORBIDDEN
        assert "expected the scope admin" in text
        status, text = await post(served, call)
        assert status == HTTPStatus.OK
        answer = wire.decode_answer(text)
        assert isinstance(answer, wire.Domains)
        assert answer.id == 3
        assert [one.name for one in answer.domains] == ["general", "legal"]
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{served.url}/admin?token={VIEWER}", proxy=None)
        assert refused.value.response.status_code == HTTPStatus.FORBIDDEN
        line, _ = await served.get(f"/admin?token={BOSS}")
        assert "426" in line


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"nope", HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_JSON),
        (b'{"type":"load_domain"}', HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_MESSAGE),
        (b'{"type":"start"}', HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_MESSAGE),
        (b" " * 70_000, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, ErrorCode.TOO_LARGE),
        (
            b'{"type":"load_domain","name":"../legal"}',
            HTTPStatus.NOT_FOUND,
            ErrorCode.UNKNOWN_LANGUAGE_MODEL,
        ),
        (
            b'{"type":"retire_domain","name":"general"}',
            HTTPStatus.CONFLICT,
            ErrorCode.LANGUAGE_MODEL_FIXED,
        ),
        (
            b'{"type":"swap_domain","session":"x","name":"legal"}',
            HTTPStatus.NOT_FOUND,
            ErrorCode.UNKNOWN_SESSION,
        ),
    ],
)
async def test_a_call_that_cannot_be_done_says_why(
    body: bytes, status: int, code: ErrorCode, tmp_path: Path
) -> None:
    async with daemon(tmp_path) as (served, folder):
        found, text = await post(served, body)
        answer = json.loads(text)
        assert (found, answer["type"], answer["code"]) == (status, "refused", code)
        assert folder.loads == ["legal"]


async def test_calls_come_one_after_the_other_over_a_websocket(tmp_path: Path) -> None:
    async with daemon(tmp_path) as (served, folder):
        folder.put("medical", "bad")
        async with connect(f"{served.url}/admin?token={BOSS}", proxy=None) as socket:

            async def ask(call: wire.AdminCall | str) -> wire.AdminAnswer:
                await socket.send(call if isinstance(call, str) else wire.encode(call))
                async with asyncio.timeout(PATIENCE_S):
                    return wire.decode_answer(await socket.recv())

            loaded = await ask(wire.LoadDomain(name="legal", id=1))
            assert isinstance(loaded, wire.DomainLoaded)
            assert (loaded.id, loaded.version) == (1, 2)
            refused = await ask("what?")
            assert isinstance(refused, wire.Refused)
            failed = await ask(wire.LoadDomain(name="medical", id=2))
            assert isinstance(failed, wire.Refused)
            assert (failed.id, failed.code) == (2, ErrorCode.LANGUAGE_MODEL_FAILED)
            retired = await ask(wire.RetireDomain(name="legal", id=3))
            assert retired == wire.DomainRetired(id=3, name="legal", sessions=())
            shown = await ask(wire.ShowDomain(name="legal", id=4))
            assert isinstance(shown, wire.Domains)
            assert [one.state.value for one in shown.domains] == ["unloaded"]
            served.daemon.reload(config(folder.path, TOKENS[1]))
            with pytest.raises(ConnectionClosed):
                await ask(wire.ListDomains())
            assert socket.close_code == AGAINST_THE_RULES
            assert socket.close_reason == "the token was taken back"
