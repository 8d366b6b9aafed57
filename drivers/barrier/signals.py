"""The signal table of a barrier: which output or input stands at which Modbus address, and the blocks in which inputs are polled."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, model_validator

from drivers.barrier.modbus import BITS_LIMIT, REGISTERS_LIMIT, Function, Request
from drivers.contracts import BarrierInputs, Door
from drivers.options import Options

FLAGS = ("entrance_open", "exit_open", "fire", "tamper", "emergency_stop")
HEALTH = ("watchdog_alarm", "watchdog_enabled", "entrance_safe", "exit_safe")
NUMBERS = (
    "occupancy",
    "entrance_passages",
    "exit_passages",
    "entrance_back_passages",
    "exit_back_passages",
    "entrance_releases",
    "exit_releases",
)
LIGHTS = ("entrance_green", "entrance_red", "exit_green", "exit_red", "sounder")
OUTPUTS = ("entrance_release", "exit_release", "entrance_ttl", "exit_ttl", "heartbeat", *LIGHTS)
_CONTACTS = {Function.READ_COILS, Function.READ_DISCRETE_INPUTS}
NEEDED = ("exit_release", "exit_open", "exit_passages")

SignalName = Literal[
    "entrance_open",
    "exit_open",
    "fire",
    "tamper",
    "emergency_stop",
    "occupancy",
    "entrance_passages",
    "exit_passages",
    "entrance_releases",
    "exit_releases",
    "entrance_release",
    "exit_release",
    "entrance_ttl",
    "exit_ttl",
    "heartbeat",
    "watchdog_alarm",
    "watchdog_enabled",
    "entrance_safe",
    "exit_safe",
    "entrance_back_passages",
    "exit_back_passages",
    "entrance_green",
    "entrance_red",
    "exit_green",
    "exit_red",
    "sounder",
]


class Point(Options):
    """Where a signal stands: Modbus function, zero-based address, and for a flag inside a register its bit."""

    function: Function = Field(
        description="1 coil, 2 discrete input, 3 holding register, 4 input register, 5 write coil, 6 write register."
    )
    address: int = Field(ge=0, le=65_535, description="Zero-based address.")
    bit: int | None = Field(None, ge=0, le=15, description="Bit of a register that holds a flag.")
    invert: bool = Field(default=False, description="The contact is closed when the signal is false.")


class WatchdogRegister(Options):
    """The register in which the board takes how long nobody may be silent before it drops its outputs."""

    address: int = Field(ge=0, le=65_535, description="Zero-based address of the holding register.")
    value: int = Field(ge=1, le=65_535, description="What is written there and read back, in the board's unit.")


class SignalTable(Options):
    """All signals of one gate. A door without entries does not exist; the exit must."""

    board: str = Field("", description="Name of the board.")
    source: str = Field("", description="Where the addresses are from.")
    watchdog: WatchdogRegister | None = Field(None, description="Register of the board's watchdog.")
    ttl_unit_ms: int = Field(
        100,
        ge=1,
        le=1000,
        description="Unit of the registers that take a time to live, such as the width of a board's pulse outputs.",
    )
    points: dict[SignalName, Point] = Field(description="Signals by name.")

    @property
    def takes_ttl(self) -> bool:
        """Tell whether the board itself ends every release after a time that it is given."""
        return "exit_ttl" in self.points

    @model_validator(mode="after")
    def _is_usable(self) -> SignalTable:
        for name in NEEDED:
            if name not in self.points:
                raise ValueError(f"the signal {name} is needed")
        if "entrance_ttl" in self.points and "entrance_release" not in self.points:
            raise ValueError("entrance_ttl without entrance_release")
        if "entrance_release" in self.points and ("entrance_ttl" in self.points) is not self.takes_ttl:
            raise ValueError("entrance_ttl and exit_ttl belong together: the board itself ends every release, or none")
        for name, point in self.points.items():
            _check_point(name, point)
        return self


def _check_point(name: SignalName, point: Point) -> None:
    writes = {Function.WRITE_COIL} if name.endswith("_release") or name in LIGHTS else {Function.WRITE_REGISTER}
    reads = {Function(number) for number in ((1, 2, 3, 4) if name in (*FLAGS, *HEALTH, "occupancy") else (3, 4))}
    allowed = writes if name in OUTPUTS else reads
    if point.function not in allowed:
        raise ValueError(f"{name} uses one of the functions {sorted(int(function) for function in allowed)}")
    is_register = point.function in {Function.READ_HOLDING_REGISTERS, Function.READ_INPUT_REGISTERS}
    if name == "occupancy":  # a number of persons, or a contact that says somebody is there
        is_wrong = point.bit is not None and not is_register
    else:
        is_wrong = (name in {*FLAGS, *HEALTH} and is_register) is (point.bit is None)
    if is_wrong:
        raise ValueError(f"{name}: a flag inside a register needs its bit, everything else has none")


@dataclass(frozen=True, slots=True)
class DoorPoints:
    """The outputs of one door, and its counter of releases where the board has one."""

    release: Point
    ttl: Point | None
    passages: Point | None
    releases: Point | None
    ttl_unit_s: float = 0.1


def door_points(table: SignalTable) -> Mapping[Door, DoorPoints]:
    """Return the doors that the table wires."""
    points = table.points
    names: tuple[tuple[Door, SignalName, SignalName, SignalName, SignalName], ...] = (
        (Door.ENTRANCE, "entrance_release", "entrance_ttl", "entrance_passages", "entrance_releases"),
        (Door.EXIT, "exit_release", "exit_ttl", "exit_passages", "exit_releases"),
    )
    return {
        door: DoorPoints(
            points[release], points.get(ttl), points.get(passages), points.get(releases), table.ttl_unit_ms / 1000
        )
        for door, release, ttl, passages, releases in names
        if release in points
    }


def poll_plan(table: SignalTable) -> tuple[Request, ...]:
    """Return the reads that cover all inputs, neighbouring addresses in one block, always in the same order."""
    return _reads(table, {name for name in table.points if name not in {*OUTPUTS, *HEALTH}})


def health_plan(table: SignalTable) -> tuple[Request, ...]:
    """Return the reads that tell how the board itself is; empty when the map names nothing of that."""
    return _reads(table, {name for name in table.points if name in HEALTH})


def _reads(table: SignalTable, names: Collection[SignalName]) -> tuple[Request, ...]:
    requests = []
    for function in (
        Function.READ_COILS,
        Function.READ_DISCRETE_INPUTS,
        Function.READ_HOLDING_REGISTERS,
        Function.READ_INPUT_REGISTERS,
    ):
        addresses = sorted(
            {point.address for name, point in table.points.items() if name in names and point.function is function}
        )
        requests += _blocks(function, addresses)
    return tuple(requests)


def _blocks(function: Function, addresses: Sequence[int]) -> list[Request]:
    limit = BITS_LIMIT if function in _CONTACTS else REGISTERS_LIMIT
    blocks: list[Request] = []
    for address in addresses:
        if blocks and address - blocks[-1].address < limit and address - (blocks[-1].address + blocks[-1].count) < 16:
            blocks[-1] = Request(function, blocks[-1].address, address - blocks[-1].address + 1)
        else:
            blocks.append(Request(function, address, 1))
    return blocks


class ProcessImage:
    """The last values read, by function and address."""

    def __init__(self, table: SignalTable) -> None:
        self._points = table.points
        self._values: dict[tuple[int, int], int] = {}

    def clear(self) -> None:
        """Forget everything, as after a reconnection."""
        self._values.clear()

    def absorb(self, request: Request, values: tuple[int, ...]) -> None:
        """Take the values of a read."""
        for offset, value in enumerate(values):
            self._values[request.function, request.address + offset] = value

    def number(self, point: Point) -> int | None:
        """Return a value, None when it was not read yet."""
        return self._values.get((point.function, point.address))

    def flag(self, name: SignalName) -> bool | None:
        """Return a flag, None when the map does not name it or it was not read yet."""
        point = self._points.get(name)
        value = None if point is None else self.number(point)
        return None if point is None or value is None else bool(_flag(point, value))

    def inputs(self) -> BarrierInputs | None:
        """Return all inputs; signals that the table does not wire are false or zero. None until everything wired was read."""
        read: dict[str, int] = dict.fromkeys((*FLAGS, *NUMBERS), 0)
        for name, point in self._points.items():
            if name in OUTPUTS or name in HEALTH:
                continue
            value = self.number(point)
            if value is None:
                return None
            if name in FLAGS or point.bit is not None or point.function in _CONTACTS:
                value = _flag(point, value)
            read[name] = value
        return BarrierInputs(
            entrance_open=bool(read["entrance_open"]),
            exit_open=bool(read["exit_open"]),
            occupancy=read["occupancy"],
            entrance_passages=read["entrance_passages"],
            exit_passages=read["exit_passages"],
            fire=bool(read["fire"]),
            tamper=bool(read["tamper"]),
            emergency_stop=bool(read["emergency_stop"]),
            entrance_back_passages=read["entrance_back_passages"],
            exit_back_passages=read["exit_back_passages"],
        )


def _flag(point: Point, value: int) -> int:
    return value >> (point.bit or 0) & 1 ^ point.invert
