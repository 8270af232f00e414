"""The daemon at an MQTT broker: links that do what a test wants, and a real mosquitto."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest
from tests.daemon.brokers import free_port, mosquitto
from tests.daemon.fakes import FakeRecogniser, pcm, speak
from tests.daemon.serving import PATIENCE_S, Served, serving, talking
from tests.daemon.test_real_bundle import CLIP

from steno_daemon import wire
from steno_daemon.check import Findings
from steno_daemon.check_neighbours import check_domains, check_mqtt
from steno_daemon.config import Config, MqttConfig, ServerConfig
from steno_daemon.dialects.conversation import Post
from steno_daemon.dialects.dialect import PIECE_BYTES
from steno_daemon.dialects.pcm import Form, wav_file
from steno_daemon.errors import BrokerError, ConfigError
from steno_daemon.transports.mqtt import PAUSES_S, MqttService
from steno_daemon.transports.mqtt_link import Delivery, password_of, tls_of
from steno_daemon.transports.posting import Posting
from steno_models import bundle
from steno_models.audio import read_file

# What waits for the broker.


def post(topic: str, payload: str = "x", *, is_passing: bool = False) -> Post:
    return Post(topic, payload.encode(), is_passing=is_passing)


async def test_a_newer_partial_takes_the_place_of_one_that_waits() -> None:
    dropped: list[Post] = []
    posting = Posting(dropped.append)
    for one in (post("p", "a", is_passing=True), post("t"), post("p", "b", is_passing=True)):
        posting.put(one)
    taken = [await posting.take() for _ in range(len(posting))]
    assert [(one.topic, one.payload) for one in taken] == [("t", b"x"), ("p", b"b")]
    assert dropped == []


async def test_of_too_many_posts_passing_ones_go_first_and_then_the_oldest() -> None:
    dropped: list[Post] = []
    posting = Posting(dropped.append, most=3)
    for one in (post("1"), post("p", is_passing=True), post("2"), post("3"), post("4")):
        posting.put(one)
    assert [one.topic for one in dropped] == ["p", "1"]
    assert [(await posting.take()).topic for _ in range(3)] == ["2", "3", "4"]


async def test_posts_are_bounded_in_bytes_too() -> None:
    dropped: list[Post] = []
    posting = Posting(dropped.append, most_bytes=10)
    for name in "abc":
        posting.put(post(name, "12345"))
    assert [one.topic for one in dropped] == ["a"]


async def test_a_post_that_could_not_be_sent_goes_first_unless_it_has_passed() -> None:
    posting = Posting(lambda _: None)
    posting.put(post("b"))
    posting.put_back(post("a"))
    posting.put_back(post("p", is_passing=True))
    assert [(await posting.take()).topic for _ in range(2)] == ["a", "b"]
    posting.done()
    await asyncio.wait_for(posting.all_sent(), PATIENCE_S)


@pytest.mark.parametrize(
    "topic", ["", "a+b", "#", "a\0b", "a\ud800", "/" * 200, "x" * 65_536, "é" * 32_768]
)
async def test_a_post_that_no_broker_takes_is_given_up_at_once(topic: str) -> None:
    dropped: list[Post] = []
    posting = Posting(dropped.append)
    posting.put(post(topic))
    posting.put(post("x" * 65_535))
    assert [one.topic for one in dropped] == [topic]
    assert len(posting) == 1


async def test_a_post_under_which_connections_break_is_given_up_some_time() -> None:
    dropped: list[Post] = []
    posting = Posting(dropped.append)
    for name in "ab":
        posting.put(post(name))
    while (taken := await posting.take()).topic == "a":
        posting.put_back(taken)
    assert taken.topic == "b"
    assert [one.topic for one in dropped] == ["a"]


# A link that does what a test wants.


@dataclass
class FakeLink:
    """A broker that brings what a test puts, and keeps what it is told."""

    brought: asyncio.Queue[Delivery | None] = field(default_factory=asyncio.Queue)
    posts: list[Post] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    is_slow: bool = False
    forgets: int = 0
    """Cancellations that get lost in it, as before Python 3.12 in `asyncio.wait_for`."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def subscribe(self, topics: Sequence[str]) -> None:
        self.topics += topics

    async def publish(self, sent: Post) -> None:
        while self.is_slow:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not self.forgets:
                    raise
                self.forgets -= 1
        self.posts.append(sent)
        self.news.set()

    async def deliveries(self) -> AsyncIterator[Delivery]:
        while (delivery := await self.brought.get()) is not None:
            yield delivery
        raise BrokerError("expected the broker to stay, found that it went")

    async def posted(self, topic: str) -> Post:
        """Wait for a post."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [one for one in self.posts if one.topic == topic]):
                self.news.clear()
                await self.news.wait()
        return found[0]

    def bring(self, topic: str, payload: bytes = b"{}", *, is_retained: bool = False) -> None:
        self.brought.put_nowait(Delivery(topic, payload, is_retained=is_retained))

    def hum(self, text: str) -> None:
        self.bring("hermes/audioServer/default/audioFrame", wav_file(Form(), pcm(speak(text))))


@dataclass
class Town:
    """The links that are found one after the other."""

    found: list[FakeLink | BrokerError]
    wills: list[Post | None] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, _config: MqttConfig, will: Post | None) -> AsyncIterator[FakeLink]:
        self.wills.append(will)
        link = self.found.pop(0)
        if isinstance(link, BrokerError):
            raise link
        yield link

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if not self.found:
            await asyncio.Event().wait()


@asynccontextmanager
async def at(town: Town, *, idle_s: float = 300.0, **options: object) -> AsyncIterator[Served]:
    """A daemon whose broker is the town's."""
    config = Config(
        server=ServerConfig(resume_s=0, idle_timeout_s=idle_s),
        mqtt=MqttConfig(enabled=True, **options),  # type: ignore[arg-type]
    )
    made = MqttService.__init__
    with pytest.MonkeyPatch.context() as patch:

        def init(self: MqttService, *arguments: object) -> None:
            made(self, *arguments, open_link=town.open, pause=town.pause)  # type: ignore[arg-type]

        patch.setattr(MqttService, "__init__", init)
        async with serving(FakeRecogniser(), config=config) as served:
            yield served


