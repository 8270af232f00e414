import hashlib
import logging
from pathlib import Path

import pytest

from steno_daemon import auth
from steno_daemon.auth import (
    Grant,
    Keyring,
    Scope,
    check_exposure,
    hash_token,
    is_loopback,
    new_token,
    token_of,
)
from steno_daemon.config import SecurityConfig, TokenConfig, load
from steno_daemon.errors import ConfigError, ForbiddenError, LimitError, UnauthorisedError

SPEAKER = "a token of the speaker"
SCREEN = "a token of the screen"


def entry(token: str, name: str = "speaker", max_sessions: int | None = None) -> TokenConfig:
    return TokenConfig(
        name=name, sha256=hashlib.sha256(token.encode()).hexdigest(), max_sessions=max_sessions
    )


def written(folder: Path, *tokens: str) -> Path:
    path = folder / "tokens"
    lines = [f'[[tokens]]\nname = "{token}"\nsha256 = "{hash_token(token)}"\n' for token in tokens]
    path.write_text("".join(lines), encoding="utf-8")
    return path


# Who somebody is.


def test_without_tokens_everybody_may_do_everything() -> None:
    keyring = Keyring()
    assert keyring.is_open
    for token in (None, "", "whatever"):
        grant = keyring.grant(token)
        for scope in Scope:
            grant.require(scope)
        for _ in range(1_000):
            grant.enter()


def test_a_token_is_known_by_its_hash() -> None:
    screen = TokenConfig(name="screen", sha256=hash_token(SCREEN), scopes=("watch",))
    keyring = Keyring([entry(SPEAKER), screen])
    assert not keyring.is_open
    assert keyring.grant(SPEAKER).name == "speaker"
    assert keyring.grant(SPEAKER).scopes == {Scope.RECOGNISE, Scope.WATCH}
    assert keyring.grant(SCREEN).scopes == {Scope.WATCH}


@pytest.mark.parametrize(
    "token",
    [
        None,
        "",
        "guess",
        SPEAKER.upper(),
        SPEAKER + " ",
        SPEAKER[:-1],
        hash_token(SPEAKER),
        "ü\ud800\0",
        "x" * 100_000,
    ],
)
def test_who_shows_no_token_or_a_wrong_one_is_not_let_in(token: str | None) -> None:
    with pytest.raises(UnauthorisedError) as caught:
        Keyring([entry(SPEAKER)]).grant(token)
    assert "expected a token" in str(caught.value)
    assert not token or token not in str(caught.value)


def test_every_entry_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(one)
        return one == other

    tokens = [f"token number {number:04}" for number in range(5)]
    keyring = Keyring([entry(token, name=token) for token in tokens])
    monkeypatch.setattr("steno_daemon.auth.hmac.compare_digest", compare)
    for token in tokens:
        assert keyring.grant(token).name == token
    with pytest.raises(UnauthorisedError):
        keyring.grant("another one")
    assert compared == [bytes.fromhex(hash_token(token)) for token in tokens] * 6


@pytest.mark.parametrize(
    ("authorization", "query", "token"),
    [
        (None, None, None),
        ("", "", None),
        ("Bearer abc", None, "abc"),
        ("bearer  abc ", None, "abc"),
        (None, "abc", "abc"),
        ("Bearer header", "query", "header"),
        ("Bearer", "query", "query"),
        ("Basic dTpw", "query", "query"),
        ("Basic dTpw", None, None),
        ("Bearerabc", None, None),
    ],
)
def test_a_token_comes_in_the_header_or_in_the_query(
    authorization: str | None, query: str | None, token: str | None
) -> None:
    assert token_of(authorization, query) == token


# What somebody may do.


def test_a_scope_that_was_not_given_is_refused_in_words() -> None:
    grant = Keyring([entry(SPEAKER)]).grant(SPEAKER)
    grant.require(Scope.WATCH)
    with pytest.raises(ForbiddenError) as caught:
        grant.require(Scope.ADMIN)
    assert "speaker" in str(caught.value)
    assert (caught.value.expected, caught.value.found) == ("the scope admin", "recognise, watch")


