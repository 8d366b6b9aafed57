"""The core of the drivers without a device: backoff, reports, tapes, options, and the command line over twins."""

import asyncio
import importlib
import json
import random
import stat
from pathlib import Path

import pytest

from drivers.barcode.twin import BarcodeReaderTwin
from drivers.contracts import BarcodeRead, DeviceEvent, DeviceState, DocumentPresented, StateChanged
from drivers.errors import DeviceRefused, DeviceSilent, DriverFault, FrameDamaged, OptionsRefused, TapeFault
from drivers.registry import BUILT_IN, build
from drivers.reporter import Reporter
from drivers.supervisor import Backoff
from drivers.tape import TapeEntry, TapeWriter, read_tape
from drivers.twin import TcpTwin
from gate_agent.cli import main
from gate_agent.clock import SystemClock
from tests.unit.device_processes import start_devices

CLOCK = SystemClock()


def all_faults(kind: type[DriverFault]) -> list[type[DriverFault]]:
    return [kind, *(deeper for child in kind.__subclasses__() for deeper in all_faults(child))]


def test_codes_are_unique_and_each_fault_has_a_remedy() -> None:
    for built_in in BUILT_IN.values():
        importlib.import_module(built_in.target.partition(":")[0])
    faults = [fault for fault in all_faults(DriverFault) if fault.__module__.startswith("drivers.")]
    codes = [fault.code for fault in faults]
    assert len(set(codes)) == len(codes)
    assert all(code.startswith("DRV-") for code in codes)
    assert all(fault.remedy.endswith(".") for fault in faults)


def test_backoff_doubles_to_its_cap_with_jitter_and_resets() -> None:
    backoff = Backoff(0.05, 5.0, random.Random(1))
    pauses = [backoff.next_s() for _ in range(12)]
    steps = [min(0.05 * 2**index, 5.0) for index in range(12)]
    assert all(step / 2 <= pause <= step for pause, step in zip(pauses, steps, strict=True))
    assert len(set(pauses[8:])) == 4
    backoff.reset()
    assert backoff.next_s() <= 0.05


def test_reports_have_no_gap_and_repeat_no_state() -> None:
    events: list[DeviceEvent] = []
    reporter = Reporter("device", events.append, CLOCK)
    reporter.change(DeviceState.STARTING)
    reporter.change(DeviceState.STARTING)
    reporter.change(DeviceState.READY)
    reporter.emit(DocumentPresented(), 12.5, b"raw")
    reporter.record(FrameDamaged("torn"))
    reporter.record(FrameDamaged("torn"))
    reporter.clear()
    reporter.clear()
    reporter.change(DeviceState.FAULT, DeviceSilent("silent"))
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
    assert (events[2].t_mono_s, events[2].raw) == (12.5, b"raw")
    assert [event.data for event in events[3:5]] == [
        StateChanged(DeviceState.READY, "DRV-FRM-003", FrameDamaged.remedy),
        StateChanged(DeviceState.READY),
    ]
    assert reporter.fault_counts == {"DRV-FRM-003": 2, "DRV-DEV-001": 1}


def test_each_owner_clears_its_own_fault() -> None:
    events: list[DeviceEvent] = []
    reporter = Reporter("device", events.append, CLOCK)
    reporter.change(DeviceState.READY)
    reporter.record(DeviceRefused("lamp"))
    reporter.record(FrameDamaged("torn"))
    reporter.record(FrameDamaged("torn"))
    reporter.clear(FrameDamaged.code)
    reporter.clear(FrameDamaged.code)
    assert reporter.fault_code == DeviceRefused.code
    reporter.clear(DeviceRefused.code)
    assert reporter.fault_code == ""
    codes = [event.data.fault for event in events if isinstance(event.data, StateChanged)]
    assert codes == ["", "DRV-DEV-003", "DRV-FRM-003", "DRV-DEV-003", ""]
    assert reporter.fault_counts == {"DRV-FRM-003": 2, "DRV-DEV-003": 1}
    reporter.record(DeviceRefused("lamp"))
    reporter.change(DeviceState.STARTING)  # a new connection begins with nothing recorded
    reporter.change(DeviceState.READY)
    reporter.record(FrameDamaged("torn"))
    reporter.clear()
    assert reporter.fault_code == ""


def test_a_tape_is_private_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with TapeWriter(path, CLOCK) as tape:
        tape.record("open", b"")
        tape.record("tx", b"\x16M\r")
        tape.record("rx", bytes(range(256)))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    entries = list(read_tape(path))
    assert [entry[1:] for entry in entries] == [("open", b""), ("tx", b"\x16M\r"), ("rx", bytes(range(256)))]
    assert entries == sorted(entries, key=lambda entry: entry.t_mono_s)
    with pytest.raises(FileExistsError):
        TapeWriter(path, CLOCK)  # evidence is never overwritten


@pytest.mark.parametrize(
    "line",
    ["nonsense", "[]", '{"t": 1}', '{"t": 1, "direction": "rx", "hex": "0"}', '{"t":1,"direction":"up","hex":""}'],
)
def test_a_broken_tape_names_its_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text('{"t": 1, "direction": "rx", "hex": "00"}\n' + line + "\n")
    with pytest.raises(TapeFault, match="line 2"):
        list(read_tape(path))


