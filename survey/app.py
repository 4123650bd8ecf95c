"""The page's server: 127.0.0.1 only, a token in the address, the page's own origin, a strict content policy.

Every path begins with the token; without it nothing is there. Requests must name 127.0.0.1 or localhost as their host
(a page elsewhere that rebinds its name to this computer names another), and what changes anything or opens the socket
must come from the page's own origin.
"""

import asyncio
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from tinyloc.bundle.pictures import MOST_BYTES, picture_size
from tinyloc.errors import UserError
from tinyloc.files import write_whole
from tinyloc.survey.commands import obey
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.state import Desk

PAGE = Path(__file__).resolve().parent / "page"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
NOW_S = 0.125
ALL_EVERY = 12
"""Every so many of the quick messages the slow one."""
MOST_BODY = 2_000_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets in what names the token, this host, and for changes the page's own origin; all else sees nothing."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is None:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            status, why = refused
            await PlainTextResponse(why, status, HEADERS)(scope, receive, send)

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        host = headers.get("host", "")
        if host not in self._hosts:
            return 421, "This page answers at 127.0.0.1 only.\n"
        token = scope["path"].split("/")[1] if "/" in scope["path"] else ""
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            return 404, "Open the address that tinyloc printed; it holds a token.\n"
        changes = scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD")
        if changes and headers.get("origin") != f"http://{host}":
            return 403, "This request does not come from the page.\n"
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Any) -> None:
        if message["type"] == "http.response.start":
            there = {name for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in there]
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return sending


def make_app(desk: Desk, token: str, port: int) -> ASGIApp:
    """The application of one page."""

    async def page(request: Request) -> Response:
        name = request.path_params.get("name") or "index.html"
        path = PAGE / name
        if path.parent != PAGE or path.suffix not in TYPES or not path.is_file():
            return PlainTextResponse("There is no such page.\n", 404)
        return FileResponse(path, media_type=TYPES[path.suffix])

    async def picture(request: Request) -> Response:
        names = {floor.image for floor in desk.project.plan.floors}
        name = request.path_params["name"]
        if name not in names or not (desk.project.folder / name).is_file():
            return PlainTextResponse("There is no such picture.\n", 404)
        kind = "image/png" if name.endswith(".png") else "image/jpeg"
        return FileResponse(desk.project.folder / name, media_type=kind)

    async def command(request: Request) -> Response:
        body = await _body(request, MOST_BODY)
        return await _answer(lambda: obey(desk, request.path_params["name"].replace("-", " "), body))

    async def upload(request: Request) -> Response:
        body = await _body(request, MOST_BYTES + 1)
        return await _answer(lambda: put_picture(desk, int(request.path_params["floor"]), body))

    async def socket(connection: WebSocket) -> None:
        await connection.accept()
        desk.pages += 1
        pushing = asyncio.create_task(_push(connection, desk))
        try:
            await _until_closed(connection)
        finally:
            desk.pages -= 1
            pushing.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect, RuntimeError):
                await pushing

    base = f"/{token}"
    routes = [
        WebSocketRoute(f"{base}/socket", socket),
        Route(f"{base}/do/{{name}}", command, methods=["POST"]),
        Route(f"{base}/picture/{{floor:int}}", upload, methods=["PUT"]),
        Route(f"{base}/picture/{{name}}", picture),
        Route(f"{base}/", page),
        Route(f"{base}/{{name}}", page),
    ]
    return Guard(Starlette(routes=routes), token, port)


def put_picture(desk: Desk, floor: int, body: bytes) -> dict[str, Any]:
    """Save a picture as the background of a floor."""
    plan = desk.project.plan
    if not 0 <= floor < len(plan.floors):
        raise SurveyError(f"there is no floor {floor + 1}")
    kind, width, height = picture_size(body)
    name = f"floor-{floor}.{kind}"
    write_whole(desk.project.folder / name, body)
    changed = plan.floors[floor].model_copy(update={"image": name, "width_px": width, "height_px": height})
    floors = [changed if number == floor else one for number, one in enumerate(plan.floors)]
    desk.project.set_plan(plan.model_copy(update={"floors": floors}))
    return {"revision": desk.project.revision}


async def _push(connection: WebSocket, desk: Desk) -> None:
    number = 0
    while True:
        if number % ALL_EVERY == 0:
            await connection.send_text(_text(await run_in_threadpool(desk.all)))
        await connection.send_text(_text(await run_in_threadpool(desk.now)))
        number += 1
        await asyncio.sleep(NOW_S)


async def _until_closed(connection: WebSocket) -> None:
    """What a page sends is ignored: it asks by commands."""
    while (await connection.receive())["type"] != "websocket.disconnect":
        pass


async def _body(request: Request, most: int) -> bytes:
    """At most `most` bytes; a longer body is cut there, and refused by who reads it."""
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > most:
            break
    return b"".join(parts)


async def _answer(work: Callable[[], Any] | Callable[[], Awaitable[Any]]) -> Response:
    try:
        found = await run_in_threadpool(work)
    except UserError as error:
        return JSONResponse({"error": str(error)}, 400)
    except OSError as error:
        return JSONResponse({"error": f"{error.filename or 'a file'}: {error.strerror}"}, 400)
    return Response(_text({"done": found}), media_type="application/json")


def _text(content: Any) -> str:
    return json.dumps(content, allow_nan=False, separators=(",", ":"))
