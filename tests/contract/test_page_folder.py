"""A full-page reader's folder: each document taken once and destroyed, torn, foreign and hostile files refused, presence and orders."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.contracts import (
    DeviceState,
    DocumentPresented,
    DocumentRemoved,
    MrzRead,
    Unsupported,
)
from drivers.document_reader.page_folder import build
from drivers.document_reader.page_folder_twin import AGAIN, ALIVE, PRESENT, PageFolderTwin
from drivers.document_reader.page_part import PagePart, part_of
from drivers.document_reader.page_patterns import PagePatterns
from drivers.errors import OptionsRefused
from gate_agent.clock import SystemClock
from tests.contract.rig_core import LINES
from tests.contract.rig_pages import PICTURE
from tests.contract.running_driver import RunningDriver
from tests.waiting import until

ALL = {"white": PICTURE, "infrared": PICTURE[:-2] + b"i\xff\xd9", "ultraviolet": PICTURE[:-2] + b"u\xff\xd9"}


class Bench(RunningDriver):
    """A running driver on a twin's folder."""

    def __init__(self, folder: Path, **options: object) -> None:
        self.twin = PageFolderTwin(folder / "pages")
        self.path = self.twin.path
        settings = {"path": str(self.path), "poll_s": 0.01, "settle_s": 0.05, "quiet_s": 0.2, "dead_s": 10.0}
        super().__init__("page_folder", **{**settings, **options})

    async def start(self) -> None:
        await self.twin.plug()
        self.run()
        await self.until_ready()

    async def stop(self) -> None:
        await super().stop()
        await self.twin.unplug()

    def names(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.path)) for path in self.path.rglob("*") if path.name not in {ALIVE, PRESENT}
        )


@pytest.fixture
async def benches(tmp_path: Path) -> AsyncIterator[Callable[..., Coroutine[Any, Any, Bench]]]:
    running: list[Bench] = []

    async def bench(**options: object) -> Bench:
        one = Bench(tmp_path, **options)
        running.append(one)
        await one.start()
        return one

    yield bench
    for one in running:
        await one.stop()


Benches = Callable[..., Coroutine[Any, Any, Bench]]


async def test_a_document_is_told_whole_and_destroyed(benches: Benches) -> None:
    bench = await benches(lines="{document}-mrz.txt")
    bench.twin.present(ALL, LINES)
    await bench.until(lambda: len(bench.pictures()) == 3)
    presented, read, *pictures = bench.told()
    assert presented == DocumentPresented()
    assert read == MrzRead(LINES)
    assert {one.role: one.content for one in pictures} == ALL
    assert {one.media_type for one in pictures} == {"image/jpeg"}
    assert bench.names() == []


async def test_it_is_ready_without_a_word_of_the_program_when_the_disk_answers(benches: Benches) -> None:
    bench = await benches()
    assert bench.states() == [DeviceState.STARTING, DeviceState.READY]


