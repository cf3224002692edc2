"""The page's server: what may be asked of it, and how much."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hmtnet.errors import DataError
from hmtnet.files import size_words
from hmtnet.web.guard import Guard

MOST_BYTES = 40_000_000
"""Of one upload, unless another limit is given."""

PATIENCE = 60.0
"""Seconds that one upload may take: others wait for it."""

Judge = Callable[[bytes, bool], dict[str, Any]]
"""Judges an image file's bytes, with or without maps; returns what JSON can hold.

Raises DataError where it cannot.
"""


def application(
    judge: Judge,
    files: dict[str, tuple[str, str]],
    most_bytes: int = MOST_BYTES,
    names: Iterable[str] = (),
) -> Starlette:
    """Make the server.

    It has no state but the model: an image is forgotten when it has been answered.

    Args:
        judge: Called in another thread, one image at a time, so that the page stays responsive.
        files: Of each path, a media type and a text. No other path leads anywhere, and none to
            the file system.
        most_bytes: Larger uploads are refused.
        names: Of this machine; see `hmtnet.web.guard.Guard`.
    """
    turn = asyncio.Lock()

    async def score(request: Request) -> Response:
        # Forms of other websites cannot send this type without asking, which is refused.
        if request.headers.get("content-type") != "application/octet-stream":
            raise HTTPException(415, "Send an image file as application/octet-stream.")
        # The next upload is read when its turn comes, so that memory holds one.
        async with turn:
            data = await _read(request, most_bytes)
            if await request.is_disconnected():
                return Response(status_code=204)
            maps = request.query_params.get("maps") == "1"
            return JSONResponse(await run_in_threadpool(judge, data, maps))

    def file(media_type: str, text: str) -> Callable[[Request], Response]:
        return lambda _: Response(text, media_type=media_type)

    return Starlette(
        routes=[
            Route("/score", score, methods=["POST"]),
            *(Route(path, file(*content)) for path, content in files.items()),
        ],
        middleware=[Middleware(Guard, names)],
        exception_handlers={
            DataError: lambda _, error: _refusal(422, str(error)),
            HTTPException: lambda _, error: _refusal(error.status_code, error.detail),
        },
    )


async def _read(request: Request, most: int) -> bytes:
    """Read an upload. What is too large is heard to its end and dropped: so its sender can listen.

    Raises:
        HTTPException: It is too large, or takes too long.
    """
    data, count = bytearray(), 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for part in request.stream():
                count += len(part)
                if count <= most:
                    data += part
    except TimeoutError:
        raise HTTPException(408, f"The upload took longer than {PATIENCE:.0f} seconds.") from None
    if count > most:
        raise HTTPException(
            413,
            f"The file has {size_words(count)}, and the page takes {size_words(most)}. Crop the "
            "image, or score it with hmtnet score, which has no such limit.",
        )
    return bytes(data)


def _refusal(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason}, status)
