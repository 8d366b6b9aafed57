"""The chip protocols against the worked examples of ICAO 9303-11, byte for byte."""

import json
from collections import deque
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.chip.apdu import CommandApdu, ResponseApdu
from drivers.chip.basic_access import open_with_basic_access
from drivers.chip.channel import ChipChannel
from drivers.chip.chip_authentication import ChipAuthentication, authenticate_chip
from drivers.chip.ciphers import AES_128, TRIPLE_DES, WrongPadding, derive_key, mrz_seed, pad, unpad, with_odd_parity
from drivers.chip.errors import ChipGone, ChipUnintelligible, SecureMessagingLost
from drivers.chip.key_agreement import CURVE_OF_PARAMETER_ID, KeyInvalid, agreement_of
from drivers.chip.pace import Mapping, PacePassword, choose, open_with_pace
from drivers.chip.protocol_outcomes import AccessRefused, ProtocolUnsupported
from drivers.chip.secure_messaging import SecureMessaging
from drivers.chip.twin.security_infos import modular_public_key
from emrtd.security_infos import (
    CHIP_AUTHENTICATION,
    PUBLIC_KEY,
    ChipAuthenticationPublicKey,
    PaceInfo,
    object_id_text,
)

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "data" / "documents" / "vectors.json"
shared = pytest.mark.shared_data


def vectors(name: str) -> dict[str, Any]:
    return json.loads(VECTORS.read_text())[name]


def octets(text: str) -> bytes:
    return bytes.fromhex(text)


class Script:
    """A chip that answers as written; what was sent is kept."""

    atr = b"\x3b\x80\x80\x01\x01"

    def __init__(self, *answers: bytes) -> None:
        self.sent: list[bytes] = []
        self._answers = deque(answers)

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        if not self._answers:
            raise ChipGone("the script is over")
        return self._answers.popleft()

    def close(self) -> None:
        self._answers.clear()


def fixed(*pieces: bytes) -> Any:
    """Bytes that are no longer random: each call takes the next piece."""
    waiting = deque(pieces)

    def random(length: int) -> bytes:
        piece = waiting.popleft()
        assert len(piece) <= length
        return piece.rjust(length, b"\x00")

    return random


class TestBasicAccess:
    pytestmark = shared

    def test_keys_and_session(self) -> None:
        v = vectors("D_BAC")
        seed = mrz_seed(v["mrz_info"])[:16]
        assert seed == octets(v["kseed"])
        assert derive_key(TRIPLE_DES, seed, 1) == octets(v["kenc_parity"])
        assert derive_key(TRIPLE_DES, seed, 2) == octets(v["kmac_parity"])
        session = SecureMessaging(TRIPLE_DES, octets(v["ksenc"]), octets(v["ksmac"]), int(v["ssc"], 16))
        for step in v["sm"]:
            plain = octets(step["c"])
            if plain[1] == 0xA4:
                command = CommandApdu(*plain[:4], plain[5:])
            else:
                command = CommandApdu(*plain[:4], b"", plain[4])
            assert session.protect(command).encode() == octets(step["p"])
            answer = octets(step["r"])
            opened = session.open(ResponseApdu(answer[:-2], int.from_bytes(answer[-2:], "big")))
            assert opened == ResponseApdu(octets(step.get("data", "")), 0x9000)

    def test_the_opening_command(self) -> None:
        v = vectors("D_BAC")
        chip = Script(octets(v["rnd_ic"]) + b"\x90\x00", b"\x63\x00")
        channel = ChipChannel(chip)
        with pytest.raises(AccessRefused) as refused:
            open_with_basic_access(channel, v["mrz_info"], fixed(octets(v["rnd_ifd"]), octets(v["k_ifd"])))
        assert refused.value.status == 0x6300
        assert chip.sent == [octets("0084000008"), octets("0082000028" + v["e_ifd"] + v["m_ifd"] + "28")]
        assert channel.secure_messaging is None

    def test_a_forged_proof_of_the_chip_opens_nothing(self) -> None:
        v = vectors("D_BAC")
        chip = Script(octets(v["rnd_ic"]) + b"\x90\x00", bytes(40) + b"\x90\x00")
        channel = ChipChannel(chip)
        with pytest.raises(AccessRefused):
            open_with_basic_access(channel, v["mrz_info"], fixed(octets(v["rnd_ifd"]), octets(v["k_ifd"])))
        assert channel.secure_messaging is None


