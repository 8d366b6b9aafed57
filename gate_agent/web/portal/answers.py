"""What a posted page says: put into the draft when it answers the question, or returned as what is wrong, field by field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from functools import partial

from gate_agent.domain.declaration import MAXIMUM_COMPANIONS, DeclaredGoods, Direction, Relation, TravelMode, Vehicle
from gate_agent.domain.money import Money
from gate_agent.inspection.token_members import MAXIMUM_LINES, MAXIMUM_SEALS, MAXIMUM_VEHICLES
from gate_agent.web import number_entry
from gate_agent.web.portal import entry
from gate_agent.web.portal.draft import CARRIED, Draft
from gate_agent.web.portal.forms import Form, Reading, Wrong, is_finished, is_removal
from gate_agent.web.portal.issue import CompanionFields
from gate_agent.web.portal.kinds import KindsAsked

Answer = Callable[[Draft, Form, KindsAsked], list[Wrong]]

WEIGHED = frozenset({"ml", "g"})
"""Units from which the mass follows, a litre being taken as a kilogram."""

VALUED_IN = "USD"
"""Currency in which the pages ask for the value of goods."""


def trip(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """Direction and mode."""
    reading = Reading(form)
    direction, mode = reading.chosen("direction", Direction), reading.chosen("mode", TravelMode)
    if direction is not None and mode is not None:
        draft.direction, draft.mode = direction, mode
    return reading.wrongs


def document(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """Issuing state and document number."""
    reading = Reading(form)
    state = reading.field("issuing_state", entry.issuing_state)
    number = reading.field("document_number", entry.document_number)
    if state is not None and number is not None:
        draft.issuing_state, draft.document_number = state, number
    return reading.wrongs


def companions(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """Whether somebody travels on the declaration beside the declarant."""
    if form.one("companions") not in {"alone", "others"}:
        return [Wrong("companions", "choose_companions")]
    draft.has_companions = form.one("companions") == "others"
    if not draft.has_companions:
        draft.persons.clear()
    return []


def persons(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """One more person who travels on the declaration, or one less."""
    names = ("name", "relation", "born_day", "born_month", "born_year", "companion_state", "companion_number")
    if is_removal(draft.persons, form) or is_finished(draft.persons, form, *names):
        return []
    reading = Reading(form)
    name = reading.field("name", entry.person_name)
    relation = reading.chosen("relation", Relation)
    born = _born(reading, form)
    state = reading.field("companion_state", entry.issuing_state)
    number = reading.field("companion_number", entry.document_number)
    if len(draft.persons) >= MAXIMUM_COMPANIONS:
        return [Wrong("name", "companions_many")]
    if name is None or relation is None or born is None or state is None or number is None:
        return reading.wrongs
    taken = {(one.issuing_state, one.document_number) for one in draft.persons}
    if (state, number) in {*taken, (draft.issuing_state, draft.document_number)}:
        return [Wrong("companion_number", "same_document")]
    draft.persons.append(CompanionFields(name, relation, born, state, number))
    return []


def _born(reading: Reading, form: Form) -> date | None:
    try:
        return entry.date_of_birth(form.one("born_day"), form.one("born_month"), form.one("born_year"))
    except number_entry.EntryRefused as refused:
        reading.wrongs.append(Wrong("born_day", refused.key))
        return None


def carry(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """Kinds that are declared, or nothing. Lines of what is no longer declared are forgotten."""
    chosen = frozenset(form.every("carry"))
    if not chosen or not chosen <= {*CARRIED, "nothing"}:
        return [Wrong("carry", "choose_carry")]
    if "nothing" in chosen and len(chosen) > 1:
        return [Wrong("carry", "choose_one_kind")]
    draft.carries = chosen - {"nothing"}
    for kind in CARRIED:
        if kind not in chosen:
            draft.lines(kind).clear()
    return []


def goods(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """All rows of goods at once, and the mass of them together, which is shared out over the rows by their value."""
    reading = Reading(form)
    rows: list[tuple[str, Money]] = []
    for number in range(1, MAXIMUM_LINES + 1):
        names = (f"description_{number}", f"value_{number}")
        if form.is_filled(*names):
            what = reading.field(names[0], entry.description)
            value = reading.field(names[1], lambda text: number_entry.money(text, VALUED_IN), "goods.value", number)
            rows += [(what, value)] if what is not None and value is not None else []
    if not rows and not reading.wrongs:
        return [Wrong("description_1", "lines_missing")]
    mass_g = reading.field("mass", number_entry.mass_g, "goods.mass")
    if not reading.wrongs and mass_g is not None:
        masses = shared_out(mass_g, [value.amount_minor for _what, value in rows])
        draft.goods = [DeclaredGoods(what, value, own) for (what, value), own in zip(rows, masses, strict=True)]
    return reading.wrongs


def shared_out(total: int, weights: list[int]) -> list[int]:
    """Return whole parts of a total in proportion to weights above zero; what rounding leaves goes to the first ones."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    for place in range(total - sum(parts)):
        parts[place] += 1
    return parts


