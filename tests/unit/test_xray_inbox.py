"""The X-ray inbox: strict results, files taken once and only whole, refused ones kept, a changed decision told."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.contracts import DeviceEvent
from drivers.surroundings import XrayDecision, XrayReported
from drivers.xray_inbox.driver import XrayFolder, build
from drivers.xray_inbox.errors import XrayResultRefused
from drivers.xray_inbox.result import RESULT_LIMIT_BYTES, parse_result
from drivers.xray_inbox.twin import XrayFolderTwin
from gate_agent.clock import SystemClock
from tests.waiting import until

GOOD = {"scan_id": "UTO-1", "decision": "alarm", "image_reference": "images/1.dcs"}


class Inbox:
    def __init__(self, folder: Path) -> None:
        self.twin = XrayFolderTwin(folder / "inbox")
        self.events: list[DeviceEvent] = []
        options = {"path": str(self.twin.path), "poll_s": 0.005, "reconnect_limit_s": 0.1}
        self.driver: XrayFolder = build("xray", options, self.events.append, SystemClock())

    def results(self) -> list[XrayReported]:
        return [event.data for event in self.events if isinstance(event.data, XrayReported)]

    def names(self) -> list[str]:
        return sorted(path.name for path in self.twin.path.iterdir())

    async def until(self, is_met: Callable[[], object]) -> None:
        await until(is_met, 5)


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    bench = Inbox(tmp_path)
    await bench.twin.plug()
    task = asyncio.create_task(bench.driver.run())
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_result_is_read() -> None:
    assert parse_result(json.dumps(GOOD).encode()) == XrayReported("UTO-1", XrayDecision.ALARM, "images/1.dcs")
    assert parse_result(b'{"scan_id":"a","decision":"undetermined"}').decision is XrayDecision.UNDETERMINED


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b'{"scan_id":"a"}',
        b'{"decision":"clear"}',
        b'{"scan_id":"a","decision":"Clear"}',
        b'{"scan_id":"a","decision":true}',
        b'{"scan_id":"a","decision":"alarm","decision":"clear"}',
        b'{"scan_id":"a","decision":"clear","operator":"b"}',
        b'{"scan_id":7,"decision":"clear"}',
        b'{"scan_id":"","decision":"clear"}',
        b'{"scan_id":"a b","decision":"clear"}',
        b'{"scan_id":"a\\n","decision":"clear"}',
        b'{"scan_id":"a","decision":"clear","image_reference":null}',
        b'{"scan_id":"\xff","decision":"clear"}',
        '{"scan_id":"a","decision":"clear"}'.encode("utf-16"),
        b"[" * (RESULT_LIMIT_BYTES - 1),
        json.dumps(GOOD).encode() + b" " * RESULT_LIMIT_BYTES,
        json.dumps(GOOD | {"scan_id": "x" * 129}).encode(),
    ],
    ids=lambda content: content[:40].hex()[:24] + f"-{len(content)}",
)
def test_what_is_no_result_is_refused(content: bytes) -> None:
    with pytest.raises(XrayResultRefused):
        parse_result(content)


async def test_a_file_is_taken_once_and_removed(inbox: Inbox) -> None:
    scans = [inbox.twin.screen(decision) for decision in XrayDecision]
    await inbox.until(lambda: len(inbox.results()) == 3 and not inbox.names())
    assert [(one.scan_id, one.decision) for one in inbox.results()] == list(zip(scans, XrayDecision, strict=True))


async def test_an_unfinished_file_is_left_alone_until_it_has_its_name(inbox: Inbox) -> None:
    unfinished = inbox.twin.path / "a.part"
    unfinished.write_bytes(json.dumps(GOOD).encode()[:20])
    (inbox.twin.path / ".hidden.json").write_bytes(json.dumps(GOOD).encode())
    inbox.twin.screen(scan_id="UTO-9")
    await inbox.until(lambda: len(inbox.results()) == 1 and inbox.names() == [".hidden.json", "a.part"])
    unfinished.write_bytes(json.dumps(GOOD).encode())
    unfinished.rename(unfinished.with_suffix(".json"))
    await inbox.until(lambda: len(inbox.results()) == 2)
    assert inbox.results()[1].scan_id == "UTO-1"


async def test_a_repeat_is_not_told_again_but_a_changed_decision_is(inbox: Inbox) -> None:
    for decision in (XrayDecision.CLEAR, XrayDecision.CLEAR, XrayDecision.ALARM):
        inbox.twin.screen(decision, "UTO-5")
    await inbox.until(lambda: len(inbox.results()) >= 2 and not inbox.names())
    assert [one.decision for one in inbox.results()] == [XrayDecision.CLEAR, XrayDecision.ALARM]


async def test_a_refused_file_is_kept_and_stops_nobody(inbox: Inbox) -> None:
    inbox.twin.leave(b'{"scan_id":"a","decision":"maybe"}')
    outside = inbox.twin.path.parent / "outside"
    outside.write_bytes(json.dumps(GOOD).encode())
    (inbox.twin.path / "link.json").symlink_to(outside)
    os.mkfifo(inbox.twin.path / "pipe.json")
    (inbox.twin.path / "folder.json").mkdir()
    inbox.twin.leave(b"x" * (RESULT_LIMIT_BYTES * 4))
    await inbox.until(lambda: inbox.driver.reporter.fault_counts["DRV-XRY-001"] == 5)
    inbox.twin.screen(scan_id="UTO-8")
    await inbox.until(lambda: inbox.driver.state == "ready" and len(inbox.names()) == 5)
    assert [one.scan_id for one in inbox.results()] == ["UTO-8"]
    assert all(name.endswith(".json.refused") for name in inbox.names())
    assert outside.exists()


async def test_what_was_read_and_not_understood_yet_is_read_again(inbox: Inbox) -> None:
    original = inbox.driver.received

    def fail(_chunk: bytes, _t_mono_s: float) -> bool:
        inbox.driver.received = original  # type: ignore[method-assign]
        raise ZeroDivisionError

    inbox.driver.received = fail  # type: ignore[method-assign]
    inbox.twin.screen(scan_id="UTO-7")
    await inbox.until(inbox.results)
    assert inbox.driver.reporter.fault_counts["DRV-DEV-005"] == 1
    assert [one.scan_id for one in inbox.results()] == ["UTO-7"]
