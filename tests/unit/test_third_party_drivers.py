"""Drivers of other makers, found as installed packages: listed, their options validated, and a broken one hurts only its own device."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from drivers.contracts import ChipKeys, DeviceClass, DeviceEvent, DeviceState, Door, GateSignal, StateChanged
from drivers.errors import DriverBroken, DriverFault, DriverNameTaken, DriverUnknown, NotReady, OptionsRefused
from drivers.registry import BUILT_IN, build, driver_names
from gate_agent.app.agent import Agent
from gate_agent.app.unusable_device import UnusableDevice
from gate_agent.cli import check_config, main
from gate_agent.clock import SystemClock
from gate_agent.provisioning import provision
from gate_agent.settings import DeviceSettings, LaneSettings, PathSettings, Settings
from tests.unit.installed_packages import install

CLOCK = SystemClock()
SOURCE = """
from pydantic import Field
from drivers.barcode.serial_line import BarcodeSerialReader, BarcodeSerialOptions
from drivers.contracts import DeviceClass
from drivers.declaration import DriverDeclaration
from drivers.options import Options

class AcmeOptions(BarcodeSerialOptions):
    tone: int = Field(1, ge=1, le=9, description="Tone of the beeper.")

def build(name, options, sink, clock):
    return BarcodeSerialReader(name, AcmeOptions.read(name, options), sink, clock)

def fail(name, options, sink, clock):
    raise KeyError("no such thing")

class Bare(Options):
    pass

