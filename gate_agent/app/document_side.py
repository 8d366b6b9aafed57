"""What runs beside the lanes for documents: chips judged against the trust bundle, and the ports through which a lane uses it all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from drivers import contracts as dc
from gate_agent.clock import Clock
from gate_agent.lane.authorisation import ROLES_FOR_TRUST, OfficerRecord
from gate_agent.lane.ports import DocumentPorts
from gate_agent.runtime.chip_inspection import ChipInspectionEngine
from gate_agent.settings import LaneSettings, Settings


class DocumentSide:
    """Open with `open`, ask `ports` for each lane, `close` in the end. A gate whose lanes have no chip reader starts no judge of chips."""

    def __init__(self, chips: ChipInspectionEngine | None) -> None:
        self._chips = chips

    @classmethod
    async def open(cls, settings: Settings, officers: Mapping[str, OfficerRecord], clock: Clock) -> Self:
        """Start what the lanes of this gate need. `officers` is a live view. Raises `InspectionFault`."""
        if not any(lane.chip_reader for lane in settings.lane):
            return cls(None)
        chips = ChipInspectionEngine(
            settings.paths.trust, lambda: trust_officers(officers), settings.document.trust_age_limit_days, clock
        )
        await chips.start()
        return cls(chips)

    @property
    def trust_version(self) -> int | None:
        """The version of the trust bundle in force, 0 without one that is believed; None: this gate needs none."""
        return None if self._chips is None else self._chips.version

    def ports(self, lane: LaneSettings, device: Callable[[str, dc.DeviceClass], dc.Driver]) -> DocumentPorts:
        """Return what a lane inspects documents with. `device` finds a device and refuses one of another class."""
        if not lane.chip_reader:
            return DocumentPorts()
        reader = device(lane.chip_reader, dc.DeviceClass.CHIP_READER)
        return DocumentPorts(
            chip_reader=reader,  # type: ignore[arg-type] # checked by class
            chip_inspector=self._chips,
        )

    async def close(self) -> None:
        """End what was started."""
        if self._chips is not None:
            await self._chips.stop()


def trust_officers(officers: Mapping[str, OfficerRecord]) -> dict[str, bytes]:
    """Return the public keys of the officers who may sign trust bundles, by id."""
    return {name: record.public_key for name, record in officers.items() if record.role in ROLES_FOR_TRUST}
