"""A flatbed through scanimage: its test backend as the second party, and a virtual scanner that hangs, fails and floods."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contracts import DeviceState, DocumentPresented
from drivers.document_reader import scanimage
from drivers.document_reader.sane_scanner import build
from drivers.document_reader.scanimage import Scanimage, found_scanners
from drivers.document_reader.scanimage_twin import BUTTON, DEVICE, ScanimageTwin
from drivers.document_reader.scanimage_words import LIST_FORMAT, failure, is_pressed, options_in, scanners_in
from drivers.errors import OptionsRefused
from gate_agent.cli.devices_discover import discovered_scanners
from gate_agent.clock import SystemClock
from gate_agent.settings import DeviceSettings
from tests.contract.rig_pages import PICTURE
from tests.contract.running_driver import RunningDriver

SCANIMAGE = shutil.which("scanimage")
with_scanimage = pytest.mark.skipif(SCANIMAGE is None, reason="Debian's sane-utils is not installed")


class Bench(RunningDriver):
    """A running driver."""

    def __init__(self, **options: object) -> None:
        super().__init__("sane_scanner", **{"poll_s": 0.01, "reconnect_limit_s": 0.1, **options})
        self.run()


Benches = Callable[..., Coroutine[Any, Any, Bench]]


@pytest.fixture
async def benches() -> AsyncIterator[Benches]:
    running: list[Bench] = []

    async def bench(**options: object) -> Bench:
        running.append(Bench(**options))
        return running[-1]

    yield bench
    for one in running:
        await one.stop()


@pytest.fixture
async def twin(tmp_path: Path) -> ScanimageTwin:
    scanner = ScanimageTwin(tmp_path / "scanner")
    await scanner.plug()
    return scanner


@pytest.fixture
def backend(tmp_path: Path) -> dict[str, object]:
    """Return options that lead to the test backend of SANE."""
    folder = tmp_path / "sane"
    folder.mkdir()
    (folder / "dll.conf").write_text("test\n")
    return {"device": "test:0", "program": SCANIMAGE, "config_folder": str(folder)}


def of(twin: ScanimageTwin) -> dict[str, object]:
    return {"device": DEVICE, "program": str(twin.program)}


@with_scanimage
@pytest.mark.parametrize(
    ("options", "shape"),
    [
        ({}, (1039, 1476)),
        ({"document": "TD1", "resolution_dpi": 600, "mode": "Gray"}, (1275, 2022)),
        ({"format": "png", "width_mm": 50.0, "height_mm": 20.0}, (236, 591)),
    ],
    ids=["passport", "card", "png"],
)
async def test_the_test_backend_gives_a_picture_of_the_area(
    benches: Benches, backend: dict[str, object], options: dict[str, object], shape: tuple[int, int]
) -> None:
    bench = await benches(**backend, settings={"test-picture": "Color pattern"}, **options)
    await bench.until_ready()
    await bench.driver.read_again()
    await bench.until(bench.pictures)
    presented, picture = bench.told()
    assert presented == DocumentPresented()
    assert picture.role == "white"
    decoded = cv2.imdecode(np.frombuffer(picture.content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    height, width = decoded.shape[:2]
    assert abs(height - shape[0]) <= 15  # its area goes in whole millimetres
    assert abs(width - shape[1]) <= 15


@with_scanimage
async def test_a_scanner_that_jams_is_a_failed_read(benches: Benches, backend: dict[str, object]) -> None:
    bench = await benches(**backend, settings={"read-return-value": "SANE_STATUS_JAMMED"})
    await bench.until_ready()
    await bench.driver.read_again()
    await bench.until(bench.refused)
    assert bench.refused() == ["scanimage: scanimage: sane_read: Document feeder jammed"]
    assert bench.driver.state is DeviceState.READY


@with_scanimage
async def test_a_slow_scan_is_ended(benches: Benches, backend: dict[str, object]) -> None:
    slow = {"read-delay": "yes", "read-delay-duration": "200000", "read-limit": "yes", "read-limit-size": "64"}
    bench = await benches(**backend, settings=slow, scan_timeout_s=0.5)
    await bench.until_ready()
    await bench.driver.read_again()
    await bench.until(bench.refused)
    assert bench.refused() == ["scanimage was ended: no answer within 0.5 s"]


@with_scanimage
@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"device": "test:9"}, "DRV-LNK-001"),
        ({"settings": {"no-such-option": "1"}}, "DRV-PAG-003"),
        ({"button": "scan"}, "DRV-PAG-003"),
        ({"memory_limit_bytes": 64 << 20, "program": "/no/such/program"}, "DRV-PAG-004"),
    ],
    ids=["no such device", "no such option", "no such button", "no such program"],
)
async def test_what_is_not_there_is_said(
    benches: Benches, backend: dict[str, object], options: dict[str, object], fault: str
) -> None:
    bench = await benches(**{**backend, **options})
    await bench.until(lambda: fault in bench.faults())


@with_scanimage
async def test_the_options_and_the_list_of_the_second_party_are_read(backend: dict[str, object]) -> None:
    environment = {**os.environ, "SANE_CONFIG_DIR": str(backend["config_folder"]), "LC_ALL": "C.UTF-8"}
    printed = []
    for words in (["-d", "test:0", "-n", "-A"], ["-f", LIST_FORMAT]):
        process = await asyncio.create_subprocess_exec(
            str(SCANIMAGE), *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=environment
        )
        printed.append((await process.communicate())[0].decode())
    options = options_in(printed[0])
    assert options["mode"] == "Gray"
    assert float(options["resolution"]) > 0
    assert options["hand-scanner"] == "no"
    assert {"l", "t", "x", "y"} <= options.keys()
    assert "three-pass" not in options, "it is inactive"
    assert [one.device for one in scanners_in(printed[1])] == ["test:0", "test:1"]


@with_scanimage
def test_discovery_shows_scanners_by_the_name_that_goes_into_the_options(backend: dict[str, object]) -> None:
    found = found_scanners(str(SCANIMAGE), str(backend["config_folder"]))
    devices = [DeviceSettings(name="flatbed", driver="sane_scanner", options={"device": "test:1"})]
    rows = list(discovered_scanners(devices, found))
    assert [(row["path"], row["devices"]) for row in rows] == [("test:0", []), ("test:1", ["flatbed"])]
    assert 'device = "test:0"' in rows[0]["remedy"]
    assert found_scanners("/no/such/program") == []


async def test_the_button_has_the_document_scanned_once(benches: Benches, twin: ScanimageTwin) -> None:
    bench = await benches(**of(twin), button=BUTTON)
    await bench.until_ready()
    await asyncio.sleep(0.1)
    assert bench.told() == []
    for count in (1, 2):
        twin.present({"white": PICTURE})
        await bench.until(lambda count=count: len(bench.pictures()) == count)
    await asyncio.sleep(0.2)
    assert len(bench.pictures()) == 2
    assert bench.told().count(DocumentPresented()) == 2


async def test_a_scan_on_command_is_of_the_same_document(benches: Benches, twin: ScanimageTwin) -> None:
    bench = await benches(**of(twin), button=BUTTON)
    await bench.until_ready()
    twin.present({"white": PICTURE})
    await bench.until(bench.pictures)
    await bench.driver.read_again()
    await bench.until(lambda: len(bench.pictures()) == 2)
    assert bench.told().count(DocumentPresented()) == 1


async def test_a_hanging_scan_is_killed_and_nothing_of_it_stays(benches: Benches, twin: ScanimageTwin) -> None:
    bench = await benches(**of(twin), quiet_s=60.0, dead_s=120.0, scan_timeout_s=0.3)
    await bench.until_ready()
    twin.mute()
    await bench.driver.read_again()
    await bench.until(bench.refused)
    hung = twin.started()[-1]
    await bench.until(lambda: not Path(f"/proc/{hung}").exists())
    twin.mute(on=False)
    twin.present({"white": PICTURE})
    await bench.driver.read_again()
    await bench.until(bench.pictures)


async def test_more_than_a_picture_is_ended(benches: Benches, twin: ScanimageTwin) -> None:
    bench = await benches(**of(twin), picture_limit_bytes=4096)
    await bench.until_ready()
    twin.present({"white": PICTURE[:-2] + bytes(300_000) + b"\xff\xd9"})
    await bench.driver.read_again()
    await bench.until(bench.refused)
    assert bench.refused() == ["scanimage was ended: more than 4096 bytes"]


async def test_one_that_wrote_more_than_its_pipes_hold_is_ended_though_nobody_read_yet(
    twin: ScanimageTwin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy gate the picture is there before anybody looks: the pipe is full and is not read on."""
    finished = scanimage._finished

    async def late(process: asyncio.subprocess.Process, timeout_s: float, limit_bytes: int) -> scanimage.Finished:
        await asyncio.sleep(0.5)
        return await finished(process, timeout_s, limit_bytes)

    monkeypatch.setattr(scanimage, "_finished", late)
    twin.present({"white": PICTURE[:-2] + bytes(3_000_000) + b"\xff\xd9"})
    program = Scanimage(str(twin.program), DEVICE, (), 10.0, 30.0, 4096, 1 << 30)
    async with asyncio.timeout(15):
        done = await program.run(["-d", DEVICE], 10.0, 4096)
    assert done.why_killed == "more than 4096 bytes"


