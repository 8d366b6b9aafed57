"""`egate field` as a process: it serves what the site file gives it, once, and ends when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.barrier.twin import ModbusBarrierTwin
from drivers.contracts import DeviceEvent, DeviceState, Driver
from drivers.hosted.device_client import HostedDevice
from drivers.hosted.listener import listen
from drivers.registry import build
from gate_agent.app.device_options import options_of
from gate_agent.app.field_devices import DeviceHosts
from gate_agent.cli.field_findings import field_socket_findings
from gate_agent.clock import SystemClock
from gate_agent.settings import Settings, load

SITE = """
[field]
socket = "field.sock"
allow = ["127.0.0.1:{port}"]
[[lane]]
lane_id = 1
document_reader = "reader-1"
camera = "camera-1"
barrier = "barrier-1"
read_barcode_from_camera = true
[[device]]
name = "barrier-1"
driver = "modbus_barrier"
hosted_by = "field"
options = {{ host = "127.0.0.1", port = {port} }}
[[device]]
name = "barrier-2"
driver = "modbus_barrier"
hosted_by = "field"
options = {{ host = "127.0.0.1", port = 1 }}
[[device]]
name = "camera-1"
driver = "opencv_camera"
options = {{ source = "/dev/video9" }}
[[device]]
name = "reader-1"
driver = "mrz_serial"
options = {{ path = "/dev/egate-reader" }}
[[device]]
name = "wrong"
driver = "modbus_barrier"
hosted_by = "field"
options = {{ hots = "127.0.0.1" }}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="egate-"))  # short: a socket's path has 107 bytes at most
    yield made
    shutil.rmtree(made)


def started(file: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-m", "gate_agent", "field", "--config", str(file)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EGATE_")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)


def client(settings: Settings, name: str, events: list[DeviceEvent]) -> Driver:
    device = next(one for one in settings.device if one.name == name)
    driver = build(name, device.driver, options_of(settings, device), events.append, SystemClock())
    return DeviceHosts(settings, SystemClock()).client(device, driver, events.append)


async def test_it_serves_its_share_of_the_site_file_and_ends_when_told(folder: Path) -> None:
    twin = ModbusBarrierTwin()
    await twin.plug()
    file = folder / "gate.toml"
    file.write_text(SITE.format(port=twin.port))
    settings = load(file)
    process = started(file)
    try:
        events: list[DeviceEvent] = []
        barrier = client(settings, "barrier-1", events)
        assert isinstance(barrier, HostedDevice)
        running = asyncio.create_task(barrier.run())
        async with asyncio.timeout(30):
            while barrier.state is not DeviceState.READY:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        events.clear()
        forbidden = client(settings, "barrier-2", events)
        running = asyncio.create_task(forbidden.run())
        async with asyncio.timeout(30):
            while "DRV-LNK-005" not in {getattr(event.data, "fault", "") for event in events}:
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert (folder / "field.sock").stat().st_mode & 0o777 == 0o600
        second = started(file)
        output = (await asyncio.to_thread(second.communicate, timeout=30))[0].decode()
        assert second.returncode == 3
        assert "EG-SET-001" in output
        process.send_signal(signal.SIGTERM)
        output = (await asyncio.to_thread(process.communicate, timeout=30))[0].decode()
        assert process.returncode == 0
        assert '"devices": 2' in output  # the one that cannot be built is left out, and named
        assert '"device": "wrong"' in output
        assert not (folder / "field.sock").exists()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.wait()
        await twin.stop()


def test_devices_of_the_agent_are_run_by_the_agent(folder: Path) -> None:
    file = folder / "gate.toml"
    file.write_text(SITE.format(port=502))
    settings = load(file)
    camera = client(settings, "camera-1", [])
    assert not isinstance(camera, HostedDevice)
    assert "barcodes" in camera.capabilities  # a lane reads codes from it, wherever it is hosted
    assert settings.field.socket == folder / "field.sock"


def test_doctor_says_that_the_host_of_a_device_does_not_answer(folder: Path) -> None:
    file = folder / "gate.toml"
    file.write_text(SITE.format(port=502))
    settings = load(file)
    (found,) = field_socket_findings(settings, 0.2)
    assert found.where == "field.socket"
    assert "egate-field" in found.remedy
    place = listen(settings.field.socket)
    assert field_socket_findings(settings, 0.2) == []
    place.close()
    file.write_text(file.read_text().replace('hosted_by = "field"', ""))
    assert field_socket_findings(load(file), 0.2) == []
