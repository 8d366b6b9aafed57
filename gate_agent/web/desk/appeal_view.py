"""How a traveller stands with customs, and the form of an appeal, as the customs desk sees them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

from pydantic import ValidationError

from gate_agent.web.appeal_messages import StandingView
from gate_agent.web.desk.view import Words
from gate_agent.web.desk_messages import StopView
from gate_agent.web.guard.acting import ActionRequest
from gate_agent.web.guard.action_reasons import ACTION_REASONS
from gate_agent.web.guard.requests import RequestRefused
from gate_agent.web.lane_api_messages import GuardAction
from gate_agent.web.number_entry import tidy


def standing_shown(standing: StandingView, words: Words) -> dict[str, object]:
    """Return the lines that explain a category, and the decisions that an appeal can have."""
    lines = [
        words.text("standing.counted", inspections=str(standing.inspections), findings=str(standing.findings)),
        words.text("standing.crossings", crossings=str(standing.crossings), days=str(standing.crossing_days)),
    ]
    if standing.is_frequent:
        lines.append(words.text("standing.frequent"))
    lines += [
        words.text("standing.upheld", what=words.text(f"standing.{name}"), date=day.isoformat())
        for name, day in (("category", standing.category_upheld_on), ("pattern", standing.frequency_upheld_on))
        if day is not None
    ]
    return {
        "category": standing.category,
        "category_text": words.text(f"category.{standing.category}"),
        "lines": lines,
        "decisions": [
            (code, words.guard.text(f"action_reason.{code}")) for code in ACTION_REASONS[GuardAction.NOTE_APPEAL]
        ],
    }


def order(stop: StopView, content: Mapping[str, str]) -> ActionRequest:
    """Return what is to be signed. Raises `RequestRefused` for a form that is not the page's."""
    try:
        return ActionRequest.model_validate(
            {
                "action_id": uuid.UUID(content.get("action_id", "")),
                "action": GuardAction.NOTE_APPEAL,
                "lane_id": stop.lane_id,
                "subject_id": stop.stop_id,
                "reason_code": content.get("reason_code", ""),
                "reason_text": tidy(content.get("words", ""))[:500],
            }
        )
    except (ValidationError, ValueError) as error:
        raise RequestRefused(422, "the decision on the appeal is malformed") from error
