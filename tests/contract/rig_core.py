"""Rigs of the driver contract suite: a twin, the options that lead a driver to it, and a stir that makes the device tell something.

`test_driver_contract.py` loads every `rig_*.py` beside it. A rig file offers `RIGS: dict[str, Callable[[Path], Awaitable[rig]]]`; a rig
has `driver` (registry name), `twin` (plug, unplug, mute, corrupt), `options()` (called after the first plug), `stir()` (sync; several
calls give several events), `told` (payload type that a stir causes), `is_taped` and `close()` (async);
`gone_after_s`: how long nothing shows that it was unplugged, where there is no connection.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.barcode.twin import BarcodeReaderTwin
from drivers.barrier.turnstile_twin import LOCK, STATUS, WORDS, TurnstileTwin
from drivers.barrier.twin import ModbusBarrierTwin, ModbusRtuBarrierTwin
from drivers.contracts import BarcodeRead, BarrierInputs, MrzRead
from drivers.document_reader.twin import MrzReaderTwin

LINES = ("P<UTOSPECIMEN<<CONTRACT".ljust(44, "<"), "UT00000007UTO8001014F3001012<<<<<<<<<<<<<<02")


@dataclass
class Rig:
    driver: str
    twin: Any
    options: Callable[[], dict[str, object]]
    stir: Callable[[], object]
    told: type
    close: Callable[[], Awaitable[None]]
    is_taped: bool = True
    speaks_only_when_used: bool = False
    noise: Callable[[bytes], None] | None = None
    gone_after_s: float = 0.0
    tells_its_state: bool = False  # when it was reached, and then when that changes


async def mrz(folder: Path) -> Rig:
    twin = MrzReaderTwin(folder / "reader")
    timing = {"quiet_s": 0.15, "dead_s": 1.0}
    options = {"path": str(twin.path), **timing}
    return Rig(
        "mrz_serial",
        twin,
        lambda: options,
        lambda: twin.present(LINES, b"\xff\xd8\xff" + bytes(5000)),
        MrzRead,
        twin.unplug,
    )


async def barcode(folder: Path) -> Rig:
    twin = BarcodeReaderTwin(folder / "scanner")
    options = {"path": str(twin.path), "quiet_s": 0.15, "dead_s": 1.0}
    return Rig("barcode_serial", twin, lambda: options, lambda: twin.scan(b"HC1:UTO"), BarcodeRead, twin.unplug)


async def barrier(_folder: Path) -> Rig:
    twin = ModbusBarrierTwin()
    await twin.plug()  # chooses the port, which it keeps
    await twin.unplug()
    people = iter(range(1, 10_000))
    return Rig(
        "modbus_barrier",
        twin,
        lambda: {"host": "127.0.0.1", "port": twin.port, "dead_s": 1.0, "reply_timeout_s": 0.1, "poll_ms": 10},
        lambda: twin.set_occupancy(next(people)),
        BarrierInputs,
        twin.stop,
    )


async def rtu_barrier(folder: Path) -> Rig:
    twin = ModbusRtuBarrierTwin(folder / "box")
    people = iter(range(1, 10_000))
    options = {"path": str(twin.path), "parity": "N", "dead_s": 1.0, "reply_timeout_s": 0.1, "poll_ms": 10}
    return Rig(
        "modbus_rtu_barrier",
        twin,
        lambda: options,
        lambda: twin.set_occupancy(next(people)),
        BarrierInputs,
        twin.stop,
    )


async def turnstile(folder: Path) -> Rig:
    twin = TurnstileTwin(folder / "turnstile")
    burning = itertools.cycle((True, False))
    options = {
        "path": str(twin.path),
        "entrance_release": "49",
        "lock": LOCK.hex(),
        "status": STATUS.hex(),
        "told": WORDS,
        "wait_s": 3.0,
        "quiet_s": 0.15,
    }
    return Rig(
        "turnstile_serial",
        twin,
        lambda: options,
        lambda: twin.fire(next(burning)),
        BarrierInputs,
        twin.stop,
    )


RIGS = {
    "turnstile_serial": turnstile,
    "mrz_serial": mrz,
    "barcode_serial": barcode,
    "modbus_barrier": barrier,
    "modbus_rtu_barrier": rtu_barrier,
}
