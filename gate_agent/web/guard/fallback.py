"""The post's fallback in words: whether officers do the control, who ordered it, and which gates of the post do so."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from gate_agent.web.fallback_messages import FallbackGateView, FallbackView
from gate_agent.web.i18n import Catalogue
from gate_agent.web.lane_api_messages import GuardAction


def fallback(
    view: FallbackView | None, now: datetime, catalogue: Catalogue, actions: Collection[str]
) -> dict[str, Any]:
    """Return the banner and what this officer may order. `shown`: it stands, or its end has not reached every gate."""
    stands = view is not None and view.stands
    action = GuardAction.END_FALLBACK if stands else GuardAction.BEGIN_FALLBACK
    told: dict[str, Any] = {
        "stands": stands,
        "shown": False,
        "action": action.value if action.value in actions else None,
        "text": "",
        "by": "",
        "lines": [],
    }
    if view is None:
        return told
    lines = _lines(view, now, catalogue)
    told["shown"] = stands or any(gate.state != "acknowledged" for gate in view.gates)
    told["text"] = catalogue.text("ui.fallback_stands" if stands else "ui.fallback_ended", time=_time(view.since, now))
    told["by"] = catalogue.text(
        "ui.fallback_by",
        officers=", ".join(view.officers),
        gate=_short(view.gate),
        reason=" · ".join(filter(None, (catalogue.text(f"action_reason.{view.reason_code}"), view.reason_text))),
    )
    told["lines"] = lines
    return told


def _lines(view: FallbackView, now: datetime, catalogue: Catalogue) -> list[dict[str, str]]:
    """Return a line for each answer there is: what is missing before what is well."""

    def line(state: str) -> list[dict[str, str]]:
        gates = [gate for gate in view.gates if gate.state == state]
        names = ", ".join(_named(gate, now, catalogue) for gate in gates)
        return [{"state": state, "text": catalogue.text(f"ui.fallback_{state}", gates=names)}] if gates else []

    waiting = line("waiting")
    if waiting and not view.post_answers:
        waiting.append({"state": "waiting", "text": catalogue.text("ui.fallback_post_silent")})
    return [*waiting, *line("refused"), *line("acknowledged")]


def _named(gate: FallbackGateView, now: datetime, catalogue: Catalogue) -> str:
    name = _short(gate.gate)
    if gate.state == "refused":
        return f"{name} ({catalogue.word(gate.refusal, 'refusal')})"
    return name if gate.at is None else f"{name} {_time(gate.at, now, seconds=True)}"


def _short(source: str) -> str:
    return source.rpartition("/")[2]


def _time(moment: datetime, now: datetime, *, seconds: bool = False) -> str:
    """Return the time of day, with its date where that is not today's."""
    clock = "%H:%M:%S" if seconds else "%H:%M"
    return moment.strftime(clock if moment.date() == now.date() else f"%Y-%m-%d {clock}")
