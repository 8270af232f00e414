"""`stenod --check`: tries everything that serving would need, takes no port, names every fault.

What is found is told in lines, one a matter, so that an administrator sees at once what is wrong
and what the daemon would do:

    ok     tokens         lecture hall (recognise, watch; 2 sessions), boss (admin)
    warn   certificate    /etc/ssl/steno.pem: good for 9 days, until 2026-12-01 10:00 UTC
    FAULT  state          server.state_directory: expected a folder that can be written, found …

Secrets are in none of them.
"""

import logging
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from steno_daemon import activation, config
from steno_daemon.auth import Grant, Keyring, check_exposure, is_loopback
from steno_daemon.captions.replacements import Replacements
from steno_daemon.check_neighbours import check_domains, check_mqtt, check_wyoming
from steno_daemon.config import Config, EngineConfig, Tables
from steno_daemon.effort import measured_ladder
from steno_daemon.errors import StenoDaemonError
from steno_daemon.foreign import NAMES, own_ports
from steno_daemon.journal import directory_of
from steno_daemon.library import folders_of
from steno_daemon.origins import Origins
from steno_daemon.redaction import redact
from steno_daemon.server import Model
from steno_daemon.tls import Tls
from steno_daemon.transports.ear import find_form, import_sounddevice
from steno_models.errors import StenoModelsError

UNIT_STOP_S = 45.0
"""TimeoutStopSec= of the units: systemd ends by force what takes longer."""
LEAVE_S = 11.0
"""What may come after the drain: viewers leave, the engine and the recorder end."""

LoadModel = Callable[[EngineConfig], Model]


