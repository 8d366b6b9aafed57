"""DG1, DG2 in both encodings, DG15: published samples in place, and anything else gives the one error."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emrtd.data_groups import (
    PORTRAIT_LIMIT_BYTES,
    EncodedPortrait,
    MalformedDataGroup,
    active_authentication_key,
    listed_data_groups,
    mrz_lines,
    portrait,
)
from emrtd.tlv import encode_tlv

CHIPFILES = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "documents" / "chipfiles"
JPEG = b"\xff\xd8\xff\xe0" + bytes(80) + b"\xff\xd9"
CODESTREAM = b"\xff\x4f\xff\x51" + bytes(80)
JP2 = b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(80)


def face(image: bytes, *, feature_points: int = 0, image_type: int = 0) -> bytes:
    body = bytes(2 + 12) + bytes(8 * feature_points) + bytes((0, image_type)) + bytes(10) + image
    size = 4 + 2 + len(body)
    return size.to_bytes(4, "big") + feature_points.to_bytes(2, "big") + body


def face_record(*faces: bytes) -> bytes:
    return (
        b"FAC\x00010\x00"
        + (14 + sum(map(len, faces))).to_bytes(4, "big")
        + len(faces).to_bytes(2, "big")
        + b"".join(faces)
    )


def dg2(record: bytes, tag: int = 0x5F2E) -> bytes:
    template = encode_tlv(0x7F60, encode_tlv(0xA1, b"\x81\x01\x02") + encode_tlv(tag, record))
    return encode_tlv(0x75, encode_tlv(0x7F61, b"\x02\x01\x01" + template))


def extensible(*images: bytes) -> bytes:
    blocks = [
        encode_tlv(
            0x30,
            encode_tlv(0x80, b"\x01")
            + encode_tlv(0xA1, encode_tlv(0xA0, encode_tlv(0xA0, encode_tlv(0x80, image) + encode_tlv(0x81, b"\x02")))),
        )
        for image in images
    ]
    return encode_tlv(
        0xA1, encode_tlv(0x65, encode_tlv(0xA0, b"\x80\x01\x03\x81\x02\x07\xe3") + encode_tlv(0xA1, b"".join(blocks)))
    )


@pytest.mark.shared_data
def test_the_published_samples() -> None:
    assert mrz_lines((CHIPFILES / "DE_specimen_DG1.bin").read_bytes()) == (
        "P<D<<MUSTERMANN<<ERIKA<<<<<<<<<<<<<<<<<<<<<<",
        "C11T002JM4D<<9608122F2310314<<<<<<<<<<<<<<<4",
    )
    found = portrait((CHIPFILES / "ICAO_39794_5_AP_DG2_MandFields.dat").read_bytes())
    assert (found.media_type, len(found.content)) == ("image/jp2", 15_000)
    found = portrait(dg2((CHIPFILES / "ISO19794_Test1_Data.bin").read_bytes()))
    assert (found.media_type, len(found.content)) == ("image/jpeg", 5_099)
    assert found.content.endswith(b"\xff\xd9")
    key = active_authentication_key((CHIPFILES / "DG15_00.bin").read_bytes())
    assert key[:2] == b"\x30\x81"
    assert len(key) == 258


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "listed"),
    [
        ("DE_specimen_SOD.bin", {1, 2, 3, 14}),
        ("AU_SOD.bin", {1, 2}),
        ("GB_SOD.bin", {1, 2}),
    ],
)
def test_the_data_groups_that_a_security_object_lists(name: str, listed: set[int]) -> None:
    found = listed_data_groups((CHIPFILES / name).read_bytes())
    assert listed <= found
    assert found <= set(range(1, 17))


def test_a_security_object_that_is_none_lists_nothing() -> None:
    for content in (b"", b"\x77\x00", encode_tlv(0x77, encode_tlv(0x30, b"")), encode_tlv(0x75, b"")):
        with pytest.raises(MalformedDataGroup):
            listed_data_groups(content)


@pytest.mark.parametrize(
    ("lines", "length"), [(("A" * 44, "B" * 44), 44), (("A" * 36, "B" * 36), 36), (("A" * 30, "B" * 30, "C" * 30), 30)]
)
def test_the_three_sizes_of_zone(lines: tuple[str, ...], length: int) -> None:
    zone = "".join(lines).encode()
    assert mrz_lines(encode_tlv(0x61, encode_tlv(0x5F1F, zone))) == lines
    with pytest.raises(MalformedDataGroup):
        mrz_lines(encode_tlv(0x61, encode_tlv(0x5F1F, zone[:-1])))
    with pytest.raises(MalformedDataGroup, match="characters"):
        mrz_lines(encode_tlv(0x61, encode_tlv(0x5F1F, b"a" + zone[1:])))
    assert length in {30, 36, 44}


@pytest.mark.parametrize(("image", "media_type"), [(JPEG, "image/jpeg"), (JP2, "image/jp2"), (CODESTREAM, "image/j2c")])
@pytest.mark.parametrize("image_type", [0, 1, 9])
def test_the_image_decides_what_it_is_and_not_the_type_byte(image: bytes, media_type: str, image_type: int) -> None:
    assert portrait(dg2(face_record(face(image, image_type=image_type)))) == EncodedPortrait(media_type, image)
    assert portrait(dg2(extensible(image), 0x7F2E)) == EncodedPortrait(media_type, image)


def test_of_several_faces_the_first() -> None:
    assert portrait(dg2(face_record(face(JPEG), face(JP2)))).content == JPEG
    assert portrait(dg2(extensible(JP2, JPEG), 0x7F2E)).content == JP2


def test_feature_points_are_stepped_over_and_a_miscount_is_mended_by_the_image_itself() -> None:
    assert portrait(dg2(face_record(face(JPEG, feature_points=7)))).content == JPEG
    lying = bytearray(face(JPEG, feature_points=2))
    lying[4:6] = (9).to_bytes(2, "big")
    assert portrait(dg2(face_record(bytes(lying)))).content == JPEG


def test_no_image_no_portrait() -> None:
    for content in (
        dg2(face_record(face(bytes(100)))),
        dg2(extensible(bytes(100)), 0x7F2E),
        dg2(b""),
        encode_tlv(0x75, b""),
    ):
        with pytest.raises(MalformedDataGroup):
            portrait(content)


def test_a_face_longer_than_its_record_is_refused() -> None:
    lying = (1 << 31).to_bytes(4, "big") + face(JPEG)[4:]
    with pytest.raises(MalformedDataGroup, match="a face of"):
        portrait(dg2(face_record(lying)))


def test_a_portrait_over_the_limit_is_refused() -> None:
    with pytest.raises(MalformedDataGroup, match="are allowed"):
        portrait(dg2(face_record(face(JPEG + bytes(PORTRAIT_LIMIT_BYTES)))))


def test_deep_nesting_is_refused() -> None:
    content = b""
    for _ in range(200):
        content = encode_tlv(0xA1, content)
    with pytest.raises(MalformedDataGroup, match="nested deeper"):
        portrait(dg2(content, 0x7F2E))


@given(st.binary(max_size=300))
def test_anything_else_gives_the_one_error(content: bytes) -> None:
    for read, wrapped in (
        (mrz_lines, encode_tlv(0x61, content)),
        (portrait, dg2(content)),
        (portrait, dg2(content, 0x7F2E)),
        (portrait, dg2(b"FAC\x00" + content)),
        (active_authentication_key, encode_tlv(0x6F, content)),
        (portrait, content),
        (listed_data_groups, content),
        (
            listed_data_groups,
            encode_tlv(0x77, encode_tlv(0x30, encode_tlv(0xA0, encode_tlv(0x30, encode_tlv(0x30, content))))),
        ),
    ):
        try:
            read(wrapped)
        except MalformedDataGroup:
            continue


@given(st.data())
def test_a_flipped_byte_never_escapes_as_another_error(data: st.DataObject) -> None:
    whole = dg2(extensible(JP2), 0x7F2E) if data.draw(st.booleans()) else dg2(face_record(face(JPEG, feature_points=1)))
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = whole[:at] + bytes((data.draw(st.integers(0, 255)),)) + whole[at + 1 :]
    try:
        found = portrait(changed)
    except MalformedDataGroup:
        return
    assert found.media_type