def tlv(tag: int, value: bytes) -> bytes:
    length = (
        bytes([len(value)])
        if len(value) < 128
        else (b"\x81" + bytes([len(value)]) if len(value) < 256 else b"\x82" + len(value).to_bytes(2, "big"))
    )
    return bytes([tag]) + length + value


def dynamic(tag: int, value: bytes) -> bytes:
    return tlv(0x7C, tlv(tag, value)) + b"\x90\x00"


def scalar_bytes(secret: int, order: int) -> bytes:
    """What a random source must give so that this secret comes out."""
    return (secret - 1).to_bytes((order.bit_length() + 64 + 7) // 8, "big")


class TestPace:
    pytestmark = shared

    def run_g1(self, token: bytes) -> tuple[Script, ChipChannel, Any]:
        v = vectors("G1_ECDH_GM")
        oid = object_id_text(octets(v["oid"]))
        protocol = choose([PaceInfo(oid, 2, v["param_id"])])
        assert protocol.name == "PACE-ECDH-GM-AES-128"
        order = agreement_of(13, is_elliptic=True).curve.order  # type: ignore[union-attr]
        random = fixed(scalar_bytes(int(v["sk_map_ifd"], 16), order), scalar_bytes(int(v["sk_dh_ifd"], 16), order))
        chip = Script(
            b"\x90\x00",
            dynamic(0x80, octets(v["z"])),
            dynamic(0x82, octets(v["pk_map_ic"])),
            dynamic(0x84, octets(v["pk_dh_ic"])),
            dynamic(0x86, token),
        )
        channel = ChipChannel(chip)
        return chip, channel, lambda: open_with_pace(channel, protocol, PacePassword(octets(v["k"])), random)

    def test_g1_elliptic_generic_mapping(self) -> None:
        v = vectors("G1_ECDH_GM")
        number, birth, expiry = v["mrz_info_fields"]
        from gate_agent.domain.mrz_digits import check_digit

        assert mrz_seed("".join(part + check_digit(part) for part in (number, birth, expiry))) == octets(v["k"])
        chip, channel, opening = self.run_g1(octets(v["t_ic"]))
        opening()
        assert chip.sent[0] == octets("0022C1A412800A" + v["oid"] + "83010184010D")
        assert chip.sent[2][5:] == dynamic(0x81, octets(v["pk_map_ifd"]))[:-2] + b"\x00"
        assert chip.sent[3][5:] == dynamic(0x83, octets(v["pk_dh_ifd"]))[:-2] + b"\x00"
        assert chip.sent[4][5:] == dynamic(0x85, octets(v["t_ifd"]))[:-2] + b"\x00"
        session = channel.secure_messaging
        assert session is not None
        assert (session._encryption_key, session._mac_key) == (octets(v["ksenc"]), octets(v["ksmac"]))
        trace = vectors("AES_SM_after_G1")
        selected = session.protect(CommandApdu(0x00, 0xA4, 0x02, 0x0C, octets("011E"))).content
        assert octets(trace["select_ct"]) in selected
        assert selected.endswith(octets(trace["select_011E_mac"]))
        session.open(ResponseApdu(octets("990290008E08" + trace["resp_mac"]), 0x9000))
        read = session.protect(CommandApdu(0x00, 0xB0, 0x00, 0x00, b"", 4)).content
        assert read.endswith(octets(trace["read4_mac"]))

    def test_a_wrong_token_of_the_chip_opens_nothing(self) -> None:
        _, channel, opening = self.run_g1(bytes(8))
        with pytest.raises(AccessRefused):
            opening()
        assert channel.secure_messaging is None

    def test_g2_modular_generic_mapping(self) -> None:
        v = vectors("G2_DH_GM")
        oid = object_id_text(octets(v["oid"]))
        protocol = choose([PaceInfo(oid, 2, v["param_id"] if isinstance(v["param_id"], int) else int(v["param_id"]))])
        agreement = agreement_of(0, is_elliptic=False)
        nonce = int(v["s"], 16)
        map_secret, secret = int(v["sk_map_ifd"], 16), int(v["sk_dh_ifd"], 16)
        ours = agreement.apply(map_secret, agreement.generator)
        assert agreement.encode(ours) == octets(v["pk_map_ifd"])
        theirs = agreement.apply(map_secret, agreement.decode(octets(v["pk_map_ic"])))
        generator = agreement.combine(agreement.apply(nonce, agreement.generator), theirs)
        assert agreement.encode(generator) == octets(v["g_mapped"])
        chip_key = agreement.apply(int(v["sk_dh_ic"], 16), generator)
        shared_key = agreement.shared_secret(agreement.apply(secret, chip_key))
        assert shared_key == octets(v["shared"])
        assert derive_key(protocol.suite, shared_key, 1) == octets(v["ksenc"])
        assert derive_key(protocol.suite, shared_key, 2) == octets(v["ksmac"])


class TestAgreements:
    @pytest.mark.parametrize("parameter_id", sorted(CURVE_OF_PARAMETER_ID))
    def test_both_sides_agree_on_every_curve(self, parameter_id: int) -> None:
        agreement = agreement_of(parameter_id, is_elliptic=True)
        one, other = 0x1234567, 0x89ABCDEF
        left = agreement.apply(one, agreement.decode(agreement.encode(agreement.apply(other, agreement.generator))))
        right = agreement.apply(other, agreement.apply(one, agreement.generator))
        assert agreement.shared_secret(left) == agreement.shared_secret(right)

    @pytest.mark.parametrize("parameter_id", [i for i in sorted(CURVE_OF_PARAMETER_ID) if i != 10])
    def test_integrated_mapping_lands_on_the_curve(self, parameter_id: int) -> None:
        agreement = agreement_of(parameter_id, is_elliptic=True)
        points = {agreement.encode(agreement.mapped_directly(AES_128, bytes([i]) * 16, bytes(16))) for i in range(8)}
        assert len(points) == 8
        for point in points:
            agreement.decode(point)

    def test_p224_has_no_integrated_mapping(self) -> None:
        with pytest.raises(ProtocolUnsupported):
            agreement_of(10, is_elliptic=True).mapped_directly(AES_128, bytes(16), bytes(16))

    @pytest.mark.parametrize("parameter_id", [0, 1, 2])
    def test_keys_outside_a_field_are_refused(self, parameter_id: int) -> None:
        agreement = agreement_of(parameter_id, is_elliptic=False)
        width = len(agreement.encode(agreement.generator))
        for content in (b"", b"\x00", b"\x01", b"\xff" * width, b"\x02" * (width + 1)):
            with pytest.raises(KeyInvalid):
                agreement.decode(content)

    @given(st.binary(max_size=140))
    def test_no_bytes_pass_as_a_point_by_chance(self, content: bytes) -> None:
        agreement = agreement_of(12, is_elliptic=True)
        try:
            point = agreement.decode(content)
        except KeyInvalid:
            return
        assert agreement.decode(agreement.encode(point)) == point

    def test_unknown_parameters(self) -> None:
        for parameter_id, is_elliptic in ((3, False), (7, True), (19, True), (255, False)):
            with pytest.raises(ProtocolUnsupported):
                agreement_of(parameter_id, is_elliptic=is_elliptic)


class TestChipAuthentication:
    @pytest.mark.parametrize(("bits", "generator"), [(1024, 0), (1024, 1), (1024, (1 << 1024) - 10), (4104, 2)])
    def test_a_group_that_is_none_is_not_used(self, bits: int, generator: int) -> None:
        """DG14 is not vouched for yet: whatever stands there, the read goes on, in bounded time."""
        key = ChipAuthenticationPublicKey(f"{PUBLIC_KEY}.1", modular_public_key((1 << bits) - 9, generator, 3, 5), None)
        way = ChipAuthentication(f"{CHIP_AUTHENTICATION}.1.1", key, TRIPLE_DES)
        with pytest.raises(ProtocolUnsupported):
            authenticate_chip(ChipChannel(Script()), way, Random(1).randbytes)


class TestChoice:
    BASE = "0.4.0.127.0.7.2.2.4"

    def test_the_mapping_that_proves_the_chip_comes_first(self) -> None:
        infos = [
            PaceInfo(f"{self.BASE}.2.4", 2, 12),
            PaceInfo(f"{self.BASE}.6.2", 2, 13),
            PaceInfo(f"{self.BASE}.4.2", 2, 13),
        ]
        assert choose(infos).mapping is Mapping.CHIP_AUTHENTICATION
        assert choose(infos[:1] + infos[2:]).name == "PACE-ECDH-GM-AES-256"

    @pytest.mark.parametrize(
        "info",
        [
            PaceInfo("0.4.0.127.0.7.2.2.4.6.1", 2, 13), PaceInfo("0.4.0.127.0.7.2.2.4.2.9", 2, 13),
            PaceInfo("0.4.0.127.0.7.2.2.4.2.2", 2, None), PaceInfo("0.4.0.127.0.7.2.2.4.2.2", 2, 99),
            PaceInfo("0.4.0.127.0.7.2.2.4.9.2", 2, 13),
        ],
    )  # fmt: skip
    def test_what_is_not_known_is_not_used(self, info: PaceInfo) -> None:
        with pytest.raises(ProtocolUnsupported):
            choose([info])


class TestChannel:
    def test_an_answer_without_end_is_given_up(self) -> None:
        class Endless(Script):
            def transmit(self, command: bytes) -> bytes:
                self.sent.append(command)
                return bytes(256) + b"\x61\x00"

        chip = Endless()
        with pytest.raises(ChipUnintelligible):
            ChipChannel(chip).send(CommandApdu(0, 0xB0, 0, 0, b"", 256))
        assert len(chip.sent) < 400

    @pytest.mark.parametrize("answer", [b"", b"\x90", bytes(70_001)])
    def test_answers_that_are_none(self, answer: bytes) -> None:
        with pytest.raises(ChipUnintelligible):
            ChipChannel(Script(answer)).send(CommandApdu(0, 0xB0, 0, 0, b"", 256))

    def test_a_wrong_length_is_asked_again_once(self) -> None:
        chip = Script(b"\x6c\x04", b"abcd\x90\x00")
        assert ChipChannel(chip).send(CommandApdu(0, 0xB0, 0, 0, b"", 256)).content == b"abcd"
        assert chip.sent[1] == octets("00B0000004")

    @given(st.binary(max_size=60), st.integers(0, 0xFFFF))
    def test_no_answer_passes_a_session_without_its_mac(self, content: bytes, status: int) -> None:
        session = SecureMessaging(AES_128, bytes(16), bytes(16))
        session.protect(CommandApdu(0, 0xB0, 0, 0, b"", 256))
        with pytest.raises(SecureMessagingLost):
            session.open(ResponseApdu(content, status))

    @given(st.binary(max_size=300), st.sampled_from([8, 16]))
    def test_padding_comes_off_again(self, content: bytes, block_bytes: int) -> None:
        padded = pad(content, block_bytes)
        assert len(padded) % block_bytes == 0
        assert unpad(padded) == content
        with pytest.raises(WrongPadding):
            unpad(bytes(len(content)))

    @given(st.binary(min_size=16, max_size=16))
    def test_parity(self, key: bytes) -> None:
        assert all(byte.bit_count() % 2 for byte in with_odd_parity(key))
