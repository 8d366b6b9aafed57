"""What runs beside the lanes for documents: chips and seals judged against the trust bundle, pages looked at, and a lane's ports to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self

from drivers import contracts as dc
from gate_agent.clock import Clock
from gate_agent.inspection.page_checks import PageLimits
from gate_agent.lane.authorisation import ROLES_FOR_TRUST, OfficerRecord
from gate_agent.lane.ports import DocumentPorts
from gate_agent.runtime.chip_inspection import ChipInspectionEngine
from gate_agent.runtime.kept_worker import KeptWorker
from gate_agent.runtime.page_inspection import PageInspectionEngine, PageInspector
from gate_agent.runtime.plugin_checks import PluginChecks
from gate_agent.settings import LaneSettings, PageSettings, Settings


class DocumentSide:
    """Open with `open`, ask `ports` for each lane, `close` in the end. What no lane needs is not started."""

    def __init__(
        self,
        clock: Clock,
        chips: ChipInspectionEngine | None,
        pages: PageInspectionEngine | None,
        plugins: PluginChecks | None = None,
    ) -> None:
        self._clock = clock
        self._plugins = plugins
        self._chips = chips
        self._pages = pages

    @classmethod
    async def open(cls, settings: Settings, officers: Mapping[str, OfficerRecord], clock: Clock) -> Self:
        """Start what the lanes of this gate need. `officers` is a live view. Raises `InspectionFault`, `SettingsFault`."""
        takes_pictures = any(lane.page_pictures for lane in settings.lane)
        chips: ChipInspectionEngine | None = None
        # A page may bear a seal, which is signed as a chip is.
        if takes_pictures or any(lane.chip_reader for lane in settings.lane):
            chips = ChipInspectionEngine(
                settings.paths.trust, lambda: trust_officers(officers), settings.document.trust_age_limit_days, clock
            )
        plugins = await PluginChecks.open(settings.check, clock) if settings.check else None
        side = cls(clock, chips, PageInspectionEngine(page_limits(settings.page)) if takes_pictures else None, plugins)
        try:
            for lane in settings.lane:
                if plugins is not None:
                    plugins.check_lane(lane)
            for engine in side._engines:
                await engine.start()
        except BaseException:
            await side.close()
            raise
        return side

    @property
    def _engines(self) -> tuple[KeptWorker, ...]:
        return tuple(engine for engine in (self._chips, self._pages) if engine is not None)

    @property
    def trust_version(self) -> int | None:
        """The version of the trust bundle in force, 0 without one that is believed; None: this gate needs none."""
        return None if self._chips is None else self._chips.version

    def ports(self, lane: LaneSettings, device: Callable[[str, dc.DeviceClass], dc.Driver]) -> DocumentPorts:
        """Return what a lane inspects documents with. `device` finds a device and refuses one of another class."""
        optics = None
        if lane.page_pictures and self._pages is not None and self._chips is not None:
            optics = PageInspector(
                self._pages,
                self._chips,
                self._clock,
                frozenset(lane.page_pictures),
                reads_zone=lane.zone_from_pictures,
            )
        if not lane.chip_reader:
            return DocumentPorts(optical_inspector=optics, plugins=self._plugins)
        reader = device(lane.chip_reader, dc.DeviceClass.CHIP_READER)
        return DocumentPorts(
            chip_reader=reader,  # type: ignore[arg-type] # checked by class
            chip_inspector=self._chips,
            optical_inspector=optics,
            plugins=self._plugins,
        )

    async def close(self) -> None:
        """End what was started."""
        if self._plugins is not None:
            await self._plugins.close()
        for engine in self._engines:
            await engine.stop()


def page_limits(page: PageSettings) -> PageLimits:
    """Return the limits that pages are judged by."""
    return PageLimits(**page.model_dump(exclude={"timeout_s"}))


def trust_officers(officers: Mapping[str, OfficerRecord]) -> dict[str, bytes]:
    """Return the public keys of the officers who may sign trust bundles, by id."""
    return {name: record.public_key for name, record in officers.items() if record.role in ROLES_FOR_TRUST}
