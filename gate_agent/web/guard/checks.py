"""How the console shows checks: in groups, each with its five-valued mark, the values it compared, and what is not proven.

While an inspection runs, results of the face stay in this process: whoever is asked later whether two pictures show one person has
not been told what the machine thinks of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.result_tables import document_result, family_results
from gate_agent.web.i18n import Catalogue
from gate_agent.web.lane_api_messages import CheckView, ComparedView, LaneView, ReasonView

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "document": ("mrz_check_digits", "mrz_reading", "state_codes", "specimen", "expiry", "visible_seal"),
        "chip": (
            "chip_access",
            "sod_signature",
            "certificate_chain",
            "certificate_revocation",
            "issuing_state",
            "chip_content",
            "chip_genuineness",
            "mrz_against_dg1",
        ),
        "page": ("mrz_infrared", "mrz_infrared_against_visible", "ultraviolet_dullness", "portrait_against_dg2"),
        "lists": ("watchlist", "stay", "declaration_token", "boarding_pass", "seal", "passage"),
        "face": ("face_comparison", "face_presentation", "face_watchlist"),
    }
)
"""Every check stands in one group; a group's checks stand in the order in which they are made."""

_FACE = "face"
_PENDING = "pending"
_WORST_FIRST = ("failed", "aborted", "undetermined", "pending", "successful", "not_supported")
_UNPROVEN = ("failed", "aborted", "undetermined", "not_supported")
_SHOWN_WITH_THE_SCORE = frozenset({"calibration", "model", "cohort", "cosine", "frames"})
_OF_CODES = frozenset({"access", "AA", "CA", "CAM", "signer_trust", "challenge"})
_LONG_AMOUNT = re.compile(r"^(\d{5,})((?:\.\d+)? [A-Z]{3})$")
_GROUP_OF = {check: group for group, checks in GROUPS.items() for check in checks}


def reasons(values: Iterable[ReasonView], catalogue: Catalogue) -> list[str]:
    """Return reasons as sentences."""
    return [
        catalogue.reason(reason.code, {name: _grouped(value) for name, value in reason.parameters.items()})
        for reason in values
    ]


def check_groups(
    checks: Iterable[CheckView],
    catalogue: Catalogue,
    awaited: Iterable[str] = (),
    *,
    hidden: frozenset[str] = frozenset(),
    worst_first: bool = False,
) -> list[dict[str, Any]]:
    """Return the groups that have something to say, each with a mark for the worst of it. Checks in `awaited` are pending.

    Of a group in `hidden` only its name is told, and that it is held back. `worst_first`: what speaks against somebody stands above.
    """
    shown = {check.check: _check(check, catalogue) for check in checks}
    shown |= {name: _pending(name, catalogue) for name in awaited if name not in shown}
    groups = []
    for group in GROUPS:
        rows = [shown[name] for name in (*GROUPS[group], *_strays(group, shown)) if name in shown]
        if not rows:
            continue
        if group in hidden:
            groups.append(_group(group, "held_back", [], catalogue))
            continue
        if worst_first:
            rows.sort(key=_rank)
        groups.append(_group(group, min(rows, key=_rank)["outcome"], rows, catalogue))
    return sorted(groups, key=_rank) if worst_first else groups


def gaps(groups: Iterable[Mapping[str, Any]], catalogue: Catalogue) -> str:
    """Return in one line what is not proven, so that nobody takes silence for proof; empty when everything is."""
    names = [row["check_text"] for group in groups for row in group["checks"] if row["outcome"] in _UNPROVEN]
    return catalogue.text("ui.gaps", checks=", ".join(names)) if names else ""


def document_worth(checks: Iterable[CheckView], catalogue: Catalogue) -> str:
    """Return in one line what the document is worth as a whole (TR-03135-1 table 5.2), and each family of its checks; empty without any."""
    names = frozenset(CheckName)
    families = family_results(
        {CheckName(check.check): CheckOutcome(check.outcome) for check in checks if check.check in names}
    )
    if not families:
        return ""
    told = (
        f"{catalogue.text(f'family.{family}')} {catalogue.text(f'outcome_letter.{outcome}')}"
        for family, outcome in families.items()
    )
    worth = catalogue.text(f"outcome.{document_result(families)}")
    return catalogue.text("ui.document_worth", outcome=worth, families=" · ".join(told))


def running_inspection(lane: LaneView, catalogue: Catalogue) -> dict[str, Any] | None:
    """Return the checks of a lane whose inspection runs, as far as they came; None while there is none."""
    if lane.transaction_id is None or lane.referral is not None or not (lane.checks or lane.awaited):
        return None
    groups = check_groups(lane.checks, catalogue, lane.awaited, hidden=frozenset({_FACE}))
    return {
        "transaction_id": str(lane.transaction_id),
        "groups": groups,
        "gaps": gaps(groups, catalogue),
        "chip": catalogue.text(f"ui.chip_{lane.chip}") if lane.chip else "",
    }


def _rank(shown: Mapping[str, Any]) -> int:
    return _WORST_FIRST.index(shown["outcome"])


def _strays(group: str, shown: Mapping[str, Any]) -> list[str]:
    """Return checks that no group names yet, for the group of what the gate knows otherwise; none is left out."""
    return sorted(name for name in shown if name not in _GROUP_OF) if group == "lists" else []


def _group(name: str, outcome: str, rows: list[dict[str, Any]], catalogue: Catalogue) -> dict[str, Any]:
    return {
        "group": name,
        "group_text": catalogue.text(f"check_group.{name}"),
        "outcome": outcome,
        "outcome_text": catalogue.text(f"outcome.{outcome}"),
        "letter": catalogue.text(f"outcome_letter.{outcome}"),
        "checks": rows,
    }


def _pending(name: str, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "check_text": catalogue.text(f"check.{name}"),
        "outcome": _PENDING,
        "outcome_text": catalogue.text("outcome.pending"),
        "letter": catalogue.text("outcome_letter.pending"),
        "reasons": [],
        "compared": [],
        "duration_text": "",
    }


def _check(check: CheckView, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "check_text": catalogue.text(f"check.{check.check}"),
        "outcome": check.outcome,
        "outcome_text": catalogue.text(f"outcome.{check.outcome}"),
        "letter": catalogue.text(f"outcome_letter.{check.outcome}"),
        "reasons": reasons(check.reasons, catalogue),
        "compared": [_pair(pair, catalogue) for pair in check.compared if pair.name not in _SHOWN_WITH_THE_SCORE],
        "duration_text": catalogue.text("ui.ms", ms=f"{check.duration_ms:.0f}"),
    }


def _pair(pair: ComparedView, catalogue: Catalogue) -> str:
    name = catalogue.text(f"value.{pair.name}")
    sections = ("value_word", "outcome") if pair.name in _OF_CODES else ()
    found = catalogue.word(pair.found, *sections)
    if not pair.expected:
        return f"{name}: {found}"
    expected = catalogue.word(pair.expected, *sections).replace(">=", "≥").replace("<=", "≤")
    return f"{name}: {catalogue.text('ui.found')} {found}, {catalogue.text('ui.expected')} {expected}"


def _grouped(value: str) -> str:
    """Return an amount of money with its thousands apart (no-break spaces); any other text as it is."""
    amount = _LONG_AMOUNT.match(value)
    if amount is None:
        return value
    return f"{int(amount[1]):,}".replace(",", "\u00a0") + amount[2].replace(" ", "\u00a0")
