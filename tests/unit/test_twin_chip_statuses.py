"""What the virtual passport answers when something is not as it should be: status words, orders of steps, lengths, keys of no group."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from drivers.chip.twin import curve_table, modular_groups
from drivers.chip.twin.behaviour import Behaviour, Hanging, TornOff
from drivers.chip.twin.ciphers import TRIPLE_DES
from drivers.chip.twin.entropy import SeededEntropy
from drivers.chip.twin.pace import PaceMapping, PaceOffer
from drivers.chip.twin.passport import ChipContents, VirtualPassport
from drivers.chip.twin.personalisation import mrz_information
from drivers.chip.twin.secure_channel import SecureChannel
from drivers.chip.twin.tlv import object_id_value, tlv

INFORMATION = "L898902C<369080619406236"
FILE = tlv(0x61, bytes(range(200)))
LONG = tlv(0x75, bytes(40_000))
GENERIC = PaceOffer(PaceMapping.ECDH_GENERIC, 2, 12)
CONTENTS = ChipContents(
    {"EF.CardAccess": b"\x31\x02\x30\x00", "DG1": FILE, "DG2": LONG, "DG3": FILE, "EF.COM": FILE},
    INFORMATION,
    card_access_number="123456",
    pace_offers=(GENERIC, PaceOffer(PaceMapping.DH_GENERIC, 2, 0), PaceOffer(PaceMapping.ECDH_INTEGRATED, 2, 13)),
)
SELECT_APPLICATION = bytes.fromhex("00A4040C07A0000002471001")


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


def status(answer: bytes) -> str:
    return answer[-2:].hex().upper()


class Opened:
    """A chip opened with basic access, and the terminal's end of its channel."""

    def __init__(self, behaviour: Behaviour | None = None, contents: ChipContents = CONTENTS) -> None:
        self.chip = VirtualPassport(contents, behaviour=behaviour)
        self.chip.reset()
        assert self.chip.answer(SELECT_APPLICATION) == b"\x90\x00"
        challenge = self.chip.answer(octets("0084000008"))[:8]
        seed = hashlib.sha1(INFORMATION.encode()).digest()[:16]
        encryption, authentication = TRIPLE_DES.derive_key(seed, 1), TRIPLE_DES.derive_key(seed, 2)
        cryptogram = TRIPLE_DES.encrypt(encryption, bytes(8) + challenge + bytes(16))
        proof = cryptogram + TRIPLE_DES.token(authentication, cryptogram)
        answer = self.chip.answer(octets("0082000028") + proof + b"\x28")
        chip_key = TRIPLE_DES.decrypt(encryption, answer[:32])[16:]
        self.secret, self.counter = chip_key, challenge[4:] + bytes(4)
        self.channel = SecureChannel.from_secret(TRIPLE_DES, chip_key, self.counter)

    def protected(self, header: str, content: bytes = b"", expected: bytes | None = None) -> bytes:
        """Wrap a command: the same objects as the chip opens, made with its own channel turned round."""
        channel = self.channel
        channel._counter += 1
        body = b""
        if content:
            padded = content + b"\x80" + bytes(-(len(content) + 1) % 8)
            cryptogram = TRIPLE_DES.encrypt(channel._encryption_key, padded)
            odd = octets(header)[1] & 1
            body = tlv(0x85, cryptogram) if odd else tlv(0x87, b"\x01" + cryptogram)
        if expected is not None:
            body += tlv(0x97, expected)
        head = bytes((octets(header)[0] | 0x0C,)) + octets(header)[1:]
        message = channel._counter_bytes() + head + octets("80000000") + (body + b"\x80" if body else b"")
        checksum = TRIPLE_DES.checksum(channel._authentication_key, message + bytes(-len(message) % 8))
        whole = body + tlv(0x8E, checksum)
        return head + b"\x00" + len(whole).to_bytes(2, "big") + whole + b"\x00\x00"

    def ask(self, header: str, content: bytes = b"", expected: bytes | None = None) -> tuple[bytes, str]:
        answer = self.chip.answer(self.protected(header, content, expected))
        self.channel._counter += 1
        objects = {}
        rest = answer[:-2]
        while rest:
            tag, size, start = rest[0], rest[1], 2
            if size > 0x80:
                start = 2 + size - 0x80
                size = int.from_bytes(rest[2:start], "big")
            objects[tag], rest = rest[start : start + size], rest[start + size :]
        cryptogram = objects.get(0x85) or objects.get(0x87, b"\x01")[1:]
        plain = TRIPLE_DES.decrypt(self.channel._encryption_key, cryptogram).rstrip(b"\x00")[:-1] if cryptogram else b""
        return plain, objects[0x99].hex().upper() if 0x99 in objects else status(answer)


