"""Receipt printers: the bytes that python-escpos writes too, text that stays text, and what is said when paper, cover or cable fail."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from drivers.contracts import DeviceEvent
from drivers.errors import DriverFault, NotReady, OptionsRefused
from drivers.printer import escpos
from drivers.printer.command_stream import Command, CommandStream, PrintedLine
from drivers.printer.driver import EscposPrinter, build
from drivers.printer.errors import CoverOpen, PaperOut, PrinterBroken, ReceiptUndetermined
from drivers.printer.twin import EscposTwin, Receipt
from drivers.surroundings import PrinterReported
from gate_agent.clock import SystemClock
from tests.waiting import until

# python-escpos 3.1, `Dummy().qr("HTTPS://UTO.EXAMPLE/1", native=True, ec=1, size=6)`: the second party.
PYTHON_ESCPOS_QR = bytes.fromhex(
    "1d286b0400314132001d286b03003143061d286b03003145311d286b180031503048545450533a2f2f55544f2e4558414d504c452f31"
    "1d286b0300315130"
)
LINES = ("Utopia", "O‘zbekiston: 30 kun", "до 12.03.2026")


class Desk:
    def __init__(self, folder: Path) -> None:
        self.twin = EscposTwin(folder / "printer")
        self.events: list[DeviceEvent] = []
        options = {"path": str(self.twin.path), "poll_s": 0.01, "print_timeout_s": 0.3, "reconnect_limit_s": 0.1}
        self.printer: EscposPrinter = build("printer", options, self.events.append, SystemClock())

    async def until(self, is_met: Callable[[], object]) -> None:
        await until(is_met, 5)

    async def until_fault(self, code: str) -> None:
        await self.until(lambda: self.printer.reporter.fault_code == code)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    bench = Desk(tmp_path)
    await bench.twin.plug()
    task = asyncio.create_task(bench.printer.run())
    await bench.until(lambda: bench.printer.state == "ready")
    yield bench
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await bench.twin.unplug()


def test_a_qr_code_is_what_the_second_party_writes() -> None:
    assert escpos.qr_code(b"HTTPS://UTO.EXAMPLE/1", 6) == PYTHON_ESCPOS_QR
    with pytest.raises(ValueError, match="1025 bytes"):
        escpos.qr_code(bytes(1025), 6)


def test_text_never_becomes_a_command() -> None:
    hostile = "a\x1b@\x1dV\x00\n\x10\x04\x02\x7fb 漢"
    whole = escpos.receipt([hostile], b"", encoding="cp866", code_page=17, module_dots=6)
    found = CommandStream().feed(whole)
    assert [one for one in found if isinstance(one, PrintedLine)] == [PrintedLine(b"a?@?V?????\x3fb ?")]
    assert [one.name for one in found if isinstance(one, Command)] == [b"\x1b@", b"\x1da", b"\x1bt", b"\x1dV", b"\x1dr"]


def test_every_split_of_a_receipt_prints_the_same() -> None:
    whole = escpos.receipt(LINES, b"UTO" * 100, encoding="cp866", code_page=17, module_dots=6)
    expected = CommandStream().feed(whole)
    for at in range(len(whole)):
        stream = CommandStream()
        assert stream.feed(whole[:at]) + stream.feed(whole[at:]) == expected


async def test_a_receipt_is_printed_and_cut(desk: Desk) -> None:
    await desk.printer.print_receipt(LINES, b"HTTPS://UTO.EXAMPLE/1")
    await desk.printer.print_receipt(["second"])
    first = Receipt(["Utopia", "O'zbekiston: 30 kun", "до 12.03.2026"], b"HTTPS://UTO.EXAMPLE/1")
    assert desk.twin.receipts == [first, Receipt(["second"])]


@pytest.mark.parametrize(
    ("spoil", "mend", "fault"),
    [
        (lambda twin: twin.load_paper(0), lambda twin: twin.load_paper(), PaperOut),
        (lambda twin: twin.open_cover(), lambda twin: twin.open_cover(on=False), CoverOpen),
        (lambda twin: twin.stick(), lambda twin: twin.stick(on=False), PrinterBroken),
    ],
    ids=["paper", "cover", "cutter"],
)
async def test_what_prevents_printing_is_a_fault_raised_and_cleared(
    desk: Desk,
    spoil: Callable[[EscposTwin], None],
    mend: Callable[[EscposTwin], None],
    fault: type[DriverFault],
) -> None:
    spoil(desk.twin)
    with pytest.raises(fault):  # asked anew before each receipt: the poll need not have come round
        await desk.printer.print_receipt(LINES)
    await desk.until_fault(fault.code)
    assert desk.printer.state == "ready"
    mend(desk.twin)
    await desk.until_fault("")
    assert desk.twin.receipts == []
    await desk.printer.print_receipt(LINES)
    assert len(desk.twin.receipts) == 1


async def test_paper_that_ends_within_a_receipt_is_undetermined_and_the_rest_comes_out_later(desk: Desk) -> None:
    desk.twin.load_paper(2)
    with pytest.raises(ReceiptUndetermined):
        await desk.printer.print_receipt(LINES)
    await desk.until_fault("DRV-PRN-001")
    assert len(desk.twin.torn.lines) == 2
    desk.twin.load_paper()
    await desk.until_fault("")
    assert desk.twin.receipts[0].lines[0] == "Utopia"
    await desk.printer.print_receipt(["second"])
    assert desk.twin.receipts[1:] == [Receipt(["second"])]


async def test_a_late_answer_for_one_receipt_does_not_confirm_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.twin.load_paper(2)
    with pytest.raises(ReceiptUndetermined):
        await desk.printer.print_receipt(LINES)
    send = desk.twin.send
    with monkeypatch.context() as patch:
        patch.setattr(desk.twin, "send", lambda chunk: None if chunk == b"\x00" else send(chunk))
        desk.twin.load_paper()  # the rest comes out; the answer for it is lost in the cable
        await desk.until_fault("")
    with pytest.raises(ReceiptUndetermined):
        await desk.printer.print_receipt(["second"])  # one answer came, two were owed
    await desk.printer.print_receipt(["third"])
    assert [receipt.lines[0] for receipt in desk.twin.receipts] == ["Utopia", "second", "third"]


async def test_low_paper_is_told_and_prevents_nothing(desk: Desk) -> None:
    desk.twin.paper_low()
    low = PrinterReported(is_paper_out=False, is_paper_low=True, is_cover_open=False, has_error=False)
    await desk.until(lambda: any(event.data == low for event in desk.events))
    await desk.printer.print_receipt(LINES)
    assert desk.printer.reporter.fault_code == ""


async def test_a_printer_that_is_gone_prints_nothing_and_says_so(desk: Desk) -> None:
    await desk.twin.unplug()
    await desk.until(lambda: desk.printer.state == "absent")
    with pytest.raises(NotReady):
        await desk.printer.print_receipt(LINES)


@pytest.mark.parametrize("ways", [{}, {"path": "/dev/x", "host": "printer"}], ids=["none", "both"])
def test_a_printer_has_one_way(ways: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match="either"):
        build("printer", ways, lambda _event: None, SystemClock())


@pytest.mark.parametrize("times", [{"print_timeout_s": 15}, {"poll_s": 14.5}], ids=["receipt", "poll"])
def test_a_printer_at_work_is_not_taken_for_dead(times: dict[str, object]) -> None:
    with pytest.raises(OptionsRefused, match="dead_s"):
        build("printer", {"host": "printer", **times}, lambda _event: None, SystemClock())


async def test_a_network_printer_prints_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin = EscposTwin(tmp_path / "unused")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        monkeypatch.setattr(twin, "send", writer.write)
        while chunk := await reader.read(4096):
            twin.heard(chunk)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    options = {"host": "127.0.0.1", "tcp_port": server.sockets[0].getsockname()[1], "poll_s": 0.01}
    printer = build("printer", options, lambda _event: None, SystemClock())
    task = asyncio.create_task(printer.run())
    async with asyncio.timeout(5):
        while printer.state != "ready":
            await asyncio.sleep(0.005)
    await printer.print_receipt(LINES, b"UTO")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    await server.wait_closed()
    assert [receipt.qr for receipt in twin.receipts] == [b"UTO"]
