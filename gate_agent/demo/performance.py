"""The performance: start everything, send travellers through, tell one line each, and prove that every record arrived."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gate_agent.clock import Clock
from gate_agent.demo.around import devices_of
from gate_agent.demo.broker import broker_for
from gate_agent.demo.cast import Cast, Traveller
from gate_agent.demo.gate_view import GateView, Interrupted, NotReached
from gate_agent.demo.guard import DemoGuard
from gate_agent.demo.inspector import DemoInspector
from gate_agent.demo.passports import PassportOffice
from gate_agent.demo.portal_client import PortalClient
from gate_agent.demo.processes import KeptProcess, without_network
from gate_agent.demo.records import Delivery, delivery_of
from gate_agent.demo.site import DemoPorts, DemoSite, free_ports, prepare
from gate_agent.demo.stage import Observed, Stage
from gate_agent.demo.travellers import TRAVELLERS
from gate_agent.demo.twins import TwinSet
from gate_agent.errors import EgateError

PROCESSES = ("centre", "post", "field", "agent", "sync", "console", "portal")
TRAINING_PROCESSES = ("field", "agent", "console", "portal")
"""Without sync, post and centre: a training gate has nobody to tell."""

_SYNC_TIMEOUT_S, _CLASS_BEGINS_S = 60.0, 180.0
_ATTEMPTS = 4


class DemoFault(EgateError):
    """The demo could not be set up or brought to its end."""

    code = "EG-DEM-001"


@dataclass(slots=True)
class TravellerLine:
    """What is told of one traveller."""

    scenario: int
    title: str
    observed: Observed
    synced: bool
    unexpected: str

    def fields(self) -> dict[str, object]:
        """Return the JSON fields (DESIGN, commands)."""
        return {
            "scenario": self.scenario,
            "title": self.title,
            "outcome": self.observed.outcome,
            "decided_by": self.observed.decided_by,
            "corridor": self.observed.corridor,
            "reasons": self.observed.reasons,
            "seconds": round(self.observed.seconds, 3),
            "software_ms": None if self.observed.software_ms is None else round(self.observed.software_ms, 1),
            "step_ms": {name: round(value, 1) for name, value in self.observed.step_ms.items()},
            "synced": self.synced,
            "as_expected": not self.unexpected,
            **({"unexpected": self.unexpected} if self.unexpected else {}),
            **self.observed.notes,
        }


@dataclass(slots=True)
class DemoRun:
    """A running demo."""

    site: DemoSite
    stage: Stage
    processes: dict[str, KeptProcess]
    cast: Cast
    has_agent_network: bool = True
    lines: list[TravellerLine] = field(default_factory=list)

    async def send(self, traveller: Traveller, *, wait_for_sync: bool = True) -> TravellerLine:
        """Send one traveller through; start over when a process died under him."""
        for attempt in range(_ATTEMPTS):
            try:
                observed = await traveller.walk(self.cast)
                break
            except (Interrupted, NotReached) as error:
                if attempt == _ATTEMPTS - 1:
                    observed = Observed("faulted", "machine", None, [str(error)], 0.0)
                await self.stage.recover()
        synced = await self.delivered() is not None if wait_for_sync else False
        line = TravellerLine(traveller.number, traveller.title, observed, synced, traveller.expected.differs(observed))
        self.lines.append(line)
        return line

    def ready_classes(self) -> set[str]:
        """Return the classes of the devices that are ready now, as the gate's lane API says."""
        snapshot = self.stage.view.snapshot
        if snapshot is None:
            return set()
        return {device.device_class for device in devices_of(snapshot) if device.state == "ready"}

    async def delivered(self, timeout_s: float = _SYNC_TIMEOUT_S) -> Delivery | None:
        """Wait until every record of the gate is in the centre's database and acknowledged; None when that takes too long."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            delivery = await asyncio.to_thread(delivery_of, self.site)
            if delivery is not None and delivery.complete:
                return delivery
            await asyncio.sleep(0.1)
        return None


@asynccontextmanager
async def running(
    clock: Clock, cache: Path, folder: Path | None = None, mosquitto: str = "", *, seed: int = 0, is_hosted: bool = True,
    is_training: bool = False,
) -> AsyncIterator[DemoRun]:  # fmt: skip
    """Start broker, twins and every process on loopback; stop them all in the end. A folder not given is a throw-away one.

    `is_hosted`: network devices are the field service's, and the agent has no network where this machine allows that; else all are its own.
    `is_training`: a training gate, and of the processes only those that no record leaves through.
    """
    kept = folder is not None
    home = folder or Path(tempfile.mkdtemp(prefix="egate-demo-"))
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    async with AsyncExitStack() as stack:
        if not kept:
            stack.callback(shutil.rmtree, home, ignore_errors=True)
        ports = DemoPorts(*free_ports(8))
        twins = TwinSet(home / "devices", ports.seal, ports.chips, clock, cache / "portraits")
        await stack.enter_async_context(twins)
        tables = twins.device_tables(has_post=not is_training)
        if not is_hosted:
            tables = tables.replace('hosted_by = "field"', 'hosted_by = "agent"')
        site = await asyncio.to_thread(prepare, home, cache / "models", clock, tables, ports, is_training=is_training)
        broker = broker_for(mosquitto, ports.broker)
        if not is_training:
            await broker.start()
            stack.push_async_callback(broker.stop)
        before = {"agent": await asyncio.to_thread(without_network)} if is_hosted else {}
        processes = {
            name: KeptProcess(name, site.site_file, home, before.get(name, ()))
            for name in (TRAINING_PROCESSES if is_training else PROCESSES)
        }
        for process in processes.values():
            await process.start()
            stack.push_async_callback(process.stop)
        view = GateView(home / "run" / "lane.sock")
        await view.start()
        stack.push_async_callback(view.stop)
        guard = DemoGuard(f"http://127.0.0.1:{ports.console}", "guard-1", site.provisioned.passwords["guard-1"])
        stack.push_async_callback(guard.close)
        inspector = DemoInspector(
            f"http://127.0.0.1:{ports.console}", "customs-1", site.provisioned.passwords["customs-1"]
        )
        stack.push_async_callback(inspector.close)
        portal = PortalClient(f"http://127.0.0.1:{ports.portal}")
        stack.push_async_callback(portal.close)
        stage = Stage(
            twins.lanes,
            twins.seal,
            view,
            guard,
            inspector,
            portal,
            broker,
            twins.portraits,
            twins.references,
            PassportOffice(site.today),
            random.Random(seed),
            twins.around,
        )
        run = DemoRun(site, stage, processes, Cast(stage, site.today), has_agent_network=not before.get("agent"))
        stack.callback(_remove_pids, home)
        try:
            if is_training:  # people wait for it, and nobody measures how long
                lanes = (stage.ready(lane_id, _CLASS_BEGINS_S) for lane_id in (1, 2))
                await asyncio.gather(*lanes, portal.ready(_CLASS_BEGINS_S))
            else:
                await asyncio.gather(stage.ready(1), stage.ready(2), stage.post_ready(), portal.ready())
            _write_pids(home, processes)
        except NotReached as error:
            tails = "\n".join(f"--- {name}\n{process.log_tail()}" for name, process in processes.items())
            raise DemoFault(f"the demo did not come up: {error}\n{tails}") from error
        yield run


def _write_pids(home: Path, processes: dict[str, KeptProcess]) -> None:
    """Leave the process ids where a fault test finds them."""
    (home / "processes.json").write_text(json.dumps({name: entry.pid for name, entry in processes.items()}))


def _remove_pids(home: Path) -> None:
    (home / "processes.json").unlink(missing_ok=True)


def chosen(count: int) -> Sequence[Traveller]:
    """Return the travellers of a demo of `count`: all of the cast in order, then mated ones without end."""
    plain = next(traveller for traveller in TRAVELLERS if traveller.number == 5)
    return [TRAVELLERS[index] if index < len(TRAVELLERS) else plain for index in range(count)]
