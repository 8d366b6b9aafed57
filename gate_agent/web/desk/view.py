"""What the desks' pages show: codes put into the officer's words, after `rights` took away what is not his to see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gate_agent.closing_order import Amount, GoodsLine
from gate_agent.domain.agency import Agency
from gate_agent.domain.money import Money
from gate_agent.web.desk.rights import may_see, narrowed_task
from gate_agent.web.desk_messages import (
    CustomsTaskView,
    DutyLineView,
    DutyView,
    InspectionCountView,
    InspectionsView,
    StopView,
)
from gate_agent.web.formats import mass_text, money_text, number_text
from gate_agent.web.guard.around import seals, xray
from gate_agent.web.guard.checks import reasons
from gate_agent.web.i18n import Catalogue

_CORRIDOR_ORDER = {"red": 0, "yellow": 1, "green": 2}
_PLAIN_UNITS = {"g", "ml", "piece", "pack", "days", "working_days", "persons"}


@dataclass(frozen=True, slots=True)
class Words:
    """The catalogues of one language: the guard's, which has the words of all reasons, and the desks' own."""

    guard: Catalogue
    desk: Catalogue

    @property
    def language(self) -> str:
        """The language of both."""
        return self.desk.language

    def text(self, key: str, **values: str) -> str:
        """Return a sentence of the desks."""
        return self.desk.text(key, **values)


def queue(tasks: Iterable[CustomsTaskView], agency: Agency, now: datetime, words: Words) -> list[dict[str, Any]]:
    """Return the stops of an agency's queue, red first, then the oldest."""
    stops: dict[str, list[CustomsTaskView]] = {}
    for task in tasks:
        stops.setdefault(str(task.transaction_id), []).append(task)
    rows = [_row(stop_id, own, agency, now, words) for stop_id, own in stops.items() if may_see(agency, own)]
    rows.sort(key=lambda row: (row["order"], row["since"], row["stop_id"]))
    return rows


def _row(stop_id: str, tasks: Sequence[CustomsTaskView], agency: Agency, now: datetime, words: Words) -> dict[str, Any]:
    first = tasks[0]
    shown = [narrowed_task(task, agency) for task in tasks]
    return {
        "stop_id": stop_id,
        "order": _CORRIDOR_ORDER[first.corridor],
        "corridor": corridor(first.corridor, words),
        "lane": words.text("ui.lane", lane=str(first.lane_id)),
        "reference": first.declaration_reference or words.text("ui.no_declaration"),
        "since": first.created_at.isoformat(),
        "age": age_text(first.created_at, now),
        "is_overdue": first.is_overdue,
        "seen_by": words.text("ui.seen_at_exit", gate=first.seen_by.rpartition("/")[2]) if first.seen_by else "",
        "why": "; ".join(dict.fromkeys(text for task in shown for text in reasons(task.reasons, words.guard))),
        "agencies": [agency_state(task, words) for task in tasks],
    }


def corridor(code: str, words: Words) -> dict[str, str]:
    """Return a corridor as shape, letter and word."""
    return {
        "code": code,
        "letter": words.guard.text(f"corridor_letter.{code}"),
        "text": words.guard.text(f"corridor.{code}"),
    }


def age_text(since: datetime, now: datetime) -> str:
    """Return a waiting time as minutes and seconds, `12:05`."""
    seconds = max(0, int((now - since).total_seconds()))
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def agency_state(task: CustomsTaskView, words: Words) -> dict[str, Any]:
    """Return whether an agency's task is open, or what it came to."""
    state = words.text(f"finding.{task.finding}" if task.finding else "ui.closed" if task.closed_by else "ui.open")
    return {"agency": words.text(f"agency.{task.agency}"), "is_open": not task.closed_by, "state": state}


def stop_shown(stop: StopView, agency: Agency, now: datetime, words: Words, *, can_unlock: bool) -> dict[str, Any]:
    """Return a stop, already narrowed to what `agency` may see."""
    identity = stop.identity
    return {
        "stop_id": str(stop.stop_id),
        "corridor": corridor(stop.corridor, words),
        "title": stop.reference or words.text("ui.no_declaration"),
        "where": " · ".join(
            (
                words.text("ui.lane", lane=str(stop.lane_id)),
                words.text(f"direction.{stop.direction}"),
                words.text(f"mode.{stop.mode}"),
                stop.local_date.isoformat(),
            )
        ),
        "since": stop.opened_at.isoformat(),
        "age": age_text(stop.opened_at, now),
        "seen_by": next(
            (words.text("ui.seen_at_exit", gate=one.seen_by.rpartition("/")[2]) for one in stop.tasks if one.seen_by),
            "",
        ),
        "holder": "" if identity is None else f"{identity.primary_identifier} {identity.secondary_identifier}".strip(),
        "document": ""
        if identity is None
        else " · ".join(
            part
            for part in (
                identity.document_code.strip("<"),
                identity.issuing_state,
                identity.document_number,
                identity.nationality if identity.nationality != identity.issuing_state else "",
                identity.date_of_birth,
            )
            if part
        ),
        "children": words.text("ui.children", count=str(stop.small_children)) if stop.small_children else "",
        "goods": [_goods(place, line, stop, words) for place, line in enumerate(stop.goods)],
        "facts": [
            (words.text(f"ui.{name}"), values)
            for name, values in (
                ("cash", [money(amount, words) for amount in stop.cash]),
                ("seals", stop.seal_ids),
                ("vehicles", stop.vehicles),
                ("phones", stop.phone_imeis),
                ("unaccompanied", stop.unaccompanied),
            )
            if values
        ],
        "unlockable": stop.unlockable if can_unlock else [],
        "duty": duty_shown(stop.duty, words) if stop.duty else None,
        "rules": [
            {
                "rule_id": rule.rule_id,
                "on": rule.effective_from.isoformat(),
                "certainty": words.text(f"certainty.{rule.certainty}"),
            }
            for rule in stop.rules
        ],
        "rulebook": words.text("ui.rulebook", version=str(stop.rulebook_version)),
        "tasks": [
            {
                "task_id": str(task.task_id),
                "agency_code": task.agency,
                "is_own": task.agency == agency.value,
                "reasons": reasons(task.reasons, words.guard),
                "closed_by": task.closed_by,
                "xray": xray(task.xray, words.guard),
                "seals": seals(task.seals, words.guard),
                **agency_state(task, words),
            }
            for task in stop.tasks
        ],
    }


