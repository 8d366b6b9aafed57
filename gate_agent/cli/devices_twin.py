"""`egate devices twin`: a virtual device in the foreground, played through lines on standard input."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from drivers.access_control.channel_key import KEY_BYTES, read_channel_key
from drivers.access_control.twin import OsdpReaderTwin
from drivers.barcode.honeywell_twin import HoneywellTwin
from drivers.barcode.ssi_twin import ZebraSsiTwin
from drivers.barcode.twin import BarcodeReaderTwin
from drivers.barcode.wedge_twin import HidWedgeTwin
from drivers.barrier.turnstile_twin import TurnstileTwin
from drivers.barrier.twin import ModbusBarrierTwin, ModbusRtuBarrierTwin
from drivers.camera_lift.twin import CameraLiftTwin
from drivers.contracts import Door
from drivers.document_reader.codec import IMAGE_ROLES
from drivers.document_reader.elyctis_twin import ElyctisTwin
from drivers.document_reader.page_folder_twin import PageFolderTwin
from drivers.document_reader.page_http_twin import PageHttpTwin
from drivers.document_reader.scanimage_twin import ScanimageTwin
from drivers.document_reader.twin import MrzReaderTwin
from drivers.enclosure.twin import TemperatureTwin
from drivers.help_point.twin import HelpButtonTwin, HelpPointTwin
from drivers.power.twin import NutTwin
from drivers.printer.twin import EscposTwin
from drivers.rfid.llrp_twin import LlrpTwin
from drivers.surroundings import XrayDecision
from drivers.twin import TcpTwin, Twin
from drivers.uav.twin import MavlinkTwin
from drivers.xray_inbox.http_twin import XrayHttpTwin
from drivers.xray_inbox.twin import XrayFolderTwin
from gate_agent.clock import SystemClock

LINE_LIMIT_CHARACTERS = 16_384

ScannerTwin = BarcodeReaderTwin | ZebraSsiTwin | HoneywellTwin | HidWedgeTwin
PageTwin = PageFolderTwin | PageHttpTwin | ScanimageTwin
AnyTwin = (
    MrzReaderTwin
    | ElyctisTwin
    | ScannerTwin
    | LlrpTwin
    | ModbusBarrierTwin
    | ModbusRtuBarrierTwin
    | TurnstileTwin
    | MavlinkTwin
    | NutTwin
    | XrayFolderTwin
    | EscposTwin
    | TemperatureTwin
    | PageTwin
    | XrayHttpTwin
    | OsdpReaderTwin
    | CameraLiftTwin
    | HelpPointTwin
    | HelpButtonTwin
)

TWINS: dict[str, Callable[[Path, int], AnyTwin]] = {
    "mrz_serial": lambda path, _port: MrzReaderTwin(path),
    "elyctis_tlv": lambda path, _port: ElyctisTwin(path),
    "barcode_serial": lambda path, _port: BarcodeReaderTwin(path),
    "zebra_ssi": lambda path, _port: ZebraSsiTwin(path),
    "honeywell_serial": lambda path, _port: HoneywellTwin(path),
    "hid_wedge": lambda path, _port: HidWedgeTwin(path),
    "llrp_rfid": lambda _path, port: LlrpTwin(SystemClock(), port=port),
    "modbus_barrier": lambda _path, port: ModbusBarrierTwin(port=port),
    "mavlink_uav": lambda _path, port: MavlinkTwin(port=port),
    "nut_ups": lambda _path, port: NutTwin(port=port),
    "xray_folder": lambda path, _port: XrayFolderTwin(path),
    "escpos_printer": lambda path, _port: EscposTwin(path),
    "modbus_rtu_barrier": lambda path, _port: ModbusRtuBarrierTwin(path),
    "turnstile_serial": lambda path, _port: TurnstileTwin(path),
    "hwmon_enclosure": lambda path, _port: TemperatureTwin(path),
    "page_folder": lambda path, _port: PageFolderTwin(path),
    "page_http": lambda _path, port: PageHttpTwin(port=port),
    "sane_scanner": lambda path, _port: ScanimageTwin(path),
    "xray_http": lambda _path, port: XrayHttpTwin(port=port),
    "osdp_reader": lambda path, _port: _osdp_reader(path),
    "modbus_camera_lift": lambda _path, port: CameraLiftTwin(port=port),
    "modbus_help_point": lambda _path, port: HelpPointTwin(port=port),
    "hid_help_button": lambda path, _port: HelpButtonTwin(path),
}


async def run_twin(driver: str, path: Path, port: int, seconds: float, *, as_json: bool) -> int:
    """Start a twin, print where it is, obey lines from standard input until `quit`, end of time or an interrupt."""
    twin = TWINS[driver](path, port)
    await twin.plug()
    try:
        where = _place(twin)
        _say({"twin": driver, **where, "commands": list(commands_of(twin))}, as_json=as_json)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds or None):
                await _obey(twin, as_json=as_json)
    finally:
        await (
            twin.stop()
            if isinstance(twin, ModbusBarrierTwin | ModbusRtuBarrierTwin | TurnstileTwin | OsdpReaderTwin)
            else twin.unplug()
        )
    return 0


def _place(twin: AnyTwin) -> dict[str, object]:
    """Return what leads to a twin, or where it leads to."""
    if isinstance(twin, XrayHttpTwin):
        return {"url": twin.url}
    return {"port": twin.port} if isinstance(twin, TcpTwin) else {"path": str(twin.path)}


async def _obey(twin: AnyTwin, *, as_json: bool) -> None:
    reader = asyncio.StreamReader(limit=LINE_LIMIT_CHARACTERS)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        while line := await reader.readline():
            words = line.decode("utf-8", "replace").split()
            if words[:1] == ["quit"]:
                return
            if words:
                _say(await _command(twin, words), as_json=as_json)
        await asyncio.Event().wait()  # standard input ended: stay until the time is over
    except ValueError:
        _say({"error": "the line is too long"}, as_json=as_json)
    finally:
        transport.close()


async def _command(twin: AnyTwin, words: list[str]) -> dict[str, object]:
    name, *operands = words
    if name == "plug":
        await twin.plug()
    elif name == "unplug":
        await twin.unplug()
    else:
        command = commands_of(twin).get(name)
        if command is None:
            return {"error": f"no command {name!r}; there are: {', '.join(commands_of(twin))}"}
        try:
            return {"command": name, "result": command(operands)}
        except (ValueError, IndexError, OSError) as error:
            return {"error": f"{name}: {error}"}
    return {"command": name, "result": None}


def commands_of(twin: AnyTwin) -> dict[str, Callable[[list[str]], object]]:
    """Return what a twin can be told, by word."""
    commands = _shared_commands(twin)
    if isinstance(twin, MrzReaderTwin):
        commands["present"] = lambda words: _present(twin, words)
        commands["remove"] = lambda _words: twin.remove()
    elif isinstance(twin, PageTwin):
        commands["present"] = lambda words: _present_page(twin, words)
        commands["remove"] = lambda _words: twin.remove()
    elif isinstance(twin, ElyctisTwin):
        commands["present"] = twin.present
        commands["remove"] = lambda _words: twin.remove()
    elif isinstance(twin, ScannerTwin):
        commands["scan"] = lambda words: twin.scan(" ".join(words).encode())
    elif isinstance(twin, LlrpTwin):
        commands["see"] = lambda words: twin.see(bytes.fromhex(words[0]), *map(int, words[1:2]))
    elif isinstance(twin, MavlinkTwin):
        commands["fly"] = lambda words: twin.fly(*map(float, words[:3]))
        commands["tell"] = lambda words: twin.tell(" ".join(words))
    elif isinstance(twin, NutTwin):
        commands["mains"] = lambda words: twin.mains(*map(int, words[:1]))
        commands["outage"] = lambda words: twin.outage(*map(int, words[:1]))
    elif isinstance(twin, TemperatureTwin):
        commands["feel"] = lambda words: twin.feel(float(words[0]))
    elif isinstance(twin, XrayFolderTwin | XrayHttpTwin):
        commands["screen"] = lambda words: twin.screen(XrayDecision(words[0]), *words[1:2])
    elif isinstance(twin, EscposTwin):
        commands["paper"] = lambda words: twin.load_paper(*map(int, words[:1]))
        commands["cover"] = lambda words: twin.open_cover(on=words[0] == "open")
        commands["receipts"] = lambda _words: [one.lines for one in twin.receipts]
    elif isinstance(twin, OsdpReaderTwin):
        commands["badge"] = lambda words: twin.badge(bytes.fromhex(words[0]))
        commands["press"] = lambda words: twin.press(words[0].encode())
        commands["tamper"] = lambda words: twin.tamper(words[0] == "on")
        commands["released"] = lambda _words: twin.is_released
    elif isinstance(twin, CameraLiftTwin):
        commands["put"] = lambda words: twin.put(float(words[0]))
        commands["stop"] = lambda words: twin.press_stop(on=words[0] == "on")
        commands["height"] = lambda _words: round(twin.height_mm)
    elif isinstance(twin, HelpPointTwin):
        commands["press"] = lambda words: twin.press(on=words[0] == "on")
        commands["speak"] = lambda words: twin.speak(on=words[0] == "on")
        commands["calls"] = lambda _words: twin.calls
    elif isinstance(twin, HelpButtonTwin):
        commands["press"] = lambda _words: twin.press()
    elif isinstance(twin, TurnstileTwin):
        commands["walk-in"] = lambda _words: twin.walk(Door.ENTRANCE)
        commands["walk-out"] = lambda _words: twin.walk(Door.EXIT)
        commands["force"] = lambda words: twin.force(Door(words[0]))
        commands["fire"] = lambda words: twin.fire(words[0] == "on")
        commands["releases"] = lambda _words: [door.value for door in twin.released_log]
    else:
        commands["walk-in"] = lambda _words: twin.walk_in()
        commands["walk-out"] = lambda _words: twin.walk_out()
        commands["occupancy"] = lambda words: twin.set_occupancy(int(words[0]))
        commands["fire"] = lambda words: twin.fire(words[0] == "on")
        commands["tamper"] = lambda words: twin.tamper(words[0] == "on")
        commands["emergency-stop"] = lambda words: twin.emergency_stop(words[0] == "on")
        commands["slip-through"] = lambda words: twin.slip_through(Door(words[0]))
        commands["walk-back"] = lambda words: twin.walk_back(Door(words[0]))
        commands["fire-watchdog"] = lambda _words: twin.fire_watchdog()
        commands["lights"] = lambda _words: sorted(twin.lights)
        commands["force"] = lambda words: twin.force(Door(words[0]))
        commands["releases"] = lambda _words: [[door.value, at_s] for door, at_s in twin.released_log]
    return commands


def _osdp_reader(path: Path) -> OsdpReaderTwin:
    """Return a reader whose key stands beside its path, for the driver's `key_file`: a new one where there is none."""
    file = path.with_name(path.name + ".key")
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(KEY_BYTES))
    return OsdpReaderTwin(path, key=read_channel_key(file))


