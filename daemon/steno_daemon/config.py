"""The configuration of the daemon: one TOML file, every field with its default.

[server]
port = 8765
[engine]
bundle = "en"
max_sessions = 4
[endpointing]
trailing_silence_ms = 700
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from steno_daemon.complaints import describe
from steno_daemon.errors import ConfigError
from steno_daemon.wire import Endpointing

Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Seconds = Annotated[float, msgspec.Meta(gt=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every table of the file has in common."""


class ServerConfig(_Section, frozen=True, kw_only=True):
    """Where to listen, and what a client may do."""

    host: str = "127.0.0.1"
    port: Port = 8765
    """0 lets the system choose."""
    reuse_port: bool = False
    """Whether other daemons on this machine may share the port; the system spreads clients."""
    behind_balancer: bool = False
    """Whether a client that comes back may come to another daemon, on whatever machine: a session
    then waits for it in `state_directory` alone."""
    max_frame_bytes: Annotated[int, msgspec.Meta(ge=64 * 1024)] = 4 * 1024 * 1024
    backlog_s: Seconds = 10.0
    """Audio of one session that may wait to be decoded before its client has to."""
    idle_timeout_s: Seconds = 300.0
    """A session that gets no message for so long is ended."""
    drain_timeout_s: Seconds = 20.0
    """How long a shutdown waits for the last words of running sessions."""
    origins: tuple[str, ...] = ()
    """Web pages that may connect, besides those of this machine, such as "https://example.org"."""
    certificate: Path | None = None
    """TLS certificate chain in PEM; with it the daemon speaks wss and https only."""
    key: Path | None = None
    """Private key of the certificate in PEM; left out, it is in the file of the certificate."""
    resume_s: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    """How long a session whose connection broke waits for its client; 0 ends it at once."""
    state_directory: Path | None = None
    """Where sessions are kept so that they outlive the daemon; left out, systemd's
    StateDirectory, or nowhere."""


class LimitsConfig(_Section, frozen=True, kw_only=True):
    """What one client may take."""

    session_s: Seconds = 12 * 3600.0
    """Audio of one session."""
    messages_per_s: Count = 50
    """Text messages a second, in the mean over ten seconds; audio is not counted."""
    viewers: Count = 500
    """Connections that watch sessions."""
    phrases: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1_000
    """Phrases that one session may expect at once."""
    phrase_words: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    """Words in one of them."""
    added_words: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1_000
    """Words that may be added to one session, or to one language model."""


class TokenConfig(_Section, frozen=True, kw_only=True):
    """One token and what it is good for."""

    name: str
    """What the log calls it."""
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    """The token's SHA-256 in hexadecimal: `stenod --hash-token` prints it."""
    scopes: tuple[Literal["recognise", "watch", "admin"], ...] = ("recognise", "watch")
    max_sessions: Count | None = None
    """Sessions at once under this token."""


class SecurityConfig(_Section, frozen=True, kw_only=True):
    """Who may do what. Without tokens everybody may, and only this machine reaches the port."""

    tokens: tuple[TokenConfig, ...] = ()
    tokens_file: Path | None = None
    """TOML file of more `[[tokens]]`; left out, the credential `tokens` of systemd."""


class CaptionsConfig(_Section, frozen=True, kw_only=True):
    """How captions are cut and shown."""

    punctuate: bool = True
    """Whether finals come with marks and capitals, where a session does not say."""
    written_numbers: bool = True
    """Whether they have figures as well: 25, $5.10, 10:30 am; likewise."""
    line_chars: Annotated[int, msgspec.Meta(ge=10, le=200)] = 42
    lines: Annotated[int, msgspec.Meta(ge=1, le=4)] = 2
    reading_chars_per_s: Annotated[float, msgspec.Meta(ge=5, le=60)] = 17.0
    expiry_s: Annotated[float, msgspec.Meta(ge=1, le=60)] = 6.0
    """A caption leaves the screen after so long without another."""
    delay_ms: Annotated[int, msgspec.Meta(ge=-60_000, le=60_000)] = 0
    """Added to every time, for a picture that is late."""
    replacements: dict[str, str] = {}
    """Words or phrases that captions show as others."""
    keep_s: Seconds = 3600.0
    """How long the captions of a session that ended can still be fetched."""
    hls_segment_s: Annotated[int, msgspec.Meta(ge=1, le=30)] = 6
    """Length of the live segments."""
    hls_mpegts: Annotated[int, msgspec.Meta(ge=0, lt=2**33)] = 0
    """MPEG-2 time, at 90 kHz, of the picture that belongs to the first sample of a session."""


class MicrophoneConfig(_Section, frozen=True, kw_only=True):
    """A microphone of this machine that the daemon itself listens to."""

    enabled: bool = False
    device: str = ""
    """Its number or part of its name, as `stenod --list-microphones` shows them; empty is the
    system's default."""
    label: str = "microphone"
    language_model: str = "general"


