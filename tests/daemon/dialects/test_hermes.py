"""Hermes and the daemon's own topics, message by message, without a broker."""

import json
from collections.abc import Mapping

import pytest
from tests.daemon.dialects.speaking import ABOUT, DOMAINS
from tests.daemon.fakes import pcm, speak
from tests.daemon.listening import Run

from steno_daemon import wire
from steno_daemon.dialects.broker import Broker
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.conversation import Conversation, Key, Open, Post, Switchboard, Tell
from steno_daemon.dialects.hermes import Hermes, Sites
from steno_daemon.dialects.pcm import Form, wav_block, wav_file
from steno_daemon.errors import WireError
from steno_daemon.offer import Offer
from steno_daemon.session import Session
from steno_daemon.states import State
from steno_daemon.wire import CloseReason, ErrorCode

CATALOGUE = Catalogue(ABOUT, "1.2", "en")
FRAME = "hermes/audioServer/default/audioFrame"


class House:
    """A switchboard and its sessions; what is received is heard at once."""

    def __init__(self, board: Switchboard) -> None:
        self.board = board
        self.runs: dict[Key, tuple[Conversation, Run]] = {}
        self.posts: list[Post] = []

    def say(self, topic: str, payload: Mapping[str, object] | bytes = b"") -> list[Post]:
        """Publish something, and return what is posted then."""
        before = len(self.posts)
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        for order in self.board.read(topic, data):
            match order:
                case Open(key=key, conversation=conversation):
                    run = Run()
                    run.session = Session("test", Offer(domains=DOMAINS))
                    self.runs[key] = (conversation, run)
                case Tell(key=key, message=message) if key in self.runs:
                    conversation, run = self.runs[key]
                    try:
                        for piece in conversation.pieces(message):
                            conversation.receive(run.session, piece)
                            self._advance(key)
                    except WireError as error:
                        run.session.complain(error)
                        self._advance(key)
                case Post():
                    self.posts.append(order)
                case _:
                    pass
        return self.posts[before:]

    def speak(self, sound: bytes, topic: str = FRAME, *, size: int = 2_048) -> list[Post]:
        """Publish sound as WAV files."""
        found: list[Post] = []
        for at in range(0, len(sound), size):
            found += self.say(topic, wav_file(Form(), sound[at : at + size]))
        return found

    def end(self, key: Key, reason: CloseReason) -> None:
        self.runs[key][1].session.end(reason)
        self._advance(key)

    def on(self, topic: str) -> list[dict[str, object]]:
        """What was posted on a topic."""
        return [json.loads(post.payload) for post in self.posts if post.topic == topic]

    @property
    def texts(self) -> list[object]:
        return [found["text"] for found in self.on("hermes/asr/textCaptured")]

    def _advance(self, key: Key) -> None:
        if key not in self.runs:
            return
        conversation, run = self.runs[key]
        run.events = []
        run.work()
        for event in run.events:
            self.posts += conversation.encode(event)
            if isinstance(event, wire.Closed):
                del self.runs[key]
                self.board.over(key, retry_after_s=None)
                return
        if conversation.is_satisfied and run.session.state is State.LISTENING:
            self.end(key, CloseReason.STOPPED)


def hermes(sites: Sites | None = None) -> House:
    return House(Hermes(CATALOGUE, sites or Sites(), lambda: 0.0))


def start(house: House, **fields: object) -> list[Post]:
    return house.say("hermes/asr/startListening", fields)


