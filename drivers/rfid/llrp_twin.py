"""A virtual LLRP reader on 127.0.0.1: one client, ROSpecs with their states, signs of life, tags that it is shown."""

from __future__ import annotations

import asyncio
import itertools

from drivers.codec import BadFrame
from drivers.contracts import Clock, TagRead
from drivers.rfid.inventory import (
    EVERY_ROSPEC,
    ConnectionAttempt,
    Status,
    encode_connection_attempt,
    encode_status,
    keepalive_ms,
)
from drivers.rfid.llrp_messages import LlrpCodec, Message, MessageType
from drivers.rfid.llrp_parameters import ParameterNonsense, ParameterType, first_parameter
from drivers.rfid.tag_reports import encode_tag, since_1970_us
from drivers.twin import TcpTwin

_OK = Status(0)
_PARAMETER_ERROR = Status(100, "parameter error")
_FIELD_ERROR = Status(101, "no such ROSpec")
_UNSUPPORTED_MESSAGE = Status(109, "unsupported message")
_ANSWER_OFFSET = 10
_ROSPEC_CHANGES = {MessageType.DELETE_ROSPEC, MessageType.ENABLE_ROSPEC, MessageType.START_ROSPEC}


class LlrpTwin(TcpTwin):
    """Reports a tag while a ROSpec runs. A second client is turned away, as by a real reader."""

    def __init__(self, clock: Clock, *, port: int = 0, seed: int = 1) -> None:
        """`clock`: the reader's own."""
        super().__init__(port=port, seed=seed)
        self._clock = clock
        self._codec = LlrpCodec()
        self._client: asyncio.StreamWriter | None = None
        self._message_ids = itertools.count(1000)
        self._beat: asyncio.Task[None] | None = None
        self.rospecs: dict[int, MessageType] = {}
        self.requests: list[MessageType] = []
        self.acknowledged_count = 0
        self.refused: set[MessageType] = set()

    def see(self, epc: bytes, antenna: int = 1, rssi_dbm: int = -50) -> None:
        """Let a tag answer once."""
        self.report(TagRead(epc, antenna, rssi_dbm, self._clock.now(), 1))

    def report(self, *tags: TagRead) -> None:
        """Send one report; nothing while no ROSpec runs."""
        if MessageType.START_ROSPEC in self.rospecs.values():
            self._tell(Message(MessageType.RO_ACCESS_REPORT, next(self._message_ids), b"".join(map(encode_tag, tags))))

    def say(self, chunk: bytes) -> None:
        """Send any bytes to the client."""
        if self._client is not None:
            self.send(self._client, chunk)

    def plugged(self) -> None:
        """Start as after power-up."""
        self.rospecs.clear()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Greet a client and obey it to its end."""
        is_first = self._client is None
        attempt = ConnectionAttempt.SUCCESS if is_first else ConnectionAttempt.FAILED_CLIENT_INITIATED_EXISTS
        greeting = encode_connection_attempt(attempt, since_1970_us(self._clock.now()))
        number = next(self._message_ids)
        self.send(writer, self._codec.encode(Message(MessageType.READER_EVENT_NOTIFICATION, number, greeting)))
        if not is_first:
            await writer.drain()
            return
        self._client = writer
        codec = LlrpCodec()
        try:
            while chunk := await reader.read(4096):
                for message in codec.feed(chunk):
                    if isinstance(message, BadFrame) or self._is_muted:  # a hung reader does nothing
                        continue
                    self._obey(message)
                    if message.type == MessageType.CLOSE_CONNECTION:
                        return
                await writer.drain()
        finally:
            self._client = None
            self._beat_every(0)

    def _tell(self, message: Message) -> None:
        self.say(self._codec.encode(message))

    def _obey(self, message: Message) -> None:
        if message.type == MessageType.KEEPALIVE_ACK:
            self.acknowledged_count += 1
            return
        if message.type == MessageType.ENABLE_EVENTS_AND_REPORTS:
            return
        is_leave = message.type == MessageType.CLOSE_CONNECTION
        answer = MessageType.CLOSE_CONNECTION_RESPONSE if is_leave else message.type + _ANSWER_OFFSET
        try:
            status = self._carry_out(MessageType(message.type), message.body)
        except ParameterNonsense:
            status = _PARAMETER_ERROR
        except ValueError:
            status = _UNSUPPORTED_MESSAGE
        if status is _UNSUPPORTED_MESSAGE:
            answer = MessageType.ERROR_MESSAGE
        self._tell(Message(answer, message.message_id, encode_status(status)))

    def _carry_out(self, kind: MessageType, body: bytes) -> Status:
        self.requests.append(kind)
        if kind in self.refused:
            return _FIELD_ERROR
        if kind is MessageType.CLOSE_CONNECTION:
            return _OK
        if kind is MessageType.SET_READER_CONFIG:
            self._beat_every(keepalive_ms(body) / 1000)
            return _OK
        if kind is MessageType.ADD_ROSPEC:
            spec = first_parameter(body, ParameterType.ROSPEC)
            if spec is None or len(spec) < 4:
                return _PARAMETER_ERROR
            self.rospecs[int.from_bytes(spec[:4], "big")] = kind
            return _OK
        if kind in _ROSPEC_CHANGES:
            return self._change(kind, int.from_bytes(body, "big"))
        return _UNSUPPORTED_MESSAGE

    def _change(self, kind: MessageType, number: int) -> Status:
        if kind is MessageType.DELETE_ROSPEC and number == EVERY_ROSPEC:
            self.rospecs.clear()
            return _OK
        # Only what was enabled can be started.
        if number not in self.rospecs or (
            kind is MessageType.START_ROSPEC and self.rospecs[number] is MessageType.ADD_ROSPEC
        ):
            return _FIELD_ERROR
        if kind is MessageType.DELETE_ROSPEC:
            del self.rospecs[number]
        else:
            self.rospecs[number] = kind
        return _OK

    def _beat_every(self, period_s: float) -> None:
        if self._beat is not None:
            self._beat.cancel()
        self._beat = asyncio.create_task(self._keep_alive(period_s), name="twin beating") if period_s else None

    async def _keep_alive(self, period_s: float) -> None:
        while True:
            await asyncio.sleep(period_s)
            self._tell(Message(MessageType.KEEPALIVE, next(self._message_ids)))