def test_no_scope_includes_another() -> None:
    for scope in Scope:
        grant = Grant("one", frozenset({scope}))
        for other in Scope:
            if other is not scope:
                with pytest.raises(ForbiddenError):
                    grant.require(other)


def test_a_token_holds_so_many_sessions_and_no_more() -> None:
    keyring = Keyring([entry(SPEAKER, max_sessions=2), entry(SCREEN, "screen", max_sessions=1)])
    first, second = keyring.grant(SPEAKER), keyring.grant(SPEAKER)
    first.enter()
    second.enter()
    with pytest.raises(LimitError, match="expected at most 2 sessions at once") as caught:
        keyring.grant(SPEAKER).enter()
    assert caught.value.limit == "security.tokens.max_sessions"
    keyring.grant(SCREEN).enter()
    first.leave()
    keyring.grant(SPEAKER).enter()


def test_leaving_without_having_entered_is_a_fault_of_the_daemon() -> None:
    with pytest.raises(RuntimeError, match="one more"):
        Keyring().grant(None).leave()


# Where tokens come from.


def test_tokens_come_from_the_configuration_and_from_its_file(tmp_path: Path) -> None:
    path = written(tmp_path, SCREEN)
    security = SecurityConfig(tokens=(entry(SPEAKER),), tokens_file=path)
    keyring = Keyring.of(security, {})
    assert keyring.grant(SPEAKER)
    assert keyring.grant(SCREEN)


def test_tokens_come_as_a_credential_of_systemd(tmp_path: Path) -> None:
    written(tmp_path, SCREEN)
    keyring = Keyring.of(SecurityConfig(), {"CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert keyring.grant(SCREEN)
    assert Keyring.of(SecurityConfig(), {"CREDENTIALS_DIRECTORY": str(tmp_path / "no")}).is_open
    assert Keyring.of(SecurityConfig(), {}).is_open


def test_a_file_that_is_named_wins_over_the_credential(tmp_path: Path) -> None:
    (tmp_path / "credentials").mkdir()
    written(tmp_path / "credentials", SPEAKER)
    security = SecurityConfig(tokens_file=written(tmp_path, SCREEN))
    keyring = Keyring.of(security, {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")})
    assert keyring.grant(SCREEN)
    with pytest.raises(UnauthorisedError):
        keyring.grant(SPEAKER)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected [[tokens]] in"),
        ("tokens = 3", "tokens: expected array"),
        ("[[tokens]]\nname = 'x'\nsha256 = 'plain secret'\n", "tokens.0.sha256: expected"),
        ("[[tokens]]\nname = 'x'\ntoken = 'plain secret'\n", "expected one of name, sha256"),
        ("[[tokens]]\nname = 'x'\nsha256 = plain secret\n", "expected TOML in"),
        ("tokens = \udcff", "expected TOML in"),
    ],
)
def test_a_wrong_file_is_complained_about_without_its_secrets(
    tmp_path: Path, text: str, complaint: str
) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError) as caught:
        Keyring.of(SecurityConfig(tokens_file=path), {})
    assert complaint in str(caught.value)
    assert str(path) in str(caught.value)
    assert "plain secret" not in f"{caught.value} {caught.value.__cause__}"


def test_a_token_that_was_written_in_place_of_its_hash_is_not_repeated() -> None:
    tables = {"security": {"tokens": [{"name": "x", "sha256": "plain secret"}]}}
    with pytest.raises(ConfigError, match=r"security\.tokens\.0\.sha256: expected") as caught:
        load(None, tables)
    assert "plain secret" not in str(caught.value)


def test_a_missing_file_does_not_open_the_daemon_to_everybody(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a file at .*none"):
        Keyring.of(SecurityConfig(tokens_file=tmp_path / "none"), {})


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        (entry(SPEAKER, "a"), entry(SCREEN, "a"), "name"),
        (entry(SPEAKER, "a"), entry(SPEAKER, "b"), "sha256"),
    ],
)
def test_two_tokens_are_told_apart(one: TokenConfig, other: TokenConfig, what: str) -> None:
    with pytest.raises(ConfigError, match=f"expected every {what} once"):
        Keyring([one, other])


# Reloading.