def test_a_session_from_start_to_text() -> None:
    house = hermes()
    start(house, siteId="default", sessionId="s", wakewordId="w", lang="en", stopOnSilence=False)
    house.speak(pcm(speak("do mi so")))
    assert house.texts == []
    house.say("hermes/asr/stopListening", {"siteId": "default", "sessionId": "s"})
    [found] = house.on("hermes/asr/textCaptured")
    tokens = found.pop("asrTokens")
    assert found == {
        "text": "do mi so",
        "likelihood": 0.9,
        "seconds": 0.0,
        "siteId": "default",
        "sessionId": "s",
        "wakewordId": "w",
        "lang": "en",
    }
    assert isinstance(tokens, list)
    [words] = tokens
    assert [(word["value"], word["rangeStart"], word["rangeEnd"]) for word in words] == [
        ("do", 0, 2),
        ("mi", 3, 5),
        ("so", 6, 8),
    ]
    assert 0 < words[0]["time"]["start"] < words[0]["time"]["end"] < words[1]["time"]["start"]
    assert house.on("rhasspy/asr/recordingFinished") == []


def test_silence_ends_a_session_that_wants_it_once_and_stop_listening_adds_nothing() -> None:
    house = hermes()
    start(house, sessionId="s")
    house.speak(pcm(speak("do mi")) + pcm(speak("re")))
    topics = [post.topic for post in house.posts if not post.is_passing]
    assert topics == ["rhasspy/asr/recordingFinished", "hermes/asr/textCaptured"]
    assert house.texts == ["do mi"]
    assert house.say("hermes/asr/stopListening", {"sessionId": "s"}) == []


def test_silence_before_the_first_word_ends_nothing() -> None:
    house = hermes()
    start(house)
    house.speak(bytes(4 * 32_000))
    assert house.posts == []
    house.say("hermes/asr/stopListening", {})
    assert house.texts == [""]


def test_frames_reach_every_session_of_their_site_and_session_frames_one() -> None:
    house = hermes()
    for session in ("a", "b"):
        start(house, sessionId=session, stopOnSilence=False)
    start(house, siteId="kitchen", sessionId="c", stopOnSilence=False)
    house.speak(pcm(speak("do")))
    house.speak(pcm(speak("mi")), "hermes/audioServer/default/b/audioSessionFrame")
    for site, session in (("default", "a"), ("default", "b"), ("kitchen", "c")):
        house.say("hermes/asr/stopListening", {"siteId": site, "sessionId": session})
    assert house.texts == ["do", "do mi", ""]


def test_a_session_that_starts_again_forgets_what_it_heard() -> None:
    house = hermes()
    start(house, sessionId="s", stopOnSilence=False)
    house.speak(pcm(speak("do")))
    start(house, sessionId="s", stopOnSilence=False)
    house.speak(pcm(speak("mi")))
    house.say("hermes/asr/stopListening", {"sessionId": "s"})
    assert house.texts == ["mi"]


def test_a_site_is_deaf_until_every_reason_is_over_or_no_reason_is_said() -> None:
    house = hermes()
    start(house, stopOnSilence=False)
    for reason in ("ttsSay", "playAudio"):
        house.say("hermes/asr/toggleOff", {"siteId": "default", "reason": reason})
    house.say("hermes/asr/toggleOn", {"siteId": "default", "reason": "ttsSay"})
    house.speak(pcm(speak("do")))
    house.say("hermes/asr/toggleOn", {"siteId": "default", "reason": "playAudio"})
    house.speak(pcm(speak("re")))
    house.say("hermes/asr/toggleOff", {"siteId": "default", "reason": "dialogueSession"})
    house.say("hermes/asr/toggleOff", {"siteId": "other"})
    house.speak(pcm(speak("mi")))
    house.say("hermes/asr/toggleOn", {})
    house.speak(pcm(speak("fa")))
    house.say("hermes/asr/stopListening", {})
    assert house.texts == ["re fa"]


def test_names_in_snake_case_and_fields_that_are_not_known_will_do() -> None:
    house = hermes()
    start(house, site_id="kitchen", session_id="s", stop_on_silence=False, x=1, intentFilter=None)
    house.speak(pcm(speak("do")), "hermes/audioServer/kitchen/audioFrame")
    house.say("hermes/asr/stopListening", {"site_id": "kitchen", "session_id": "s"})
    assert house.texts == ["do"]


