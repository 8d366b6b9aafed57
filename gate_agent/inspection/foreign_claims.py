"""Claims that other issuers sign: CWT in COSE_Sign1 (RFC 8392, 9052), compressed, in base45 behind `HC1:`, as EU digital certificates are.

This profile is apart from the declaration token's, which stays the only one that declares anything. What is decided here: the tag 18 is
demanded, an outer CWT tag 61 is accepted; the algorithm stands in the protected header and must be that of the key (ES256 with P-256,
PS256 with RSA); nothing is inflated beyond `INFLATED_LIMIT_BYTES`; the issuer is a certificate that the gate holds, never one in the token.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import base45

from emrtd.public_keys import AlgorithmUnknown, KeyUnusable, PublicKey, SignatureAlgorithm, SignatureScheme, verify_with
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection import strict_cbor
from gate_agent.inspection.certificate_reading import Certificate
from gate_agent.inspection.plain_text import plain
from gate_agent.inspection.strict_cbor import Cbor, CborRefused, Tagged

PREFIX = "HC1:"
TEXT_LIMIT_CHARACTERS = 8192
INFLATED_LIMIT_BYTES = 16_384
KEY_IDENTIFIER_BYTES = 8
CLOCK_SKEW = timedelta(minutes=5)

_COSE_SIGN1_TAG, _CWT_TAG = 18, 61
_ALG, _KID = 1, 4
_ISS, _EXP, _NBF, _IAT, _HEALTH = 1, 4, 5, 6, -260
_ES256, _PS256 = -7, -37
_RSA_LEAST_BITS = 2048
_LATEST_S = 4_102_444_800  # 2100-01-01
# Extended key usages of signers that may sign one kind only, in both spellings that are in circulation.
_USAGES = {"t": "1", "v": "2", "r": "3"}
_USAGE_ARCS = ("1.3.6.1.4.1.1847.2021.1.", "1.3.6.1.4.1.0.1847.2021.1.")
_KINDS = {"v": "vaccination", "t": "test", "r": "recovery"}


@dataclass(frozen=True, slots=True)
class CoseMessage:
    """A COSE_Sign1, taken apart; nothing of it was verified."""

    protected: bytes
    payload: bytes
    signature: bytes
    algorithm: int
    key_identifier: bytes


@dataclass(frozen=True, slots=True)
class ClaimsReading:
    """Judged claims. `fields` are there as soon as the payload could be read; they count only when `outcome` is successful."""

    outcome: CheckOutcome
    reasons: tuple[Reason, ...]
    fields: Mapping[str, str]


class ClaimsMalformed(ValueError):
    """The bytes are no such token; the text says at which layer."""


def verify_claims(text: bytes | str, certificates: Iterable[Certificate], now: datetime) -> ClaimsReading:
    """Judge a token's text at `now` (aware) with the signers' certificates that the gate holds. Never raises on any input.

    Malformed text and unknown signers are undetermined, as for a declaration token; a wrong signature, a wrong time, a signer that may
    not sign this, and signed claims of another form have failed.
    """
    try:
        message = read_cose(inflate(unwrap(text)))
    except ClaimsMalformed as malformed:
        return _malformed(CheckOutcome.UNDETERMINED, str(malformed))
    candidates = [one for one in certificates if key_identifier(one) == message.key_identifier]
    if not candidates:
        return ClaimsReading(
            CheckOutcome.UNDETERMINED, (Reason(ReasonCode.TOKEN_ISSUER_UNKNOWN),), _fields_or_none(message)
        )
    outcomes = [(verify_cose(message, one), one) for one in candidates]
    outcome, certificate = next((pair for pair in outcomes if pair[0] is CheckOutcome.SUCCESSFUL), outcomes[0])
    if outcome is not CheckOutcome.SUCCESSFUL:
        is_unknown = outcome is CheckOutcome.UNDETERMINED
        reason = (
            Reason(ReasonCode.ALGORITHM_UNKNOWN, {"algorithm": str(message.algorithm)})
            if is_unknown
            else Reason(ReasonCode.TOKEN_SIGNATURE_WRONG)
        )
        return ClaimsReading(outcome, (reason,), _fields_or_none(message))
    return _signed_claims(message, certificate, now)


def key_identifier(certificate: Certificate) -> bytes:
    """Return the eight bytes by which tokens name a signer: the start of the SHA-256 of the certificate."""
    return hashlib.sha256(certificate.der).digest()[:KEY_IDENTIFIER_BYTES]


def unwrap(text: bytes | str) -> bytes:
    """Return the bytes behind prefix and base45. Raises `ClaimsMalformed`."""
    if len(text) > TEXT_LIMIT_CHARACTERS:
        raise ClaimsMalformed(f"longer than {TEXT_LIMIT_CHARACTERS} characters")
    try:
        characters = text if isinstance(text, str) else text.decode("ascii")
    except UnicodeDecodeError:
        raise ClaimsMalformed("base45: another alphabet") from None
    characters = characters.rstrip("\r\n")
    if not characters.startswith(PREFIX):
        raise ClaimsMalformed(f"prefix: does not begin with {PREFIX}")
    try:
        return bytes(base45.b45decode(characters.removeprefix(PREFIX)))
    except ValueError:
        raise ClaimsMalformed("base45: not decodable") from None


def inflate(compressed: bytes) -> bytes:
    """Return the one zlib stream that the bytes are, at most `INFLATED_LIMIT_BYTES` long. Raises `ClaimsMalformed`."""
    stream = zlib.decompressobj()
    try:
        inflated = stream.decompress(compressed, INFLATED_LIMIT_BYTES)
    except zlib.error:
        raise ClaimsMalformed("zlib: not a stream") from None
    if stream.unconsumed_tail or not stream.eof:
        raise ClaimsMalformed("zlib: cut, or longer than allowed")
    if stream.unused_data:
        raise ClaimsMalformed("zlib: bytes behind the stream")
    return inflated


def read_cose(body: bytes) -> CoseMessage:
    """Return the parts of a COSE_Sign1. Raises `ClaimsMalformed`."""
    value = _loads(body, "COSE")
    if isinstance(value, Tagged) and value.tag == _CWT_TAG:
        value = value.value
    if not (isinstance(value, Tagged) and value.tag == _COSE_SIGN1_TAG and isinstance(value.value, list)):
        raise ClaimsMalformed("COSE: not a COSE_Sign1")
    match value.value:
        case [bytes(protected), dict(unprotected), bytes(payload), bytes(signature)]:
            header = _loads(protected, "COSE header") if protected else {}
        case _:
            raise ClaimsMalformed("COSE: not the four parts of a COSE_Sign1")
    algorithm = header.get(_ALG) if isinstance(header, dict) else None
    if not isinstance(header, dict) or isinstance(algorithm, bool) or not isinstance(algorithm, int):
        raise ClaimsMalformed("COSE header: no algorithm is protected")
    if 2 in header:
        raise ClaimsMalformed("COSE header: critical headers are not understood")
    identifier = header.get(_KID, unprotected.get(_KID))
    if not isinstance(identifier, bytes) or len(identifier) != KEY_IDENTIFIER_BYTES:
        raise ClaimsMalformed("COSE header: no key identifier of eight bytes")
    return CoseMessage(protected, payload, signature, algorithm, identifier)


def verify_cose(message: CoseMessage, certificate: Certificate) -> CheckOutcome:
    """Return whether the signature is right under the key of `certificate`: undetermined for an algorithm or key nobody here knows."""
    try:
        key = certificate.key
        algorithm = _algorithm(message.algorithm, key)
        if algorithm is None:
            return CheckOutcome.FAILED
        is_right = verify_with(key, message.signature, _signed_bytes(message), algorithm)
    except (KeyUnusable, AlgorithmUnknown):
        return CheckOutcome.UNDETERMINED
    return CheckOutcome.SUCCESSFUL if is_right else CheckOutcome.FAILED


def _algorithm(number: int, key: PublicKey) -> SignatureAlgorithm | None:
    """Return the algorithm when it is the key's, None when it is another key's. Raises `AlgorithmUnknown`."""
    if number == _ES256:
        is_key_s = key.curve is not None and key.curve.name == "secp256r1"
        return SignatureAlgorithm(SignatureScheme.ECDSA_PLAIN, "sha256") if is_key_s else None
    if number == _PS256:
        is_key_s = key.curve is None and key.bits >= _RSA_LEAST_BITS
        return SignatureAlgorithm(SignatureScheme.RSA_PSS, "sha256", "sha256", 32) if is_key_s else None
    raise AlgorithmUnknown(f"COSE algorithm {number}")


def _signed_bytes(message: CoseMessage) -> bytes:
    """Return the Sig_structure of RFC 9052 §4.4: an array of four, written here so that a decoder's opinion plays no part."""
    parts = (message.protected, b"", message.payload)
    return b"\x84\x6aSignature1" + b"".join(_byte_string(part) for part in parts)


