"""Hostile requests: wrong paths, wrong heads, wrong bodies, for every route; and slow ones."""

from random import Random
from urllib.parse import quote

from tests.daemon import nasty
from tests.daemon.mutant import CHUNK, HOST, KEY, Ending, Mutant, Send, closing, request, upgrade
from tests.daemon.mutants_websocket import MEGABYTE, SIZES, start

ROUTES = (
    "/",
    "/overlay",
    "/web/{}",
    "/sessions",
    "/watch/{}",
    "/watch/live",
    "/captions/{}.vtt",
    "/captions/{}.srt",
    "/captions/live.vtt",
    "/captions/live.srt",
    "/captions/live/index.m3u8",
    "/captions/live/segment-0.vtt",
    "/captions/live/segment-{}.vtt",
    "/captions/{}/index.m3u8",
    "/captions/{}/segment-{}.vtt",
    "/healthz",
    "/readyz",
    "/metrics",
    "/status",
    "/{}",
)
QUERIES = ("token", "after", "delay_ms", "x")
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "G\0T", "get", "")
HEADERS = (
    "Host",
    "Origin",
    "Authorization",
    "Last-Event-ID",
    "Range",
    "Accept",
    "Accept-Encoding",
    "Cookie",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
    "If-None-Match",
    "If-Modified-Since",
    "Upgrade",
    "Connection",
    "X-Forwarded-For",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Extensions",
)
VALUES = (
    "",
    "0",
    "-1",
    "99999999999999999999",
    "null",
    "bytes=0-18446744073709551615",
    "bytes=" + "0-," * 1_000,
    "Bearer " + "x" * 4_000,
    "Bearer ü",
    "Basic OjpAOjo=",
    "http://localhost.evil.example",
    "evil.example",
    "localhost:99999",
    "chunked",
    "chunked, chunked",
    "gzip, deflate, br, zstd",
    "100-continue",
    "websocket",
    "upgrade",
    "h2c",
    "a=b; " * 1_500,
    "*/*;q=" + "9" * 1_000,
    "application/openmetrics-text; version=nan",
    "x" * 9_000,
    "\t",
    "ÿ\u0100",
)
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def requests(rng: Random) -> Mutant:
    """Requests with a wrong path, query, method or header; several on one connection."""
    count = rng.choice([1, 1, 2, 5])
    heads = [_request(rng, last=number == count - 1) for number in range(count)]
    return Mutant("requests", b"".join(heads), mutations=count)


def _request(rng: Random, *, last: bool) -> bytes:
    """One request with something wrong in it."""
    headers: dict[str, str | None] = {"Host": HOST, "Connection": "close" if last else None}
    for name in rng.sample(HEADERS, rng.choice([0, 1, 1, 3])):
        headers[name] = rng.choice(VALUES) if rng.random() < 0.7 else rng.choice(nasty.TEXTS)
    method = "GET" if rng.random() < 0.8 else rng.choice(METHODS)
    head = request(method, _path(rng), headers)
    return nasty.damaged_bytes(rng, head) if rng.random() < 0.2 else head


def _path(rng: Random) -> str:
    """A path of a route with a nasty name in it, and perhaps a query."""
    path = rng.choice(ROUTES)
    while "{}" in path:
        name = rng.choice(nasty.PATHS) if rng.random() < 0.7 else rng.choice(nasty.TEXTS)
        if rng.random() < 0.4:
            name = quote(name, safe="", errors="replace")
        path = path.replace("{}", name, 1)
    if rng.random() < 0.4:
        found = rng.choice(nasty.TEXTS) if rng.random() < 0.5 else str(rng.choice(nasty.NUMBERS))
        said = rng.choice([quote(found, safe="", errors="replace"), "%ff%00%zz", "%ed%a0%80", "²"])
        path += f"?{rng.choice(QUERIES)}={said}"
    if rng.random() < 0.05:
        path = rng.choice(["http://evil.example", "*", "//evil.example", "/?" + "&" * 5_000]) + path
    return path


