"""Seal trackers call the post; every gate hears of each report once, in order, also one that was away and after a kill."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.seal_tracker.twin import JointechSealTwin
from gate_agent.clock import SystemClock
from gate_agent.demo.site import free_ports
from tests.scenario.border_post import Gate, PostProcess, running_post, two_gates, until


class SealPost(PostProcess):
    def __init__(self, folder: Path, keys: Path) -> None:
        (self.seal_port,) = free_ports(1)
        device = f'[[post.device]]\nname = "seals"\ndriver = "seal_server"\noptions = {{ port = {self.seal_port} }}\n'
        super().__init__(folder, keys, device)

    def tracker(self, seal_id: str = "9900000001") -> JointechSealTwin:
        return JointechSealTwin(self.seal_port, SystemClock(), seal_id=seal_id, answer_s=20.0)


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[PostProcess]:
    async with running_post(tmp_path, SealPost) as process:
        yield process


@pytest.fixture
async def gates(post: SealPost, tmp_path: Path) -> AsyncIterator[tuple[Gate, Gate]]:
    async with two_gates(tmp_path, post) as pair:
        yield pair


def heard(gate: Gate, kind: str) -> list[str]:
    return [event.data.seal_id for event in gate.seals if event.data.kind == kind]


def hears(gate: Gate, count: int, kind: str = "rope_cut"):
    async def condition() -> bool:
        assert len(heard(gate, kind)) <= count
        return len(heard(gate, kind)) == count

    return condition


async def test_both_gates_hear_of_a_cut_rope_as_if_the_tracker_were_their_own(post, gates):
    async with post.tracker() as tracker:
        await tracker.tell(41.3, 69.2, ["rope_cut"])
        for gate in gates:
            await until(hears(gate, 1))
            event = next(event for event in gate.seals if event.data.kind == "rope_cut")
            assert event.device == "post/seals"
            assert event.data.is_alarm
            assert event.data.latitude == pytest.approx(41.3, abs=1e-4)
            assert abs((SystemClock().now() - event.t_wall).total_seconds()) < 60
            await until(lambda gate=gate: shows(gate, "post/seals", "ready"))
    for gate in gates:
        await until(lambda gate=gate: shows(gate, "post/seals", "absent"))
        assert gate.statuses["post/seals"].fault.startswith("DRV-")
        assert gate.statuses["post/seals"].remedy


async def test_a_gate_that_was_away_or_began_anew_hears_what_it_missed_once(post, gates, tmp_path):
    first, second = gates
    await until(lambda: has_place(first))
    await until(lambda: has_place(second))
    async with post.tracker() as tracker:
        await tracker.tell(41.3, 69.2, ["rope_cut"])
        await until(hears(second, 1))
        await second.disconnect()
        for _ in range(3):
            await tracker.tell(41.3, 69.2, ["vibration"])
        await until(hears(first, 3, "vibration"))
        second.connect()
        await until(hears(second, 3, "vibration"))
        await until(hears(second, 1))
    await second.stop()
    second.seals.clear()
    await second.start()  # its agent knows nothing any more: the newest of each kind tells it
    await until(hears(second, 1))
    await until(hears(second, 1, "vibration"))


async def test_reports_that_were_answered_survive_a_kill_of_the_post(post, gates):
    first, second = gates
    for gate in gates:
        await until(lambda gate=gate: has_place(gate))
    tracker = post.tracker()
    await tracker.plug()
    for number in range(1, 11):
        await tracker.tell(41.0 + number / 100, 69.2, ["rope_cut"])
        if number % 4 == 0:
            await post.kill()
            await post.start()
            await tracker.unplug()
            await until(lambda: plugged(tracker))
    await tracker.unplug()
    for gate in (first, second):
        await until(hears(gate, 10))
        places = [event.data.latitude for event in gate.seals if event.data.kind == "rope_cut"]
        assert places == sorted(places)
        assert len(set(places)) == 10


async def plugged(tracker: JointechSealTwin) -> bool:
    try:
        await tracker.plug()
    except OSError:
        await asyncio.sleep(0.05)
        return False
    return True


async def has_place(gate: Gate) -> bool:
    return (await gate.side.place()).seals_generation is not None


async def shows(gate: Gate, device: str, state: str) -> bool:
    return device in gate.statuses and gate.statuses[device].state == state