def test_a_gap_on_the_tape_ends_a_symbol_as_it_did_live() -> None:
    events: list[DeviceEvent] = []
    options = {"path": "tape", "suffix": "", "has_aim_id": False, "probe": "", "frame_gap_s": 0.05}
    driver = build("device", "barcode_serial", options, events.append, CLOCK)
    pieces = [(1.0, "open", b""), (2.0, "rx", b"one"), (2.01, "rx", b"+"), (2.2, "rx", b"two")]
    driver.replay([TapeEntry(*piece) for piece in pieces])  # type: ignore[attr-defined]
    assert [event.data for event in events if isinstance(event.data, BarcodeRead)] == [
        BarcodeRead(b"one+"),
        BarcodeRead(b"two"),
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "path: Field required"),
        ({"path": "x", "start": "0g"}, "written in hex"),
        ({"path": "x", "baud": 1}, "baud"),
        ({"path": "x", "image_limit_bytes": 10**9}, "image_limit_bytes"),
    ],
)
def test_options_are_refused_with_their_name(options: dict[str, object], words: str) -> None:
    with pytest.raises(OptionsRefused, match=words):
        build("reader-1", "mrz_serial", options, lambda _event: None, CLOCK)


# ---- command line


def test_devices_list_names_drivers_and_devices(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["devices", "list", "--drivers", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["driver"]: row["class"] for row in rows}["modbus_barrier"] == "barrier"
    site = tmp_path / "gate.toml"
    site.write_text('[[device]]\nname = "reader-1"\ndriver = "mrz_serial"\n[device.options]\npath = "/dev/x"\n')
    assert main(["devices", "list", "--config", str(site), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"device": "reader-1", "driver": "mrz_serial", "lane": None}


def test_devices_probe_says_fault_and_remedy(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["--driver", "mrz_serial", "--option", f"path={tmp_path / 'nothing'}", "--seconds", "0.1", "--json"]
    assert main(["devices", "probe", *words]) == 1
    row = json.loads(capsys.readouterr().out)
    assert (row["state"], row["fault"]) == ("absent", "DRV-LNK-001")
    assert row["remedy"]


def test_devices_refuses_bad_options_with_a_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "probe", "--driver", "mrz_serial", "--option", "colour=red"]) == 3
    assert "DRV-OPT-001" in (told := capsys.readouterr().err)
    assert "colour" in told
    assert main(["devices", "watch", "--driver", "nothing"]) == 3
    assert "DRV-OPT-002" in capsys.readouterr().err


async def test_twin_watch_record_and_replay_by_hand(tmp_path: Path) -> None:
    """The four commands together, as processes: what the twin scans is watched, recorded and replayed."""
    path, tape = tmp_path / "scanner", tmp_path / "tape.jsonl"

    async with asyncio.timeout(30):
        twin = await start_devices("twin", "barcode_serial", "--path", str(path), "--json")
        assert json.loads(await twin.stdout.readline())["path"] == str(path)
        device = ["--driver", "barcode_serial", "--option", f"path={path}"]
        watching = await start_devices("record", *device, "--tape", str(tape), "--json", "--content")
        while json.loads(await watching.stdout.readline()).get("state") != "ready":
            pass
        twin.stdin.write(b"scan HC1:UTOPIA\n")
        told = json.loads(await watching.stdout.readline())
        assert (told["kind"], bytes.fromhex(told["payload"]), told["symbology"]) == ("BarcodeRead", b"HC1:UTOPIA", "QR")
        answers, _ = await twin.communicate(b"fly\nquit\n")
        assert "no command 'fly'" in answers.decode()
        assert twin.returncode == 0
        assert json.loads(await watching.stdout.readline())["state"] == "absent"
        watching.send_signal(2)
        await watching.communicate()
        assert watching.returncode == 130
        replayed = await start_devices("replay", str(tape), *device, "--json")
        lines, errors = await replayed.communicate()
        assert replayed.returncode == 0, errors
    rows = [json.loads(line) for line in lines.splitlines()]
    (again,) = [row for row in rows if row["kind"] == "BarcodeRead"]
    assert again["payload_length"] == 10
    assert b"UTOPIA" not in lines  # contents are shown only when asked for


async def test_a_delayed_twin_is_late_and_keeps_its_order(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    twin = BarcodeReaderTwin(tmp_path / "scanner")
    await twin.plug()
    events: list[DeviceEvent] = []
    driver = build("scanner", "barcode_serial", {"path": str(twin.path)}, events.append, CLOCK)
    running = asyncio.create_task(driver.run())
    try:
        async with asyncio.timeout(5):
            while driver.state is not DeviceState.READY:
                await asyncio.sleep(0.005)
            started_s = loop.time()
            twin.delay(0.2)
            twin.scan(b"first")
            twin.delay(0.0)
            twin.scan(b"second")
            while len(read := [event.data.payload for event in events if isinstance(event.data, BarcodeRead)]) < 2:
                await asyncio.sleep(0.005)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await twin.unplug()
    assert read == [b"first", b"second"]
    assert loop.time() - started_s >= 0.2


class EchoTwin(TcpTwin):
    """Sends back what it hears."""

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(100):
            self.send(writer, chunk)


async def test_a_delayed_network_twin_is_late_and_keeps_its_order() -> None:
    loop = asyncio.get_running_loop()
    twin = EchoTwin()
    await twin.plug()
    reader, writer = await asyncio.open_connection("127.0.0.1", twin.port)
    twin.delay(0.2)
    started_s = loop.time()
    writer.write(b"first ")
    await asyncio.sleep(0.05)
    twin.delay(0.0)
    writer.write(b"second")
    async with asyncio.timeout(5):
        assert await reader.readexactly(12) == b"first second"
    assert loop.time() - started_s >= 0.2
    writer.close()
    await twin.unplug()