DRIVER = DriverDeclaration(build, DeviceClass.BARCODE, "Acme's reader", AcmeOptions)
OF_ANOTHER_CLASS = DriverDeclaration(build, DeviceClass.CAMERA, "declared wrongly", AcmeOptions)
FAILING = DriverDeclaration(fail, DeviceClass.BARCODE, "fails", Bare)
WITHOUT_OPTIONS = DriverDeclaration(build, DeviceClass.BARCODE, "no model", dict)
"""


def told(_event: DeviceEvent) -> None:
    """Take no events."""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        "acme_reader": "egate_acme:DRIVER",
        "acme_odd": "egate_acme:OF_ANOTHER_CLASS",
        "acme_failing": "egate_acme:FAILING",
        "acme_bare": "egate_acme:WITHOUT_OPTIONS",
        "acme_function": "egate_acme:build",
        "acme_absent": "egate_acme_absent:DRIVER",
        "acme_torn": "egate_acme_torn:DRIVER",
        "zebra_ssi": "egate_acme:DRIVER",
    }
    modules = {"egate_acme": SOURCE, "egate_acme_torn": "raise RuntimeError('torn')\n"}
    install(tmp_path, monkeypatch, "egate-acme", entries, modules)


@pytest.mark.usefixtures("acme")
def test_an_installed_driver_is_listed_and_built() -> None:
    assert "acme_reader" in driver_names()
    driver = build("scanner-9", "acme_reader", {"path": "/dev/nothing", "tone": 3}, told, CLOCK)
    assert driver.device_class is DeviceClass.BARCODE


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("options", [{"path": "x", "tone": 0}, {"path": "x", "colour": "red"}, {}])
def test_its_options_are_validated(options: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match=r"device scanner-9: (tone|colour|path)") as refused:
        build("scanner-9", "acme_reader", options, told, CLOCK)
    assert refused.value.code == "DRV-OPT-001"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("driver", "why"),
    [
        ("acme_absent", "cannot be imported: ModuleNotFoundError"),
        ("acme_torn", "cannot be imported: RuntimeError: torn"),
        ("acme_function", "is no drivers.declaration.DriverDeclaration"),
        ("acme_bare", "drivers.options.Options"),
        ("acme_failing", "KeyError"),
        ("acme_odd", "declared as camera"),
    ],
)
def test_a_broken_one_says_why(driver: str, why: str) -> None:
    options = {} if driver == "acme_failing" else {"path": "x"}
    with pytest.raises(DriverBroken, match=why) as broken:
        build("scanner-9", driver, options, told, CLOCK)
    assert broken.value.code == "DRV-OPT-004"
    assert build("scanner-1", "acme_reader", {"path": "x"}, told, CLOCK).name == "scanner-1"


@pytest.mark.usefixtures("acme")
def test_a_built_in_name_cannot_be_taken() -> None:
    driver = build("scanner-1", "zebra_ssi", {"path": "x"}, told, CLOCK)
    assert type(driver).__module__ == "drivers.barcode.zebra_ssi"
    assert driver_names().count("zebra_ssi") == 1


@pytest.mark.usefixtures("acme")
def test_two_packages_with_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "egate-rival", {"acme_reader": "egate_rival:DRIVER"}, {"egate_rival": SOURCE})
    with pytest.raises(DriverNameTaken, match="egate-acme, egate-rival") as taken:
        build("scanner-9", "acme_reader", {"path": "x"}, told, CLOCK)
    assert taken.value.code == "DRV-OPT-003"
    assert "acme_reader" not in driver_names()
    with pytest.raises(DriverUnknown, match="mrz_serial"):
        build("scanner-9", "acme_unheard_of", {}, told, CLOCK)


@pytest.mark.usefixtures("acme")
def test_the_list_shows_them_with_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "list", "--drivers", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = {row["driver"]: row for row in rows if row["package"] == "egate-acme"}
    assert (found["acme_reader"]["class"], found["acme_reader"]["summary"]) == ("barcode", "Acme's reader")
    assert "tone" in found["acme_reader"]["options"]
    assert (found["acme_reader"]["fault"], found["acme_torn"]["fault"]) == ("", "DRV-OPT-004")
    assert found["zebra_ssi"]["fault"] == "DRV-OPT-003"
    assert "a driver of eGate itself" in found["zebra_ssi"]["remedy"]
    assert [row["driver"] for row in rows if row["package"] == "egate"] == list(BUILT_IN)
    assert main(["devices", "list", "--drivers"]) == 0
    assert "Remove one of the packages" in capsys.readouterr().out


@pytest.mark.usefixtures("acme")
def test_check_config_names_the_broken_device_and_no_other() -> None:
    devices = (
        DeviceSettings(name="good", driver="acme_reader", options={"path": "x"}),
        DeviceSettings(name="torn", driver="acme_torn", options={}),
    )
    found = {one.where: one for one in check_config.device_findings(Settings(device=devices))}
    assert "DRV-OPT-004" in found["device torn"].finding
    assert "fits this eGate" in found["device torn"].remedy
    assert found["device good"].finding == "no lane uses this device"


@pytest.mark.usefixtures("acme")
def test_the_agent_goes_on_with_the_others(tmp_path: Path) -> None:
    lane = LaneSettings(lane_id=1, document_reader="reader", camera="camera", barrier="torn", barcode=("good",))
    devices = (
        DeviceSettings(name="reader", driver="mrz_serial", options={"colour": "red"}),
        DeviceSettings(name="camera", driver="opencv_camera", options={"source": "http://127.0.0.1:1/"}),
        DeviceSettings(name="torn", driver="acme_torn"),
        DeviceSettings(name="good", driver="acme_reader", options={"path": "x"}),
        DeviceSettings(name="idle", driver="acme_torn"),
    )
    provision(tmp_path, country="UTO", site="post", gate_id="g", officers={}, clock=CLOCK)
    paths = PathSettings(keys=tmp_path / "keys", bundles=tmp_path / "bundles")
    settings = Settings(lane=(lane,), device=devices, paths=paths)
    agent = Agent(settings, CLOCK)
    built: dict[str, Any] = {device.name: agent._built(device) for device in devices}
    assert [name for name, driver in built.items() if isinstance(driver, UnusableDevice)] == ["reader", "torn"]
    assert built["torn"].device_class is DeviceClass.BARRIER
    assert built["idle"] is None


async def test_an_unusable_device_is_in_fault_and_moves_nothing() -> None:
    events: list[DeviceEvent] = []
    fault: DriverFault = DriverBroken("torn")
    device = UnusableDevice("barrier-1", DeviceClass.BARRIER, fault, events.append, CLOCK)
    running = asyncio.create_task(device.run())
    await asyncio.sleep(0)
    assert [event.data for event in events] == [StateChanged(DeviceState.FAULT, "DRV-OPT-004", fault.remedy)]
    assert device.state is DeviceState.FAULT
    for command in (
        device.release(Door.EXIT, 1, 1.0),
        device.end_releases(),
        device.lockdown(),
        device.lift_lockdown(),
        device.signal(GateSignal.CLOSED, 1.0),
        device.read_again(),
        device.read_inputs(),
    ):
        with pytest.raises(NotReady) as refused:
            await command
        assert refused.value.remedy == fault.remedy
    device.set_active(active=True)
    device.set_reading(active=True)
    evidence = await device.read(ChipKeys(), lambda _progress: None)
    assert (evidence.fault, evidence.files) == ("DRV-OPT-004", {})
    assert not running.done()
    running.cancel()
