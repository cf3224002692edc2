"""What keeps other websites away from a server on a person's own machine."""

import ipaddress
import re
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page runs its own script and style, shows pictures that it was sent, and talks to nobody else.
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[\w.-]+)(?::\d+)?", re.ASCII | re.IGNORECASE)


class Guard:
    """Refuses what a browser sends on behalf of another website, and sends strict headers.

    A website can make a visitor's browser ask this machine. The browser then says so in ``Origin``
    or ``Sec-Fetch-Site``. Unless the website has let its own name lead to this machine (DNS
    rebinding): then that name stands in ``Host``. An address there is never such a name.

    Args:
        app: What answers the others.
        names: Names of this machine, beside ``localhost``, by which it may be asked.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str] = ()) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        reason = self._refused(Headers(scope=scope))
        answer = self._app if reason is None else JSONResponse({"error": reason}, 403)
        await answer(scope, receive, send_with_headers)

    def _refused(self, headers: Headers) -> str | None:
        """Say why a request is refused; None if it is not."""
        host = headers.get("host", "")
        if not self._is_ours(host):
            return (
                f"Asked for by the name '{host}'. Expected an address of this machine, localhost, "
                "or the name given by --host."
            )
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = origin is not None and origin not in (f"http://{host}", f"https://{host}")
        if foreign or site not in ("same-origin", "none"):
            return "Asked for by another website. Open this page itself."
        return None

    def _is_ours(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].strip("[]").lower()
        try:
            return name in self._names or bool(ipaddress.ip_address(name))
        except ValueError:
            return False
