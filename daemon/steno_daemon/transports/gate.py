"""Who is let in: the header `Origin`, the token, and the scope that a path asks for."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from steno_daemon.auth import Grant, Keyring, Scope, token_of
from steno_daemon.errors import ForbiddenError, LimitError, UnauthorisedError
from steno_daemon.origins import Origins

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; media-src 'self'; worker-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'self'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "microphone=(self)",
}

_KEPT = {"Retry-After", "Allow", "Location"}


class Gate:
    """Lets requests in or answers why not.

    Args:
        keyring: knows the tokens; a reload may change it in place.
        origins: knows the web pages; replaced by a reload.
    """

    def __init__(self, keyring: Keyring, origins: Origins) -> None:
        self._keyring = keyring
        self.origins = origins

    def admit(self, request: web.Request, scope: Scope) -> Grant:
        """Return what the client may do, if that includes `scope`.

        Raises:
            UnauthorisedError: it shows no token that is known.
            ForbiddenError: its token is for something else.
        """
        token = token_of(request.headers.get("Authorization"), request.query.get("token"))
        return self.grant(token, scope)

    def grant(self, token: str | None, scope: Scope) -> Grant:
        """Return what the bearer of a token may do, if that includes `scope`.

        Raises:
            UnauthorisedError: the token is not known.
            ForbiddenError: it is for something else.
        """
        grant = self._keyring.grant(token)
        grant.require(scope)
        return grant

    def holds(self, grant: Grant, scope: Scope) -> bool:
        """Return whether a grant is still good for a scope: its token was not taken back."""
        return self._keyring.holds(grant, scope)

    def needs(self, scope: Scope, handler: Handler) -> Handler:
        """Return the handler for those alone whose token has the scope."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            self.admit(request, scope)
            return await handler(request)

        return guarded

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse foreign web pages, answer errors in words, and say who may read the answer."""
        origin, host = request.headers.get("Origin"), request.headers.get("Host")
        try:
            self.origins.check(origin, host)
            _check_key(request)
            response = await handler(request)
        except web.HTTPException as error:
            kept = {name: value for name, value in error.headers.items() if name in _KEPT}
            response = web.Response(status=error.status, text=error.text, headers=kept)
        except UnauthorisedError as error:
            response = _refusal(401, error, {"WWW-Authenticate": 'Bearer realm="steno"'})
        except ForbiddenError as error:
            response = _refusal(403, error)
        except LimitError as error:
            wait_s = round(error.retry_after_s or 5) + 1
            response = _refusal(429, error, {"Retry-After": str(wait_s)})
        return response

    async def dress(self, request: web.Request, response: web.StreamResponse) -> None:
        """Give every answer its headers, those that are streams as well; a signal of aiohttp."""
        origin, host = request.headers.get("Origin"), request.headers.get("Host")
        response.headers["Server"] = "stenod"  # and no versions, which only strangers care about
        if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            response.headers.update(PAGE_HEADERS | self.origins.cors_headers(origin, host))


def _check_key(request: web.Request) -> None:
    """Refuse a key that aiohttp would stumble over."""
    if not request.headers.get("Sec-WebSocket-Key", "").isascii():
        raise web.HTTPBadRequest(text="Sec-WebSocket-Key: expected base64, found another text\n")


def _refusal(
    status: int, error: Exception, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    return web.Response(status=status, text=f"{error}\n", headers=headers)
