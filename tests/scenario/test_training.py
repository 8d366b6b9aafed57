"""Legal and staff questions (A9): a training session whole, with a trainee at the real pages; no record leaves, and the result list is right."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest

from gate_agent.cache import cache_folder
from gate_agent.cli.journal_source import read_journal
from gate_agent.clock import SystemClock
from gate_agent.demo.exercises import EXERCISES
from gate_agent.demo.performance import DemoRun, running
from gate_agent.demo.training import hold
from gate_agent.web.lane_api_messages import GateSnapshot, GuardAction

pytestmark = [pytest.mark.portraits, pytest.mark.weights]
PATIENCE_S = 60.0


async def decide(session: DemoRun, lane_id: int, action: GuardAction, reason: str) -> None:
    """What a trainee does at the console."""
    referral = await session.stage.view.referral(lane_id, timeout_s=PATIENCE_S)
    await session.stage.guard.decide(lane_id, referral, action, reason)


async def close_the_stop(session: DemoRun) -> None:
    """What a trainee does at the customs desk."""

    def task(snapshot: GateSnapshot) -> str | None:
        waiting = (one for one in snapshot.customs_tasks if one.agency == "customs" and not one.closed_by)
        return next((one.declaration_reference for one in waiting), None)

    await session.stage.inspect(await session.stage.view.until(task, PATIENCE_S, "a stop"), "nothing_found")


async def test_a9_training_a_trainee_is_led_through_every_exercise_and_nothing_leaves_the_gate(tmp_path: Path) -> None:
    async with running(SystemClock(), cache_folder(), tmp_path, is_training=True) as session:
        assert set(session.processes) == {"field", "agent", "console", "portal"}
        trainees = {
            "watchlist_hit": decide(session, 1, GuardAction.HAND_OVER, "list_to_verify"),
            "overstay": decide(session, 2, GuardAction.RELEASE, "document_examined"),  # wrong, and the list says so
            "red_corridor": close_the_stop(session),
            "broken_seal": close_the_stop(session),
            "device_fault": decide(session, 1, GuardAction.HAND_OVER, "document_doubt"),
            "fallback": decide(session, 1, GuardAction.HAND_OVER, "traveller_request"),
        }
        results = {}
        for name, exercise in EXERCISES.items():
            trainee = asyncio.create_task(trainees[name]) if name in trainees else None
            results[name] = await hold(session, exercise, PATIENCE_S)
            if trainee is not None:
                await trainee
        assert {name: (one.decided, one.is_right) for name, one in results.items()} == {
            "clear_traveller": ("released_by_gate", True),
            "watchlist_hit": ("handed_over", True),
            "overstay": ("released", False),
            "red_corridor": ("task_closed", True),
            "broken_seal": ("task_closed", True),
            "device_fault": ("handed_over", True),
            "fallback": ("handed_over", True),
        }
        assert results["clear_traveller"].seconds is None
        assert all(one.seconds is not None for name, one in results.items() if name != "clear_traveller")
        # every page says so, and no door leads out
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{session.site.ports.console}") as client:
            for place in ("/guard/login", "/lane/1/screen"):
                assert "training-banner" in (await client.get(place)).text, place
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{session.site.ports.portal}") as client:
            assert "training-banner" in (await client.get("/en/")).text
        assert not (tmp_path / "run" / "sync.sock").exists()
    records = list(read_journal(str(tmp_path / "state")))
    assert len(records) > 10
    assert all(record.training for record in records)
