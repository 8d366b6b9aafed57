"""SecurityInfos: published DG14 samples in place; unknown protocols are kept by name; anything else gives the one error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrtd.security_infos import (
    ActiveAuthenticationInfo,
    ChipAuthenticationInfo,
    MalformedSecurityInfos,
    PaceDomainParameters,
    PaceInfo,
    content_of_card_security,
    object_id_text,
    object_id_value,
    parse_security_infos,
)
from emrtd.tlv import encode_tlv

CHIPFILES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "documents" / "chipfiles"
BSI = "0.4.0.127.0.7.2.2"


def oid(text: str) -> bytes:
    return encode_tlv(0x06, object_id_value(text))


def number(value: int) -> bytes:
    return encode_tlv(0x02, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def infos(*items: bytes) -> bytes:
    return encode_tlv(0x31, b"".join(encode_tlv(0x30, item) for item in items))


@pytest.mark.shared_data
def test_the_published_samples() -> None:
    first, second, fourth = (
        parse_security_infos((CHIPFILES / f"DG14_0{number}.bin").read_bytes()) for number in (1, 2, 4)
    )
    assert first.pace == (PaceInfo(f"{BSI}.4.2.2", 2, 13),)
    assert first.chip_authentications == (ChipAuthenticationInfo(f"{BSI}.3.2.2", 1, None),)
    assert first.others == (f"{BSI}.2",)
    assert second.pace == (PaceInfo(f"{BSI}.4.2.4", 2, 12),)
    assert second.chip_authentications == ()
    assert fourth.pace == (PaceInfo(f"{BSI}.4.2.2", 2, 13), PaceInfo(f"{BSI}.4.6.2", 2, 13))
    assert fourth.chip_authentications == (ChipAuthenticationInfo(f"{BSI}.3.2.2", 1, 0xC3),)
    for found, key_id in ((first, None), (second, None), (fourth, 0xC3)):
        (key,) = found.chip_authentication_keys
        assert key.is_elliptic
        assert key.key_id == key_id
        assert len(key.key) == 311
        assert key.key.startswith(bytes.fromhex("308201333081ec"))


def test_raw_keys_and_parameters_are_cut_out_whole() -> None:
    key = encode_tlv(0x30, encode_tlv(0x30, b"algorithm") + encode_tlv(0x03, b"\x00point"))
    algorithm = encode_tlv(0x30, b"domain")
    found = parse_security_infos(
        infos(
            oid(f"{BSI}.1.1") + key + number(7),
            oid(f"{BSI}.4.2") + algorithm + number(13),
            oid("2.23.136.1.1.5") + number(1) + oid("0.4.0.127.0.7.1.1.4.1.3"),
        )
    )
    (public,) = found.chip_authentication_keys
    assert (public.key, public.key_id, public.is_elliptic) == (key, 7, False)
    assert found.pace_domain_parameters == (PaceDomainParameters(f"{BSI}.4.2", algorithm, 13),)
    assert found.active_authentications == (ActiveAuthenticationInfo(1, "0.4.0.127.0.7.1.1.4.1.3"),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x31\x01",
        encode_tlv(0x30, b""),
        infos(b""),
        infos(number(1)),
        infos(oid(f"{BSI}.4.2.2")),
        infos(oid(f"{BSI}.4.2.2") + encode_tlv(0x02, bytes(9))),
        infos(oid(f"{BSI}.1.2") + number(1)),
        infos(oid("2.23.136.1.1.5") + number(1)),
        infos(encode_tlv(0x06, b"\x2a\x80")),
        infos(encode_tlv(0x06, bytes(64))),
        encode_tlv(0x31, number(1)),
    ],
)
def test_what_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedSecurityInfos):
        parse_security_infos(content)


@given(st.binary(max_size=200))
def test_anything_else_gives_the_one_error(content: bytes) -> None:
    for read, given_bytes in (
        (parse_security_infos, content),
        (parse_security_infos, encode_tlv(0x31, content)),
        (parse_security_infos, infos(oid(f"{BSI}.1.2") + content)),
        (content_of_card_security, content),
        (content_of_card_security, encode_tlv(0x30, oid("1.2.840.113549.1.7.2") + encode_tlv(0xA0, content))),
    ):
        try:
            read(given_bytes)
        except MalformedSecurityInfos:
            continue


def test_the_content_of_card_security_is_cut_out_as_it_stands() -> None:
    from asn1crypto import cms

    content = infos(oid(f"{BSI}.2") + number(1))
    signed = cms.SignedData(
        {
            "version": "v3",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": f"{BSI.removesuffix('.2.2')}.3.2.1", "content": content},
            "signer_infos": [],
        }
    )
    whole = cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()
    assert content_of_card_security(whole) == content
    for size in range(len(whole)):
        with pytest.raises(MalformedSecurityInfos):
            content_of_card_security(whole[:size])


@given(st.lists(st.integers(0, 1 << 40), max_size=4))
def test_object_identifiers_are_read_as_they_are_written(arcs: list[int]) -> None:
    for start in ("0.4", "1.2", "2.23", "2.999"):
        text = ".".join([start, *map(str, arcs)])
        value = object_id_value(text)
        if len(value) <= 32:
            assert object_id_text(value) == text
