"""The lights' share of an agent in a process of its own, to be killed: `python -m tests.faults.lane_process OPTIONS [SOCKET]`.

Runs the lane's own `Doors` over the agent's port and the real driver of a Modbus barrier (OPTIONS: its JSON), here or, with SOCKET, at a host,
and has them invite somebody to enter. Prints a line when the lights tell so.
"""

import asyncio
import dataclasses
import json
import sys
from pathlib import Path

from drivers.contracts import DeviceState
from drivers.hosted.clients import client_of
from drivers.hosted.host_link import HostLink
from drivers.registry import build
from gate_agent.app.device_ports import BarrierPort
from gate_agent.clock import SystemClock
from gate_agent.domain.door_effects import DoorName
from gate_agent.domain.transaction_state import TransactionState
from gate_agent.lane.doors import Doors


async def invite(options: dict[str, object], socket: Path | None) -> None:
    clock = SystemClock()
    driver = build("barrier-1", "modbus_barrier", options, lambda _event: None, clock)
    if socket is not None:
        driver = client_of(driver, HostLink(socket), lambda _event: None, clock)
    running = asyncio.create_task(driver.run())
    while driver.state is not DeviceState.READY:
        await asyncio.sleep(0.01)
    doors = Doors(BarrierPort(driver), 10.0, lambda _event: None)
    doors.show(dataclasses.replace(TransactionState(), door=DoorName.ENTRANCE))
    print("inviting", flush=True)
    await asyncio.gather(doors.work(), running)


if __name__ == "__main__":
    asyncio.run(invite(json.loads(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
