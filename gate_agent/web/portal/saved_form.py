"""A draft as bytes and back, for keeping; what a later release does not know any more is asked again instead of guessed."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from typing import Any

from gate_agent.domain.declaration import DeclaredGoods, Direction, Relation, TravelMode, Vehicle
from gate_agent.domain.money import Money
from gate_agent.web.portal.draft import Draft
from gate_agent.web.portal.issue import CompanionFields

FORMAT = 2


def draft_bytes(draft: Draft) -> bytes:
    """Return a draft for keeping: its answers and the seconds that they took, nothing of the browser."""
    return json.dumps(
        {
            "format": FORMAT,
            "direction": draft.direction,
            "mode": draft.mode,
            "issuing_state": draft.issuing_state,
            "document_number": draft.document_number,
            "has_companions": draft.has_companions,
            "persons": [{**asdict(one), "date_of_birth": one.date_of_birth.isoformat()} for one in draft.persons],
            "carries": None if draft.carries is None else sorted(draft.carries),
            **{name: [asdict(line) for line in getattr(draft, name)] for name in _GOODS},
            "cash": [asdict(money) for money in draft.cash],
            "vehicles": [asdict(vehicle) for vehicle in draft.vehicles],
            **{name: getattr(draft, name) for name in _TEXTS},
            "page_s": draft.page_s,
        }
    ).encode()


def draft_of(content: bytes) -> Draft | None:
    """Return the draft that was kept, None when it is of another format."""
    try:
        kept: dict[str, Any] = json.loads(content)
        if kept["format"] != FORMAT:
            return None
        draft = Draft(
            direction=None if kept["direction"] is None else Direction(kept["direction"]),
            mode=None if kept["mode"] is None else TravelMode(kept["mode"]),
            issuing_state=kept["issuing_state"],
            document_number=kept["document_number"],
            persons=[
                CompanionFields(
                    **{
                        **one,
                        "relation": Relation(one["relation"]),
                        "date_of_birth": date.fromisoformat(one["date_of_birth"]),
                    }
                )
                for one in kept["persons"]
            ],
            has_companions=kept["has_companions"],
            carries=None if kept["carries"] is None else frozenset(kept["carries"]),
            cash=[Money(**money) for money in kept["cash"]],
            vehicles=[Vehicle(**vehicle) for vehicle in kept["vehicles"]],
            page_s=kept["page_s"],
        )
        for name in _GOODS:
            setattr(draft, name, [DeclaredGoods(**{**line, "value": Money(**line["value"])}) for line in kept[name]])
        for name in _TEXTS:
            setattr(draft, name, kept[name])
    except (ValueError, KeyError, TypeError):
        return None
    return draft


_GOODS = ("goods", "limited", "restricted", "temporary")
_TEXTS = ("phones", "unaccompanied", "seals")
