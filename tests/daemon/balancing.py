"""Sessions through HAProxy: daemons that know nothing of each other, one of which is killed.

    python -m tests.daemon.balancing --sessions 30

The proxy runs the configuration that is shipped, with other addresses. One daemon is killed with
SIGKILL while everybody streams; then each session's finals are compared with what it said. At the
end stands what the proxy cost.
"""

import argparse
import asyncio
import contextlib
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from rich.console import Console
from tests.daemon.brokers import free_port
from tests.daemon.fakes import RATE
from tests.daemon.fleet import ROOT, WAIT_S, Member, Speech, cpu_s, fleet, speeches
from tests.daemon.process import Process

from steno_clients.websocket import Resumption, StenoClient
from steno_daemon.wire import Final

BLOCK = RATE // 10
CONFIG = """
[server]
behind_balancer = true
state_directory = "{state}"
resume_s = {wait_s}
[engine]
max_sessions = {sessions}
degrade = false
[limits]
messages_per_s = 1000
"""


@dataclass
class Balancer:
    """HAProxy with the configuration that is shipped.

    Attributes:
        folder: of its files.
        port: where it listens, for TLS alone.
        trust: what its clients trust.
    """

    folder: Path
    port: int = field(default_factory=free_port)
    trust: ssl.SSLContext = field(default_factory=ssl.create_default_context)
    _process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return f"wss://localhost:{self.port}"

    @property
    def process(self) -> Process:
        """What runs."""
        assert self._process is not None
        return Process(self._process.pid)

    def start(self, program: str, members: Sequence[Member]) -> None:
        """Start it before these daemons."""
        authority = trustme.CA()
        authority.configure_trust(self.trust)
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(
            str(self.folder / "steno.pem")
        )
        file = self.folder / "haproxy.cfg"
        file.write_text(self._config([member.address for member in members]))
        self._process = subprocess.Popen([program, "-q", "-f", str(file)])

    def stop(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def ask(self, command: str) -> str:
        """Return what it answers to an administrator."""
        reader, writer = await asyncio.open_unix_connection(self._socket)
        writer.write(f"{command}\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer.decode()

    async def states(self) -> dict[str, str]:
        """Return what it thinks of each daemon."""
        lines = (await self.ask("show stat")).splitlines()
        names = lines[0].removeprefix("# ").split(",")
        rows = [dict(zip(names, line.split(","), strict=False)) for line in lines[1:]]
        return {row["svname"]: row["status"] for row in rows if row.get("pxname") == "sessions"}

    async def all_up(self, count: int) -> None:
        """Wait until it has checked so many daemons."""
        async with asyncio.timeout(WAIT_S):
            while True:
                assert self.process.is_alive(), "haproxy has ended"
                with contextlib.suppress(OSError):
                    if list((await self.states()).values()).count("UP") == count + 1:
                        return
                await asyncio.sleep(0.05)

    @property
    def _socket(self) -> str:
        return str(self.folder / "admin.sock")

    def _config(self, addresses: Sequence[str]) -> str:
        """Return what is shipped with the addresses of this machine."""
        text = (ROOT / "systemd" / "haproxy.cfg").read_text()
        for before, after in (
            ("bind :443 ", f"bind 127.0.0.1:{self.port} "),
            ("/etc/haproxy/steno.pem", str(self.folder / "steno.pem")),
            ("/run/haproxy/admin.sock", self._socket),
            ("log /dev/log local0 notice", "log stderr format raw local0 emerg"),
            *((f"10.0.0.1{n}:8765", one) for n, one in enumerate(addresses, 1)),
        ):
            assert before in text, before
            text = text.replace(before, after)
        # Of daemons that there are not, the lines go.
        return re.sub(r"^ *server \w+ 10\.0\.0\..*\n", "", text, flags=re.MULTILINE)


def haproxy() -> str | None:
    """Return where HAProxy is, None where it is not installed."""
    return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


@asynccontextmanager
async def balanced(
    program: str, folder: Path, *, daemons: int = 3, sessions: int = 30
) -> AsyncIterator[tuple[Balancer, list[Member]]]:
    """Run daemons with one state directory behind HAProxy."""
    config = CONFIG.format(state=folder / "state", wait_s=WAIT_S, sessions=2 * sessions)
    async with fleet(folder, [config] * daemons) as members:
        balancer = Balancer(folder)
        balancer.start(program, members)
        try:
            await balancer.all_up(daemons)
            yield balancer, members
        finally:
            balancer.stop()


@dataclass
class Heard:
    """What a session has heard so far.

    Attributes:
        finals: text and start of each.
        resumptions: how often it was taken up again.
    """

    finals: list[tuple[str, float]] = field(default_factory=list)
    resumptions: int = 0


async def converse(
    balancer: Balancer, speech: Speech, heard: Heard, gate: asyncio.Event, *, pace: float = 4.0
) -> None:
    """Stream a speech at `pace` times the speed of speech, and put down the finals.

    The second half of it waits until the gate is open.
    """
    stubborn = Resumption(resume_s=WAIT_S)
    async with StenoClient.connect(
        balancer.url, rate=RATE, timeout_s=WAIT_S, resume=stubborn, tls=balancer.trust
    ) as client:

        async def speak() -> None:
            due_s = time.monotonic()
            for at in range(0, len(speech.sound), BLOCK):
                if at > len(speech.sound) // 2:
                    await gate.wait()
                await client.send(speech.sound[at : at + BLOCK])
                due_s += BLOCK / RATE / pace
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            await client.stop()

        speaking = asyncio.create_task(speak())
        async for event in client:
            if isinstance(event, Final):
                heard.finals.append((event.text, event.start))
        await speaking
        heard.resumptions = client.resumptions


async def until(heard: Sequence[Heard], is_true: Callable[[Sequence[Heard]], bool]) -> None:
    """Wait until something is true of the sessions."""
    async with asyncio.timeout(WAIT_S):
        while True:
            if is_true(heard):
                return
            await asyncio.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a campaign.

    Attributes:
        wrong: what was lost, repeated or out of place, in words.
        resumed: sessions that went on at another daemon.
        proxy_s: CPU time of the proxy, for each second of a session.
        proxy_bytes: its memory at the end.
        kept_bytes: what lay in the state directory when the daemon died.
    """

    wrong: list[str]
    resumed: int
    proxy_s: float
    proxy_bytes: int
    kept_bytes: int


async def campaign(
    program: str, folder: Path, *, sessions: int, notes: int, pace: float = 4.0
) -> Outcome:
    """Let sessions stream, kill the first daemon while they do, and compare what they heard."""
    said = speeches(sessions, notes=notes)
    heard, gate = [Heard() for _ in said], asyncio.Event()
    async with balanced(program, folder, sessions=sessions) as (balancer, members):
        before_s, kept_bytes = cpu_s(balancer.process.pid), 0
        async with asyncio.TaskGroup() as talking:
            for speech, one in zip(said, heard, strict=True):
                talking.create_task(converse(balancer, speech, one, gate, pace=pace))
            # In the midst of it: everybody has heard something, and nobody is at the end.
            await until(
                heard, lambda all_: all(len(one.finals) >= max(1, notes // 4) for one in all_)
            )
            await members[0].kill()
            kept_bytes = _size_of(folder / "state")
            gate.set()
        spent_s = cpu_s(balancer.process.pid) - before_s
        memory = balancer.process.resident_bytes()
    faults = [(n, said[n].fault(one.finals)) for n, one in enumerate(heard)]
    return Outcome(
        wrong=[f"session {n}: {fault}" for n, fault in faults if fault],
        resumed=sum(one.resumptions > 0 for one in heard),
        proxy_s=spent_s / sum(len(one.sound) / RATE for one in said),
        proxy_bytes=memory,
        kept_bytes=kept_bytes,
    )


def _size_of(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.rglob("*") if one.is_file())


def main() -> int:
    """Run the campaign; returns 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=30, help="at once (%(default)s)")
    parser.add_argument("--notes", type=int, default=12, help="of each session (%(default)s)")
    parser.add_argument("--pace", type=float, default=4.0, help="times speech (%(default)s)")
    given = parser.parse_args()
    program = haproxy()
    if program is None:
        parser.error("expected HAProxy, found none: sudo apt-get install haproxy")
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(
            campaign(
                program,
                Path(folder),
                sessions=given.sessions,
                notes=given.notes,
                pace=given.pace,
            )
        )
    Console(soft_wrap=True).print(
        f"{found.resumed} of {given.sessions} sessions went on at another daemon, "
        f"{len(found.wrong)} were wrong\n"
        f"HAProxy: {1000 * found.proxy_s:.2f} ms of a core for a second of a session, "
        f"{found.proxy_bytes / 2**20:.0f} MB\n"
        f"kept when the daemon died: {found.kept_bytes / given.sessions:.0f} bytes a session",
        *found.wrong,
        sep="\n",
        highlight=False,
    )
    return 1 if found.wrong or not found.resumed else 0


if __name__ == "__main__":
    sys.exit(main())