def heads(rng: Random) -> Mutant:
    """What is hardly a request: other protocols, smuggling, heads without end."""
    wrong: bytes = rng.choice(
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + rng.randbytes(200),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
            b"GET  /  HTTP/1.1\r\n\r\n",
            b"\r\n" * 5_000,
            b"GET / HTTP/1.1\nHost: localhost\n\n",
            b"GET /healthz HTTP/1.1\r\nHost: a\r\nHost: localhost\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\nHost : localhost\r\n folded\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
            b"GET /" + b"x" * MEGABYTE + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"x" * MEGABYTE + b"\r\n\r\n",
            POST + b"Content-Length: 4\r\n" + CHUNKED + b"0\r\n\r\nGET /status HTTP/1.1\r\n\r\n",
            POST + CHUNKED + b"ffffffffffffffff\r\n",
            POST + CHUNKED + b"-1\r\nx\r\n",
            POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nx",
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500,
            rng.randbytes(rng.choice([1, 100, 70_000])),
        ]
    )
    return Mutant("heads", wrong)


def handshake(rng: Random) -> Mutant:
    """Requests for a WebSocket that lack or break a part, or come from elsewhere."""
    wrong: dict[str, str | None] = rng.choice(
        [
            {"Sec_WebSocket_Key": None},
            {"Sec_WebSocket_Key": rng.choice(["", "x", KEY * 100, "ü", KEY[:-1]])},
            {"Sec_WebSocket_Version": rng.choice([None, "", "0", "12", "14", "x", "-13"])},
            {"Sec_WebSocket_Protocol": rng.choice(["", ",", "mqtt", "x" * 5_000, "a," * 2_000])},
            {"Sec_WebSocket_Extensions": rng.choice(VALUES)},
            {"Connection": rng.choice([None, "close", "keep-alive", "x" * 100])},
            {
                "Origin": rng.choice(
                    ["null", "", "http://evil.example", "http://localhost.evil", "x"]
                )
            },
            {"Host": rng.choice([None, "", "evil.example", "localhost@evil.example", "a" * 1_000])},
            {"Authorization": rng.choice(VALUES)},
            {"Content_Length": rng.choice(["5", "-1", "x", "99999999999"])},
            {"Transfer_Encoding": "chunked"},
        ]
    )
    path = rng.choice(["/", "/", "/watch/live", "/watch/x", "/sessions", _path(rng)])
    return Mutant("handshake", upgrade(path, **wrong), (Send(start()), Send(closing())))


def body(rng: Random) -> Mutant:
    """Bodies that nobody asked for: large, compressed, endless."""
    total = rng.choice(SIZES)
    path = rng.choice(["/", "/sessions", "/watch/live", "/nowhere"])
    headers: dict[str, str | None] = {"Host": HOST, "Connection": "close"}
    match rng.randrange(3):
        case 0:
            head = request("POST", path, headers | {"Content-Length": str(total)})
            return Mutant("body", head, (Send(CHUNK, total // len(CHUNK)),))
        case 1:
            head = request("POST", path, headers | {"Transfer-Encoding": "chunked"})
            return Mutant(
                "body", head, (Send(b"10000\r\n" + CHUNK + b"\r\n", total // len(CHUNK)),)
            )
        case _:
            packed = nasty.zipped(31)
            said: dict[str, str | None] = {
                "Content-Encoding": "gzip",
                "Content-Length": str(len(packed)),
            }
            return Mutant("body", request("POST", path, headers | said), (Send(packed),))


def dribble(rng: Random) -> Mutant:
    """A client that never comes to the point: in its head, its first frame, or its body."""
    head: bytes = rng.choice(
        [
            b"",
            b"GET",
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ",
            upgrade()[:-2],
            upgrade() + b"\x81\xfe\x10\x00mask",
            upgrade(),
            request("POST", "/", {"Host": HOST, "Content-Length": "1000000"}),
        ]
    )
    return Mutant("dribble", head, ending=Ending.DRIBBLE)