async def test_sessions_outlive_a_break_and_their_text_goes_to_the_next_connection() -> None:
    first, second = FakeLink(), FakeLink()
    refusal = BrokerError("expected an MQTT broker, found: refused")
    town = Town([first, refusal, second])
    async with at(town):
        first.bring("hermes/asr/startListening", b'{"sessionId": "s", "stopOnSilence": false}')
        first.hum("do mi")
        await first.posted("hermes/asr/partialTextCaptured")
        first.brought.put_nowait(None)
        second.hum("so")
        second.bring("hermes/asr/stopListening", b'{"sessionId": "s"}')
        text = await second.posted("hermes/asr/textCaptured")
    assert json.loads(text.payload)["text"] == "do mi so"
    assert [
        PAUSES_S[n] <= pause <= 1.25 * PAUSES_S[n]
        for n, pause in zip((0, 1), town.pauses, strict=False)
    ] == [True, True]
    states = [json.loads(one.payload)["state"] for one in second.posts if "status" in one.topic]
    assert states == ["online", "offline"]
    assert [json.loads(will.payload) for will in town.wills if will] == [{"state": "offline"}] * 3


async def test_a_broker_that_takes_nothing_keeps_nobody_else_waiting() -> None:
    link = FakeLink(is_slow=True)
    async with at(Town([link])) as served:
        link.bring("hermes/asr/startListening")
        link.hum("do mi")
        async with talking(served.url) as talk:
            await talk.say(wire.Start(), pcm(speak("re")), wire.Stop())
            assert [e.text for e in await talk.rest() if isinstance(e, wire.Final)] == ["re"]
        link.is_slow = False
        link.brought.put_nowait(None)