def test_a_reload_keeps_the_count_of_sessions_under_new_limits() -> None:
    keyring = Keyring([entry(SPEAKER, max_sessions=1)])
    grant = keyring.grant(SPEAKER)
    grant.enter()
    keyring.adopt(Keyring([entry(SPEAKER, "renamed", max_sessions=2)]))
    assert keyring.holds(grant, Scope.RECOGNISE)
    keyring.grant(SPEAKER).enter()
    with pytest.raises(LimitError):
        keyring.grant(SPEAKER).enter()
    grant.leave()
    keyring.grant(SPEAKER).enter()


def test_a_token_that_was_taken_back_is_good_no_more() -> None:
    keyring = Keyring([entry(SPEAKER), entry(SCREEN, "screen")])
    speaker, screen = keyring.grant(SPEAKER), keyring.grant(SCREEN)
    narrowed = TokenConfig(name="screen", sha256=hash_token(SCREEN), scopes=("watch",))
    keyring.adopt(Keyring([entry("another token of the speaker"), narrowed]))
    assert not keyring.holds(speaker, Scope.RECOGNISE)
    assert not keyring.holds(screen, Scope.RECOGNISE)
    assert keyring.holds(screen, Scope.WATCH)
    assert keyring.holds(keyring.grant(SCREEN), Scope.WATCH)
    with pytest.raises(UnauthorisedError):
        keyring.grant(SPEAKER)


def test_a_reload_closes_and_opens_a_daemon() -> None:
    keyring = Keyring()
    everybody = keyring.grant(None)
    assert keyring.holds(everybody, Scope.ADMIN)
    keyring.adopt(Keyring([entry(SPEAKER)]))
    assert not keyring.holds(everybody, Scope.RECOGNISE)
    speaker = keyring.grant(SPEAKER)
    keyring.adopt(Keyring())
    assert keyring.holds(speaker, Scope.ADMIN)


# Whom the daemon is exposed to.


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.255.0.9", True),
        ("localhost", True),
        ("LocalHost", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("", False),
        ("0.0.0.0", False),  # noqa: S104 - to be recognised
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("192.168.1.5", False),
        ("fe80::1%lo", False),
        ("localhost.example.org", False),
        ("captions.example.org", False),
        ("127.0.0.1.example.org", False),
    ],
)
def test_which_addresses_this_machine_alone_reaches(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_daemon_without_tokens_may_not_be_exposed() -> None:
    check_exposure("127.0.0.1", Keyring(), tls=False)
    for tls in (True, False):
        with pytest.raises(ConfigError) as caught:
            check_exposure("0.0.0.0", Keyring(), tls=tls)  # noqa: S104 - what is refused
        assert "stenod --new-token" in str(caught.value)
        assert "127.0.0.1" in str(caught.value)


def test_tokens_that_cross_the_network_unencrypted_are_warned_about(
    caplog: pytest.LogCaptureFixture,
) -> None:
    keyring = Keyring([entry(SPEAKER)])
    with caplog.at_level(logging.WARNING):
        check_exposure("127.0.0.1", keyring, tls=False)
        check_exposure("192.168.1.5", keyring, tls=True)
        assert not caplog.records
        check_exposure("192.168.1.5", keyring, tls=False)
        assert "set server.certificate" in caplog.text


# Making tokens.


def test_a_new_token_is_long_random_and_usable() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    for token in tokens:
        assert len(token) >= 43
        assert token.startswith("steno_")
        assert Keyring([entry(token)]).grant(token)
        assert TokenConfig(name="x", sha256=hash_token(token)).sha256 == hash_token(token)


def test_a_token_that_is_easy_to_guess_gets_no_hash() -> None:
    with pytest.raises(ConfigError, match="expected 16 random characters") as caught:
        hash_token("opensesame")
    assert "opensesame" not in str(caught.value)


def test_tokens_and_scopes_of_the_configuration_are_those_of_the_daemon() -> None:
    assert set(TokenConfig(name="x", sha256="0" * 64).scopes) <= set(auth.Scope)
    every = TokenConfig(name="x", sha256="0" * 64, scopes=("recognise", "watch", "admin"))
    assert set(every.scopes) == set(Scope)