def test_nothing_but_card_access_before_access() -> None:
    chip = VirtualPassport(CONTENTS)
    chip.reset()
    assert chip.answer(octets("00B09C0000")) == b"\x31\x02\x30\x00\x62\x82"
    assert status(chip.answer(octets("00A4020C020101"))) == "6A82"  # in the application, not here
    chip.answer(SELECT_APPLICATION)
    assert status(chip.answer(octets("00B0000000"))) == "6986"
    for command in ("00B0810000", "00B0820000", "00B09E0000", "00B0000000"):
        assert status(chip.answer(octets(command))) == "6982"
    assert status(chip.answer(octets("00B0850000"))) == "6A82"
    assert status(chip.answer(octets("0088000008000000000000000000"))) == "6D00"


def test_reads_under_secure_messaging() -> None:
    opened = Opened()
    assert opened.ask("00B08100", expected=b"\x04") == (FILE[:4], "9000")
    assert opened.ask("00B00004", expected=b"\x00") == (FILE[4:], "6282")
    assert opened.ask("00B000CB", expected=b"\x00") == (b"", "6B00")
    assert opened.ask("00B08300", expected=b"\x00") == (b"", "6982")  # DG3 is closed to this gate
    assert opened.ask("00B08900", expected=b"\x00") == (b"", "6A82")
    assert opened.ask("00A4020C", b"\x01\x02") == (b"", "9000")
    assert opened.ask("00B10000", tlv(0x54, b"\x9c\x40"), b"\x00") == (tlv(0x53, LONG[40_000:]), "6282")
    assert opened.ask("00B10001", tlv(0x54, b"\x02"), b"\x10") == (tlv(0x53, FILE[2:16]), "9000")


def test_a_wrong_checksum_ends_the_session_and_its_access() -> None:
    opened = Opened()
    damaged = bytearray(opened.protected("00B08100", expected=b"\x04"))
    damaged[-3] ^= 1
    assert opened.chip.answer(bytes(damaged)) == b"\x69\x88"
    assert opened.chip.answer(opened.protected("00B08100", expected=b"\x04")) == b"\x69\x87"
    assert status(opened.chip.answer(octets("00B0810000"))) == "6982"


@pytest.mark.parametrize("content", [b"", tlv(0x97, b"\x04"), tlv(0x99, b"\x90\x00")])
def test_objects_without_a_checksum(content: bytes) -> None:
    command = octets("0CB08100") + (bytes((len(content),)) + content if content else b"") + b"\x00"
    assert Opened().chip.answer(command) == b"\x69\x87"


def test_a_command_in_clear_ends_the_session() -> None:
    opened = Opened()
    assert status(opened.chip.answer(octets("00B0810000"))) == "6982"
    assert opened.chip.answer(opened.protected("00B08100", expected=b"\x04")) in {b"\x69\x87", b"\x69\x88"}


