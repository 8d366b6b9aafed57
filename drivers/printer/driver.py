"""`escpos_printer`: a receipt printer that speaks ESC/POS on a serial port or over TCP (port 9100).

It is asked for paper, cover and errors all the time, so that a traveller is told to take the receipt from the screen before the paper is
missed. A receipt counts as printed when the printer says so; sent and unconfirmed is a fault of its own, never a success.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from drivers.contracts import Clock, DeviceClass, EventSink
from drivers.dialogue import Dialogue
from drivers.errors import DriverFault
from drivers.link import TcpPeer
from drivers.options import SerialOptions
from drivers.printer import escpos
from drivers.printer.errors import CoverOpen, PaperOut, PrinterBroken, PrinterFault, ReceiptUndetermined
from drivers.supervisor import LinkSource, SupervisedDriver
from drivers.surroundings import PrinterReported


class EscposOptions(SerialOptions):
    """Options of `escpos_printer`; it has either a `path` or a `host`."""

    path: str = Field("", description="Stable path of a serial printer, such as /dev/serial/by-id/….")
    host: str = Field("", description="Address of a network printer.")
    tcp_port: int = Field(9100, ge=1, le=65_535, description="TCP port of a network printer.")
    encoding: Literal["cp437", "cp850", "cp852", "cp858", "cp866", "cp1251", "cp1252"] = Field(
        "cp866", description="Characters of the code page."
    )
    code_page: int = Field(17, ge=0, le=255, description="Number of that code page in the printer's manual (`ESC t`).")
    module_dots: int = Field(6, ge=1, le=16, description="Size of a QR code's module.")
    poll_s: float = Field(2.0, gt=0, le=60, description="Pause between two questions for paper, cover and errors.")
    reply_timeout_s: float = Field(1.0, gt=0, le=30, description="Longest wait for the answer to such a question.")
    print_timeout_s: float = Field(8.0, gt=0, le=60, description="Longest wait for a receipt to be printed.")
    quiet_s: float = Field(0.0, ge=0, le=3600, description="Not used: polling is the sign of life.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if bool(self.path) == bool(self.host):
            raise ValueError("give either `path` or `host`")
        if self.dead_s and max(self.print_timeout_s, self.poll_s + self.reply_timeout_s) >= self.dead_s:
            raise ValueError("`dead_s` has to be longer than a receipt, and than a poll and its answer")
        return self


class EscposPrinter(SupervisedDriver):
    """A supervised receipt printer."""

    device_class = DeviceClass.PRINTER
    capabilities = frozenset({"print_receipt"})
    events = frozenset({PrinterReported})

    def __init__(self, name: str, options: EscposOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self._options = options
        self._status = Dialogue[int](name, options.reply_timeout_s)
        self._printed = Dialogue[int](name, options.print_timeout_s)
        self._printing = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._asked: int | None = None
        self._answers: dict[int, int] = {}
        self._owed = 0
        self._reported: PrinterReported | None = None

    @property
    def source(self) -> LinkSource:
        """The serial port or the TCP port."""
        if self._options.path:
            return self._options.port()
        return TcpPeer(self._options.host, self._options.tcp_port)

    def opened(self) -> None:
        """Forget what the last connection knew; the state is reported anew."""
        self._asked, self._owed, self._reported = None, 0, None
        self._answers.clear()

    def sent(self, chunk: bytes) -> None:
        """Note which status is asked for: its answer does not say."""
        if chunk.startswith(escpos.REAL_TIME):
            self._asked = chunk[len(escpos.REAL_TIME)]

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Take answers; report the printer's state when the last of a poll came in and something changed."""
        has_sense = False
        for answer in chunk:
            if escpos.is_real_time(answer) and self._asked is not None:
                has_sense = True
                self._take_status(self._asked, answer, t_mono_s)
                self._asked = None
                self._status.answered(answer)
            elif escpos.is_printed(answer) and self._owed:
                has_sense = True
                self._owed -= 1
                if not self._owed:  # one for an earlier receipt that was late is none for this one
                    self._printed.answered(answer)
        return has_sense

    async def converse(self) -> None:
        """Poll without overlap. A printer that does not answer ends the connection, for a late answer would be taken for another's."""
        while True:
            await self._look()
            await asyncio.sleep(self._options.poll_s)

    def writes(self, text: str) -> bool:
        """Tell whether the code page has every letter of `text`."""
        return escpos.can_write(text, self._options.encoding)

    async def print_receipt(self, lines: Sequence[str], qr: bytes = b"") -> None:
        """Print lines and a QR code and cut; returns when the printer said that it is done.

        Raises `PaperOut`, `CoverOpen`, `PrinterBroken`, `NotReady`, `DeviceSilent` or a link fault before anything was sent;
        `ReceiptUndetermined` after; ValueError for a QR content that is too long.
        """
        options = self._options
        whole = escpos.receipt(
            lines, qr, encoding=options.encoding, code_page=options.code_page, module_dots=options.module_dots
        )
        async with self._printing:
            await self._look()
            if (fault := self._fault()) is not None:
                raise fault
            link = self.link
            self._owed += 1
            owed = self._owed
            try:
                answer = await self._printed.ask(link, whole, lambda _answer: True)
            except DriverFault as lost:
                if self._owed < owed:
                    self._owed = 0  # what came was for this one: an earlier answer was lost and is waited for no longer
                raise ReceiptUndetermined(f"{self.name} did not confirm the receipt: {lost}") from lost
            if answer & escpos.PAPER_ENDED_WHILE_PRINTING == escpos.PAPER_ENDED_WHILE_PRINTING:
                raise ReceiptUndetermined(f"{self.name}: the paper ended while the receipt was printed")

    async def _look(self) -> None:
        async with (
            self._looking
        ):  # the poll and a receipt's own look: one question at a time, from asking to its answer
            for status in escpos.Status:
                question = escpos.ask(status)
                self.sent(question)
                await self._status.ask(self.link, question, lambda _answer: True)

    def _take_status(self, asked: int, answer: int, t_mono_s: float) -> None:
        self._answers[asked] = answer
        if asked != escpos.Status.PAPER or len(self._answers) < len(escpos.Status):
            return
        self.declare_ready()
        paper = self._answers[escpos.Status.PAPER]
        report = PrinterReported(
            is_paper_out=bool(paper & escpos.PAPER_IS_OUT),
            is_paper_low=bool(paper & escpos.PAPER_ENDS_SOON),
            is_cover_open=bool(self._answers[escpos.Status.OFFLINE_CAUSE] & escpos.COVER_IS_OPEN),
            has_error=bool(self._answers[escpos.Status.ERROR_CAUSE] & escpos.HAS_ERROR),
        )
        if report == self._reported:
            return
        self._reported = report
        self.reporter.emit(report, t_mono_s)
        fault = self._fault()
        if fault is not None:
            self.reporter.record(fault)
        else:
            self.reporter.clear()

    def _fault(self) -> PrinterFault | None:
        """Return why nothing can be printed now, by what was reported last."""
        report = self._reported
        if report is None:
            return None
        if report.is_cover_open:
            return CoverOpen(f"{self.name}: the cover is open")
        if report.is_paper_out:
            return PaperOut(f"{self.name}: no paper")
        return PrinterBroken(f"{self.name} reports an error") if report.has_error else None


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> EscposPrinter:
    """Return the driver. Raises `OptionsRefused`."""
    return EscposPrinter(name, EscposOptions.read(name, options), sink, clock)
