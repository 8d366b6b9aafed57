"""The chip as at a real gate: the driver and its reading process through pyscard, pcscd and a reader's driver to a virtual passport.

Only the radio is missing: vpcd hands what pcscd sends to the virtual passport over a socket.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from drivers.chip.twin.authority import TestAuthority
from drivers.chip.twin.behaviour import Behaviour
from drivers.chip.twin.chip_twin import ChipTwin
from drivers.chip.twin.passport import VirtualPassport
from drivers.chip.twin.personalisation import personalise, trust_files
from drivers.chip.twin.variants import VARIANTS
from drivers.contracts import ChipAccess, ChipEvidence, ChipKeys, ChipOpened, DeviceState, ProtocolOutcome
from emrtd.data_groups import portrait
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.mrz import read_mrz
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.trust_bundle import TrustBundle
from tests.contract import virtual_passports as field
from tests.contract.reader_bench import ReaderBench
from tests.pcsc.pcsc_service import READERS, PcscService, inside

pytestmark = pytest.mark.pcsc

FIRST, SECOND = READERS
KEYS = ChipKeys(field.MRZ_INFORMATION)
PRINTED = read_mrz(field.LINES, field.TODAY).document
EXTENDED, SHORT = True, False
ABSENT = (DeviceState.ABSENT, "DRV-CHP-012")
SILENCE_LIMIT_S = 5.0
TERMINAL_LIMIT_MS = 60.0


def plain(*, extended: bool, **awkward: object) -> VirtualPassport:
    """EF.SOD, DG1 and a DG2 of 15 kB, opened with PACE."""
    behaviour = Behaviour(has_extended_length=extended, **awkward)  # type: ignore[arg-type]
    return field.passport(replace(VARIANTS["no anti-clone"], behaviour=behaviour))


class Gate:
    """One reader with its field."""

    def __init__(self, reader: str = FIRST) -> None:
        self.bench = ReaderBench("pcsc_chip", reader=reader)
        self.twin = ChipTwin(READERS[reader])

    async def present(self, chip: VirtualPassport) -> None:
        await self.bench.until(lambda: not self.bench.is_chip_there)
        await self.bench.ready()
        self.twin.present(chip)
        await self.bench.until(lambda: self.bench.is_chip_there)

    async def read(self) -> ChipEvidence:
        return await self.bench.read(KEYS)

    async def remove(self) -> None:
        self.twin.remove()
        await self.bench.until(lambda: not self.bench.is_chip_there)


@asynccontextmanager
async def gates(*readers: str) -> AsyncIterator[list[Gate]]:
    opened = [Gate(reader) for reader in readers]
    try:
        for gate in opened:
            await gate.twin.plug()
            await gate.bench.ready()
        yield opened
    finally:
        for gate in opened:
            await gate.twin.unplug()
            await gate.bench.stop()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> TrustBundle:
    return field.bundle(tmp_path_factory.mktemp("trust"))


def outcomes(bundle: TrustBundle, evidence: ChipEvidence) -> dict[CheckName, CheckOutcome]:
    results = ChipJudge(bundle, 28.0).chip(evidence, PRINTED, field.NOW).results
    # The authority is Utopian and says so.
    return {result.check: result.outcome for result in results if result.check is not CheckName.SPECIMEN}


@pytest.mark.parametrize(
    ("extended", "most_apdus", "most_bytes"),
    [(EXTENDED, 14, 17_500), (SHORT, 76, 21_000)],
    ids=["extended", "short"],
)
@inside
async def test_a_passport_is_read_with_few_commands_and_little_arithmetic(
    service: PcscService, extended: bool, most_apdus: int, most_bytes: int
) -> None:
    async with gates(FIRST) as (gate,):
        await gate.present(plain(extended=extended))
        reads = [await gate.read() for _ in range(3)]
    for evidence in reads:
        assert (evidence.fault, evidence.pace) == ("", ProtocolOutcome.SUCCEEDED)
        assert {"EF.SOD", "DG1", "DG2"} <= set(evidence.files)
        assert portrait(evidence.files["DG2"]).content == field.PORTRAIT
        assert evidence.apdus <= most_apdus
        assert evidence.sent_bytes + evidence.received_bytes <= most_bytes
    assert min(evidence.terminal_ms for evidence in reads) <= TERMINAL_LIMIT_MS  # processor time of the reading process


@inside
async def test_two_readers_of_one_service_read_at_the_same_time(service: PcscService) -> None:
    async with gates(FIRST, SECOND) as pair:
        pictures = [field.PORTRAIT, field.JPEG_2000]
        for gate, picture in zip(pair, pictures, strict=True):
            slow = replace(VARIANTS["no anti-clone"], behaviour=Behaviour(delay_s=0.05))
            await gate.present(field.passport(slow, picture))
        happened: list[str] = []

        async def read(gate: Gate) -> ChipEvidence:
            evidence = await gate.bench.reader.read(KEYS, lambda told: happened.append(type(told).__name__))
            happened.append("ended")
            return evidence

        both = await asyncio.gather(*map(read, pair))
    assert happened[: happened.index("ended")].count(ChipOpened.__name__) == 2
    assert [portrait(evidence.files["DG2"]).content for evidence in both] == pictures


@pytest.mark.parametrize("extended", [EXTENDED, SHORT], ids=["extended", "short"])
@inside
async def test_a_chip_pulled_at_any_command_is_aborted_and_the_next_one_is_read(
    service: PcscService, bundle: TrustBundle, pulls: slice, extended: bool
) -> None:
    async with gates(FIRST) as (gate,):
        await gate.present(plain(extended=extended))
        last = (await gate.read()).apdus
        await gate.remove()
        steps = range(1, last + 1) if extended else range(1, last + 1)[pulls]
        assert steps
        for at in steps:
            await gate.present(plain(extended=extended, torn_off_at_apdu=at))
            evidence = await gate.read()
            assert (at, evidence.fault) == (at, "DRV-CHP-001")
            verdict = outcomes(bundle, evidence)
            assert CheckOutcome.FAILED not in verdict.values()
            assert verdict[CheckName.CHIP_CONTENT] is CheckOutcome.ABORTED
            await gate.present(plain(extended=extended))
            evidence = await gate.read()
            assert (at, evidence.fault) == (at, "")
            assert portrait(evidence.files["DG2"]).content == field.PORTRAIT
            await gate.remove()
        assert gate.bench.states() == [(DeviceState.READY, "")]  # a pulled chip is no fault of the reader


@inside
async def test_the_next_chip_may_come_at_once(service: PcscService) -> None:
    """Sooner than the service looks for chips again, which then knows nothing of a change."""
    async with gates(FIRST) as (gate,):
        for picture in (field.PORTRAIT, field.JPEG_2000, field.PORTRAIT):
            await gate.present(plain(extended=True, torn_off_at_apdu=9))
            assert (await gate.read()).fault == "DRV-CHP-001"
            assert not gate.bench.is_chip_there
            gate.twin.present(field.passport(VARIANTS["no anti-clone"], picture))
            await gate.bench.until(lambda: gate.bench.is_chip_there)
            evidence = await gate.read()
            assert evidence.fault == ""
            assert portrait(evidence.files["DG2"]).content == picture
            await gate.remove()


@inside
async def test_a_reader_that_another_program_holds_is_named_as_that(service: PcscService) -> None:
    from smartcard import scard

    async with gates(FIRST) as (gate,):
        await gate.present(plain(extended=True))
        _, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
        result, card, _ = scard.SCardConnect(context, FIRST, scard.SCARD_SHARE_EXCLUSIVE, scard.SCARD_PROTOCOL_T1)
        assert result == scard.SCARD_S_SUCCESS
        assert (await gate.read()).fault == "DRV-CHP-014"
        scard.SCardDisconnect(card, scard.SCARD_LEAVE_CARD)
        scard.SCardReleaseContext(context)
        assert (await gate.read()).fault == ""


@inside
async def test_a_chip_that_hangs_costs_seconds_however_often_and_the_next_one_is_read(service: PcscService) -> None:
    async with gates(FIRST) as (gate,):
        await gate.present(plain(extended=True, hangs_at_apdu=8))
        for times in (1, 2):  # the second read finds the reader still held by the first one's command
            child, started_s = gate.bench.child(), time.monotonic()
            evidence = await gate.read()
            assert time.monotonic() - started_s < SILENCE_LIMIT_S
            assert evidence.fault == "DRV-CHP-002"
            assert evidence.access is (ChipAccess.PACE if times == 1 else ChipAccess.NONE)
            await gate.bench.until(lambda times=times: len(gate.bench.states()) == 1 + 2 * times)
            assert gate.bench.states()[-2:] == [(DeviceState.FAULT, "DRV-CHP-010"), (DeviceState.READY, "")]
            assert gate.bench.child() != child
            await gate.bench.until(lambda: gate.bench.is_chip_there)
        gate.twin.remove()
        await gate.present(plain(extended=True))
        assert (await gate.read()).fault == ""


@inside
async def test_a_chip_lies_there_through_a_restart_of_the_service(service: PcscService) -> None:
    async with gates(FIRST) as (gate,):
        await gate.present(plain(extended=True))
        assert (await gate.read()).fault == ""
        service.stop()
        await gate.bench.until(lambda: gate.bench.states()[-1] == ABSENT)
        assert not gate.bench.is_chip_there
        assert (await gate.read()).fault == "DRV-DEV-004"
        service.start()
        await gate.bench.ready()
        await gate.bench.until(lambda: gate.bench.is_chip_there)
        assert (await gate.read()).fault == ""


@inside
async def test_a_service_that_crashes_during_a_read_ends_it(service: PcscService) -> None:
    async with gates(FIRST) as (gate,):
        await gate.present(plain(extended=True, delay_s=0.05))
        reading = asyncio.create_task(gate.read())
        await gate.bench.until(lambda: gate.bench.progress)  # opened
        service.stop(crashing=True)
        started_s = time.monotonic()
        evidence = await reading
        assert time.monotonic() - started_s < SILENCE_LIMIT_S
        assert evidence.fault == "DRV-CHP-012"
        await gate.bench.until(lambda: gate.bench.states()[-1] == ABSENT)
        service.start()
        await gate.bench.ready()
        await gate.bench.until(lambda: gate.bench.is_chip_there)
        assert (await gate.read()).fault == ""


@inside
async def test_the_command_reads_and_judges_the_chip_on_a_reader(service: PcscService, tmp_path: Path) -> None:
    authority = TestAuthority(date.today())
    for name, content in trust_files(authority).items():
        (tmp_path / name).write_bytes(content)
    twin = ChipTwin(READERS[SECOND])
    await twin.plug()
    twin.present(personalise(field.LINES, field.PORTRAIT, authority, VARIANTS["modern"]))
    try:
        async with asyncio.timeout(60):
            answer = await _inspected(SECOND, tmp_path)
            while answer["fault"] == "DRV-CHP-007":  # the service has not seen the chip yet
                answer = await _inspected(SECOND, tmp_path)
    finally:
        await twin.unplug()
    assert (answer["fault"], answer["fault_text"]) == ("", ""), answer
    assert answer["access"] == "PACE"
    said = {one["check"]: one["result"] for one in answer["checks"]}
    assert said.pop("specimen") == "failed", "the authority is Utopian"
    assert set(said.values()) == {"successful"}
    assert answer["data_groups"].keys() >= {"DG1", "DG2", "DG14"}
    assert answer["apdus"] > 0
    assert answer["bytes"] > 15_000
    wrong = await _inspected("Nobody's", tmp_path)
    assert wrong["fault"] == "DRV-CHP-011"
    assert all(reader in wrong["fault_text"] for reader in READERS)


async def _inspected(reader: str, trust: Path) -> dict[str, Any]:
    lines = [part for line in field.LINES for part in ("--mrz", line)]
    program = str(Path(sys.executable).with_name("egate"))
    process = await asyncio.create_subprocess_exec(
        program, "inspect", "chip", "--reader", reader, *lines, "--trust", str(trust), "--json",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    answer: dict[str, Any] = json.loads(said)
    return answer