class Verdict(Enum):
    """How a matter stands."""

    OK = "ok"
    WARNING = "warn"
    FAULT = "FAULT"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: a matter, how it stands, and what was found."""

    verdict: Verdict
    matter: str
    text: str

    def __str__(self) -> str:
        return f"{self.verdict.value:5}  {self.matter:13}  {redact(self.text)}"


@dataclass(slots=True)
class Findings:
    """What was found so far.

    Attributes:
        all: in the order in which it was found.
    """

    all: list[Finding] = field(default_factory=list)

    @property
    def faults(self) -> int:
        """How many there are."""
        return sum(finding.verdict is Verdict.FAULT for finding in self.all)

    @property
    def summary(self) -> str:
        """The last line."""
        warnings = sum(finding.verdict is Verdict.WARNING for finding in self.all)
        if self.faults:
            return f"{_count(self.faults, 'fault')}: stenod would not serve as it should"
        if warnings:
            return f"stenod would serve, with {_count(warnings, 'warning')}"
        return "all is well"

    def ok(self, matter: str, text: str) -> None:
        """Note what is as it should be."""
        self.all.append(Finding(Verdict.OK, matter, text))

    def warn(self, matter: str, text: str) -> None:
        """Note what works and should be looked at."""
        self.all.append(Finding(Verdict.WARNING, matter, text))

    def fault(self, matter: str, text: object) -> None:
        """Note what is wrong."""
        self.all.append(Finding(Verdict.FAULT, matter, str(text)))

    @contextmanager
    def looking_at(self, matter: str) -> Iterator[None]:
        """Take errors for faults, and what is logged for warnings, of a matter."""
        handler = _Listener(self, matter)
        daemon = logging.getLogger("steno_daemon")
        daemon.addHandler(handler)
        propagates, daemon.propagate = daemon.propagate, False
        try:
            yield
        except (StenoDaemonError, StenoModelsError) as error:
            self.fault(matter, error)
        finally:
            daemon.propagate = propagates
            daemon.removeHandler(handler)


class _Listener(logging.Handler):
    """Notes warnings that are logged."""

    def __init__(self, findings: Findings, matter: str) -> None:
        super().__init__(logging.WARNING)
        self._findings = findings
        self._matter = matter

    def emit(self, record: logging.LogRecord) -> None:
        self._findings.warn(self._matter, record.getMessage())


def check(file: Path | None, overrides: Tables, load: LoadModel) -> Findings:
    """Return what there is to say of a configuration.

    Args:
        file: TOML; None for the defaults.
        overrides: what the command line says.
        load: loads the bundle, and what goes with it.
    """
    found = Findings()
    settings = _configuration(found, file, overrides)
    if settings is None:
        return found
    tokens_are_known = not any("security.tokens" in finding.text for finding in found.all)
    _encryption(found, settings)
    if tokens_are_known:
        _reach(found, settings)
    _dialects(found, settings)
    _directories(found, settings)
    _shutdown(found, settings)
    with found.looking_at("captions"):
        Replacements(settings.captions.replacements)
    _microphone(found, settings)
    check_wyoming(found, settings.wyoming)
    check_mqtt(found, settings.mqtt)
    _model(found, settings, load)
    return found


def _configuration(found: Findings, file: Path | None, overrides: Tables) -> Config | None:
    """Return the configuration without what is wrong in it, None where it cannot be read."""
    settings = None
    with found.looking_at("configuration"):
        settings, faults = config.load_what_is_right(file, overrides)
        for fault in faults:
            found.fault("configuration", fault)
        if not faults:
            found.ok("configuration", str(file) if file else "no file, everything by default")
    return settings


def _encryption(found: Findings, settings: Config) -> None:
    """Look at the certificate, and at the web pages that may connect."""
    place = settings.server
    with found.looking_at("certificate"):
        found.ok("certificate", _of_certificate(Tls.of(place), place.certificate))
    with found.looking_at("origins"):
        Origins(place.origins)


def _reach(found: Findings, settings: Config) -> None:
    """Look at who can connect: tokens and address."""
    place, keyring = settings.server, None
    with found.looking_at("tokens"):
        keyring = Keyring.of(settings.security)
        found.ok("tokens", ", ".join(map(_of_token, keyring.grants.values())) or "none needed")
    with found.looking_at("address"):
        activation.bind(place.host, 0, reuse_port=place.reuse_port).close()
        if keyring is not None:
            check_exposure(place.host, keyring, tls=place.certificate is not None)
        scheme = "wss" if place.certificate else "ws"
        reach = "this machine alone" if is_loopback(place.host) else "the network"
        found.ok("address", f"{scheme}://{place.host}:{place.port}, reached from {reach}")


def _dialects(found: Findings, settings: Config) -> None:
    """Look at the dialects of other servers, and at the ports that they want."""
    place, ports = settings.server, own_ports(settings)
    names = [
        f"{name} on port {ports[name]}" if name in ports else name
        for name in NAMES
        if getattr(settings, name).enabled
    ]
    taken = [name for name, port in ports.items() if port == place.port]
    taken += ["sherpa"] if len(set(ports.values())) < len(ports) else []
    for name in taken:
        found.fault("dialects", f"{name}.port: expected a port of its own, found {ports[name]}")
    if not taken:
        found.ok("dialects", ", ".join(names) or "the daemon's own alone")


def _of_certificate(tls: Tls | None, path: Path | None) -> str:
    if tls is None:
        return "none, connections are not encrypted"
    return f"{path}: good for {_count(int(tls.expires_s // 86_400), 'day')}"


def _of_token(grant: Grant) -> str:
    """Return a token's name and what it is good for."""
    scopes = ", ".join(sorted(scope.value for scope in grant.scopes)) or "nothing"
    if grant.max_sessions is None:
        return f"{grant.name} ({scopes})"
    return f"{grant.name} ({scopes}; {_count(grant.max_sessions, 'session')})"


def _directories(found: Findings, settings: Config) -> None:
    """Look at where sessions and recordings are kept."""
    for matter, option, directory, without in (
        ("state", "server.state_directory", directory_of(settings.server), "sessions end with it"),
        ("recordings", "recording.directory", settings.recording.directory, "nothing is recorded"),
    ):
        if directory is None:
            found.ok(matter, f"no {option}: {without}")
        elif (fault := _fault_of_directory(directory)) is not None:
            found.fault(matter, f"{option}: expected a folder that can be written, found {fault}")
        else:
            found.ok(matter, str(directory) if directory.exists() else f"{directory}, to be made")
    is_one_of_many = settings.server.behind_balancer or settings.mqtt.group is not None
    if is_one_of_many and directory_of(settings.server) is None:
        found.warn(
            "state",
            "expected server.state_directory to be a folder that all daemons behind the balancer, "
            "or of the group, see, found none: who comes back to another loses the session",
        )


