"""How the console shows checks: in groups, each with its five-valued mark, the values it compared, and what is not proven.

While an inspection runs, results of the face stay in this process: whoever is asked later whether two pictures show one person has
not been told what the machine thinks of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.result_tables import Family, document_result, family_results
from gate_agent.web.desk_messages import ReasonView
from gate_agent.web.i18n import Catalogue
from gate_agent.web.lane_api_messages import CheckView, ComparedView, LaneView, PluginView

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
        "lists": (
            "watchlist",
            "travel_ban",
            "eligibility",
            "stay",
            "declaration_token",
            "boarding_pass",
            "seal",
            "passage",
        ),
        "face": ("face_comparison", "face_presentation", "face_watchlist"),
    }
)
"""Every check stands in one group; a group's checks stand in the order in which they are made."""

_FACE = "face"
_PENDING = "pending"
_WORST_FIRST = ("failed", "aborted", "undetermined", "pending", "successful", "not_supported")
_UNPROVEN = ("failed", "aborted", "undetermined", "not_supported")
_SHOWN_WITH_THE_SCORE = frozenset({"calibration", "model", "cohort", "cosine", "frames"})
_PROVEN = "successful"
_STATES = (
    "challenge",
    "signer_trust",
    "listed_match",
    "listed_action",
)  # compared values that are a code each, with a section of words
_GROUP_OF_FAMILY = {
    "": "lists",
    Family.OPTICAL: "page",
    Family.ELECTRONIC: "chip",
    Family.COMBINED: "document",
    Family.SEAL: "document",
}
_GROUP_OF = {check: group for group, checks in GROUPS.items() for check in checks}


def reasons(values: Iterable[ReasonView], catalogue: Catalogue) -> list[str]:
    """Return reasons as sentences."""
    return [catalogue.reason(reason.code, reason.parameters) for reason in values]


def with_plugin_words(catalogue: Catalogue, checks: Iterable[CheckView]) -> Catalogue:
    """Return the catalogue with what plug-ins call their checks and findings in its language; where they have none, their English stands."""
    added: dict[str, str] = {}
    for plugin in (check.plugin for check in checks if check.plugin is not None):
        for section, words in (("plugin_title", plugin.titles), ("plugin_sentence", plugin.findings)):
            if "en" in words:
                added[f"{section}.{words['en']}"] = words.get(catalogue.language, words["en"])
    return replace(catalogue, texts={**catalogue.texts, **added}) if added else catalogue


def _title(plugin: PluginView, catalogue: Catalogue) -> str:
    """Return the name of a plug-in's check, marked as its own: it cannot pass for one of ours."""
    title = plugin.titles.get(catalogue.language, plugin.titles["en"])
    return catalogue.text("ui.plugin_check", title=title, package=plugin.package, version=plugin.version)


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
    checks = tuple(checks)
    catalogue = with_plugin_words(catalogue, checks)
    shown = {check.check: _check(check, catalogue) for check in checks}
    shown |= {name: _pending(name, catalogue) for name in awaited if name not in shown}
    added = {check.check: _GROUP_OF_FAMILY[check.plugin.family] for check in checks if check.plugin is not None}
    groups = []
    for group in GROUPS:
        rows = [shown[name] for name in (*GROUPS[group], *_strays(group, shown, added)) if name in shown]
        if not rows:
            continue
        if group in hidden:
            groups.append(_group(group, "held_back", [], catalogue, note=catalogue.text("ui.held_back_note")))
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
    names, checks = frozenset(CheckName), tuple(checks)
    families = family_results(
        {CheckName(check.check): CheckOutcome(check.outcome) for check in checks if check.check in names},
        added=[
            (Family(check.plugin.family), CheckOutcome(check.outcome))
            for check in checks
            if check.plugin is not None and check.plugin.family
        ],
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


def _strays(group: str, shown: Mapping[str, Any], added: Mapping[str, str]) -> list[str]:
    """Return checks that no group names, plug-ins' among them: in the group of their family, else of what the gate knows otherwise."""
    return sorted(name for name in shown if name not in _GROUP_OF and added.get(name, "lists") == group)


def _group(
    name: str, outcome: str, rows: list[dict[str, Any]], catalogue: Catalogue, *, note: str = ""
) -> dict[str, Any]:
    shared = _shared_reasons(rows)
    if shared:
        note = " · ".join(shared)
        rows = [{**row, "reasons": []} for row in rows]
    return {
        "group": name,
        "group_text": catalogue.text(f"check_group.{name}"),
        "outcome": outcome,
        "outcome_text": catalogue.text(f"outcome.{outcome}"),
        "letter": catalogue.text(f"outcome_letter.{outcome}"),
        "note": note,
        "checks": rows,
    }


def _shared_reasons(rows: list[dict[str, Any]]) -> list[str]:
    """Return the reasons that every check of a group has in common, such as one broken read: they are said once."""
    first = rows[0]["reasons"] if len(rows) > 1 else []
    return first if all(row["reasons"] == first for row in rows) else []


def _pending(name: str, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "key": name,
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
        "key": check.check,
        "check_text": catalogue.text(f"check.{check.check}")
        if check.plugin is None
        else _title(check.plugin, catalogue),
        "outcome": check.outcome,
        "outcome_text": catalogue.text(f"outcome.{check.outcome}"),
        "letter": catalogue.text(f"outcome_letter.{check.outcome}"),
        "reasons": reasons(check.reasons, catalogue),
        "compared": [_pair(check.check, pair, catalogue) for pair in _worth_saying(check)],
        "duration_text": catalogue.text("ui.ms", ms=f"{check.duration_ms:.0f}"),
    }


def _worth_saying(check: CheckView) -> list[ComparedView]:
    """Return what a guard can use.

    Not check digits, which the reasons name, nor what stands beside the score, nor proofs that this chip does not offer.
    """
    if check.check == "mrz_check_digits":
        return []
    shown = [pair for pair in check.compared if pair.name not in _SHOWN_WITH_THE_SCORE]
    return [pair for pair in shown if not (pair.expected == _PROVEN and pair.found == "not_supported")]


def _pair(check: str, pair: ComparedView, catalogue: Catalogue) -> str:
    """Return two compared values in words: as fits the check, or what was found and what was expected."""
    if pair.expected == _PROVEN:  # a protocol, and what came of it
        protocol = catalogue.text(f"protocol.{pair.name}")
        return f"{protocol[:1].upper()}{protocol[1:]}: {catalogue.text(f'outcome.{pair.found}').lower()}"
    name = catalogue.text(f"value.{pair.name}")
    if pair.name in _STATES:
        return f"{name}: {catalogue.text(f'{pair.name}.{pair.found}')}"
    pattern = f"compared.{check}"
    if pattern in catalogue.texts and (pair.expected or check == "chip_access"):
        return catalogue.text(pattern, name=name, found=pair.found, expected=pair.expected or pair.found)
    if not pair.expected:
        return f"{name}: {pair.found}"
    expected = pair.expected.replace(">=", "≥").replace("<=", "≤")
    return f"{name}: {catalogue.text('ui.found')} {pair.found}, {catalogue.text('ui.expected')} {expected}"
