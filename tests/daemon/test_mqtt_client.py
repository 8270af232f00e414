"""What the daemon changes about aiomqtt's client, with a broker that is one socket."""

import asyncio
import socket
import threading
import time
from collections.abc import Sequence

import aiomqtt
import pytest
from aiomqtt import ProtocolVersion
from paho.mqtt.client import MQTTMessage
from tests.daemon.serving import PATIENCE_S

from steno_daemon.transports.mqtt_client import SILENT, ListeningClient, QuietClient
from steno_daemon.transports.mqtt_link import Delivery

MANY_BYTES = 20 * 1024 * 1024


def slow_broker(server: socket.socket, may_read: threading.Event) -> None:
    """Let one client in, and read what it says when that is wanted."""
    connection, _ = server.accept()
    with connection:
        connection.recv(1_000)
        connection.sendall(b"\x20\x02\x00\x00")
        may_read.wait(PATIENCE_S)
        while connection.recv(1024 * 1024):
            pass


async def test_what_a_broker_does_not_take_at_once_is_sent_when_it_does() -> None:
    may_read = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=slow_broker, args=(server, may_read))
        thread.start()
        port = server.getsockname()[1]
        async with ListeningClient("127.0.0.1", port, logger=SILENT) as client:
            letting = asyncio.create_task(client.let_pass("a", bytes(MANY_BYTES), retain=False))
            await asyncio.sleep(0)
            assert not letting.done()
            may_read.set()
            async with asyncio.timeout(PATIENCE_S):
                await letting
                await client.let_pass("a", b"and this", retain=False)
        await asyncio.to_thread(thread.join, PATIENCE_S)


def published(topic: bytes, payload: bytes, *, flags: int = 0, behind: bytes = b"") -> bytes:
    """A message of a broker; `behind` its topic are a number or properties."""
    rest = len(topic).to_bytes(2, "big") + topic + behind + payload
    size, length = len(rest), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([0x30 | flags, *length, size]) + rest


CONFIRMED, KEPT, NUMBER = 0x02, 0x01, b"\0\x07"
SENT = (
    published(b"a/audio", b"x" * 3_200)
    + published(b"a/control", b"{}", flags=CONFIRMED, behind=NUMBER)
    + published("é".encode(), b"", flags=KEPT)
    + published(b"b/audio", b"y" * 50_000)
    + b"\xd0\x00"  # an answer to a ping
    + published(b"a/audio", b"z")
)
COME = [
    ("a/audio", b"x" * 3_200, False),
    ("a/control", b"{}", False),
    ("é", b"", True),
    ("b/audio", b"y" * 50_000, False),
    ("a/audio", b"z", False),
]


def sending_broker(server: socket.socket, pieces: Sequence[bytes], connack: bytes) -> None:
    """Let one client in, send it something, and hang up when it has said goodbye."""
    connection, _ = server.accept()
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.recv(1_000)
        connection.sendall(connack)
        for piece in pieces:
            connection.sendall(piece)
        while connection.recv(1_000):
            pass


async def arrived(sent: bytes, size: int, count: int, *, is_mqtt5: bool = False) -> list[Delivery]:
    """Return so many messages of a broker that sends in pieces of a size."""
    pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
    connack = b"\x20\x03\x00\x00\x00" if is_mqtt5 else b"\x20\x02\x00\x00"
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=sending_broker, args=(server, pieces, connack))
        thread.start()
        protocol = ProtocolVersion.V5 if is_mqtt5 else None
        port = server.getsockname()[1]
        found: list[Delivery] = []
        async with (
            asyncio.timeout(PATIENCE_S),
            ListeningClient("127.0.0.1", port, logger=SILENT, protocol=protocol) as client,
        ):
            async for delivery in client.arrivals():
                found.append(delivery)
                if len(found) == count:
                    break
        await asyncio.to_thread(thread.join, PATIENCE_S)
    return found


@pytest.mark.parametrize("size", [61, 3_210, 100_000])
async def test_messages_are_the_same_wherever_what_comes_is_cut(size: int) -> None:
    assert [one[:3] for one in await arrived(SENT, size, len(COME))] == COME


async def test_offsets_are_read_from_messages_that_have_properties() -> None:
    name, value = b"at", b"640"
    pair = b"\x26\0\x02" + name + b"\0\x03" + value
    sent = published(b"a/audio", b"x", behind=b"\0")
    sent += published(b"a/audio", b"y", behind=bytes([len(pair)]) + pair)
    assert await arrived(sent, 100_000, 2, is_mqtt5=True) == [
        Delivery("a/audio", b"x"),
        Delivery("a/audio", b"y", at=640),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        published(b"\xff\xfe", b"x"),
        b"\x30\xff\xff\xff\xff\x01",
        b"\x30\x01\x00",
        b"\x30\x04\x00\x09ab",
        b"\x00\x00",
    ],
)
async def test_a_broker_that_sends_what_is_none_is_gone(wrong: bytes) -> None:
    with pytest.raises(aiomqtt.MqttError):
        await arrived(wrong, 100_000, 1)


async def test_who_is_thrown_out_while_joining_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = ListeningClient._client_connect

    def slowly(client: ListeningClient) -> None:
        connect(client)
        time.sleep(0.3)  # what the broker says is read before this thread comes back

    monkeypatch.setattr(ListeningClient, "_client_connect", slowly)
    with pytest.raises(aiomqtt.MqttError):
        await arrived(b"\x00\x00", 100_000, 1)


async def test_who_waits_for_the_broker_can_be_cancelled_as_the_answer_comes() -> None:
    client = QuietClient("127.0.0.1", 1)
    answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    waiting = asyncio.create_task(client._wait_for(answer, None))
    await asyncio.sleep(0)
    answer.set_result(1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(aiomqtt.MqttError, match="timed out"):
        await client._wait_for(asyncio.Event().wait(), 0.001)


async def test_what_came_before_the_broker_went_is_read_first() -> None:
    client = ListeningClient("127.0.0.1", 1)
    for topic in (b"a", b"b"):
        client._on_message(None, None, MQTTMessage(topic=topic))
    client._disconnected.set_exception(aiomqtt.MqttError("gone"))
    arrivals = client.arrivals()
    assert [(await anext(arrivals)).topic for _ in range(2)] == ["a", "b"]
    with pytest.raises(aiomqtt.MqttError, match="Disconnected"):
        await anext(arrivals)


async def test_a_socket_that_is_gone_before_the_loop_looks_at_it_is_no_fault_of_anybody() -> None:
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, found: complaints.append(found))
    client = QuietClient("127.0.0.1", 1)
    client._thread = -1  # another one
    gone = socket.socket()
    client._on_socket_register_write(None, None, gone)
    gone.close()
    for _ in range(3):
        await asyncio.sleep(0)
    assert complaints == []