async def test_words_that_flood_stderr_are_cut(benches: Benches, twin: ScanimageTwin) -> None:
    bench = await benches(**of(twin))
    await bench.until_ready()
    twin.fail("flood\n" * 50_000)
    await bench.driver.read_again()
    await bench.until(bench.refused)
    assert bench.refused()[0].startswith("scanimage: fl")


async def test_memory_is_limited(benches: Benches, twin: ScanimageTwin) -> None:
    limits = twin.path / "limits"
    twin.program.write_text(twin.program.read_text().replace("#!/bin/sh", f"#!/bin/sh\nsleep 1; ulimit -v > {limits}"))
    bench = await benches(**of(twin), memory_limit_bytes=256 << 20)
    await bench.until(limits.exists)
    await bench.until(lambda: limits.read_text().strip() == str((256 << 20) // 1024))


async def test_a_torn_picture_is_refused(benches: Benches, twin: ScanimageTwin) -> None:
    bench = await benches(**of(twin))
    await bench.until_ready()
    twin.present({"white": PICTURE[:-2]})
    await bench.driver.read_again()
    await bench.until(bench.refused)
    assert bench.refused() == ["white: torn: its end is missing"]


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"device": "--batch"}, "device"),
        ({"device": "-o/etc/passwd"}, "device"),
        ({"settings": {"--batch": "x"}}, "without dashes"),
        ({"settings": {"mode x": "1"}}, "without dashes"),
        ({"button": "-n"}, "without dashes"),
        ({"settings": {"a": "b\nc"}}, "printable"),
        ({"format": "tiff"}, "format"),
        ({"scan_timeout_s": 100.0}, "dead_s"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, object], place: str) -> None:
    with pytest.raises(OptionsRefused, match=place):
        build("flatbed", {"device": "test:0", **options}, lambda _event: None, SystemClock())


@given(text=st.text(max_size=400))
def test_any_text_is_options_or_none(text: str) -> None:
    found = options_in(text)
    assert all(name and not name.startswith("-") for name in found)
    assert is_pressed(found, "scan") in {None, True, False}
    scanners_in(text)


@given(stderr=st.binary(max_size=300))
def test_any_last_words_are_a_fault_that_can_be_printed(stderr: bytes) -> None:
    assert str(failure("flatbed", stderr)).isprintable()
