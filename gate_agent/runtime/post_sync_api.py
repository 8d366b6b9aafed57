"""The part of the sync API that is about the post. Routes and messages stand in `central_sync.post.messages`."""

from __future__ import annotations

from typing import Annotated, Protocol

from fastapi import FastAPI, Query, Request
from fastapi.responses import JSONResponse

from central_sync.errors import PostFault
from central_sync.handover import Refusal
from central_sync.post.messages import (
    LONGEST_WAIT_S,
    MAX_FACTS,
    FactPage,
    FactsSent,
    FactsTaken,
    OwnFacts,
    PostPlace,
    PostReport,
)


class PostSide(Protocol):
    """What the agent does with it."""

    async def own_facts(self, limit: int, wait_s: float) -> OwnFacts:
        """Return facts that the post has not got."""
        ...

    async def facts_sent(self, sent: FactsSent) -> None:
        """Note what the post keeps."""
        ...

    async def place(self) -> PostPlace:
        """Return where this gate stands."""
        ...

    async def take_facts(self, page: FactPage) -> FactsTaken:
        """Put facts of the other gates into effect."""
        ...

    async def take_seals(self, wire: bytes) -> PostPlace:
        """Take reports of seals over. Raises `PostFault` for what the post did not sign."""
        ...

    async def report_post(self, report: PostReport) -> None:
        """Note how the post is."""
        ...


def add_post_routes(app: FastAPI, side: PostSide, longest_bytes: int) -> None:
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

    @app.exception_handler(PostFault)
    async def post_fault(_request: Request, fault: PostFault) -> JSONResponse:
        return JSONResponse(Refusal(code=fault.code, message=str(fault)).model_dump(), status_code=422)
