"""How a chip can be awkward, slow or broken; everything here is off for a chip as it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Switches of one chip. APDUs are counted from 1 since the chip was powered.

    `longest_read_bytes`: a READ BINARY that asks for more is answered with `too_long_status` (6C00: with the right length in SW2)
    or, at 0, with an unprotected 6F00 that ends the session. `delay_s`: before every answer. `hangs_at_apdu`: no answer any more from
    there. `torn_off_at_apdu`: gone instead of that answer. `endless_more_data`: 61FF for ever once the application was selected.
    `secure_messaging_breaks_at_apdu`: 6988 there, once.
    `refusals`: the status words that a command (instruction, P1 and P2) is refused with, one time after the other, before it works.
    `file_lengths`: the length that a file's first bytes claim, by file name.
    """

    has_extended_length: bool = True
    longest_read_bytes: int | None = None
    too_long_status: int = 0x6700
    delay_s: float = 0.0
    hangs_at_apdu: int | None = None
    torn_off_at_apdu: int | None = None
    endless_more_data: bool = False
    file_lengths: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[tuple[int, int], tuple[int, ...]] = field(default_factory=dict)
    pace_fails: bool = False
    pace_needs_parameter_id: bool = False
    secure_messaging_breaks_at_apdu: int | None = None


class TornOff(Exception):
    """The chip left the field instead of answering."""


class Hanging(Exception):
    """The chip does not answer and never will."""
