"""What a chip answers while it is read: blocks of files, protected answers, and a whole conversation that somebody made up."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from drivers.chip.apdu import ResponseApdu
from drivers.chip.channel import ChipChannel
from drivers.chip.chip_authentication import authenticate_chip, choose
from drivers.chip.ciphers import AES_128, TRIPLE_DES, CipherSuite, authenticate, pad
from drivers.chip.errors import ChipFault, ChipGone, SecureMessagingLost
from drivers.chip.file_reading import FILE_LIMIT_BYTES, BlockSizes, FileReader, FileUnreadable
from drivers.chip.protocol_outcomes import AuthenticationFailed, ProtocolUnsupported
from drivers.chip.reading import ChipReading, ReadOptions
from drivers.chip.secure_messaging import SecureMessaging
from drivers.chip.transport import Transport
from drivers.chip.twin.ciphers import AES_128 as TWIN_AES_128
from drivers.chip.twin.ciphers import TRIPLE_DES as TWIN_TRIPLE_DES
from drivers.chip.twin.data_groups import security_group
from drivers.chip.twin.secure_channel import SecureChannel
from drivers.chip.twin.security_infos import chip_public_key, modular_public_key
from drivers.chip.twin.variants import VARIANTS
from drivers.contracts import ChipAccess, ChipEvidence, ChipKeys
from emrtd.files import CHIP_FILES
from emrtd.security_infos import MalformedSecurityInfos, parse_security_infos
from tests.contract import virtual_passports
from tests.fuzz.chip_files import PORTRAITS, chip_files
from tests.fuzz.target import Target, layers

_ATR = bytes.fromhex("3B8E800180318066B1840C016E0183009000F1")
_SECRET = b"sixteen bytes..."
_APDUS_AT_MOST = 1000


class _Script:
    """A chip whose answers are written down, each behind its length in two bytes; it leaves the field when they end."""

    atr = _ATR

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0
        self.answers = 0

    def transmit(self, command: bytes) -> bytes:
        size = int.from_bytes(self._content[self._at : self._at + 2], "big")
        answer = self._content[self._at + 2 : self._at + 2 + size]
        self._at += 2 + size
        if self._at > len(self._content):
            raise ChipGone("the script ends")
        self.answers += 1
        assert len(command) <= 70_000
        return answer

    def close(self) -> None:
        pass


def _script(answers: Iterable[bytes]) -> bytes:
    return b"".join(len(one).to_bytes(2, "big") + one for one in answers)


def file_reading() -> Target:
    """One file over a plain channel: the blocks, lengths and status words are the fuzzer's."""
    dg1 = chip_files("modern")["DG1"]
    seeds = [
        _script([dg1 + b"\x90\x00"]),
        _script([dg1[:40] + b"\x90\x00", dg1[40:] + b"\x62\x82"]),
        _script([b"\x67\x00", b"\x6c\x28", dg1[:40] + b"\x90\x00", b"\x61\x10", dg1[40:] + b"\x90\x00"]),
        _script([b"\x6f\x00"] * 8),
    ]
    files = tuple(CHIP_FILES.values())

    def check(content: bytes) -> bool:
        if not content:
            return False
        chip, file = _Script(content[1:]), files[content[0] % len(files)]
        channel = ChipChannel(chip)
        try:
            read = FileReader(channel, BlockSizes()).read(file)
        except (FileUnreadable, ChipFault):
            return False
        finally:
            assert channel.apdus <= len(content), "every question is answered by the chip or is the last"
        assert 0 < len(read) <= FILE_LIMIT_BYTES
        assert len(read) <= channel.received_bytes, "a file is made of bytes that came"
        return True

    number = next(at for at, file in enumerate(files) if file.name == "DG1")
    return Target(tuple(bytes((number,)) + seed for seed in seeds), check)