def _shared_commands(twin: Twin) -> dict[str, Callable[[list[str]], object]]:
    def nothing(_words: list[str]) -> object:
        return None

    return {
        "plug": nothing,  # these two are awaited by the caller
        "unplug": nothing,
        "mute": lambda words: twin.mute(on=words[0] == "on"),
        "corrupt": lambda words: twin.corrupt(on=words[0] == "on"),
        "delay": lambda words: twin.delay(float(words[0])),
    }


def _present(twin: MrzReaderTwin, words: list[str]) -> None:
    """Lay down a document: its lines, then files, each after its role (`portrait`, `white`, `infrared`, `ultraviolet`)."""
    lines, images = _document(words)
    twin.present(lines, images.pop("portrait", None), pictures=images)


def _present_page(twin: PageTwin, words: list[str]) -> None:
    """Lay down a document for a reader of pictures."""
    lines, images = _document(words)
    twin.present(images, lines)


def _document(words: list[str]) -> tuple[list[str], dict[str, bytes]]:
    """Return the lines, and the contents of the files by role."""
    roles = IMAGE_ROLES.values()
    first = next((index for index, word in enumerate(words) if word in roles), len(words))
    files = words[first:]
    if len(files) % 2 or not set(files[::2]) <= set(roles):
        raise ValueError(f"a file stands after its role: {', '.join(roles)}")
    return words[:first], {role: Path(file).read_bytes() for role, file in zip(files[::2], files[1::2], strict=True)}


def _say(row: dict[str, object], *, as_json: bool) -> None:
    print(json.dumps(row) if as_json else "  ".join(f"{key}={value}" for key, value in row.items()))
    sys.stdout.flush()
