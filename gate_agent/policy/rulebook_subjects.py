"""What a rule of a rulebook can be about: its units, whether it names a kind of goods, which further numbers it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gate_agent.policy import corridor_findings, frequent_crossing, inspection_governor, trust_category
from gate_agent.policy.document_words import DOCUMENT_KINDS, PERMIT_KINDS, PERMITS_SAID, UNTIL_EXPIRY
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook import Rule


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule can be about: its units, whether it names a kind of goods (None: may), and the parameters that it needs.

    `document_kinds`: the kinds of documents or permits that it may name, must (`names_document`), and whether it may name an issuing state.
    """

    units: tuple[str, ...]
    names_goods: bool | None = False
    parameters: tuple[str, ...] = ()
    document_kinds: tuple[str, ...] = ()
    names_document: bool = False
    names_issuer: bool = False


QUANTITY = "quantity"
"""Stands for the unit of the goods kind that the rule names."""

_ONE = 10_000
"""A whole in basis points."""

SUBJECTS: Mapping[str, Subject] = {
    "value_allowance": Subject(("valuation_minor",)),
    "minimum_absence": Subject(("days",)),
    "charge_on_excess": Subject(("basis_points",), None),
    "charge_floor": Subject(("valuation_minor_per_kg",), None),
    "quantity_allowance": Subject((QUANTITY,), True),
    "declaration_quantity": Subject((QUANTITY,), True),
    "prohibited": Subject(("flag",), True),
    "permit_required": Subject(("flag",), True),
    "goods_exempt": Subject(("flag",), True),
    "unaccompanied_deadline": Subject(("days",)),
    "cash_declaration": Subject(("national_minor",)),
    "document_accepted": Subject(("flag",), document_kinds=DOCUMENT_KINDS, names_issuer=True),
    "visa_required": Subject(("flag",), document_kinds=DOCUMENT_KINDS, names_issuer=True),
    "permit_accepted": Subject(("flag",), document_kinds=PERMITS_SAID, names_document=True, names_issuer=True),
    "permit_stay": Subject(("days", UNTIL_EXPIRY), document_kinds=PERMIT_KINDS, names_document=True),
    "permit_validity": Subject(("days",), document_kinds=PERMIT_KINDS, names_document=True),
    "permit_not_counted": Subject(("flag",), document_kinds=PERMIT_KINDS, names_document=True),
    "visa_free_stay": Subject(("days",), document_kinds=DOCUMENT_KINDS, names_issuer=True),
    "stay_in_window": Subject(("days",), parameters=("window_days",), document_kinds=DOCUMENT_KINDS, names_issuer=True),
    "unlimited_stay": Subject(("days",), document_kinds=DOCUMENT_KINDS, names_issuer=True),
    "registration": Subject(("working_days", "days"), document_kinds=DOCUMENT_KINDS, names_issuer=True),
    "own_declaration_age": Subject(("years",)),
    **{subject: Subject((corridor_findings.UNIT,)) for subject in corridor_findings.SUBJECTS},
    inspection_governor.BASE: Subject(("basis_points",)),
    inspection_governor.BAND: Subject(("basis_points",), parameters=inspection_governor.BAND_PARAMETERS),
    trust_category.MEMORY: Subject(("days",)),
    **{subject: Subject(("points",)) for subject in trust_category.WEIGHTS.values()},
    trust_category.TRUSTED: Subject(("points",), parameters=(trust_category.FACTOR, "least_inspections")),
    trust_category.ATTENTION: Subject(("points",), parameters=(trust_category.FACTOR, "least_findings")),
    frequent_crossing.SUBJECT: Subject(("crossings",), parameters=frequent_crossing.PARAMETERS),
}


def refuse_impossible(where: str, rule: Rule) -> None:
    """Refuse a rule of corridor policy that no lawyer can mean. Raises `RulebookRefused`."""
    least = corridor_findings.least_value(rule.subject)
    if least is not None and not least <= rule.value <= 2:
        raise RulebookRefused(f"{where}.value: {least} to 2 are expected (0 green, 1 yellow, 2 red)")
    if rule.subject in {inspection_governor.BASE, inspection_governor.BAND} and rule.value > _ONE:
        raise RulebookRefused(f"{where}.value: at most {_ONE} basis points are expected")
    if rule.subject == inspection_governor.BAND:
        _refuse_band(where, rule)
    if rule.subject == trust_category.ATTENTION and rule.parameter("least_findings") < trust_category.LEAST_FINDINGS:
        raise RulebookRefused(f"{where}.parameters.least_findings: one finding alone must not lower anybody")
    if rule.subject == frequent_crossing.SUBJECT and rule.parameter("least_days") < frequent_crossing.LEAST_DAYS:
        raise RulebookRefused(f"{where}.parameters.least_days: a single day is no pattern")


def _refuse_band(where: str, rule: Rule) -> None:
    lower, upper = rule.parameter("lower_basis_points"), rule.parameter("upper_basis_points")
    least, most = rule.parameter("least_basis_points"), rule.parameter("most_basis_points")
    if not lower <= rule.value <= upper <= _ONE:
        raise RulebookRefused(f"{where}.parameters: the band has to hold the value {rule.value}")
    if not least <= most <= _ONE:
        raise RulebookRefused(f"{where}.parameters: least_basis_points lies above most_basis_points, or above {_ONE}")
