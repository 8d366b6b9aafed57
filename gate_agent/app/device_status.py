"""What the agent keeps of each device for people to look at: its state, the last event, the last fault, and the last changes of state.

Kinds and times only. What a device told (lines, codes, pictures) is never kept here.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from drivers import contracts as dc
from drivers import surroundings as ds
from gate_agent.web.device_messages import DeviceChange, DeviceHistory, DeviceView

HISTORY_CHANGES = 20
TOLD_AGAIN_AFTER = timedelta(seconds=2)
"""A device that tells the same kind again and again (frames, positions) is news to pages once in so long."""

_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def event_kind(payload: dc.Payload) -> str:
    """Return what a payload is, as a code of the guard's words (`device_event`); nothing of its content but the outcome of a screening."""
    match payload:
        case ds.XrayReported(decision=decision):
            return f"xray_{decision.value}"
        case ds.UpsReported(is_on_battery=is_on_battery):
            return {True: "ups_on_battery", False: "ups_on_mains", None: "ups_unknown"}[is_on_battery]
        case _:
            return _CAPITAL.sub("_", type(payload).__name__).lower()


@dataclass(slots=True)
class DeviceStatus:
    """The last known state of one device, and how it came to it."""

    device_class: str
    state: str
    since: datetime
    fault: str = ""
    remedy: str = ""
    last_event: str = ""
    last_event_at: datetime | None = None
    last_fault: str = ""
    last_fault_at: datetime | None = None
    last_remedy: str = ""
    change_count: int = 0
    _changes: deque[DeviceChange] = field(default_factory=lambda: deque(maxlen=HISTORY_CHANGES))
    _shown_at: datetime | None = None

    def note(self, event: dc.DeviceEvent) -> bool:
        """Take an event; True when pages should hear of it."""
        if isinstance(event.data, dc.StateChanged):
            self._change(event.data, event.t_wall)
            return True
        kind = event_kind(event.data)
        is_news = (
            kind != self.last_event
            or self._shown_at is None
            or not timedelta(0) <= event.t_wall - self._shown_at < TOLD_AGAIN_AFTER
        )
        self.last_event, self.last_event_at = kind, event.t_wall
        if is_news:
            self._shown_at = event.t_wall
        return is_news

    def _change(self, changed: dc.StateChanged, at: datetime) -> None:
        self.state, self.since = changed.state.value, at
        self.fault, self.remedy = changed.fault, changed.remedy
        if changed.fault:
            self.last_fault, self.last_fault_at, self.last_remedy = changed.fault, at, changed.remedy
        self.change_count += 1
        self._changes.appendleft(DeviceChange(state=self.state, at=at, fault=changed.fault, remedy=changed.remedy))

    def history(self, name: str) -> DeviceHistory:
        """Return the last changes of state, newest first."""
        return DeviceHistory(name=name, changes=list(self._changes))

    def view(self, name: str, figures: dict[str, str] | None = None) -> DeviceView:
        """Return the device as a console sees it; `figures` are what it told last, in the words' places."""
        return DeviceView.model_validate(
            {
                "name": name,
                "device_class": self.device_class,
                "state": self.state,
                "since": self.since,
                "fault": self.fault,
                "remedy": self.remedy,
                "last_event": self.last_event,
                "last_event_at": self.last_event_at,
                "last_fault": self.last_fault,
                "last_fault_at": self.last_fault_at,
                "last_remedy": self.last_remedy,
                "change_count": self.change_count,
                "figures": figures or {},
            }
        )
