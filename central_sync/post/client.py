"""The post as a gate sees it: HTTPS with both certificates pinned. Every fault is a `PostFault` with a code that a person can act on."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from central_sync.errors import OrderRefused, PostFault, PostNotReached
from central_sync.handover import Refusal
from central_sync.post.messages import FactBatch, FactPage, FactsKept, OfficersHeld, PostState, as_text

NOT_REACHABLE, CERTIFICATE, UNREADABLE, REFUSED = (f"CS-PST-{number:03d}" for number in range(1, 5))

_UNLOCK_WAIT_S = 9.0
_NOT_CARRIED_OUT = {404, 405, 413, 422, 503}
_LONGEST_CODE = 32
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LONGEST_ANSWER_BYTES = 4_000_000
_CONNECTIONS = httpx.Limits(max_connections=8, max_keepalive_connections=4, keepalive_expiry=8.0)
Answer = TypeVar("Answer", bound=BaseModel)


class PostClient:
    """Client of one post. `context` is `tls.gate_context`."""

    def __init__(self, host: str, port: int, context: ssl.SSLContext, *, timeout_s: float = 3.0) -> None:
        self._timeout_s = timeout_s
        shown = f"[{host}]" if ":" in host else host
        self._client = httpx.AsyncClient(
            base_url=f"https://{shown}:{port}",
            verify=context,
            timeout=timeout_s,
            limits=_CONNECTIONS,
            trust_env=False,
            follow_redirects=False,
        )

    async def publish(self, wires: list[bytes]) -> FactsKept:
        """Hand facts over; returns when the post's disk has them. Raises `PostFault`."""
        content = FactBatch(facts=as_text(wires)).model_dump_json().encode()
        return _read(FactsKept, await self._call("POST", "/v1/facts", content=content))

    async def facts(self, generation: uuid.UUID | None, after: int, limit: int, wait_s: float) -> FactPage:
        """Return facts of the other gates. Raises `PostFault`."""
        return _read(FactPage, await self._page("/v1/facts", generation, after, limit, wait_s))

    async def seals(self, generation: uuid.UUID | None, after: int, limit: int, wait_s: float) -> bytes:
        """Return reports of seals, signed by the post. Raises `PostFault`."""
        return (await self._page("/v1/seals", generation, after, limit, wait_s)).content

    async def state(self) -> PostState:
        """Return how the post is. Raises `PostFault`."""
        return _read(PostState, await self._call("GET", "/v1/state"))

    async def bring_officers(self, wire: bytes) -> OfficersHeld:
        """Hand the officers' bundle over. Raises `PostFault`."""
        return _read(OfficersHeld, await self._call("PUT", "/v1/officers", content=wire))

    async def unlock(self, wire: bytes) -> bytes:
        """Hand over an order to unlock a seal, once; return the post's signed answer.

        Raises `PostNotReached` or `OrderRefused` when it certainly reached no seal, any other `PostFault` when nobody knows.
        """
        timeout = httpx.Timeout(self._timeout_s, read=self._timeout_s + _UNLOCK_WAIT_S)
        headers = {"content-type": "application/octet-stream"}
        with _faults():
            response = await self._client.request("POST", "/v1/unlocks", content=wire, headers=headers, timeout=timeout)
        if response.status_code in _NOT_CARRIED_OUT:
            raise OrderRefused("the post did not carry the order out", code=_code_of(response))
        if not response.is_success or len(response.content) > _LONGEST_ANSWER_BYTES:
            raise PostFault(f"the post answered {response.status_code} to an unlock", code=REFUSED)
        return response.content

    @asynccontextmanager
    async def blob(self, sha256: str, first_byte: int) -> AsyncIterator[httpx.Response]:
        """Open a large file from a byte on. Raises `PostFault`; the answer's status is the caller's to judge."""
        headers = {"range": f"bytes={first_byte}-"} if first_byte else {}
        with _faults():
            async with self._client.stream("GET", f"/blobs/{sha256}", headers=headers, timeout=60.0) as response:
                yield response

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _page(
        self, path: str, generation: uuid.UUID | None, after: int, limit: int, wait_s: float
    ) -> httpx.Response:
        parameters: dict[str, str | int | float] = {"after": after, "limit": limit, "wait_s": wait_s}
        if generation is not None:
            parameters["generation"] = str(generation)
        return await self._call("GET", path, params=parameters, wait_s=wait_s)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str | int | float] | None = None,
        content: bytes | None = None,
        wait_s: float = 0.0,
    ) -> httpx.Response:
        headers = {"content-type": "application/json"} if content is not None else {}
        with _faults():
            response = await self._client.request(
                method, path, params=params, content=content, headers=headers, timeout=self._timeout_s + wait_s
            )
        if response.is_error:
            raise PostFault(f"the post answered {response.status_code} to {path}", code=REFUSED)
        if len(response.content) > _LONGEST_ANSWER_BYTES:
            raise PostFault("the post's answer is too long", code=UNREADABLE)
        return response


class _faults:  # noqa: N801 - used like a keyword
    """Turns what httpx raises into `PostFault`."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Translate."""
        if isinstance(error, httpx.TransportError):
            fault = PostNotReached if isinstance(error, _NEVER_LEFT) else PostFault
            if _is_certificate(error):
                raise fault("the post and this gate do not believe each other's certificates", code=CERTIFICATE)
            raise fault(f"the post does not answer: {type(error).__name__}", code=NOT_REACHABLE) from error


def _is_certificate(error: BaseException | None) -> bool:
    """Say whether a fault comes from a certificate, ours or theirs: TLS alerts arrive as read errors, too."""
    while error is not None:
        if isinstance(error, ssl.SSLError) and ("CERTIFICATE" in str(error).upper() or "UNKNOWN_CA" in str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _read(model: type[Answer], response: httpx.Response) -> Answer:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as error:
        raise PostFault("the post's answer cannot be read", code=UNREADABLE) from error


def _code_of(response: httpx.Response) -> str:
    try:
        return Refusal.model_validate_json(response.content).code[:_LONGEST_CODE]
    except ValidationError:
        return REFUSED
