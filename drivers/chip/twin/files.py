"""Where a passport's files lie (ICAO 9303-10 §3.10 and §4)."""

from __future__ import annotations

from dataclasses import dataclass

APPLICATION = bytes.fromhex("A0000002471001")


@dataclass(frozen=True, slots=True)
class Place:
    """File identifier, short identifier, and whether the file lies in the master file rather than in the application."""

    file_id: int
    short_id: int
    is_in_master_file: bool = False


PLACES: dict[str, Place] = {
    "EF.ATR/INFO": Place(0x2F01, 0x01, is_in_master_file=True),
    "EF.CardAccess": Place(0x011C, 0x1C, is_in_master_file=True),
    "EF.CardSecurity": Place(0x011D, 0x1D, is_in_master_file=True),
    "EF.COM": Place(0x011E, 0x1E),
    "EF.SOD": Place(0x011D, 0x1D),
    **{f"DG{number}": Place(0x0100 + number, number) for number in range(1, 17)},
}
GROUP_TAGS = dict(
    zip(
        range(1, 17),
        (0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70),
        strict=True,
    )
)
OPEN_FILES = frozenset({"EF.ATR/INFO", "EF.CardAccess"})
CLOSED_FILES = frozenset({"DG3", "DG4"})