def _fault_of_directory(directory: Path) -> str | None:
    """Return why a folder cannot be written or made, None if it can; nothing is left behind."""
    there = next(one for one in (directory, *directory.absolute().parents) if one.exists())
    try:
        with tempfile.TemporaryDirectory(dir=there, prefix="stenod-check-"):
            return None
    except OSError as error:
        what = "" if there == directory else f"{directory}, which is not there, in "
        return f"{what}{there}: {error.strerror}"


def _shutdown(found: Findings, settings: Config) -> None:
    """Compare the time for last words with what systemd gives."""
    drain_s = settings.server.drain_timeout_s
    told = f"last words have {drain_s:g} s, the unit gives {UNIT_STOP_S:g} s in all"
    if drain_s + LEAVE_S > UNIT_STOP_S:
        most = f"expected server.drain_timeout_s of at most {UNIT_STOP_S - LEAVE_S:g}"
        found.warn("shutdown", f"{told}: {most}, or a longer TimeoutStopSec= in a drop-in")
    else:
        found.ok("shutdown", told)


def _microphone(found: Findings, settings: Config) -> None:
    """Look whether the daemon's own microphone is there."""
    if not settings.microphone.enabled:
        found.ok("microphone", "none of its own")
        return
    with found.looking_at("microphone"):
        form = find_form(import_sounddevice(), settings.microphone.device)
        found.ok("microphone", f"{form.device}, {form.rate} Hz")


def _model(found: Findings, settings: Config, load: LoadModel) -> None:
    """Load the bundle, and measure how many sessions keep up."""
    with found.looking_at("bundle"):
        model = load(settings.engine)
        found.ok(
            "bundle",
            f"{model.name} {model.version}, language models: {', '.join(model.language_models)}",
        )
        _unknown_words(found, model.unknown_words)
        known = (*model.language_models, *_domains(found, settings, model))
        names = ", ".join(known)
        wanted = settings.microphone.language_model
        if settings.microphone.enabled and wanted not in known:
            found.fault(
                "microphone",
                f"microphone.language_model: expected one of {names}, found {wanted}",
            )
        check_domains(found, settings.mqtt, known)
        ladder = measured_ladder(settings.engine, model.recogniser, model.language_models)
        found.ok("capacity", f"up to {_count(ladder.most, 'session')} at once")


def _unknown_words(found: Findings, says: str) -> None:
    """Tell whether sessions hear of words that the lexicon lacks."""
    match says.split(": ", 1):
        case ["failed", why]:
            found.fault("unknown words", f"engine.candidates: {why}")
        case ["ok"]:
            found.ok("unknown words", "sessions that wish it are told of them")
        case _:
            found.ok("unknown words", "nobody is told of them")


def _domains(found: Findings, settings: Config, model: Model) -> list[str]:
    """Load every domain of the folder, and return the names of those that are as they should be."""
    directory = settings.engine.domains_directory
    if directory is None:
        found.ok("domains", "no engine.domains_directory: the bundle's language models alone")
        return []
    if model.load_domain is None:
        found.warn("domains", f"{directory}: {model.name} takes no language models but its own")
        return []
    try:
        folders = sorted(folders_of(directory))
    except OSError as error:
        found.fault(
            "domains",
            f"engine.domains_directory: expected a folder at {directory}, found: {error.strerror}",
        )
        return []
    names: list[str] = []
    for folder in folders:
        with found.looking_at("domains"):
            domain = model.load_domain(directory / folder)
            name = domain.description.name
            if name in (*names, *model.language_models):
                found.fault(
                    "domains", f"{directory / folder}: expected {name} once, found it twice"
                )
                continue
            names.append(name)
            found.ok("domains", f"{name}: {domain.description.words} words, from {folder}")
    if not folders:
        found.ok("domains", f"{directory}: none yet")
    return names


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