def secure_messaging() -> Target:
    """Answers as they come over the air, and the objects of an answer under a checksum that is right."""
    pairs = ((AES_128, TWIN_AES_128), (TRIPLE_DES, TWIN_TRIPLE_DES))
    protected: list[tuple[int, bytes, tuple[bytes, int]]] = []
    for at, (_, suite) in enumerate(pairs):
        for plain, status in ((b"", 0x9000), (b"\x61\x03abc", 0x9000), (bytes(40), 0x6282)):
            answer = SecureChannel.from_secret(suite, _SECRET).protect(plain, status)
            protected.append((at, answer, (plain, status)))
    known = {(at, opened) for at, _, opened in protected}

    def answered(content: bytes) -> bool:
        if len(content) < 3:
            return False
        at = content[0] % 2
        response = ResponseApdu(content[1:-2], int.from_bytes(content[-2:], "big"))
        try:
            opened = _session(pairs[at][0]).open(response)
        except SecureMessagingLost:
            return False
        assert (at, (opened.content, opened.status)) in known, "opened, and the chip never said it"
        return True

    def authenticated(content: bytes) -> bool:
        if not content:
            return False
        suite = pairs[content[0] % 2][0]
        objects = content[1:]
        counter = (1).to_bytes(suite.block_bytes, "big")
        mac = authenticate(suite, _mac_key(suite), pad(counter + objects, suite.block_bytes))
        try:
            opened = _session(suite).open(ResponseApdu(objects + b"\x8e\x08" + mac, 0x9000))
        except SecureMessagingLost:
            return False
        assert opened.status.to_bytes(2, "big") in objects, "the status is the protected one"
        assert len(opened.content) < len(objects)
        return True

    return layers(
        (answered, [bytes((at,)) + answer for at, answer, _ in protected]),
        (authenticated, [bytes((at,)) + answer[:-12] for at, answer, _ in protected]),
        limit_bytes=512,
    )


def _session(suite: CipherSuite) -> SecureMessaging:
    return SecureMessaging.from_secret(suite, _SECRET)


def _mac_key(suite: CipherSuite) -> bytes:
    return _session(suite)._mac_key


def chip_conversation() -> Target:
    """A whole read of a chip whose every answer is the fuzzer's; the seeds are recorded reads of virtual passports."""
    keys = ChipKeys(virtual_passports.MRZ_INFORMATION)
    seeds = tuple(_recorded(name, keys) for name in ("bac only", "modern", "pace dh gm"))

    def check(content: bytes) -> bool:
        chip = _Script(content)
        evidence = _reading(lambda: chip, keys)
        assert evidence.apdus <= min(_APDUS_AT_MOST, 2 * len(content) + 4)
        for name, file in evidence.files.items():
            assert file, f"{name} is empty"
            assert len(file) <= FILE_LIMIT_BYTES
        assert "DG1" not in evidence.files or evidence.access is not ChipAccess.NONE, "nothing is read unprotected"
        return bool(evidence.files)

    return Target(seeds, check, 3000)


def _reading(connect: Callable[[], Transport], keys: ChipKeys) -> ChipEvidence:
    return ChipReading(
        connect, keys, lambda _: None, random.Random(7).randbytes, lambda: 0.0, ReadOptions(), BlockSizes()
    ).run()


class _Recorder(virtual_passports.InProcess):
    def __init__(self, name: str) -> None:
        super().__init__(virtual_passports.passport(VARIANTS[name], PORTRAITS[0]))
        self.answers: list[bytes] = []

    def transmit(self, command: bytes) -> bytes:
        self.answers.append(super().transmit(command))
        return self.answers[-1]


def _recorded(name: str, keys: ChipKeys) -> bytes:
    recorder = _Recorder(name)
    _reading(lambda: recorder, keys)
    return _script(recorder.answers)


class _Agreeing:
    """A chip that agrees to whatever it is asked."""

    atr = _ATR

    def transmit(self, _command: bytes) -> bytes:
        return b"\x90\x00"

    def close(self) -> None:
        pass


def chip_authentication() -> Target:
    """Keys of DG14, which is used before anybody vouched for it: the terminal agrees on new keys with whatever stands there."""
    groups = [chip_files(name)["DG14"] for name in ("modern", "ca dh", "ca numbered", "ca 3des")]
    odd = [modular_public_key((1 << bits) - 9, generator, 3, 5) for bits, generator in ((1024, 1), (64, 2), (8192, 2))]
    groups += [security_group([chip_public_key(key, None, is_curve=False)]) for key in odd]

    def check(content: bytes) -> bool:
        try:
            way = choose(parse_security_infos(content))
        except (MalformedSecurityInfos, ProtocolUnsupported):
            return False
        channel = ChipChannel(_Agreeing())
        try:
            authenticate_chip(channel, way, random.Random(7).randbytes)
        except (AuthenticationFailed, ProtocolUnsupported):
            return False
        assert channel.secure_messaging is not None
        assert channel.apdus in {1, 2}
        return True

    return Target(tuple(groups), check, 3000)
