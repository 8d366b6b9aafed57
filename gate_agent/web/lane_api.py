"""The lane API: the one door through which consoles and screens see a gate and officers act on it. Runs inside the agent.

It is served on the Unix socket `lane.sock` and speaks the messages of `lane_api_messages`. It holds no state and no rule: the
`LaneApiSource` answers, this room only carries. A page that is slow, gone or hostile never makes the lane wait.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Protocol

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel

from gate_agent.web.device_messages import DeviceHistory
from gate_agent.web.events import COMMENT_INTERVAL_S, STREAM_HEADERS, Broadcaster, TooManyConsumers, stream
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    GateSnapshot,
    ImageKind,
    ScreenState,
    SignedAuthorisation,
    TravellerInput,
)
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptsFound

_PRIVATE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class UnknownLane(LookupError):
    """The gate has no lane of that number; answered 404."""


class LaneApiSource(Protocol):
    """What the agent offers to its pages. All calls happen on the agent's loop and return at once, but for the two `async` ones."""

    @property
    def changes(self) -> Broadcaster[int]:
        """Publishes the new sequence after each change of anything below."""
        ...

    def snapshot(self) -> GateSnapshot:
        """Return everything a console shows, now."""
        ...

    def screen(self, lane_id: int) -> ScreenState:
        """Return what the traveller's screen of a lane shows, now. Raises `UnknownLane`."""
        ...

    def device_history(self, name: str) -> DeviceHistory | None:
        """Return the last changes of a device's state, None for an unknown one."""
        ...

    def image(self, transaction_id: uuid.UUID, kind: ImageKind) -> bytes | None:
        """Return the JPEG of a referred transaction's portrait or frame, or None."""
        ...

    async def act(self, signed: SignedAuthorisation) -> ActionAnswer:
        """Verify and carry out what officers authorised; the answer says accepted or the refusal's code."""
        ...

    async def receipts(self, query: ReceiptQuery) -> ReceiptsFound:
        """Return the receipts that were given to a document's holder."""
        ...

    async def traveller_input(self, lane_id: int, pressed: TravellerInput) -> bool:
        """Pass on what the traveller pressed; False when the lane has no use for it now. Raises `UnknownLane`."""
        ...


def answered(message: BaseModel, status: int = 200) -> Response:
    """Return a message as an answer that nobody keeps."""
    return Response(message.model_dump_json(), status_code=status, media_type="application/json", headers=_PRIVATE)


def refused(status: int, text: str) -> JSONResponse:
    """Return an answer that says why there is none."""
    return JSONResponse({"message": text}, status_code=status, headers=_PRIVATE)


def create_app(source: LaneApiSource, *, comment_interval_s: float = COMMENT_INTERVAL_S) -> FastAPI:
    """Return the lane API over `source`. The caller serves it on the Unix socket and closes `source.changes` before it stops."""
    app = FastAPI(title="eGate lane API", version="1", docs_url=None, redoc_url=None)

    @app.exception_handler(RequestValidationError)
    async def refuse(_request: Request, error: RequestValidationError) -> JSONResponse:
        # The usual answer repeats the input; what was sent may hold a traveller's words.
        wrong = sorted({".".join(str(part) for part in item["loc"]) for item in error.errors()})
        return refused(422, "refused at " + ", ".join(wrong))

    @app.exception_handler(UnknownLane)
    async def unknown_lane(_request: Request, _error: UnknownLane) -> JSONResponse:
        return refused(404, "this gate has no such lane")

    @app.exception_handler(TooManyConsumers)
    async def too_many(_request: Request, _error: TooManyConsumers) -> JSONResponse:
        return refused(503, "too many pages are open")

    def following(render: Callable[[], tuple[int, str]]) -> StreamingResponse:
        source.changes.require_room()
        events = stream(source.changes, render, comment_interval_s=comment_interval_s)
        return StreamingResponse(events, media_type="text/event-stream", headers=STREAM_HEADERS)

    @app.get("/v1/gate", response_model=GateSnapshot)
    async def gate() -> Response:
        return answered(source.snapshot())

    @app.get("/v1/events")
    async def gate_events() -> StreamingResponse:
        def render() -> tuple[int, str]:
            snapshot = source.snapshot()
            return snapshot.sequence, snapshot.model_dump_json()

        return following(render)

    @app.get("/v1/lanes/{lane_id}/screen", response_model=ScreenState)
    async def screen(lane_id: int) -> Response:
        return answered(source.screen(lane_id))

    @app.get("/v1/lanes/{lane_id}/events")
    async def screen_events(lane_id: int) -> StreamingResponse:
        source.screen(lane_id)  # an unknown lane is answered before the stream begins

        def render() -> tuple[int, str]:
            state = source.screen(lane_id)
            return state.sequence, state.model_dump_json()

        return following(render)

    @app.get("/v1/devices/{name}/history", response_model=DeviceHistory)
    async def device_history(name: str) -> Response:
        history = source.device_history(name)
        return refused(404, "this gate has no such device") if history is None else answered(history)

    @app.get("/v1/transactions/{transaction_id}/images/{kind}")
    async def image(transaction_id: uuid.UUID, kind: ImageKind) -> Response:
        jpeg = source.image(transaction_id, kind)
        if jpeg is None:
            return refused(404, "no such image now")
        return Response(jpeg, media_type="image/jpeg", headers=_PRIVATE)

    @app.post("/v1/actions", response_model=ActionAnswer, responses={403: {"model": ActionAnswer}})
    async def act(signed: SignedAuthorisation) -> Response:
        answer = await source.act(signed)
        return answered(answer, 200 if answer.accepted else 403)

    @app.post("/v1/receipts", response_model=ReceiptsFound)
    async def receipts(query: ReceiptQuery) -> Response:
        return answered(await source.receipts(query))

    @app.post("/v1/lanes/{lane_id}/traveller", status_code=204)
    async def traveller(lane_id: int, pressed: TravellerInput) -> Response:
        if not await source.traveller_input(lane_id, pressed):
            return refused(409, "not possible now")
        return Response(status_code=204)

    return app
