"""The monitor page of the centre: server-drawn; a small script renews it and says when it is stale. It shows no personal data, because it asks for none.

/              the page            /healthz        204 while the database answers
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from central_sync.centre.queries import CentreQueries
from central_sync.centre.telemetry import GateDevices
from central_sync.passage_counts.facts import CORRIDORS
from central_sync.passage_counts.rows import Group, grouped
from gate_agent.web import pages
from gate_agent.web.centre.counts_page import corridor_line, usual_days

REFRESH_S = 5
RECENT_RECORDS = 25
RECENT_ALARMS = 10


def add_monitor(
    app: FastAPI, queries: CentreQueries, now: Callable[[], datetime], *, refresh_s: int = REFRESH_S
) -> None:
    """Add the monitor page to an application; `now` is the centre's aware clock."""
    template = pages.page_templates("centre", age=_age, stamp=_stamp).get_template("monitor.html")

    def drawn() -> str:
        counts, moment = queries.counts(), now()
        passages = queries.passages(usual_days(moment.date()), date.max, with_rest=False)
        gates = sorted(queries.gates(), key=lambda gate: (gate.online, gate.missing == 0, gate.gate))
        return template.render(
            now=moment,
            refresh_s=refresh_s,
            gates=gates,
            away=sum(not gate.online for gate in gates),
            backlog=sum(gate.backlog for gate in gates),
            missing=sum(gate.missing for gate in gates),
            totals=counts["totals"],
            kinds=sorted(counts["kinds"].items()),
            corridors=_shares(grouped(passages, ["corridor"])),
            devices={gate: _devices(told) for gate, told in queries.devices().items()},
            records=queries.recent_records(RECENT_RECORDS),
            alarms=queries.alarms(RECENT_ALARMS),
        )

    async def monitor() -> Response:
        return HTMLResponse(await asyncio.to_thread(drawn))

    async def health() -> Response:
        await asyncio.to_thread(queries.counts)
        return Response(status_code=204)

    app.add_api_route("/", monitor, methods=["GET"], response_model=None)
    app.add_api_route("/healthz", health, methods=["GET"], response_model=None)


def _devices(told: GateDevices) -> dict[str, object]:
    """Return how many devices of a gate are well, which are not, and where its aircraft are."""
    unwell = [
        f"{device.name} {device.state if device.state != 'ready' else 'limited'}"
        + (f" ({device.fault})" if device.fault else "")
        for device in told.devices
        if device.state in {"absent", "fault"} or device.fault
    ]
    aircraft = [
        f"{device.name}: {device.figures.get('latitude', '?')}, {device.figures.get('longitude', '?')}"
        for device in told.devices
        if device.figures.get("kind") == "aircraft"
    ]
    return {"well": len(told.devices) - len(unwell), "of": len(told.devices), "unwell": unwell, "aircraft": aircraft}


def _shares(groups: Sequence[Group]) -> list[dict[str, object]]:
    """Return the line of each corridor, that of those nobody took too, with its place on a bar of 100."""
    known = {group.key["corridor"]: group for group in groups}
    shares: list[dict[str, object]] = []
    start = 0
    for name in CORRIDORS:
        group = known.get(name) or Group({"corridor": name})
        width = group.share_permille or 0
        shares.append({**corridor_line(group), "start": start / 10, "width": width / 10})
        start += width
    return shares


def _age(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in the one unit that fits."""
    age = max(timedelta(0), now - moment)
    seconds = int(age.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")
