"""The monitor page of the centre: server-drawn; a small script renews it and says when it is stale. It shows no personal data, because it asks for none.

/              the page            /healthz        204 while the database answers
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from central_sync.centre.corridor_tallies import CorridorTally
from central_sync.centre.queries import CentreQueries
from central_sync.centre.telemetry import GateDevices
from gate_agent.web import pages

REFRESH_S = 5
RECENT_RECORDS = 25
RECENT_ALARMS = 10
CORRIDORS = ("green", "yellow", "red")


def add_monitor(
    app: FastAPI, queries: CentreQueries, now: Callable[[], datetime], *, refresh_s: int = REFRESH_S
) -> None:
    """Add the monitor page to an application; `now` is the centre's aware clock."""
    template = pages.page_templates("centre", age=_age, stamp=_stamp).get_template("monitor.html")

    def drawn() -> str:
        counts, moment = queries.counts(), now()
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
            corridors=_shares(counts["corridors"], queries.corridors()),
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


def _shares(counts: dict[str, int], tallies: Mapping[str, CorridorTally]) -> list[dict[str, object]]:
    """Return name, number, percentage and place on a bar of 100 of each corridor, its mean time and how often customs found something."""
    total = sum(counts.get(name, 0) for name in CORRIDORS)
    shares: list[dict[str, object]] = []
    start = 0.0
    for name in CORRIDORS:
        number = counts.get(name, 0)
        percent = 100 * number / total if total else 0.0
        shares.append(
            {"name": name, "letter": name[0].upper(), "number": number, "percent": f"{percent:.1f}",
             "start": f"{start:.2f}", "width": f"{percent:.2f}", **_rates(tallies.get(name, CorridorTally()))}
        )  # fmt: skip
        start += percent
    return shares


def _rates(tally: CorridorTally) -> dict[str, object]:
    """Return mean time and hit rate as they are shown, empty where nothing was counted."""
    mean_s = round(tally.seconds / tally.timed) if tally.timed else 0
    spelled = (
        f"{mean_s // 3600} h {mean_s // 60 % 60:02d} min"
        if mean_s >= 3600
        else f"{mean_s // 60} min {mean_s % 60:02d} s"
    )
    hits = f"{100 * tally.found / tally.inspections:.1f}" if tally.inspections else ""
    return {"mean": spelled if tally.timed else "", "hits": hits, "inspections": tally.inspections}


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
