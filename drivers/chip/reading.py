"""One presentation of a chip, from its field to the last file: access, order of files, proofs; judged elsewhere.

Order: EF.CardAccess (and EF.ATR/INFO once, where the ATR says nothing of lengths), PACE (or basic access where the chip offers none),
EF.CardSecurity after chip-authentication mapping, EF.SOD, DG1, DG14 with chip authentication, DG15, then DG2, the long one, and active
authentication last. EF.COM is unsigned and skipped, DG3 and DG4 are not this gate's. A chip that announces PACE and then fails in it
is never opened another way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from drivers.chip.apdu import (
    BY_SHORT_ID,
    END_OF_FILE,
    FILE_NOT_FOUND,
    OK,
    SHORT_LIMIT,
    WRONG_EXPECTED_LENGTH,
    WRONG_LENGTH,
    CommandApdu,
)
from drivers.chip.basic_access import open_with_basic_access
from drivers.chip.block_sizes import BlockSizes
from drivers.chip.channel import ChipChannel
from drivers.chip.chip_authentication import authenticate_chip, mapping_key_of
from drivers.chip.chip_authentication import choose as choose_chip_authentication
from drivers.chip.ciphers import mrz_seed
from drivers.chip.errors import ChipApplicationAbsent, ChipFault, KeysAbsent, ReadTooLong, SecureMessagingLost
from drivers.chip.file_reading import FileReader, FileUnreadable
from drivers.chip.pace import ChipSecret, PacePassword, open_with_pace
from drivers.chip.pace import choose as choose_pace
from drivers.chip.protocol_outcomes import (
    AccessRefused,
    AuthenticationAborted,
    AuthenticationFailed,
    ProtocolUnsupported,
    could_not_run,
)
from drivers.chip.transport import Transport
from drivers.contracts import (
    ChipAccess,
    ChipEvidence,
    ChipFileRead,
    ChipKeys,
    ChipOpened,
    ChipProgress,
    ProtocolOutcome,
)
from emrtd.data_groups import MalformedDataGroup, listed_data_groups
from emrtd.files import APPLICATION_ID, CARD_ACCESS, CARD_SECURITY, CHIP_FILES, CHIP_INFORMATION, EF_SOD, ChipFile
from emrtd.security_infos import MalformedSecurityInfos, SecurityInfos, content_of_card_security, parse_security_infos

CHALLENGE_BYTES = 8
_WRONG_KEY = {0x6300, 0x6982, 0x6985, 0x6988}
_LONGEST_SIGNATURE_BYTES = 65_536
_ONLY_WHERE_LISTED = {"DG14", "DG15"}  # others are the gate's business whether the chip lists them or not

Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a gate wants of a read."""

    basic_access: bool = True
    active_authentication: bool = True
    time_limit_s: float = 12.0
    files: tuple[str, ...] = ("EF.SOD", "DG1", "DG14", "DG15", "DG2")


