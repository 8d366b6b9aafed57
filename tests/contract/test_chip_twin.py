"""Virtual passports in the field of the gate's own socket reader: laid down, taken away at any moment, muted, damaged."""

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from drivers.chip.driver import ChipReader
from drivers.chip.twin.behaviour import Behaviour
from drivers.chip.twin.chip_twin import ChipTwin
from drivers.chip.twin.passport import VirtualPassport
from drivers.chip.twin.variants import VARIANTS
from drivers.contracts import (
    ChipAccess,
    ChipEvidence,
    ChipFileRead,
    ChipKeys,
    ChipPresented,
    ChipProgress,
    ChipRemoved,
    DeviceEvent,
    DeviceState,
    ProtocolOutcome,
)
from drivers.registry import build
from drivers.twin import Twin
from gate_agent.clock import SystemClock
from tests.contract import virtual_passports as field
from tests.waiting import until

MODERN = VARIANTS["modern"]
SHORT = replace(MODERN, behaviour=Behaviour(has_extended_length=False))


class Lane:
    """A running socket reader with a field before it."""

    def __init__(self) -> None:
        self.events: list[DeviceEvent] = []
        self.progress: list[ChipProgress] = []
        reader = build("chip", "socket_chip", {"port": 0}, self.events.append, SystemClock())
        assert isinstance(reader, ChipReader)
        self.reader = reader
        self.task = asyncio.create_task(reader.run())
        self.twin = ChipTwin(0)

    async def until(self, kind: type, count: int) -> None:
        await until(lambda: self.count(kind) >= count, 30)

    def count(self, kind: type) -> int:
        return sum(isinstance(event.data, kind) for event in self.events)

    async def lay(self, passport: VirtualPassport) -> None:
        before = self.count(ChipPresented)
        self.twin.present(passport)
        await self.until(ChipPresented, before + 1)

    async def take_away(self) -> None:
        self.twin.remove()
        await self.until(ChipRemoved, self.count(ChipPresented))

    async def read(self) -> ChipEvidence:
        return await self.reader.read(ChipKeys(field.MRZ_INFORMATION), self.progress.append)


@pytest.fixture
async def lane() -> AsyncIterator[Lane]:
    lane = Lane()
    async with asyncio.timeout(30):
        while lane.reader.state is not DeviceState.READY:
            await asyncio.sleep(0.005)
    lane.twin.port = lane.reader.port
    await lane.twin.plug()
    yield lane
    lane.twin.remove()
    await lane.twin.unplug()
    lane.task.cancel()
    await asyncio.gather(lane.task, return_exceptions=True)


def test_it_is_a_twin() -> None:
    twin: Twin = ChipTwin(1)
    assert twin


async def test_passports_come_are_read_and_go(lane: Lane) -> None:
    for name in ("modern", "bac only", "pace cam"):
        passport = field.passport(VARIANTS[name])
        await lane.lay(passport)
        assert lane.events[-1].data == ChipPresented(passport.answer_to_reset)
        evidence = await lane.read()
        assert evidence.fault == ""
        assert evidence.files["DG2"] == passport.contents.files["DG2"]
        await lane.take_away()


async def test_taken_away_in_the_middle_by_hand(lane: Lane) -> None:
    await lane.lay(field.passport(replace(MODERN, behaviour=Behaviour(delay_s=0.02))))
    reading = asyncio.create_task(lane.read())
    await until(lambda: any(isinstance(told, ChipFileRead) and told.name == "EF.SOD" for told in lane.progress), 30)
    await lane.take_away()
    evidence = await reading
    assert evidence.fault == "DRV-CHP-001"
    assert evidence.access is ChipAccess.PACE
    assert "EF.SOD" in evidence.files
    assert "DG2" not in evidence.files


async def test_unplugged_and_plugged_again_the_same_passport_is_seen_again(lane: Lane) -> None:
    await lane.lay(field.passport(MODERN))
    await lane.twin.unplug()
    await lane.until(ChipRemoved, 1)
    await lane.twin.plug()
    await lane.until(ChipPresented, 2)
    assert (await lane.read()).fault == ""


async def test_a_muted_chip_is_given_up_within_five_seconds(lane: Lane) -> None:
    await lane.lay(field.passport(MODERN))
    lane.twin.mute()
    started_s = asyncio.get_running_loop().time()
    evidence = await lane.read()
    assert evidence.fault == "DRV-CHP-002"
    assert asyncio.get_running_loop().time() - started_s < 6
    lane.twin.mute(on=False)
    await lane.take_away()
    await lane.lay(field.passport(MODERN))
    assert (await lane.read()).fault == ""


async def test_damaged_answers_prove_nothing(lane: Lane) -> None:
    for seed in range(6):
        lane.twin._damage._chance = random.Random(seed)
        await lane.lay(field.passport(MODERN))
        lane.twin.corrupt()
        evidence = await lane.read()
        lane.twin.corrupt(on=False)
        await lane.take_away()
        assert ProtocolOutcome.SUCCEEDED not in {evidence.chip_authentication, evidence.active_authentication}
        assert "DG2" not in evidence.files


@pytest.mark.parametrize("variant", [SHORT, VARIANTS["bac only"], VARIANTS["pace cam"], VARIANTS["aa rsa"]])
def test_torn_off_at_every_command(variant: field.Variant) -> None:
    whole, _ = field.read(field.passport(variant))
    for number in range(1, whole.apdus + 1):
        behaviour = replace(variant.behaviour, torn_off_at_apdu=number)
        torn, _ = field.read(field.passport(replace(variant, behaviour=behaviour)))
        assert (torn.fault, torn.apdus) == ("DRV-CHP-001", number)
        for name, content in torn.files.items():
            assert content == whole.files[name]
        proofs = {torn.chip_authentication, torn.active_authentication, torn.chip_authentication_mapping}
        assert ProtocolOutcome.FAILED not in proofs


@pytest.mark.parametrize("variant", [MODERN, VARIANTS["bac only"]])
def test_hanging_at_every_command(variant: field.Variant) -> None:
    whole, _ = field.read(field.passport(variant))
    for number in range(1, whole.apdus + 1):
        hung, _ = field.read(field.passport(replace(variant, behaviour=Behaviour(hangs_at_apdu=number))))
        assert (hung.fault, hung.apdus) == ("DRV-CHP-002", number)


@pytest.mark.parametrize("number", range(6, 15))
def test_a_channel_that_breaks_once_is_built_again(number: int) -> None:
    behaviour = Behaviour(secure_messaging_breaks_at_apdu=number)
    evidence, _ = field.read(field.passport(replace(MODERN, behaviour=behaviour)))
    assert evidence.access in {ChipAccess.PACE, ChipAccess.NONE}
    assert evidence.access is ChipAccess.PACE or evidence.pace is not ProtocolOutcome.SUCCEEDED
    if evidence.access is ChipAccess.PACE:
        assert evidence.fault == ""
        assert "DG2" in evidence.files