def test_the_audio_comes_back_where_it_is_asked_for_before_the_text() -> None:
    house = hermes()
    start(house, sessionId="s", sendAudioCaptured=True, stopOnSilence=False)
    sound = pcm(speak("do"))
    house.speak(sound)
    *_, audio, text = house.say("hermes/asr/stopListening", {"sessionId": "s"})
    assert audio.topic == "rhasspy/asr/default/s/audioCaptured"
    assert wav_block(audio.payload) == (Form(), sound)
    assert text.topic == "hermes/asr/textCaptured"


def test_partials_are_passing_and_can_be_switched_off() -> None:
    house = hermes()
    start(house, sessionId="s")
    house.speak(pcm(speak("do mi so")))
    partials = house.on("hermes/asr/partialTextCaptured")
    assert partials[-1]["text"] == "do mi so"
    assert partials[-1]["sessionId"] == "s"
    quiet = hermes(Sites(partials=False))
    start(quiet)
    quiet.speak(pcm(speak("do mi so")))
    assert quiet.on("hermes/asr/partialTextCaptured") == []
    assert quiet.texts == ["do mi so"]


def test_a_site_has_its_language_model_and_a_session_may_name_another() -> None:
    house = hermes(Sites(domains={"default": "law"}))
    for said in ({}, {"languageModel": "general"}):
        start(house, **said)
        house.speak(pcm(speak("do")))
    assert house.texts == ["law-do", "do"]


def test_sites_that_are_not_served_are_another_service_s() -> None:
    house = hermes(Sites(names=("kitchen",)))
    start(house, siteId="default")
    start(house, siteId="kitchen")
    assert list(house.runs) == [("hermes", "kitchen", "")]
    assert "hermes/audioServer/kitchen/audioFrame" in house.board.topics
    assert "hermes/audioServer/+/audioFrame" not in house.board.topics


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"no json", "expected a JSON object"),
        (b'{"sessionId": "s", "stopOnSilence": "yes"}', "stopOnSilence is not understood"),
        (b'{"sessionId": "s", "lang": "de"}', "expected en, found de"),
        (b'{"sessionId": "s", "languageModel": "x"}', "expected one of general, law, found x"),
    ],
)
def test_a_start_that_cannot_be_is_answered_with_an_error(payload: bytes, says: str) -> None:
    house = hermes()
    house.say("hermes/asr/startListening", payload)
    [error] = house.on("hermes/error/asr")
    assert says in str(error["error"])
    assert error["context"] == "hermes/asr/startListening"
    assert error["sessionId"] == (None if payload == b"no json" else "s")
    assert not house.runs


@pytest.mark.parametrize("name", ["a+b", "#", "a/b", "a\0b", "\x1b[2J", "\ufffe", "\U0001ffff"])
def test_names_that_can_be_part_of_no_topic_open_no_session(name: str) -> None:
    house = hermes()
    house.say("hermes/asr/startListening", {"sessionId": name, "sendAudioCaptured": True})
    house.say("hermes/asr/startListening", {"siteId": name, "sendAudioCaptured": True})
    for error, what in zip(house.on("hermes/error/asr"), ("sessionId", "siteId"), strict=True):
        assert f"{what} is not understood" in str(error["error"])
    assert not house.runs


def test_a_frame_that_is_no_wav_file_is_an_error_once_and_the_session_goes_on() -> None:
    house = hermes()
    start(house, sessionId="s", stopOnSilence=False)
    for _ in range(3):
        house.say(FRAME, b"raw samples")
    house.speak(pcm(speak("do")))
    house.say("hermes/asr/stopListening", {"sessionId": "s"})
    [error] = house.on("hermes/error/asr")
    assert "expected a WAV file" in str(error["error"])
    assert house.texts == ["do"]


def test_a_long_frame_comes_in_pieces_that_are_files_themselves() -> None:
    house = hermes()
    start(house, stopOnSilence=False)
    house.speak(pcm(speak("do mi")), size=1_000_000)
    house.say("hermes/asr/stopListening", {})
    assert house.texts == ["do mi"]


