"""The server answers this computer's page only, and refuses every command that is not sound."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.png_files import png
from tests.survey.desks import survey_page
from tinyloc.bundle.pictures import PictureError, picture_size
from tinyloc.survey.app import POLICY


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    with survey_page(tmp_path_factory.mktemp("page") / "home") as (desk, address):
        yield desk, address


def ask(address: str, method: str = "GET", path: str = "", body: bytes | None = None, **headers: str):
    """One request; headers as host="..." and origin="...". Gives status, headers, body."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=10)
    connection.putrequest(method, path if path.startswith("/") else parts.path + path, skip_host=True)
    connection.putheader("Host", headers.pop("host", parts.netloc))
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.putheader("Content-Length", str(len(body or b"")))
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def do(address: str, command: str, **body):
    parts = urlsplit(address)
    status, _, content = ask(
        address, "POST", f"do/{command}", json.dumps(body).encode(), origin=f"http://{parts.netloc}"
    )
    return status, json.loads(content)


def test_the_page_comes_with_a_strict_policy(page) -> None:
    status, headers, content = ask(page[1])
    assert status == 200 and b"<script" in content
    assert headers["content-security-policy"] == POLICY and "unsafe" not in POLICY
    assert headers["referrer-policy"] == "no-referrer" and headers["x-content-type-options"] == "nosniff"
    assert b"http:" not in content.replace(b"http://www.w3.org", b"") and b"https:" not in content


def test_every_asset_is_in_the_package_and_names_no_other_server(page, repository: Path) -> None:
    for path in (repository / "survey" / "page").iterdir():
        status, _, content = ask(page[1], path=path.name)
        assert status == 200 and content == path.read_bytes(), path.name
        assert b"//cdn" not in content and b"https:" not in content


@pytest.mark.parametrize("path", ["/", "/wrong/", "/socket", "/wrong/do/end", "/favicon.ico"])
def test_without_the_token_nothing_is_there(page, path: str) -> None:
    assert ask(page[1], path=path)[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "../survey.toml",
        "..%2fsurvey.toml",
        "%2e%2e/app.py",
        "picture/survey.toml",
        "picture/..%2fsurvey.toml",
        "app.py",
    ],
)
def test_no_path_leads_out_of_the_page(page, path: str) -> None:
    assert ask(page[1], path=path)[0] == 404


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "192.168.1.2", ""])
def test_another_host_is_refused(page, host: str) -> None:
    assert ask(page[1], host=host)[0] == 421


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://127.0.0.1:1"])
def test_a_change_from_elsewhere_is_refused(page, origin: str | None) -> None:
    headers = {} if origin is None else {"origin": origin}
    assert ask(page[1], "POST", "do/end", b"{}", **headers)[0] == 403
    with pytest.raises(InvalidStatus):
        connect(page[1].replace("http", "ws", 1) + "socket", origin=origin)


def test_the_socket_brings_the_state(page) -> None:
    origin = f"http://{urlsplit(page[1]).netloc}"
    with connect(page[1].replace("http", "ws", 1) + "socket", origin=origin) as socket:
        first, second = (json.loads(socket.recv(timeout=5)) for _ in range(2))
        socket.send(b"\x00nonsense")
        socket.send("more nonsense")
        assert json.loads(socket.recv(timeout=5))["kind"] == "now"
    assert first["kind"] == "all" and first["plan"]["floors"] and second["kind"] == "now" and second["pages"] == 1


@pytest.mark.parametrize(
    ("command", "body", "why"),
    [
        ("nothing", {}, "no command"),
        ("end", {}, "no session is open"),
        ("end", {"more": 1}, "more"),
        ("start", {"person": "", "device": "x", "day": "today"}, "person"),
        ("start", {"person": "a\nb", "device": "x", "day": "2026-11-30"}, "control character"),
        ("resume", {"name": "../.."}, "no session"),
        ("plan", {"plan": {"rooms": [{"name": "a", "outline": [[0, 0], [1, 1]]}]}, "revision": 0}, "outline"),
        ("plan", {"plan": {"rooms": [{"name": "a", "outline": [[0, 0], [1, 1], [2, 2]]}]}, "revision": 0}, "no area"),
        ("plan", {"plan": {"floors": [{"name": "a", "image": "../../etc/passwd"}]}, "revision": 0}, "cannot be a name"),
        ("plan", {"plan": {}, "revision": 99}, "another window"),
        ("where", {"x": "nan"}, "x"),
        ("add-source", {"text": "/nowhere.csv"}, "No such file"),
        ("remove-source", {"name": "x"}, "no source"),
        ("train", {"board": "x; rm -rf /"}, "no board"),
        ("train", {}, "at least two rooms"),
    ],
)
def test_a_command_that_makes_no_sense_says_why(page, command: str, body: dict, why: str) -> None:
    status, answer = do(page[1], command, **body)
    assert status == 400 and why in answer["error"]


def test_a_picture_becomes_the_background_and_a_monster_is_refused(page) -> None:
    desk, address = page
    origin = f"http://{urlsplit(address).netloc}"
    assert ask(address, "PUT", "picture/0", png(40, 30), origin=origin)[0] == 200
    floor = desk.project.plan.floors[0]
    assert (floor.image, floor.width_px, floor.height_px) == ("floor-0.png", 40, 30)
    assert ask(address, path="picture/floor-0.png")[2] == png(40, 30)
    for body, why in ((png(10_000, 10_000), b"Save it smaller"), (b"<svg onload='x'>", b"neither a PNG nor a JPEG")):
        status, _, content = ask(address, "PUT", "picture/0", body, origin=origin)
        assert status == 400 and why in content
    assert ask(address, "PUT", "picture/7", png(4, 3), origin=origin)[0] == 400


def test_the_size_of_a_jpeg_is_read() -> None:
    jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x1e\x00\x28" + bytes(20)
    assert picture_size(jpeg) == ("jpg", 40, 30)
    with pytest.raises(PictureError, match="says no size"):
        picture_size(b"\xff\xd8\xff")
