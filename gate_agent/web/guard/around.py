"""What devices around the gate told, in words: X-ray results, tags of seals, the power supply, figures of a device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from gate_agent.web.device_messages import PowerView, SealTagView, XrayView
from gate_agent.web.i18n import Catalogue


def xray(results: Iterable[XrayView], catalogue: Catalogue) -> list[dict[str, str]]:
    """Return results of screening; `link_text` says how sure it is whose they are."""
    links = {"scan": catalogue.text("ui.xray_of_declaration"), "near": catalogue.text("ui.xray_near")}
    return [
        {
            "scan_id": result.scan_id,
            "decision": result.decision,
            "text": catalogue.text(
                "ui.xray_line", scan=result.scan_id, decision=catalogue.text(f"xray_decision.{result.decision}")
            ),
            "file_text": catalogue.text("ui.xray_file", file=result.file_reference) if result.file_reference else "",
            "link_text": links.get(result.link, ""),
            "at": result.reported_at.isoformat(),
        }
        for result in results
    ]


def seals(tags: Iterable[SealTagView], catalogue: Catalogue) -> list[str]:
    """Return a line for each declared seal; a tag that was not seen is told as saying nothing."""
    return [
        catalogue.text("ui.seal_not_seen", seal=tag.seal_id)
        if tag.seen_at is None
        else catalogue.text("ui.seal_seen", seal=tag.seal_id, time=_clock(tag.seen_at))
        for tag in tags
    ]


def power(view: PowerView | None, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return the banner of a supply that does not run on mains; None when there is nothing to tell."""
    if view is None or view.state in {"mains", "unknown"}:
        return None
    what = {"battery": "works", "stopping": "stopping", "stopped": "stopped"}[view.state]
    return {
        "urgent": view.state != "battery",
        "text": catalogue.text(
            "ui.power_battery",
            time=f"{_clock(view.since)} UTC",
            **_known(charge=view.charge_percent, minutes=view.runtime_min),
        ),
        "what": catalogue.text(f"ui.power_{what}"),
    }


def figures(told: Mapping[str, str], catalogue: Catalogue) -> str:
    """Return what a device told last; what it did not tell reads as a dash."""
    values = dict(told)
    kind = values.pop("kind", "")
    return catalogue.text(f"ui.figures_{kind}", **values) if kind and values else ""


def _known(**values: int | None) -> dict[str, str]:
    return {name: str(value) for name, value in values.items() if value is not None}


def _clock(moment: datetime) -> str:
    return moment.strftime("%H:%M")