def _byte_string(content: bytes) -> bytes:
    length = len(content)
    if length < 24:
        return bytes([0x40 | length]) + content
    if length < 1 << 8:
        return bytes([0x58, length]) + content
    return b"\x59" + length.to_bytes(2, "big") + content


def _signed_claims(message: CoseMessage, certificate: Certificate, now: datetime) -> ClaimsReading:
    """Judge claims whose signature is right."""
    try:
        claims = _claims(message)
        begin, end = _instant(claims, _NBF) or _instant(claims, _IAT), _instant(claims, _EXP)
        fields = _fields(claims)
        kind = _health_kind(claims)
    except ClaimsMalformed as malformed:
        return _malformed(CheckOutcome.FAILED, str(malformed))
    reasons: list[Reason] = []
    if certificate.validity is None or not certificate.validity.holds(now):
        reasons.append(Reason(ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY, {"certificate": certificate.title}))
    if kind and not _may_sign(certificate, kind):
        reasons.append(Reason(ReasonCode.CERTIFICATE_DEFECT, {"defect": "key usage"}))
    if begin is not None and now < begin - CLOCK_SKEW:
        reasons.append(Reason(ReasonCode.TOKEN_NOT_YET_VALID))
    if end is not None and now > end + CLOCK_SKEW:
        reasons.append(Reason(ReasonCode.TOKEN_EXPIRED))
    return ClaimsReading(CheckOutcome.FAILED if reasons else CheckOutcome.SUCCESSFUL, tuple(reasons), fields)


