"""Lockdowns outlive the agent: what an officer ordered stands until an officer lifts it, power cut and restart or not."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import structlog

from gate_agent.domain import events as ev
from gate_agent.lane.controller import LaneController

log = structlog.get_logger()


class Lockdowns:
    """Orders and lifts the lockdowns of a gate's lanes, each with a mark in the state folder."""

    def __init__(self, folder: Path, lanes: Mapping[int, LaneController]) -> None:
        self._folder = folder
        self._lanes = lanes

    def restore(self) -> None:
        """Order what stood when the last agent ended."""
        for lane_id, lane in self._lanes.items():
            if self._mark(lane_id).exists():
                log.warning("lockdown_still_stands", lane_id=lane_id)
                lane.feed(ev.LockdownOrdered())

    async def order(self, lane_id: int) -> None:
        """Order one: the lane first, then the mark. A mark that cannot be written is logged; the lockdown stands all the same."""
        self._lanes[lane_id].feed(ev.LockdownOrdered())
        await self._keep(lane_id, stands=True)

    async def lift(self, lane_id: int) -> None:
        """Lift one, or none. A mark that cannot be removed is logged; the next agent would lock the lane down again."""
        if self._mark(lane_id).exists():
            await self._keep(lane_id, stands=False)
        self._lanes[lane_id].feed(ev.LockdownLifted())

    async def _keep(self, lane_id: int, *, stands: bool) -> None:
        try:
            await asyncio.to_thread(_mark_durably, self._mark(lane_id), stands=stands)
        except OSError as error:
            log.error("lockdown_mark_not_kept", lane_id=lane_id, stands=stands, error=error.strerror)

    def _mark(self, lane_id: int) -> Path:
        return self._folder / f"lockdown-{lane_id}"


def _mark_durably(mark: Path, *, stands: bool) -> None:
    if stands:
        mark.touch(mode=0o600)
    else:
        mark.unlink(missing_ok=True)
    descriptor = os.open(mark.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
