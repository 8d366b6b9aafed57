"""What the gate takes out of data groups: the MRZ lines of DG1, the portrait of DG2, the active-authentication key of DG15.

Data groups come from the chip, and until the security object was verified nobody vouches for them: every length is checked against
the bytes that are there, and a portrait's kind is found by the first bytes of the image itself, never by what the record calls it.
"""

from __future__ import annotations

from dataclasses import dataclass

from emrtd.tlv import MalformedTlv, Tlv, children, find_child, read_only_tlv

PORTRAIT_LIMIT_BYTES = 1 << 20

_MRZ_TAG = 0x5F1F
_LINE_LENGTHS = {88: 44, 72: 36, 90: 30}  # TD3, TD2, TD1
_MRZ_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<")

_GROUP_TEMPLATE, _TEMPLATE = 0x7F61, 0x7F60
_RECORD_PRIMITIVE, _RECORD_CONSTRUCTED = 0x5F2E, 0x7F2E
_FACE_RECORD = b"FAC\x00"
_FACE_RECORD_HEAD, _FACE_HEAD, _FEATURE_POINT, _IMAGE_HEAD = 14, 20, 8, 12
_DEPTH_LIMIT = 12
_SEQUENCE = 0x30
_SHORTEST_IMAGE = 64
_MAGICS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x00\x00\x00\x0cjP", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/j2c"),
)


class MalformedDataGroup(ValueError):
    """A data group without what belongs in it; the text says what is missing or wrong, never what stands in it."""


@dataclass(frozen=True, slots=True)
class EncodedPortrait:
    """A portrait as it stands in DG2, undecoded. `media_type`: `image/jpeg`, `image/jp2` or `image/j2c` (bare codestream)."""

    media_type: str
    content: bytes


def mrz_lines(dg1: bytes) -> tuple[str, ...]:
    """Return the lines of the machine-readable zone in DG1: two of 44 or 36 characters or three of 30. Raises `MalformedDataGroup`."""
    try:
        zone = find_child(read_only_tlv(dg1, 0x61), _MRZ_TAG)
    except MalformedTlv as error:
        raise MalformedDataGroup(f"DG1: {error}") from None
    if zone is None:
        raise MalformedDataGroup("DG1 has no machine-readable zone")
    length = _LINE_LENGTHS.get(len(zone))
    if length is None:
        raise MalformedDataGroup(f"DG1: a machine-readable zone of {len(zone)} characters")
    if not _MRZ_CHARACTERS.issuperset(zone):
        raise MalformedDataGroup("DG1: characters that no machine-readable zone has")
    text = zone.decode("ascii")
    return tuple(text[at : at + length] for at in range(0, len(text), length))


def portrait(dg2: bytes) -> EncodedPortrait:
    """Return the first face of DG2, in ISO/IEC 19794-5 or ISO/IEC 39794-5 encoding. Raises `MalformedDataGroup`.

    The image is cut out, not decoded: what it claims about its own size must be checked by whoever decodes it.
    """
    try:
        group = find_child(read_only_tlv(dg2, 0x75), _GROUP_TEMPLATE)
        template = find_child(group, _TEMPLATE) if group is not None else None
        if template is None:
            raise MalformedDataGroup("DG2 has no biometric template")
        record = next(
            (part for part in children(template) if part.tag in {_RECORD_PRIMITIVE, _RECORD_CONSTRUCTED}), None
        )
        if record is None:
            raise MalformedDataGroup("DG2: the biometric template has no record")
        if record.value.startswith(_FACE_RECORD):
            image = _image_of_face_record(record.value)
        else:
            image = _image_of_extensible_record(record.value)
    except MalformedTlv as error:
        raise MalformedDataGroup(f"DG2: {error}") from None
    if len(image) > PORTRAIT_LIMIT_BYTES:
        raise MalformedDataGroup(f"DG2: a portrait of {len(image)} bytes, {PORTRAIT_LIMIT_BYTES} are allowed")
    return EncodedPortrait(media_type_of(image), image)


