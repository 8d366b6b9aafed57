"""What it costs a crossing that the network devices are hosted outside the agent: two demos, travellers in turn, in one run.

The demos are set up twice, each kind once as the first, because where processes come to lie on a machine outweighs what is measured.
"""

from __future__ import annotations

import asyncio
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path

from gate_agent.cache import cache_folder
from gate_agent.cli.bench import BenchRow
from gate_agent.clock import SystemClock
from gate_agent.demo.performance import DemoRun, running
from gate_agent.demo.travellers import BY_NUMBER

NAME = "hosting"
PAIRS = 16
_TICKS_S = os.sysconf("SC_CLK_TCK")
_SESSION, _USER, _SYSTEM = 3, 11, 12  # in /proc/PID/stat, counted from the field after the name


@dataclass
class Seen:
    """What was measured of one kind of demo."""

    software_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    parts_ms: dict[str, list[float]] = field(default_factory=dict)

    async def send(self, demo: DemoRun) -> None:
        """Send a mated traveller with nothing to declare through the entry lane."""
        before_s = cpu_s(demo)
        observed = (await demo.send(BY_NUMBER[5], wait_for_sync=False)).observed
        self.cpu_ms.append((cpu_s(demo) - before_s) * 1000)
        if observed.software_ms is not None:
            self.software_ms.append(observed.software_ms)
        for name, value in observed.step_ms.items():
            self.parts_ms.setdefault(name, []).append(value)


def cpu_s(demo: DemoRun) -> float:
    """Return the processor time of the agent, the field service and their living children."""
    sessions = {str(demo.processes[name].pid) for name in ("agent", "field")}
    ticks = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                values = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
            if values[_SESSION] in sessions:
                ticks += int(values[_USER]) + int(values[_SYSTEM])
    return ticks / _TICKS_S


def run() -> list[BenchRow]:
    """Send 32 travellers through each kind of demo in turn; the ratio is hosted to not hosted."""
    return asyncio.run(_run())


async def _run() -> list[BenchRow]:
    seen = {True: Seen(), False: Seen()}
    for is_first_hosted in (True, False):
        async with (
            running(SystemClock(), cache_folder(), is_hosted=is_first_hosted) as first,
            running(SystemClock(), cache_folder(), is_hosted=not is_first_hosted) as second,
        ):
            demos = {is_first_hosted: first, not is_first_hosted: second}
            for pair in range(PAIRS):
                for is_hosted in (True, False) if pair % 2 else (False, True):
                    await seen[is_hosted].send(demos[is_hosted])
    hosted, own = seen[True], seen[False]
    rows = [
        BenchRow("crossings released", len(hosted.software_ms), len(own.software_ms), None, f"of {2 * PAIRS}"),
        _row("software_ms median, hosted to own", hosted.software_ms, own.software_ms),
        _row("cpu of agent, field and children, median of a crossing", hosted.cpu_ms, own.cpu_ms),
    ]
    parts = sorted(hosted.parts_ms.keys() & own.parts_ms.keys())
    return rows + [_row(f"part {name} median", hosted.parts_ms[name], own.parts_ms[name]) for name in parts]


def _row(name: str, hosted: list[float], own: list[float]) -> BenchRow:
    ours, peer = statistics.median(hosted), statistics.median(own)
    return BenchRow(name, ours, peer, ours / peer if peer else None, "ms")
