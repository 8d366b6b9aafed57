"""The part of the lane API's messages that is about devices; `lane_api_messages` says where they go."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict


class DeviceMessage(BaseModel):
    """A frozen message; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


DeviceStateName = Literal["absent", "starting", "ready", "fault"]


class DeviceView(DeviceMessage):
    """A device with its state (`drivers.contracts.DeviceState`), fault code and remedy.

    `last_event` is a kind (`mrz_read`), never its content. `last_fault` stays when the fault is over. `change_count` grows with each change
    of state, so that a page knows when to ask for the history again. `figures` is what a device around the gate told last, values as text.
    """

    name: str
    device_class: str
    state: DeviceStateName
    since: datetime
    fault: str = ""
    remedy: str = ""
    last_event: str = ""
    last_event_at: datetime | None = None
    last_fault: str = ""
    last_fault_at: datetime | None = None
    last_remedy: str = ""
    change_count: int = 0
    figures: dict[str, str] = {}


class DeviceChange(DeviceMessage):
    """A device changed its state, or the fault that stands."""

    state: DeviceStateName
    at: datetime
    fault: str = ""
    remedy: str = ""


class DeviceHistory(DeviceMessage):
    """The last changes of one device since the agent started, newest first."""

    name: str
    changes: list[DeviceChange]


class XrayView(DeviceMessage):
    """One result of X-ray screening. `link`: the scan is the declaration's, or came near in time, or belongs to nothing known."""

    scan_id: str
    decision: Literal["clear", "alarm", "undetermined"]
    file_reference: str = ""
    reported_at: datetime
    link: Literal["scan", "near", ""] = ""


class SealTagView(DeviceMessage):
    """A declared seal, and when its radio tag was seen near the gate; None is undetermined, not missing."""

    seal_id: str
    seen_at: datetime | None = None


class PowerView(DeviceMessage):
    """How the power stands; `stopping`: the battery is low and lanes take nobody new; `stopped`: all of them rest."""

    state: Literal["mains", "battery", "stopping", "stopped", "unknown"]
    since: datetime
    charge_percent: int | None = None
    runtime_min: int | None = None
