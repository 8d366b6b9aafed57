"""Doors that open with and without a release of ours, poll by poll."""

import pytest

from drivers.barrier.board_maps import GENERIC, read_map
from drivers.barrier.door_watch import SLACK_S, DoorWatch
from drivers.barrier.irregularities import HOLD_S
from drivers.barrier.modbus import Function, Request
from drivers.barrier.signals import door_points
from drivers.contracts import BarrierInputs, Irregularity

NOTHING: tuple[Irregularity, ...] = ()
FORCED = (Irregularity.DOOR_FORCED,)
POLL_S = 0.03


class Watched:
    """The exit of the reference wiring, polled at an even pace."""

    def __init__(self) -> None:
        self.watch = DoorWatch(door_points(read_map(GENERIC)))
        self.now_s = 100.0
        self.passages = 0xFFFF

    def release(self, ttl_units: int) -> None:
        self.watch.asked(Request(Function.WRITE_REGISTER, 1, values=(ttl_units,)))
        self.watch.asked(Request(Function.WRITE_COIL, 1, values=(1,)))

    def poll(self, is_open: bool, *, fire: bool = False, times: int = 1, passages: int = 0) -> tuple[Irregularity, ...]:
        told = NOTHING
        self.passages = (self.passages + passages) % 0x10000
        for _ in range(times):
            self.now_s += POLL_S
            inputs = BarrierInputs(
                entrance_open=False,
                exit_open=is_open,
                occupancy=0,
                entrance_passages=0,
                exit_passages=self.passages,
                fire=fire,
                tamper=False,
            )
            told = self.watch.judge(inputs, self.now_s)
        return told


@pytest.fixture
def door() -> Watched:
    watched = Watched()
    assert watched.poll(False) == NOTHING
    return watched


def test_a_forced_door_is_told_with_the_second_poll_and_long_enough(door: Watched) -> None:
    assert door.poll(True) == NOTHING
    assert door.poll(False) == FORCED  # shut again already
    assert door.poll(False, times=int(HOLD_S / POLL_S) - 2) == FORCED
    assert door.poll(False, times=4) == NOTHING


def test_a_forced_door_that_stays_open_is_told_as_long(door: Watched) -> None:
    assert door.poll(True, times=1000) == FORCED
    assert door.poll(False, times=int(HOLD_S / POLL_S) + 2) == NOTHING


def test_a_release_permits_until_its_end_and_a_little_longer(door: Watched) -> None:
    door.release(10)
    assert door.poll(False, times=int((1.0 + SLACK_S) / POLL_S) - 2) == NOTHING
    assert door.poll(True, times=5) == NOTHING


def test_a_release_that_is_over_permits_nothing(door: Watched) -> None:
    door.release(10)
    assert door.poll(False, times=int((1.0 + SLACK_S) / POLL_S) + 2) == NOTHING
    assert door.poll(True, times=2) == FORCED


def test_a_slow_passage_with_a_bouncing_contact_is_no_force(door: Watched) -> None:
    door.release(10)
    assert door.poll(True, times=200) == NOTHING  # six seconds
    assert door.poll(False) == NOTHING
    assert door.poll(True, times=5) == NOTHING


def test_a_fire_contact_that_is_read_a_moment_after_the_doors_accuses_nobody(door: Watched) -> None:
    assert door.poll(True) == NOTHING
    assert door.poll(True, fire=True, times=50) == NOTHING
    assert door.poll(True, times=50) == NOTHING
    assert door.poll(False, times=5) == NOTHING


def test_a_door_that_is_open_at_the_first_look_is_not_judged(door: Watched) -> None:
    door.watch.opened()
    assert door.poll(True, times=50) == NOTHING


def test_a_release_lives_on_over_a_lost_connection(door: Watched) -> None:
    door.release(50)
    door.poll(False)
    door.watch.opened()
    assert door.poll(False) == NOTHING
    assert door.poll(True, times=50) == NOTHING


def test_each_release_is_one_passage_and_counters_wrap(door: Watched) -> None:
    door.release(50)
    assert door.poll(True, passages=1) == NOTHING
    assert door.poll(True, times=3) == NOTHING
    assert door.poll(True, passages=1) == NOTHING  # perhaps the next release is on its way
    assert door.poll(True) == (Irregularity.TAILGATING,)


def test_the_next_of_a_family_may_be_quicker_than_his_release(door: Watched) -> None:
    door.release(50)
    door.poll(True, passages=2)
    door.release(50)
    assert door.poll(True, times=10) == NOTHING
    assert door.poll(True, passages=1) == NOTHING
    assert door.poll(True) == (Irregularity.TAILGATING,)  # his release was used


def test_a_passage_long_after_a_release_that_nobody_used_was_not_released(door: Watched) -> None:
    door.release(10)
    door.poll(False, times=100)
    door.poll(False, passages=1)
    assert door.poll(False) == (Irregularity.PASSAGE_WITHOUT_RELEASE,)


def test_passages_while_nobody_looked_are_not_judged(door: Watched) -> None:
    door.watch.opened()
    assert door.poll(False, passages=7) == NOTHING
    assert door.poll(False, times=3) == NOTHING