def test_a_session_that_is_refused_has_an_error_and_no_text() -> None:
    house = hermes()
    start(house, sessionId="s")
    key = ("hermes", "default", "s")
    session = house.runs[key][1].session
    full = WireError(ErrorCode.OVERLOADED, "the daemon is full", expected="room", found="none")
    session.refuse(full)
    house._advance(key)
    [error] = house.on("hermes/error/asr")
    assert error["error"] == "the daemon is full: expected room, found none"
    assert house.texts == []


def test_a_session_that_the_daemon_ends_still_has_its_text() -> None:
    house = hermes()
    start(house, sessionId="s", stopOnSilence=False)
    house.speak(pcm(speak("do")))
    house.end(("hermes", "default", "s"), CloseReason.SHUTDOWN)
    assert house.texts == ["do"]


# The daemon's own topics.


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def own(clock: Clock | None = None) -> House:
    return House(Broker(CATALOGUE, "a/b", {"desk": "law"}, partials=True, clock=clock or Clock()))


def said(house: House, topic: str) -> list[str]:
    return [post.payload.decode() for post in house.posts if post.topic == topic]


def test_audio_alone_is_a_session() -> None:
    house = own()
    house.say("a/b/hall/audio", pcm(speak("do mi")))
    assert said(house, "a/b/hall/text") == ["do mi"]
    assert said(house, "a/b/hall/state") == ["listening"]
    house.say("a/b/hall/control", {"type": "stop"})
    assert said(house, "a/b/hall/state") == ["listening", "idle"]
    events = [wire.decode_server(text) for text in said(house, "a/b/hall/events")]
    assert isinstance(events[0], wire.Ready)
    assert events[0].token is None
    assert isinstance(events[-1], wire.Closed)
    retained = {post.topic for post in house.posts if post.is_retained}
    assert retained == {"a/b/hall/state"}


def test_a_start_says_what_the_audio_is_and_its_name_has_a_language_model() -> None:
    house = own()
    house.say("a/b/desk/control", {"type": "start", "rate": 48_000, "encoding": "pcm_f32le"})
    house.say("a/b/desk/audio", speak("do").repeat(3).astype("<f4").tobytes())
    assert said(house, "a/b/desk/text") == ["law-do"]


def test_a_message_that_is_none_is_an_error_and_the_session_goes_on() -> None:
    house = own()
    house.say("a/b/hall/control", b"\xff")
    house.say("a/b/hall/audio", pcm(speak("do")))
    house.say("a/b/hall/control", {"type": "resume", "token": "x"})
    errors = [
        event
        for event in map(wire.decode_server, said(house, "a/b/hall/events"))
        if isinstance(event, wire.Error)
    ]
    assert [error.fatal for error in errors] == [False, False]
    assert said(house, "a/b/hall/text") == ["do"]


def test_topics_of_others_are_passed_over() -> None:
    house = own()
    for topic in ("a/b/hall/text", "a/b/audio", "a/b/x/y/audio", "a/bc/hall/audio"):
        assert house.say(topic, bytes(640)) == []
    assert not house.runs
    assert house.board.topics == ("a/b/+/audio", "a/b/+/control")


def test_a_name_whose_session_broke_waits_before_it_opens_another() -> None:
    clock = Clock()
    house = own(clock)
    house.say("a/b/hall/audio", bytes(640))
    house.board.over(("steno", "hall"), retry_after_s=5.0)
    house.runs.clear()
    house.say("a/b/hall/audio", bytes(640))
    assert not house.runs
    clock.now_s = 5.0
    house.say("a/b/hall/audio", bytes(640))
    assert list(house.runs) == [("steno", "hall")]


def test_a_name_that_is_too_long_is_told_so() -> None:
    house = own()
    name = "x" * 101
    house.say(f"a/b/{name}/audio", bytes(640))
    [text] = said(house, f"a/b/{name}/events")
    assert "a name of 100 characters" in text
