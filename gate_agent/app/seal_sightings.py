"""Tags that answered near the gate, matched with the seals of declarations.

A tag that was seen says that it was there and nothing of the state of the seal. One that was not seen says nothing at all: a reader may have
missed it, so it is undetermined and never a failure.
"""

from __future__ import annotations

import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from gate_agent.web.device_messages import SealTagView

REMEMBERED_TAGS = 2000
REMEMBERED_CROSSINGS = 500

Mapping = Literal["digits", "hex", "text"]


def seal_number(epc: bytes, mapping: Mapping) -> str:
    """Return the seal's number that an EPC tells, empty when it tells none by this mapping."""
    if mapping == "hex":
        return epc.hex()
    if mapping == "text":
        text = epc.rstrip(b"\0")
        return text.decode("ascii") if text and all(0x20 < byte < 0x7F for byte in text) else ""
    digits = epc.hex().lstrip("0")
    return digits if digits.isdecimal() else ""


def _key(number: str, mapping: Mapping) -> str:
    """Return a number in the form in which two ways of writing it are equal."""
    return number.strip().lstrip("0") if mapping == "digits" else number.strip().casefold()


class SealSightings:
    """When each seal's tag answered last, and which seals a crossing was declared with."""

    def __init__(self, mapping: Mapping, window: timedelta) -> None:
        """`window`: for how long a tag counts as seen."""
        self._mapping = mapping
        self._window = window
        self._seen: OrderedDict[str, datetime] = OrderedDict()
        self._declared: OrderedDict[uuid.UUID, tuple[str, ...]] = OrderedDict()

    def take(self, epc: bytes, at: datetime) -> None:
        """Note that a tag answered."""
        number = seal_number(epc, self._mapping)
        if not number:
            return
        key = _key(number, self._mapping)
        self._seen[key] = at
        self._seen.move_to_end(key)
        while len(self._seen) > REMEMBERED_TAGS:
            self._seen.popitem(last=False)

    def declared(self, transaction_id: uuid.UUID, seal_ids: Sequence[str]) -> None:
        """Note the seals of a crossing's declaration, for its customs task."""
        self._declared[transaction_id] = tuple(seal_ids)
        while len(self._declared) > REMEMBERED_CROSSINGS:
            self._declared.popitem(last=False)

    def of_crossing(self, transaction_id: uuid.UUID, at: datetime) -> list[SealTagView]:
        """Return the seals of a crossing, each with the time its tag was seen around `at`, or without."""
        return [
            SealTagView(seal_id=seal_id, seen_at=self._seen_around(seal_id, at))
            for seal_id in self._declared.get(transaction_id, ())
        ]

    def _seen_around(self, seal_id: str, at: datetime) -> datetime | None:
        seen = self._seen.get(_key(seal_id, self._mapping))
        return seen if seen is not None and abs(seen - at) <= self._window else None
