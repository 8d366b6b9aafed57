"""The shell every page stands in: response headers, host check, body limit, templates, own static files, and the server itself.

    app = page_app("declaration pages", allowed_hosts=["declare.example"])
    templates = page_templates("portal", site_name="…")
    html = templates.get_template("start.html").render(…)

    async with serving(app, host="127.0.0.1", port=0) as address: …     # address is "http://127.0.0.1:43211"
    serve(app, host="127.0.0.1", port=8445)                             # blocks until SIGTERM or SIGINT

Nothing is fetched from elsewhere, no script or style stands inside a page, and no request line is logged: addresses of pages may
carry what a traveller typed.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WEB_FOLDER = Path(__file__).parent
STATIC_FOLDER = WEB_FOLDER / "static"
TEMPLATE_FOLDER = WEB_FOLDER / "templates"

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "[::1]")
"""Names under which a page is always served; `localhost` is also what clients of a Unix socket say."""

MAXIMUM_BODY_BYTES = 65_536
"""Largest request body a page takes unless told otherwise."""

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""Headers of every answer."""

_DROPPED_BYTES = 1_048_576
_STATIC_PREFIX = "/static/"


def page_app(
    title: str,
    *,
    allowed_hosts: Iterable[str] = (),
    maximum_body_bytes: int = MAXIMUM_BODY_BYTES,
) -> FastAPI:
    """Return an application without pages: headers, host check, body limit and `/static/` are in place, documentation pages are not.

    `allowed_hosts` are names (without port) beside `LOOPBACK_HOSTS` under which it answers; others get 400. Bodies above
    `maximum_body_bytes` get 413 before the application sees a byte. Everything but static files is `Cache-Control: no-store`.
    """
    app = FastAPI(title=title, docs_url=None, redoc_url=None, openapi_url=None)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER), name="static")
    # The middleware added last is the outermost: refusals carry the headers too.
    app.add_middleware(BodyLimit, maximum_bytes=maximum_body_bytes)
    app.add_middleware(HostCheck, allowed_hosts=allowed_hosts)
    app.add_middleware(SecurityHeaders)
    return app


def page_templates(*folders: str, **shared: object) -> Environment:
    """Return the templates of `templates/<folder>`, searched in order; `shared` values are known to all of them.

    Everything is escaped, whatever the file is called, and a name the page forgot to pass is an error, not an empty string.
    """
    environment = Environment(
        loader=FileSystemLoader([TEMPLATE_FOLDER / folder for folder in folders]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals.update(shared)
    return environment


class SecurityHeaders:
    """Puts `SECURITY_HEADERS` on every answer and keeps all but static files out of caches."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        caching = "no-cache" if scope["path"].startswith(_STATIC_PREFIX) else "no-store"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", caching)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class HostCheck:
    """Answers 400 to requests that name a host other than the allowed ones (a page elsewhere that rebinds its name to us)."""

    def __init__(self, app: ASGIApp, allowed_hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._allowed = {host.lower() for host in (*LOOPBACK_HOSTS, *allowed_hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not self._is_allowed(Headers(scope=scope).getlist("host")):
            await PlainTextResponse("unknown host", status_code=400)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        name, separator, port = hosts[0].lower().rpartition(":")
        if separator and port.isdecimal():
            return name in self._allowed
        return hosts[0].lower() in self._allowed


class BodyLimit:
    """Takes a request body whole, up to its limit, before the application runs; answers 413 beyond it."""

    def __init__(self, app: ASGIApp, maximum_bytes: int = MAXIMUM_BODY_BYTES) -> None:
        self._app = app
        self._maximum_bytes = maximum_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        body = await self._body(scope, receive)
        if body is None:
            refusal = PlainTextResponse("too large", status_code=413, headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return pending.pop() if pending else await receive()

        await self._app(scope, replay, send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        announced = Headers(scope=scope).get("content-length", "0")
        is_refused = not announced.isdecimal() or len(announced) > 12 or int(announced) > self._maximum_bytes
        parts = bytearray()
        read_bytes = 0
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break
            chunk: bytes = message.get("body", b"")
            read_bytes += len(chunk)
            is_refused = is_refused or read_bytes > self._maximum_bytes
            # A little more is read and dropped, so that a browser sees the answer instead of a reset connection.
            if read_bytes > self._maximum_bytes + _DROPPED_BYTES:
                return None
            if not is_refused:
                parts += chunk
            more = message.get("more_body", False)
        return None if is_refused else bytes(parts)


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True


class _Server(uvicorn.Server):
    """A server that tells when it listens, and whose stopping is decided by its caller, not by signals it catches itself."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_listening()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _configuration(
    app: ASGIApp, tls: ssl.SSLContext | None = None, protocol: type[asyncio.Protocol] | None = None
) -> uvicorn.Config:
    configuration = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        http=protocol or "h11",
        h11_max_incomplete_event_size=16_384,
        limit_concurrency=512,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
    )
    configuration.load()
    configuration.ssl = tls
    return configuration


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a bound TCP socket; port 0 picks a free one. Raises `OSError` when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def unix_socket(path: Path) -> socket.socket:
    """Return a bound Unix socket that owner and group may use; a stale file of the same name is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o660)
    except OSError:
        listener.close()
        raise
    return listener


def _listener(host: str, port: int, uds: Path | None) -> tuple[socket.socket, str]:
    if uds is not None:
        return unix_socket(uds), f"unix:{uds}"
    listener = listening_socket(host, port)
    shown = f"[{host}]" if ":" in host else host
    return listener, f"http://{shown}:{listener.getsockname()[1]}"


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    uds: Path | None = None,
    tls: ssl.SSLContext | None = None,
    protocol: type[asyncio.Protocol] | None = None,
) -> AsyncIterator[str]:
    """Serve `app` on this loop inside the block; yields its address, `http://host:port` or `unix:path`.

    With `tls` only TLS is spoken; `protocol` takes the place of uvicorn's own for HTTP/1.1.

    Leaving the block ends open streams and waits at most two seconds. For programs that run several servers and own the signals.
    """
    listener, address = _listener(host, port, uds)
    is_listening = asyncio.Event()
    server = _Server(_configuration(app, tls, protocol), is_listening.set)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    task.add_done_callback(lambda _task: is_listening.set())
    try:
        await is_listening.wait()
        if task.done():
            await task
            raise OSError("the server ended before it listened")
        yield address
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)
        listener.close()
        if uds is not None:
            uds.unlink(missing_ok=True)


def serve(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    uds: Path | None = None,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve `app` until SIGTERM or SIGINT; `on_ready` is told the address once it listens."""
    listener, address = _listener(host, port, uds)
    server = _Server(_configuration(app), lambda: on_ready(address) if on_ready is not None else None)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _stop, server)
        await server.serve(sockets=[listener])

    try:
        asyncio.run(run())
    finally:
        listener.close()
        if uds is not None:
            uds.unlink(missing_ok=True)
