"""Chip authentication: the chip proves its static key by agreeing on new keys with it (ICAO 9303-11 §6.2).

Whether that key is the one that the state signed is judged by whoever verified DG14 or EF.CardSecurity, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asn1crypto import keys

from drivers.chip.apdu import CommandApdu
from drivers.chip.channel import ChipChannel
from drivers.chip.ciphers import SUITES, TRIPLE_DES, CipherSuite
from drivers.chip.key_agreement import EllipticAgreement, KeyInvalid, ModularAgreement, Random, agreement_of
from drivers.chip.modular_groups import ModularParameters
from drivers.chip.pace import ChipSecret
from drivers.chip.protocol_outcomes import (
    AuthenticationAborted,
    AuthenticationFailed,
    ProtocolUnsupported,
    could_not_run,
)
from drivers.chip.secure_messaging import SecureMessaging
from emrtd.asn1_faults import ENCODING_FAULTS
from emrtd.curves import CurveUnknown, PointInvalid, curve_of, point_of
from emrtd.security_infos import (
    CHIP_AUTHENTICATION,
    ChipAuthenticationPublicKey,
    SecurityInfos,
    object_id_text,
    object_id_value,
)
from emrtd.tlv import MalformedTlv, children, encode_tlv, read_only_tlv

_SEQUENCE, _INTEGER, _BIT_STRING = 0x30, 0x02, 0x03
_STANDARDISED_PARAMETERS = "0.4.0.127.0.7.1.2"
_PRIME_LIMIT_BYTES = 512  # a power takes an eighth of a second there, and eight times as long at twice the length


@dataclass(frozen=True, slots=True)
class ChipAuthentication:
    """One way to run it: the static key of the chip and the cipher that follows."""

    oid: str
    key: ChipAuthenticationPublicKey
    suite: CipherSuite


def choose(infos: SecurityInfos) -> ChipAuthentication:
    """Return the strongest way that the chip announces a key for. Raises `ProtocolUnsupported` when there is none.

    A key without an announcement is used with 3DES, as the first chips mean it.
    """
    ways: list[ChipAuthentication] = []
    for key in infos.chip_authentication_keys:
        kind = "2" if key.is_elliptic else "1"
        fitting = [
            announced
            for announced in infos.chip_authentications
            if announced.oid.startswith(f"{CHIP_AUTHENTICATION}.{kind}.")
            and (announced.key_id == key.key_id or len(infos.chip_authentication_keys) == 1)
        ]
        ways += [
            ChipAuthentication(announced.oid, key, SUITES[arc])
            for announced in fitting
            if (arc := int(announced.oid.rpartition(".")[2])) in SUITES
        ]
        if not fitting:
            ways.append(ChipAuthentication(f"{CHIP_AUTHENTICATION}.{kind}.1", key, TRIPLE_DES))
    if not ways:
        raise ProtocolUnsupported("no chip authentication")
    return max(ways, key=lambda way: (way.suite.is_aes, way.suite.key_bytes))


def authenticate_chip(channel: ChipChannel, way: ChipAuthentication, random: Random) -> None:
    """Agree on new keys and protect `channel` with them: that the chip has its key shows with the next answer that verifies.

    Raises `AuthenticationFailed` when the chip refuses, `AuthenticationAborted` when it could not, `ProtocolUnsupported` when its key
    cannot be used.
    """
    agreement, theirs = agreement_with(way.key)
    secret = agreement.secret(random)
    try:
        ours = agreement.encode(agreement.apply(secret, agreement.generator))
    except KeyInvalid as error:
        raise ProtocolUnsupported("the chip's group cannot be used") from error
    try:
        shared = agreement.shared_secret(agreement.apply(secret, theirs))
    except KeyInvalid as error:
        raise AuthenticationFailed(str(error)) from error
    key_id = b"" if way.key.key_id is None else encode_tlv(0x84, _unsigned(way.key.key_id))
    if way.suite.is_aes:
        setting = encode_tlv(0x80, object_id_value(way.oid)) + key_id
        commands = [
            CommandApdu(0x00, 0x22, 0x41, 0xA4, setting),
            CommandApdu(0x00, 0x86, 0x00, 0x00, encode_tlv(0x7C, encode_tlv(0x80, ours)), 256),
        ]
    else:
        commands = [CommandApdu(0x00, 0x22, 0x41, 0xA6, encode_tlv(0x91, ours) + key_id)]
    for command in commands:
        answer = channel.send(command)
        if could_not_run(answer.status):
            raise AuthenticationAborted(f"chip authentication: status {answer.status_text}")
        if not answer.is_ok:
            raise AuthenticationFailed(f"chip authentication: status {answer.status_text}")
    channel.secure_messaging = SecureMessaging.from_secret(way.suite, shared)


def mapping_key_of(secret: ChipSecret, infos: SecurityInfos) -> ChipAuthenticationPublicKey | None:
    """Return the announced key that the chip's PACE mapping key was made with, None when none was (§4.4.3.3.3)."""
    for key in infos.chip_authentication_keys:
        if not key.is_elliptic or secret.factor <= 0:
            continue
        try:
            agreement, static = agreement_with(key)
            if agreement.encode(agreement.apply(secret.factor, static)) == secret.mapping_key:
                return key
        except (KeyInvalid, ProtocolUnsupported):
            continue
    return None


