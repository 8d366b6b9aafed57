"""One scenario of the walk-through demonstration, step by step: walkers move, the lane looks, doors and guards answer."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivers import contracts as dc
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.twin import CameraTwin
from gate_agent.demo.performance import DemoFault
from gate_agent.demo.specimens import specimen
from gate_agent.demo.walk_through_cast import Performer
from gate_agent.demo.walk_through_guard import WalkThroughGuard
from gate_agent.demo.walk_through_scene import cut_out, hall, load_portrait, render
from gate_agent.demo.walk_through_scripts import ZONE_FACE_PX, Scenario
from gate_agent.lane.walk_through import WalkThroughLane

LABEL = "demonstration: the shipped model proves no false positive identification rate"
FPS = 20.0
_SCENE_STEP_S = 0.1
_PAUSE_S = 5.0  # of the scene's time between two scenarios: no track lives that long
_NEAR_SHARE = 0.76  # whom the camera may see in the zone before the floor does: its boxes come in steps of a fifth
_LOOK_TIMEOUT_S = 60.0
_PASSAGE_TIMEOUT_S = 30.0


class Stage(Protocol):
    """What a scenario needs: the virtual devices, a guard, and the scene's clock (`demo.walk_through.Hall`)."""

    camera: CameraTwin
    exit: ModbusBarrierTwin
    portraits: Path
    guard: WalkThroughGuard
    scene_s: float

    def shown(self, scene_s: float) -> None:
        """Note that the camera shows a new moment of the scene from now on."""
        ...


@dataclass(frozen=True, slots=True)
class WalkerLine:
    """What became of one walker."""

    scenario: int
    title: str
    traveller: str
    enrolled: bool
    outcome: str
    decided_by: str
    reasons: tuple[str, ...]
    released_as_himself: bool | None
    seconds: float
    as_expected: bool

    def fields(self) -> dict[str, object]:
        """Return the JSON fields of one line."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "traveller": self.traveller,
            "enrolled": self.enrolled,
            "outcome": self.outcome,
            "decided_by": self.decided_by,
            "reasons": list(self.reasons),
            "released_as_himself": self.released_as_himself,
            "seconds": round(self.seconds, 1),
            "as_expected": self.as_expected,
            "label": LABEL,
        }


class Play:
    """One scenario being played."""

    def __init__(self, stage: Stage, lane: WalkThroughLane, scenario: Scenario) -> None:
        self._stage = stage
        self._lane = lane
        self._scenario = scenario
        self._background = hall()
        self._calls = 0
        self._now_s = 0.0
        self._begun_s = stage.scene_s + _PAUSE_S
        self._performers = [
            Performer(
                walker,
                number,
                None if walker.live is None else cut_out(load_portrait(stage.portraits, walker.live), walker.live),
            )
            for number, walker in enumerate(scenario.walkers)
        ]

    async def run(self) -> list[WalkerLine]:
        """Play to the end and return what became of everybody."""
        begun_s = time.monotonic()
        await self._enrol()
        while self._now_s < self._scenario.longest_s and not all(one.is_done for one in self._performers):
            gone = {one.walker.name for one in self._performers if one.is_gone}
            for one in self._performers:
                one.advance(self._now_s, gone)
            self._stage.exit.set_occupancy(len(self._in_zone()))
            await self._show()
            await self._watch_calls()
            await self._watch_door()
            self._now_s += _SCENE_STEP_S
        seconds = time.monotonic() - begun_s
        return [self._line(one, seconds) for one in self._performers]

    async def _enrol(self) -> None:
        """Let everybody who is expected pass the kiosk."""
        for number, one in enumerate(self._performers):
            reference = one.walker.reference
            if reference is None:
                continue
            document = specimen(20 + 3 * self._scenario.number + number, self._lane.kiosk.today)
            portrait = load_portrait(self._stage.portraits, reference)
            enrolment = await self._lane.enrol(document.lines(), portrait)
            if enrolment.prepared is None:
                raise DemoFault(f"{one.walker.name} was not enrolled: {[r.code.value for r in enrolment.reasons]}")
            one.transaction_id = enrolment.transaction_id

    def _in_zone(self) -> list[Performer]:
        return [one for one in self._performers if one.is_in_zone]

    async def _show(self) -> None:
        """Show this moment and wait until the lane has looked at a frame that was taken after it was shown."""
        figures = [figure for one in self._performers if (figure := one.figure()) is not None]
        frame = render(self._background, figures, self._now_s)
        await asyncio.to_thread(self._stage.camera.show, frame)
        self._stage.shown(self._begun_s + self._now_s)
        try:
            async with asyncio.timeout(_LOOK_TIMEOUT_S):
                while self._lane.last_frame_s < self._stage.scene_s:  # noqa: ASYNC110 - the lane tells nobody about single frames
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            raise DemoFault("the lane saw no frame; is the camera or the worker gone?") from error

    async def _watch_calls(self) -> None:
        """Note whom a guard was called to; he leads everybody out of the zone."""
        calls = list(self._lane.calls)[self._calls :]
        self._calls += len(calls)
        for call in calls:
            reasons = tuple(dict.fromkeys(reason.code.value for reason in call.reasons))
            for one in self._performers:
                if one.is_near(_NEAR_SHARE * ZONE_FACE_PX):
                    one.end("referred", "machine", reasons)
            self._stage.exit.set_occupancy(0)
            await self._stage.guard.deal_with(self._lane, call)
            if call.transaction_id is not None:
                await self._ended(call.transaction_id, "the hand-over was not recorded")

    async def _watch_door(self) -> None:
        """Let whoever stands before the released door walk out, and see for whom it was released."""
        if not self._stage.exit.is_released(dc.Door.EXIT):
            return
        released_for = self._lane.state.active
        zone = self._in_zone()
        for one in zone:
            one.released_as = released_for
        if any(one.walker.lingers for one in zone) or not zone:
            return
        self._stage.exit.walk_out(len(zone))
        if await self._ended(released_for, "the passage was not confirmed"):
            for one in zone:
                one.end("released", "machine", ())

    async def _ended(self, transaction_id: uuid.UUID | None, otherwise: str) -> bool:
        """Wait for the end of a transaction; False when a guard was called to it instead."""
        try:
            async with asyncio.timeout(_PASSAGE_TIMEOUT_S):
                while all(one.transaction_id != transaction_id for one in self._lane.ended):
                    if any(call.transaction_id == transaction_id for call in list(self._lane.calls)[self._calls :]):
                        return False
                    await asyncio.sleep(0.005)
        except TimeoutError as error:
            phases = [one.phase.value for one in self._lane.state.travellers.values()]
            raise DemoFault(f"{otherwise}; travellers are {', '.join(phases)}") from error
        return True

    def _line(self, one: Performer, seconds: float) -> WalkerLine:
        walker = one.walker
        if not one.outcome:
            waits = one.transaction_id in self._lane.state.travellers
            one.end("expected" if walker.live is None and waits else "not_decided", "", ())
        himself = None if one.released_as is None else one.released_as == one.transaction_id
        expected = one.outcome == walker.outcome and (not walker.reason or walker.reason in one.reasons)
        return WalkerLine(
            self._scenario.number,
            self._scenario.title,
            walker.name,
            walker.reference is not None,
            one.outcome,
            one.decided_by,
            one.reasons,
            himself,
            seconds,
            expected and himself is not False,
        )
