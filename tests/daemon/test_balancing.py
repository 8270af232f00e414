"""HAProxy, really, with the configuration that is shipped, before real daemons."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.daemon.balancing import Balancer, Heard, balanced, campaign, converse, haproxy, until
from tests.daemon.fakes import RATE
from tests.daemon.fleet import WAIT_S, speeches
from tests.daemon.serving import PATIENCE_S
from websockets.asyncio.client import connect

from steno_clients.websocket import StenoClient


@pytest.fixture
def program() -> str:
    """Where HAProxy is; the test skips where it is not."""
    found = haproxy()
    if found is None:
        pytest.skip("needs the proxy HAProxy (Debian's package haproxy), which is not installed")
    return found


async def got(balancer: Balancer, path: str) -> str:
    """The status line that a request through the proxy gets."""
    reader, writer = await asyncio.open_connection("localhost", balancer.port, ssl=balancer.trust)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE_S):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n")[0].decode()


async def test_thirty_sessions_lose_no_word_to_a_daemon_that_is_killed(
    program: str, tmp_path: Path
) -> None:
    found = await campaign(program, tmp_path, sessions=30, notes=4)
    assert found.wrong == []
    assert 0 < found.resumed <= 20  # not those of the daemons that live


async def test_a_daemon_is_emptied_and_viewers_find_their_session_wherever_it_is(
    program: str, tmp_path: Path
) -> None:
    async with balanced(program, tmp_path, daemons=2) as (balancer, (first, _)):
        await _viewers_find_their_session(balancer)
        said, heard, gate = speeches(4, notes=4), [Heard() for _ in range(4)], asyncio.Event()
        async with asyncio.TaskGroup() as talking:
            for speech, one in zip(said[:2], heard[:2], strict=True):
                talking.create_task(converse(balancer, speech, one, gate))
            await until(heard[:2], lambda all_: all(one.finals for one in all_))
            await balancer.ask("set server sessions/a state drain")
            for speech, one in zip(said[2:], heard[2:], strict=True):
                talking.create_task(converse(balancer, speech, one, gate))
            await until(heard[2:], lambda all_: all(one.finals for one in all_))
            assert await first.stop() == 0
            gate.set()
        assert [speech.fault(one.finals) for speech, one in zip(said, heard, strict=True)] == (
            [None] * 4
        )
        # Of the first two one was there or the other, of the later ones none.
        assert sum(one.resumptions for one in heard[:2]) == 1
        assert [one.resumptions for one in heard[2:]] == [0, 0]
        await _is_down(balancer, "a")
        assert await got(balancer, "/readyz") == "HTTP/1.1 200 OK"


async def _viewers_find_their_session(balancer: Balancer) -> None:
    async with StenoClient.connect(
        balancer.url, rate=RATE, timeout_s=WAIT_S, tls=balancer.trust
    ) as client:
        name = client.ready.session
        for _ in range(4):  # whoever of the two is asked first
            assert await got(balancer, f"/captions/{name}.vtt") == "HTTP/1.1 200 OK"
            async with connect(f"{balancer.url}/watch/{name}", ssl=balancer.trust) as viewer:
                assert json.loads(await viewer.recv())["session"] == name
        assert "404" in await got(balancer, "/captions/0000000000000000.vtt")
        await client.stop()
        async for _ in client:
            pass


async def _is_down(balancer: Balancer, name: str) -> None:
    """Wait until the proxy has noticed that a daemon is gone."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if (await balancer.states())[name].startswith(("DOWN", "MAINT")):
                return
            await asyncio.sleep(0.1)
