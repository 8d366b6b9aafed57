"""`llrp_rfid`: a reader of EPC Gen2 tags that speaks LLRP over TCP, such as those for tags in seals.

Start-up after each connection: the reader greets (a refusal is DRV-RFI-001), then all its ROSpecs are deleted, a sign of life is asked for,
one ROSpec is added, enabled and started. READY once it said that it started. Three signs of life missed are a FAULT.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated

from pydantic import Field

from drivers.codec import BadFrame
from drivers.contracts import Clock, DeviceClass, EventSink, TagRead
from drivers.dialogue import Dialogue
from drivers.errors import DeviceRefused, DeviceSilent, DeviceUnintelligible, DriverFault, LinkLost
from drivers.framed_driver import FramedDriver
from drivers.link import TcpPeer
from drivers.options import ReconnectOptions
from drivers.rfid import inventory
from drivers.rfid.errors import ReaderOccupied
from drivers.rfid.inventory import ConnectionAttempt, Status
from drivers.rfid.llrp_messages import PORT, LlrpCodec, Message, MessageType
from drivers.rfid.llrp_parameters import ParameterNonsense
from drivers.rfid.recent_tags import RecentTags
from drivers.rfid.tag_reports import TagReports
from drivers.supervisor import LinkSource, Timing

MISSED_LIMIT = 3
OWED_LIMIT = 64
_ANSWER_OFFSET = 10
_ANSWERS = {
    MessageType.SET_READER_CONFIG_RESPONSE,
    MessageType.ADD_ROSPEC_RESPONSE,
    MessageType.DELETE_ROSPEC_RESPONSE,
    MessageType.START_ROSPEC_RESPONSE,
    MessageType.ENABLE_ROSPEC_RESPONSE,
    MessageType.ERROR_MESSAGE,
}


class LlrpOptions(ReconnectOptions):
    """Options of `llrp_rfid`."""

    host: str = Field(min_length=1, description="Address of the reader.")
    port: int = Field(PORT, ge=1, le=65_535, description="TCP port of the reader.")
    antennas: tuple[Annotated[int, Field(ge=0, le=65_535)], ...] = Field(
        (inventory.EVERY_ANTENNA,),
        min_length=1,
        max_length=64,
        description="Antennas that look for tags; 0: all of them.",
    )
    keepalive_s: float = Field(
        5.0,
        ge=0.1,
        le=60,
        description="Interval of the reader's sign of life; it counts as dead after three are missed.",
    )
    reply_timeout_s: float = Field(3.0, gt=0, le=30, description="Longest wait for the greeting and for each answer.")
    repeat_s: float = Field(
        5.0, ge=0, le=3600, description="A tag that stays before an antenna is told once in so long; 0: each report."
    )
    reconnect_limit_s: float = Field(2.0, gt=0, le=60, description="Longest pause between two attempts to connect.")
    frame_gap_s: float = Field(2.0, gt=0, le=30, description="Silence inside a message after which it is torn.")

    def timing(self) -> Timing:
        """Return the supervisor's timing: the reader speaks by itself, nothing is asked."""
        return Timing(None, MISSED_LIMIT * self.keepalive_s, backoff_cap_s=self.reconnect_limit_s)


