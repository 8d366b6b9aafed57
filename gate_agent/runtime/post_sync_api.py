"""The part of the sync API that is about the post. Routes and messages stand in `central_sync.post.messages`."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse

from central_sync.errors import PostFault
from central_sync.handover import Refusal
from central_sync.post.agent_socket import PostGate
from central_sync.post.messages import (
    LONGEST_WAIT_S,
    MAX_FACTS,
    FactPage,
    FactsSent,
    FactsTaken,
    OwnFacts,
    PostPlace,
    PostReport,
    UnlockCarried,
    UnlockClaimed,
    UnlocksWaiting,
)


def add_post_routes(app: FastAPI, side: PostGate, longest_bytes: int) -> None:
    """Add the routes of a gate that has a post."""

    @app.get("/v1/post/own-facts")
    async def own_facts(
        limit: Annotated[int, Query(ge=1, le=MAX_FACTS)] = MAX_FACTS,
        wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0.0,
    ) -> OwnFacts:
        return await side.own_facts(limit, wait_s)

    @app.post("/v1/post/sent", status_code=204)
    async def sent(told: FactsSent) -> None:
        await side.facts_sent(told)

    @app.get("/v1/post/place")
    async def place() -> PostPlace:
        return await side.place()

    @app.post("/v1/post/facts")
    async def facts(page: FactPage) -> FactsTaken:
        return await side.take_facts(page)

    @app.post("/v1/post/seals")
    async def seals(request: Request) -> PostPlace:
        received = bytearray()
        async for piece in request.stream():
            received += piece
            if len(received) > longest_bytes:
                break
        return await side.take_seals(bytes(received[:longest_bytes]))

    @app.post("/v1/post/report", status_code=204)
    async def report(told: PostReport) -> None:
        await side.report_post(told)

    @app.get("/v1/post/unlocks")
    async def unlocks(wait_s: Annotated[float, Query(ge=0, le=LONGEST_WAIT_S)] = 0.0) -> UnlocksWaiting:
        return await side.unlocks_waiting(wait_s)

    @app.post("/v1/post/unlocks/claim")
    async def claim() -> UnlockClaimed:
        return await side.claim_unlock()

    @app.post("/v1/post/unlocks/carried", status_code=204)
    async def carried(told: UnlockCarried) -> None:
        await side.unlock_carried(told)

    @app.exception_handler(PostFault)
    async def post_fault(_request: Request, fault: PostFault) -> JSONResponse:
        return JSONResponse(Refusal(code=fault.code, message=str(fault)).model_dump(), status_code=422)
