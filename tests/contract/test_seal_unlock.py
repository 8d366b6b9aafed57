"""Unlocking a seal: only where the site and the model allow it, sent once, and what is not answered stays undetermined."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from drivers.contracts import Unsupported
from drivers.errors import DeviceRefused, NotReady
from drivers.seal_commands import UnlockOutcome
from drivers.seal_tracker import driver as seal_driver
from drivers.seal_tracker.jt808 import Connection, Message, encode, parse, unwrap
from drivers.seal_tracker.jt808_fields import TerminalModels
from drivers.seal_tracker.jt808_twin import Jt808SealTwin
from drivers.seal_tracker.protocols import PROTOCOLS
from drivers.seal_tracker.twin import JointechSealTwin
from gate_agent.app.seal_unlocks import SealUnlocks
from gate_agent.app.seal_watch import SealWatch
from gate_agent.domain.seal import SealState
from gate_agent.errors import StoreFault
from tests.contract.seal_serving import CLOCK, PATIENCE_S, SealServer, serving
from tests.unit.test_seal_watch import Disk, declared
from tests.unit.test_seal_watch import running as watched
from tests.unit.tracker_frames import PHONE, jt808_report
from tests.unit.unlock_authority import verified

SEAL = "990000000007"
OBEYS = {"99": ["padlock", "vehicle_control"]}


def unlocking(**options: object) -> contextlib.AbstractAsyncContextManager[SealServer]:
    return serving(**{"protocol": "jt808", "models": OBEYS, "allow_unlock": True, **options})


@contextlib.asynccontextmanager
async def padlock(server: SealServer) -> AsyncIterator[Jt808SealTwin]:
    async with Jt808SealTwin(server.driver.port, CLOCK, seal_id=SEAL) as twin:
        await twin.tell(41.0, 69.0)
        yield twin


async def test_a_seal_that_says_it_is_unlocked_confirms() -> None:
    async with unlocking() as server, padlock(server) as twin:
        assert server.driver.capabilities == {"seals", "unlock"}
        unlock = asyncio.create_task(server.driver.unlock(SEAL))
        command = await twin.command()
        assert (command.message_id, command.body, command.phone.hex()) == (0x8500, b"\x00", SEAL)
        twin.receipt(command, 0)
        twin.answer(command)
        assert await unlock is UnlockOutcome.CONFIRMED
        assert [one.kind for one in server.reports()] == ["position", "status"], "the answer is a report too"


@pytest.mark.parametrize("result", [1, 2, 3])
async def test_a_seal_that_will_not_refuses(result: int) -> None:
    async with unlocking() as server, padlock(server) as twin:
        unlock = asyncio.create_task(server.driver.unlock(SEAL))
        twin.receipt(await twin.command(), result)
        assert await unlock is UnlockOutcome.REFUSED


async def test_a_seal_that_says_it_is_still_locked_refuses() -> None:
    async with unlocking() as server, padlock(server) as twin:
        unlock = asyncio.create_task(server.driver.unlock(SEAL))
        twin.answer(await twin.command(), is_locked=True)
        assert await unlock is UnlockOutcome.REFUSED


async def test_a_lost_answer_is_undetermined_and_the_command_is_not_repeated() -> None:
    async with unlocking(unlock_answer_s=0.3) as server, padlock(server) as twin:
        unlock = asyncio.create_task(server.driver.unlock(SEAL))
        command = await twin.command()
        twin.receipt(command, 0)  # it came, and nothing says what became of it
        assert await unlock is UnlockOutcome.UNDETERMINED
        again = asyncio.create_task(twin.command())
        await twin_says_something(twin)
        assert not again.done()
        again.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await again


async def twin_says_something(twin: Jt808SealTwin) -> None:
    """A late answer and some time: neither brings a second command."""
    twin.answer(Message(0x8500, PHONE, 1, b""))
    await asyncio.sleep(0.3)


async def test_a_connection_that_ends_leaves_it_undetermined_at_once() -> None:
    async with unlocking(unlock_answer_s=9) as server, padlock(server) as twin:
        unlock = asyncio.create_task(server.driver.unlock(SEAL))
        await twin.command()
        await twin.unplug()
        assert await unlock is UnlockOutcome.UNDETERMINED
        with pytest.raises(NotReady):
            await server.driver.unlock(SEAL)


async def test_only_the_seals_own_answer_to_this_command_counts() -> None:
    async with (
        unlocking(unlock_answer_s=1.0) as server,
        padlock(server) as twin,
        Jt808SealTwin(server.driver.port, CLOCK, seal_id="990000000008") as other,
    ):
        await other.tell(1, 1)
        unlock = asyncio.create_task(server.driver.unlock(SEAL))
        command = await twin.command()
        other.answer(command)
        twin.answer(Message(0x8500, command.phone, command.serial + 1, b""))
        assert await unlock is UnlockOutcome.UNDETERMINED


async def test_one_command_at_a_time() -> None:
    async with unlocking() as server, padlock(server) as twin:
        unlock = asyncio.create_task(server.driver.unlock(SEAL))
        command = await twin.command()
        with pytest.raises(DeviceRefused):
            await server.driver.unlock(SEAL)
        twin.answer(command)
        assert await unlock is UnlockOutcome.CONFIRMED


@pytest.mark.parametrize("options", [{"allow_unlock": False}, {"models": {}}, {"models": {"99": ["padlock"]}}], ids=str)
async def test_without_leave_of_site_and_model_nothing_is_sent(options: dict[str, object]) -> None:
    async with unlocking(**options) as server, padlock(server) as twin:
        waiting = asyncio.create_task(twin.command())
        with pytest.raises(Unsupported):
            await server.driver.unlock(SEAL)
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting


async def test_by_default_nobody_may() -> None:
    async with serving() as server:
        assert server.driver.capabilities == {"seals"}
    assert not seal_driver.SealServerOptions(port=0).allow_unlock


async def test_a_protocol_without_a_known_command_has_none() -> None:
    async with (
        unlocking(protocol="jt600") as server,
        JointechSealTwin(server.driver.port, CLOCK, seal_id="9900000007") as twin,
    ):
        await twin.report(1, 1, ["ack_required"])
        with pytest.raises(Unsupported):
            await server.driver.unlock("9900000007")


def test_no_other_protocol_has_a_command() -> None:
    models = TerminalModels({"1": ["vehicle_control"]})
    for protocol in set(PROTOCOLS.values()):
        codec = protocol.new_codec(models=models)
        assert codec.unlock("1862", 1) is None


def test_the_command_is_the_standards_of_the_terminals_year() -> None:
    models = TerminalModels({"1862": ["vehicle_control"]})
    for header, phone, body in (({}, PHONE, "00"), ({"version": 1}, bytes(4) + PHONE, "0001000101")):
        connection = Connection()
        report = encode(Message(0x0200, phone, 3, jt808_report(), **header))
        connection.decode(unwrap(report), models=models)
        command = parse(unwrap(connection.unlock("1862", 9)))
        assert (command.message_id, command.serial, command.body.hex(), command.phone) == (0x8500, 9, body, phone)
        assert connection.unlock("1863", 9) is None


# The agent's side


def unlocks(server: SealServer, watch: SealWatch, disk: Disk) -> SealUnlocks:
    return SealUnlocks({"seals": server.driver}, watch, disk, timedelta(minutes=10))


async def test_every_attempt_is_written_down_before_it_is_sent_and_its_answer_after() -> None:
    watch, disk = SealWatch(CLOCK, timedelta(hours=24)), Disk()
    async with unlocking() as server, padlock(server) as twin, watched(watch, disk):
        watch.reports(declared(SEAL))
        asked = asyncio.create_task(unlocks(server, watch, disk).unlock(verified(SEAL, CLOCK.now())))
        command = await twin.command()
        assert (disk.records[-1].event, disk.records[-1].officer_id) == ("unlock_authorised", "inspector-1")
        twin.answer(command)
        answer = await asked
        assert (answer.accepted, answer.code) == (True, "accepted")
        async with asyncio.timeout(PATIENCE_S):
            while disk.records[-1].event != "unlock_confirmed":
                await asyncio.sleep(0.01)
        said = [(one.officer_id, one.officer_ids, one.reason) for one in disk.records if one.event.startswith("unlock")]
        assert said == [("inspector-1", ("inspector-1",), "customs_inspection")] * 2


@pytest.mark.parametrize(
    ("reply", "code", "event", "is_by_leave"),
    [
        ("locked", "EG-LAN-006", "unlock_refused", False),
        ("none", "EG-LAN-007", "unlock_undetermined", True),
        ("absent", "EG-LAN-005", "unlock_not_sent", False),
    ],
)
async def test_what_did_not_happen_gives_no_leave_to_open(reply: str, code: str, event: str, is_by_leave: bool) -> None:
    watch, disk = SealWatch(CLOCK, timedelta(hours=24)), Disk()
    async with unlocking(unlock_answer_s=0.3) as server, padlock(server) as twin, watched(watch, disk):
        seal = SEAL if reply != "absent" else "990000000099"
        asked = asyncio.create_task(unlocks(server, watch, disk).unlock(verified(seal, CLOCK.now())))
        if reply == "locked":
            twin.answer(await twin.command(), is_locked=True)
        answer = await asked
        assert (answer.accepted, answer.code) == (False, code)
        async with asyncio.timeout(PATIENCE_S):
            while disk.records[-1].event != event:
                await asyncio.sleep(0.01)
        (mark,) = [mark for mark in watch.history(seal).marks if mark.kind == "unlock_seal"]
        assert (mark.until > CLOCK.now() + timedelta(minutes=5)) is is_by_leave


async def test_an_attempt_that_cannot_be_written_down_is_not_made() -> None:
    watch, disk = SealWatch(CLOCK, timedelta(hours=24)), Disk()
    disk.refuses = StoreFault("full", code="EG-STO-002")
    async with unlocking() as server, padlock(server):
        answer = await unlocks(server, watch, disk).unlock(verified(SEAL, CLOCK.now()))
        assert (answer.accepted, answer.code) == (False, "EG-STO-002")
        assert watch.history(SEAL).marks == ()


async def test_without_a_server_that_may_the_answer_says_so_and_nothing_is_recorded() -> None:
    watch, disk = SealWatch(CLOCK, timedelta(hours=24)), Disk()
    async with unlocking(allow_unlock=False) as server:
        answer = await unlocks(server, watch, disk).unlock(verified(SEAL, CLOCK.now()))
    assert (answer.accepted, answer.code, disk.records) == (False, "EG-LAN-005", [])
    assert watch.reports(declared(SEAL))[0].state is SealState.UNKNOWN
