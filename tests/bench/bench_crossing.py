"""How long the software takes for one crossing: from the last frame used to the barrier's answer, over the demo's real wires."""

from __future__ import annotations

import asyncio
import statistics

from gate_agent.cache import cache_folder
from gate_agent.cli.bench import BenchRow
from gate_agent.clock import SystemClock
from gate_agent.demo.performance import running
from gate_agent.demo.report import percentile
from gate_agent.demo.travellers import BY_NUMBER

NAME = "crossing"
CROSSINGS = 200


def run() -> list[BenchRow]:
    """Send 200 mated travellers with nothing to declare through the entry lane."""
    return asyncio.run(_run())


async def _run() -> list[BenchRow]:
    traveller = BY_NUMBER[5]
    total: list[float] = []
    parts: dict[str, list[float]] = {}
    async with running(SystemClock(), cache_folder()) as demo:
        for _ in range(CROSSINGS):
            line = await demo.send(traveller, wait_for_sync=False)
            if line.observed.software_ms is not None:
                total.append(line.observed.software_ms)
            for name, value in line.observed.step_ms.items():
                parts.setdefault(name, []).append(value)
        delivery = await demo.delivered()
    released = sum(line.observed.outcome == "released" for line in demo.lines)
    rows = [
        BenchRow("crossings released", released, None, None, "of 200"),
        BenchRow(
            "records lost or doubled", delivery.lost + delivery.doubled if delivery else -1, None, None, "records"
        ),
        BenchRow("software_ms median", statistics.median(total), None, None, "ms"),
        BenchRow("software_ms p95", percentile(total, 0.95) or 0.0, None, None, "ms"),
    ]
    for name in sorted(parts):
        rows.append(BenchRow(f"part {name} median", statistics.median(parts[name]), None, None, "ms"))
        rows.append(BenchRow(f"part {name} p95", percentile(parts[name], 0.95) or 0.0, None, None, "ms"))
    return rows