def agreement_with(key: ChipAuthenticationPublicKey) -> tuple[Any, Any]:
    """Return the group of a chip's static key, and the key as its element. Raises `ProtocolUnsupported`."""
    try:
        if (standardised := _standardised(key)) is not None:
            return standardised
        if key.is_elliptic:
            parsed = keys.PublicKeyInfo.load(key.key)
            curve = curve_of(parsed["algorithm"]["parameters"])
            return EllipticAgreement(curve), point_of(curve, bytes(parsed["public_key"].native))
        return _modular(key.key)
    except (CurveUnknown, PointInvalid, KeyInvalid, MalformedTlv, *ENCODING_FAULTS) as error:
        raise ProtocolUnsupported(f"the chip's key cannot be used: {type(error).__name__}") from error


def _standardised(key: ChipAuthenticationPublicKey) -> tuple[Any, Any] | None:
    """Return group and element of a key over the standardised domain parameters that its algorithm numbers (§9.5.1), None for others."""
    algorithm, bits = list(children(read_only_tlv(key.key, _SEQUENCE)))
    name, parameters, *_ = [*children(algorithm.value), None]
    if name is None or parameters is None or object_id_text(name.value) != _STANDARDISED_PARAMETERS:
        return None
    agreement = agreement_of(_number(parameters.value), is_elliptic=key.is_elliptic)
    content = bits.value[1:] if key.is_elliptic else _unsigned(_number(read_only_tlv(bits.value[1:], _INTEGER)))
    return agreement, agreement.decode(content)


def _modular(key: bytes) -> tuple[ModularAgreement, int]:
    """Read a Diffie-Hellman key: prime, generator and, in X9.42 form, the order of the subgroup."""
    algorithm, bits = list(children(read_only_tlv(key, _SEQUENCE)))
    _object_id, parameters = list(children(algorithm.value))
    numbers = [_number(part.value) for part in children(parameters.value) if part.tag == _INTEGER]
    prime, generator, *more = numbers
    is_order = bool(more) and more[0] > 1 and (prime - 1) % more[0] == 0 and more[0].bit_length() >= 160
    agreement = ModularAgreement(ModularParameters(prime, generator, more[0] if is_order else None))
    if bits.tag != _BIT_STRING or prime < 3:
        raise MalformedTlv("no Diffie-Hellman key")
    return agreement, agreement.decode(_unsigned(_number(read_only_tlv(bits.value[1:], _INTEGER))))


def _number(value: bytes) -> int:
    if len(value) > _PRIME_LIMIT_BYTES:
        raise MalformedTlv("a number of too many bytes")
    return int.from_bytes(value, "big")


def _unsigned(number: int) -> bytes:
    return number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