async def test_what_lay_there_before_is_nobodys(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.path.mkdir(mode=0o700)
    for role, content in ALL.items():
        bench.twin.write({"white": "1-white.jpg", "infrared": "1-ir.jpg", "ultraviolet": "1-uv.jpg"}[role], content)
    (bench.path / "readme").write_text("the maker's")
    await bench.start()
    await asyncio.sleep(0.2)
    assert bench.told() == []
    assert bench.names() == ["readme"]
    await bench.stop()


async def test_a_document_that_was_taken_while_the_read_was_given_up_comes_with_the_next_one(tmp_path: Path) -> None:
    """The supervisor gives a read up whenever the reader was quiet; the files are destroyed by then."""
    twin = PageFolderTwin(tmp_path / "pages")
    await twin.plug()
    source = build(
        "reader", {"path": str(twin.path), "settle_s": 0.02, "poll_s": 0.01}, lambda _: None, SystemClock()
    ).source
    link = await source.open()
    looks, goes_on = threading.Semaphore(0), threading.Event()
    look = source.files.look

    def slow(now_s: float) -> list[PagePart]:
        parts = look(now_s)
        if parts:
            looks.release()
            goes_on.wait(20)
        return parts

    source.files.look = slow
    twin.present(ALL)
    reading = asyncio.create_task(link.read())
    await until(lambda: looks.acquire(blocking=False))
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    goes_on.set()
    async with asyncio.timeout(20):
        kinds = [part_of(await link.read()).kind for _ in range(5)]
    assert kinds == ["begin", "white", "infrared", "ultraviolet", "end"]
    await link.close()
    source.close()
    await twin.unplug()


async def test_a_folder_that_vanishes_and_returns(benches: Benches) -> None:
    bench = await benches(reconnect_limit_s=0.1)
    for count in range(1, 4):
        await bench.twin.unplug()
        await bench.until(lambda: bench.driver.state is DeviceState.ABSENT)
        await bench.twin.plug()
        await bench.until(lambda: bench.driver.state is DeviceState.READY)
        bench.twin.present(ALL)
        await bench.until(lambda count=count: len(bench.pictures()) == 3 * count)


async def test_a_file_that_grows_byte_by_byte_is_taken_when_it_stands_still(benches: Benches) -> None:
    bench = await benches(pictures={"white": "{document}.jpg"}, settle_s=1.0)
    with (bench.path / "1.jpg").open("wb", buffering=0) as growing:
        for byte in PICTURE[:40]:
            growing.write(bytes((byte,)))
            await asyncio.sleep(0.01)
        assert bench.told() == []
        growing.write(PICTURE[40:])
    await bench.until(bench.pictures)
    assert bench.pictures()[0].content == PICTURE
    assert len(bench.pictures()) == 1


async def test_a_file_that_never_stops_growing_is_refused_when_it_is_too_large(benches: Benches) -> None:
    bench = await benches(
        pictures={"white": "{document}.jpg"}, settle_s=5.0, incomplete_s=60.0, picture_limit_bytes=4096
    )
    with (bench.path / "1.jpg").open("wb", buffering=0) as growing:
        async with asyncio.timeout(15):
            while not bench.refused():
                growing.write(bytes(200))
                await asyncio.sleep(0.01)
    assert bench.refused() == ["white is larger than 4096 bytes"]
    await bench.until(lambda: bench.names() == [])


async def test_a_mark_says_that_a_document_is_whole(benches: Benches) -> None:
    bench = await benches(
        pictures={"white": "{document}/white.jpg", "infrared": "{document}/ir.jpg"}, complete="{document}/done"
    )
    folder = bench.path / "document 7"
    folder.mkdir()
    (folder / "white.jpg").write_bytes(PICTURE)
    (folder / "preview.bmp").write_bytes(b"BM")
    await asyncio.sleep(0.3)
    assert bench.told() == []
    (folder / "done").touch()
    await bench.until(bench.pictures)
    assert [one.role for one in bench.pictures()] == ["white"]
    await bench.until(lambda: bench.names() == [])


async def test_a_document_that_stays_incomplete_is_refused_and_destroyed(benches: Benches) -> None:
    bench = await benches(incomplete_s=0.2)
    bench.twin.present({"white": PICTURE})
    await bench.until(bench.refused)
    assert bench.refused() == ["incomplete: infrared, ultraviolet never came"]
    assert bench.driver.reporter.fault_code == "DRV-PAG-001"
    await bench.until(lambda: bench.names() == [])
    bench.twin.present(ALL)
    await bench.until(bench.pictures)
    assert bench.driver.reporter.fault_code == ""


def large(folder: Path) -> None:
    (folder / "1.jpg").write_bytes(PICTURE[:-2] + bytes(3000) + b"\xff\xd9")


def linked(folder: Path) -> None:
    (folder.parent / "secret.jpg").write_bytes(PICTURE)
    (folder / "1.jpg").symlink_to(folder.parent / "secret.jpg")


def hard_linked(folder: Path) -> None:
    (folder.parent / "secret.jpg").write_bytes(PICTURE)
    os.link(folder.parent / "secret.jpg", folder / "1.jpg")


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "1.jpg")


def a_folder(folder: Path) -> None:
    (folder / "1.jpg").mkdir()


