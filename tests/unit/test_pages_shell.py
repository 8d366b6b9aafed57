"""The shell of all pages: hosts, bodies, sockets, stopping."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jinja2
import pytest
from fastapi import FastAPI, Request

from gate_agent.web.pages import SECURITY_HEADERS, page_app, page_templates, serving


def app() -> FastAPI:
    made = page_app("test", allowed_hosts=["declare.example"], maximum_body_bytes=1000)

    async def size(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    made.add_api_route("/size", size, methods=["POST"])
    return made


async def chunks(number: int) -> AsyncIterator[bytes]:
    for _ in range(number):
        yield b"x" * 500


async def test_bodies_end_at_their_limit() -> None:
    async with serving(app()) as address, httpx.AsyncClient(base_url=address) as client:
        assert (await client.post("/size", content=b"x" * 1000)).json() == {"bytes": 1000}
        assert (await client.post("/size", content=chunks(2))).json() == {"bytes": 1000}
        for body in (b"x" * 1001, chunks(3), chunks(1000)):
            answer = await client.post("/size", content=body)
            assert answer.status_code == 413
            assert answer.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]
        assert (await client.get("/static/base.css")).headers["content-type"].startswith("text/css")
        assert (await client.get("/docs")).status_code == 404
        assert (await client.get("/static/..%2fpages.py")).status_code == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:80", 404), ("localhost", 404), ("[::1]:9", 404), ("[::1]", 404), ("Declare.Example:443", 404),
        ("evil.example", 400), ("127.0.0.1.evil.example", 400), ("", 400), ("localhost:80:80", 400), ("localhost:x", 400),
    ],
)  # fmt: skip
async def test_only_known_hosts_are_answered(host: str, status: int) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app()), base_url="http://localhost") as client:
        assert (await client.get("/", headers={"Host": host})).status_code == status


async def test_a_unix_socket_serves_the_same(tmp_path: Path) -> None:
    path = tmp_path / "page.sock"
    path.write_text("stale")
    async with serving(app(), uds=path) as address:
        assert address == f"unix:{path}"
        assert path.stat().st_mode & 0o777 == 0o660
        async with httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(path)), base_url="http://localhost"
        ) as client:
            assert (await client.post("/size", content=b"12")).json() == {"bytes": 2}
    assert not path.exists()


def test_templates_escape_and_miss_nothing() -> None:
    templates = page_templates("portal")
    assert templates.from_string("{{ text }}").render(text="<b>") == "&lt;b&gt;"
    with pytest.raises(jinja2.UndefinedError):
        templates.from_string("{{ absent }}").render()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serving_ends_in_peace_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "from pathlib import Path\nfrom gate_agent.web.pages import page_app, serve\n"
        f"serve(page_app('t'), uds=Path({str(tmp_path / 's.sock')!r}), on_ready=lambda address: print(address, flush=True))\nprint('ended')\n"
    )
    child = subprocess.Popen([sys.executable, "-I", "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline().startswith("unix:")
    child.send_signal(number)
    rest, _none = child.communicate(timeout=10)
    assert (rest, child.returncode) == ("ended\n", 0)
    assert not (tmp_path / "s.sock").exists()
