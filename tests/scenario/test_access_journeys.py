"""Access journeys: travellers who see, hear, stand or walk otherwise, each walking by what reaches him only, on twins with a real agent.

A wheelchair user is served by the low camera and helped (`test_accessibility`), a child crosses with the adult (`test_families`); the lane that is
named before anybody lays down a document is tested beside the screens (`tests/unit/test_wide_lanes`, `test_families`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from drivers.contracts import Door
from gate_agent.clock import SystemClock
from gate_agent.demo.site import local_day
from gate_agent.demo.specimens import Specimen, specimen
from gate_agent.demo.stage import ENTRY, Stage
from tests.scenario.officer import lane_api, release
from tests.scenario.test_accessibility import Access, access

pytestmark = [pytest.mark.portraits, pytest.mark.weights, pytest.mark.espeak]

__all__ = ["access"]


class Lane:
    """What a traveller and a guard reach of the lane: its screen and its buttons."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.shown: list[str] = []
        self._client = lane_api(access.site)

    async def screen(self) -> dict[str, Any]:
        answer: dict[str, Any] = (await self._client.get(f"/v1/lanes/{ENTRY}/screen")).json()
        return answer

    async def watch(self) -> None:
        """Write down what the screen shows, as it changes."""
        while True:
            shown = (await self.screen())["instruction"]
            if not self.shown or self.shown[-1] != shown:
                self.shown.append(shown)
            await asyncio.sleep(0.02)

    async def press(self, kind: str) -> bool:
        answer = await self._client.post(f"/v1/lanes/{ENTRY}/traveller", json={"kind": kind})
        return answer.status_code == 204

    async def close(self) -> None:
        await self._client.aclose()


@asynccontextmanager
async def at_the_lane(access: Access) -> AsyncIterator[Lane]:
    lane = Lane(access)
    watching = asyncio.create_task(lane.watch())
    try:
        yield lane
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        await lane.close()


def somebody(number: int) -> Specimen:
    return specimen(number, local_day(SystemClock().now()))


def standing(access: Access) -> Stage:
    """The traveller stands: the upper camera sees him."""
    access.stage.twins(ENTRY).camera = access.upper
    return access.stage


async def ended(access: Access) -> Any:
    return await access.stage.view.until(
        lambda snapshot: snapshot.recent[0] if snapshot.recent else None, 20.0, "the end of the journey"
    )


async def test_who_cannot_see_is_led_by_the_voice_alone(access: Access) -> None:
    """He does only what he was told to by ear, when he was told: the document, in, before the camera, out."""
    stage = standing(access)
    twins = stage.twins(ENTRY)

    def said(key: str) -> bool:
        return any(heard == f"instruction.{key}" for _, heard, _ in access.heard())

    await stage.ready(ENTRY)
    await access.until(lambda: said("present_document"))
    stage.lay(ENTRY, somebody(5))
    await access.until(lambda: said("enter"), 60.0)
    await asyncio.to_thread(twins.camera.show, stage.portraits["obama2"])  # whoever comes in stands before it
    twins.barrier.walk_in(1)
    await access.until(lambda: said("look_at_camera"), 60.0)
    await access.until(lambda: said("walk_through") or said("customs_desk"), 60.0)
    twins.barrier.walk_out()
    twins.take_away()
    assert (await ended(access)).outcome == "released"
    keys = [key for _, key, _ in access.heard()]
    order = [keys.index(f"instruction.{key}") for key in ("present_document", "enter", "look_at_camera")]
    assert order == sorted(order)
    assert "instruction.reading_document" in keys or "instruction.reading_chip" in keys, "silence would be no answer"


async def test_who_cannot_hear_is_told_everything_by_the_screen(access: Access) -> None:
    """He looks at the screen only; and nothing was said that it did not show."""
    stage = standing(access)
    async with at_the_lane(access) as lane:
        await access.until(lambda: lane.shown)
        before = len(access.heard())
        observed = await stage.cross(somebody(5))
        assert observed.outcome == "released", observed
        await stage.ready(ENTRY)
        access.help_point.press()
        await access.until(lambda: lane.shown and lane.shown[-1] == "help_is_coming")
        access.help_point.press(on=False)
        await access.until(lambda: access.help_point.calls == 1)
        access.help_point.speak()
        shown = await stage.view.until(
            lambda gate: next((one for one in gate.lanes if one.intercom == "speaking"), None), 20.0, "the intercom"
        )
        assert shown.lane_id == ENTRY, "the console shows that he does not answer, it does not only ring"
        said = {
            key.removeprefix("instruction.") for _, key, _ in access.heard()[before:] if key.startswith("instruction.")
        }
        assert said <= set(lane.shown), f"said and not shown: {said - set(lane.shown)}"
        assert {"present_document", "enter", "look_at_camera", "help_is_coming"} <= set(lane.shown)


async def test_who_does_not_want_his_face_compared_is_helped_and_nothing_is_held_against_him(access: Access) -> None:
    """He asks for an officer at the camera: a guard releases, no check has failed, and the next time he is served as anybody."""
    stage = standing(access)
    twins = stage.twins(ENTRY)
    person = somebody(5)
    async with at_the_lane(access) as lane:
        await stage.ready(ENTRY)
        await stage.present(ENTRY, person)
        await stage.door(ENTRY, Door.ENTRANCE)
        twins.barrier.walk_in(1)
        await access.until(lambda: "look_at_camera" in lane.shown)
        assert await lane.press("help")
        referral = await stage.view.referral(ENTRY)
        assert [reason.code for reason in referral.reasons] == ["help_requested"]
        assert not [check.check for check in referral.checks if check.outcome == "failed"]
        assert not [check for check in referral.checks if check.check == "face_comparison"], "his face was not compared"
        await access.until(lambda: lane.shown[-1] == "help_is_coming")
        await release(stage, access.site, ENTRY, "traveller_request")
        await stage.door(ENTRY, Door.EXIT)
        twins.barrier.walk_out()
        twins.take_away()
        first = await ended(access)
        assert (first.outcome, first.decided_by) == ("released", "guard")
        again = await stage.cross(somebody(7))
        assert (again.outcome, again.decided_by) == ("released", "machine")


async def test_who_has_no_phone_and_needs_time_is_served_like_anybody(access: Access) -> None:
    """No code, no phone, one hand: an identity card, more time by one press, and a receipt on paper with the signed code."""
    stage = standing(access)
    printed = len(stage.around.printer.receipts)
    async with at_the_lane(access) as lane:
        await stage.ready(ENTRY)
        stage.lay(ENTRY, specimen(16, local_day(SystemClock().now()), format="TD1"))
        await access.until(lambda: "enter" in lane.shown, 40.0)
        before = (await lane.screen())["remaining_s"]
        assert await lane.press("more_time")
        assert (await lane.screen())["remaining_s"] > before
        twins = stage.twins(ENTRY)
        await asyncio.to_thread(twins.camera.show, stage.portraits["obama2"])
        twins.barrier.walk_in(1)
        await stage.door(ENTRY, Door.EXIT)
        twins.barrier.walk_out()
        twins.take_away()
        assert (await ended(access)).outcome == "released"
    paper = await stage.around.receipt(printed)
    assert len(paper.lines) >= 3, "what the screen said, on paper"
