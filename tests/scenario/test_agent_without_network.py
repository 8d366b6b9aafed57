"""The demo's agent in a network namespace of its own: travellers cross though it reaches nothing, not even this machine's own ports."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import pytest

from gate_agent.cache import cache_folder
from gate_agent.clock import SystemClock
from gate_agent.demo.performance import DemoRun, chosen, running
from gate_agent.demo.processes import without_network

pytestmark = [pytest.mark.portraits, pytest.mark.weights]


def namespace_of(pid: int) -> str:
    return str(Path(f"/proc/{pid}/ns/net").readlink())


def interfaces_of(pid: int) -> set[str]:
    lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
    return {line.partition(":")[0].strip() for line in lines}


def sockets_of(pid: int) -> list[str]:
    """Sockets of a process's network other than Unix ones."""
    return [
        line
        for name in ("tcp", "tcp6", "udp", "udp6", "raw")
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]
    ]


async def test_travellers_cross_although_the_agent_has_no_network(tmp_path: Path) -> None:
    if not without_network():
        pytest.skip("this machine allows no network namespace: unshare --net and --map-root-user --net are refused")
    async with running(SystemClock(), cache_folder(), tmp_path / "site") as demo:
        assert not demo.has_agent_network
        agent, field = (demo.processes[name].pid for name in ("agent", "field"))
        assert agent is not None
        assert field is not None
        assert namespace_of(agent) != namespace_of(field) == namespace_of(os.getpid())
        assert interfaces_of(agent) == {"lo"}
        for traveller in chosen(5):
            line = await demo.send(traveller)
            assert line.unexpected == "", line
        assert sockets_of(agent) == []
        assert (demo.processes["agent"].starts, demo.processes["field"].starts) == (1, 1)
        delivery = await demo.delivered()
        assert delivery is not None
        assert delivery.lost == delivery.doubled == 0


async def test_a_host_killed_again_and_again_costs_no_record_and_the_agent_goes_on(tmp_path: Path) -> None:
    async with running(SystemClock(), cache_folder(), tmp_path / "site") as demo:
        crossing = asyncio.create_task(_send(demo, 4))
        for _ in range(4):
            await asyncio.sleep(1.7)
            demo.processes["field"].kill()
        await crossing
        assert demo.processes["agent"].starts == 1
        line = await demo.send(chosen(5)[4])
        assert line.observed.outcome == "released", line
        delivery = await demo.delivered()
        assert delivery is not None
        assert delivery.lost == delivery.doubled == 0


async def _send(demo: DemoRun, count: int) -> None:
    for traveller in chosen(count):
        line = await demo.send(traveller, wait_for_sync=False)
        assert line.observed.outcome in {"released", "referred"}, line
        await demo.stage.recover()


def test_the_words_that_take_the_network_away_do_so() -> None:
    words = without_network()
    if not words:
        pytest.skip("this machine allows no network namespace: unshare --net and --map-root-user --net are refused")
    shown = subprocess.run([*words, "cat", "/proc/self/net/dev"], capture_output=True, text=True, check=True).stdout
    assert [line.partition(":")[0].strip() for line in shown.splitlines()[2:]] == ["lo"]