def _goods(place: int, line: GoodsLine, stop: StopView, words: Words) -> dict[str, str]:
    unit = stop.goods_kinds.get(line.kind, "")
    quantity = "" if line.quantity is None else f"{line.quantity} {words.guard.word(unit, 'unit')}".strip()
    mark = stop.marks[place] if place < len(stop.marks) else ""
    told = (line.description, mark, words.text("ui.temporary") if line.is_temporary else "")
    return {
        "number": str(place + 1),
        "description": " · ".join(part for part in told if part),
        "kind": words.guard.word(line.kind, "goods") if line.kind else "",
        "quantity": quantity,
        "mass": mass_text(line.mass_g, words.language),
        "value": money(line.value, words),
    }


def duty_shown(duty: DutyView, words: Words) -> dict[str, Any]:
    """Return a calculation line by line, each with its rule and date, and what an officer has to settle himself."""
    return {
        "due": money(duty.due, words) if duty.due else "",
        "lines": [
            {
                "text": words.text(f"duty_line.{line.name}")
                + (f" ({words.text('ui.line_of', number=str(line.place + 1))})" if line.place is not None else ""),
                "amount": _counted(line, duty, words),
                "rule": f"{line.rule.rule_id}" if line.rule else "",
                "on": line.rule.effective_from.isoformat() if line.rule else "",
                "is_due": line.name == "due",
            }
            for line in duty.lines
        ],
        "open": [
            *(words.text("ui.rule_missing", rule=subject) for subject in duty.missing),
            *(words.text("ui.rate_missing", currency=currency) for currency in duty.without_rate),
            *(
                words.text("ui.quantity_missing", goods=words.guard.word(kind, "goods"))
                for kind in duty.without_quantity
            ),
        ],
        "rates": [
            words.text(
                "ui.rate",
                currency=rate.currency,
                rate=money_text(Money(rate.national_minor_per_unit, rate.national_currency), words.language),
                date=rate.on.isoformat(),
            )
            for rate in duty.rates
        ],
        "rulebook": words.text("ui.rulebook", version=str(duty.rulebook_version)),
    }


def _counted(line: DutyLineView, duty: DutyView, words: Words) -> str:
    if line.unit == "valuation_minor":
        return money_text(Money(line.amount, duty.value.currency), words.language)
    if line.unit == "g" and line.name == "mass":
        return mass_text(line.amount, words.language)
    return f"{line.amount} {words.guard.word(line.unit, 'unit')}" if line.unit in _PLAIN_UNITS else str(line.amount)


def money(amount: Amount, words: Words) -> str:
    """Return an amount as the language writes it."""
    return money_text(amount.money, words.language)


def figures(counted: InspectionsView, agency: Agency, words: Words) -> list[dict[str, str]]:
    """Return closed tasks by agency and corridor: how many, the share with a finding, how long they took; customs sees every agency's."""
    rows = [one for one in counted.counts if agency is Agency.CUSTOMS or one.agency == agency.value]
    rows.sort(key=lambda one: (list(Agency).index(Agency(one.agency)), _CORRIDOR_ORDER[one.corridor]))
    return [_figure(one, words) for one in rows]


def _figure(one: InspectionCountView, words: Words) -> dict[str, str]:
    shown = corridor(one.corridor, words)

    def tenths(numerator: int, denominator: int) -> str:
        return number_text(round(10 * numerator / denominator), 1, words.language)

    return {
        "agency": words.text(f"agency.{one.agency}"),
        "corridor": one.corridor,
        "corridor_text": f"{shown['letter']} {shown['text']}",
        "closed": str(one.closed),
        "found": str(one.found),
        "amended": str(one.amended),
        "hit_rate": tenths(100 * one.found, one.closed) + "\u00a0%",
        "minutes": tenths(one.seconds, 60 * one.closed),
    }
