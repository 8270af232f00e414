from pathlib import Path

import pytest

from steno_daemon.config import Config, load
from steno_daemon.endpoint import Rules
from steno_daemon.errors import ConfigError


def written(folder: Path, text: str) -> Path:
    path = folder / "stenod.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_everything_has_its_default() -> None:
    assert load(None) == Config()
    assert Config().server.port == 8765


def test_a_file_says_what_differs_and_the_command_line_wins(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '[server]\nport = 9000\nhost = "::1"\n[engine]\nmax_sessions = 3\n'
        "[endpointing]\ntrailing_silence_ms = 500\n",
    )
    config = load(path, {"server": {"port": 9001}, "log": {}})
    assert (config.server.host, config.server.port) == ("::1", 9001)
    assert config.engine.max_sessions == 3
    assert Rules().changed(config.endpointing).trailing_silence_samples == 8_000


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[server]\nport = 99999\n", "server.port: expected int <= 65535, found 99999"),
        ('[server]\nport = "x"\n', 'server.port: expected int, found "x"'),
        ("[server]\nprot = 1\n", "server.prot: expected one of host, port"),
        ("[serve]\n", "serve: expected one of server, engine, endpointing, limits"),
        ('[log]\nlevel = "loud"\n', "log.level: expected one of debug, error, info, warning"),
        ("[engine]\nmax_sessions = 0\n", "engine.max_sessions: expected int >= 1, found 0"),
        ("server = 3\n", "server: expected object, found 3"),
        ("port = = 3\n", "expected TOML"),
    ],
)
def test_a_wrong_file_is_told_where_and_why(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text))
    assert complaint in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a file at .*none\.toml"):
        load(tmp_path / "none.toml")


def test_paths_are_read_from_texts(tmp_path: Path) -> None:
    file = tmp_path / "stenod.toml"
    file.write_text(
        f'[server]\nstate_directory = "{tmp_path}/state"\ncertificate = "~/a.pem"\n'
        '[recording]\ndirectory = "captures"\n'
    )
    read = load(file)
    assert read.server.state_directory == tmp_path / "state"
    assert read.server.certificate == Path("~/a.pem").expanduser()
    assert read.recording.directory == Path("captures")


@pytest.mark.parametrize("wrong", ['""', "1", '"a\\u0000b"', "true"])
def test_what_cannot_be_a_path_is_named(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "stenod.toml"
    file.write_text(f"[server]\nstate_directory = {wrong}\n")
    with pytest.raises(ConfigError, match=r"server\.state_directory: expected .*path"):
        load(file)
