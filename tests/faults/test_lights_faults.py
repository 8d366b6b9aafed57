"""Lights after a death: whoever of agent and host is killed or hangs, nobody is invited by a green light for long. The twin tells."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest

from drivers.barrier.twin import ModbusBarrierTwin
from gate_agent.lane.doors import SIGNAL_TTL_S
from tests.faults.test_hosted_faults import ROOT, Host, options_of, path, until

__all__ = ["path"]  # a fixture

INVITES, CLOSED = {"entrance_green", "exit_red"}, {"entrance_red", "exit_red"}
WATCHDOG_S = 3.0
AT_MOST_S = 6.0
"""Within which the lights are red, whatever died: the longest of both times, a signal's and the board's, and a loaded machine."""


@pytest.fixture
async def barrier() -> AsyncIterator[ModbusBarrierTwin]:
    twin = ModbusBarrierTwin(watchdog_s=WATCHDOG_S)
    await twin.plug()
    yield twin
    await twin.stop()


class Lane:
    """An agent's lane in a process of its own that shows green at the entrance."""

    def __init__(self, twin: ModbusBarrierTwin, *socket: str) -> None:
        command = [sys.executable, "-m", "tests.faults.lane_process", json.dumps(options_of(twin)), *socket]
        self.twin = twin
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)

    async def invites(self) -> None:
        await until(lambda: self.twin.lights == INVITES, 60.0)

    async def red_after(self, deed: Callable[[], None]) -> float:
        """Return how long the lights stayed other than red after a deed; they stay red."""
        started_s = time.monotonic()
        deed()
        await until(lambda: self.twin.lights == CLOSED, 60.0)
        red_s = time.monotonic() - started_s
        await asyncio.sleep(1.5)
        assert self.twin.lights == CLOSED
        return red_s


@pytest.fixture
async def lanes() -> AsyncIterator[list[Lane]]:
    running: list[Lane] = []
    yield running
    for lane in running:
        lane.process.kill()
        lane.process.wait()


async def test_lights_stay_as_long_as_the_lane_lives_and_are_red_soon_after_the_agent_is_killed(barrier, lanes):
    lanes.append(lane := Lane(barrier))
    await lane.invites()
    changes = 0
    ends_s = time.monotonic() + SIGNAL_TTL_S + 1.0
    while time.monotonic() < ends_s:
        changes += barrier.lights != INVITES
        await asyncio.sleep(0.01)
    assert changes == 0, "renewed in time, the light does not flicker"
    assert await lane.red_after(lane.process.kill) < AT_MOST_S


async def test_an_agent_that_hangs_shows_no_green_for_long(barrier, lanes):
    lanes.append(lane := Lane(barrier))
    await lane.invites()
    assert await lane.red_after(lambda: lane.process.send_signal(signal.SIGSTOP)) < AT_MOST_S


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_host_that_lives_on_shows_red_when_its_agent_does_not(path, barrier, lanes, way):
    """The board's watchdog is content with the host: the signal's own time to live has to end it."""
    host = Host(path, ("barrier-1", "modbus_barrier", options_of(barrier)))
    try:
        lanes.append(lane := Lane(barrier, str(path)))
        await lane.invites()
        beats = barrier.heartbeat
        assert await lane.red_after(lambda: lane.process.send_signal(way)) < AT_MOST_S
        assert not barrier.is_safe, "the host still speaks to the board"
        assert barrier.heartbeat != beats
    finally:
        host.kill()


async def test_a_host_that_is_killed_leaves_red_to_the_board(path, barrier, lanes):
    host = Host(path, ("barrier-1", "modbus_barrier", options_of(barrier)))
    lanes.append(lane := Lane(barrier, str(path)))
    await lane.invites()
    assert await lane.red_after(host.kill) < AT_MOST_S
    assert barrier.is_safe


async def test_a_host_that_comes_back_invites_again_while_the_agent_does(path, barrier, lanes):
    host = Host(path, ("barrier-1", "modbus_barrier", options_of(barrier)))
    lanes.append(lane := Lane(barrier, str(path)))
    await lane.invites()
    await lane.red_after(host.kill)
    host.start()
    try:
        await lane.invites()
    finally:
        host.kill()
