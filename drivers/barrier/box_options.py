"""The options of Modbus boxes of doors: what they share, and what each line needs besides."""

from __future__ import annotations

from typing import Self

from pydantic import Field, PrivateAttr, model_validator

from drivers.barrier.board_maps import GENERIC, read_map
from drivers.barrier.modbus_rtu import UNIT_LIMIT
from drivers.barrier.signals import LIGHTS, SignalTable
from drivers.options import SerialOptions, TimingOptions


class BoxOptions(TimingOptions):
    """What every Modbus box of doors has, whatever line leads to it."""

    unit: int = Field(1, ge=0, le=255, description="Modbus unit behind that address.")
    is_shared: bool = Field(
        default=False, description="Other devices of this process use the same address: one connection, one lock."
    )
    poll_ms: int = Field(30, ge=5, le=1000, description="Pause between the starts of two polls of the inputs.")
    reply_timeout_s: float = Field(0.25, gt=0, le=5, description="Longest wait for one reply.")
    confirm_timeout_s: float = Field(
        1.5, gt=0, le=10, description="Longest time to read back a release whose reply was lost."
    )
    heartbeat_s: float = Field(
        1.0,
        gt=0,
        le=60,
        description="Interval of the heartbeat that keeps the box's watchdog content, and of looking whether the watchdog fired.",
    )
    quiet_s: float = Field(0.0, ge=0, le=3600, description="Not used: polling is the sign of life.")
    dead_s: float = Field(1.0, gt=0, le=60, description="Silence after which the box counts as dead.")
    reconnect_limit_s: float = Field(2.0, gt=0, le=60, description="Longest pause between two attempts to connect.")
    map: str = Field(
        GENERIC,
        description="Map of the board: `generic`, `moxa_iologik_e1200`, `advantech_adam_6000`, or the path of a TOML file.",
    )
    table: SignalTable | None = Field(
        None, description="Instead of a map: signals by name (function, address, bit, invert), as such a file has them."
    )
    board_watchdog_s: float | None = Field(
        None,
        gt=0,
        le=60,
        description="Silence after which the board drops its outputs, as set on the board. Needed when its map has neither `exit_ttl` nor a watchdog register, or lights and nothing of a watchdog.",
    )
    _signals: SignalTable = PrivateAttr()

    @model_validator(mode="after")
    def _has_signals(self) -> Self:
        if self.table is not None and self.map != GENERIC:
            raise ValueError("map and table: only one of the two")
        self._signals = self.table or read_map(self.map)
        if not self._signals.takes_ttl and self._signals.watchdog is None and self.board_watchdog_s is None:
            raise ValueError(
                "the board takes no time to live, so its own watchdog must end a release when the software is gone: set it on the"
                " board and tell its time as board_watchdog_s"
            )
        if self._has_lights() and not self._has_watchdog():
            raise ValueError(
                "the board has lights, so its own watchdog must show red when the software is gone: set it on the board (safe value on for"
                " the red lights, off for all others) and tell its time as board_watchdog_s"
            )
        return self

    def _has_lights(self) -> bool:
        return any(name in LIGHTS for name in self._signals.points)

    def _has_watchdog(self) -> bool:
        told = {"watchdog_enabled", "watchdog_alarm"} & self._signals.points.keys()
        return bool(told) or self._signals.watchdog is not None or self.board_watchdog_s is not None

    def signals(self) -> SignalTable:
        """Return the signals of the map or the table."""
        return self._signals


class ModbusBarrierOptions(BoxOptions):
    """Options of `modbus_barrier`."""

    host: str = Field(min_length=1, description="Address of the box.")
    port: int = Field(502, ge=1, le=65_535, description="TCP port of the box.")


class ModbusRtuBarrierOptions(BoxOptions, SerialOptions):
    """Options of `modbus_rtu_barrier`. Devices that share a line have the same line settings."""

    unit: int = Field(1, ge=1, le=UNIT_LIMIT, description="Modbus unit on the line.")
    baud: int = Field(19_200, ge=300, le=4_000_000, description="Bits per second.")
    parity: str = Field(
        "E",
        pattern="^[NEOMS]$",
        description="Parity: N, E, O, M or S. Boxes leave the factory with E or N; a pty takes N only.",
    )
