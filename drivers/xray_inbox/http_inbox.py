"""An HTTP inbox as a link: each posted result is one chunk, and whoever posted it waits for what became of it.

The port stays open between links, so that a result that comes while the driver starts anew waits for a moment and is not turned away.
Requests are parsed by h11. Every connection has one time limit for a whole request, and there are only so many of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.errors import LinkRefused, LinkStalled
from drivers.http_exchange import Exchange, Request, RequestRefused, Response, receive
from drivers.link import READ_BYTES, Link, Tap
from drivers.reach import REACH
from drivers.secret_file import secret_line
from drivers.xray_inbox.errors import XrayResultRefused
from drivers.xray_inbox.inbox import Receipt
from drivers.xray_inbox.result import RESULT_LIMIT_BYTES

LINGER_S = 0.5
SIGN_OF_LIFE = b"\n"  # no result: a JSON object begins otherwise
_STATUS = {Receipt.TAKEN: 201, Receipt.KNOWN: 200, Receipt.REVISED: 200, Receipt.REFUSED: 400}
_TOO_MANY = Response(503, b'{"error": "too many connections"}', headers={"Retry-After": "1"})


@dataclass(frozen=True, slots=True)
class InboxRules:
    """Where it listens, who may post, and how much of anything it takes. Empty names and lists: not demanded."""

    host: str
    port: int
    path: str
    token_file: str
    certificate_file: str
    key_file: str
    client_ca_file: str
    peers: frozenset[str]
    request_timeout_s: float
    connections_limit: int


@dataclass(slots=True)
class Posted:
    """One request that waits for its receipt."""

    chunk: bytes
    receipt: asyncio.Future[tuple[Receipt, str]]


class HttpInbox:
    """The port, and the requests that came in."""

    def __init__(self, rules: InboxRules) -> None:
        self.port = rules.port
        self._rules = rules
        self._token = ""
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._talks: set[asyncio.Task[None]] = set()
        self._waiting: asyncio.Queue[Posted] = asyncio.Queue(rules.connections_limit)

    async def open(self, tap: Tap | None = None) -> Link:
        """Listen; return the link at once. Raises `LinkForbidden`; `LinkRefused` when the port, a certificate or the token cannot be used."""
        if self._server is None:
            rules = self._rules
            REACH.get().may_listen(rules.host, self.port)
            self._token = secret_line(rules.token_file) if rules.token_file else ""
            context = _context(rules)
            timeouts = {"ssl_handshake_timeout": rules.request_timeout_s} if context else {}
            try:
                self._server = await asyncio.start_server(
                    self._called,
                    rules.host,
                    self.port,
                    limit=READ_BYTES,
                    ssl=context,
                    reuse_address=True,
                    **timeouts,
                )
            except OSError as error:
                raise LinkRefused(f"port {self.port} on {rules.host} cannot be opened: {error.strerror}") from error
            self.port = int(self._server.sockets[0].getsockname()[1])
        return InboxLink(self._waiting.get, tap)

    def is_there(self) -> bool:
        """Return False: this end is the one that is called."""
        return False

    async def close(self) -> None:
        """Close the port and every connection."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await server.wait_closed()
            for talk in self._talks:
                talk.cancel()
            await asyncio.gather(*self._talks, return_exceptions=True)

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_full = len(self._writers) >= self._rules.connections_limit
        if not is_full:
            self._writers.add(writer)
        talk = asyncio.create_task(self._serve(reader, writer, is_full=is_full), name="X-ray inbox serving")
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)
        try:
            await asyncio.wait({talk})
            if not talk.cancelled() and not isinstance(error := talk.exception(), OSError | None):
                raise error
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_full: bool) -> None:
        exchange = Exchange(RESULT_LIMIT_BYTES)
        peer = str(writer.get_extra_info("peername", ("",))[0])
        while True:
            closes = True
            try:
                async with asyncio.timeout(self._rules.request_timeout_s):
                    request = None if is_full else await receive(exchange, reader, writer)
                    if request is None and not is_full:
                        return
                    response = _TOO_MANY if request is None else await self._response(request, peer)
                    closes = request is None
            except RequestRefused as refused:
                response = _error(refused.status, str(refused))
            except TimeoutError:
                if exchange.is_idle:
                    return  # it kept the connection for later, and did not come back
                response = _error(408, f"no whole request within {self._rules.request_timeout_s:g} s")
            async with asyncio.timeout(self._rules.request_timeout_s):
                writer.write(exchange.answer(response, closes=closes))
                await writer.drain()
            if closes:
                await _linger(reader, writer)
                return
            if not exchange.goes_on():
                return

    async def _response(self, request: Request, peer: str) -> Response:
        if self._rules.peers and peer not in self._rules.peers:
            return _error(403, "this address may not post here")
        if self._token and not _is_token(request, self._token):
            return Response(401, b'{"error": "no token, or a wrong one"}', headers={"WWW-Authenticate": "Bearer"})
        if request.target != self._rules.path:
            return _error(404, "there is nothing here")
        if request.method == "GET":
            await self._receipt(SIGN_OF_LIFE)
            return Response(204)
        if request.method != "POST":
            return Response(405, b'{"error": "post a result"}', headers={"Allow": "GET, POST"})
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _error(415, "a result is application/json")
        receipt, why = await self._receipt(request.body)
        if receipt is Receipt.REFUSED:
            return _error(400, f"{XrayResultRefused.code}: {why}")
        return Response(_STATUS[receipt], json.dumps({"status": receipt.value}).encode())

    async def _receipt(self, chunk: bytes) -> tuple[Receipt, str]:
        posted = Posted(chunk, asyncio.get_running_loop().create_future())
        await self._waiting.put(posted)
        return await posted.receipt


class InboxLink(Link):
    """An open inbox. `settle` answers the request that was read last."""

    def __init__(self, next_posted: Callable[[], Awaitable[Posted]], tap: Tap | None = None) -> None:
        super().__init__(tap)
        self._next_posted = next_posted
        self._posted: Posted | None = None

    def settle(self, receipt: Receipt, why: str) -> None:
        """Tell the client; one that gave up meanwhile is told nothing."""
        posted, self._posted = self._posted, None
        if posted is not None and not posted.receipt.done():
            posted.receipt.set_result((receipt, why))

    async def read(self) -> bytes:
        """Return the next result that somebody still waits for."""
        while True:
            posted = await self._next_posted()
            if not posted.receipt.done():
                break
        self._posted = posted
        self.tapped("rx", posted.chunk)
        return posted.chunk

    async def write(self, chunk: bytes) -> None:
        """Refuse: clients get receipts and nothing else."""
        raise LinkStalled(f"an inbox sends no {len(chunk)} bytes")

    async def close(self) -> None:
        """Let whoever waits run into its time limit: it posts again."""
        self._posted = None


async def _linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let the client read why before the connection goes, although it may still be sending."""
    if writer.can_write_eof():
        writer.write_eof()
    async with asyncio.timeout(LINGER_S):
        while await reader.read(READ_BYTES):
            pass


def _is_token(request: Request, token: str) -> bool:
    given = request.headers.get("authorization", "")
    return hmac.compare_digest(given.encode("utf-8", "replace"), f"Bearer {token}".encode())


def _context(rules: InboxRules) -> ssl.SSLContext | None:
    if not rules.certificate_file:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(rules.certificate_file, rules.key_file or None)
        if rules.client_ca_file:
            context.load_verify_locations(rules.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise LinkRefused(f"the certificates cannot be used: {error}") from error
    return context


def _error(status: int, message: str) -> Response:
    return Response(status, json.dumps({"error": message}).encode())
