"""What it costs a crossing that the network devices are hosted outside the agent: two demos, travellers in turn, in one run."""

from __future__ import annotations

import asyncio
import statistics

from gate_agent.cache import cache_folder
from gate_agent.cli.bench import BenchRow
from gate_agent.clock import SystemClock
from gate_agent.demo.performance import DemoRun, running
from gate_agent.demo.travellers import BY_NUMBER

NAME = "hosting"
PAIRS = 30


def run() -> list[BenchRow]:
    """Send 30 travellers through each demo, one after the other; the ratio is hosted to not hosted."""
    return asyncio.run(_run())


async def _run() -> list[BenchRow]:
    times: dict[bool, list[float]] = {True: [], False: []}
    parts: dict[bool, dict[str, list[float]]] = {True: {}, False: {}}
    async with (
        running(SystemClock(), cache_folder(), is_hosted=True) as hosted,
        running(SystemClock(), cache_folder(), is_hosted=False) as own,
    ):
        demos: dict[bool, DemoRun] = {True: hosted, False: own}
        for pair in range(PAIRS):
            for is_hosted in (True, False) if pair % 2 else (False, True):
                seen = (await demos[is_hosted].send(BY_NUMBER[5], wait_for_sync=False)).observed
                if seen.software_ms is not None:
                    times[is_hosted].append(seen.software_ms)
                for name, value in seen.step_ms.items():
                    parts[is_hosted].setdefault(name, []).append(value)
    ours, peer = (statistics.median(times[is_hosted]) for is_hosted in (True, False))
    rows = [
        BenchRow("crossings released", len(times[True]), len(times[False]), None, f"of {PAIRS}"),
        BenchRow("software_ms median, hosted to own", ours, peer, ours / peer, "ms"),
    ]
    for name in sorted(parts[True].keys() & parts[False].keys()):
        ours, peer = (statistics.median(parts[is_hosted][name]) for is_hosted in (True, False))
        rows.append(BenchRow(f"part {name} median", ours, peer, ours / peer if peer else None, "ms"))
    return rows
