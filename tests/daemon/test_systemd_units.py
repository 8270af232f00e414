"""The units, their examples and the example configuration, as they are installed."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import get_type_hints

import msgspec
import pytest

from steno_daemon import config
from steno_daemon.endpoint import Rules

REPOSITORY = Path(__file__).resolve().parents[2]
SYSTEMD = REPOSITORY / "systemd"
SERVICES = ["stenod.service", "stenod@1.service"]
EXPOSURE_MAX = 1.5
PATIENCE_S = 120
# Stands in for the interpreter: makes a "virtual environment" whose pip says what it was asked for
# and installs a program that does nothing.
PYTHON = """#!/bin/sh
case $1 in
    -c) echo "${INTERPRETER:-/usr/bin/python3.11}" ;;
    -m) mkdir -p "$3/bin"
        cat >"$3/bin/pip" <<'END'
#!/bin/sh
bin=$(dirname "$0")
echo "$@" >"$bin/asked"
printf '#!%s/python3\\n' "$bin" >"$bin/stenod"
chmod +x "$bin/stenod"
END
        chmod +x "$3/bin/pip" ;;
esac
"""

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="needs systemd-analyze, of Debian's systemd"
)


class Target:
    """A file system of its own that make installs into."""

    def __init__(self, root: Path) -> None:
        self.root = root / "root"
        self.python = root / "python"
        self.python.write_text(PYTHON)
        self.python.chmod(0o755)

    def make(self, goal: str, **variables: str) -> subprocess.CompletedProcess[str]:
        values = {"DESTDIR": str(self.root), "PYTHON": str(self.python), **variables}
        return subprocess.run(
            ["make", "-s", goal, *(f"{name}={value}" for name, value in values.items())],
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env={name: value for name, value in os.environ.items() if name != "PREFIX"},
        )

    def files(self) -> set[str]:
        """What there is."""
        found = (path for path in self.root.rglob("*") if not path.is_dir())
        return {str(path.relative_to(self.root)) for path in found}

    def units(self) -> Path:
        return self.root / "etc/systemd/system"


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


@pytest.fixture
def installed(target: Target) -> Target:
    done = target.make("install-service")
    assert done.returncode == 0, done.stderr
    return target


def analyze(*arguments: str | Path, units: Path | None = None) -> subprocess.CompletedProcess[str]:
    path = {"SYSTEMD_UNIT_PATH": f"{units}:"} if units else {}
    return subprocess.run(
        ["systemd-analyze", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
        env={**os.environ, **path},
    )


def verified(units: Path) -> str:
    """What is wrong with the units in a directory, as systemd sees it."""
    files = [*units.glob("stenod*.service"), *units.glob("stenod*.d/*.conf")]
    for unit in files:  # with a program that this machine has
        unit.write_text(unit.read_text().replace("/opt/steno/bin/stenod", sys.executable))
    names = [*SERVICES, "stenod.socket"]
    done = analyze("verify", "--man=no", *(units / name for name in names), units=units)
    return done.stdout + done.stderr + ("" if done.returncode == 0 else f"{done.returncode}")


def exposure(units: Path, name: str) -> float:
    done = analyze("security", "--offline=true", "--no-pager", units / name, units=units)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])


@needs_systemd
def test_the_units_are_without_fault(installed: Target) -> None:
    assert verified(installed.units()) == ""


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_exposed_little(installed: Target, name: str) -> None:
    assert exposure(installed.units(), name) <= EXPOSURE_MAX


@needs_systemd
@pytest.mark.parametrize("example", sorted((SYSTEMD / "examples").glob("*.conf")), ids=str)
def test_every_example_is_a_drop_in_without_fault_that_exposes_little(
    installed: Target, example: Path
) -> None:
    units = installed.units()
    directory = "stenod@.service.d" if "%i" in example.read_text() else "stenod.service.d"
    assert directory in example.read_text()
    (units / directory).mkdir()
    shutil.copy(example, units / directory)
    assert verified(units) == ""
    assert exposure(units, SERVICES["@" in directory]) <= EXPOSURE_MAX


def settings(name: str) -> list[str]:
    """The lines of a unit that are no comments."""
    lines = (SYSTEMD / name).read_text().split("\n")
    return [line for line in lines if line and not line.startswith("#")]


def test_the_template_is_the_service_with_a_shared_port() -> None:
    one, many = settings("stenod.service"), settings("stenod@.service")
    assert len(one) == len(many)
    differences = [(a, b) for a, b in zip(one, many, strict=True) if a != b]
    name = "Description=Steno, streaming speech recognition"
    start = "ExecStart=/opt/steno/bin/stenod --config /etc/steno/stenod.toml"
    assert differences == [(name, f"{name}, instance %i"), (start, f"{start} --reuse-port")]


def test_the_units_and_the_defaults_of_the_daemon_agree() -> None:
    service = dict(line.split("=", 1) for line in settings("stenod.service") if "=" in line)
    server = config.ServerConfig()
    assert int(service["TimeoutStopSec"]) > server.drain_timeout_s
    assert f"ListenStream={server.host}:{server.port}" in settings("stenod.socket")


def test_numba_is_why_memory_may_become_executable() -> None:
    refuse_new_executable_memory = "ctypes.CDLL(None).prctl(65, 1, 0, 0, 0)"  # PR_SET_MDWE
    program = (
        f"import ctypes\nif {refuse_new_executable_memory}: raise SystemExit('old kernel')\n"
        "import numba\nprint(numba.njit(lambda x: x + 1)(1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    if done.stderr.startswith("old kernel"):
        pytest.skip("needs PR_SET_MDWE, of Linux 6.3")
    assert done.returncode == 1
    assert "cannot allocate executable memory" in done.stderr
    assert "MemoryDenyWriteExecute=no" in settings("stenod.service")


def example_configuration() -> str:
    return (SYSTEMD / "stenod.toml").read_text()


def without_comment_signs(text: str) -> str:
    """The example as it is when every option of it is used."""
    return re.sub(r"(?m)^# (?=\w+ = |\[\[)", "", text)


def test_the_example_configuration_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "stenod.toml"
    path.write_text(example_configuration())
    assert config.load(path) == config.Config()


def test_the_example_configuration_names_every_option_with_its_default() -> None:
    named = tomllib.loads(without_comment_signs(example_configuration()))
    assert list(named) == [field.name for field in msgspec.structs.fields(config.Config)]
    for section, default in get_type_hints(config.Config).items():
        fields = {field.name for field in msgspec.structs.fields(default)}
        assert set(named[section]) == fields, section
        for name in fields:
            if (value := getattr(default(), name)) not in (None, ()):
                assert named[section][name] == value, name
    assert set(named["security"]["tokens"][0]) == set(config.TokenConfig.__struct_fields__)


def test_every_option_of_the_example_configuration_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "stenod.toml"
    path.write_text(without_comment_signs(example_configuration()))
    rules = Rules()
    assert rules.changed(config.load(path).endpointing) == rules


def test_the_example_of_tokens_is_one(tmp_path: Path) -> None:
    tables = tomllib.loads((SYSTEMD / "examples/stenod.tokens").read_text())
    (tmp_path / "tokens").write_text((SYSTEMD / "examples/stenod.tokens").read_text())
    (token,) = msgspec.convert(tables["tokens"], tuple[config.TokenConfig, ...])
    assert token.max_sessions == 2


def test_an_installation_is_the_program_its_units_and_its_configuration(installed: Target) -> None:
    outside = {name for name in installed.files() if not name.startswith("opt/steno/")}
    units = {f"etc/systemd/system/{name}" for name in ("stenod.service", "stenod@.service")}
    assert outside == units | {"etc/systemd/system/stenod.socket", "etc/steno/stenod.toml"}
    asked = (installed.root / "opt/steno/bin/asked").read_text()
    assert asked == "install --quiet -c constraints.txt .[daemon,microphone,mqtt,zeroconf]\n"
    program = (installed.root / "opt/steno/bin/stenod").read_text()
    assert program == "#!/opt/steno/bin/python3\n"
    assert (installed.root / "opt/steno/share/doc/steno/examples/tls.conf").exists()


def test_another_prefix_is_where_the_units_look(target: Target) -> None:
    flags = "--no-index --find-links=/wheels"
    done = target.make("install-service", PREFIX="/usr/lib/steno", PIP_FLAGS=flags)
    assert done.returncode == 0, done.stderr
    unit = (target.units() / "stenod.service").read_text()
    assert "ExecStart=/usr/lib/steno/bin/stenod --config" in unit
    assert "ExecPaths=/usr/lib/steno\n" in unit
    example = target.root / "usr/lib/steno/share/doc/steno/examples/own-ports.conf"
    assert "ExecStart=/usr/lib/steno/bin/stenod " in example.read_text()
    assert flags in (target.root / "usr/lib/steno/bin/asked").read_text()


def test_what_was_installed_can_be_taken_away_without_a_trace(target: Target) -> None:
    other = target.units() / "other.service"
    other.parent.mkdir(parents=True)
    other.write_text("not ours")
    assert target.make("install-service").returncode == 0
    assert target.make("uninstall-service").returncode == 0
    assert target.files() == {"etc/systemd/system/other.service"}
    assert not (target.root / "etc/steno").exists()
    assert not (target.root / "opt/steno").exists()


def test_a_second_installation_keeps_the_configuration(installed: Target) -> None:
    configuration = installed.root / "etc/steno/stenod.toml"
    configuration.write_text("[server]\nport = 9000\n")
    (installed.units() / "stenod.service").write_text("an older version")
    done = installed.make("install-service")
    assert "stenod.toml is kept as it is" in done.stdout
    assert configuration.read_text() == "[server]\nport = 9000\n"
    assert "an older version" not in (installed.units() / "stenod.service").read_text()


def test_taking_away_keeps_what_the_administrator_wrote(installed: Target) -> None:
    written = {
        "etc/steno/stenod.toml": "[server]\nport = 9000\n",
        "etc/steno/key.pem": "secret",
        "etc/systemd/system/stenod.service.d/tls.conf": "[Service]\n",
        "var/lib/private/steno/session": "words",
    }
    for name, text in written.items():
        path = installed.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert installed.make("install-service").returncode == 0
    done = installed.make("uninstall-service")
    assert done.returncode == 0, done.stderr
    assert installed.files() == set(written)
    assert f"kept {installed.root}/etc/steno/stenod.toml: it was changed since" in done.stdout
    assert f"kept {installed.root}/var/lib/private/steno: what the service" in done.stdout


def test_a_configuration_that_was_there_before_is_kept_to_the_end(target: Target) -> None:
    configuration = target.root / "etc/steno/stenod.toml"
    configuration.parent.mkdir(parents=True)
    configuration.write_text("[log]\nlevel = 'debug'\n")
    assert target.make("install-service").returncode == 0
    assert target.make("uninstall-service").returncode == 0
    assert target.files() == {"etc/steno/stenod.toml"}


def test_nothing_is_taken_away_where_nothing_was_installed(target: Target) -> None:
    (target.root / "opt/steno").mkdir(parents=True)
    (target.root / "opt/steno/precious").write_text("not ours")
    done = target.make("uninstall-service")
    assert done.returncode != 0
    assert "expected an installation" in done.stderr
    assert target.files() == {"opt/steno/precious"}


def test_a_directory_of_others_is_not_installed_into(target: Target) -> None:
    (target.root / "usr/local").mkdir(parents=True)
    (target.root / "usr/local/precious").write_text("not ours")
    done = target.make("install-service", PREFIX="/usr/local")
    assert done.returncode != 0
    assert "expected a new or empty directory, or Steno, as PREFIX" in done.stderr
    assert target.files() == {"usr/local/precious"}


@pytest.mark.parametrize(
    ("prefix", "complaint"),
    [
        ("/home/me/steno", "expected a PREFIX that services can read, found /home/me/steno"),
        ("/usr", "expected a directory of its own as PREFIX, found /usr"),
        ("steno", "expected a directory of its own as PREFIX, found steno"),
        ("/opt/my steno", "expected a plain path as PREFIX, found /opt/my steno"),
        ("/opt/|steno", "expected a plain path as PREFIX, found /opt/|steno"),
    ],
)
def test_a_prefix_that_cannot_be_is_refused(target: Target, prefix: str, complaint: str) -> None:
    done = target.make("install-service", PREFIX=prefix)
    assert done.returncode != 0
    assert f"install-service: {complaint}" in done.stderr
    assert not target.root.exists()


def test_an_interpreter_in_a_home_is_refused(
    target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INTERPRETER", "/home/me/.pyenv/bin/python3.11")
    done = target.make("install-service")
    assert done.returncode != 0
    assert "expected a Python that services can read, found /home/me/.pyenv" in done.stderr
    assert not target.root.exists()
