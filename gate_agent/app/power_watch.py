"""The orderly stop: while a battery is low, lanes finish whom they serve and take nobody new; when the mains are back they go on.

Nothing here switches a machine off. When every lane rests, a file says so, and whoever runs the machine acts on it (docs/operations.md).
Records need no more: each is durable before a barrier moves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import structlog

from drivers.surroundings import UpsBatteryLow, UpsReported
from gate_agent.clock import Clock
from gate_agent.domain import events as ev
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.transaction_state import Phase, TransactionState
from gate_agent.web.device_messages import PowerView

log = structlog.get_logger()

STOP_FILE = "power-stop.json"
_ORDERED_STOP = "FSD"


class HeldLane(Protocol):
    """What the stop needs of a lane (`lane.controller.LaneController`)."""

    state: TransactionState

    def feed(self, event: ev.Event) -> None:
        """Hand an event to the machine."""
        ...


@dataclass(slots=True)
class _Supply:
    """One power supply as it told last."""

    since: datetime
    reported: UpsReported | None = None
    is_ending: bool = False


class PowerWatch:
    """Watches every power supply. One that ends is enough to stop; all have to be well to go on."""

    def __init__(self, lanes: Mapping[int, HeldLane], run: Path, clock: Clock, *, stops: bool = True) -> None:
        """`run`: folder of the file that tells the stop; `stops`: whether lanes are held at all."""
        self._lanes = lanes
        self._file = run / STOP_FILE
        self._clock = clock
        self._stops = stops
        self._supplies: dict[str, _Supply] = {}
        self._is_held = False
        self._is_told = False
        self._file.unlink(missing_ok=True)  # of an agent before this one; a low battery is told again

    @property
    def is_ending(self) -> bool:
        """Whether a supply's battery is low and the mains are not back."""
        return any(supply.is_ending for supply in self._supplies.values())

    def take(self, device: str, payload: UpsReported | UpsBatteryLow) -> None:
        """Take what a power supply tells."""
        now = self._clock.now()
        supply = self._supplies.setdefault(device, _Supply(now))
        if isinstance(payload, UpsBatteryLow):
            supply.is_ending = True
        else:
            if supply.reported is None or supply.reported.is_on_battery is not payload.is_on_battery:
                supply.since = now
            supply.reported = payload
            # A supply that says nothing of the mains, or that was told to shut down, is no reason to go on.
            if payload.is_on_battery is False and _ORDERED_STOP not in payload.flags:
                supply.is_ending = False
        if self._stops:
            self._hold(on=self.is_ending)

    def look(self) -> None:
        """See whether every lane rests now, and tell it once."""
        rests = self._is_held and all(
            lane.state.transaction_id is None and lane.state.phase is Phase.SUSPENDED for lane in self._lanes.values()
        )
        if rests is self._is_told:
            return
        self._is_told = rests
        if rests:
            self._tell()
        else:
            self._file.unlink(missing_ok=True)

    def view(self) -> PowerView | None:
        """Return how the power stands, by the worst supply; None where no supply was heard."""
        heard = [supply for supply in self._supplies.values() if supply.reported is not None or supply.is_ending]
        if not heard:
            return None
        worst = max(heard, key=lambda supply: (supply.is_ending, _is_on_battery(supply) is True))
        state = {True: "battery", False: "mains", None: "unknown"}[_is_on_battery(worst)]
        if self._is_held:
            state = "stopped" if self._is_told else "stopping"
        elif worst.is_ending:
            state = "battery"
        reported = worst.reported
        return PowerView.model_validate(
            {
                "state": state,
                "since": worst.since,
                "charge_percent": _percent(reported),
                "runtime_min": None
                if reported is None or reported.runtime_s is None
                else round(reported.runtime_s / 60),
            }
        )

    def _hold(self, *, on: bool) -> None:
        if on is self._is_held:
            return
        self._is_held = on
        log.warning("power_stop", lanes_are_held=on)
        for lane in self._lanes.values():
            lane.feed(ev.Hold(ReasonCode.POWER_ENDING) if on else ev.Unhold(ReasonCode.POWER_ENDING))
        if not on:
            self.look()

    def _tell(self) -> None:
        content = json.dumps({"rests_since": self._clock.now().isoformat(), "lanes": sorted(self._lanes)})
        unfinished = self._file.with_suffix(".part")
        try:
            unfinished.write_text(content + "\n", encoding="utf-8")
            unfinished.replace(self._file)
        except OSError as error:
            log.error("power_stop_not_told", cause=error.strerror)
        else:
            log.warning("power_stop_lanes_rest")


def _is_on_battery(supply: _Supply) -> bool | None:
    return supply.reported.is_on_battery if supply.reported is not None else None


def _percent(reported: UpsReported | None) -> int | None:
    return None if reported is None or reported.charge_ratio is None else round(reported.charge_ratio * 100)
