"""Serve a page until it is interrupted, or in a thread for tests."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Callable, Iterator

import uvicorn

from tinyloc.survey.app import make_app
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.state import Desk

HOST = "127.0.0.1"
TOKEN_BYTES = 16
WS_BYTES = 65_536


def _listening(port: int) -> socket.socket:
    """A socket at this computer's own address. SurveyError when the port is taken."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise SurveyError(
            f"port {port}: {error.strerror}; name another with --http-port, or 0 for a free one"
        ) from error


def serve(desk: Desk, port: int, ready: Callable[[str], None]) -> None:
    """Serve until the process is interrupted. `ready` gets the address with its token."""
    with _listening(port) as listening:
        server, address = _server(desk, listening)
        ready(address)
        server.run(sockets=[listening])


@contextlib.contextmanager
def serving(desk: Desk, port: int = 0) -> Iterator[str]:
    """Serve in a thread; gives the address."""
    with _listening(port) as listening:
        server, address = _server(desk, listening)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield address
        finally:
            server.should_exit = True
            server.force_exit = True
            thread.join(timeout=5.0)


def _server(desk: Desk, listening: socket.socket) -> tuple[uvicorn.Server, str]:
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(TOKEN_BYTES)
    config = uvicorn.Config(
        make_app(desk, token, port), log_level="error", access_log=False, server_header=False, ws_max_size=WS_BYTES,
        timeout_graceful_shutdown=1, lifespan="off",
    )  # fmt: skip
    return uvicorn.Server(config), f"http://{HOST}:{port}/{token}/"
