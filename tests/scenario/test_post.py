"""Two gates and their post over mutual TLS: what one gate knows the other knows (A1: a code shown twice), whoever dies in between."""

import shutil
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.clock import SystemClock
from gate_agent.domain.check import CheckOutcome, CheckResult
from gate_agent.domain.crossing import Corridor, PassageOutcome
from gate_agent.domain.declaration import Direction
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.selection import AppealSubject
from gate_agent.inspection.declaration_token import bind, verify_token
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.inspection.token_format import TokenClaims, document_binding, encode
from gate_agent.policy.stay_rules import open_stay
from tests.scenario.border_post import Gate, PostProcess, cross, declaration, is_used, running_post, two_gates, until
from tests.unit.utopian_documents import document


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[PostProcess]:
    async with running_post(tmp_path) as process:
        yield process


@pytest.fixture
async def gates(post: PostProcess, tmp_path: Path) -> AsyncIterator[tuple[Gate, Gate]]:
    async with two_gates(tmp_path, post) as pair:
        yield pair


async def test_a1_japan_a_declaration_used_at_one_gate_is_refused_at_the_other_within_a_second(gates):
    first, second = gates
    await until(lambda: at_rest(first, second))
    latencies_s = []
    for number in range(1, 21):
        assert not await is_used(second.store, number)
        await cross(first.store, number)
        begun_s = time.monotonic()
        await until(lambda number=number: is_used(second.store, number))
        latencies_s.append(time.monotonic() - begun_s)
    print("fact latency, ms: median", statistics.median(latencies_s) * 1000, "max", max(latencies_s) * 1000)
    assert min(latencies_s) <= 1.0
    assert statistics.median(latencies_s) <= 1.0
    assert await is_used(first.store, 1)


async def test_a1_japan_the_same_signed_code_is_a_replay_at_the_second_gate(gates):
    first, second = gates
    key = Ed25519PrivateKey.generate()
    declared = declaration(9, datetime.now(UTC).replace(microsecond=0))
    binding = document_binding(declared.token_id, "UTO", "X00000009")
    claims = TokenClaims("egate-portal", declared.issued_at, binding, declared)
    payload = encode(claims, key).encode()
    trusted = {key_identifier(key.public_key()): key.public_key()}

    async def shown_at(gate: Gate) -> CheckResult:
        reading = verify_token(payload, trusted, datetime.now(UTC))
        used = await gate.store.token_used(reading.declaration.token_id, "UTO", "X00000009")
        return bind(reading, document(9), already_used=used)

    for gate in gates:
        assert (await shown_at(gate)).outcome is CheckOutcome.SUCCESSFUL
    await cross(first.store, 9, passage=PassageOutcome.NOT_PASSED)
    assert (await shown_at(first)).outcome is CheckOutcome.SUCCESSFUL  # an abandoned try is no use
    await cross(first.store, 9)
    await until(lambda: is_used(second.store, 9))
    for gate in gates:
        refused = await shown_at(gate)
        assert refused.outcome is CheckOutcome.FAILED
        assert [reason.code for reason in refused.reasons] == [ReasonCode.TOKEN_ALREADY_USED]


async def test_only_a_confirmed_passage_is_told(gates):
    first, second = gates
    await cross(first.store, 1, passage=PassageOutcome.NOT_PASSED)
    await cross(first.store, 2)
    await until(lambda: is_used(second.store, 2))
    assert not await is_used(second.store, 1)
    assert open_stay(await second.store.stays_of("UTO", "X00000001"), date.max) is None


async def test_entry_and_exit_pair_across_gates(gates):
    first, second = gates
    await cross(first.store, 1)
    await until(lambda: knows_stay(second, 1))
    stay = open_stay(await second.store.stays_of("UTO", "X00000001"), date.max)
    assert (stay.entered_on, stay.source) == (datetime.now(UTC).date(), "UTO/demo/gate-1")
    await cross(second.store, 1, Direction.EXIT)
    await until(lambda: has_left(first, 1))


async def test_what_a_traveller_earned_and_appealed_counts_at_the_other_gate(gates):
    first, second = gates
    today, tasks = datetime.now(UTC).date(), [uuid.uuid4(), uuid.uuid4()]

    async def past(gate: Gate):
        known = await gate.store.past_of("UTO", "X00000001", today - timedelta(days=30), 10)
        return known.history

    transactions = [await cross(first.store, 1, at=None, corridor=Corridor.RED) for _ in tasks]
    for task_id, transaction_id in zip(tasks, transactions, strict=True):
        await first.store._write(
            lambda connection, told=(task_id, transaction_id): first.store.selection.inspected(
                connection, *told, today, InspectionFinding.FOUND
            )
        )

    async def knows_both() -> bool:
        return len((await past(second)).inspections) == 2

    await until(knows_both)
    assert len((await past(second)).crossing_days) == 2
    granted = first.store.selection.appeal
    assert await granted(transactions[0], AppealSubject.TRUST_CATEGORY, "officer-1", today, "proved", upheld=True)

    async def knows_appeal() -> bool:
        return AppealSubject.TRUST_CATEGORY in (await past(second)).upheld

    await until(knows_appeal)
    assert await past(second) == await past(first)