def test_basic_access_takes_each_challenge_once_and_only_the_right_keys() -> None:
    chip = VirtualPassport(CONTENTS)
    chip.reset()
    assert status(chip.answer(octets("0084000008"))) == "6985"  # no application yet
    chip.answer(SELECT_APPLICATION)
    assert status(chip.answer(octets("0082000028") + bytes(40) + b"\x28")) == "6985"
    chip.answer(octets("0084000008"))
    assert status(chip.answer(octets("0082000028") + bytes(40) + b"\x28")) == "6300"
    assert status(chip.answer(octets("0082000028") + bytes(40) + b"\x28")) == "6985"
    chip.answer(octets("0084000008"))
    assert status(chip.answer(octets("0082000010") + bytes(16) + b"\x28")) == "6700"
    without = VirtualPassport(replace(CONTENTS, has_basic_access=False))
    without.answer(SELECT_APPLICATION)
    assert status(without.answer(octets("0084000008"))) == "6D00"


def set_up(offer: PaceOffer, *, password: int = 2, parameter: int | None = None) -> bytes:
    content = tlv(0x80, object_id_value(offer.object_id)) + tlv(0x83, bytes((password,)))
    if parameter is not None:
        content += tlv(0x84, bytes((parameter,)))
    return octets("0022C1A4") + bytes((len(content),)) + content


def authenticate(*parts: bytes) -> bytes:
    content = tlv(0x7C, *parts)
    return octets("10860000") + bytes((len(content),)) + content + b"\x00"


def test_setting_pace_up() -> None:
    chip = VirtualPassport(CONTENTS)
    chip.reset()
    assert status(chip.answer(authenticate())) == "6985"
    assert status(chip.answer(set_up(GENERIC))) == "9000"
    assert status(chip.answer(set_up(GENERIC, parameter=12))) == "9000"
    assert status(chip.answer(set_up(GENERIC, parameter=13))) == "6A80"
    assert status(chip.answer(set_up(PaceOffer(PaceMapping.ECDH_GENERIC, 4, 12)))) == "6A80"
    assert status(chip.answer(set_up(GENERIC, password=3))) == "6A88"
    strict = VirtualPassport(CONTENTS, behaviour=Behaviour(pace_needs_parameter_id=True))
    assert status(strict.answer(set_up(GENERIC))) == "6A87"
    assert status(strict.answer(set_up(GENERIC, parameter=12))) == "9000"


def started(offer: PaceOffer) -> VirtualPassport:
    chip = VirtualPassport(CONTENTS, entropy=SeededEntropy("pace"))
    chip.reset()
    chip.answer(set_up(offer))
    return chip


def test_steps_of_pace_out_of_order() -> None:
    point = curve_table.BY_NAME["P-256"].encode(curve_table.BY_NAME["P-256"].base)
    for steps in (
        [tlv(0x81, point)],
        [tlv(0x83, point)],
        [tlv(0x85, bytes(8))],
        [b"", b""],
        [b"", tlv(0x83, point)],
        [b"", tlv(0x81, point), tlv(0x81, point)],
        [b"", tlv(0x81, point), tlv(0x85, bytes(8))],
    ):
        chip = started(GENERIC)
        answers = [status(chip.answer(authenticate(step) if step else authenticate())) for step in steps]
        assert answers[:-1] == ["9000"] * (len(steps) - 1)
        assert answers[-1] == "6985"
        assert status(chip.answer(authenticate(tlv(0x81, point)))) == "6985"  # the run is over


@pytest.mark.parametrize(
    ("offer", "peer"),
    [
        (GENERIC, b"\x04" + bytes(64)),
        (GENERIC, b"\x00"),
        (GENERIC, b"\x04" + b"\xff" * 64),
        (PaceOffer(PaceMapping.DH_GENERIC, 2, 0), b"\x01"),
        (PaceOffer(PaceMapping.DH_GENERIC, 2, 0), (modular_groups.GROUPS[0].p - 1).to_bytes(128, "big")),
        (PaceOffer(PaceMapping.DH_GENERIC, 2, 0), b"\x02"),
    ],
)
def test_public_keys_of_no_group_are_refused(offer: PaceOffer, peer: bytes) -> None:
    chip = started(offer)
    assert status(chip.answer(authenticate())) == "9000"
    content = tlv(0x7C, tlv(0x81, peer))
    command = octets("10860000") + b"\x00" + len(content).to_bytes(2, "big") + content + b"\x00\x00"
    assert status(chip.answer(command)) == "6300"


