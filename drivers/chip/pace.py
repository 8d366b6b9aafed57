"""PACE: a strong channel from a weak password (ICAO 9303-11 §4.4). Runs with every agreement, mapping and cipher the standard names."""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from drivers.chip.apdu import CHAINING, CommandApdu
from drivers.chip.channel import ChipChannel
from drivers.chip.ciphers import (
    AUTHENTICATION,
    ENCRYPTION,
    PASSWORD,
    SUITES,
    CipherSuite,
    WrongPadding,
    authenticate_unpadded,
    decrypt,
    derive_key,
    encrypt,
    unpad,
)
from drivers.chip.key_agreement import KeyInvalid, Random, agreement_of
from drivers.chip.protocol_outcomes import AccessRefused, ProtocolUnsupported
from drivers.chip.secure_messaging import SecureMessaging
from emrtd.security_infos import PACE, PaceInfo, object_id_value
from emrtd.tlv import MalformedTlv, encode_tlv, find_child, read_only_tlv

_MRZ, _CARD_ACCESS_NUMBER = 0x01, 0x02
_NONCE, _MAP_OURS, _MAP_THEIRS, _KEY_OURS, _KEY_THEIRS, _TOKEN_OURS, _TOKEN_THEIRS, _CHIP_SECRET = (
    0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x8A,
)  # fmt: skip
_DYNAMIC, _PUBLIC_KEY, _OBJECT_ID = 0x7C, 0x7F49, 0x06


class Mapping(StrEnum):
    """How the nonce becomes a generator."""

    GENERIC = "GM"
    INTEGRATED = "IM"
    CHIP_AUTHENTICATION = "CAM"


# The arc after id-PACE: agreement on a curve or not, and the mapping.
_KINDS = {
    "1": (False, Mapping.GENERIC),
    "2": (True, Mapping.GENERIC),
    "3": (False, Mapping.INTEGRATED),
    "4": (True, Mapping.INTEGRATED),
    "6": (True, Mapping.CHIP_AUTHENTICATION),
}
_PREFERENCE = (Mapping.CHIP_AUTHENTICATION, Mapping.GENERIC, Mapping.INTEGRATED)


@dataclass(frozen=True, slots=True)
class PaceProtocol:
    """One way to run PACE, taken from what the chip announces."""

    oid: str
    parameter_id: int
    is_elliptic: bool
    mapping: Mapping
    suite: CipherSuite

    @property
    def name(self) -> str:
        """Its name in records, such as `PACE-ECDH-GM-AES-128`."""
        return f"PACE-{'ECDH' if self.is_elliptic else 'DH'}-{self.mapping}-{self.suite.name}"


@dataclass(frozen=True, slots=True)
class PacePassword:
    """What the chip's holder shows: the seed of the printed zone, or the card access number's characters."""

    content: bytes
    is_card_access_number: bool = False


@dataclass(frozen=True, slots=True)
class ChipSecret:
    """What chip-authentication mapping left: the chip's mapping key and the number that its static key turns into it."""

    mapping_key: bytes
    factor: int


def choose(infos: Iterable[PaceInfo]) -> PaceProtocol:
    """Return the way to go: the mapping that also proves the chip first, then the longest keys. Raises `ProtocolUnsupported`."""
    usable = [protocol for announced in infos if (protocol := _protocol(announced)) is not None]
    if not usable:
        raise ProtocolUnsupported("no PACE that this reader knows")
    return min(usable, key=lambda one: (_PREFERENCE.index(one.mapping), -one.suite.key_bytes, not one.suite.is_aes))


def _protocol(announced: PaceInfo) -> PaceProtocol | None:
    kind, _, cipher = announced.oid.removeprefix(f"{PACE}.").partition(".")
    suite = SUITES.get(int(cipher)) if cipher.isdigit() else None
    if kind not in _KINDS or suite is None or announced.parameter_id is None:
        return None
    is_elliptic, mapping = _KINDS[kind]
    if mapping is Mapping.CHIP_AUTHENTICATION and not suite.is_aes:
        return None
    try:
        agreement_of(announced.parameter_id, is_elliptic=is_elliptic)
    except ProtocolUnsupported:
        return None
    return PaceProtocol(announced.oid, announced.parameter_id, is_elliptic, mapping, suite)


