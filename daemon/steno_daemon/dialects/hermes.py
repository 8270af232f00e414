"""The Hermes protocol of Rhasspy and its satellites, as a speech-to-text service on an MQTT broker.

    hermes/asr/toggleOn, toggleOff, startListening, stopListening
    hermes/audioServer/SITE/audioFrame                  →  every session of the site
    hermes/audioServer/SITE/SESSION/audioSessionFrame   →  this one alone

Payloads are JSON, audio comes as a WAV file a message. See `hermes_session` for what is posted. A
site is deaf while anything keeps it switched off: the dialogue, a sound that plays, a voice that
speaks; each says when it is over.

Source: https://github.com/rhasspy/rhasspy-hermes, release 0.6.2.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import msgspec

from steno_daemon.complaints import describe, shorten
from steno_daemon.dialects.catalogue import Catalogue
from steno_daemon.dialects.conversation import Key, Message, Open, Order, Tell
from steno_daemon.dialects.hermes_session import HermesSession, Listening, error_post
from steno_daemon.dialects.topics import is_level
from steno_daemon.errors import UnknownModelError, WireError
from steno_daemon.wire import ErrorCode

REASONS_MAX = 16
"""What may keep a site switched off at once."""
SITES_MAX = 1_000
START, STOP = "hermes/asr/startListening", "hermes/asr/stopListening"
AUDIO = "hermes/audioServer/"
ON, OFF = "hermes/asr/toggleOn", "hermes/asr/toggleOff"

SESSION_TOPICS = (START, STOP, ON, OFF)
"""What a service of speech to text listens to besides audio."""

Name = Annotated[str, msgspec.Meta(max_length=200)]
Said = TypeVar("Said")


class _Camel(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What every payload has in common; fields that are not known here are passed over."""

    site_id: Name = "default"
    session_id: Name | None = None


class _Start(_Camel, frozen=True, kw_only=True, rename="camel"):
    stop_on_silence: bool = True
    send_audio_captured: bool = False
    wakeword_id: str | None = None
    lang: str | None = None
    language_model: str | None = None
    """Not of Hermes: a domain for this session; without, the site's counts."""


class _Stop(_Camel, frozen=True, kw_only=True, rename="camel"):
    pass


class _Toggle(_Camel, frozen=True, kw_only=True, rename="camel"):
    reason: Name = ""


@dataclass(frozen=True, slots=True)
class Sites:
    """Which sites are served, and how.

    Attributes:
        names: of those; empty for all.
        domains: language model of each site that has one of its own.
        partials: whether hypotheses are posted.
    """

    names: tuple[str, ...] = ()
    domains: Mapping[str, str] = field(default_factory=dict)
    partials: bool = True


