"""What the daemon changes about aiomqtt's client, with a broker that is one socket."""

import asyncio
import socket
import threading

import aiomqtt
import pytest
from paho.mqtt.client import MQTTMessage
from tests.daemon.serving import PATIENCE_S

from steno_daemon.transports.mqtt_client import SILENT, ListeningClient, QuietClient

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
