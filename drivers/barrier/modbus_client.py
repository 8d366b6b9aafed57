"""The client's side of Modbus TCP: one question at a time, matched by transaction number, with a time limit."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from drivers.barrier.errors import ModbusFault, ModbusNoReply, ModbusRefused
from drivers.barrier.modbus import Adu, MbapCodec, Request, parse_request, parse_response, request_pdu
from drivers.link import Link


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
    reply: asyncio.Future[Answer] | None


class ModbusClient:
    """Asks one unit. Whoever reads the link hands the bytes to `feed`; `ask` waits for its own answer only."""

    def __init__(self, unit: int, timeout_s: float) -> None:
        self._unit = unit
        self._timeout_s = timeout_s
        self._codec = MbapCodec()
        self._sent_codec = MbapCodec()
        self._transaction = 0
        self._pending: _Pending | None = None
        self.late_replies = 0

    def reset(self) -> None:
        """Forget what belonged to the last connection."""
        self._codec.reset()
        self._sent_codec.reset()
        self._pending = None

    def feed(self, received: bytes) -> list[Answer]:
        """Return the answers that are complete; replies that nobody waits for are counted and dropped."""
        answers = []
        for adu in self._codec.feed(received):
            pending = self._pending
            if pending is None or (adu.transaction, adu.unit) != (pending.transaction, self._unit):
                self.late_replies += 1
                continue
            self._pending = None
            try:
                answer = Answer(pending.request, parse_response(pending.request, adu.pdu))
            except ModbusFault as fault:
                answer = Answer(pending.request, (), fault)
            answers.append(answer)
            if pending.reply is not None and not pending.reply.done():
                pending.reply.set_result(answer)
        return answers

    def note_sent(self, chunk: bytes) -> None:
        """Learn a question from a tape, so that its answer can be read."""
        for adu in self._sent_codec.feed(chunk):
            try:
                self._pending = _Pending(adu.transaction, parse_request(adu.pdu), None)
            except ModbusRefused:
                self._pending = None

    async def ask(self, link: Link, request: Request) -> tuple[int, ...]:
        """Return the values of a read. Raises `ModbusFault`; after `ModbusNoReply` or a link fault a write may have been done."""
        async with link.turn():
            self._transaction = self._transaction % 0xFFFF + 1
            reply: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            pending = self._pending = _Pending(self._transaction, request, reply)
            try:
                async with asyncio.timeout(self._timeout_s):
                    await link.write(self._codec.encode(Adu(self._transaction, self._unit, request_pdu(request))))
                    answer = await reply
            except TimeoutError as error:
                raise ModbusNoReply(f"no answer to function {request.function} in {self._timeout_s} s") from error
            finally:
                if self._pending is pending:
                    self._pending = None
        if answer.fault is not None:
            raise answer.fault
        return answer.values
