"""The console's one link to its agent: HTTP over the Unix socket `lane.sock`.

One stream serves all pages of this process. What it hears, comments included, is passed on as a beat, so that a page knows the
agent is alive and not merely the console. Silence is never filled.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
import structlog
from pydantic import BaseModel, ValidationError

from gate_agent.clock import Clock, SystemClock
from gate_agent.web.appeal_messages import StandingView
from gate_agent.web.desk_messages import DutyQuestion, DutyView, InspectionsView, StopView
from gate_agent.web.device_messages import DeviceHistory
from gate_agent.web.events import Broadcaster, EventReader
from gate_agent.web.lane_api_messages import (
    ActionAnswer,
    GateSnapshot,
    ImageKind,
    ScreenState,
    SignedAuthorisation,
    TravellerInput,
)
from gate_agent.web.receipt_messages import ReceiptQuery, ReceiptsFound

_log = structlog.get_logger()
Message = TypeVar("Message", bound=BaseModel)

SILENCE_LIMIT_S = 5.0
"""A stream of the agent that is silent for this long is given up (it sends a comment every 2 s)."""

RECONNECT_S = 0.5
ANSWER_TIMEOUT_S = 10.0


class LaneLinkDown(Exception):
    """The agent does not answer, or not in its language."""


class LaneLink:
    """Follows the gate's state and carries requests. Use `run` in a task for as long as pages are served."""

    def __init__(self, socket: Path, *, silence_limit_s: float = SILENCE_LIMIT_S, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._heard_s = 0.0
        self._client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(socket), limits=httpx.Limits(max_connections=200)),
            base_url="http://lane.sock",
            timeout=httpx.Timeout(ANSWER_TIMEOUT_S, connect=2.0, pool=2.0),
        )
        self._stream_timeout = httpx.Timeout(silence_limit_s, connect=2.0)
        self.changes: Broadcaster[int] = Broadcaster(limit=256)
        self.snapshot: GateSnapshot | None = None

    def snapshot_now(self) -> GateSnapshot | None:
        """Return the newest state with the gate's clock as it stands now: states come on change only, time goes on."""
        if self.snapshot is None:
            return None
        elapsed = timedelta(seconds=self._clock.monotonic_s() - self._heard_s)
        return self.snapshot.model_copy(update={"now": self.snapshot.now + elapsed})

    async def run(self) -> None:
        """Follow the gate until cancelled; a lost stream is opened again."""
        heard_before = True
        while True:
            try:
                async for content in self._events("/v1/events"):
                    if content is not None:
                        self.snapshot = GateSnapshot.model_validate_json(content)
                        self._heard_s = self._clock.monotonic_s()
                        heard_before = True
                    self.changes.publish(0 if self.snapshot is None else self.snapshot.sequence)
            except (LaneLinkDown, LookupError, ValidationError) as error:
                self.snapshot = None  # what is old is not shown as if it were new
                if heard_before:
                    _log.warning("lane_link_lost", cause=type(error).__name__)
                    heard_before = False
            await asyncio.sleep(RECONNECT_S)

    async def follow_screen(self, lane_id: int) -> AsyncIterator[ScreenState | None]:
        """Yield a lane's screen after each change and None for a sign of life. Raises `LaneLinkDown`, `LookupError`."""
        async for content in self._events(f"/v1/lanes/{lane_id}/events"):
            yield None if content is None else ScreenState.model_validate_json(content)

    async def screen(self, lane_id: int) -> ScreenState:
        """Return a lane's screen now. Raises `LaneLinkDown`, and `LookupError` when the gate has no such lane."""
        answer = await self._request("GET", f"/v1/lanes/{lane_id}/screen")
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise LookupError(lane_id)
        return ScreenState.model_validate_json(_content(answer))

    async def device_history(self, name: str) -> DeviceHistory | None:
        """Return the last changes of a device's state, None for an unknown one. Raises `LaneLinkDown`."""
        return _found(DeviceHistory, await self._request("GET", f"/v1/devices/{quote(name, safe='')}/history"))

    async def stop(self, stop_id: uuid.UUID) -> StopView | None:
        """Return everything about an open stop, None when it is not open (any more). Raises `LaneLinkDown`."""
        return _found(StopView, await self._request("GET", f"/v1/stops/{stop_id}"))

    async def duty(self, stop_id: uuid.UUID, question: DutyQuestion) -> DutyView | None:
        """Return what would be due on other lines than the declared ones; nothing is kept. Raises `LaneLinkDown`."""
        return _found(DutyView, await self._request("POST", f"/v1/stops/{stop_id}/duty", question.model_dump_json()))

    async def standing(self, transaction_id: uuid.UUID) -> StandingView | None:
        """Return what customs counts of whoever made a crossing, None when nobody knows any more. Raises `LaneLinkDown`."""
        return _found(StandingView, await self._request("GET", f"/v1/standings/{transaction_id}"))

    async def inspections(self, days: int) -> InspectionsView:
        """Return what was counted of closed tasks. Raises `LaneLinkDown`."""
        return InspectionsView.model_validate_json(_content(await self._request("GET", f"/v1/inspections?days={days}")))

    async def image(self, transaction_id: uuid.UUID, kind: ImageKind) -> bytes | None:
        """Return a portrait or frame of a referred transaction, or None."""
        answer = await self._request("GET", f"/v1/transactions/{transaction_id}/images/{kind}")
        return None if answer.status_code == httpx.codes.NOT_FOUND else _content(answer)

    async def act(self, signed: SignedAuthorisation) -> ActionAnswer:
        """Hand over what officers signed; return the agent's answer, accepted or refused."""
        answer = await self._request("POST", "/v1/actions", signed.model_dump_json())
        if answer.status_code not in {httpx.codes.OK, httpx.codes.FORBIDDEN}:
            raise LaneLinkDown(f"the agent answered {answer.status_code}")
        return ActionAnswer.model_validate_json(answer.content)

    async def receipts(self, query: ReceiptQuery) -> ReceiptsFound:
        """Return the receipts that were given to a document's holder. Raises `LaneLinkDown`."""
        answer = await self._request("POST", "/v1/receipts", query.model_dump_json())
        return ReceiptsFound.model_validate_json(_content(answer))

    async def traveller_input(self, lane_id: int, pressed: TravellerInput) -> bool:
        """Pass on what a traveller pressed; False when it means nothing now. Raises `LookupError` for an unknown lane."""
        answer = await self._request("POST", f"/v1/lanes/{lane_id}/traveller", pressed.model_dump_json())
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise LookupError(lane_id)
        if answer.status_code == httpx.codes.CONFLICT:
            return False
        _content(answer)
        return True

    async def close(self) -> None:
        """End all pages' streams and the connection."""
        self.changes.close()
        await self._client.aclose()

    async def _request(self, method: str, path: str, content: str | None = None) -> httpx.Response:
        headers = {} if content is None else {"Content-Type": "application/json"}
        try:
            return await self._client.request(method, path, content=content, headers=headers)
        except httpx.HTTPError as error:
            raise LaneLinkDown(f"{method} {path}: {type(error).__name__}") from error

    async def _events(self, path: str) -> AsyncIterator[str | None]:
        reader = EventReader()
        try:
            async with self._client.stream("GET", path, timeout=self._stream_timeout) as answer:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    raise LookupError(path)
                if answer.status_code != httpx.codes.OK:
                    raise LaneLinkDown(f"{path}: the agent answered {answer.status_code}")
                async for chunk in answer.aiter_bytes():
                    contents = [content for _event, content in reader.feed(chunk)]
                    if contents:
                        yield contents[-1]  # states are whole: the newest is enough
                    else:
                        yield None
        except (httpx.HTTPError, ValueError) as error:
            raise LaneLinkDown(f"{path}: {type(error).__name__}") from error


def _found(message: type[Message], answer: httpx.Response) -> Message | None:
    return None if answer.status_code == httpx.codes.NOT_FOUND else message.model_validate_json(_content(answer))


def _content(answer: httpx.Response) -> bytes:
    if not answer.is_success:
        raise LaneLinkDown(f"the agent answered {answer.status_code}")
    return answer.content
