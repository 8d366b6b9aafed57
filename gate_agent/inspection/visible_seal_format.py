"""The bytes of a visible digital seal taken apart (ICAO 9303-13 §2): header of version 3 and 4, features as tag, length and value, signature.

Nothing is judged here beside the structure. Tags that nobody knows are kept as they are. Lengths follow what is in circulation: `81 xx` and
`82 xx xx` as in DER, every other byte is the length itself, 128 included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

SEAL_LIMIT_BYTES = 4096
FEATURES_LIMIT = 64
SIGNATURE_TAG = 0xFF
_MAGIC = 0xDC
_VERSIONS = {2: 3, 3: 4}
_SIGNER_CHARACTERS = 4
_REFERENCE_CHARACTERS_V3 = 5
_BASIC_SET = " 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # C40 values 3 to 39
_FIRST_BASIC, _PAD, _ASCII_ESCAPE = 3, 0, 0xFE
_PAIR_LIMIT = 40**3


class SealMalformed(ValueError):
    """Bytes that are no visible digital seal; the text says what is wrong and where (no content of the seal)."""


@dataclass(frozen=True, slots=True)
class SealFeature:
    """One feature of a seal: tag 0 to 254 and its value."""

    tag: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal, taken apart. `type_code`: feature definition and document type as four hex digits. `signature` is empty when unsigned.

    `signed_bytes` are what the signature covers: everything before its tag.
    """

    version: int
    issuing_state: str
    signer: str
    certificate_reference: str
    date_of_issue: date | None
    signature_date: date | None
    type_code: str
    features: tuple[SealFeature, ...]
    signed_bytes: bytes
    signature: bytes

    @property
    def signer_title(self) -> str:
        """Signer and reference, as seals name their certificate."""
        return self.signer + self.certificate_reference


def is_seal(content: bytes) -> bool:
    """Return whether bytes begin as a visible digital seal does."""
    return len(content) > 1 and content[0] == _MAGIC and content[1] in _VERSIONS


def parse_seal(content: bytes) -> Seal:
    """Return the seal of a barcode's bytes. Raises `SealMalformed`, and nothing else."""
    if len(content) > SEAL_LIMIT_BYTES:
        raise SealMalformed(f"longer than {SEAL_LIMIT_BYTES} bytes")
    if not is_seal(content):
        raise SealMalformed("does not begin as a seal of version 3 or 4")
    reader = _Reader(content)
    reader.take(2, "magic and version")
    version = _VERSIONS[content[1]]
    issuing_state = decode_c40(reader.take(2, "issuing state"), "issuing state").rstrip(" <")
    signer, reference = _signer(reader, version)
    date_of_issue = _date(reader.take(3, "date of issue"), "date of issue")
    signature_date = _date(reader.take(3, "signature date"), "signature date")
    type_code = reader.take(2, "document type").hex()
    features, signed, signature = _features(reader)
    return Seal(
        version, issuing_state, signer, reference, date_of_issue, signature_date, type_code, features, signed, signature
    )


def decode_c40(encoded: bytes, where: str = "text") -> str:
    """Return the text of C40 pairs (ISO/IEC 16022 §5.2.5, the basic set only). Raises `SealMalformed`.

    A value of 0 pads the last pair; `FE` escapes one printable ASCII character, which stands at the end.
    """
    if len(encoded) % 2:
        raise SealMalformed(f"C40 of an odd length in the {where}")
    text: list[str] = []
    for position in range(0, len(encoded), 2):
        is_last = position + 2 == len(encoded)
        first, second = encoded[position], encoded[position + 1]
        if first == _ASCII_ESCAPE:
            if not is_last or not 0x20 <= second - 1 < 0x7F:
                raise SealMalformed(f"a C40 escape out of place in the {where}")
            text.append(chr(second - 1))
            continue
        text += _pair((first << 8 | second) - 1, where, is_last=is_last)
    return "".join(text)


def _pair(packed: int, where: str, *, is_last: bool) -> Iterator[str]:
    if not 0 <= packed < _PAIR_LIMIT:
        raise SealMalformed(f"a C40 pair out of range in the {where}")
    values = [packed // 1600, packed // 40 % 40, packed % 40]
    while is_last and values and values[-1] == _PAD:
        values.pop()
    if any(value < _FIRST_BASIC for value in values):
        raise SealMalformed(f"a C40 shift in the {where}")
    return (_BASIC_SET[value - _FIRST_BASIC] for value in values)


def _signer(reader: _Reader, version: int) -> tuple[str, str]:
    if version == 3:
        text = decode_c40(reader.take(6, "signer"), "signer")
        length = _REFERENCE_CHARACTERS_V3
    else:
        text = decode_c40(reader.take(4, "signer"), "signer")
        try:
            length = int(text[_SIGNER_CHARACTERS:], 16)
        except ValueError:
            raise SealMalformed("the length of the certificate reference is no number") from None
        text = text[:_SIGNER_CHARACTERS] + decode_c40(
            reader.take(2 * -(-length // 3), "certificate reference"), "certificate reference"
        )
    if len(text) < _SIGNER_CHARACTERS or len(text) != _SIGNER_CHARACTERS + length:
        raise SealMalformed("signer and certificate reference have another length")
    return text[:_SIGNER_CHARACTERS].strip(), text[_SIGNER_CHARACTERS:].strip()


def _date(encoded: bytes, where: str) -> date | None:
    """Return the day of three bytes, a decimal number MMDDYYYY; zero means none. Raises `SealMalformed`."""
    number = int.from_bytes(encoded, "big")
    if not number:
        return None
    try:
        return date(number % 10000, number // 1_000_000, number // 10000 % 100)
    except ValueError:
        raise SealMalformed(f"the {where} is no day of the calendar") from None


def _features(reader: _Reader) -> tuple[tuple[SealFeature, ...], bytes, bytes]:
    """Return the features, the bytes before the signature, and the signature."""
    features: list[SealFeature] = []
    while not reader.is_at_end():
        start = reader.position
        tag = reader.take(1, "feature")[0]
        where = "signature" if tag == SIGNATURE_TAG else f"feature {tag:02X}"
        value = reader.take(reader.length(where), where)
        if tag == SIGNATURE_TAG:
            if not reader.is_at_end():
                raise SealMalformed("bytes behind the signature")
            if not value:
                raise SealMalformed("an empty signature")
            return tuple(features), reader.content[:start], value
        features.append(SealFeature(tag, value))
        if len(features) > FEATURES_LIMIT:
            raise SealMalformed(f"more than {FEATURES_LIMIT} features")
    return tuple(features), reader.content, b""


class _Reader:
    """Bounded reading from the front."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.position = 0

    def is_at_end(self) -> bool:
        return self.position == len(self.content)

    def take(self, length: int, where: str) -> bytes:
        end = self.position + length
        if end > len(self.content):
            raise SealMalformed(f"ends in the {where}")
        taken = self.content[self.position : end]
        self.position = end
        return taken

    def length(self, where: str) -> int:
        first = self.take(1, where)[0]
        if first in (0x81, 0x82):
            length = int.from_bytes(self.take(first - 0x80, where), "big")
            if length < (0x80 if first == 0x81 else 0x100):
                raise SealMalformed(f"a length longer than needed in the {where}")
            return length
        return first
