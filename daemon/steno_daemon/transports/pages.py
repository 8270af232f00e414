"""The caption page and the overlay: files of `captions/web`, and no others."""

from importlib.resources import files

from aiohttp import web

PAGES = {"/": "index.html", "/overlay": "overlay.html"}
CONTENT_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}


class Pages:
    """Reads every file once; what a request names is looked up among them, never opened."""

    def __init__(self) -> None:
        folder = files("steno_daemon") / "captions" / "web"
        self._files = {
            file.name: file.read_bytes()
            for file in folder.iterdir()
            if file.name[file.name.rfind(".") :] in CONTENT_TYPES
        }

    async def page(self, request: web.Request) -> web.StreamResponse:
        """Answer one of `PAGES`."""
        return self._answer(PAGES[request.path])

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Answer `/web/{name}`."""
        return self._answer(request.match_info["name"])

    def _answer(self, name: str) -> web.Response:
        body = self._files.get(name)
        if body is None:
            raise web.HTTPNotFound(text="expected a file of the caption page, found another\n")
        return web.Response(
            body=body,
            content_type=CONTENT_TYPES[name[name.rfind(".") :]],
            charset="utf-8",
            headers={"Cache-Control": "no-cache"},
        )