def limited(draft: Draft, form: Form, kinds: KindsAsked) -> list[Wrong]:
    """Quantity and value of each kind that the rulebook limits, and the mass of kinds that are counted in pieces."""
    reading = Reading(form)
    lines = []
    for kind, rule in kinds.limited.items():
        names = (f"quantity_{kind}", f"value_{kind}", f"mass_{kind}")
        if not form.is_filled(*names):
            continue
        count = reading.field(names[0], partial(entry.quantity, unit=rule.unit), "limited.quantity", kind=kind)
        value = reading.field(names[1], lambda text: number_entry.money(text, VALUED_IN), "limited.value", kind=kind)
        is_weighed = rule.unit in WEIGHED
        mass_g = count if is_weighed else reading.field(names[2], number_entry.mass_g, "limited.mass", kind=kind)
        if count is not None and value is not None and mass_g is not None:
            lines.append(DeclaredGoods(kind.replace("_", " "), value, mass_g, kind, count))
    if not kinds.limited:
        return _not_asked(draft, "limited")
    if not lines and not reading.wrongs:
        return [Wrong(f"quantity_{next(iter(kinds.limited))}", "lines_missing")]
    if not reading.wrongs:
        draft.limited = lines
    return reading.wrongs


def restricted(draft: Draft, form: Form, kinds: KindsAsked) -> list[Wrong]:
    """Kinds that need a permit or may not cross: one piece of each that was chosen, its value for the desk to find."""
    if not kinds.restricted:
        return _not_asked(draft, "restricted")
    chosen = set(form.every("restricted"))
    if not chosen or not chosen <= set(kinds.restricted):
        return [Wrong("restricted", "choose_restricted")]
    draft.restricted = [
        DeclaredGoods(kind.replace("_", " "), Money(0, VALUED_IN), 0, kind, 1)
        for kind in kinds.restricted
        if kind in chosen
    ]
    return []


def _not_asked(draft: Draft, kind: str) -> list[Wrong]:
    """Take back what the rulebook in force does not ask about any more, so that nobody is stuck on its page."""
    draft.carries = (draft.carries or frozenset()) - {kind}
    return []


def cash(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """One more currency, or one less."""
    if is_removal(draft.cash, form) or is_finished(draft.cash, form, "currency", "amount"):
        return []
    reading = Reading(form)
    money = reading.money("amount", "currency", "cash.amount")
    if len(draft.cash) >= MAXIMUM_LINES:
        return [Wrong("currency", "lines_many")]
    if money is not None and money.currency in {other.currency for other in draft.cash}:
        return [Wrong("currency", "same_currency")]
    if money is not None:
        draft.cash.append(money)
    return reading.wrongs


def vehicles(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """One more vehicle, or one less."""
    if is_removal(draft.vehicles, form) or is_finished(draft.vehicles, form, "plate", "country", "make"):
        return []
    reading = Reading(form)
    plate = reading.field("plate", entry.plate)
    country = reading.field("country", entry.issuing_state)
    make = reading.field("make", entry.make)
    if len(draft.vehicles) >= MAXIMUM_VEHICLES:
        return [Wrong("plate", "vehicles_many")]
    if plate is not None and country is not None and make is not None:
        draft.vehicles.append(Vehicle(plate, country, make))
    return reading.wrongs


def phones(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """One more phone, or one less."""
    if is_removal(draft.phones, form) or is_finished(draft.phones, form, "imei"):
        return []
    return _added(draft.phones, form, "imei", entry.imei, MAXIMUM_LINES)


def temporary(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """One more thing that goes back, or one less."""
    names = ("description", "mark", "value")
    if is_removal(draft.temporary, form) or is_finished(draft.temporary, form, *names):
        return []
    reading = Reading(form)
    what = reading.field("description", entry.description)
    mark = reading.field("mark", entry.mark)
    value = reading.field("value", lambda text: number_entry.money(text, VALUED_IN), "temporary.value")
    if len(draft.temporary) >= MAXIMUM_LINES:
        return [Wrong("description", "lines_many")]
    if what is not None and mark is not None and value is not None:
        draft.temporary.append(replace(DeclaredGoods(what, value, 0), is_temporary=True, mark=mark))
    return reading.wrongs


def unaccompanied(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """One more of the things that follow, or one less."""
    if is_removal(draft.unaccompanied, form) or is_finished(draft.unaccompanied, form, "item"):
        return []
    return _added(draft.unaccompanied, form, "item", entry.description, MAXIMUM_LINES)


def seals(draft: Draft, form: Form, _kinds: KindsAsked) -> list[Wrong]:
    """One more electronic seal, or one less."""
    if is_removal(draft.seals, form) or is_finished(draft.seals, form, "seal"):
        return []
    return _added(draft.seals, form, "seal", entry.seal_id, MAXIMUM_SEALS)


def _added(lines: list[str], form: Form, name: str, read: Callable[[str], str], most: int) -> list[Wrong]:
    reading = Reading(form)
    text = reading.field(name, read)
    if text is not None and text not in lines:
        if len(lines) >= most:
            return [Wrong(name, "lines_many")]
        lines.append(text)
    return reading.wrongs


ANSWERS: Mapping[str, Answer] = {
    "trip": trip,
    "document": document,
    "companions": companions,
    "persons": persons,
    "carry": carry,
    "goods": goods,
    "limited": limited,
    "cash": cash,
    "restricted": restricted,
    "vehicles": vehicles,
    "phones": phones,
    "temporary": temporary,
    "unaccompanied": unaccompanied,
    "seals": seals,
}
"""What reads the page of each question."""
