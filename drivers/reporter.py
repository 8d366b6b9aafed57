"""Reports of one device: gap-free numbers, both times, the state and its fault, raised and cleared."""

from __future__ import annotations

from collections import Counter

import structlog

from drivers.contracts import Clock, DeviceEvent, DeviceState, EventSink, Payload, StateChanged
from drivers.errors import DriverFault

LOG = structlog.get_logger()


class Reporter:
    """Builds the events of one device. The first event has `seq` 1 and no number is ever left out."""

    def __init__(self, name: str, sink: EventSink, clock: Clock) -> None:
        self._name = name
        self._sink = sink
        self._clock = clock
        self._seq = 0
        self._fault_code = ""
        self._recorded: dict[str, DriverFault] = {}
        self.state = DeviceState.ABSENT
        self.fault_counts: Counter[str] = Counter()

    @property
    def fault_code(self) -> str:
        """Code of the fault that stands now, empty when none does."""
        return self._fault_code

    def emit(self, payload: Payload, t_mono_s: float | None = None, raw: bytes = b"") -> None:
        """Report something; `t_mono_s` is the time of the last byte or frame used, now when left out."""
        self._seq += 1
        stamp_s = self._clock.monotonic_s() if t_mono_s is None else t_mono_s
        self._sink(DeviceEvent(self._name, payload, self._clock.now(), stamp_s, self._seq, raw))

    def change(self, state: DeviceState, fault: DriverFault | None = None) -> None:
        """Report the state when it or its fault differs from what was reported last; what was recorded until then is over."""
        self._recorded.clear()
        self._count(fault)
        self._tell(state, fault)

    def record(self, fault: DriverFault) -> None:
        """Record a fault that leaves the state as it is (a bad frame): counted always, reported when it is news."""
        self._recorded.pop(fault.code, None)
        self._recorded[fault.code] = fault
        self._count(fault)
        self._tell(self.state, fault)

    def clear(self, *codes: str) -> None:
        """Report that recorded faults are over, all or those of these codes; the newest that is left stands. Nothing when none stood."""
        for code in codes or tuple(self._recorded):
            self._recorded.pop(code, None)
        if self._fault_code and self.state is DeviceState.READY:
            self._tell(DeviceState.READY, next(reversed(self._recorded.values()), None))

    def _count(self, fault: DriverFault | None) -> None:
        if fault is not None:
            self.fault_counts[fault.code] += 1

    def _tell(self, state: DeviceState, fault: DriverFault | None) -> None:
        code = fault.code if fault is not None else ""
        if state is self.state and code == self._fault_code:
            return
        self.state = state
        self._fault_code = code
        LOG.info("device_state_changed", device=self._name, state=state.value, code=code)
        self.emit(StateChanged(state, code, fault.remedy if fault is not None else ""))
