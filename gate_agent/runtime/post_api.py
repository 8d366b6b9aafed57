"""What `egate post` answers to the gates of its post. Routes and messages stand in `central_sync.post.messages`.

Who asks is decided by the certificate of the connection, once, before a byte of the request is read; a request names nobody.
"""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Mapping
from typing import Annotated, Protocol

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol

from central_sync.errors import BlobRefused, BundleRefused, FactRefused, OrderRefused
from central_sync.handover import Refusal
from central_sync.post.facts import open_fact
from central_sync.post.messages import (
    LONGEST_WAIT_S,
    MAX_FACTS,
    MAX_SEALS,
    FactBatch,
    FactPage,
    FactsKept,
    OfficersHeld,
    PostState,
)
from gate_agent.errors import StoreFault
from gate_agent.runtime.blob_cache import STATUS, BlobCache
from gate_agent.store.post_ledger import PostLedger, ReceivedFact

LONGEST_REQUEST_BYTES = 1_000_000
BLOB_WAIT_S = 10.0

_log = structlog.get_logger(__name__)
Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)]


class SealSource(Protocol):
    """Where reports of seals come from."""

    async def page(self, generation: uuid.UUID | None, after: int, limit: int, wait_s: float) -> bytes:
        """Return a signed page; wait for the first report."""
        ...


class StateSource(Protocol):
    """Who knows how the post is, and who its officers are."""

    async def state(self) -> PostState:
        """Return it."""
        ...

    def bring_officers(self, wire: bytes) -> int:
        """Keep an officers' bundle that the centre signed; return the version in force. Raises `BundleRefused`, `StoreFault`."""
        ...


class UnlockDesk(Protocol):
    """Who carries orders to unlock a seal out."""

    async def answer(self, gate: str, wire: bytes) -> bytes:
        """Return the signed answer to a signed order of this gate. Raises `OrderRefused`, `StoreFault`."""
        ...


def gate_protocol(sources: Mapping[bytes, str]) -> type[asyncio.Protocol]:
    """Return the HTTP protocol of a post: it knows the gate of each connection by its certificate, and cuts one that is not listed."""

    class GateProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as the class above
            tls = transport.get_extra_info("ssl_object")
            shown = tls.getpeercert(binary_form=True) if tls is not None else None
            gate = sources.get(hashlib.sha256(shown).digest()) if shown else None
            super().connection_made(transport)
            if gate is None:
                _log.error("post_connection_refused")
                transport.abort()
                return
            self.app_state = {**self.app_state, "gate": gate}

    return GateProtocol


def create_post_api(
    ledger: PostLedger,
    seals: SealSource,
    blobs: BlobCache,
    state: StateSource,
    gates: Mapping[str, Ed25519PublicKey],
    unlocks: UnlockDesk,
) -> FastAPI:
    """Return the application, without a limit of request bodies (`LONGEST_REQUEST_BYTES` is for whoever serves it); serve it with `gate_protocol`. `gates` are the keys by which each gate's facts are verified."""
    app = FastAPI(title="eGate post", openapi_url=None, docs_url=None, redoc_url=None)

    @app.post("/v1/facts")
    async def publish(batch: FactBatch, request: Request) -> FactsKept:
        gate = request.state.gate
        received: list[ReceivedFact] = []
        try:
            wires = batch.wires()
        except ValueError as error:
            raise FactRefused("the facts are not base64") from error
        for wire in wires:
            try:
                fact = open_fact(wire, {gate: gates[gate]})
            except FactRefused as refusal:  # one that nobody can use keeps no other back
                _log.error("fact_refused", gate=gate, code=refusal.code)
            else:
                received.append((fact.fact_id, wire, fact.expires_at))
        kept = await ledger.keep(gate, received)
        return kept.model_copy(update={"refused": len(wires) - len(received)})

    @app.get("/v1/facts")
    async def facts(
        request: Request,
        generation: uuid.UUID | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_FACTS)] = MAX_FACTS,
        wait_s: Wait = 0.0,
    ) -> FactPage:
        return await ledger.page(request.state.gate, generation, after, limit, wait_s)

    @app.get("/v1/seals")
    async def reports(
        generation: uuid.UUID | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=MAX_SEALS)] = MAX_SEALS,
        wait_s: Wait = 0.0,
    ) -> Response:
        content = await seals.page(generation, after, limit, wait_s)
        return Response(content, media_type="application/octet-stream")

    @app.post("/v1/unlocks")
    async def unlock(request: Request) -> Response:
        answer = await unlocks.answer(request.state.gate, await request.body())
        return Response(answer, media_type="application/octet-stream")

    @app.put("/v1/officers")
    async def officers(request: Request) -> OfficersHeld:
        return OfficersHeld(version=state.bring_officers(await request.body()))

    @app.get("/v1/state")
    async def its_state() -> PostState:
        return await state.state()

    @app.get("/blobs/{sha256}")
    async def blob(sha256: str) -> Response:
        path = await blobs.get(sha256, BLOB_WAIT_S)
        if path is None:
            return Response(status_code=503, headers={"retry-after": "1"})
        return FileResponse(path, media_type="application/octet-stream", headers={"etag": f'"{sha256}"'})

    @app.exception_handler(BlobRefused)
    async def blob_refused(_request: Request, refusal: BlobRefused) -> JSONResponse:
        return _refusal(STATUS[refusal.code], refusal.code, str(refusal))

    @app.exception_handler(FactRefused)
    @app.exception_handler(OrderRefused)
    @app.exception_handler(BundleRefused)
    async def word_refused(request: Request, refusal: FactRefused | OrderRefused | BundleRefused) -> JSONResponse:
        _log.error("word_of_gate_refused", gate=request.state.gate, code=refusal.code)
        return _refusal(422, refusal.code, str(refusal))

    @app.exception_handler(StoreFault)
    async def store_fault(_request: Request, fault: StoreFault) -> JSONResponse:
        return _refusal(503, fault.code, str(fault))

    return app


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse(Refusal(code=code, message=message).model_dump(), status_code=status)
