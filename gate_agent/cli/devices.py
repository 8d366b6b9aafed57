"""`egate devices list|discover|probe|watch|command|twin|record|replay`: drivers by hand, without the agent.

Devices are named in a site file (`--config FILE [NAME…]`) or given whole (`--driver D --option key=value …`). What a document or symbol
holds is shown with `--content` only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.contracts import DeviceEvent, DeviceState, StateChanged
from drivers.discovery import DEVICE_FILES
from drivers.document_reader.scanimage import found_scanners
from drivers.errors import DriverFault
from drivers.registry import BUILT_IN, build, declaration, third_party
from drivers.supervisor import SupervisedDriver
from drivers.tape import TapeWriter, read_tape
from gate_agent import logs
from gate_agent.app.unusable_device import lane_devices
from gate_agent.cli.device_probing import let_go, probe, run_together
from gate_agent.cli.devices_command import COMMAND_USAGE, carry_out, command_of
from gate_agent.cli.devices_discover import discovered, discovered_scanners, line_of
from gate_agent.cli.devices_events import event_line, event_object
from gate_agent.cli.devices_twin import TWINS, run_twin
from gate_agent.clock import SystemClock
from gate_agent.errors import DeviceFault, SettingsFault
from gate_agent.settings import SITE_FILE, DeviceSettings, load

OWN_DISTRIBUTION = "egate"
SUMMARY = "list, discover, probe, watch, command, record and replay devices; start their twins"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the subcommands."""
    commands = parser.add_subparsers(
        dest="action", required=True, metavar="list|discover|probe|watch|command|twin|record|replay"
    )
    listing = commands.add_parser("list", help="the devices of a site file, or the drivers there are")
    listing.add_argument("--drivers", action="store_true", help="list drivers instead of devices")
    listing.add_argument("--config", type=Path, default=SITE_FILE, help="site file")
    finding = commands.add_parser("discover", help="what is plugged in by stable path, and which device it is")
    finding.add_argument("--config", type=Path, help=f"site file ({SITE_FILE} when it is there)")
    finding.add_argument("--root", type=Path, default=DEVICE_FILES, metavar="FOLDER", help="folder of device files")
    for name, text in (
        ("probe", "open devices and say how they are; exit code 1 when one is not ready"),
        ("watch", "print what devices tell"),
        ("record", "print what one device tells, and keep its bytes on a tape"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("names", nargs="*", metavar="NAME", help="devices of the site file (default: all)")
        command.add_argument("--config", type=Path, default=SITE_FILE, help="site file")
        command.add_argument(
            "--seconds", type=float, default=3.0 if name == "probe" else 0.0, help="how long; 0: until interrupted"
        )
        _driver_arguments(command)
        if name == "record":
            command.add_argument("--tape", type=Path, required=True, help="new tape file, readable by its owner only")
    order = commands.add_parser("command", help="let one device do something, and print what it answers and tells")
    order.add_argument("words", nargs="+", metavar="WORD", help=f"{COMMAND_USAGE}")
    order.add_argument("--device", metavar="NAME", help="device of the site file (not needed when it has only one)")
    order.add_argument("--config", type=Path, default=SITE_FILE, help="site file")
    order.add_argument("--wait", type=float, default=3.0, help="longest wait for the device to be ready, in seconds")
    order.add_argument("--seconds", type=float, default=0.0, help="how long to go on listening after the answer")
    _driver_arguments(order)
    replay = commands.add_parser("replay", help="say what a tape means")
    replay.add_argument("tape", type=Path, help="tape file")
    _driver_arguments(replay)
    twin = commands.add_parser("twin", help="start a virtual device; it takes commands on standard input")
    twin.add_argument("twin", choices=sorted(TWINS), help="driver whose device is played")
    twin.add_argument("--path", type=Path, default=Path("egate-twin"), help="path of a serial twin")
    twin.add_argument("--port", type=int, default=0, help="port of a network twin; 0 picks a free one")
    twin.add_argument("--seconds", type=float, default=0.0, help="how long; 0: until `quit` or an interrupt")
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="one JSON object per line")
        command.add_argument("--content", action="store_true", help="show what documents and symbols hold")


def _driver_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("--driver", help="driver of a device that no site file names")
    command.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE", help="option of that driver; repeatable"
    )


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked. Returns 0, or 1 when a probed device is not ready."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "discover": _discover,
        "probe": lambda asked: asyncio.run(_probe(asked)),
        "watch": lambda asked: asyncio.run(_watch(asked, None)),
        "command": lambda asked: asyncio.run(_command(asked)),
        "record": _record,
        "replay": _replay,
        "twin": lambda asked: asyncio.run(
            run_twin(asked.twin, asked.path, asked.port, asked.seconds, as_json=asked.json)
        ),
    }
    logs.configure("devices", level="WARNING")
    try:
        return actions[arguments.action](arguments)
    except DriverFault as fault:
        raise DeviceFault(f"{fault} {fault.remedy}", code=fault.code) from fault
    except OSError as error:
        raise DeviceFault(f"{error.filename or arguments.action}: {error.strerror}") from error


def _list(arguments: argparse.Namespace) -> int:
    rows: list[dict[str, Any]]
    if arguments.drivers:
        rows = _driver_rows()
    else:
        settings = load(arguments.config)
        lanes = {name: lane.lane_id for lane in settings.lane for name in lane_devices(lane)}
        rows = [{"device": one.name, "driver": one.driver, "lane": lanes.get(one.name)} for one in settings.device]
    for row in rows:
        told = [value for key, value in row.items() if key != "options" and value != ""]
        text = "  ".join(f"{value if value is not None else '-'!s:<16}" for value in told).rstrip()
        if row.get("options"):
            text += f"\n{'':<18}{', '.join(row['options'])}"
        _say(row, arguments, text)
    return 0