async def test_with_the_post_dead_gates_go_on_and_facts_arrive_later_once(post, gates):
    first, second = gates
    await until(lambda: at_rest(first, second))
    await post.kill()
    for number in range(1, 6):
        await cross(first.store, number)
        await cross(second.store, number + 10)
    await until(lambda: shows_fault(first))
    assert first.statuses["post"].fault == "EG-PST-001"
    assert first.statuses["post"].remedy
    assert not await is_used(second.store, 1)
    await post.start()
    for number in range(1, 6):
        await until(lambda number=number: is_used(second.store, number))
        await until(lambda number=number: is_used(first.store, number + 10))
    await until(lambda: shows_ready(first))
    assert not first.alarms.open
    assert not second.alarms.open


async def test_a1_japan_one_token_at_two_gates_while_the_post_was_dead_alarms_at_both(post, gates):
    first, second = gates
    await until(lambda: at_rest(first, second))
    await post.kill()
    await cross(first.store, 7)
    await cross(second.store, 7)
    await post.start()
    await until(lambda: alarms(first))
    await until(lambda: alarms(second))
    alarm = first.alarms.open[ReasonCode.TOKEN_USED_AT_TWO_GATES]
    assert alarm.reason.parameters == {"gate": "UTO/demo/gate-2"}
    assert len(first.alarms.open) == len(second.alarms.open) == 1


async def test_a_post_that_lost_its_disk_is_told_again_and_nothing_counts_twice(post, gates):
    first, second = gates
    await cross(first.store, 1)
    await until(lambda: is_used(second.store, 1))
    await post.kill()
    shutil.rmtree(post.folder / "post-state")
    await post.start()
    await cross(first.store, 2)
    await until(lambda: is_used(second.store, 2))
    assert not second.alarms.open
    third = await third_gate(post, second)
    try:
        await until(lambda: is_used(third.store, 1))  # told again to the empty post, for whoever did not know it
    finally:
        await third.stop()


async def third_gate(post: PostProcess, second: Gate) -> Gate:
    """Another store of gate 2, as after an exchange of its disk."""
    await second.disconnect()
    folder = post.folder / "third"
    folder.mkdir()
    return await Gate(folder, post.keys, "gate-2", post.port).start()


async def test_a_gate_that_was_away_gets_what_it_missed(gates):
    first, second = gates
    await until(lambda: at_rest(first, second))
    await second.disconnect()
    for number in range(1, 151):  # more than a page
        await cross(first.store, number)
    second.connect()
    await until(lambda: is_used(second.store, 150))
    assert all([await is_used(second.store, number) for number in range(1, 151)])


class JumpingClock(SystemClock):
    offset = timedelta()

    def now(self) -> datetime:
        return super().now() + self.offset


async def test_a_gate_whose_clock_jumps_is_still_heard(post, gates, tmp_path):
    first, second = gates
    clock = JumpingClock()
    await first.stop()
    odd = await Gate(tmp_path, post.keys, "gate-1", post.port, clock).start()
    try:
        for number, days in enumerate((-400, 0, 400), 1):
            clock.offset = timedelta(days=days)
            await cross(odd.store, number, at=clock.now())
            await until(lambda number=number: is_used(second.store, number))
            await cross(second.store, number + 10)
            await until(lambda number=number: is_used(odd.store, number + 10))
    finally:
        clock.offset = timedelta()
        await odd.stop()
        await first.start()


async def at_rest(*gates: Gate) -> bool:
    return all(
        [gate.statuses["post"].state == "ready" and (await gate.side.place()).facts_generation for gate in gates]
    )


async def knows_stay(gate: Gate, number: int) -> bool:
    return open_stay(await gate.store.stays_of("UTO", f"X{number:08d}"), date.max) is not None


async def has_left(gate: Gate, number: int) -> bool:
    return not await knows_stay(gate, number)


async def shows_fault(gate: Gate) -> bool:
    return gate.statuses["post"].state == "fault"


async def shows_ready(gate: Gate) -> bool:
    return gate.statuses["post"].state == "ready"


async def alarms(gate: Gate) -> bool:
    return ReasonCode.TOKEN_USED_AT_TWO_GATES in gate.alarms.open
