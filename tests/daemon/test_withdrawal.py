"""A reload: what runs under a token that is taken back ends; what follows is set up anew."""

import asyncio
from pathlib import Path

from tests.daemon.fakes import FakeRecogniser, finals, pcm, speak
from tests.daemon.serving import PATIENCE_S, serving, talking
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from steno_daemon import wire
from steno_daemon.auth import hash_token
from steno_daemon.capture import read_capture
from steno_daemon.config import (
    Config,
    MicrophoneConfig,
    RecordingConfig,
    SecurityConfig,
    ServerConfig,
    TokenConfig,
)
from steno_daemon.transports.microphone import GRANT
from steno_daemon.wire import CloseReason, Endpointing, ErrorCode

STAGE, HALL = "steno_test_token_of_the_stage", "steno_test_token_of_the_hall"
SERVER = ServerConfig(resume_s=PATIENCE_S)
AGAINST_THE_RULES = 1008


def token(plain: str, *, watch: bool = True) -> TokenConfig:
    scopes: tuple[str, ...] = ("recognise", "watch") if watch else ("recognise",)
    return TokenConfig(name=plain[-5:], sha256=hash_token(plain), scopes=scopes)  # type: ignore[arg-type]


def config(*tokens: TokenConfig) -> Config:
    return Config(server=SERVER, security=SecurityConfig(tokens=tokens))


BOTH = config(token(STAGE), token(HALL))


async def test_a_session_whose_token_is_taken_back_ends_with_its_words_and_others_go_on() -> None:
    async with (
        serving(FakeRecogniser(), config=BOTH) as served,
        talking(f"{served.url}/?token={STAGE}") as stage,
        talking(f"{served.url}/?token={HALL}") as hall,
    ):
        for talk in (stage, hall):
            await talk.say(wire.Start(), pcm(speak("do re", tail_s=0.0)), wire.Ping(id=1))
            await talk.hear(wire.Pong)
        served.daemon.reload(config(token(HALL)))
        events = await stage.rest()
        assert finals(events) == ["do re"]
        [error] = [event for event in events if isinstance(event, wire.Error)]
        assert (error.code, error.fatal) == (ErrorCode.TOKEN_WITHDRAWN, True)
        assert isinstance(events[-1], wire.Closed)
        assert events[-1].reason is CloseReason.WITHDRAWN
        assert stage.connection.close_code == AGAINST_THE_RULES
        assert stage.connection.close_reason == "token_withdrawn: the token was taken back"
        await hall.say(wire.Stop())
        assert finals(await hall.rest()) == ["do re"]


async def test_a_session_that_waits_for_its_client_is_over_with_its_token() -> None:
    async with serving(FakeRecogniser(), config=BOTH) as served:
        async with talking(f"{served.url}/?token={STAGE}") as talk:
            await talk.say(wire.Start())
            await talk.hear(wire.Ready)
            talk.connection.transport.abort()
        async with asyncio.timeout(PATIENCE_S):
            await served.daemon.streams.nobody_connected()
        assert served.daemon.streams.waiting == 1
        served.daemon.reload(config(token(HALL)))
        assert served.daemon.streams.waiting == 0
        assert served.daemon.engine.sessions == 0


async def test_viewers_leave_whose_token_is_taken_back_or_may_watch_no_more() -> None:
    async with (
        serving(FakeRecogniser(), config=BOTH) as served,
        connect(f"{served.url}/watch/live?token={STAGE}", proxy=None) as stage,
        connect(f"{served.url}/watch/live?token={HALL}", proxy=None) as hall,
        talking(f"{served.url}/?token={HALL}") as talk,
    ):
        events = asyncio.create_task(served.get(f"/watch/live?token={STAGE}"))
        async with asyncio.timeout(PATIENCE_S):
            while served.daemon.transport.viewers < 3:
                await served.health()
        served.daemon.reload(config(token(STAGE, watch=False), token(HALL)))
        async with asyncio.timeout(PATIENCE_S):
            try:
                await stage.recv()
            except ConnectionClosed:
                assert stage.close_code == AGAINST_THE_RULES
                assert stage.close_reason == "the token was taken back"
            status, _ = await events
            assert status.endswith("200 OK")
            await talk.say(wire.Start())
            assert '"watching"' in str(await hall.recv())
        assert stage.close_code == AGAINST_THE_RULES
        assert served.daemon.transport.viewers == 1


async def test_the_microphone_of_the_daemon_needs_no_token() -> None:
    open_to_all = Config(server=SERVER, microphone=MicrophoneConfig())
    async with serving(FakeRecogniser(), config=open_to_all) as served:
        line = _Line()
        stream = served.daemon.streams.open(GRANT, line)
        stream.session.receive_start(wire.Start())
        async with talking(served.url) as talk:
            await talk.say(wire.Start())
            await talk.hear(wire.Ready)
            served.daemon.reload(BOTH)
            events = await talk.rest()
            assert isinstance(events[-1], wire.Closed)
            assert events[-1].reason is CloseReason.WITHDRAWN
        assert served.daemon.engine.sessions == 1
        served.daemon.streams.part(stream, line, over=True)


class _Line:
    """A connection that nothing is expected of."""

    def abort(self) -> None:
        raise AssertionError("expected to go on")

    def hand_over(self) -> None:
        raise AssertionError("expected to go on")


def _only_one_in(directory: Path) -> Path:
    [path] = directory.iterdir()
    return path


async def test_recordings_that_begin_after_a_reload_say_what_holds_then(tmp_path: Path) -> None:
    before = Config(server=SERVER, recording=RecordingConfig(directory=tmp_path))
    after = Config(
        server=SERVER,
        recording=RecordingConfig(directory=tmp_path),
        endpointing=Endpointing(trailing_silence_ms=1_500),
    )
    async with serving(FakeRecogniser(), config=before) as served:
        served.daemon.reload(after)
        async with talking(served.url) as talk:
            await talk.say(wire.Start(record=True), pcm(speak("do")), wire.Stop())
            await talk.rest()
    assert read_capture(_only_one_in(tmp_path)).header.rules.trailing_silence_samples == 24_000
