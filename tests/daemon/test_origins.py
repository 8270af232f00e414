import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno_daemon.errors import ConfigError, ForbiddenError
from steno_daemon.origins import Origins

HOST = "captions.example:8765"


@pytest.mark.parametrize(
    "origin",
    [
        "http://localhost",
        "https://localhost",
        "http://localhost:3000",
        "HTTP://LocalHost:3000",
        "http://127.0.0.1:8765",
        "http://127.1.2.3",
        "http://[::1]",
        "http://[::1]:8765",
        "http://[0:0:0:0:0:0:0:1]",
        "http://captions.example:8765",
        "https://captions.example:8765",
        "http://CAPTIONS.example:8765",
        "https://stage.example",
        "https://stage.example:443",
        "https://Stage.Example",
        "http://10.0.0.5:8080",
        "capacitor://app",
    ],
)
def test_pages_of_this_machine_of_this_host_and_named_ones_may_connect(origin: str) -> None:
    named = ("https://stage.example", "http://10.0.0.5:8080", "capacitor://app")
    assert Origins(named).allows(origin, HOST)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "*",
        "http://",
        "localhost",
        "//localhost",
        "file://",
        "http://localhost.evil.example",
        "http://evil.example/localhost",
        "http://localhost@evil.example",
        "http://evil.example#localhost",
        "http://evil.example?http://localhost",
        "http://localhost,http://evil.example",
        "http://localhost http://evil.example",
        "http://localhost:3000:8765",
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:65536",
        "http://localhost:3e3",
        "http://localhost:٣",
        "http://localhost\n",
        "http://localhost\0.evil.example",
        " http://localhost",
        "http://localhost/",
        "http://localhost.",
        "http://ｌocalhost",
        "http://lоcalhost",
        "ftp://localhost",
        "chrome-extension://localhost",
        "http://127.0.0.1.evil.example",
        "http://127.1",
        "http://0x7f000001",
        "http://2130706433",
        "http://0.0.0.0",
        "http://[::1].evil.example",
        "http://[::1",
        "http://[::1]x",
        "http://[::ffff]",
        "http://[::1%25lo]",
        "http://[12345::1]",
        "http://::1",
        "http://captions.example",
        "http://captions.example:8766",
        "http://captions.example:80",
        "http://xcaptions.example:8765",
        "http://captions.example.evil:8765",
        "http://stage.example",
        "https://stage.example:8443",
        "https://stage.example.evil",
        "https://evilstage.example",
        "https://stage.example/",
        "https://" + "a" * 100_000,
    ],
)
def test_every_other_page_is_refused(origin: str) -> None:
    assert not Origins(["https://stage.example"]).allows(origin, HOST)


def test_who_says_no_origin_is_no_browser() -> None:
    assert Origins().allows(None, HOST)
    assert Origins().allows(None, None)


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://captions.example", "captions.example", True),
        ("http://captions.example", "captions.example:80", True),
        ("https://captions.example", "captions.example", True),
        ("https://captions.example:443", "captions.example", True),
        ("https://captions.example", "captions.example:443", True),
        ("https://captions.example", "captions.example:80", False),
        ("https://captions.example", "CAPTIONS.EXAMPLE", True),
        ("http://192.168.1.5:8765", "192.168.1.5:8765", True),
        ("http://[fd00::5]:8765", "[fd00:0:0:0:0:0:0:5]:8765", True),
        ("http://[fd00::5]:8765", "[fd00::6]:8765", False),
        ("http://captions.example", None, False),
        ("http://captions.example", "", False),
        ("http://captions.example", "captions.example, evil.example", False),
        ("http://captions.example", "captions.example/x", False),
        ("http://captions.example:8765", "captions.example:8765\n", False),
    ],
)
def test_a_page_of_the_same_host_and_port_may_connect(
    origin: str, host: str | None, *, same: bool
) -> None:
    assert Origins(any_host=True).allows(origin, host) is same


@given(st.text(max_size=40))
def test_no_text_brings_the_decision_down_or_gets_through_by_chance(text: str) -> None:
    origins = Origins()
    assert not origins.allows(text, HOST)
    assert not origins.allows(f"http://localhost{text or '.'}x", HOST)
    assert not origins.allows(f"http://localhost.{text}", HOST)
    origins.answers_to(text)


# Names of the daemon.


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8765", "127.0.0.1:8765", "[::1]:8765", "LOCALHOST"]
)
def test_an_open_daemon_answers_to_the_names_of_this_machine(host: str) -> None:
    assert Origins().answers_to(host)


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example:8765", "localhost.evil.example", "captions.example", "10.0.0.1"],
)
def test_a_name_that_was_made_to_point_here_is_refused_by_an_open_daemon(host: str | None) -> None:
    assert not Origins().answers_to(host)
    with pytest.raises(ForbiddenError, match="expected localhost or the host of one of"):
        Origins().check(None, host)
    assert Origins(any_host=True).answers_to(host)
    Origins(any_host=True).check(None, host)


def test_a_rebound_name_gets_nowhere_although_both_headers_agree() -> None:
    assert Origins().allows("http://evil.example:8765", "evil.example:8765")
    with pytest.raises(ForbiddenError) as caught:
        Origins().check("http://evil.example:8765", "evil.example:8765")
    assert caught.value.found == "evil.example:8765"


def test_behind_a_proxy_an_open_daemon_goes_by_the_names_of_its_pages() -> None:
    origins = Origins(["https://stage.example"])
    origins.check("https://stage.example", "stage.example")
    origins.check(None, "stage.example:8443")


def test_a_foreign_page_is_told_what_was_expected_in_one_clean_line() -> None:
    with pytest.raises(ForbiddenError) as caught:
        Origins().check("https://evil.example\r\nforged?token=abc", "localhost:8765")
    assert caught.value.found == "https://evil.example\\r\\nforged?token=…"
    assert "expected a page of this host or one of server.origins" in str(caught.value)


# What the configuration says, and what other pages may read.


@pytest.mark.parametrize(
    "origin",
    ["*", "example.org", "https://example.org/", "https://*.example.org", "", "https://bücher.de"],
)
def test_what_is_no_origin_cannot_be_configured(origin: str) -> None:
    with pytest.raises(ConfigError, match=r"server\.origins: expected scheme, host and port alone"):
        Origins([origin])


def test_only_an_allowed_page_may_read_an_answer() -> None:
    origins = Origins(["https://stage.example"])
    allowed = origins.cors_headers("https://stage.example", HOST)
    assert allowed == {
        "Access-Control-Allow-Origin": "https://stage.example",
        "Vary": "Origin",
    }
    assert origins.cors_headers("https://evil.example", HOST) == {"Vary": "Origin"}
    assert origins.cors_headers(None, HOST) == {"Vary": "Origin"}
