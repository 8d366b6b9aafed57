"""Answers, kinds and refusals put into the traveller's words for the page."""

from __future__ import annotations

from gate_agent.domain.declaration import DeclaredGoods
from gate_agent.inspection.token_members import MAXIMUM_LINES, MAXIMUM_SEALS
from gate_agent.web.formats import day_text, digits_text, mass_text, money_text, number_text
from gate_agent.web.i18n import Catalogue
from gate_agent.web.number_entry import typed_mass, typed_money, typed_number
from gate_agent.web.portal.answers import WEIGHED
from gate_agent.web.portal.draft import CARRIED, Draft
from gate_agent.web.portal.forms import Form, Wrong
from gate_agent.web.portal.kinds import KindsAsked

ROWS_AT_ONCE = 5
"""Rows of goods that a page offers beyond those that are filled."""

_ONE_FIELD = (
    "description",
    "value",
    "mass",
    "currency",
    "amount",
    "seal",
    "plate",
    "country",
    "make",
    "imei",
    "mark",
    "item",
    "name",
    "relation",
    "born_day",
    "born_month",
    "born_year",
    "companion_state",
    "companion_number",
)


def error_shown(wrong: Wrong, words: Catalogue) -> dict[str, str]:
    """Return field, prefix and sentence of one thing to mend."""
    most = MAXIMUM_SEALS if wrong.field == "seal" else MAXIMUM_LINES
    field = words.text(wrong.label) if wrong.label else ""
    if wrong.number:
        field = f"{field} ({digits_text(str(wrong.number), words.language)})"
    if wrong.kind:
        field = f"{kind_text(wrong.kind, words)}: {field}"
    return {
        "field": wrong.field,
        "prefix": words.text("page.error_prefix"),
        "message": words.text(f"error.{wrong.key}", field=field, most=digits_text(str(most), words.language)),
    }


def kind_text(kind: str, words: Catalogue) -> str:
    """Return a goods kind in words; one that the catalogue does not know reads as the rulebook calls it."""
    return words.texts.get(f"kind.{kind}", kind.replace("_", " "))


def quantity_text(quantity: int, unit: str, words: Catalogue) -> str:
    """Return a quantity in a unit of the rulebook as people say it: millilitres in litres, grams from a kilogram on in kilograms."""
    if unit == "g" and quantity >= 1000 and quantity % 100 == 0:
        return mass_text(quantity, words.language)
    number = number_text(quantity, 3 if unit == "ml" else 0, words.language)
    return f"{number}\u00a0{words.text(f'unit.{unit}')}"


def _title(kind: str, words: Catalogue) -> str:
    text = kind_text(kind, words)
    return text[:1].upper() + text[1:]


def kinds_shown(kinds: KindsAsked, words: Catalogue) -> dict[str, list[dict[str, object]]]:
    """Return the kinds that a page asks about, with what is free of each."""
    return {
        "limited": [
            {
                "kind": kind,
                "title": _title(kind, words),
                "free": words.text("limited.free", quantity=quantity_text(rule.value, rule.unit, words)),
                "unit": words.text(f"unit.{rule.unit}"),
                "is_weighed": rule.unit in WEIGHED,
            }
            for kind, rule in kinds.limited.items()
        ],
        "permit": [{"kind": kind, "title": _title(kind, words)} for kind in kinds.permit],
        "prohibited": [{"kind": kind, "title": _title(kind, words)} for kind in kinds.prohibited],
    }


def values_shown(question: str, draft: Draft, form: Form | None, kinds: KindsAsked) -> dict[str, object]:
    """Return what stands in the fields of a page: what was typed when something is wrong with it, else what the draft holds."""
    if question == "carry":
        nothing = {"nothing"} if draft.carries is not None and not draft.carries else set[str]()
        return {"carry": form.every("carry") if form else (draft.carries or frozenset()) | nothing}
    if question == "restricted":
        held = {line.kind for line in draft.restricted}
        return {"restricted": set(form.every("restricted")) if form else held}
    values: dict[str, object] = {
        "direction": draft.direction.value if draft.direction else "",
        "mode": draft.mode.value if draft.mode else "",
        "issuing_state": draft.issuing_state,
        "document_number": draft.document_number,
        "companions": "" if draft.has_companions is None else ("others" if draft.has_companions else "alone"),
        **dict.fromkeys(_ONE_FIELD, ""),
    }
    rows = 0
    if question == "goods":
        rows = min(MAXIMUM_LINES, len(draft.goods) + ROWS_AT_ONCE)
        values |= _goods_rows(draft.goods)
    if question == "limited":
        values |= _limited_fields(draft.limited, kinds)
    if form is not None:
        rows = max(
            rows, *(n for n in range(MAXIMUM_LINES + 1) if not n or form.is_filled(f"description_{n}", f"value_{n}"))
        )
        values = {name: form.one(name) for name in values}
    return {**values, "rows": range(1, rows + 1)}


