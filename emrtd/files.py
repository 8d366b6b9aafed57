"""The files of the logical data structure: names, identifiers, tags (ICAO 9303-10 §3 and §4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

APPLICATION_ID = bytes.fromhex("A0000002471001")


@dataclass(frozen=True, slots=True)
class ChipFile:
    """One elementary file. `tag`: that its content starts with; `data_group`: its number, None for the others."""

    name: str
    file_id: int
    short_id: int
    tag: int
    data_group: int | None = None


_DATA_GROUP_TAGS = (0x61, 0x75, 0x63, 0x76, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6A, 0x6B, 0x6C, 0x6D, 0x6E, 0x6F, 0x70)

CHIP_INFORMATION = ChipFile("EF.ATR/INFO", 0x2F01, 0x01, 0x47)
CARD_ACCESS = ChipFile("EF.CardAccess", 0x011C, 0x1C, 0x31)
CARD_SECURITY = ChipFile("EF.CardSecurity", 0x011D, 0x1D, 0x30)
EF_COM = ChipFile("EF.COM", 0x011E, 0x1E, 0x60)
EF_SOD = ChipFile("EF.SOD", 0x011D, 0x1D, 0x77)
DATA_GROUPS = tuple(
    ChipFile(f"DG{number}", 0x0100 + number, number, tag, number) for number, tag in enumerate(_DATA_GROUP_TAGS, 1)
)

# The first two stand in the master file, the others in the application.
CHIP_FILES: Mapping[str, ChipFile] = MappingProxyType(
    {file.name: file for file in (CARD_ACCESS, CARD_SECURITY, EF_COM, EF_SOD, *DATA_GROUPS)}
)


def data_group_name(number: int) -> str:
    """Return the name of data group 1 to 16, such as `DG2`. Raises `ValueError` for another number."""
    if not 1 <= number <= len(DATA_GROUPS):
        raise ValueError(f"there is no data group {number}")
    return DATA_GROUPS[number - 1].name
