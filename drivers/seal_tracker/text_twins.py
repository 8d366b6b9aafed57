"""Twins of the seals that report in text: an eSeal and a TeraTrack lock."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from drivers.seal_tracker import eseal, teratrack
from drivers.seal_tracker.events import STATUS_BITS
from drivers.seal_tracker.reading import Reading
from drivers.seal_tracker.twin import TrackerTwin

_TYPE_OF_EVENT = {
    "vibration": "Event-Shock",
    "dropped": "Event-Drop",
    "sealed": "Event-Lock",
    "unsealed_by_platform": "Event-RC-Unlock",
}
_BIT_OF_EVENT = {bit.event: 1 << bit.number for bit in STATUS_BITS if bit.event}
_SEALED_AND_ASKING = 1 << 5 | 1 << 6 | 1 << 7 | 1 << 13


@dataclass
class ESealTwin(TrackerTwin):
    """An eSeal: one event per report."""

    protocol: ClassVar[str] = "eseal"
    attack: ClassVar[str] = "vibration"

    async def tell(
        self, latitude_deg: float, longitude_deg: float, kinds: Iterable[str] = (), *, has_fix: bool = True
    ) -> bytes:
        """Send a report of the event's type, `Normal` for none."""
        index = self._next_index()
        kind = next((_TYPE_OF_EVENT[kind] for kind in kinds), "Normal")
        place = Reading(is_valid=has_fix, latitude_deg=latitude_deg, longitude_deg=longitude_deg)
        wire = eseal.encode(self.seal_id, kind, index, self.clock.now(), place)
        return await self._send(wire, f"##S,eSeal,{self.seal_id},256,3.0.6,{kind} ACK,{index},E##".encode("ascii"))


@dataclass
class TeraTrackTwin(TrackerTwin):
    """A TeraTrack lock that is sealed."""

    protocol: ClassVar[str] = "teratrack"

    async def tell(
        self, latitude_deg: float, longitude_deg: float, kinds: Iterable[str] = (), *, has_fix: bool = True
    ) -> bytes:
        """Send a report with the status bits of these events set."""
        status = _SEALED_AND_ASKING
        for kind in kinds:
            status |= _BIT_OF_EVENT[kind]
        place = Reading(is_valid=has_fix, latitude_deg=latitude_deg, longitude_deg=longitude_deg)
        wire = teratrack.encode(self.seal_id, place, self.clock.now(), status, self._next_index())
        return await self._send(wire, teratrack.ACKNOWLEDGEMENT)
