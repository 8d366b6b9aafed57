"""A site whose one process is a real agent, over twins in this process: whole crossings without console, centre or post."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gate_agent.clock import SystemClock
from gate_agent.demo.gate_view import GateView
from gate_agent.demo.passports import PassportOffice
from gate_agent.demo.processes import KeptProcess
from gate_agent.demo.site import DemoPorts, DemoSite, free_ports, prepare
from gate_agent.demo.stage import ENTRY, Stage
from gate_agent.demo.twins import TwinSet
from tests.conftest import CACHE

_CLOCK = SystemClock()
_LANE = 'barrier = "barrier-1"\n'


@asynccontextmanager
async def twins_at(folder: Path) -> AsyncIterator[tuple[TwinSet, DemoPorts]]:
    """Plug a whole gate's twins in, at free ports."""
    ports = DemoPorts(*free_ports(8))
    async with TwinSet(folder / "devices", ports.seal, ports.chips, _CLOCK, CACHE / "portraits") as twins:
        yield twins, ports


@asynccontextmanager
async def agent_over(
    twins: TwinSet, ports: DemoPorts, folder: Path, *, lane: str = "", devices: str = ""
) -> AsyncIterator[tuple[Stage, DemoSite]]:
    """Run an agent until its entry is ready. `devices`: further tables of the site file; `lane`: further lines of the entry's table.

    A lane that is more than the demo's own waits longer for who does nothing: what it is there for takes its time.
    """
    tables = twins.device_tables().replace('hosted_by = "field"', 'hosted_by = "agent"') + devices
    site = await asyncio.to_thread(prepare, folder, CACHE / "models", _CLOCK, tables, ports)
    if lane:
        text = site.site_file.read_text(encoding="utf-8")
        assert text.count(_LANE) == 1
        text = text.replace(_LANE, _LANE + lane).replace("idle_timeout_s = 3", "idle_timeout_s = 30")
        site.site_file.write_text(text, encoding="utf-8")
    async with AsyncExitStack() as stack:
        agent = KeptProcess("agent", site.site_file, folder)
        await agent.start()
        stack.push_async_callback(agent.stop)
        view = GateView(folder / "run" / "lane.sock")
        await view.start()
        stack.push_async_callback(view.stop)
        stage = Stage(
            twins.lanes, twins.seal, view, None, None, None, None, twins.portraits, twins.references,
            PassportOffice(site.today), random.Random(1), twins.around,
        )  # fmt: skip
        try:
            await stage.ready(ENTRY)
        except Exception as error:
            raise AssertionError(agent.log_tail(40)) from error
        yield stage, site
