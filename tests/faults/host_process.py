"""A host in a process of its own, to be killed: `python -m tests.faults.host_process SOCKET TABLES` (TABLES: JSON of name, driver, options)."""

import asyncio
import json
import sys
from pathlib import Path

from drivers.hosted.listener import listen
from drivers.hosted.server import DeviceTable, HostedDevices
from gate_agent.clock import SystemClock


async def serve(path: Path, tables: list[list[object]]) -> None:
    host = HostedDevices([DeviceTable(*table) for table in tables], SystemClock())
    await host.run(listen(path))


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), json.loads(sys.argv[2])))
