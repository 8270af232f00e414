"""What a broker sends, read in large pieces.

Most of it is audio, in messages that nobody confirms. For each of them paho asks the system four
times and the event loop once. Here all that is there is read at one time; such messages are taken
from it as they are, and everything else is given to paho as if it came from the socket.

Source: MQTT 3.1.1, 2.2 and 3.3.
"""

from collections.abc import Callable

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import MQTTErrorCode

READ_BYTES = 16 * 1024
"""In one turn of the event loop: a flood of small messages shall not keep it for long."""
_PUBLISH, _IS_RETAINED = 0x30, 0x01
_MORE, _SEVEN_BITS = 0x80, 0x7F
_LENGTH_BYTES_MAX = 4
TOPICS_MAX = 1_000

Take = Callable[[str, bytes, bool], None]


class Inlet:
    """Lies between paho and its socket.

    Args:
        paho: reads by it from now on.
        take: hears topic and payload of messages that nobody confirms, and whether they were kept.
    """

    def __init__(self, paho: Client, take: Take) -> None:
        self._paho = paho
        self._take = take
        self._receive, self._read_packet = paho._sock_recv, paho.loop_read  # noqa: SLF001
        paho._sock_recv = self._give  # type: ignore[method-assign] # noqa: SLF001
        paho.loop_read = self._read  # type: ignore[method-assign]
        self._data = b""
        self._at = 0
        self._topics: dict[bytes, str] = {}

    def _give(self, bufsize: int) -> bytes:
        """Return the next bytes to paho."""
        if self._at == len(self._data):
            return self._receive(bufsize)
        given = self._data[self._at : self._at + bufsize]
        self._at += len(given)
        return given

    def _read(self, max_packets: int = 1) -> MQTTErrorCode:  # noqa: ARG002 — paho's
        """Read what is there; until the broker has let the client in, one packet at a time.

        aiomqtt would miss what goes wrong in the turn in which it hears that it is in.
        """
        if not self._paho.is_connected():
            return self._read_packet()
        try:
            self._data, self._at = self._receive(READ_BYTES), 0
        except BlockingIOError:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        except OSError:
            self._data, self._at = b"", 0  # paho finds the same
        if not self._data:
            return self._read_packet()
        code = MQTTErrorCode.MQTT_ERR_SUCCESS
        while self._at < len(self._data) and code == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if not self._is_message_taken():
                code = self._read_packet()
        return code

    def _is_message_taken(self) -> bool:
        """Take the message that is next, if it is one of those and is there to its end."""
        data, at = self._data, self._at
        is_within = self._paho._in_packet["command"] != 0  # noqa: SLF001
        if is_within or data[at] & ~_IS_RETAINED != _PUBLISH:
            return False
        start, size = _length(data, at + 1)
        end, topic_at = start + size, start + 2
        if not start or end > len(data) or size < 2:
            return False
        topic_end = topic_at + int.from_bytes(data[start:topic_at], "big")
        payload_at = topic_end
        if self._paho.protocol == MQTTv5:
            if data[topic_end : topic_end + 1] != b"\0":
                return False  # it has properties
            payload_at += 1
        topic = self._topic(data[topic_at:topic_end])
        if payload_at > end or not topic:
            return False
        self._at = end
        self._take(topic, data[payload_at:end], bool(data[at] & _IS_RETAINED))
        return True

    def _topic(self, encoded: bytes) -> str:
        """Return a topic as text, nothing where it is none."""
        topic = self._topics.get(encoded)
        if topic is None:
            try:
                topic = encoded.decode()
            except UnicodeDecodeError:
                return ""
            if len(self._topics) >= TOPICS_MAX:
                self._topics.clear()
            self._topics[encoded] = topic
        return topic


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Return where a packet begins behind its length, and the length; 0 where it is not whole."""
    size = 0
    for place, byte in enumerate(data[at : at + _LENGTH_BYTES_MAX]):
        size |= (byte & _SEVEN_BITS) << 7 * place
        if not byte & _MORE:
            return at + place + 1, size
    return 0, 0
