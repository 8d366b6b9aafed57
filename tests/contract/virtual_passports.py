"""A virtual passport on the reading engine's transport, in the same process, and a bundle that knows its authority."""

from __future__ import annotations

import random
import time
from datetime import UTC, date, datetime
from pathlib import Path

from drivers.chip.errors import ChipGone, ChipSilent
from drivers.chip.file_reading import BlockSizes
from drivers.chip.reading import ChipReading, ReadOptions
from drivers.chip.twin.authority import TestAuthority
from drivers.chip.twin.behaviour import Hanging, TornOff
from drivers.chip.twin.passport import VirtualPassport
from drivers.chip.twin.personalisation import personalise, trust_files
from drivers.chip.twin.variants import Variant
from drivers.contracts import ChipEvidence, ChipKeys, ChipProgress
from gate_agent.inspection.trust_bundle import TrustBundle, load_folder

TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LINES = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3504152ZE184226B<<<<<16")
MRZ_INFORMATION = LINES[1][0:10] + LINES[1][13:20] + LINES[1][21:28]
PORTRAIT = b"\xff\xd8\xff\xe0" + random.Random(4).randbytes(15_000)
JPEG_2000 = bytes.fromhex("0000000C6A5020200D0A870A") + random.Random(5).randbytes(15_000)
AUTHORITY = TestAuthority(TODAY)


def passport(variant: Variant, portrait: bytes = PORTRAIT) -> VirtualPassport:
    return personalise(LINES, portrait, AUTHORITY, variant)


class InProcess:
    """A reader whose field holds exactly this passport."""

    def __init__(self, chip: VirtualPassport) -> None:
        self._chip = chip
        self.atr = chip.reset()

    def transmit(self, command: bytes) -> bytes:
        try:
            return self._chip.answer(command)
        except TornOff:
            raise ChipGone("torn off") from None
        except Hanging:
            raise ChipSilent("no answer") from None

    def close(self) -> None:
        pass


def read(
    chip: VirtualPassport,
    keys: ChipKeys | None = None,
    *,
    sizes: BlockSizes | None = None,
    options: ReadOptions | None = None,
) -> tuple[ChipEvidence, list[ChipProgress]]:
    """Read the chip as a gate does; also what was reported on the way."""
    progress: list[ChipProgress] = []
    evidence = ChipReading(
        lambda: InProcess(chip),
        keys or ChipKeys(MRZ_INFORMATION),
        progress.append,
        random.Random(7).randbytes,
        time.monotonic,
        options or ReadOptions(),
        sizes or BlockSizes(),
    ).run()
    return evidence, progress


def bundle(folder: Path) -> TrustBundle:
    """The authority and its neighbour with their revocation lists, as an operator would lay them in a folder."""
    for name, content in trust_files(AUTHORITY).items():
        (folder / name).write_bytes(content)
    return load_folder(folder)
