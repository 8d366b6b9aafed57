"""The sync API: the only door through which `egate sync` reaches the store. HTTP on the Unix socket `sync.sock` (mode 0600).

Routes and messages stand in `central_sync.handover`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse

from central_sync.acks import AckApplied
from central_sync.commands import CommandResult
from central_sync.envelope import MAX_BATCH_RECORDS, Lane
from central_sync.errors import AckRefused, CommandRefused
from central_sync.handover import BatchPage, LinkReport, LinkState, Refusal
from central_sync.presence import ChainPosition, DeviceReading
from gate_agent.errors import StoreFault
from gate_agent.store import Store

SOCKET_NAME = "sync.sock"

_LONGEST_WAIT_S = 20.0
_LONGEST_MESSAGE_BYTES = 65_536


def create_sync_api(store: Store, devices: Callable[[], list[DeviceReading]] = list) -> FastAPI:
    """Return the application over an open store; serve it with `uvicorn.Config(app, uds=…)`. `devices`: how the gate's are."""
    app = FastAPI(title="eGate sync API", openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/v1/batch")
    async def batch(
        lane: Lane,
        limit: Annotated[int, Query(ge=1, le=MAX_BATCH_RECORDS)] = MAX_BATCH_RECORDS,
        after_seq: Annotated[int, Query(ge=0)] = 0,
        wait_s: Annotated[float, Query(ge=0, le=_LONGEST_WAIT_S)] = 0.0,
    ) -> BatchPage:
        return await store.next_batch(lane, limit, after_seq, wait_s)

    @app.post("/v1/ack")
    async def ack(request: Request) -> AckApplied:
        return await store.apply_ack(await _message(request))

    @app.post("/v1/command")
    async def command(request: Request) -> CommandResult:
        return await store.apply_command(await _message(request))

    @app.get("/v1/birth")
    async def birth() -> ChainPosition:
        return await store.position()

    @app.get("/v1/telemetry")
    async def telemetry() -> list[DeviceReading]:
        return devices()

    @app.post("/v1/link", status_code=204)
    async def report_link(report: LinkReport) -> None:
        await store.report_link(report)

    @app.get("/v1/link")
    async def link() -> LinkState:
        return await store.link_state()

    @app.exception_handler(AckRefused)
    async def ack_refused(_request: Request, refusal: AckRefused) -> JSONResponse:
        return _refusal(409, refusal.code, str(refusal))

    @app.exception_handler(CommandRefused)
    async def command_refused(_request: Request, refusal: CommandRefused) -> JSONResponse:
        return _refusal(409, refusal.code, str(refusal))

    @app.exception_handler(StoreFault)
    async def store_fault(_request: Request, fault: StoreFault) -> JSONResponse:
        return _refusal(503, fault.code, str(fault))

    return app


async def _message(request: Request) -> bytes:
    """Return the body; one that is too long is cut, so that its signature cannot be right."""
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > _LONGEST_MESSAGE_BYTES:
            break
    return bytes(received[:_LONGEST_MESSAGE_BYTES])


def _refusal(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse(Refusal(code=code, message=message).model_dump(), status_code=status)
