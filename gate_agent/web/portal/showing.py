"""Answers and refusals put into the traveller's words for the page."""

from __future__ import annotations

from gate_agent.inspection.token_format import MAXIMUM_LINES, MAXIMUM_SEALS
from gate_agent.web.i18n import Catalogue
from gate_agent.web.portal.answers import CARRIED, Wrong
from gate_agent.web.portal.draft import Draft
from gate_agent.web.portal.numbers import mass_text, money_text


def error_shown(wrong: Wrong, words: Catalogue) -> dict[str, str]:
    """Return field, prefix and sentence of one thing to mend."""
    most = MAXIMUM_SEALS if wrong.field == "seal" else MAXIMUM_LINES
    field = words.text(wrong.label) if wrong.label else ""
    return {
        "field": wrong.field,
        "prefix": words.text("page.error_prefix"),
        "message": words.text(f"error.{wrong.key}", field=field, most=str(most)),
    }


def entries_shown(question: str, draft: Draft, words: Catalogue) -> list[dict[str, str]]:
    """Return the lines added so far to goods, cash or seals."""
    if question == "goods":
        return [
            {
                "what": line.description,
                "detail": f"{money_text(line.value, words.language)}, {mass_text(line.mass_g, words.language)}",
            }
            for line in draft.goods
        ]
    if question == "cash":
        return [{"what": money_text(money, words.language), "detail": ""} for money in draft.cash]
    return [{"what": seal, "detail": ""} for seal in draft.seal_ids] if question == "seals" else []


def rows_shown(draft: Draft, words: Catalogue) -> list[dict[str, object]]:
    """Return the answers of a complete draft for "check your answers"."""

    def row(question: str, place: str, *shown: str) -> dict[str, object]:
        return {"question": words.text(f"check.{question}"), "place": place, "answers": shown}

    fields = draft.fields()
    carries = [kind for kind in CARRIED if kind in (draft.carries or frozenset())]
    rows = [
        row("direction", "trip", words.text(f"trip.{fields.direction}"), words.text(f"trip.{fields.mode}")),
        row("document", "document", f"{fields.issuing_state} {fields.document_number}"),
        row("children", "children", str(fields.small_children)),
        row("declared", "carry", *(words.text(f"check.{kind}") for kind in carries or ["nothing"])),
    ]
    for kind in carries:
        lines = (": ".join(filter(None, (line["what"], line["detail"]))) for line in entries_shown(kind, draft, words))
        rows.append(row(kind, kind, *lines))
    return rows