def _may_sign(certificate: Certificate, kind: str) -> bool:
    """Whether the signer's usages allow this kind; a certificate without such usages may sign all."""
    limited = {usage for usage in certificate.extended_usages if usage.startswith(_USAGE_ARCS)}
    return not limited or any(arc + _USAGES[kind] in limited for arc in _USAGE_ARCS)


def _claims(message: CoseMessage) -> dict[int | str, Cbor]:
    claims = _loads(message.payload, "claims")
    if not isinstance(claims, dict):
        raise ClaimsMalformed("claims: not a map")
    return claims


def _instant(claims: Mapping[int | str, Cbor], name: int) -> datetime | None:
    seconds = claims.get(name)
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not math.isfinite(seconds):
        raise ClaimsMalformed(f"claims: time {name} is no number")
    if not 0 <= seconds <= _LATEST_S:
        raise ClaimsMalformed(f"claims: time {name} is out of range")
    return datetime.fromtimestamp(seconds, UTC)


def _health(claims: Mapping[int | str, Cbor]) -> dict[int | str, Cbor] | None:
    """Return the health certificate, None when the claims hold none. Raises `ClaimsMalformed`."""
    if _HEALTH not in claims:
        return None
    outer = claims[_HEALTH]
    inner = outer.get(1) if isinstance(outer, dict) else None
    if not isinstance(inner, dict):
        raise ClaimsMalformed("certificate: missing or no map")
    return inner


def _health_kind(claims: Mapping[int | str, Cbor]) -> str:
    """Return `v`, `t` or `r`, empty for other claims; demands what the schema of EU digital certificates (1.0 to 1.3) demands of the whole."""
    health = _health(claims)
    if health is None:
        return ""
    kinds = [kind for kind in _KINDS if isinstance(entries := health.get(kind), list) and entries]
    if len(kinds) != 1:
        raise ClaimsMalformed("certificate: not exactly one kind")
    if not isinstance(health.get("ver"), str) or not isinstance(health.get("dob"), str):
        raise ClaimsMalformed("certificate: version or date of birth is missing")
    name = health.get("nam")
    if not isinstance(name, dict) or not isinstance(name.get("fnt"), str):
        raise ClaimsMalformed("certificate: the name is missing")
    return kinds[0]


def _fields(claims: Mapping[int | str, Cbor]) -> dict[str, str]:
    fields: dict[str, str] = {}
    if isinstance(issuer := claims.get(_ISS), str):
        fields["issuer"] = plain(issuer)
    for name, claim in (("issued_at", _IAT), ("not_before", _NBF), ("expires_at", _EXP)):
        if (instant := _instant(claims, claim)) is not None:
            fields[name] = instant.isoformat().replace("+00:00", "Z")
    health = _health(claims)
    if health is None:
        return fields
    names = health.get("nam")
    if isinstance(names, dict):
        for field, member in (("primary_identifier", "fnt"), ("secondary_identifier", "gnt")):
            if isinstance(text := names.get(member), str):
                fields[field] = plain(text.replace("<", " ").strip())
    if isinstance(birth := health.get("dob"), str):
        fields["date_of_birth"] = plain(birth)
    kinds = [title for kind, title in _KINDS.items() if health.get(kind)]
    return fields | ({"certificate_type": kinds[0]} if len(kinds) == 1 else {})


def _fields_or_none(message: CoseMessage) -> dict[str, str]:
    try:
        return _fields(_claims(message))
    except ClaimsMalformed:
        return {}


def _malformed(outcome: CheckOutcome, detail: str) -> ClaimsReading:
    return ClaimsReading(outcome, (Reason(ReasonCode.TOKEN_MALFORMED, {"detail": detail}),), {})


def _loads(encoded: bytes, layer: str) -> Cbor:
    try:
        return strict_cbor.loads_any_order(encoded)
    except CborRefused as error:
        raise ClaimsMalformed(f"{layer}: {error}") from error
