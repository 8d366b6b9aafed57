"""The stage: one entry lane and one exit lane of twins, the gate as seen from outside, a guard, and what travellers can do there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from drivers.barcode.twin import BarcodeReaderTwin
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.network_twin import NetworkCameraTwin
from drivers.chip.twin.chip_twin import ChipTwin
from drivers.chip.twin.passport import VirtualPassport
from drivers.contracts import Door
from drivers.document_reader.twin import MrzReaderTwin
from drivers.seal_tracker.twin import JointechSealTwin
from gate_agent.demo.around import AroundTwins
from gate_agent.demo.broker import DemoBroker
from gate_agent.demo.gate_view import GateView, Interrupted, NotReached
from gate_agent.demo.guard import DemoGuard
from gate_agent.demo.inspector import DemoInspector
from gate_agent.demo.passports import PassportOffice
from gate_agent.demo.portal_client import PortalClient
from gate_agent.demo.specimens import Specimen
from gate_agent.domain.reasons import ReasonCode
from gate_agent.web.desk_messages import CustomsTaskView, ReasonView
from gate_agent.web.lane_api_messages import AlarmView, GateSnapshot, GuardAction, LaneView, ReferralView

ENTRY, EXIT = 1, 2
_LOOK_S = 0.01
_STEP_TIMEOUT_S = 30.0


@dataclass(slots=True)
class LaneTwins:
    """The devices of one lane."""

    reader: MrzReaderTwin
    chip: ChipTwin
    barcode: BarcodeReaderTwin
    camera: NetworkCameraTwin
    barrier: ModbusBarrierTwin

    def lay(self, lines: Sequence[str], portrait: bytes, chip: VirtualPassport) -> None:
        """Lay a document on the glass: its page before the reader's lens, its chip in the field."""
        self.reader.present(lines, portrait)
        self.chip.present(chip)

    def take_away(self) -> None:
        """Take the document up."""
        self.reader.remove()
        self.chip.remove()


