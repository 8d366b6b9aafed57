"""The virtual passport: commands in, answers out, as a chip of ISO/IEC 7816-4 with the application of ICAO Doc 9303."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.chip.twin import commands, pace
from drivers.chip.twin.authentication import ActiveAuthentication, ChipAuthentication
from drivers.chip.twin.basic_access import BasicAccess
from drivers.chip.twin.behaviour import Behaviour, Hanging, TornOff
from drivers.chip.twin.commands import Command, Refused
from drivers.chip.twin.entropy import Entropy, SeededEntropy
from drivers.chip.twin.file_system import FileSystem
from drivers.chip.twin.pace import PaceOffer, PaceRun
from drivers.chip.twin.secure_channel import SecureChannel

_MORE_DATA = 0x6100
_HISTORICAL_BYTES = bytes.fromhex("80738421")


@dataclass(frozen=True, slots=True)
class ChipContents:
    """What personalisation put on a chip. `mrz_information` and `card_access_number` open it; an empty string: not that way."""

    files: Mapping[str, bytes]
    mrz_information: str
    card_access_number: str = ""
    has_basic_access: bool = True
    pace_offers: Sequence[PaceOffer] = ()
    pace_static_key: int = 0
    chip_authentication: Sequence[ChipAuthentication] = ()
    active_authentication: ActiveAuthentication | None = None


@dataclass(slots=True)
class _Session:
    """What a reset forgets."""

    channel: SecureChannel | None = None
    has_access: bool = False
    pace_run: PaceRun | None = None
    chip_authentication: ChipAuthentication | None = None
    next_channel: SecureChannel | None = None
    pending: bytes = b""
    apdus: int = 0
    was_secured: bool = False


class VirtualPassport:
    """One chip. `answer` answers one command; `reset` powers it up and gives its answer to reset."""

    def __init__(
        self, contents: ChipContents, *, behaviour: Behaviour | None = None, entropy: Entropy | None = None
    ) -> None:
        """`entropy` is where challenges and ephemeral keys come from; without it, from a fixed seed."""
        self.contents = contents
        self.behaviour = behaviour or Behaviour()
        self._entropy = entropy or SeededEntropy("chip")
        self._files = FileSystem(contents.files, self.behaviour)
        self._basic_access = BasicAccess(contents.mrz_information, self._entropy)
        self._session = _Session()
        self._has_broken = False
        self._refusals = {command: list(statuses) for command, statuses in self.behaviour.refusals.items()}

    @property
    def apdus(self) -> int:
        """Commands since the chip was powered."""
        return self._session.apdus

    @property
    def answer_to_reset(self) -> bytes:
        """As a contactless reader makes it up from the historical bytes (PC/SC part 3 §3.1.3.2.3)."""
        capabilities = 0xC0 if self.behaviour.has_extended_length else 0x80
        historical = _HISTORICAL_BYTES + bytes((capabilities,))
        body = bytes((0x80 + len(historical), 0x80, 0x01)) + historical
        check = 0
        for byte in body:
            check ^= byte
        return b"\x3b" + body + bytes((check,))

    def reset(self) -> bytes:
        """Power the chip up, with nothing selected and no session; return its answer to reset."""
        self._session = _Session()
        self._files.reset()
        self._basic_access = BasicAccess(self.contents.mrz_information, self._entropy)
        return self.answer_to_reset

    def answer(self, apdu: bytes) -> bytes:
        """Answer one command. Raises `TornOff` and `Hanging` where the behaviour says so."""
        session = self._session
        session.apdus += 1
        behaviour = self.behaviour
        if behaviour.torn_off_at_apdu is not None and session.apdus >= behaviour.torn_off_at_apdu:
            raise TornOff
        if behaviour.hangs_at_apdu is not None and session.apdus >= behaviour.hangs_at_apdu:
            raise Hanging
        if session.apdus == behaviour.secure_messaging_breaks_at_apdu and not self._has_broken:
            self._has_broken = True
            return self._lost(commands.SECURED_OBJECTS_INCORRECT)
        try:
            command = commands.parse_command(apdu, has_extended_length=behaviour.has_extended_length)
            if behaviour.endless_more_data and self._files.is_application_selected:
                return bytes(command.expected or 0) + b"\x61\xff"
            if command.is_secured:
                return self._secured(command)
            return self._in_clear(command)
        except Refused as refusal:
            return refusal.content + refusal.status.to_bytes(2, "big")

    def _lost(self, status: int) -> bytes:
        """End the session; what it gave access to is closed again."""
        self._session.channel = self._session.next_channel = None
        self._session.has_access = False
        self._session.was_secured = True
        return status.to_bytes(2, "big")

    def _secured(self, command: Command) -> bytes:
        session = self._session
        if session.channel is None:
            missing = session.was_secured
            return self._lost(commands.SECURED_OBJECTS_MISSING if missing else commands.SECURED_OBJECTS_INCORRECT)
        try:
            inner = session.channel.open(command)
        except Refused as refusal:
            return self._lost(refusal.status)
        try:
            content, status = self._execute(inner)
        except Refused as refusal:
            content, status = refusal.content, refusal.status
        except _BreaksDown:
            return self._lost(commands.UNSPECIFIED)
        answer = session.channel.protect(content, status, is_odd=bool(inner.ins & 1))
        if session.next_channel is not None:
            session.channel, session.next_channel = session.next_channel, None
        return answer

    def _in_clear(self, command: Command) -> bytes:
        session = self._session
        if session.channel is not None:
            self._lost(0)  # a command in clear ends the session (ICAO 9303-11 §9.8.3)
        if command.ins == 0xC0:
            return self._piece(session.pending, command.expected or 256)
        try:
            content, status = self._execute(command)
        except _BreaksDown:
            return self._lost(commands.UNSPECIFIED)
        session.channel, session.next_channel = session.next_channel, None
        if command.expected is not None and len(content) > command.expected and status == commands.OK:
            return self._piece(content, command.expected)
        return content + status.to_bytes(2, "big")

    def _piece(self, content: bytes, expected: int) -> bytes:
        """Hand out the first part of an answer and say how much is left."""
        if not content:
            raise Refused(commands.CONDITIONS_NOT_SATISFIED)
        now, self._session.pending = content[:expected], content[expected:]
        rest = len(self._session.pending)
        return now + ((_MORE_DATA | min(rest, 0xFF)) if rest else commands.OK).to_bytes(2, "big")

    def _execute(self, command: Command) -> tuple[bytes, int]:
        if command.cla & ~commands.CHAINED:
            raise Refused(commands.CLASS_UNKNOWN)
        if waiting := self._refusals.get((command.ins, command.parameters)):
            raise Refused(waiting.pop(0))
        match command.ins:
            case 0xA4:
                return self._files.select(command), commands.OK
            case 0xB0 | 0xB1:
                return self._read(command)
            case 0x84:
                return self._challenge(), commands.OK
            case 0x82:
                return self._external_authenticate(command), commands.OK
            case 0x22:
                return self._set_environment(command), commands.OK
            case 0x86:
                return self._general_authenticate(command), commands.OK
            case 0x88:
                return self._internal_authenticate(command), commands.OK
        raise Refused(commands.INSTRUCTION_UNKNOWN)

    def _read(self, command: Command) -> tuple[bytes, int]:
        asked, limit = command.expected or 0, self.behaviour.longest_read_bytes
        if limit is not None and asked > limit:
            if not self.behaviour.too_long_status:
                raise _BreaksDown
            right_length = limit & 0xFF if self.behaviour.too_long_status == 0x6C00 else 0
            raise Refused(self.behaviour.too_long_status | right_length)
        return self._files.read(command, has_access=self._session.has_access)

    def _challenge(self) -> bytes:
        if not self.contents.has_basic_access:
            raise Refused(commands.INSTRUCTION_UNKNOWN)
        if not self._files.is_application_selected:
            raise Refused(commands.CONDITIONS_NOT_SATISFIED)
        return self._basic_access.challenge()

    def _external_authenticate(self, command: Command) -> bytes:
        if not self.contents.has_basic_access:
            raise Refused(commands.INSTRUCTION_UNKNOWN)
        answer, self._session.next_channel = self._basic_access.authenticate(command.content)
        self._session.has_access = True
        return answer

    def _set_environment(self, command: Command) -> bytes:
        if command.parameters == 0xC1A4:
            self._session.pace_run = None
            offer, password = pace.set_up(
                command.content,
                self.contents.pace_offers,
                self._passwords(),
                needs_parameter_id=self.behaviour.pace_needs_parameter_id,
            )
            self._session.pace_run = PaceRun(
                offer,
                password,
                self._entropy,
                self.contents.pace_static_key,
                is_failing=self.behaviour.pace_fails,
            )
            return b""
        if command.parameters in {0x41A4, 0x41A6} and self._session.has_access:
            for chip_authentication in self.contents.chip_authentication:
                if chip_authentication.is_meant(command):
                    if command.parameters == 0x41A6:
                        self._session.next_channel = chip_authentication.agree_from_key_set(command.content)
                    else:
                        self._session.chip_authentication = chip_authentication
                    return b""
            raise Refused(commands.REFERENCE_NOT_FOUND)
        raise Refused(commands.WRONG_PARAMETERS)

    def _passwords(self) -> dict[int, bytes]:
        information = self.contents.mrz_information.encode("ascii")
        passwords = {pace.MRZ: hashlib.sha1(information, usedforsecurity=False).digest()}
        if self.contents.card_access_number:
            passwords[pace.CARD_ACCESS_NUMBER] = self.contents.card_access_number.encode("ascii")
        return passwords

    def _general_authenticate(self, command: Command) -> bytes:
        session = self._session
        if session.chip_authentication is not None:
            chip_authentication, session.chip_authentication = session.chip_authentication, None
            answer, session.next_channel = chip_authentication.agree(command.content)
            return answer
        if session.pace_run is None:
            raise Refused(commands.CONDITIONS_NOT_SATISFIED)
        try:
            answer, channel = session.pace_run.step(command.content)
        except Refused:
            session.pace_run = None
            raise
        if channel is not None:
            session.pace_run, session.next_channel, session.has_access = None, channel, True
        return answer

    def _internal_authenticate(self, command: Command) -> bytes:
        if self.contents.active_authentication is None:
            raise Refused(commands.INSTRUCTION_UNKNOWN)
        if not self._session.has_access:
            raise Refused(commands.SECURITY_STATUS)
        if len(command.content) != 8:
            raise Refused(commands.WRONG_LENGTH)
        return self.contents.active_authentication.answer(command.content, self._entropy)


class _BreaksDown(Exception):
    """The chip answers 6F00 in clear and forgets its session."""