@pytest.mark.parametrize(
    ("making", "reason"),
    [
        (lambda folder: (folder / "1.jpg").write_bytes(PICTURE[:-2]), "white: torn: its end is missing"),
        (lambda folder: (folder / "1.jpg").write_bytes(b"BM" + bytes(50)), "white: no JPEG, JPEG 2000 or PNG file"),
        (lambda folder: (folder / "1.jpg").touch(), "white: no JPEG, JPEG 2000 or PNG file"),
        (large, "white is larger than 2000 bytes"),
        (linked, "white is a symbolic link"),
        (hard_linked, "white is a hard link"),
        (fifo, "white is no plain file"),
        (a_folder, "white is no plain file"),
    ],
    ids=["torn", "another type", "empty", "too large", "symbolic link", "hard link", "fifo", "folder"],
)
async def test_what_is_no_picture_is_refused_by_its_reason(
    benches: Benches, making: Callable[[Path], object], reason: str
) -> None:
    bench = await benches(pictures={"white": "{document}.jpg"}, picture_limit_bytes=2000)
    making(bench.path)
    await bench.until(bench.refused)
    assert bench.refused() == [reason]
    assert bench.pictures() == []
    await bench.until(lambda: bench.names() == [])
    secret = bench.path.parent / "secret.jpg"
    assert not secret.exists() or secret.read_bytes() == PICTURE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
async def test_another_users_file_is_refused(benches: Benches) -> None:
    bench = await benches(pictures={"white": "{document}.jpg"}, owners=["root"])
    (bench.path / "1.part").write_bytes(PICTURE)
    os.chown(bench.path / "1.part", 65534, 65534)
    (bench.path / "1.part").rename(bench.path / "1.jpg")
    await bench.until(bench.refused)
    assert bench.refused() == ["white belongs to another user"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
async def test_the_folders_owner_is_who_writes_there(benches: Benches) -> None:
    bench = await benches(pictures={"white": "{document}.jpg"})
    os.chown(bench.path, 65534, 65534)
    (bench.path / "1.part").write_bytes(PICTURE)
    os.chown(bench.path / "1.part", 65534, 65534)
    (bench.path / "1.part").rename(bench.path / "1.jpg")
    await bench.until(bench.pictures)
    assert bench.refused() == []


async def test_a_link_in_place_of_a_documents_folder_is_removed_and_not_followed(benches: Benches) -> None:
    bench = await benches(pictures={"white": "{document}/white.jpg"})
    other = bench.path.parent / "other"
    other.mkdir()
    (other / "white.jpg").write_bytes(PICTURE)
    (bench.path / "1").symlink_to(other)
    await bench.until(bench.refused)
    assert bench.refused() == ["the document's folder is a symbolic link"]
    assert (other / "white.jpg").read_bytes() == PICTURE
    assert bench.pictures() == []


async def test_the_same_names_again_are_another_document(benches: Benches) -> None:
    bench = await benches(pictures={"white": "{document}.jpg"})
    for count in range(1, 5):
        (bench.path / "1.jpg").write_bytes(PICTURE)
        await bench.until(lambda count=count: len(bench.pictures()) == count)
        await asyncio.sleep(0.15)
        assert len(bench.pictures()) == count, "a document was read twice"
    assert bench.told().count(DocumentPresented()) == 4


async def test_taken_documents_can_be_put_aside(benches: Benches, tmp_path: Path) -> None:
    bench = await benches(aside=str(tmp_path / "aside"))
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 3)
    assert sorted(path.name for path in (tmp_path / "aside").rglob("*") if path.is_file()) == sorted(ALL)
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 6)
    assert len(list((tmp_path / "aside").iterdir())) == 2


async def test_presence_and_another_read_of_the_same_document(benches: Benches) -> None:
    bench = await benches(present=PRESENT, again=AGAIN, alive=ALIVE)
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 3)
    await bench.driver.read_again()
    await bench.until(lambda: len(bench.pictures()) == 6)
    bench.twin.remove()
    await bench.until(lambda: bench.told()[-1] == DocumentRemoved())
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 9)
    assert bench.twin.read_again_count == 1
    assert [one for one in bench.told() if isinstance(one, DocumentPresented | DocumentRemoved)] == [
        DocumentPresented(),
        DocumentRemoved(),
        DocumentPresented(),
    ]


async def test_what_was_asked_for_is_no_new_document_where_presence_is_not_told(benches: Benches) -> None:
    bench = await benches(again=AGAIN, alive=ALIVE)
    bench.twin.present(ALL)
    await bench.until(lambda: len(bench.pictures()) == 3)
    await bench.driver.read_again()
    await bench.until(lambda: len(bench.pictures()) == 6)
    assert bench.told().count(DocumentPresented()) == 1


