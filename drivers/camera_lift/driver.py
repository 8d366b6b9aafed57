"""`modbus_camera_lift`: a column or lift that carries the camera, behind two outputs (up, down) and two limit switches of a Modbus box.

Limit switches have to cut the motor in hardware; the software reads them besides. A move has a time to live: where the box takes one (`ttl`) the box
ends it, otherwise the software does, and the box's own watchdog when the software is gone. Up and down never act together, and nothing moves after a
connection until it was asked anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.accessibility import LiftDirection, LiftReported
from drivers.barrier.modbus import Function
from drivers.barrier.signals import Point
from drivers.camera_lift.errors import LiftNotStopped, LiftStopped, LimitsWrong
from drivers.contacts.box import ContactBox, ContactOptions, check_points
from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.errors import DriverFault, NotReady

LiftSignal = Literal["up", "down", "upper_limit", "lower_limit", "stop", "ttl"]
_NEEDED: tuple[LiftSignal, ...] = ("up", "down", "upper_limit", "lower_limit")
_INPUTS: tuple[LiftSignal, ...] = ("upper_limit", "lower_limit", "stop")
_ENDING_S = 2.0
TTL_UNIT_S = 0.1  # of the box's register that takes how long a move lasts


class LiftOptions(ContactOptions):
    """Options of `modbus_camera_lift`."""

    points: dict[LiftSignal, Point] = Field(
        description="Signals by name: outputs `up` and `down`, inputs `upper_limit` and `lower_limit`; if wired, the input `stop` (emergency stop"
        " or fire: closed means that nothing may move) and the register `ttl` in which the box takes how long a move lasts, in 100 ms."
    )
    longest_move_s: float = Field(3.0, gt=0, le=30, description="Longest single move.")
    board_watchdog_s: float | None = Field(
        None,
        gt=0,
        le=60,
        description="Silence after which the box drops its outputs, as set on the box. Needed where `points` has no `ttl`.",
    )

    @model_validator(mode="after")
    def _is_wired(self) -> Self:
        for name in _NEEDED:
            if name not in self.points:
                raise ValueError(f"the signal {name} is needed")
        check_points(self.points, _INPUTS, ("up", "down"))
        ttl = self.points.get("ttl")
        if ttl is not None and ttl.function is not Function.WRITE_REGISTER:
            raise ValueError(f"ttl is written with function {int(Function.WRITE_REGISTER)}")
        if ttl is None and self.board_watchdog_s is None:
            raise ValueError(
                "the box takes no time to live, so its own watchdog must end a move when the software is gone: set it on the box and"
                " tell its time as board_watchdog_s"
            )
        return self


class CameraLift(ContactBox):
    """A supervised lift."""

    device_class = DeviceClass.CAMERA_LIFT
    capabilities = frozenset({"move", "stop"})
    events = frozenset({LiftReported})

    def __init__(self, name: str, options: LiftOptions, sink: EventSink, clock: Clock) -> None:
        points = options.points
        super().__init__(name, options, {one: points[one] for one in _INPUTS if one in points}, sink, clock)
        self._lift = options
        self._moving: LiftDirection | None = None
        self._closed: Mapping[str, bool] = {}
        self._reported: LiftReported | None = None
        self._ended = asyncio.Event()
        self._turn = asyncio.Lock()

    def opened(self) -> None:
        """Forget what the last connection knew; a move that ran is over."""
        super().opened()
        self._closed, self._reported = {}, None
        self._ended.set()

    async def connected(self) -> None:
        """Switch both outputs off: whatever ran before the connection was lost is not wanted any more."""
        for direction in LiftDirection:
            await self.write_surely(self._lift.points[direction.value], 0)

    def contacts(self, closed: Mapping[str, bool], t_mono_s: float, raw: bytes) -> None:
        """Report what changed; end a move at its limit, and at once when the stop contact closes."""
        self._closed = closed
        if self._moving is not None and (closed[_limit(self._moving)] or closed.get("stop")):
            self._ended.set()
        if closed["upper_limit"] and closed["lower_limit"]:
            self.reporter.record(LimitsWrong(f"{self.name}: both limit switches are closed"))
        else:
            self.reporter.clear(LimitsWrong.code)
        if closed.get("stop"):
            self.reporter.record(LiftStopped(f"{self.name}: its stop contact is closed"))
        else:
            self.reporter.clear(LiftStopped.code)
        self._tell(t_mono_s, raw)

    async def move(self, direction: LiftDirection, seconds: float) -> LiftReported:
        """Move for at most `seconds`, or until a limit, a stop or `stop`; returns how it stands then.

        Raises `LiftStopped`, `LimitsWrong`, `NotReady`, `LiftNotStopped`, a Modbus or link fault. Cancelling stops it.
        """
        async with self._turn:
            self._refuse()
            if self._closed[_limit(direction)]:
                return self._report()
            seconds = min(seconds, self._lift.longest_move_s)
            points = self._lift.points
            self._ended.clear()
            try:
                await self.write_surely(points[_other(direction).value], 0)
                if "ttl" in points:
                    await self.write_surely(points["ttl"], max(1, int(seconds / TTL_UNIT_S)))
                self._moving = direction
                self._tell()
                if not self._ended.is_set():  # a stop that came meanwhile
                    await self.write(points[direction.value], 1)
                    await self._over(seconds)
            finally:
                await self._end(direction)
            self._refuse()
            return self._report()

    def stop(self) -> None:
        """End a running move at once; nothing when none runs."""
        self._ended.set()

    async def _over(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return

    async def _end(self, direction: LiftDirection) -> None:
        """Switch the output off whatever happens to whoever asked. Raises `LiftNotStopped`."""
        ending = asyncio.create_task(self._off(direction), name=f"{self.name} stopping")
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await asyncio.gather(ending, return_exceptions=True)
            raise

    async def _off(self, direction: LiftDirection) -> None:
        try:
            async with asyncio.timeout(_ENDING_S):
                await self.write_surely(self._lift.points[direction.value], 0)
        except (DriverFault, TimeoutError) as lost:
            fault = LiftNotStopped(f"{self.name} did not confirm that it stopped: {lost}")
            self.reporter.record(fault)
            raise fault from lost
        else:
            self.reporter.clear(LiftNotStopped.code)
        finally:
            self._moving = None
            self._tell()

    def _refuse(self) -> None:
        """Raise why the lift must not move, if it must not."""
        if not self._closed:
            raise NotReady(f"{self.name} did not give its limits yet")
        if self._closed.get("stop"):
            raise LiftStopped(f"{self.name}: its stop contact is closed")
        if self._closed["upper_limit"] and self._closed["lower_limit"]:
            raise LimitsWrong(f"{self.name}: both limit switches are closed")

    def _report(self) -> LiftReported:
        closed = self._closed
        return LiftReported(
            self._moving,
            is_at_upper_limit=closed["upper_limit"],
            is_at_lower_limit=closed["lower_limit"],
            is_stopped=bool(closed.get("stop")),
        )

    def _tell(self, t_mono_s: float | None = None, raw: bytes = b"") -> None:
        if not self._closed:
            return
        report = self._report()
        if report != self._reported:
            self._reported = report
            self.reporter.emit(report, t_mono_s, raw)


def _limit(direction: LiftDirection) -> str:
    return "upper_limit" if direction is LiftDirection.UP else "lower_limit"


def _other(direction: LiftDirection) -> LiftDirection:
    return LiftDirection.DOWN if direction is LiftDirection.UP else LiftDirection.UP


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> CameraLift:
    """Return the driver. Raises `OptionsRefused`."""
    return CameraLift(name, LiftOptions.read(name, options), sink, clock)