def _goods_rows(goods: list[DeclaredGoods]) -> dict[str, object]:
    values: dict[str, object] = {}
    for number in range(1, MAXIMUM_LINES + 1):
        line = goods[number - 1] if number <= len(goods) else None
        values[f"description_{number}"] = "" if line is None else line.description
        values[f"value_{number}"] = "" if line is None else typed_money(line.value)
    values["mass"] = typed_mass(sum(line.mass_g for line in goods)) if goods else ""
    return values


def _limited_fields(lines: list[DeclaredGoods], kinds: KindsAsked) -> dict[str, object]:
    values: dict[str, object] = {}
    for kind, rule in kinds.limited.items():
        line = next((one for one in lines if one.kind == kind), None)
        digits = 3 if rule.unit == "ml" else 0
        values[f"quantity_{kind}"] = "" if line is None else typed_number(line.quantity or 0, digits)
        values[f"value_{kind}"] = "" if line is None else typed_money(line.value)
        values[f"mass_{kind}"] = "" if line is None or rule.unit in WEIGHED else typed_mass(line.mass_g)
    return values


def entries_shown(question: str, draft: Draft, words: Catalogue) -> list[dict[str, str]]:
    """Return the lines of one page of what is carried."""
    language = words.language
    match question:
        case "goods":
            return [
                {
                    "what": line.description,
                    "detail": f"{money_text(line.value, language)}, {mass_text(line.mass_g, language)}",
                }
                for line in draft.goods
            ]
        case "limited":
            return [
                {"what": kind_text(line.kind, words), "detail": money_text(line.value, language)}
                for line in draft.limited
            ]
        case "restricted":
            return [{"what": kind_text(line.kind, words), "detail": ""} for line in draft.restricted]
        case "cash":
            return [{"what": money_text(money, language), "detail": ""} for money in draft.cash]
        case "persons":
            return [
                {
                    "what": one.name,
                    "detail": f"{words.text(f'relation.{one.relation}')}, {day_text(one.date_of_birth, language)},"
                    f" {one.issuing_state} {one.document_number}",
                }
                for one in draft.persons
            ]
        case "vehicles":
            return [{"what": one.plate, "detail": f"{one.country}, {one.make}"} for one in draft.vehicles]
        case "temporary":
            return [
                {"what": line.description, "detail": f"{line.mark}, {money_text(line.value, language)}"}
                for line in draft.temporary
            ]
        case "phones" | "unaccompanied" | "seals":
            return [{"what": text, "detail": ""} for text in getattr(draft, question)]
    return []


def rows_shown(draft: Draft, words: Catalogue) -> list[dict[str, object]]:
    """Return the answers of a complete draft for "check your answers"."""

    def row(question: str, place: str, *shown: str) -> dict[str, object]:
        return {"question": words.text(f"check.{question}"), "place": place, "answers": shown}

    fields = draft.fields()
    carries = [kind for kind in CARRIED if kind in (draft.carries or frozenset())]
    people = [f"{one['what']}, {one['detail']}" for one in entries_shown("persons", draft, words)]
    rows = [
        row("direction", "trip", words.text(f"trip.{fields.direction}"), words.text(f"trip.{fields.mode}")),
        row("document", "document", f"{fields.issuing_state} {fields.document_number}"),
        row("companions", "companions", *(people or [words.text("check.alone")])),
        row("declared", "carry", *(words.text(f"check.{kind}") for kind in carries or ["nothing"])),
    ]
    for kind in carries:
        lines = (": ".join(filter(None, (line["what"], line["detail"]))) for line in entries_shown(kind, draft, words))
        rows.append(row(kind, kind, *lines))
    return rows
