"""SecurityInfos: what a chip announces about PACE, chip and active authentication (ICAO 9303-11 §9.2; DG14, EF.CardAccess, EF.CardSecurity).

EF.CardAccess is not signed; DG14 and EF.CardSecurity are, and prove something only once their signature was verified.
"""

from __future__ import annotations

from dataclasses import dataclass

from emrtd.tlv import MalformedTlv, Tlv, children, find_child, read_only_tlv, read_tlv

PROTOCOLS = "0.4.0.127.0.7.2.2"
PUBLIC_KEY, CHIP_AUTHENTICATION, PACE = f"{PROTOCOLS}.1", f"{PROTOCOLS}.3", f"{PROTOCOLS}.4"
ACTIVE_AUTHENTICATION = "2.23.136.1.1.5"

_DG14_TAG, _SET, _SEQUENCE, _OBJECT_ID, _INTEGER = 0x6E, 0x31, 0x30, 0x06, 0x02
_EXPLICIT, _OCTET_STRING = 0xA0, 0x04
_OBJECT_ID_LIMIT_BYTES = 32
_INTEGER_LIMIT_BYTES = 8


class MalformedSecurityInfos(ValueError):
    """Bytes that are no SecurityInfos, or an announcement of a known protocol that lacks what it must have."""


@dataclass(frozen=True, slots=True)
class PaceInfo:
    """One way to run PACE: `oid` names key agreement, mapping and cipher; `parameter_id` the domain parameters (0-2, 8-18 standardised)."""

    oid: str
    version: int
    parameter_id: int | None


@dataclass(frozen=True, slots=True)
class PaceDomainParameters:
    """Explicit domain parameters for PACE: `algorithm` is the raw AlgorithmIdentifier (DER)."""

    oid: str
    algorithm: bytes
    parameter_id: int | None


@dataclass(frozen=True, slots=True)
class ChipAuthenticationInfo:
    """One way to run chip authentication, with the key of that id (None: the only key)."""

    oid: str
    version: int
    key_id: int | None


@dataclass(frozen=True, slots=True)
class ChipAuthenticationPublicKey:
    """The chip's static key: `key` is the raw SubjectPublicKeyInfo (DER), `oid` says DH (`….1.1`) or ECDH (`….1.2`)."""

    oid: str
    key: bytes
    key_id: int | None

    @property
    def is_elliptic(self) -> bool:
        """Whether it is a key for ECDH."""
        return self.oid == f"{PUBLIC_KEY}.2"


@dataclass(frozen=True, slots=True)
class ActiveAuthenticationInfo:
    """Which signature the chip's ECDSA active authentication uses: `signature_algorithm` is an object identifier."""

    version: int
    signature_algorithm: str


@dataclass(frozen=True, slots=True)
class SecurityInfos:
    """Everything one file announces, in the order of the file; protocols unknown to this gate stand in `others` by their identifier."""

    pace: tuple[PaceInfo, ...] = ()
    pace_domain_parameters: tuple[PaceDomainParameters, ...] = ()
    chip_authentications: tuple[ChipAuthenticationInfo, ...] = ()
    chip_authentication_keys: tuple[ChipAuthenticationPublicKey, ...] = ()
    active_authentications: tuple[ActiveAuthenticationInfo, ...] = ()
    others: tuple[str, ...] = ()


def parse_security_infos(der: bytes) -> SecurityInfos:
    """Return what DG14, EF.CardAccess or the content of EF.CardSecurity announces. Raises `MalformedSecurityInfos`."""
    try:
        if der[:1] == bytes((_DG14_TAG,)):
            der = read_only_tlv(der, _DG14_TAG)
        return _sorted([_read_info(element) for element in children(read_only_tlv(der, _SET))])
    except MalformedTlv as error:
        raise MalformedSecurityInfos(str(error)) from None


def content_of_card_security(card_security: bytes) -> bytes:
    """Return the SecurityInfos (DER) inside EF.CardSecurity. Its signature is NOT verified here. Raises `MalformedSecurityInfos`."""
    try:
        # ContentInfo { signedData, [0] SignedData { version, digests, EncapsulatedContentInfo { type, [0] OCTET STRING } … } }
        envelope = _step(read_only_tlv(card_security, _SEQUENCE), _EXPLICIT, _SEQUENCE)
        return _step(_step(envelope, _SEQUENCE), _EXPLICIT, _OCTET_STRING)
    except MalformedTlv as error:
        raise MalformedSecurityInfos(f"EF.CardSecurity: {error}") from None