def test_a_wrong_token_gives_no_access() -> None:
    point = curve_table.BY_NAME["P-256"].encode(curve_table.BY_NAME["P-256"].base)
    chip = started(GENERIC)
    for step in (b"", tlv(0x81, point), tlv(0x83, point)):
        assert status(chip.answer(authenticate(step) if step else authenticate())) == "9000"
    assert status(chip.answer(authenticate(tlv(0x85, bytes(8))))) == "6300"
    chip.answer(SELECT_APPLICATION)
    assert status(chip.answer(octets("00B0810000"))) == "6982"


def test_lengths() -> None:
    short = Behaviour(has_extended_length=False)
    chip = VirtualPassport(CONTENTS, behaviour=short)
    assert status(chip.answer(octets("00B09C00000000"))) == "6700"
    limited = VirtualPassport(CONTENTS, behaviour=Behaviour(longest_read_bytes=223))
    assert status(limited.answer(octets("00B09C0000"))) == "6700"
    assert status(limited.answer(octets("00B09C00DF"))) == "6282"
    told = VirtualPassport(CONTENTS, behaviour=Behaviour(longest_read_bytes=223, too_long_status=0x6C00))
    assert status(told.answer(octets("00B09C0000"))) == "6CDF"
    broken = VirtualPassport(CONTENTS, behaviour=Behaviour(longest_read_bytes=223, too_long_status=0))
    assert status(broken.answer(octets("00B09C0000"))) == "6F00"


def test_what_is_not_known() -> None:
    chip = VirtualPassport(CONTENTS)
    assert status(chip.answer(octets("00CA000000"))) == "6D00"
    assert status(chip.answer(octets("80B0000000"))) == "6E00"
    assert status(chip.answer(octets("00A4090C020101"))) == "6A86"
    assert status(chip.answer(octets("00A4040C07A0000002471002"))) == "6A82"
    assert status(chip.answer(octets("00C0000000"))) == "6985"


def test_gone_and_hanging() -> None:
    torn = VirtualPassport(CONTENTS, behaviour=Behaviour(torn_off_at_apdu=2))
    hanging = VirtualPassport(CONTENTS, behaviour=Behaviour(hangs_at_apdu=2))
    for chip, end in ((torn, TornOff), (hanging, Hanging)):
        chip.answer(SELECT_APPLICATION)
        with pytest.raises(end):
            chip.answer(SELECT_APPLICATION)
        with pytest.raises(end):
            chip.answer(SELECT_APPLICATION)
        chip.reset()
        assert status(chip.answer(SELECT_APPLICATION)) == "9000"


def test_the_answer_to_reset_tells_of_extended_lengths() -> None:
    extended = VirtualPassport(CONTENTS).answer_to_reset
    short = VirtualPassport(CONTENTS, behaviour=Behaviour(has_extended_length=False)).answer_to_reset
    assert (extended[-2], short[-2]) == (0xC0, 0x80)
    for answer in (extended, short):
        check = 0
        for byte in answer[1:]:
            check ^= byte
        assert check == 0


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C<3UTO6908061F9406236ZE184226B<<<<<14"),
            "L898902C<369080619406236",
        ),
        (
            ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F1204159<<<<<<<6"),
            "D23145890774081221204159",
        ),
        (
            ("I<UTOD231458907<<<<<<<<<<<<<<<", "7408122F1204159UTO<<<<<<<<<<<6", "ERIKSSON<<ANNA<MARIA<<<<<<<<<<"),
            "D23145890774081221204159",
        ),
        (
            ("I<UTOD23145890<7349<<<<<<<<<<<", "3407127F9507122UTO<<<<<<<<<<<2", "STEVENSON<<PETER<JOHN<<<<<<<<<"),
            "D23145890734934071279507122",
        ),
    ],
)
def test_what_of_the_printed_lines_opens_the_chip(lines: tuple[str, ...], expected: str) -> None:
    assert mrz_information(lines) == expected
