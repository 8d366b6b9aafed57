"""Traffic lights at the doors and the sounder: which outputs each signal switches on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from drivers.barrier.modbus import Request
from drivers.barrier.signals import LIGHTS, SignalName, SignalTable
from drivers.contracts import GateSignal

_ON: Mapping[GateSignal, frozenset[SignalName]] = MappingProxyType(
    {
        GateSignal.CLOSED: frozenset({"entrance_red", "exit_red"}),
        GateSignal.ENTER: frozenset({"entrance_green", "exit_red"}),
        GateSignal.LEAVE: frozenset({"entrance_red", "exit_green"}),
        GateSignal.ALARM: frozenset({"entrance_red", "exit_red", "sounder"}),
        GateSignal.EVACUATE: frozenset({"entrance_green", "exit_green"}),
    }
)


def light_requests(signals: SignalTable, signal: GateSignal) -> tuple[Request, ...]:
    """Return the writes that show a signal, what goes off first, so that no door is green and red at once; empty without lights."""
    named = [name for name in signals.points if name in LIGHTS]
    writes = []
    for name in sorted(named, key=lambda name: name in _ON[signal]):
        point = signals.points[name]
        writes.append(Request(point.function, point.address, values=(int(name in _ON[signal]) ^ point.invert,)))
    return tuple(writes)
