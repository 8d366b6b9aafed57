"""A virtual gate: a real Modbus TCP server with the reference wiring over simulated doors."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from drivers.barrier.doors import SimulatedDoors
from drivers.barrier.errors import ModbusRefused
from drivers.barrier.modbus import (
    Adu,
    Function,
    MbapCodec,
    Request,
    exception_pdu,
    parse_request,
    response_pdu,
)
from drivers.contracts import Clock, Door
from drivers.twin import TcpTwin

_DOORS = (Door.ENTRANCE, Door.EXIT)
