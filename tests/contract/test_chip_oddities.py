"""What chips in circulation do, and the virtual passports of the demonstration do not (documents.md §7, cases 9 and 17)."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from drivers.chip.file_reading import BlockSizes
from drivers.chip.reading import ChipReading
from drivers.chip.twin.passport import VirtualPassport
from drivers.chip.twin.variants import ChipKeyOffer, Variant
from drivers.contracts import ChipEvidence, ChipKeys, ProtocolOutcome
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.trust_bundle import TrustBundle
from tests.contract import virtual_passports as field

_MANAGE, _GENERAL_AUTHENTICATE, _SIGN = 0x22, 0x86, 0x88


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> TrustBundle:
    folder: Path = tmp_path_factory.mktemp("trust")
    return field.bundle(folder)


class BreaksDown(field.InProcess):
    """A chip that answers one instruction, once it is under secure messaging, with an unprotected 6F00."""

    def __init__(self, chip: VirtualPassport, instruction: int) -> None:
        super().__init__(chip)
        self._instruction = instruction

    def transmit(self, command: bytes) -> bytes:
        if command[0] & 0x0C and command[1] == self._instruction:
            return b"\x6f\x00"
        return super().transmit(command)


def read(chip: VirtualPassport, instruction: int) -> ChipEvidence:
    keys = ChipKeys(field.MRZ_INFORMATION)
    connect = lambda: BreaksDown(chip, instruction)
    return ChipReading(connect, keys, lambda _: None, random.Random(7).randbytes, lambda: 0.0, sizes=BlockSizes()).run()


@pytest.mark.parametrize("offer", [ChipKeyOffer(), ChipKeyOffer(12, 1)], ids=["AES", "3DES"])
def test_a_chip_that_breaks_down_over_chip_authentication_is_read_without_it(
    bundle: TrustBundle, offer: ChipKeyOffer
) -> None:
    evidence = read(field.passport(Variant(chip_key=offer)), _MANAGE)
    assert evidence.fault == ""
    assert {"DG1", "DG2", "DG14", "EF.SOD"} <= set(evidence.files)
    assert evidence.chip_authentication is ProtocolOutcome.ABORTED
    results = {one.check: one.outcome for one in ChipJudge(bundle, 28.0).chip(evidence, None, field.NOW).results}
    assert results[CheckName.CHIP_CONTENT] is CheckOutcome.SUCCESSFUL
    assert results[CheckName.CHIP_GENUINENESS] not in {CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED}


@pytest.mark.parametrize("suite", [1, 2])
def test_chip_authentication_on_the_oldest_curve(bundle: TrustBundle, suite: int) -> None:
    """secp192r1 is met in circulation."""
    evidence, _ = field.read(field.passport(Variant(chip_key=ChipKeyOffer(8, suite))))
    assert evidence.chip_authentication is ProtocolOutcome.SUCCEEDED
    results = {one.check: one.outcome for one in ChipJudge(bundle, 28.0).chip(evidence, None, field.NOW).results}
    assert results[CheckName.CHIP_GENUINENESS] is CheckOutcome.SUCCESSFUL