@dataclass(slots=True)
class ChipReading:
    """Reads one chip. `connect` opens a new conversation with the chip on the reader; `random` are unpredictable bytes."""

    connect: Callable[[], Transport]
    keys: ChipKeys
    report: Callable[[ChipProgress], None]
    random: Random
    monotonic_s: Callable[[], float]
    options: ReadOptions = ReadOptions()
    sizes: BlockSizes = field(default_factory=BlockSizes)
    _found: ChipEvidence = field(default_factory=ChipEvidence)
    _files: dict[str, bytes] = field(default_factory=dict)
    _unreadable: dict[str, str] = field(default_factory=dict)
    _channel: ChipChannel | None = None
    _begun_s: float = 0.0
    _is_authenticating: bool = False
    _is_awaiting_proof: bool = False

    def run(self) -> ChipEvidence:
        """Return what the chip gave; a fault that ended the read stands in it. Never raises for what a chip does."""
        self._begun_s = self.monotonic_s()
        try:
            self._with_one_retry()
        except ChipFault as fault:
            self._note(fault=fault.code, fault_text=str(fault))
        except AccessRefused as refused:
            self._note(fault_text=str(refused))
        self._let_go()
        return replace(
            self._found,
            files=dict(self._files),
            unreadable=dict(self._unreadable),
            duration_ms=(self.monotonic_s() - self._begun_s) * 1000,
        )

    def _with_one_retry(self) -> None:
        if not (self.keys.mrz_information or self.keys.card_access_number):
            raise KeysAbsent("nothing was handed in that opens a chip")
        try:
            self._read(with_chip_authentication=True)
        except SecureMessagingLost:
            was_unproven, self._is_authenticating = self._let_go(), False
        else:
            return
        try:
            self._read(with_chip_authentication=True)
        except SecureMessagingLost:
            # Twice at one place is no hiccup. Right after the proof, the chip did not find the new keys: it has not the key it shows.
            # In the midst of it, the chip broke down: that says nothing, and its files are read without.
            if self._let_go() and was_unproven:
                self._note(chip_authentication=ProtocolOutcome.FAILED)
            elif self._is_authenticating:
                self._note(chip_authentication=ProtocolOutcome.ABORTED)
            else:
                raise
            self._read(with_chip_authentication=False)

    def _read(self, *, with_chip_authentication: bool) -> None:
        channel = self._channel = ChipChannel(self.connect())
        reader = FileReader(channel, self.sizes)
        infos = self._card_access(reader)
        secret = self._open(channel, infos)
        if secret is not None:
            self._mapping(reader, secret)
        if self._found.access is ChipAccess.PACE:
            self._select_application(channel)
        self.report(ChipOpened(self._found.access))
        for name in self.options.files:
            if name in _ONLY_WHERE_LISTED and not self._is_listed(CHIP_FILES[name]):
                continue
            content = self._take(reader, CHIP_FILES[name])
            if name == "DG14" and content is not None and with_chip_authentication:
                self._authenticate(channel, content)
        if self.options.active_authentication and "DG15" in self._files:
            self._challenge(channel)

    # access ---------------------------------------------------------------------------------------------------------------

    def _card_access(self, reader: FileReader) -> SecurityInfos | None:
        """Return what the chip announces, None when it announces nothing (and so knows no PACE)."""
        assert self._channel is not None, "connected before"
        selected = self._channel.send(CommandApdu(0x00, 0xA4, 0x02, 0x0C, CARD_ACCESS.file_id.to_bytes(2, "big")))
        if not selected.is_ok:
            return None
        try:
            self._files[CARD_ACCESS.name] = content = reader.read(CARD_ACCESS)
        except FileUnreadable as unreadable:
            self._unreadable[CARD_ACCESS.name] = f"{unreadable.status:04X}"
            return None
        self._ask_for_lengths(self._channel)
        try:
            return parse_security_infos(content)
        except MalformedSecurityInfos as error:
            self._note(pace=ProtocolOutcome.FAILED)
            raise AccessRefused("PACE", 0) from error

    def _ask_for_lengths(self, channel: ChipChannel) -> None:
        """Read EF.ATR/INFO of a chip whose ATR says nothing of lengths, once for each type: one command now for sixty later."""
        if self.sizes.wants_information(channel.atr):
            read = CommandApdu(0x00, 0xB0, BY_SHORT_ID | CHIP_INFORMATION.short_id, 0, b"", SHORT_LIMIT)
            answer = channel.send(read)
            self.sizes.inform(channel.atr, answer.content if answer.status in {OK, END_OF_FILE} else b"")

    def _open(self, channel: ChipChannel, infos: SecurityInfos | None) -> ChipSecret | None:
        if infos is not None and infos.pace:
            try:
                protocol = choose_pace(infos.pace)
            except ProtocolUnsupported:
                self._note(pace=ProtocolOutcome.NOT_TRIED)
            else:
                self._note(pace_protocol=protocol.name, pace_parameter_id=protocol.parameter_id)
                return self._pace(channel, infos)
        else:
            self._note(pace=ProtocolOutcome.NOT_OFFERED)
        self._select_application(channel)
        self._basic_access(channel)
        return None

    def _passwords(self) -> list[PacePassword]:
        keys = self.keys
        if keys.card_access_number:
            return [PacePassword(keys.card_access_number.encode("ascii", "replace"), is_card_access_number=True)]
        return [PacePassword(mrz_seed(text)) for text in self._mrz_informations()]

    def _mrz_informations(self) -> list[str]:
        both = (self.keys.mrz_information, self.keys.alternative_mrz_information)
        return [text for text in both if text and text.isascii()]

    def _pace(self, channel: ChipChannel, infos: SecurityInfos) -> ChipSecret | None:
        protocol = choose_pace(infos.pace)
        refused: AccessRefused | None = None
        for password in self._passwords():
            self._in_time()
            try:
                secret = open_with_pace(channel, protocol, password, self.random)
            except AccessRefused as error:
                refused = error
                channel.secure_messaging = None
                continue
            used = password.is_card_access_number
            self._note(access=ChipAccess.PACE, pace=ProtocolOutcome.SUCCEEDED, used_card_access_number=used)
            return secret
        self._note(pace=ProtocolOutcome.FAILED)
        raise refused or AccessRefused("PACE", 0)

    def _basic_access(self, channel: ChipChannel) -> None:
        if not self.options.basic_access:
            raise AccessRefused("BAC", 0)
        refused: AccessRefused | None = None
        for text in self._mrz_informations():
            self._in_time()
            try:
                open_with_basic_access(channel, text, self.random)
            except AccessRefused as error:
                refused = error
                if error.status and error.status not in _WRONG_KEY:
                    break
                continue
            self._note(access=ChipAccess.BAC, basic_access=ProtocolOutcome.SUCCEEDED)
            return
        self._note(basic_access=ProtocolOutcome.FAILED if refused else ProtocolOutcome.NOT_TRIED)
        raise refused or AccessRefused("BAC", 0)

    def _select_application(self, channel: ChipChannel) -> None:
        selected = channel.send(CommandApdu(0x00, 0xA4, 0x04, 0x0C, APPLICATION_ID))
        if not selected.is_ok:
            raise ChipApplicationAbsent(f"the passport application answers {selected.status_text}")

    # files and proofs -----------------------------------------------------------------------------------------------------

    def _take(self, reader: FileReader, file: ChipFile) -> bytes | None:
        """Return a file, from an earlier try where it was read whole; None when the chip does not give it."""
        if file.name in self._files:
            return self._files[file.name]
        self._in_time()
        try:
            content = reader.read(file)
        except FileUnreadable as unreadable:
            self._proven()
            self._unreadable[file.name] = f"{unreadable.status:04X}"
            return None
        self._proven()
        self._files[file.name] = content
        self.report(ChipFileRead(file.name, content))
        return content

    def _is_listed(self, file: ChipFile) -> bool:
        """Tell whether the security object lists a data group; one that cannot be read may list everything."""
        try:
            return file.data_group in listed_data_groups(self._files.get(EF_SOD.name, b""))
        except MalformedDataGroup:
            return True

    def _mapping(self, reader: FileReader, secret: ChipSecret) -> None:
        """Look for the key that chip-authentication mapping was made with; EF.CardSecurity says which are the chip's."""
        content = self._take(reader, CARD_SECURITY)
        try:
            infos = parse_security_infos(content_of_card_security(content)) if content else SecurityInfos()
        except MalformedSecurityInfos:
            infos = SecurityInfos()
        if not infos.chip_authentication_keys:  # nothing to compare with says nothing about the chip
            self._note(chip_authentication_mapping=ProtocolOutcome.ABORTED)
            return
        key = mapping_key_of(secret, infos)
        outcome = ProtocolOutcome.SUCCEEDED if key is not None else ProtocolOutcome.FAILED
        self._note(chip_authentication_mapping=outcome, chip_authentication_key=key.key if key else b"")

    def _authenticate(self, channel: ChipChannel, data_group_14: bytes) -> None:
        if self._found.chip_authentication_mapping is ProtocolOutcome.SUCCEEDED:
            return
        try:
            way = choose_chip_authentication(parse_security_infos(data_group_14))
        except ProtocolUnsupported:
            self._note(chip_authentication=ProtocolOutcome.NOT_OFFERED)
            return
        except MalformedSecurityInfos:
            return
        self._in_time()
        self._note(chip_authentication_key=way.key.key)
        self._is_authenticating = True
        try:
            authenticate_chip(channel, way, self.random)
        except AuthenticationFailed:
            self._note(chip_authentication=ProtocolOutcome.FAILED)
        except (ProtocolUnsupported, AuthenticationAborted):
            self._note(chip_authentication=ProtocolOutcome.ABORTED)
        else:
            self._is_awaiting_proof = True
        self._is_authenticating = False

    def _proven(self) -> None:
        """Note that an answer under the new keys verified: the chip has its static key."""
        if self._is_awaiting_proof:
            self._is_awaiting_proof = False
            self._note(chip_authentication=ProtocolOutcome.SUCCEEDED)

    def _challenge(self, channel: ChipChannel) -> None:
        """Have the chip sign a challenge; whether the signature holds is judged elsewhere."""
        self._in_time()
        challenge = self.random(CHALLENGE_BYTES)
        expected = _LONGEST_SIGNATURE_BYTES if self.sizes.of(channel.atr) > 256 else 256
        answer = channel.send(CommandApdu(0x00, 0x88, 0x00, 0x00, challenge, expected))
        if answer.status == WRONG_LENGTH or answer.status >> 8 == WRONG_EXPECTED_LENGTH:  # that may name the right one
            expected = answer.status & 0xFF or SHORT_LIMIT
            answer = channel.send(CommandApdu(0x00, 0x88, 0x00, 0x00, challenge, expected))
        if answer.is_ok and answer.content:
            outcome = ProtocolOutcome.SUCCEEDED
            self._note(active_authentication=outcome, challenge=challenge, response=answer.content)
        elif answer.status == FILE_NOT_FOUND or could_not_run(answer.status):
            self._note(active_authentication=ProtocolOutcome.ABORTED)
        else:
            self._note(active_authentication=ProtocolOutcome.FAILED, challenge=challenge)

    # bookkeeping ----------------------------------------------------------------------------------------------------------

    def _in_time(self) -> None:
        if self.monotonic_s() - self._begun_s > self.options.time_limit_s:
            raise ReadTooLong(f"the read took longer than {self.options.time_limit_s:g} s")

    def _note(self, **changes: object) -> None:
        self._found = replace(self._found, **changes)  # type: ignore[arg-type] # field names are checked by the tests

    def _let_go(self) -> bool:
        """End the conversation; return whether the chip still had to prove its key, which an answer in the next one does not."""
        was_unproven, self._is_awaiting_proof = self._is_awaiting_proof, False
        channel, self._channel = self._channel, None
        if channel is None:
            return was_unproven
        with contextlib.suppress(ChipFault):
            channel.close()
        found = self._found
        self._note(
            apdus=found.apdus + channel.apdus,
            sent_bytes=found.sent_bytes + channel.sent_bytes,
            received_bytes=found.received_bytes + channel.received_bytes,
        )
        return was_unproven