class VoskConfig(_Section, frozen=True, kw_only=True):
    """Clients of vosk-server, at /vosk and on a port of their own."""

    enabled: bool = False
    port: Port = 2700
    """0 for none of its own."""
    rate: Annotated[int, msgspec.Meta(ge=8_000, le=48_000)] = 8_000
    """Samples a second of clients that say nothing of it."""


class SherpaConfig(_Section, frozen=True, kw_only=True):
    """Clients of sherpa-onnx's streaming server, at /sherpa and on a port of their own."""

    enabled: bool = False
    port: Port = 6006
    """0 for none of its own."""


class DeepgramConfig(_Section, frozen=True, kw_only=True):
    """Clients of Deepgram's live transcription, at /v1/listen."""

    enabled: bool = False


class OpenAIConfig(_Section, frozen=True, kw_only=True):
    """Clients of OpenAI's realtime transcription, at /v1/realtime."""

    enabled: bool = False


class WyomingConfig(_Section, frozen=True, kw_only=True):
    """Clients of the Wyoming protocol, such as Home Assistant, on a port and a socket of their own.

    The protocol knows neither tokens nor encryption: who reaches them may use the daemon.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Port = 10_300
    """0 for none."""
    path: Path | None = None
    """A socket in the file system, besides the port."""
    name: str = "steno"
    """What the service calls itself."""
    open_to_network: bool = False
    """Whether `host` may be an address that others reach: everybody there may then speak."""
    announce: bool = False
    """Whether it is announced in the local network by zeroconf, for Home Assistant to find."""
    max_sessions: Count | None = None
    """At once; left out, as many as the daemon takes."""


class MqttConfig(_Section, frozen=True, kw_only=True):
    """An MQTT broker where sessions are held: by Rhasspy's Hermes, and by topics of its own.

    Who may do what there is up to the broker: whoever may publish under the topics may speak, and
    whoever may subscribe reads along.
    """

    enabled: bool = False
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1883
    tls: bool = False
    """Whether the connection is encrypted; brokers have port 8883 for it."""
    authority: Path | None = None
    """Certificates in PEM that are trusted; left out, the system's."""
    certificate: Path | None = None
    """The daemon's own certificate in PEM, for brokers that ask for one."""
    key: Path | None = None
    """Its private key; left out, it is in the file of the certificate."""
    username: str | None = None
    password_file: Path | None = None
    """File of the password alone; left out, systemd's credential `mqtt-password`."""
    client_id: str | None = None
    """What the broker calls the daemon; left out, a new word each time."""
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3_600)] = 60
    topic: Annotated[str, msgspec.Meta(pattern="^[^+#/\\x00]+(/[^+#/\\x00]+)*$")] = "steno"
    """What the daemon's own topics begin with."""
    own: bool = True
    """Whether sessions are held under them; its state is told there in any case."""
    hermes: bool = True
    """Whether sessions are held by Rhasspy's Hermes."""
    sites: tuple[str, ...] = ()
    """Sites of Hermes that are served; none means all."""
    domains: dict[str, str] = {}
    """Language models of sites, and of names under the daemon's own topics."""
    partials: bool = True
    """Whether hypotheses are posted while people speak."""
    queue_bytes: Annotated[int, msgspec.Meta(ge=64 * 1024)] = 16 * 1024 * 1024
    """Audio that may wait for one session."""
    max_sessions: Count | None = None
    """At once; left out, as many as the daemon takes."""
    group: Annotated[str, msgspec.Meta(pattern="^[^+#/\\x00]+$")] | None = None
    """Daemons of one group share the sessions under the daemon's own topics: whoever has room takes
    what is asked for under PREFIX/NAME/open. Left out, this daemon takes all of them."""


class RecordingConfig(_Section, frozen=True, kw_only=True):
    """Audio of sessions that consent, for a later look."""

    directory: Path | None = None
    """Where it is kept; left out, nothing is."""


class EngineConfig(_Section, frozen=True, kw_only=True):
    """What decodes, and for how many."""

    bundle: str = "en"
    """Name of a bundle that is shipped, or path of a directory."""
    max_sessions: Count | None = None
    """Sessions at once; left out, the daemon measures at its start how many keep up."""
    headroom: Annotated[float, msgspec.Meta(gt=0, le=64)] = 0.7
    """Share of one core that sessions may fill when the limit is measured."""
    degrade: bool = True
    """Whether sessions are decoded with less effort before further ones are refused, and when they
    fall behind or a final is late; if not, and with `batch_wait_ms = 0`, the same audio always
    gives the same words."""
    threads: Count = 1
    """Threads of the encoder; one leaves the other cores to the rest of the machine."""
    max_batch: Count | None = None
    """Sessions decoded together: cheaper each, and all wait for the last. Left out, up to 8."""
    batch_wait_ms: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 200
    """How long a chunk from within speech waits for those of other sessions where there are eight
    or more, less with fewer, not at all where there is one; what may end an utterance never waits.
    With 0 chunks are not made to end together either."""
    chunk_ms: Annotated[int, msgspec.Meta(ge=40, le=5_000)] | None = None
    """Decoding step of sessions that wish none; left out, the one the bundle was made for."""
    domains_directory: Path | None = None
    """Folder of language models besides the bundle's, one folder each, as `steno-models lm build
    --name` writes them; what is put there is loaded, what changes is loaded anew."""
    unknown_words: bool = True
    """Whether sessions that wish it are told of words that the lexicon lacks."""
    candidates: Path | None = None
    """Folder of what they could be (`steno-models unknown-words build`); else the bundle's own."""


