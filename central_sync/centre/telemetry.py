"""The newest telemetry of each gate: how its devices are. One row a gate; what is older is of no use to anybody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.exc import SQLAlchemyError

from central_sync.centre.schema import TELEMETRY, insert
from central_sync.errors import LedgerFault
from central_sync.presence import DeviceReading, Telemetry

_READINGS = TypeAdapter(list[DeviceReading])


@dataclass(frozen=True, slots=True)
class GateDevices:
    """The devices of one gate as it told last, and when the centre heard it."""

    gate: str
    heard_at: datetime
    devices: list[DeviceReading]


def note(engine: sa.Engine, telemetry: Telemetry, now: datetime) -> None:
    """Keep a gate's telemetry in the place of what it told before. Blocking. Raises `LedgerFault`."""
    values = {"heard_at": now.isoformat(), "devices": _READINGS.dump_json(telemetry.devices).decode()}
    statement = insert(engine.dialect.name, TELEMETRY).values(gate=telemetry.source, **values)
    try:
        with engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["gate"], set_=values))
    except SQLAlchemyError as error:
        raise LedgerFault(f"the centre's database refused: {type(error).__name__}") from error


def newest(engine: sa.Engine) -> dict[str, GateDevices]:
    """Return each gate's newest telemetry by the gate's name. Blocking."""
    with engine.connect() as connection:
        return {
            row.gate: GateDevices(row.gate, datetime.fromisoformat(row.heard_at), _READINGS.validate_json(row.devices))
            for row in connection.execute(sa.select(TELEMETRY))
        }
