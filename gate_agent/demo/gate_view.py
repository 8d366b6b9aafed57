"""What the demo sees of the gate: the lane API's event stream, followed across restarts, and conditions waited for on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx
from pydantic import ValidationError

from gate_agent.web.events import EventReader
from gate_agent.web.lane_api_messages import GateSnapshot, LaneView, ReferralView, TransactionView, TravellerInput

Found = TypeVar("Found")

_RECONNECT_S = 0.1


class Interrupted(Exception):
    """The agent went away while a traveller was being served."""


class NotReached(Exception):
    """What the demo waited for did not come in time."""


class GateView:
    """Follows one agent. `generation` grows with each connection, so that a restart in between is noticed."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._snapshot: GateSnapshot | None = None
        self._arrived = asyncio.Condition()
        self._follower: asyncio.Task[None] | None = None
        self.generation = 0
        self.connected = False

    async def start(self) -> None:
        """Begin to follow."""
        self._follower = asyncio.create_task(self._follow(), name="gate-view")

    async def stop(self) -> None:
        """Stop following."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)

    @property
    def snapshot(self) -> GateSnapshot | None:
        """The newest state, None while the agent is away."""
        return self._snapshot if self.connected else None

    def lane(self, lane_id: int) -> LaneView:
        """Return the newest state of a lane; raises `Interrupted` while the agent is away."""
        snapshot = self.snapshot
        if snapshot is None:
            raise Interrupted
        return next(lane for lane in snapshot.lanes if lane.lane_id == lane_id)

    async def until(
        self,
        condition: Callable[[GateSnapshot], Found | None],
        timeout_s: float,
        what: str,
        *,
        across_restarts: bool = False,
    ) -> Found:
        """Return what `condition` finds as soon as it finds something.

        Raises `NotReached` after `timeout_s` and, unless `across_restarts`, `Interrupted` when the agent went away meanwhile.
        """
        generation = self.generation
        try:
            async with asyncio.timeout(timeout_s), self._arrived:
                while True:
                    if not across_restarts and (not self.connected or self.generation != generation):
                        raise Interrupted(what)
                    if self._snapshot is not None and self.connected:
                        found = condition(self._snapshot)
                        if found is not None:
                            return found
                    await self._arrived.wait()
        except TimeoutError as error:
            raise NotReached(what) from error

    async def phase(self, lane_id: int, *phases: str, timeout_s: float = 20.0) -> LaneView:
        """Wait until a lane is in one of the phases."""

        def reached(snapshot: GateSnapshot) -> LaneView | None:
            lane = next(entry for entry in snapshot.lanes if entry.lane_id == lane_id)
            return lane if lane.state in phases else None

        return await self.until(reached, timeout_s, f"lane {lane_id} in {' or '.join(phases)}")

    async def referral(self, lane_id: int, timeout_s: float = 30.0) -> ReferralView:
        """Wait until a lane waits for a guard."""
        return await self.until(
            lambda snapshot: next(lane for lane in snapshot.lanes if lane.lane_id == lane_id).referral,
            timeout_s,
            f"a referral in lane {lane_id}",
        )

    async def ended(self, transaction_id: str, timeout_s: float = 30.0) -> TransactionView:
        """Wait until a transaction has ended."""
        return await self.until(
            lambda snapshot: next((e for e in snapshot.recent if str(e.transaction_id) == transaction_id), None),
            timeout_s,
            "the end of the transaction",
        )

    async def press(self, lane_id: int, pressed: TravellerInput) -> None:
        """Press a button on the traveller's screen."""
        async with self._client() as client:
            await client.post(f"/v1/lanes/{lane_id}/traveller", content=pressed.model_dump_json(exclude_none=True))

    def _client(self) -> httpx.AsyncClient:
        transport = httpx.AsyncHTTPTransport(uds=str(self._socket))
        return httpx.AsyncClient(
            transport=transport,
            base_url="http://localhost",
            headers={"content-type": "application/json"},
            timeout=httpx.Timeout(5.0, read=10.0),
        )

    async def _follow(self) -> None:
        while True:
            try:
                async with self._client() as client, client.stream("GET", "/v1/events") as answer:
                    answer.raise_for_status()
                    reader = EventReader()
                    self.generation += 1
                    async for chunk in answer.aiter_bytes():
                        for _, content in reader.feed(chunk):
                            await self._take(content)
            except (httpx.HTTPError, ValidationError, ValueError):
                pass  # the agent is away or starting; the keeper brings it back
            if self.connected:
                async with self._arrived:
                    self.connected = False
                    self._arrived.notify_all()
            await asyncio.sleep(_RECONNECT_S)

    async def _take(self, content: str) -> None:
        snapshot = GateSnapshot.model_validate_json(content)
        async with self._arrived:
            self._snapshot = snapshot
            self.connected = True
            self._arrived.notify_all()
