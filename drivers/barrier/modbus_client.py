"""The client's side of Modbus: one question at a time, matched by transaction number where the line has numbers, with a time limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from drivers.barrier.errors import ModbusFault, ModbusMismatch, ModbusNoReply, ModbusRefused
from drivers.barrier.modbus import Adu, MbapCodec, Request, parse_request, parse_response, request_pdu
from drivers.barrier.modbus_rtu import RtuCodec, gap_s
from drivers.codec import BadFrame
from drivers.link import Link


class AduCodec(Protocol):
    """A codec of frames, over TCP or on a serial line."""

    def reset(self) -> None:
        """Forget an unfinished frame."""
        ...

    def feed(self, received: bytes) -> Sequence[Adu | BadFrame]:
        """Return the frames that are complete after these bytes."""
        ...

    def encode(self, message: Adu) -> bytes:
        """Return the frame."""
        ...


@dataclass(frozen=True, slots=True)
class Wire:
    """How frames stand on the line.

    Without transaction numbers a reply that comes late looks like the answer to the next question. So after a question without an
    answer nothing is asked for `settle_s`, and whatever arrives until then is dropped.
    """

    replies: AduCodec = field(default_factory=MbapCodec)
    requests: AduCodec = field(default_factory=MbapCodec)
    has_numbers: bool = True
    gap_s: float = 0.0
    settle_s: float = 0.0


def serial_wire(baud: int, settle_s: float) -> Wire:
    """Return how RTU frames stand on a serial line."""
    return Wire(RtuCodec("replies"), RtuCodec("requests"), has_numbers=False, gap_s=gap_s(baud), settle_s=settle_s)


@dataclass(frozen=True, slots=True)
class Answer:
    """A question with the values that came back, or with the fault that did."""

    request: Request
    values: tuple[int, ...]
    fault: ModbusFault | None = None


@dataclass(slots=True)
class _Pending:
    transaction: int
    request: Request
    frame: bytes
    reply: asyncio.Future[Answer] | None


class ModbusClient:
    """Asks one unit. Whoever reads the link hands the bytes to `feed`; `ask` waits for its own answer only."""

    def __init__(
        self,
        unit: int,
        timeout_s: float,
        wire: Wire | None = None,
        asked: Callable[[Request], None] = lambda _request: None,
    ) -> None:
        """`wire`: TCP when none is given. `asked` learns every question, just before it is sent, and those of a tape."""
        self._unit = unit
        self._timeout_s = timeout_s
        self._wire = wire or Wire()
        self._asked = asked
        self._transaction = 0
        self._pending: _Pending | None = None
        self.late_replies = 0

    def reset(self) -> None:
        """Forget what belonged to the last connection."""
        self._wire.replies.reset()
        self._wire.requests.reset()
        self._pending = None

    def feed(self, received: bytes) -> list[Answer]:
        """Return the answers that are complete; replies that nobody waits for are counted and dropped."""
        answers = []
        for adu in self._wire.replies.feed(received):
            answer = self._echo(adu) if isinstance(adu, BadFrame) else self._answer(adu)
            if answer is None:
                self.late_replies += isinstance(
                    adu, Adu
                )  # a damaged answer is none: the question's time limit tells it
            else:
                answers.append(answer)
        return answers

    def _answer(self, adu: Adu) -> Answer | None:
        """Return what the frame answers, None when it cannot belong to the question that is open."""
        pending = self._pending
        if pending is None or adu.unit != self._unit:
            return None
        if self._wire.has_numbers and adu.transaction != pending.transaction:
            return None
        try:
            answer = Answer(pending.request, parse_response(pending.request, adu.pdu))
        except ModbusMismatch as mismatch:
            if not self._wire.has_numbers:
                return None  # the answer to an earlier question
            answer = Answer(pending.request, (), mismatch)
        except ModbusFault as fault:
            answer = Answer(pending.request, (), fault)
        return self._settled(pending, answer)

    def _echo(self, noise: BadFrame) -> Answer | None:
        """Tell a line that gives back what is sent: on it the question to write is its own confirmation, so none is believed.

        A question to read is no frame of an answer, so the first poll meets it.
        """
        pending = self._pending
        if pending is None or not noise.excerpt.startswith(pending.frame):
            return None
        fault = ModbusMismatch("the line gives back what is sent: switch off the local echo of its adapter")
        return self._settled(pending, Answer(pending.request, (), fault))

    def _settled(self, pending: _Pending, answer: Answer) -> Answer:
        self._pending = None
        if pending.reply is not None and not pending.reply.done():
            pending.reply.set_result(answer)
        return answer

    def note_sent(self, chunk: bytes) -> None:
        """Learn a question from a tape, so that its answer can be read."""
        for adu in self._wire.requests.feed(chunk):
            if isinstance(adu, BadFrame):
                continue
            try:
                self._expect(_Pending(adu.transaction, parse_request(adu.pdu), self._wire.requests.encode(adu), None))
            except ModbusRefused:
                self._pending = None

    async def ask(self, link: Link, request: Request) -> tuple[int, ...]:
        """Return the values of a read. Raises `ModbusFault`; after `ModbusNoReply` or a link fault a write may have been done."""
        async with link.turn():
            if self._wire.gap_s:
                await asyncio.sleep(self._wire.gap_s)
            self._transaction = self._transaction % 0xFFFF + 1
            reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            frame = self._wire.requests.encode(Adu(self._transaction, self._unit, request_pdu(request)))
            pending = _Pending(self._transaction, request, frame, reply)
            self._expect(pending)
            try:
                async with asyncio.timeout(self._timeout_s):
                    await link.write(frame)
                    answer = await reply
            except TimeoutError as error:
                self._pending = None
                await asyncio.sleep(self._wire.settle_s)
                raise ModbusNoReply(f"no answer to function {request.function} in {self._timeout_s} s") from error
            finally:
                if self._pending is pending:
                    self._pending = None
        if answer.fault is not None:
            raise answer.fault
        return answer.values

    def _expect(self, pending: _Pending) -> None:
        self._pending = pending
        self._asked(pending.request)
        if not self._wire.has_numbers:
            self._wire.replies.reset()  # the rest of a torn frame would swallow the beginning of this answer
