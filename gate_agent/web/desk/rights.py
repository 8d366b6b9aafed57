"""Which fields of a stop an officer of each agency may see. What may not be seen never leaves this process.

Every agency sees that the stop exists, where and when, which corridor, the declaration's reference, and whether each task is open. The
rest is by this table; `narrowed` applies it, and a test walks every role over every field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType

from gate_agent.domain.agency import Agency
from gate_agent.web.desk_messages import CustomsTaskView, IdentityView, StopView


class Field(StrEnum):
    """A group of a stop's fields."""

    DOCUMENT = "document"
    """Type of document, issuing state, nationality."""
    HOLDER = "holder"
    """Name, document number, date of birth, sex."""
    CHILDREN = "children"
    GOODS = "goods"
    NAMED_GOODS = "named_goods"
    """Of the goods only the lines of a kind that the agency's own reasons name."""
    CASH = "cash"
    DUTY = "duty"
    SCREENING = "screening"
    SEALS = "seals"
    RULES = "rules"


FIELDS: Mapping[Agency, frozenset[Field]] = MappingProxyType(
    {
        Agency.BORDER: frozenset({Field.DOCUMENT, Field.HOLDER, Field.CHILDREN, Field.NAMED_GOODS}),
        Agency.CUSTOMS: frozenset(Field) - {Field.NAMED_GOODS},
        Agency.HEALTH: frozenset({Field.DOCUMENT, Field.HOLDER, Field.CHILDREN, Field.NAMED_GOODS}),
        Agency.QUARANTINE: frozenset({Field.DOCUMENT, Field.NAMED_GOODS, Field.SCREENING}),
    }
)
"""The one place that says which agency sees what."""

SEES_EVERY_STOP = frozenset({Agency.CUSTOMS})
"""Who keeps the queue; the others see the stops where they have a task."""


def may_see(agency: Agency, tasks: Iterable[CustomsTaskView]) -> bool:
    """Tell whether a stop with these tasks is in the agency's queue."""
    return agency in SEES_EVERY_STOP or any(task.agency == agency.value for task in tasks)


def narrowed_task(task: CustomsTaskView, agency: Agency) -> CustomsTaskView:
    """Return a task without what the agency may not see: another's reasons, and what devices told."""
    fields = FIELDS[agency]
    is_own = task.agency == agency.value
    update = {
        "reasons": task.reasons if is_own else [],
        "xray": task.xray if Field.SCREENING in fields else [],
        "seals": task.seals if Field.SEALS in fields else [],
    }
    return task.model_copy(update=update)


def narrowed(stop: StopView, agency: Agency) -> StopView:
    """Return a stop without what the agency may not see."""
    fields = FIELDS[agency]
    named = {
        reason.parameters.get("goods") for task in stop.tasks if task.agency == agency.value for reason in task.reasons
    }
    goods = [
        line
        for line in stop.goods
        if Field.GOODS in fields or (Field.NAMED_GOODS in fields and line.kind and line.kind in named)
    ]
    return stop.model_copy(
        update={
            "identity": _identity(stop.identity, fields),
            "goods": goods,
            "cash": stop.cash if Field.CASH in fields else [],
            "marks": stop.marks if Field.GOODS in fields else [],
            "vehicles": stop.vehicles if Field.GOODS in fields else [],
            "phone_imeis": stop.phone_imeis if Field.GOODS in fields else [],
            "unaccompanied": stop.unaccompanied if Field.GOODS in fields else [],
            "seal_ids": stop.seal_ids if Field.SEALS in fields else [],
            "unlockable": stop.unlockable if Field.SEALS in fields else [],
            "small_children": stop.small_children if Field.CHILDREN in fields else 0,
            "duty": stop.duty if Field.DUTY in fields else None,
            "rules": stop.rules if Field.RULES in fields else [],
            "goods_kinds": stop.goods_kinds if Field.GOODS in fields else {},
            "tasks": [narrowed_task(task, agency) for task in stop.tasks],
        }
    )


def _identity(identity: IdentityView | None, fields: frozenset[Field]) -> IdentityView | None:
    if identity is None or Field.DOCUMENT not in fields:
        return None
    if Field.HOLDER in fields:
        return identity
    hidden = dict.fromkeys(
        ("primary_identifier", "secondary_identifier", "document_number", "date_of_birth", "sex"), ""
    )
    return identity.model_copy(update=hidden)
