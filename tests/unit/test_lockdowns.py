"""A lockdown stands until an officer lifts it, whatever becomes of the agent meanwhile."""

from pathlib import Path
from typing import Any

import pytest

from gate_agent.app.lockdowns import Lockdowns
from gate_agent.domain import events as ev


class Lane:
    def __init__(self) -> None:
        self.fed: list[ev.Event] = []

    def feed(self, event: ev.Event) -> None:
        self.fed.append(event)


def gate(folder: Path) -> tuple[Lockdowns, dict[int, Any]]:
    lanes: dict[int, Any] = {1: Lane(), 2: Lane()}
    return Lockdowns(folder, lanes), lanes


async def test_a_lockdown_is_ordered_again_by_the_next_agent_until_it_is_lifted(tmp_path: Path) -> None:
    before, lanes = gate(tmp_path)
    await before.order(2)
    assert (lanes[1].fed, lanes[2].fed) == ([], [ev.LockdownOrdered()])
    after, lanes = gate(tmp_path)
    after.restore()
    assert (lanes[1].fed, lanes[2].fed) == ([], [ev.LockdownOrdered()])
    await after.lift(2)
    assert lanes[2].fed[-1] == ev.LockdownLifted()
    last, lanes = gate(tmp_path)
    last.restore()
    assert lanes[2].fed == []


async def test_lifting_what_does_not_stand_does_no_harm(tmp_path: Path) -> None:
    lockdowns, lanes = gate(tmp_path)
    await lockdowns.lift(1)
    assert lanes[1].fed == [ev.LockdownLifted()]
    assert list(tmp_path.iterdir()) == []


async def test_a_disk_that_takes_no_mark_does_not_stop_a_lockdown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lockdowns, lanes = gate(tmp_path / "nowhere")
    await lockdowns.order(1)
    assert lanes[1].fed == [ev.LockdownOrdered()]
    assert "lockdown_mark_not_kept" in capsys.readouterr().out