def object_id_text(value: bytes) -> str:
    """Return the dotted form of an OBJECT IDENTIFIER's value. Raises `MalformedTlv`."""
    if not value or len(value) > _OBJECT_ID_LIMIT_BYTES or value[-1] & 0x80:
        raise MalformedTlv("torn or overlong object identifier")
    arcs: list[int] = []
    arc = 0
    for byte in value:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def object_id_value(text: str) -> bytes:
    """Return the value bytes of a dotted object identifier."""
    first, second, *rest = map(int, text.split("."))
    value = bytearray()
    for arc in (40 * first + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(0x80 | arc & 0x7F)
        value += bytes(reversed(digits))
    return bytes(value)


_Info = (
    PaceInfo | PaceDomainParameters | ChipAuthenticationInfo | ChipAuthenticationPublicKey | ActiveAuthenticationInfo
)


def _step(content: bytes, *tags: int) -> bytes:
    """Go down one level per tag, each time into the first element that has it."""
    for tag in tags:
        found = find_child(content, tag)
        if found is None:
            raise MalformedTlv(f"no element {tag:X}")
        content = found
    return content


def _sorted(infos: list[_Info | str]) -> SecurityInfos:
    return SecurityInfos(
        pace=tuple(info for info in infos if isinstance(info, PaceInfo)),
        pace_domain_parameters=tuple(info for info in infos if isinstance(info, PaceDomainParameters)),
        chip_authentications=tuple(info for info in infos if isinstance(info, ChipAuthenticationInfo)),
        chip_authentication_keys=tuple(info for info in infos if isinstance(info, ChipAuthenticationPublicKey)),
        active_authentications=tuple(info for info in infos if isinstance(info, ActiveAuthenticationInfo)),
        others=tuple(info for info in infos if isinstance(info, str)),
    )


def _read_info(element: Tlv) -> _Info | str:
    """Read one SecurityInfo: SEQUENCE of protocol, required data and optional data."""
    if element.tag != _SEQUENCE:
        raise MalformedSecurityInfos(f"element {element.tag:X} among SecurityInfos")
    parts = list(children(element.value))
    if not parts or parts[0].tag != _OBJECT_ID:
        raise MalformedSecurityInfos("a SecurityInfo without a protocol")
    oid = object_id_text(parts[0].value)
    rest = parts[1:]
    arcs = oid.removeprefix(f"{PROTOCOLS}.").split(".") if oid.startswith(f"{PROTOCOLS}.") else []
    match arcs:
        case ["1", "1" | "2"]:
            key = _part(rest, 0, _SEQUENCE, oid)
            return ChipAuthenticationPublicKey(oid, _whole(element.value, key), _optional_integer(rest, 1, oid))
        case ["3", "1" | "2", _]:
            return ChipAuthenticationInfo(oid, _integer(rest, 0, oid), _optional_integer(rest, 1, oid))
        case ["4", _, _]:
            return PaceInfo(oid, _integer(rest, 0, oid), _optional_integer(rest, 1, oid))
        case ["4", _]:
            algorithm = _part(rest, 0, _SEQUENCE, oid)
            return PaceDomainParameters(oid, _whole(element.value, algorithm), _optional_integer(rest, 1, oid))
    if oid == ACTIVE_AUTHENTICATION:
        return ActiveAuthenticationInfo(_integer(rest, 0, oid), object_id_text(_part(rest, 1, _OBJECT_ID, oid).value))
    return oid


def _whole(content: bytes, part: Tlv) -> bytes:
    """Return an element with its own header, as it stands in `content` (raw bytes are what was signed)."""
    offset = 0
    while offset < part.end:
        element = read_tlv(content, offset)
        if element.end == part.end:
            break
        offset = element.end
    return content[offset : part.end]


def _part(parts: list[Tlv], index: int, tag: int, oid: str) -> Tlv:
    if index >= len(parts) or parts[index].tag != tag:
        raise MalformedSecurityInfos(f"{oid}: part {index + 1} is not what belongs there")
    return parts[index]


def _integer(parts: list[Tlv], index: int, oid: str) -> int:
    value = _part(parts, index, _INTEGER, oid).value
    if not 1 <= len(value) <= _INTEGER_LIMIT_BYTES:
        raise MalformedSecurityInfos(f"{oid}: an integer of {len(value)} bytes")
    # Key ids above 127 are met without the leading zero that DER asks for: -61 is meant as 195.
    return int.from_bytes(value, "big")


def _optional_integer(parts: list[Tlv], index: int, oid: str) -> int | None:
    return _integer(parts, index, oid) if index < len(parts) else None
