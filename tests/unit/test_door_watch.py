"""Doors that open with and without a release of ours, poll by poll."""

import pytest

from drivers.barrier.board_maps import GENERIC, read_map
from drivers.barrier.door_watch import HOLD_S, SLACK_S, DoorWatch
from drivers.barrier.modbus import Function, Request
from drivers.barrier.signals import door_points
from drivers.contracts import BarrierInputs, Door

NOBODY: frozenset[Door] = frozenset()
EXIT = frozenset({Door.EXIT})
POLL_S = 0.03


class Watched:
    """The exit of the reference wiring, polled at an even pace."""

    def __init__(self) -> None:
        self.watch = DoorWatch(door_points(read_map(GENERIC)))
        self.now_s = 100.0

    def release(self, ttl_units: int) -> None:
        self.watch.asked(Request(Function.WRITE_REGISTER, 1, values=(ttl_units,)))
        self.watch.asked(Request(Function.WRITE_COIL, 1, values=(1,)))

    def poll(self, is_open: bool, *, fire: bool = False, times: int = 1) -> frozenset[Door]:
        forced = NOBODY
        for _ in range(times):
            self.now_s += POLL_S
            inputs = BarrierInputs(
                entrance_open=False,
                exit_open=is_open,
                occupancy=0,
                entrance_passages=0,
                exit_passages=0,
                fire=fire,
                tamper=False,
            )
            forced = self.watch.judge(inputs, self.now_s)
        return forced


@pytest.fixture
def door() -> Watched:
    watched = Watched()
    assert watched.poll(False) == NOBODY
    return watched


def test_a_forced_door_is_told_with_the_second_poll_and_long_enough(door: Watched) -> None:
    assert door.poll(True) == NOBODY
    assert door.poll(False) == EXIT  # shut again already
    assert door.poll(False, times=int(HOLD_S / POLL_S) - 2) == EXIT
    assert door.poll(False, times=4) == NOBODY


def test_a_forced_door_that_stays_open_is_told_as_long(door: Watched) -> None:
    assert door.poll(True, times=1000) == EXIT
    assert door.poll(False, times=int(HOLD_S / POLL_S) + 2) == NOBODY


def test_a_release_permits_until_its_end_and_a_little_longer(door: Watched) -> None:
    door.release(10)
    assert door.poll(False, times=int((1.0 + SLACK_S) / POLL_S) - 2) == NOBODY
    assert door.poll(True, times=5) == NOBODY


def test_a_release_that_is_over_permits_nothing(door: Watched) -> None:
    door.release(10)
    assert door.poll(False, times=int((1.0 + SLACK_S) / POLL_S) + 2) == NOBODY
    assert door.poll(True, times=2) == EXIT


def test_a_slow_passage_with_a_bouncing_contact_is_no_force(door: Watched) -> None:
    door.release(10)
    assert door.poll(True, times=200) == NOBODY  # six seconds
    assert door.poll(False) == NOBODY
    assert door.poll(True, times=5) == NOBODY


def test_a_fire_contact_that_is_read_a_moment_after_the_doors_accuses_nobody(door: Watched) -> None:
    assert door.poll(True) == NOBODY
    assert door.poll(True, fire=True, times=50) == NOBODY
    assert door.poll(True, times=50) == NOBODY
    assert door.poll(False, times=5) == NOBODY


def test_a_door_that_is_open_at_the_first_look_is_not_judged(door: Watched) -> None:
    door.watch.opened()
    assert door.poll(True, times=50) == NOBODY


def test_a_release_lives_on_over_a_lost_connection(door: Watched) -> None:
    door.release(50)
    door.poll(False)
    door.watch.opened()
    assert door.poll(False) == NOBODY
    assert door.poll(True, times=50) == NOBODY
