"""The supervisor's table of counted error rates: one row a lane, as ready text. Nothing of it is sent to other officers' pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gate_agent.web.face_rates_messages import FaceRatesView, GroupRatioView, RateView
from gate_agent.web.i18n import Catalogue

_PROVEN_FROM = 1.0
_SMALL = 0.01


def rates_table(rates: Sequence[FaceRatesView], catalogue: Catalogue) -> dict[str, Any] | None:
    """Return title and rows; None while nothing was counted."""
    if not rates:
        return None
    return {
        "title": catalogue.text("ui.rates", days=str(rates[0].window_days)),
        "rows": [
            {
                "lane_id": row.lane_id,
                "non_match": _rate(row.false_non_match, catalogue),
                "match": _rate(row.false_match, catalogue),
                "verdict": _verdict(row, catalogue),
                "is_above": row.verdict == "above",
                "failure": _rate(row.failure_to_acquire, catalogue),
                "groups": [_group(group, catalogue) for group in row.groups],
            }
            for row in sorted(rates, key=lambda row: row.lane_id)
        ],
    }


def _percent(ratio: float) -> str:
    """Return a share of errors as per cent, with as many decimals as small rates need."""
    if ratio == 0:
        return "0%"
    return f"{ratio:.3%}" if ratio < _SMALL else f"{ratio:.1%}"


def _rate(rate: RateView | None, catalogue: Catalogue) -> dict[str, str]:
    if rate is None:
        return {"value": catalogue.text("ui.rates_none"), "bounds": ""}
    bounds = catalogue.text(
        "ui.rates_bounds",
        lower=_percent(rate.lower_bound),
        upper=_percent(rate.upper_bound),
        errors=str(rate.errors),
        trials=str(rate.trials),
    )
    return {"value": _percent(rate.rate), "bounds": bounds}


def _verdict(row: FaceRatesView, catalogue: Catalogue) -> str:
    """Return what the false matches prove about their limit; nothing where none were counted."""
    if row.false_match is None:
        return ""
    if row.verdict == "not_enough":
        return catalogue.text("ui.rates_not_enough", count=str(row.comparisons), needed=str(row.needed_comparisons))
    return catalogue.text(f"ui.rates_{row.verdict}", limit=_percent(row.false_match_limit))


def _group(group: GroupRatioView, catalogue: Catalogue) -> str:
    rate = catalogue.text("ui.rates_match" if group.rate == "false_match" else "ui.rates_non_match")
    dimension = catalogue.text(f"dimension.{group.dimension}")
    worst, best = (_label(group.dimension, label, catalogue) for label in (group.worst, group.best))
    ratio = catalogue.text("ui.rates_best_without")
    if group.ratio is not None:
        ratio = catalogue.text("ui.rates_times", ratio=f"{group.ratio:.1f}")
    proven = catalogue.text("ui.rates_unproven")
    if group.at_least > _PROVEN_FROM:
        proven = catalogue.text("ui.rates_at_least", ratio=f"{group.at_least:.1f}")
    return f"{rate}, {dimension}: {worst} / {best}: {ratio} ({proven})"


def _label(dimension: str, label: str, catalogue: Catalogue) -> str:
    return catalogue.text(f"sex.{label}") if dimension == "sex" else label