def media_type_of(image: bytes) -> str:
    """Return the kind of an image by its first bytes, empty when it is none that a portrait may have."""
    return next((media_type for magic, media_type in _MAGICS if image.startswith(magic)), "")


def active_authentication_key(dg15: bytes) -> bytes:
    """Return the SubjectPublicKeyInfo (DER) in DG15. Raises `MalformedDataGroup`; whether it is a usable key is not looked at."""
    try:
        key = read_only_tlv(dg15, 0x6F)
        read_only_tlv(key, 0x30)
    except MalformedTlv as error:
        raise MalformedDataGroup(f"DG15: {error}") from None
    return key


def listed_data_groups(sod: bytes) -> frozenset[int]:
    """Return the numbers of the data groups that EF.SOD lists. Its signature is NOT verified here. Raises `MalformedDataGroup`."""
    try:
        # 77 { ContentInfo { signedData, [0] SignedData { …, EncapsulatedContentInfo { type, [0] OCTET STRING { LDSSecurityObject
        content = read_only_tlv(sod, 0x77)
        for tag in (_SEQUENCE, 0xA0, _SEQUENCE, _SEQUENCE, 0xA0, 0x04, _SEQUENCE):
            inner = find_child(content, tag)
            if inner is None:
                raise MalformedDataGroup(f"EF.SOD has no element {tag:X} where one belongs")
            content = inner
        hashes = [part.value for part in children(content) if part.tag == _SEQUENCE][
            1:2
        ]  # the first is the hash algorithm
        entries = [find_child(entry.value, 0x02) for entry in children(hashes[0])] if hashes else []
    except MalformedTlv as error:
        raise MalformedDataGroup(f"EF.SOD: {error}") from None
    if not entries:
        raise MalformedDataGroup("EF.SOD lists no data group")
    return frozenset(int.from_bytes(number[:4], "big") for number in entries if number)


def _image_of_face_record(record: bytes) -> bytes:
    """Cut the first image out of a face record (ISO/IEC 19794-5:2005 §5): record head, face head, feature points, image head."""
    start = _FACE_RECORD_HEAD
    if len(record) < start + _FACE_HEAD + _IMAGE_HEAD:
        raise MalformedDataGroup("DG2: torn face record")
    block_size = int.from_bytes(record[start : start + 4], "big")
    feature_points = int.from_bytes(record[start + 4 : start + 6], "big")
    end = start + block_size
    if not start + _FACE_HEAD + _IMAGE_HEAD <= end <= len(record):
        raise MalformedDataGroup(f"DG2: a face of {block_size} bytes in a record of {len(record)}")
    at = start + _FACE_HEAD + _FEATURE_POINT * feature_points + _IMAGE_HEAD
    image = record[at:end]
    if not media_type_of(image):
        # Records with another head, or with feature points miscounted, exist: the image's own first bytes decide.
        block = record[start:end]
        places = [place for magic, _ in _MAGICS if (place := block.find(magic)) >= 0]
        if not places:
            raise MalformedDataGroup("DG2: no JPEG or JPEG 2000 image in the face record")
        image = block[min(places) :]
    return image


def _image_of_extensible_record(record: bytes) -> bytes:
    """Find the first image in an ISO/IEC 39794-5 record: the first primitive element that starts as an image does."""
    image = _first_image(record, _DEPTH_LIMIT)
    if image is None:
        raise MalformedDataGroup("DG2: no JPEG or JPEG 2000 image in the biometric record")
    return image


def _first_image(content: bytes, depth: int) -> bytes | None:
    if depth == 0:
        raise MalformedDataGroup(f"DG2: elements nested deeper than {_DEPTH_LIMIT}")
    for element in children(content):
        image = _first_image(element.value, depth - 1) if element.is_constructed else _as_image(element)
        if image is not None:
            return image
    return None


def _as_image(element: Tlv) -> bytes | None:
    is_image = len(element.value) >= _SHORTEST_IMAGE and media_type_of(element.value)
    return element.value if is_image else None
