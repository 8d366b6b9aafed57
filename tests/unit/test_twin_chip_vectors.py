"""The virtual passport against the worked examples of ICAO 9303-11, from the chip's side: its answers, byte for byte.

Its randomness is put in, so that it draws the nonces and keys of the examples; the terminal's messages are those of the examples.
The integrated and the chip-authentication mapping stand in appendices H and I of ICAO 9303-11.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from drivers.chip.twin import curve_table, modular_groups
from drivers.chip.twin.basic_access import BasicAccess
from drivers.chip.twin.ciphers import AES_128, TRIPLE_DES
from drivers.chip.twin.commands import parse_command
from drivers.chip.twin.key_agreement import CurveAgreement, ModularAgreement, agreement, pseudo_random_element
from drivers.chip.twin.pace import PaceMapping, PaceOffer, PaceRun
from drivers.chip.twin.passport import ChipContents, VirtualPassport
from drivers.chip.twin.secure_channel import SecureChannel
from drivers.chip.twin.tlv import tlv

COM = bytes.fromhex("60145F0104303130375F36063034303030305C026175")
MRZ = b"T22000129364081251010318"


class Prepared:
    """Hands out what the test prepared, and nothing else."""

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)

    def __call__(self, size: int) -> bytes:
        piece = self.pieces.pop(0)
        assert len(piece) <= size
        return piece.rjust(size, b"\x00")


def private_key(hexadecimal: str) -> bytes:
    """What entropy must give so that the drawn scalar is this key."""
    value = int(hexadecimal, 16) - 1
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> dict[str, Any]:
    return json.loads((shared_data / "documents" / "vectors.json").read_text())


def test_basic_access_and_its_channel(vectors: dict[str, Any]) -> None:
    example = vectors["D_BAC"]
    contents = ChipContents(files={"EF.COM": COM}, mrz_information=example["mrz_info"])
    chip = VirtualPassport(
        contents, entropy=Prepared(bytes.fromhex(example["rnd_ic"]), bytes.fromhex(example["k_ifd"])[::-1])
    )
    chip.reset()
    assert chip.answer(bytes.fromhex("00A4040C07A0000002471001")) == b"\x90\x00"
    assert chip.answer(bytes.fromhex("0084000008")) == bytes.fromhex(example["rnd_ic"] + "9000")
    answer = chip.answer(bytes.fromhex("0082000028" + example["e_ifd"] + example["m_ifd"] + "28"))
    assert len(answer) == 42
    assert answer[-2:] == b"\x90\x00"


def test_basic_access_session_keys_and_secure_messaging(vectors: dict[str, Any]) -> None:
    example = vectors["D_BAC"]
    rnd_ic, rnd_ifd, k_ifd = (bytes.fromhex(example[name]) for name in ("rnd_ic", "rnd_ifd", "k_ifd"))
    seed_key = bytes.fromhex(example["kseed"])
    assert hashlib.sha1(example["mrz_info"].encode()).digest()[:16] == seed_key
    assert TRIPLE_DES.derive_key(seed_key, 1).hex().upper() == example["kenc_parity"]
    assert TRIPLE_DES.derive_key(seed_key, 2).hex().upper() == example["kmac_parity"]
    # K.IC of the example: the exclusive or of both halves gives the seed 0036D272F5C350ACAC50C3F572D23600.
    k_ic = bytes(a ^ b for a, b in zip(k_ifd, bytes.fromhex("0036D272F5C350ACAC50C3F572D23600"), strict=True))
    access = BasicAccess(example["mrz_info"], Prepared(rnd_ic, k_ic))
    access.challenge()
    answer, channel = access.authenticate(bytes.fromhex(example["e_ifd"] + example["m_ifd"]))
    assert TRIPLE_DES.decrypt(bytes.fromhex(example["kenc_parity"]), answer[:32]) == rnd_ic + rnd_ifd + k_ic
    select, read = example["sm"]
    assert channel.open(parse_command(bytes.fromhex(select["p"]))).content == b"\x01\x1e"
    assert channel.protect(b"", 0x9000).hex().upper() == select["r"]
    inner = channel.open(parse_command(bytes.fromhex(read["p"])))
    assert (inner.cla, inner.ins, inner.expected) == (0, 0xB0, 4)
    assert channel.protect(bytes.fromhex(read["data"]), 0x9000).hex().upper() == read["r"]


def general_authenticate(run: PaceRun, tag: int, hexadecimal: str) -> bytes:
    answer, _ = run.step(tlv(0x7C, tlv(tag, bytes.fromhex(hexadecimal))))
    return answer


@pytest.mark.parametrize("name", ["G1_ECDH_GM", "G2_DH_GM"])
def test_pace_with_generic_mapping(vectors: dict[str, Any], name: str) -> None:
    example = vectors[name]
    mapping = PaceMapping.ECDH_GENERIC if name.startswith("G1") else PaceMapping.DH_GENERIC
    if mapping is PaceMapping.ECDH_GENERIC:
        private_dh = "107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A"
    else:
        private_dh = example["sk_dh_ic"]
    run = PaceRun(
        PaceOffer(mapping, 2, example["param_id"]),
        hashlib.sha1(MRZ).digest(),
        Prepared(bytes.fromhex(example["s"]), private_key(example["sk_map_ic"]), private_key(private_dh)),
        0,
        is_failing=False,
    )
    assert run.step(bytes.fromhex("7C00"))[0] == tlv(0x7C, tlv(0x80, bytes.fromhex(example["z"])))
    assert general_authenticate(run, 0x81, example["pk_map_ifd"]) == tlv(
        0x7C, tlv(0x82, bytes.fromhex(example["pk_map_ic"]))
    )
    if mapping is PaceMapping.ECDH_GENERIC:
        agreed = general_authenticate(run, 0x83, example["pk_dh_ifd"])
        assert agreed == tlv(0x7C, tlv(0x84, bytes.fromhex(example["pk_dh_ic"])))
    else:
        p = modular_groups.BY_PARAMETER_ID[0].p
        public = pow(int(example["g_mapped"], 16), int(example["sk_dh_ifd"], 16), p)
        general_authenticate(run, 0x83, f"{public:0256X}")
    answer, channel = run.step(tlv(0x7C, tlv(0x85, bytes.fromhex(example["t_ifd"]))))
    assert answer == tlv(0x7C, tlv(0x86, bytes.fromhex(example["t_ic"])))
    assert channel is not None


def test_aes_secure_messaging_after_the_example(vectors: dict[str, Any]) -> None:
    keys, trace = vectors["G1_ECDH_GM"], vectors["AES_SM_after_G1"]
    channel = SecureChannel(AES_128, bytes.fromhex(keys["ksenc"]), bytes.fromhex(keys["ksmac"]))
    select = f"0CA4020C1D871101{trace['select_ct']}8E08{trace['select_011E_mac']}00"
    assert channel.open(parse_command(bytes.fromhex(select))).content == b"\x01\x1e"
    assert channel.protect(b"", 0x9000).hex().upper() == f"990290008E08{trace['resp_mac']}9000"
    inner = channel.open(parse_command(bytes.fromhex(f"0CB000000D9701048E08{trace['read4_mac']}00")))
    assert inner.expected == 4
    answer = channel.protect(bytes.fromhex(trace["plain"]), 0x9000)
    assert answer.hex().upper() == f"{trace['read4_resp']}9000"


def test_integrated_mapping_on_a_curve() -> None:
    element = pseudo_random_element(
        AES_128,
        bytes.fromhex("2923BE84E16CD6AE529049F1F1BBE9EB"),
        bytes.fromhex("5DD4CBFC96F5453B130D890A1CDBAE32"),
        curve_table.BY_NAME["brainpoolP256r1"].p,
    )
    assert element == 0xA2F8FF2DF50E52C6599F386ADCB595D229F6A167ADE2BE5F2C3296ADD5B7430E
    mapped = agreement(13).mapped_to(element)
    assert isinstance(mapped, CurveAgreement)
    assert mapped.generator is not None
    assert mapped.generator[0] == 0x8E82D31559ED0FDE92A4D0498ADD3C23BABA94FB77691E31E90AEA77FB17D427
    assert mapped.curve.contains(mapped.generator)
    private = 0xA73FB703AC1436A18E0CFA5ABB3F7BEC7A070E7A6788486BEE230C4A22762595
    public = (
        "0489CBA23FFE96AA18D824627C3E934E54A9FD0B87A95D1471DC1C0ABFDCD640D4"
        "6755DE9B7B778280B6BEBD57439ADFEB0E21FD4ED6DF42578C13418A59B34C37"
    )
    assert mapped.public_key(private).hex().upper() == public


def test_integrated_mapping_modulo_a_prime() -> None:
    group = modular_groups.BY_PARAMETER_ID[0]
    element = pseudo_random_element(
        AES_128,
        bytes.fromhex("FA5B7E3E49753A0DB9178B7B9BD898C8"),
        bytes.fromhex("B3A6DB3C870C3E99245E0D1C06B747DE"),
        group.p,
    )
    mapped = agreement(0).mapped_to(element)
    assert isinstance(mapped, ModularAgreement)
    assert f"{mapped.generator:X}" == (
        "1D7D767F11E333BCD6DBAEF40E799E7A926B96973550656FF3C830726D118D61"
        "C276CDCC61D475CF03A98E0C0E79CAEBA5BE25578BD4551D0B10903236F0B0F9"
        "76852FA78EEA14EA0ACA87D1E91F688FE0DFF897BBE35A472621D343564B262F"
        "34223AE8FC59B664BFEDFA2BFE7516CA5510A6BBB633D517EC25D4E0BBAA16C2"
    )


def test_a_whole_run_with_the_integrated_mapping() -> None:
    """Appendix H.1, in which the chip's ephemeral key stands, too."""
    run = PaceRun(
        PaceOffer(PaceMapping.ECDH_INTEGRATED, 2, 13),
        hashlib.sha1(MRZ).digest(),
        Prepared(
            bytes.fromhex("2923BE84E16CD6AE529049F1F1BBE9EB"),
            private_key("107CF58696EF6155053340FD633392BA81909DF7B9706F226F32086C7AFF974A"),
        ),
        0,
        is_failing=False,
    )
    run._password_key = bytes.fromhex("591468CDA83D65219CCCB8560233600F")  # the appendix starts from this key
    assert run.step(b"\x7c\x00")[0].hex().upper() == "7C128010143DC40C08C8E891FBED7DEDB92B64AD"
    assert general_authenticate(run, 0x81, "5DD4CBFC96F5453B130D890A1CDBAE32").hex().upper() == "7C028200"
    terminal_key = (
        "0489CBA23FFE96AA18D824627C3E934E54A9FD0B87A95D1471DC1C0ABFDCD640D4"
        "6755DE9B7B778280B6BEBD57439ADFEB0E21FD4ED6DF42578C13418A59B34C37"
    )
    assert general_authenticate(run, 0x83, terminal_key).hex().upper() == (
        "7C4384410467F78E5F7F7686082B293E8D087E056916D0F74BC01A5F8957D0DE45691E51E8"
        "932B69A962B52A0985AD2C0A271EE6A13A8ADDDCD1A3A994B9DED257F4D22753"
    )
    assert general_authenticate(run, 0x85, "450F02B86F6A0909").hex().upper() == "7C0A860875D4D96E8D5B0308"


def test_chip_authentication_data_of_the_mapping() -> None:
    """Appendix I.1: the proof that the chip sends encrypted beside its token."""
    channel = SecureChannel(
        AES_128,
        bytes.fromhex("0A9DA4DB03BDDE39FC5202BC44B2E89E"),
        bytes.fromhex("4B1C06491ED5140CA2B537D344C6C0B1"),
    )
    proof = bytes.fromhex("85DC3FA93D0952BFA82F5FD189EE75BD82F11D1F0B8ED4BF5319AC9B53C426B3")
    assert channel.encrypt_with_last_iv(proof).hex().upper() == (
        "1EEA964DAAE372AC990E3EFDE6333353BFC89A6704D93DA8798CF77F5B7A54BD10CBA372B42BE0B9B5F28AA8DE2F4F92"
    )
