"""Stays that a guard has to look at, as the console shows them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from gate_agent.web.i18n import Catalogue
from gate_agent.web.stay_messages import StayOrphanView


def orphans(values: Iterable[StayOrphanView], catalogue: Catalogue, *, can_correct: bool) -> list[dict[str, Any]]:
    """Return the stays in words; `adds` is the end that a correction names, empty for who may not correct."""
    return [
        {
            "stay_id": str(value.stay_id),
            "kind": value.kind,
            "kind_text": catalogue.text(f"stay_orphan.{value.kind}"),
            "days": " … ".join(_written(day) for day in (value.entered_on, value.exited_on)),
            "last_day": catalogue.text("ui.stay_last_day", date=_written(value.last_day)) if value.last_day else "",
            "where": catalogue.text("ui.stay_where", gate=value.source.rpartition("/")[2], mark=value.mark),
            "adds": ("add_entry" if value.entered_on is None else "add_exit") if can_correct else "",
        }
        for value in values
    ]


def _written(day: date | None) -> str:
    return "?" if day is None else day.isoformat()
