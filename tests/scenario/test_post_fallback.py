"""The switch for a whole post when something is wrong: the post dead, orders that nobody may give, agents that end, a traveller inside."""

import json
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from gate_agent.domain.crossing import Admission, DecidedBy
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.web.lane_api_messages import ActionAnswer, SignedAuthorisation
from tests.scenario.border_post import PostProcess, running_post, until
from tests.scenario.hand_post import GATES, HandGate, hand_gates


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[PostProcess]:
    async with running_post(tmp_path, gates=GATES) as process:
        yield process


@pytest.fixture
async def pair(post: PostProcess, tmp_path: Path) -> AsyncIterator[list[HandGate]]:
    async with hand_gates(tmp_path, post, GATES[:2]) as gates:
        yield gates


async def falls_back(gate: HandGate) -> bool:
    return gate.is_by_hand


async def test_with_the_post_dead_the_ordering_gate_falls_back_at_once_and_the_others_when_it_returns(post, pair):
    first, second = pair
    await post.kill()

    async def is_silent() -> bool:
        return first.view is None and not first.fallback._post_answers()

    await until(is_silent)
    assert (await first.orders("begin_fallback")).accepted
    await first.walk.settle()
    assert (first.is_by_hand, second.is_by_hand) == (True, False)
    banner = first.page()["fallback"]
    assert [line["text"] for line in banner["lines"]] == [
        "Not acknowledged yet: gate-2, gate-3",
        "The post does not answer: these gates hear of it as soon as it does. Order it there by hand.",
    ]
    await post.start()
    await until(lambda: falls_back(second))

    async def is_acknowledged() -> bool:
        return first.states()["gate-2"] == "acknowledged" and first.view.post_answers

    await until(is_acknowledged)
    assert first.page()["fallback"]["lines"][0]["text"] == "Not acknowledged yet: gate-3"
    assert first.page(language="ru")["fallback"]["text"].startswith("Ручной режим всего пункта с ")


async def test_it_outlives_every_process_and_is_undone_by_the_switch_alone(post, pair):
    first, second = pair
    assert (await first.orders("begin_fallback")).accepted
    await until(lambda: falls_back(second))
    for gate in pair:
        await gate.stop()
        await gate.start()
        assert gate.is_by_hand, "before anything was heard of the post"
    await post.kill()
    await post.start()
    assert (await second.orders("end_fallback")).accepted

    async def are_open() -> bool:
        return all(gate.walk.phase is Phase.IDLE for gate in pair)

    await until(are_open)
    for gate in pair:
        await gate.stop()
        await gate.start()
        assert gate.walk.phase is Phase.IDLE


async def test_a_post_that_lost_its_disk_is_told_again_what_is_in_force(post, pair):
    first, second = pair
    await second.stop()
    assert (await first.orders("begin_fallback")).accepted
    assert (await first.orders("end_fallback")).accepted
    assert (await first.orders("begin_fallback")).accepted

    async def is_told() -> bool:
        return not (await first.gate.store.exchange.own_facts(1, 0)).facts

    await until(is_told)
    await post.kill()
    for path in (post.folder / "post-state").iterdir():
        if path.name.startswith("store"):
            path.unlink()
    await post.start()
    await second.start()

    async def is_in_force() -> bool:
        return second.view is not None and second.view.number == 3 and second.is_by_hand

    await until(is_in_force)


def replayed(signed: SignedAuthorisation, **changes) -> SignedAuthorisation:
    payload = json.dumps(json.loads(signed.payload) | changes)
    return signed.model_copy(update={"payload": payload})


async def test_who_may_not_a_forged_a_late_and_a_repeated_order_are_refused_and_logged(pair, capsys):
    first, second = pair
    late = first.walk.clock.now() - timedelta(minutes=5)
    refused: dict[str, ActionAnswer] = {
        "guard": await first.orders("begin_fallback", "guard"),
        "technician": await first.orders("begin_fallback", "technician"),
        "forged": await first.source.act(first.signed("begin_fallback", key_of="guard")),
        "changed": await first.source.act(replayed(first.signed("begin_fallback"), fallback_number=9)),
        "late": await first.orders("begin_fallback", issued_at=late, expires_at=late + timedelta(seconds=30)),
        "of another gate": await second.source.act(first.signed("begin_fallback")),
        "too high": await first.orders("begin_fallback", fallback_number=7),
        "nothing to end": await first.orders("end_fallback"),
    }
    assert {name: answer.code for name, answer in refused.items()} == {
        "guard": "EG-AUT-018", "technician": "EG-AUT-018", "forged": "EG-AUT-011", "changed": "EG-AUT-011",
        "late": "EG-AUT-014", "of another gate": "EG-AUT-013", "too high": "EG-LAN-015", "nothing to end": "EG-LAN-002",
    }  # fmt: skip
    written = capsys.readouterr().out
    assert written.count("authorisation_refused") == 6
    assert written.count("fallback_order_refused") == 1
    assert first.view is None
    once, twice = first.signed("begin_fallback"), first.signed("begin_fallback")
    assert (await first.source.act(once)).accepted
    assert (await first.source.act(once)).code == "EG-AUT-017"
    assert (await first.source.act(twice)).code == "EG-LAN-015", "an officer who saw an older page looks again"
    assert first.view.number == 1


async def test_who_is_inside_goes_to_a_guard_and_out_and_help_is_heard(pair):
    first, _second = pair
    walk = first.walk
    await walk.present()
    await walk.inputs(1)
    assert walk.phase is Phase.INSPECTING
    assert (await first.orders("begin_fallback")).accepted
    await walk.settle()
    assert walk.phase is Phase.REFERRED
    assert walk.house.decisions[-1].answer.admission is Admission.REFER
    assert first.page()["fallback"]["stands"]
    answer = await first.orders(
        "release",
        "guard",
        lane_id=1,
        transaction_id=walk.controller.state.transaction_id,
        reason_code="face_compared_by_eye",
    )
    assert answer.accepted
    await walk.settle()
    assert walk.house.decisions[-1].decided_by is DecidedBy.GUARD
    await walk.inputs(0, passed=True)
    assert first.is_by_hand
    first.source.help_requested(1)
    await walk.settle()
    assert ReasonCode.HELP_REQUESTED in walk.controller.alarms.open


async def test_two_officers_who_did_not_hear_each_other_end_on_the_safe_side(post, pair):
    first, second = pair
    assert (await first.orders("begin_fallback")).accepted
    await until(lambda: falls_back(second))
    await second.gate.disconnect()
    assert (await second.orders("end_fallback", authorisation_id=uuid.UUID(int=2**128 - 1))).accepted
    assert (await first.orders("end_fallback")).accepted
    assert (await first.orders("begin_fallback")).accepted
    await second.walk.settle()
    assert second.walk.phase is Phase.IDLE
    second.gate.connect()
    await until(lambda: falls_back(second))
    assert first.is_by_hand
    assert (first.view.number, second.view.number) == (3, 3)


async def test_a_technician_sees_that_the_post_works_by_hand_and_has_no_switch(pair):
    first, _second = pair
    assert first.page("technician")["fallback"]["action"] is None
    assert first.page("guard")["fallback"]["action"] is None
    await first.orders("begin_fallback", reason_text="words of an officer")
    await first.walk.settle()
    page = first.page("technician")
    assert page["fallback"]["shown"]
    assert "words of an officer" not in json.dumps(page)
    assert "words of an officer" in json.dumps(first.page("guard"))