async def test_a_cancellation_that_gets_lost_does_not_keep_the_service_at_a_broker_that_went() -> (
    None
):
    first, second = FakeLink(is_slow=True, forgets=2), FakeLink()
    async with at(Town([first, second])):
        first.brought.put_nowait(None)
        await second.posted("steno/status")
    assert first.forgets == 0


async def test_what_the_broker_kept_asks_for_nothing() -> None:
    link = FakeLink()
    async with at(Town([link])) as served:
        link.bring("hermes/asr/startListening", is_retained=True)
        link.bring("steno/hall/audio", bytes(640))
        await link.posted("steno/hall/state")
        health = await served.health()
    assert health["mqtt"]["sessions"] == 1  # type: ignore[index]


async def test_more_audio_than_may_wait_ends_the_session_with_an_error() -> None:
    link, sound = FakeLink(), pcm(speak("do mi"))
    async with at(Town([link]), queue_bytes=4 * len(sound), hermes=False):
        for _ in range(100):
            link.bring("steno/hall/audio", sound)
        while b"limit_exceeded" not in b"".join(one.payload for one in link.posts):
            link.news.clear()
            await asyncio.wait_for(link.news.wait(), PATIENCE_S)
    assert sum(b"limit_exceeded" in one.payload for one in link.posts) >= 1


async def test_a_session_of_which_nothing_comes_any_more_ends() -> None:
    link = FakeLink()
    async with at(Town([link]), idle_s=0.1, hermes=False):
        link.bring("steno/hall/audio", pcm(speak("do")))
        await link.posted("steno/hall/text")
        while b'"reason":"idle"' not in b"".join(one.payload for one in link.posts):
            link.news.clear()
            await asyncio.wait_for(link.news.wait(), PATIENCE_S)
    assert [one.payload for one in link.posts if one.topic == "steno/hall/text"] == [b"do"]


async def test_a_long_message_is_taken_before_a_short_one_behind_it() -> None:
    link, sound = FakeLink(), pcm(speak("do mi so do mi so do mi so"))
    assert len(sound) > PIECE_BYTES
    async with at(Town([link]), hermes=False):
        link.bring("steno/hall/audio", sound[:640])
        link.bring("steno/hall/audio", sound[640:-640])
        link.bring("steno/hall/audio", sound[-640:])
        link.bring("steno/hall/control", b'{"type": "stop"}')
        await link.posted("steno/hall/text")
        while not [one for one in link.posts if one.payload == b"idle"]:
            link.news.clear()
            await asyncio.wait_for(link.news.wait(), PATIENCE_S)
    said = b" ".join(one.payload for one in link.posts if one.topic == "steno/hall/text")
    assert said == b"do mi so do mi so do mi so"


async def test_sessions_over_the_limit_of_the_broker_are_refused_in_words_of_hermes() -> None:
    link = FakeLink()
    async with at(Town([link]), max_sessions=1):
        for session in ("a", "b"):
            link.bring("hermes/asr/startListening", json.dumps({"sessionId": session}).encode())
        link.hum("do")
        error = await link.posted("hermes/error/asr")
    assert "at most 1 sessions at once" in json.loads(error.payload)["error"]


async def test_audio_behind_a_stop_opens_the_next_session() -> None:
    link = FakeLink()
    async with at(Town([link]), hermes=False):
        for note in ("do", "mi"):
            link.bring("steno/hall/audio", pcm(speak(note)))
            link.bring("steno/hall/control", b'{"type": "stop"}')
        while len([one for one in link.posts if one.payload == b"idle"]) < 2:
            link.news.clear()
            await asyncio.wait_for(link.news.wait(), PATIENCE_S)
    assert [one.payload for one in link.posts if one.topic == "steno/hall/text"] == [b"do", b"mi"]


# The configuration.