async def test_a_program_that_takes_no_orders_says_so(benches: Benches) -> None:
    bench = await benches()
    with pytest.raises(Unsupported):
        await bench.driver.read_again()


async def test_a_folder_that_everybody_may_write_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path, reconnect_limit_s=0.1)
    bench.path.mkdir()
    bench.path.chmod(0o777)
    bench.run()
    await bench.until_fault("DRV-LNK-002")
    await bench.stop()


async def test_a_disk_that_hangs_is_a_fault_and_keeps_one_thread(benches: Benches) -> None:
    bench = await benches(dead_s=0.6, reconnect_limit_s=0.1)
    files, answers = bench.driver.source.files, threading.Event()
    original, threads = files.look, threading.active_count()

    def hanging(now_s: float) -> Any:
        answers.wait(30)
        return original(now_s)

    files.look = hanging
    await bench.until_fault("DRV-DEV-001")
    await asyncio.sleep(0.5)
    assert threading.active_count() <= threads
    files.look = original
    answers.set()
    await bench.until_ready()
    bench.twin.present(ALL)
    await bench.until(bench.pictures)


async def test_documents_that_come_together_are_told_one_by_one(benches: Benches) -> None:
    bench = await benches(pictures={"white": "{document}.jpg"})
    for count in range(20):
        part = bench.path / f"{99 - count}.part"
        part.write_bytes(PICTURE[:-2] + bytes((count,)) + b"\xff\xd9")
        os.utime(part, (count, count))
    for part in bench.path.glob("*.part"):
        part.rename(part.with_suffix(".jpg"))
    await bench.until(lambda: len(bench.pictures()) == 20)
    assert {one.content[-3] for one in bench.pictures()} == set(range(20))
    assert bench.told().count(DocumentPresented()) == 20


async def test_a_folder_full_of_other_files_is_said(benches: Benches) -> None:
    bench = await benches(reconnect_limit_s=0.1)
    for count in range(1001):
        (bench.path / f"{count}.log").touch()
    await bench.until_fault("DRV-LNK-002")
    for path in bench.path.glob("*.log"):
        path.unlink()
    await bench.until_ready()


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({"pictures": {"white": "white.jpg"}}, "stands in it once"),
        ({"pictures": {"white": "a/{document}.jpg"}}, "a folder in it"),
        ({"pictures": {"white": "{document}/../../etc/{document}"}}, "stands in it once"),
        ({"pictures": {"white": "{document}/.hidden"}}, "begins with a dot"),
        ({"pictures": {"coaxial": "{document}.jpg"}}, "no picture is called coaxial"),
        ({"settle_s": 5.0, "incomplete_s": 2.0}, "longer than settle_s"),
        ({"alive": "../alive"}, "alive"),
        ({"owners": ["nobody-of-that-name"]}, "no user of this machine"),
        ({"aside": "/var/pages/aside", "path": "/var/pages"}, "aside lies outside path"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(tmp_path: Path, options: dict[str, object], place: str) -> None:
    with pytest.raises(OptionsRefused, match=place):
        build("pages", {"path": str(tmp_path), **options}, lambda _event: None, SystemClock())


@given(document=st.from_regex(r"[A-Za-z0-9 _-]{1,20}", fullmatch=True), role=st.sampled_from(["white", "ir"]))
def test_patterns_find_the_document_and_the_part(document: str, role: str) -> None:
    patterns = PagePatterns({"white": "{document}-white.*", "infrared": "{document}/ir.jpg"})
    name = f"{document}-white.png" if role == "white" else f"{document}/ir.jpg"
    found = patterns.of(name)
    assert found is not None
    assert found.part == {"white": "white", "ir": "infrared"}[role]
    assert role == "ir" or found.document == document.split("-white.", maxsplit=1)[0]


@given(name=st.text(max_size=40))
def test_no_name_makes_patterns_fail(name: str) -> None:
    found = PagePatterns({"white": "{document}.*", "infrared": "{document}/ir.*"}).of(name)
    assert found is None or (found.document and not found.document.startswith(".") and "/" not in found.document)