class Hermes:
    """Reads what Rhasspy says on the broker.

    Args:
        catalogue: language and language models.
        sites: which are served.
        clock: seconds from anywhere, for the time that texts took.
    """

    def __init__(self, catalogue: Catalogue, sites: Sites, clock: Callable[[], float]) -> None:
        self._catalogue = catalogue
        self._sites = sites
        self._clock = clock
        self._off: dict[str, set[str]] = {}
        self._open: dict[str, dict[Key, None]] = {}  # by their sites

    @property
    def topics(self) -> tuple[str, ...]:
        """What to subscribe to."""
        sites = self._sites.names or ("+",)
        audio = [
            f"{AUDIO}{site}/{kind}"
            for site in sites
            for kind in ("audioFrame", "+/audioSessionFrame")
        ]
        return (*SESSION_TOPICS, *audio)

    def read(self, topic: str, payload: bytes) -> Iterable[Order]:
        """Return what a message asks for; what cannot be is answered in `hermes/error/asr`."""
        if topic.startswith(AUDIO):
            return self._audio(topic, payload)
        return self._asked(topic, payload) if topic in SESSION_TOPICS else ()

    def over(self, key: Key, *, retry_after_s: float | None) -> None:  # noqa: ARG002
        """Take note that a session is over; the next one will be asked for, too."""
        here = self._open.get(key[1], {})
        here.pop(key, None)
        if not here:
            self._open.pop(key[1], None)

    def left(self, _key: Key, _message: Message) -> Iterable[Order]:
        """Return nothing: what comes behind the end of a session is not of the next one."""
        return ()

    # Within.

    def _asked(self, topic: str, payload: bytes) -> Iterator[Order]:
        """Yield what a message asks for that is no audio."""
        try:
            match topic:
                case "hermes/asr/startListening":
                    yield from self._start(_read(payload, _Start))
                case "hermes/asr/stopListening":
                    yield from self._stop(_read(payload, _Stop))
                case _:
                    self._toggle(_read(payload, _Toggle), is_off=topic == OFF)
        except WireError as error:
            yield error_post(_whose(payload), str(error), context=topic)

    def _audio(self, topic: str, payload: bytes) -> Sequence[Order]:
        """Return audio for the sessions that it is for, if the site listens."""
        site, _, rest = topic[len(AUDIO) :].partition("/")
        here = self._open.get(site)
        if not here or self._off.get(site):
            return ()
        message = Message("audio", payload)
        if rest == "audioFrame":
            return [Tell(key, message) for key in here]
        session, _, kind = rest.partition("/")
        key = _key(site, session)
        return (Tell(key, message),) if kind == "audioSessionFrame" and key in here else ()

    def _start(self, said: _Start) -> Iterator[Order]:
        if not self._serves(said.site_id):
            return
        _check_level("siteId", said.site_id)
        _check_level("sessionId", said.session_id or "")
        listening = Listening(
            site_id=said.site_id,
            session_id=said.session_id,
            stop_on_silence=said.stop_on_silence,
            send_audio_captured=said.send_audio_captured,
            wakeword_id=said.wakeword_id,
            lang=said.lang,
        )
        try:
            self._catalogue.check_language(said.lang)
            wish = said.language_model or self._sites.domains.get(said.site_id)
            model = self._catalogue.language_model(wish)
        except (UnknownModelError, WireError) as error:
            yield error_post(listening, str(error), context=START)
            return
        key = _key(said.site_id, said.session_id)
        self._open.setdefault(said.site_id, {})[key] = None
        yield Open(key, HermesSession(listening, model, self._clock, partials=self._sites.partials))

    def _stop(self, said: _Stop) -> Iterator[Order]:
        """End one session; silence may have ended it before, and then there is nothing to say."""
        yield Tell(_key(said.site_id, said.session_id), Message("stop"))

    def _toggle(self, said: _Toggle, *, is_off: bool) -> None:
        """Switch a site off for a reason, or take the reason away; no reason takes all of them."""
        if not self._serves(said.site_id):
            return
        reasons = self._off.setdefault(said.site_id, set())
        if is_off and len(reasons) < REASONS_MAX:
            reasons.add(said.reason)
        elif not is_off and said.reason:
            reasons.discard(said.reason)
        elif not is_off:
            reasons.clear()
        if not reasons or len(self._off) > SITES_MAX:
            del self._off[said.site_id]

    def _serves(self, site: str) -> bool:
        return not self._sites.names or site in self._sites.names


def _key(site: str, session: str | None) -> Key:
    return ("hermes", site, session or "")


def _check_level(what: str, name: str) -> None:
    """Check that topics can be made of a name.

    Raises:
        WireError: they cannot.
    """
    if not is_level(name):
        raise WireError(
            ErrorCode.INVALID_MESSAGE,
            f"{what} is not understood",
            expected="a name that can be a level of a topic: without /, +, # and what none prints",
            found=shorten(repr(name)),
        )


def _read(payload: bytes, kind: type[Said]) -> Said:
    """Return what a payload says; some clients write its names in snake case.

    Raises:
        WireError: it is no JSON, or something in it cannot be.
    """
    try:
        found: object = msgspec.json.decode(payload or b"{}")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise WireError(
            ErrorCode.INVALID_JSON,
            "the payload is not understood",
            expected='a JSON object such as {"siteId": "default"}',
            found=shorten(payload),
        )
    values = {_camel(name): value for name, value in found.items() if value is not None}
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        fault = describe(values, error, kind)
        raise WireError(
            ErrorCode.INVALID_MESSAGE,
            f"{fault.where or 'the payload'} is not understood",
            expected=fault.expected,
            found=fault.found,
        ) from None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


def _whose(payload: bytes) -> Listening:
    """Return whose message it was that is not understood, as far as that can be seen."""
    try:
        said = msgspec.json.decode(payload, type=_Stop)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Listening()
    return Listening(site_id=said.site_id, session_id=said.session_id)
