"""A maker's service over HTTP as a link: each answer is one chunk, `what LF body`. One request at a time, limited in time and size."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from drivers.document_reader import page_part as pp
from drivers.document_reader.asked_link import AskedLink
from drivers.document_reader.errors import ServiceRefused
from drivers.errors import LinkAbsent, LinkLost, LinkRefused
from drivers.link import Link, Tap
from drivers.reach import REACH
from drivers.secret_file import secret_line

PRESENCE, PAGE, LIFE = "presence", "page", "life"
_REFUSED = frozenset({401, 403, *range(300, 400)})
_NOTHING_YET = frozenset({204, 304, 408})


@dataclass(frozen=True, slots=True)
class Question:
    """A request: `timeout_s` for the whole answer. `body`: JSON; empty asks with GET."""

    path: str
    timeout_s: float
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Opens the way to the service: a try at its port, then a client that follows no redirection and no proxy."""

    url: str
    questions: Mapping[str, Question]
    answer_limit_bytes: int
    ca_file: str = ""
    authorization_file: str = ""

    async def open(self, tap: Tap | None = None) -> Link:
        """Return the link. Raises `LinkAbsent`, `LinkForbidden` or `LinkRefused`."""
        url = httpx.URL(self.url)
        headers = {"Host": url.netloc.decode("ascii"), "Accept": "application/json", "Accept-Encoding": "identity"}
        if self.authorization_file:
            headers["Authorization"] = secret_line(self.authorization_file)
        context = self._context() if url.scheme == "https" else None
        port = url.port or (443 if context else 80)
        address = await REACH.get().address_of(url.host, port)
        try:
            _, writer = await asyncio.open_connection(address, port)
        except OSError as error:
            raise LinkAbsent(f"{self.url} does not answer: {error.strerror or error}") from error
        writer.close()
        client = httpx.AsyncClient(
            base_url=url.copy_with(host=address),
            headers=headers,
            verify=context or False,  # no context: plain HTTP, nothing to verify
            trust_env=False,
            follow_redirects=False,
            timeout=None,  # noqa: S113 - each request has its own, for all of it
            limits=httpx.Limits(max_connections=1),
        )
        return ServiceLink(client, url.host, self.questions, self.answer_limit_bytes, tap)

    def is_there(self) -> bool:
        """Return False: a host can only be asked by connecting."""
        return False

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise LinkRefused(f"{self.ca_file} holds no certificates: {error}") from error


class ServiceLink(AskedLink):
    """An open way to the service."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        server_name: str,
        questions: Mapping[str, Question],
        answer_limit_bytes: int,
        tap: Tap | None = None,
    ) -> None:
        super().__init__(tap)
        self._client = client
        self._extensions = {"sni_hostname": server_name}  # the certificate's name is the one in the site file
        self._questions = questions
        self._answer_limit_bytes = answer_limit_bytes

    async def close(self) -> None:
        """Drop the connection."""
        await self._client.aclose()

    async def answer_to(self, what: str) -> bytes:
        """Return an answer. Raises `LinkLost` or `ServiceRefused`."""
        question = self._questions[what]
        method = "POST" if question.body else "GET"
        headers = {"Content-Type": "application/json"} if question.body else {}
        try:
            async with (
                asyncio.timeout(question.timeout_s),
                self._client.stream(
                    method,
                    question.path,
                    content=question.body or None,
                    headers=headers,
                    extensions=self._extensions,
                ) as answer,
            ):
                return await self._taken(what, answer)
        except TimeoutError:
            return _failed(f"no answer within {question.timeout_s:g} s") if what == PAGE else b""
        except httpx.ConnectError as error:
            if _is_of_tls(error):
                raise ServiceRefused(f"its certificate is not one that is trusted here: {error}") from error
            raise LinkLost(f"connection refused: {error}") from error
        except httpx.HTTPError as error:
            raise LinkLost(f"{type(error).__name__} while it answered") from error

    async def _taken(self, what: str, answer: httpx.Response) -> bytes:
        status = answer.status_code
        if status in _NOTHING_YET:
            return pp.PagePart(pp.ALIVE).encode()
        if status in _REFUSED or (status != httpx.codes.OK and what != PAGE):
            raise ServiceRefused(f"status {status} to {answer.request.method} {answer.request.url.path}")
        if status != httpx.codes.OK:
            return _failed(f"the service answered with status {status}")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise ServiceRefused("the answer is compressed, which was not asked for")
        body = bytearray()
        async for piece in answer.aiter_raw():
            body += piece
            if len(body) > self._answer_limit_bytes:
                return _failed(f"an answer larger than {self._answer_limit_bytes} bytes")
        return what.encode() + b"\n" + body


def _is_of_tls(error: BaseException | None) -> bool:
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def _failed(why: str) -> bytes:
    return pp.PagePart(pp.FAILED, why.encode()).encode()