def test_the_password_is_in_a_file_or_a_credential_of_systemd(tmp_path: Path) -> None:
    (tmp_path / "mqtt-password").write_text("secret\n")
    credential = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    assert password_of(MqttConfig(), {}) is None
    assert password_of(MqttConfig(), credential) == "secret"
    assert password_of(MqttConfig(password_file=tmp_path / "mqtt-password"), {}) == "secret"
    with pytest.raises(ConfigError, match=r"mqtt.password_file: expected a file"):
        password_of(MqttConfig(password_file=tmp_path / "none"), {})


def test_certificates_that_cannot_be_read_are_faults(tmp_path: Path) -> None:
    assert tls_of(MqttConfig()) is None
    assert tls_of(MqttConfig(tls=True)) is not None
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigError, match="expected certificates in PEM"):
        tls_of(MqttConfig(tls=True, authority=tmp_path / "ca.pem"))


def test_a_check_without_a_broker_says_so_and_knows_the_domains() -> None:
    found = Findings()
    place = MqttConfig(enabled=True, port=free_port(), domains={"hall": "law"})
    check_mqtt(found, place)
    check_domains(found, place, ["general"])
    told = [str(one) for one in found.all]
    assert "expected an MQTT broker at 127.0.0.1" in told[0]
    assert "mqtt.domains.hall: expected one of general, found law" in told[1]
    assert found.faults == 2


# A real broker.


def test_a_check_connects_to_the_broker_with_its_password(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "allow_anonymous false") as broker:
        found = Findings()
        check_mqtt(found, MqttConfig(enabled=True, port=broker.port))
        assert "ot authori" in str(found.all[0])
        assert found.faults == 1
    with mosquitto(tmp_path) as broker:
        found = Findings()
        check_mqtt(found, MqttConfig(enabled=True, port=broker.port))
        assert found.faults == 0
        assert "lets the daemon in" in str(found.all[0])


async def test_a_recording_has_the_same_words_over_the_broker_as_over_the_websocket(
    tmp_path: Path,
) -> None:
    recogniser = bundle.load("en").recogniser
    data = pcm(read_file(CLIP))
    frames = [data[at : at + 2_048] for at in range(0, len(data), 2_048)]
    with mosquitto(tmp_path) as broker:
        config = Config(
            server=ServerConfig(resume_s=0), mqtt=MqttConfig(enabled=True, port=broker.port)
        )
        async with (
            serving(recogniser, config=config) as served,
            aiomqtt.Client("127.0.0.1", broker.port) as client,
        ):
            async with talking(served.url) as talk:
                await talk.say(wire.Start(), data, wire.Stop())
                native = [e.text for e in await talk.rest() if isinstance(e, wire.Final)]
            await client.subscribe([("steno/status", 1), ("hermes/asr/textCaptured", 1)])
            await client.subscribe([("steno/desk/text", 1), ("steno/desk/state", 1)])
            messages = aiter(client.messages)
            while b"online" not in (await anext(messages)).payload:
                pass  # until the daemon has subscribed
            await client.publish("hermes/asr/startListening", b'{"stopOnSilence": false}', 1)
            for frame in frames:
                topic = "hermes/audioServer/default/audioFrame"
                await client.publish(topic, wav_file(Form(), frame))
                await client.publish("steno/desk/audio", frame)
            await client.publish("hermes/asr/stopListening", b"{}", 1)
            await client.publish("steno/desk/control", b'{"type": "stop"}', 1)
            heard: dict[str, list[bytes]] = {}
            async with asyncio.timeout(PATIENCE_S):
                while "hermes/asr/textCaptured" not in heard or b"idle" not in heard.get(
                    "steno/desk/state", []
                ):
                    message = await anext(messages)
                    heard.setdefault(str(message.topic), []).append(bytes(message.payload))
    [captured] = heard["hermes/asr/textCaptured"]
    assert native
    assert json.loads(captured)["text"] == " ".join(native)
    assert [text.decode() for text in heard["steno/desk/text"]] == native