def _discover(arguments: argparse.Namespace) -> int:
    file = arguments.config or (SITE_FILE if SITE_FILE.exists() else None)
    devices = load(file).device if file else ()
    # Scanners are no device files: a folder that stands for /dev has none.
    scanners = found_scanners() if arguments.root == DEVICE_FILES else []
    for row in (*discovered(devices, arguments.root), *discovered_scanners(devices, scanners)):
        _say(row, arguments, line_of(row))
    return 0


def _driver_rows() -> list[dict[str, Any]]:
    """Return a row for each driver, those of other packages with the package that brings them and what is wrong with them."""
    declared = [(name, built_in.declaration(), OWN_DISTRIBUTION, None) for name, built_in in BUILT_IN.items()]
    found = [(one.name, one.declaration, one.distribution, one.fault) for one in third_party()]
    return [
        {
            "driver": name,
            "class": known.device_class.value if known else "",
            "summary": known.summary if known else "",
            "package": package,
            "options": sorted(known.options.model_fields) if known else [],
            "fault": fault.code if fault else "",
            "remedy": f"{fault}. {fault.remedy}" if fault else "",
        }
        for name, known, package, fault in [*declared, *found]
    ]


def _devices(arguments: argparse.Namespace) -> list[DeviceSettings]:
    if arguments.driver:
        return [
            DeviceSettings(
                name=arguments.driver.replace("_", "-"), driver=arguments.driver, options=_options(arguments.option)
            )
        ]
    devices = {device.name: device for device in load(arguments.config).device}
    for name in arguments.names:
        if name not in devices:
            raise SettingsFault(f"{arguments.config} has no device {name!r}; there are: {', '.join(devices) or 'none'}")
    return [devices[name] for name in arguments.names or devices]


def _options(words: list[str]) -> dict[str, Any]:
    """Return KEY=VALUE pairs; a value is read as TOML where it is TOML (numbers, true, tables), as text otherwise."""
    options: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise SettingsFault(f"--option {word!r}: write KEY=VALUE")
        try:
            options[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            options[key] = value
    return options


async def _probe(arguments: argparse.Namespace) -> int:
    probed = await probe(_devices(arguments), arguments.seconds)
    for one in probed:
        driver, state = one.driver, one.state
        row = {
            "device": driver.name,
            "class": driver.device_class.value,
            "capabilities": sorted(driver.capabilities),
            "events": sorted(kind.__name__ for kind in driver.events),
            "state": driver.state.value,
            "last_event": one.last.__name__ if one.last is not None else None,
            "fault": state.fault,
            "remedy": state.remedy,
        }
        _say(row, arguments, f"{driver.name:<16}  {driver.state.value:<9} {state.fault} {state.remedy}".rstrip())
    return int(any(one.driver.state is not DeviceState.READY for one in probed))


async def _watch(arguments: argparse.Namespace, tape: TapeWriter | None) -> int:
    def hear(event: DeviceEvent) -> None:
        _tell(event, arguments)
        let_go(event)

    drivers = [build(one.name, one.driver, one.options, hear, SystemClock()) for one in _devices(arguments)]
    if tape is not None:
        if len(drivers) != 1 or not isinstance(drivers[0], SupervisedDriver):
            raise SettingsFault(
                "a tape holds the bytes of one device on a serial port or TCP connection; name that one"
            )
        drivers[0].tap = tape.record
    await run_together(drivers, arguments.seconds)
    return 0


async def _command(arguments: argparse.Namespace) -> int:
    """Let one device do something; what it tells until then, and for a while after, is printed as it comes."""
    arguments.names = [arguments.device] if arguments.device else []
    devices = _devices(arguments)
    if len(devices) != 1:
        raise SettingsFault("a command is for one device: name it with --device")
    sending = command_of(arguments.words)

    def hear(event: DeviceEvent) -> None:
        if arguments.seconds or not isinstance(event.data, StateChanged):
            _tell(event, arguments)
        let_go(event)

    driver = build(devices[0].name, devices[0].driver, devices[0].options, hear, SystemClock())
    running = asyncio.create_task(driver.run())
    try:
        answer = await carry_out(driver, sending, wait_s=arguments.wait)
        row = {"device": driver.name, "command": " ".join(arguments.words), "answer": answer}
        _say(row, arguments, f"{driver.name:<16}  {answer if answer is not None else 'done'}")
        await asyncio.sleep(arguments.seconds)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return 0


def _record(arguments: argparse.Namespace) -> int:
    with TapeWriter(arguments.tape, SystemClock()) as tape:
        return asyncio.run(_watch(arguments, tape))


def _replay(arguments: argparse.Namespace) -> int:
    if not arguments.driver:
        raise SettingsFault("a tape does not say which device spoke: name its --driver")
    # A replay opens nothing; what only opening needs may stay out.
    fields = declaration(arguments.driver).options.model_fields
    unopened = {key: "tape" for key in ("path", "host") if key in fields and fields[key].is_required()}
    options = unopened | _options(arguments.option)

    async def play() -> None:
        driver = build("tape", arguments.driver, options, lambda event: _tell(event, arguments), SystemClock())
        if not isinstance(driver, SupervisedDriver):
            raise SettingsFault(f"{arguments.driver} has no byte stream to replay")
        driver.replay(read_tape(arguments.tape))

    asyncio.run(play())
    return 0


def _tell(event: DeviceEvent, arguments: argparse.Namespace) -> None:
    row = event_object(event, with_content=arguments.content)
    _say(row, arguments, event_line(row))


def _say(row: dict[str, Any], arguments: argparse.Namespace, text: str) -> None:
    print(json.dumps(row, ensure_ascii=False) if arguments.json else text)
    sys.stdout.flush()