def open_with_pace(
    channel: ChipChannel, protocol: PaceProtocol, password: PacePassword, random: Random
) -> ChipSecret | None:
    """Open the chip; from then on `channel` is protected. Raises `AccessRefused`; never tries another way by itself."""
    agreement: Any = agreement_of(protocol.parameter_id, is_elliptic=protocol.is_elliptic)
    suite = protocol.suite
    oid = object_id_value(protocol.oid)
    reference = _CARD_ACCESS_NUMBER if password.is_card_access_number else _MRZ
    # The parameter id goes along always: some chips refuse to start without it, none refuses it.
    setting = (
        encode_tlv(0x80, oid)
        + encode_tlv(0x83, bytes((reference,)))
        + encode_tlv(0x84, bytes((protocol.parameter_id,)))
    )
    started = channel.send(CommandApdu(0x00, 0x22, 0xC1, 0xA4, setting))
    if not started.is_ok and started.status >> 4 != 0x63C:  # 63Cx only says how many tries are left
        raise AccessRefused("PACE", started.status)
    try:
        nonce = decrypt(suite, derive_key(suite, password.content, PASSWORD), _step(channel, b"", _NONCE))
        generator, mapping_key = _mapped(channel, protocol, agreement, nonce, random)
        secret = agreement.secret(random)
        ours = agreement.apply(secret, generator)
        theirs_encoded = _step(channel, encode_tlv(_KEY_OURS, agreement.encode(ours)), _KEY_THEIRS)
        if hmac.compare_digest(theirs_encoded, agreement.encode(ours)):
            raise AccessRefused("PACE", 0)
        theirs = agreement.decode(theirs_encoded)
        shared = agreement.shared_secret(agreement.apply(secret, theirs))
    except (KeyInvalid, MalformedTlv, ValueError) as error:
        raise AccessRefused("PACE", 0) from error
    encryption_key, mac_key = (derive_key(suite, shared, purpose) for purpose in (ENCRYPTION, AUTHENTICATION))

    def token(key: bytes) -> bytes:
        body = encode_tlv(_OBJECT_ID, oid) + encode_tlv(agreement.key_tag, key)
        return authenticate_unpadded(suite, mac_key, encode_tlv(_PUBLIC_KEY, body))

    last = _last_step(channel, encode_tlv(_TOKEN_OURS, token(agreement.encode(theirs))))
    if not hmac.compare_digest(last.get(_TOKEN_THEIRS, b""), token(agreement.encode(ours))):
        raise AccessRefused("PACE", 0)
    channel.secure_messaging = SecureMessaging(suite, encryption_key, mac_key)
    if protocol.mapping is not Mapping.CHIP_AUTHENTICATION:
        return None
    return ChipSecret(mapping_key, _factor(suite, encryption_key, last.get(_CHIP_SECRET, b"")))


def _mapped(
    channel: ChipChannel, protocol: PaceProtocol, agreement: Any, nonce: bytes, random: Random
) -> tuple[Any, bytes]:
    """Return the mapped generator and the chip's mapping key (empty for integrated mapping)."""
    if protocol.mapping is Mapping.INTEGRATED:
        ours = random(protocol.suite.key_bytes)
        _step(channel, encode_tlv(_MAP_OURS, ours), _MAP_THEIRS, may_be_absent=True)
        return agreement.mapped_directly(protocol.suite, nonce, ours), b""
    secret = agreement.secret(random)
    ours_encoded = agreement.encode(agreement.apply(secret, agreement.generator))
    encoded = _step(channel, encode_tlv(_MAP_OURS, ours_encoded), _MAP_THEIRS)
    if encoded == ours_encoded:
        raise KeyInvalid("the chip sent our own key back")
    theirs = agreement.apply(secret, agreement.decode(encoded))
    shifted = agreement.apply(int.from_bytes(nonce, "big"), agreement.generator)
    return agreement.combine(shifted, theirs), encoded


def _step(channel: ChipChannel, ours: bytes, wanted: int, *, may_be_absent: bool = False) -> bytes:
    """Send one step that is not the last and return the wanted part of the answer."""
    answer = channel.send(CommandApdu(CHAINING, 0x86, 0x00, 0x00, encode_tlv(_DYNAMIC, ours), 256))
    if not answer.is_ok:
        raise AccessRefused("PACE", answer.status)
    found = find_child(read_only_tlv(answer.content, _DYNAMIC), wanted) if answer.content else None
    if found is None and not may_be_absent:
        raise MalformedTlv(f"an answer without {wanted:X}")
    return found or b""


def _last_step(channel: ChipChannel, ours: bytes) -> dict[int, bytes]:
    answer = channel.send(CommandApdu(0x00, 0x86, 0x00, 0x00, encode_tlv(_DYNAMIC, ours), 256))
    if not answer.is_ok:
        raise AccessRefused("PACE", answer.status)
    try:
        content = read_only_tlv(answer.content, _DYNAMIC)
        return {tag: found for tag in (_TOKEN_THEIRS, _CHIP_SECRET) if (found := find_child(content, tag)) is not None}
    except MalformedTlv as error:
        raise AccessRefused("PACE", 0) from error


def _factor(suite: CipherSuite, encryption_key: bytes, encrypted: bytes) -> int:
    """Return the number inside the chip's encrypted authentication value; 0 when there is none that can be read."""
    if not encrypted or len(encrypted) % suite.block_bytes:
        return 0
    vector = encrypt(suite, encryption_key, b"\xff" * suite.block_bytes)
    try:
        return int.from_bytes(unpad(decrypt(suite, encryption_key, encrypted, vector)), "big")
    except WrongPadding:
        return 0
