"""The files of a passport, written out: EF.COM, DG1, DG2 in both face formats, DG14, DG15, EF.SOD (ICAO 9303-10 §4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from drivers.chip.twin import tlv
from drivers.chip.twin.files import GROUP_TAGS
from drivers.chip.twin.signatures import digest_algorithm
from drivers.chip.twin.signed_content import SECURITY_OBJECT, Signer, signed_content

_FACIAL_FEATURES = b"\x02"
_FORMAT_OWNER = b"\x01\x01"
_RECORD_19794 = b"\x00\x08"
_RECORD_39794 = b"\x00\x2a"
_JPEG, _JPEG_2000 = 0, 1


def content_list(groups: Iterable[int]) -> bytes:
    """Return EF.COM: versions and the tags of the data groups there are."""
    tags = bytes(GROUP_TAGS[group] for group in sorted(groups))
    return tlv.tlv(0x60, tlv.tlv(0x5F01, b"0107"), tlv.tlv(0x5F36, b"040000"), tlv.tlv(0x5C, tags))


def mrz_group(lines: Sequence[str]) -> bytes:
    """Return DG1."""
    return tlv.tlv(0x61, tlv.tlv(0x5F1F, "".join(lines).encode("ascii")))


def portrait_group(picture: bytes, *, is_39794: bool = False) -> bytes:
    """Return DG2 with one picture, JPEG or JPEG 2000, as an ISO/IEC 19794-5:2005 or an ISO/IEC 39794-5 record."""
    if is_39794:
        header = tlv.tlv(0xA1, tlv.tlv(0x87, _FORMAT_OWNER), tlv.tlv(0x88, _RECORD_39794))
        record = tlv.tlv(0x7F2E, _face_39794(picture))
    else:
        header = tlv.tlv(
            0xA1,
            tlv.tlv(0x80, b"\x01\x01"),
            tlv.tlv(0x81, _FACIAL_FEATURES),
            tlv.tlv(0x87, _FORMAT_OWNER),
            tlv.tlv(0x88, _RECORD_19794),
        )
        record = tlv.tlv(0x5F2E, _face_19794(picture))
    template = tlv.tlv(0x7F60, header, record)
    return tlv.tlv(0x75, tlv.tlv(0x7F61, tlv.tlv(0x02, b"\x01"), template))


def _face_19794(picture: bytes) -> bytes:
    """Return a record with the facial header, no feature points, and one image of unstated size and source."""
    kind = _JPEG if picture.startswith(b"\xff\xd8") else _JPEG_2000
    image = bytes((1, kind)) + bytes(2 + 2) + b"\x01\x00" + bytes(2 + 2)
    # Information block: length of all that follows it, no points, gender, eyes, hair, properties, expression, pose.
    information_bytes = 20
    size = information_bytes + len(image) + len(picture)
    information = size.to_bytes(4, "big") + bytes(information_bytes - 4)
    return b"FAC\x00010\x00" + (14 + size).to_bytes(4, "big") + b"\x00\x01" + information + image + picture


def _face_39794(picture: bytes) -> bytes:
    """Return the mandatory fields of the application profile: version, one representation, its image and the image's kind."""
    kind = b"\x02" if picture.startswith(b"\xff\xd8") else b"\x03"
    kind_block = tlv.tlv(0xA1, tlv.tlv(0xA0, tlv.tlv(0x80, kind)))
    image = tlv.tlv(0xA0, tlv.tlv(0xA0, tlv.tlv(0xA0, tlv.tlv(0x80, picture), kind_block)))
    representation = tlv.sequence(tlv.tlv(0x80, b"\x00"), tlv.tlv(0xA1, image))
    version = tlv.tlv(0xA0, tlv.tlv(0x80, b"\x03"), tlv.tlv(0x81, b"\x07\xe3"))
    return tlv.tlv(0xA1, tlv.tlv(0x65, version, tlv.tlv(0xA1, representation)))


def security_group(infos: Iterable[bytes]) -> bytes:
    """Return DG14."""
    return tlv.tlv(0x6E, tlv.set_of(infos))


def active_authentication_group(public_key_info: bytes) -> bytes:
    """Return DG15."""
    return tlv.tlv(0x6F, public_key_info)


def security_object(
    groups: Mapping[int, bytes], signer: Signer, *, digest: str = "sha256", signing_time: datetime | None = None
) -> bytes:
    """Return EF.SOD over the data groups, signed."""
    hashes = [
        tlv.sequence(tlv.integer(group), tlv.octet_string(hashlib.new(digest, groups[group]).digest()))
        for group in sorted(groups)
    ]
    content = tlv.sequence(tlv.integer(0), digest_algorithm(digest), tlv.sequence(*hashes))
    return tlv.tlv(0x77, signed_content(SECURITY_OBJECT, content, signer, signing_time=signing_time))