class LogConfig(_Section, frozen=True, kw_only=True):
    """What to write to standard error; transcripts only at debug."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(_Section, frozen=True, kw_only=True):
    """The whole file."""

    server: ServerConfig = ServerConfig()
    engine: EngineConfig = EngineConfig()
    endpointing: Endpointing = Endpointing()
    limits: LimitsConfig = LimitsConfig()
    security: SecurityConfig = SecurityConfig()
    captions: CaptionsConfig = CaptionsConfig()
    microphone: MicrophoneConfig = MicrophoneConfig()
    vosk: VoskConfig = VoskConfig()
    deepgram: DeepgramConfig = DeepgramConfig()
    openai: OpenAIConfig = OpenAIConfig()
    sherpa: SherpaConfig = SherpaConfig()
    wyoming: WyomingConfig = WyomingConfig()
    mqtt: MqttConfig = MqttConfig()
    recording: RecordingConfig = RecordingConfig()
    log: LogConfig = LogConfig()

    @property
    def shares_clients(self) -> bool:
        """Whether a client that comes back may come to another daemon."""
        server = self.server
        return server.reuse_port or server.behind_balancer or self.mqtt.group is not None


HASH = "64 hexadecimal digits in small letters, as `stenod --hash-token` prints them"
Tables = Mapping[str, Mapping[str, object]]


def load(path: Path | None, overrides: Tables | None = None) -> Config:
    """Return the configuration: a TOML file, if there is one, and what goes over it.

    Raises:
        ConfigError: there is no such file, or something in it cannot be.
    """
    tables = _tables(path, overrides)
    try:
        return msgspec.convert(tables, Config, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the configuration is wrong: {_complaint(tables, error)}") from error


def load_what_is_right(
    path: Path | None, overrides: Tables | None = None
) -> tuple[Config, list[str]]:
    """Return the configuration without what is wrong in it, and each thing that is.

    Raises:
        ConfigError: there is no such file, or it is no TOML.
    """
    right: dict[str, dict[str, object]] = {}
    faults: list[str] = []
    for name, option, number, value in _options(_tables(path, overrides)):
        alone: dict[str, object] = {name: {option: value} if option else value}
        try:
            msgspec.convert(alone, Config, dec_hook=_path)
        except msgspec.ValidationError as error:
            complaint = _complaint(alone, error)
            faults.append(complaint.replace(f"{name}.{option}.0", f"{name}.{option}.{number}", 1))
            continue
        section = right.setdefault(name, {})
        if option:
            known = section.get(option)
            if isinstance(known, list) and isinstance(value, list):
                known.extend(value)
            else:
                section[option] = value
    return msgspec.convert(right, Config, dec_hook=_path), list(dict.fromkeys(faults))


def _options(tables: dict[str, object]) -> Iterator[tuple[str, str, int, object]]:
    """Yield section, name and value of every option; of a list of tables, one by one by number."""
    for name, table in tables.items():
        if not isinstance(table, dict) or not table:
            yield name, "", 0, table
            continue
        for option, value in table.items():
            if isinstance(value, list) and all(isinstance(one, dict) for one in value):
                for number, one in enumerate(value):
                    yield name, option, number, [one]
            else:
                yield name, option, 0, value


def _complaint(tables: dict[str, object], error: msgspec.ValidationError) -> str:
    """Return where something is wrong, what was expected and what was found."""
    fault = describe(tables, error, Config)
    where = f"{fault.where}: " if fault.where else ""
    # People write the token itself where its hash belongs.
    is_secret = fault.where.startswith("security.tokens.") and "a field" not in fault.found
    found = "something else" if is_secret else fault.found
    expected = HASH if fault.where.endswith(".sha256") else fault.expected
    return f"{where}expected {expected}, found {found}"


def _tables(path: Path | None, overrides: Tables | None) -> dict[str, object]:
    """Return the tables of a file, and what goes over them."""
    tables = _read(path) if path else {}
    for name, table in (overrides or {}).items():
        below = tables.get(name, {})
        if isinstance(below, dict):
            tables[name] = {**below, **table}
    return tables


def _path(kind: type, value: object) -> Path:
    """Return the path that a text of the file names; `~` is the home directory."""
    if kind is Path and isinstance(value, str) and value and "\0" not in value:
        return Path(value).expanduser()
    raise ValueError("Expected the path of a file or a folder")


def _read(path: Path) -> dict[str, object]:
    """Return the tables of a TOML file."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(
            f"cannot read the configuration: expected a file at {path}, found: {error.strerror}"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected TOML in {path}, found: {error}") from error