class LlrpReader(FramedDriver[Message]):
    """A supervised reader that inventories as long as it is connected."""

    device_class = DeviceClass.RFID_READER
    capabilities = frozenset({"tags"})
    events = frozenset({TagRead})
    codec: LlrpCodec

    def __init__(self, name: str, options: LlrpOptions, sink: EventSink, clock: Clock) -> None:
        super().__init__(name, options.timing(), sink, clock)
        self.gap_s = options.frame_gap_s
        self.codec = LlrpCodec()
        self._options = options
        self._source = TcpPeer(options.host, options.port)
        self._dialogue: Dialogue[Message] = Dialogue(name, options.reply_timeout_s)
        self._message_ids = itertools.count(1)
        self._recent = RecentTags(options.repeat_s)
        self._tags = TagReports()
        self._greeted = asyncio.Event()
        self._greeting: int | None = None
        self._has_started = False
        self._owed: asyncio.Queue[Message] = asyncio.Queue()

    @property
    def source(self) -> LinkSource:
        """The reader's TCP port."""
        return self._source

    def opened(self) -> None:
        """Forget what belonged to the last connection; which tags were told lately is remembered."""
        super().opened()
        self._dialogue.failed(LinkLost(f"{self.name} went away before it answered"))
        self._greeted = asyncio.Event()
        self._greeting = None
        self._has_started = False
        self._tags = TagReports()
        self._owed = asyncio.Queue()

    def declare_ready(self) -> None:
        """READY only once the inventory runs: a reader that greets and then refuses was never ready."""
        if self._has_started:
            super().declare_ready()

    async def converse(self) -> None:
        """Start the inventory, then send what is owed to the reader; take leave when the connection is ended from here."""
        try:
            await self._inventory()
        finally:
            with suppress(DriverFault):  # clause 12.1.5: a client shall try
                await self._send(Message(MessageType.CLOSE_CONNECTION, next(self._message_ids)))

    async def _inventory(self) -> None:
        await self._be_greeted()
        keepalive_ms = round(self._options.keepalive_s * 1000)
        await self._ask(MessageType.DELETE_ROSPEC, inventory.rospec_number(inventory.EVERY_ROSPEC))
        await self._ask(MessageType.SET_READER_CONFIG, inventory.reader_config(keepalive_ms))
        await self._ask(MessageType.ADD_ROSPEC, inventory.rospec(self._options.antennas))
        await self._ask(MessageType.ENABLE_ROSPEC, inventory.rospec_number(inventory.ROSPEC_ID))
        await self._ask(MessageType.START_ROSPEC, inventory.rospec_number(inventory.ROSPEC_ID))
        # A reader may have been configured to hold its reports until its client asks for them.
        await self._send(Message(MessageType.ENABLE_EVENTS_AND_REPORTS, next(self._message_ids)))
        while True:
            await self._send(await self._owed.get())

    async def _be_greeted(self) -> None:
        try:
            async with asyncio.timeout(self._options.reply_timeout_s):
                await self._greeted.wait()
        except TimeoutError as error:
            raise DeviceSilent(f"{self.name} did not greet within {self._options.reply_timeout_s} s") from error
        if self._greeting in {
            ConnectionAttempt.FAILED_CLIENT_INITIATED_EXISTS,
            ConnectionAttempt.FAILED_READER_INITIATED_EXISTS,
        }:
            raise ReaderOccupied(f"{self.name} already has a client")
        if self._greeting != ConnectionAttempt.SUCCESS:
            raise DeviceRefused(f"{self.name} refused the connection: {self._greeting}")

    async def _send(self, message: Message) -> None:
        await self.link.write(self.codec.encode(message))

    async def _ask(self, kind: MessageType, body: bytes) -> None:
        question = Message(kind, next(self._message_ids), body)
        wanted = {kind + _ANSWER_OFFSET, MessageType.ERROR_MESSAGE}
        answer = await self._dialogue.ask(
            self.link,
            self.codec.encode(question),
            lambda one: one.message_id == question.message_id and one.type in wanted,
        )
        try:
            status = inventory.status_of(answer.body)
        except ParameterNonsense as nonsense:
            raise DeviceUnintelligible(f"{self.name} answered {kind.name} with {nonsense}") from nonsense
        if answer.type == MessageType.ERROR_MESSAGE or status.code:
            raise DeviceRefused(f"{self.name} refused {kind.name}: {status.code} {status.text}".rstrip())

    # ---- what arrives

    def take(self, message: Message | BadFrame, t_mono_s: float) -> bool:
        """Report tags, hand answers to whoever asked; a message of an unknown type is no sign of life."""
        if isinstance(message, BadFrame):
            self.reporter.record(message.fault())
            return False
        try:
            return self._understood(message, t_mono_s)
        except ParameterNonsense as nonsense:
            self._reject(nonsense, message)
            return False

    def _understood(self, message: Message, t_mono_s: float) -> bool:
        if message.type == MessageType.RO_ACCESS_REPORT:
            return self._report(message, t_mono_s)
        if message.type == MessageType.KEEPALIVE:
            if self._link is not None and self._owed.qsize() < OWED_LIMIT:  # nothing is owed to a tape, or to a flood
                self._owed.put_nowait(Message(MessageType.KEEPALIVE_ACK, message.message_id))
        elif message.type == MessageType.READER_EVENT_NOTIFICATION:
            self._notified(inventory.connection_attempt(message.body))
        elif message.type in _ANSWERS:
            if message.type == MessageType.START_ROSPEC_RESPONSE and inventory.status_of(message.body) == Status(0):
                self._has_started = True
            self._dialogue.answered(message)
        else:
            return False
        return True

    def _notified(self, attempt: int | None) -> None:
        if attempt is not None and self._greeting is None:
            self._greeting = attempt
            self._greeted.set()

    def _report(self, message: Message, t_mono_s: float) -> bool:
        """Tell the tags of one report. What a former inventory still sends before this one runs is left out."""
        has_sense = False
        for tag in self._tags.read(message.body):
            if isinstance(tag, ParameterNonsense):
                self._reject(tag, message)
                continue
            has_sense = True
            if self._has_started and not self._recent.is_repeat(tag, t_mono_s):
                self.declare_ready()
                self.reporter.clear()
                self.reporter.emit(tag, t_mono_s, message.body)
        return has_sense

    def _reject(self, nonsense: ParameterNonsense, message: Message) -> None:
        self.reporter.record(BadFrame(str(nonsense), len(message.body)).fault())


def build(name: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> LlrpReader:
    """Return the driver. Raises `OptionsRefused`."""
    return LlrpReader(name, LlrpOptions.read(name, options), sink, clock)
