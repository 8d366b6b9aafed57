"""The centre's page of statistics: passages by corridor, hour and gate, times per step, reasons, and what passed untouched.

/counts?since=2026-06-01&until=2026-06-30&gate=UTO/demo/gate-1&corridor=red       (all of them may be left out)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse

from central_sync.centre.queries import CentreQueries
from central_sync.passage_counts.cells import COUNTS, WHOLE, Figures, Place, add
from central_sync.passage_counts.facts import CORRIDORS
from central_sync.passage_counts.rows import Group, grouped, percent, permille
from gate_agent.web import pages

DAYS_SHOWN = 7
MOST_REASONS = 12
_NOT_A_DAY = "A day is written as year, month and day, such as 2026-06-01."
_BACKWARDS = "The first day stands behind the last one."

Cell = tuple[str, Place, Figures]


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody asked for; `until` None: to this day. `mistake` says what was wrong with it, and the usual days are shown."""

    since: date
    until: date | None
    gate: str
    corridor: str
    mistake: str = ""


def add_counts(app: FastAPI, queries: CentreQueries, now: Callable[[], datetime]) -> None:
    """Add the page to an application; `now` is the centre's aware clock."""
    template = pages.page_templates("centre").get_template("counts.html")

    def drawn(question: Question) -> str:
        until = question.until or date.max
        cells = queries.passages(question.since, until, question.gate or None)
        beside = [] if question.gate else queries.passages_of_gates(question.since, until)
        by_hour = "hour" if question.until == question.since else "hour_of_day"
        corridors = grouped(cells, ["corridor"])
        total = _together(corridors, question.corridor)
        return template.render(
            asked=question,
            gates=sorted({*queries.gate_names(), *([question.gate] if question.gate else [])}),
            total=_line("", corridors, question.corridor),
            corridors=[corridor_line(group) for group in corridors],
            steps=[
                {"name": name, "timed": one.timed, "p50": spelled(one.p50_s), "p95": spelled(one.p95_s)}
                for name, one in total.steps().items()
            ],
            reasons=[
                {"code": code, "number": number, "percent": percent(permille(number, total.count("decided")))}
                for code, number in list(total.reasons().items())[:MOST_REASONS]
            ],
            hours=_lines(cells, by_hour, question.corridor),
            of_gates=_lines(beside, "gate", question.corridor),
        )

    async def counts(request: Request) -> Response:
        question = asked(request.query_params.get, now().date())
        return HTMLResponse(await asyncio.to_thread(drawn, question), status_code=400 if question.mistake else 200)

    app.add_api_route("/counts", counts, methods=["GET"], response_model=None)


def asked(field: Callable[[str, str], str], today: date) -> Question:
    """Return what was asked for: the last days where nothing was, or nothing that is a day."""
    usual = usual_days(today)
    gate, corridor = field("gate", "")[:80], field("corridor", "")
    corridor = corridor if corridor in CORRIDORS else ""
    first, last = field("since", "").strip(), field("until", "").strip()
    try:
        since = date.fromisoformat(first) if first else usual
        until = date.fromisoformat(last) if last else None
    except ValueError:
        return Question(usual, None, gate, corridor, _NOT_A_DAY)
    if until is not None and until < since:
        return Question(usual, None, gate, corridor, _BACKWARDS)
    return Question(since, until, gate, corridor)


def usual_days(today: date) -> date:
    """Return the first of the days that are shown to whoever asks for none."""
    return today - timedelta(days=DAYS_SHOWN - 1)


def corridor_line(group: Group) -> dict[str, object]:
    """Return the line of a corridor as it is read: shares in percent, times spelled out, None or empty where nothing was counted."""
    name, whole = group.key["corridor"], group.steps().get(WHOLE)
    return {
        "name": name,
        "letter": name[0].upper(),
        "passages": group.count("passages"),
        "share": percent(group.share_permille),
        "untouched": group.count("untouched"),
        "by_guard": group.count("by_guard"),
        "inspections": group.count("inspections"),
        "hits": percent(permille(group.count("found"), group.count("inspections"))),
        "p50": spelled(whole.p50_s) if whole else "",
        "p95": spelled(whole.p95_s) if whole else "",
    }


def spelled(seconds: float) -> str:
    """Return a time as it is read at a glance."""
    if seconds >= 3600:
        return f"{int(seconds) // 3600} h {int(seconds) // 60 % 60:02d} min"
    if seconds >= 60:
        return f"{int(seconds) // 60} min {int(seconds) % 60:02d} s"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _lines(cells: list[Cell], name: str, corridor: str) -> list[dict[str, object]]:
    """Return a table with one line for each gate or hour; those whom nobody took this corridor at are left out."""
    parts: dict[str, list[Group]] = {}
    for group in grouped(cells, [name, "corridor"]):
        parts.setdefault(group.key[name], []).append(group)
    return [
        _line(value, groups, corridor)
        for value, groups in parts.items()
        if not corridor or any(group.key["corridor"] == corridor for group in groups)
    ]


def _line(value: str, groups: list[Group], corridor: str) -> dict[str, object]:
    """Return one line of a table: its shares are those of all corridors, whichever one is looked at."""
    group = _together(groups, corridor)
    shares = {one.key["corridor"]: percent(one.share_permille) for one in groups}
    whole = group.steps().get(WHOLE)
    is_anybody = any(one.siblings for one in groups)
    return {
        "name": f"{value[11:16]} {'UTC' if value.endswith('-00:00') else value[16:]}" if value[10:11] == "T" else value,
        **{name: group.count(name) for name in COUNTS},
        "shares": [(shares.get(name) or "0.0") if is_anybody else "" for name in CORRIDORS],
        "untouched_percent": percent(group.untouched_permille),
        "p50": spelled(whole.p50_s) if whole else "",
        "p95": spelled(whole.p95_s) if whole else "",
    }


def _together(groups: list[Group], corridor: str) -> Group:
    """Return the sum of the groups of corridors, or the one of the corridor that is looked at."""
    total = Group({})
    for group in groups:
        if not corridor or group.key["corridor"] == corridor:
            add(total.figures, group.figures)
    return total
