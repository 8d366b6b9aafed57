"""Chip readers with their reading process: presence, reads, silence, cancelling, replacement. Chips connect over a real socket."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from drivers.chip.child_messages import MessageRefused, decode, evidence_message, evidence_of, sizes
from drivers.contracts import (
    ChipAccess,
    ChipEvidence,
    ChipKeys,
    ChipOpened,
    ChipPresented,
    ChipRemoved,
    DeviceClass,
    DeviceEvent,
    DeviceState,
    ProtocolOutcome,
    StateChanged,
)
from drivers.errors import OptionsRefused
from drivers.registry import build
from gate_agent.clock import SystemClock
from tests.contract.reader_bench import ReaderBench
from tests.waiting import until

CLOCK = SystemClock()
ATR = bytes.fromhex("3B80800101")
KEYS = ChipKeys("L898902C<369080619406236")
REFUSING = (b"\x6a\x82", b"\x90\x00", bytes(8) + b"\x90\x00", b"\x63\x00")

Answer = Callable[[bytes], Awaitable[bytes | None]]


class Chip:
    """A chip on a socket that answers with `answer`; None: it leaves."""

    def __init__(self, answer: Answer) -> None:
        self.commands: list[bytes] = []
        self._answer = answer
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None

    async def come(self, port: int) -> None:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._task = asyncio.create_task(self._talk(reader, self._writer))

    async def leave(self) -> None:
        assert self._task is not None
        assert self._writer is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                message = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
                if len(message) == 1:
                    reply: bytes | None = ATR if message == b"\x04" else b""
                else:
                    self.commands.append(message)
                    reply = await self._answer(message)
                if reply is None:
                    writer.close()
                    return
                if reply:
                    writer.write(len(reply).to_bytes(2, "big") + reply)


def scripted(*answers: bytes) -> Answer:
    waiting = iter(answers)

    async def answer(_command: bytes) -> bytes | None:
        return next(waiting, None)

    return answer


async def silent(_command: bytes) -> bytes | None:
    await asyncio.Event().wait()
    return None


class Bench(ReaderBench):
    """A socket reader that chips are laid on."""

    def __init__(self, **options: object) -> None:
        super().__init__("socket_chip", **({"port": 0} | options))
        self._chips: list[Chip] = []  # the loop holds tasks weakly: a chip that nobody holds would leave by itself

    async def with_chip(self, answer: Answer) -> Chip:
        await self.ready()
        before = self.count(ChipPresented)
        chip = Chip(answer)
        self._chips.append(chip)
        await chip.come(self.reader.port)
        await self.until(lambda: self.count(ChipPresented) > before)
        return chip

    async def read(self, keys: ChipKeys = KEYS) -> ChipEvidence:
        return await super().read(keys)

    async def stop(self) -> None:
        await super().stop()
        for chip in self._chips:
            await chip.leave()


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Bench]]:
    running: list[Bench] = []

    def make(**options: object) -> Bench:
        running.append(Bench(**options))
        return running[-1]

    yield make
    for bench in running:
        await bench.stop()


async def test_an_empty_reader_is_ready_and_tells_of_chips_that_come_and_go(start: Callable[..., Bench]) -> None:
    bench = start()
    await bench.ready()
    assert bench.states() == [(DeviceState.READY, "")]
    assert bench.reader.device_class is DeviceClass.CHIP_READER
    for times in (1, 2):
        chip = await bench.with_chip(silent)
        assert bench.events[-1].data == ChipPresented(ATR)
        await chip.leave()
        await bench.until(lambda times=times: bench.count(ChipRemoved) == times)
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))


async def test_without_keys_or_chip_nothing_is_asked(start: Callable[..., Bench]) -> None:
    bench = start()
    assert (await bench.read()).fault == "DRV-DEV-004"  # not ready yet
    await bench.ready()
    assert (await bench.read()).fault == "DRV-CHP-007"
    assert (await bench.read(ChipKeys())).fault == "DRV-CHP-009"


async def test_a_refusing_chip_is_no_fault_and_can_be_asked_again(start: Callable[..., Bench]) -> None:
    bench = start()
    await bench.with_chip(scripted(*REFUSING, *REFUSING))
    for _ in range(2):
        evidence = await bench.read()
        assert evidence.fault == ""
        assert evidence.basic_access is ProtocolOutcome.FAILED
        assert evidence.access is ChipAccess.NONE
        assert evidence.apdus == 4
    assert not any(isinstance(told, ChipOpened) for told in bench.progress)
    assert bench.reader.state is DeviceState.READY


async def test_basic_access_can_be_forbidden(start: Callable[..., Bench]) -> None:
    bench = start(basic_access="never")
    chip = await bench.with_chip(scripted(*REFUSING))
    evidence = await bench.read()
    assert evidence.access is ChipAccess.NONE
    assert not any(command[1] in {0x84, 0x82} for command in chip.commands)


@pytest.mark.parametrize("after", range(4))
async def test_a_chip_torn_off_aborts_and_the_next_one_is_read(start: Callable[..., Bench], after: int) -> None:
    bench = start()
    await bench.with_chip(scripted(*REFUSING[:after]))
    assert (await bench.read()).fault == "DRV-CHP-001"
    assert bench.count(ChipRemoved) == 1  # before the evidence: nobody reads it once more until a chip comes
    await bench.with_chip(scripted(*REFUSING))
    assert (await bench.read()).basic_access is ProtocolOutcome.FAILED


async def test_a_silent_chip_aborts_and_is_sent_away(start: Callable[..., Bench]) -> None:
    bench = start(answer_timeout_s=0.3)
    await bench.with_chip(silent)
    evidence = await bench.read()
    assert evidence.fault == "DRV-CHP-002"
    assert evidence.duration_ms < 5000
    await bench.until(lambda: bench.count(ChipRemoved) == 1)
    await bench.with_chip(scripted(*REFUSING))
    assert (await bench.read()).fault == ""


async def test_more_of_an_answer_without_end_and_slow_trickles_are_bounded(start: Callable[..., Bench]) -> None:
    async def endless(_command: bytes) -> bytes | None:
        return b"\x00\x61\x01"

    async def slow(_command: bytes) -> bytes | None:
        await asyncio.sleep(0.1)
        return b"\x00\x61\x01"

    bench = start(read_timeout_s=0.5)
    chip = await bench.with_chip(endless)
    evidence = await bench.read()
    assert evidence.fault in {"DRV-CHP-003", "DRV-CHP-006"}
    assert len(chip.commands) < 400
    await chip.leave()
    await bench.until(lambda: bench.count(ChipRemoved) == 1)
    await bench.with_chip(slow)
    assert (await bench.read()).fault == "DRV-CHP-006"


async def test_a_cancelled_read_lets_go_and_the_next_read_has_its_turn(start: Callable[..., Bench]) -> None:
    asked = asyncio.Event()

    async def slow(_command: bytes) -> bytes | None:
        asked.set()
        await asyncio.sleep(0.05)
        return b"\x00\x61\x01"

    bench = start()
    await bench.with_chip(slow)
    task = asyncio.create_task(bench.read())
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    task = asyncio.create_task(bench.read())
    await asyncio.sleep(0.2)
    assert not task.done()  # the chip is slow, and this read is the only one
    assert bench.reader.state is DeviceState.READY
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_or_hung_process_is_replaced(
    start: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, way: signal.Signals
) -> None:
    monkeypatch.setattr("drivers.chip.driver.SILENCE_S", 0.5)
    asked = asyncio.Event()

    async def hold(command: bytes) -> bytes | None:
        asked.set()
        return await silent(command)

    bench = start()
    await bench.with_chip(hold)
    first = bench.child()
    task = asyncio.create_task(bench.read())
    await asked.wait()
    os.kill(first, way)
    evidence = await asyncio.wait_for(task, 10)
    assert evidence.fault == "DRV-CHP-010"
    assert evidence.files == {}
    await bench.until(lambda: (DeviceState.FAULT, "DRV-CHP-010") in bench.states())
    assert bench.count(ChipRemoved) == 1
    await bench.ready()
    assert bench.child() != first
    monkeypatch.undo()  # a busy machine may well be silent for half a second
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    await bench.with_chip(scripted(*REFUSING))
    assert (await bench.read()).fault == ""


async def test_a_second_chip_is_sent_away_while_one_is_there(start: Callable[..., Bench]) -> None:
    bench = start()
    await bench.with_chip(scripted(*REFUSING))
    second = Chip(silent)
    await second.come(bench.reader.port)
    await asyncio.sleep(0.2)
    assert bench.count(ChipPresented) == 1
    assert (await bench.read()).basic_access is ProtocolOutcome.FAILED
    await second.leave()


async def test_a_taken_port_is_a_fault_with_a_remedy(start: Callable[..., Bench]) -> None:
    first = start()
    await first.ready()
    second = start(port=first.reader.port)
    await second.until(lambda: second.reader.state is DeviceState.FAULT)
    assert second.states()[0] == (DeviceState.FAULT, "DRV-CHP-014")


async def test_stopping_leaves_no_task_no_process_and_no_descriptor(start: Callable[..., Bench]) -> None:
    warm = start()
    await warm.ready()
    await warm.stop()
    tasks, descriptors = asyncio.all_tasks(), len(list(Path("/proc/self/fd").iterdir()))
    bench = start()
    await bench.ready()
    child = bench.child()
    await bench.stop()
    assert asyncio.all_tasks() <= tasks
    assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


async def test_a_reader_without_its_library_or_service_says_what_to_do() -> None:
    events: list[DeviceEvent] = []
    reader = build("chip", "pcsc_chip", {"reader": "No Such Reader"}, events.append, CLOCK)
    task = asyncio.create_task(reader.run())
    await until(lambda: events, 20)
    told = events[0].data
    assert isinstance(told, StateChanged)
    assert told.fault in {"DRV-CHP-011", "DRV-CHP-012", "DRV-CHP-013"}
    assert told.remedy
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("driver", "options", "named"),
    [
        ("pcsc_chip", {}, "reader"),
        ("pcsc_chip", {"reader": "X", "port": 1}, "port"),
        ("socket_chip", {"port": 70_000}, "port"),
        ("socket_chip", {"port": 1, "answer_timeout_s": 9}, "answer_timeout_s"),
    ],
)
def test_options_are_refused_by_name(driver: str, options: dict[str, object], named: str) -> None:
    with pytest.raises(OptionsRefused, match=named):
        build("chip", driver, options, lambda _event: None, CLOCK)


class TestMessages:
    EVIDENCE = ChipEvidence(
        access=ChipAccess.PACE,
        pace=ProtocolOutcome.SUCCEEDED,
        unreadable={"DG14": "6A82"},
        pace_parameter_id=13,
        challenge=b"12345678",
        apdus=12,
        duration_ms=1.5,
    )

    def crossed(self) -> dict[str, Any]:
        import json

        message: dict[str, Any] = json.loads(json.dumps(evidence_message(self.EVIDENCE)))
        return message

    def test_evidence_crosses_whole(self) -> None:
        assert evidence_of(self.crossed(), {}) == self.EVIDENCE

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("access", "open"), ("pace", "perhaps"), ("apdus", -1), ("apdus", "12"), ("challenge", "zz"),
            ("unreadable", {"DG14": 1}), ("fault", None), ("used_card_access_number", 1), ("terminal_ms", "fast"), ("terminal_ms", float("nan")), ("duration_ms", float("inf")), ("duration_ms", -1.0),
        ],
    )  # fmt: skip
    def test_evidence_of_other_values_is_refused(self, name: str, value: object) -> None:
        with pytest.raises(MessageRefused):
            evidence_of(self.crossed() | {name: value}, {})
        with pytest.raises(MessageRefused):
            evidence_of({key: held for key, held in self.crossed().items() if key != name}, {})

    def test_frames_have_limits(self) -> None:
        for head in (b"\x00\x00\x00\x00\x00\x00\x00\x00", b"\xff" * 8, b"\x00\x00\x00\x02\x7f\xff\xff\xff"):
            with pytest.raises(MessageRefused):
                sizes(head)
        for header in (b"[]", b"{", b"\xff\xff", b"[" * 60_000):
            with pytest.raises(MessageRefused):
                decode(header)