@dataclass(slots=True)
class Observed:
    """What could be seen of one traveller's crossing."""

    outcome: str
    decided_by: str
    corridor: str | None
    reasons: list[str]
    seconds: float
    software_ms: float | None = None
    step_ms: dict[str, float] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Stage:
    """Everything a scenario may touch."""

    lanes: dict[int, LaneTwins]
    seal: JointechSealTwin
    view: GateView
    guard: DemoGuard
    inspector: DemoInspector
    portal: PortalClient
    broker: DemoBroker
    portraits: dict[str, bytes]
    references: dict[str, bytes]
    passports: PassportOffice
    random: Random
    around: AroundTwins

    def twins(self, lane_id: int) -> LaneTwins:
        """Return the twins of a lane."""
        return self.lanes[lane_id]

    async def ready(self, lane_id: int, timeout_s: float = _STEP_TIMEOUT_S) -> None:
        """Wait until a lane is free, whatever went on before."""
        await self.view.until(
            lambda snapshot: True if any(e.lane_id == lane_id and e.state == "idle" for e in snapshot.lanes) else None,
            timeout_s,
            f"lane {lane_id} free",
            across_restarts=True,
        )

    async def post_ready(self) -> None:
        """Wait until the gate hears its post."""
        await self.view.until(
            lambda snapshot: True if any(d.name == "post" and d.state == "ready" for d in snapshot.devices) else None,
            _STEP_TIMEOUT_S,
            "the post",
            across_restarts=True,
        )

    def lay(
        self,
        lane_id: int,
        person: Specimen,
        *,
        portrait: bytes | None = None,
        wrong_digit: bool = False,
        lifted_at_apdu: int | None = None,
    ) -> None:
        """Lay a document on the reader. `portrait` stands on page and chip instead of the holder's own; `lifted_at_apdu`: see `PassportOffice`."""
        picture = self.references[person.portrait] if portrait is None else portrait
        chip = self.passports.issue(person, picture, lifted_at_apdu=lifted_at_apdu)
        self.twins(lane_id).lay(person.lines(wrong_digit=wrong_digit), picture, chip)

    async def present(
        self, lane_id: int, person: Specimen, *, wrong_digit: bool = False, lifted_at_apdu: int | None = None
    ) -> LaneView:
        """Lay a document on the reader and wait until the gate has begun."""
        self.lay(lane_id, person, wrong_digit=wrong_digit, lifted_at_apdu=lifted_at_apdu)
        return await self.view.until(
            lambda snapshot: next((e for e in snapshot.lanes if e.lane_id == lane_id and e.transaction_id), None),
            _STEP_TIMEOUT_S,
            "the transaction to begin",
        )

    async def scan(self, lane_id: int, token: str) -> None:
        """Hold a declaration code before the barcode reader."""
        self.twins(lane_id).barcode.scan(token.encode("ascii"))

    async def door_or_referral(self, lane_id: int, door: Door) -> ReferralView | None:
        """Wait until a door is released (None) or a guard is called (the referral)."""
        barrier = self.twins(lane_id).barrier
        deadline_s = time.monotonic() + _STEP_TIMEOUT_S
        generation = self.view.generation
        while time.monotonic() < deadline_s:
            if barrier.is_released(door):
                return None
            lane = self.view.lane(lane_id)
            if lane.referral is not None:
                return lane.referral
            if self.view.generation != generation:
                raise Interrupted(f"{door} door")
            await asyncio.sleep(_LOOK_S)
        raise NotReached(f"lane {lane_id}: neither the {door} door nor a referral")

    async def door(self, lane_id: int, door: Door) -> None:
        """Wait until a door is released."""
        barrier = self.twins(lane_id).barrier
        try:
            async with asyncio.timeout(_STEP_TIMEOUT_S):
                while not barrier.is_released(door):
                    self.view.lane(lane_id)  # raises when the agent is away
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError as error:
            raise NotReached(f"lane {lane_id}: the {door} door") from error

    async def cross(
        self,
        person: Specimen,
        *,
        lane_id: int = ENTRY,
        token: str = "",
        live: str = "obama2",
        bodies: int = 1,
        wrong_digit: bool = False,
        is_in_lane: bool = False,
    ) -> Observed:
        """Walk one traveller as far as the gate lets him; a referral ends the walk and leaves him waiting.

        He comes to a free lane unless he `is_in_lane` already, with a transaction of his own.
        """
        if not is_in_lane:
            await self.ready(lane_id)
        twins = self.twins(lane_id)
        begun_s = time.monotonic()
        if token:
            await self.scan(lane_id, token)
        lane = await self.present(lane_id, person, wrong_digit=wrong_digit)
        transaction_id = str(lane.transaction_id)
        referral = await self.door_or_referral(lane_id, Door.ENTRANCE)
        if referral is None:
            await asyncio.sleep(self.random.uniform(0.0, 0.05))
            await asyncio.to_thread(twins.camera.show, self.portraits[live])
            twins.barrier.walk_in(bodies)
            twins.take_away()
            referral = await self.door_or_referral(lane_id, Door.EXIT)
        if referral is not None:
            return self.referred(referral, begun_s)
        await asyncio.sleep(self.random.uniform(0.0, 0.05))
        return await self.walk_out(lane_id, transaction_id, begun_s)

    async def walk_out(self, lane_id: int, transaction_id: str, begun_s: float) -> Observed:
        """Leave through the exit and see how the transaction ended."""
        twins = self.twins(lane_id)
        last = self.view.lane(lane_id)
        twins.barrier.walk_out()
        await asyncio.to_thread(twins.camera.show_empty)
        try:
            ended = await self.view.ended(transaction_id)
        except Interrupted:  # he is out; whether the gate saw it is settled when its agent is back
            return Observed("released", "machine", last.corridor, ["interrupted"], time.monotonic() - begun_s)
        return Observed(
            ended.outcome,
            ended.decided_by,
            ended.corridor,
            [reason.code for reason in ended.reasons],
            time.monotonic() - begun_s,
            ended.software_ms,
            dict(ended.step_ms),
        )

    @staticmethod
    def referred(referral: ReferralView, begun_s: float) -> Observed:
        """Return what a referral shows."""
        return Observed(
            "referred",
            "machine",
            referral.corridor,
            [reason.code for reason in [*referral.reasons, *referral.corridor_reasons]],
            time.monotonic() - begun_s,
        )

    async def hand_over(self, lane_id: int, reason_code: str = "document_doubt") -> None:
        """Let the guard take over whoever waits in a lane, and clear it."""
        referral = await self.view.referral(lane_id)
        await self.guard.decide(lane_id, referral, GuardAction.HAND_OVER, reason_code)
        await self.clear(lane_id)

    async def acknowledge(self, reason: ReasonCode, parameters: dict[str, str]) -> None:
        """Let the guard acknowledge an alarm of the whole gate, and see it go."""

        def alarm(snapshot: GateSnapshot) -> AlarmView | None:
            said = ReasonView(code=reason.value, parameters=parameters)
            return next((one for one in snapshot.alarms if one.lane_id == 0 and one.reason == said), None)

        raised = await self.view.until(alarm, _STEP_TIMEOUT_S, f"the alarm {reason}")
        await self.guard.act(GuardAction.ACKNOWLEDGE_ALARM, 0, "seen_and_acting", subject_id=str(raised.alarm_id))
        await self.view.until(lambda snapshot: None if alarm(snapshot) else True, _STEP_TIMEOUT_S, "the alarm's end")

    async def inspect(self, reference: str, finding: str) -> None:
        """Let the customs inspector close the task of a declaration, and see the stop closed."""

        def open_task(snapshot: GateSnapshot) -> CustomsTaskView | None:
            of_declaration = (one for one in snapshot.customs_tasks if one.declaration_reference == reference)
            return next((one for one in of_declaration if one.agency == "customs" and not one.closed_by), None)

        task = await self.view.until(open_task, _STEP_TIMEOUT_S, "the task at the customs desk")
        await self.inspector.close_task(task, finding)
        await self.view.until(lambda snapshot: None if open_task(snapshot) else True, _STEP_TIMEOUT_S, "the task's end")

    async def clear(self, lane_id: int) -> None:
        """Everybody leaves the lane the way a guard leads them."""
        twins = self.twins(lane_id)
        twins.take_away()
        if twins.barrier.occupancy:
            await self.door(lane_id, Door.ENTRANCE)
            twins.barrier.set_occupancy(0)
        await asyncio.to_thread(twins.camera.show_empty)
        await self.ready(lane_id)

    async def recover(self) -> None:
        """After a process died: wait for the gate, let the guard bring out whoever was inside, free the lanes."""
        for lane_id, twins in self.lanes.items():
            await twins.reader.plug()
            twins.take_away()
            await self.view.until(lambda _: True, _STEP_TIMEOUT_S, "the gate", across_restarts=True)
            for _ in range(5):
                try:
                    await self._free(lane_id)
                    break
                except (Interrupted, NotReached, TimeoutError):
                    await asyncio.sleep(0.5)

    async def _free(self, lane_id: int) -> None:
        lane = await self.view.until(
            lambda snapshot: next(
                (e for e in snapshot.lanes if e.lane_id == lane_id and (e.state == "idle" or e.referral)), None
            ),
            _STEP_TIMEOUT_S,
            "a free lane or a referral",
        )
        if lane.referral is not None:
            await self.hand_over(lane_id)
