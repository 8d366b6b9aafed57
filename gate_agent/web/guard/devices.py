"""Devices in words: state, last event, last fault and what to do about it, for lanes and for the whole gate alike."""

from __future__ import annotations

from typing import Any

from gate_agent.web.device_messages import DeviceHistory, DeviceView
from gate_agent.web.guard.around import figures
from gate_agent.web.i18n import Catalogue


def device(view: DeviceView, catalogue: Catalogue) -> dict[str, Any]:
    """Return a device as the page shows it. `attention`: somebody has to do something; one that is starting may be left alone."""
    return {
        "name": view.name,
        "state": view.state,
        "since": view.since.isoformat(),
        "class_text": catalogue.text(f"device_class.{view.device_class}"),
        "state_text": _state(view.state, view.fault, catalogue),
        "remedy": remedy(view.fault, view.remedy, catalogue),
        "attention": view.state in {"absent", "fault"} or bool(view.fault),
        "event": None
        if view.last_event_at is None
        else {"text": catalogue.text(f"device_event.{view.last_event}"), "at": view.last_event_at.isoformat()},
        "last_fault": None
        if view.last_fault_at is None or view.fault
        else {
            "code": view.last_fault,
            "at": view.last_fault_at.isoformat(),
            "remedy": remedy(view.last_fault, view.last_remedy, catalogue),
        },
        "figures": figures(view.figures, catalogue),
        "change_count": view.change_count,
    }


def history(view: DeviceHistory, catalogue: Catalogue) -> list[dict[str, str]]:
    """Return the last changes of a device, newest first."""
    return [
        {
            "state": "fault" if change.fault and change.state == "ready" else change.state,
            "text": _state(change.state, change.fault, catalogue),
            "at": change.at.isoformat(),
            "remedy": remedy(change.fault, change.remedy, catalogue),
        }
        for change in view.changes
    ]


def remedy(fault: str, told: str, catalogue: Catalogue) -> str:
    """Return what to do about a fault; of a driver that is not ours, what the driver says."""
    return catalogue.texts.get(f"remedy.{fault}", told) if fault else ""


def _state(state: str, fault: str, catalogue: Catalogue) -> str:
    text = catalogue.text("device_state.limited" if state == "ready" and fault else f"device_state.{state}")
    return f"{text} ({fault})" if fault else text
