"""The declaration token: CWT claims (RFC 8392), signed as `signed_code` says, behind a prefix with the version of the declaration.

    claims       1 iss · 4 exp · 5 nbf · 6 iat · 7 cti (token id, 16 bytes) · the declaration (`token_members`)
    version 1    prefix `EG1:`, declaration in claim -65537
    version 2    prefix `EG2:`, declaration in claim -65538

Gates read both versions. Prefix and claim have to agree, so the version is signed with the rest. Times are whole seconds since 1970; an
unknown claim is refused. Only the signature is judged here; times and use are the caller's.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gate_agent.domain.declaration import Declaration, Direction, TravelMode
from gate_agent.inspection.signed_code import TokenRefused, loads, malformed, member, sign, verified
from gate_agent.inspection.token_members import (
    BINDING_BYTES,
    Members,
    binding_of,
    declared_in,
    members_of,
    plain_text,
    version_of,
)

PREFIXES: Mapping[int, str] = {1: "EG1:", 2: "EG2:"}
"""Versions that are read, and what each begins with."""

TOKEN_ID_BYTES = 16

_ISS, _EXP, _NBF, _IAT, _CTI = 1, 4, 5, 6, 7
_DECLARATIONS = {1: -65537, 2: -65538}
_LATEST_S = 4_102_444_800  # 2100-01-01: room for the skew on both sides


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Everything a token says. `binding` ties it to one document (`document_binding`); `issuer` names the portal."""

    issuer: str
    not_before: datetime
    binding: bytes
    declaration: Declaration


def document_binding(token_id: bytes, issuing_state: str, document_number: str) -> bytes:
    """Return the 16 bytes that bind a token to a document: HMAC-SHA256 under the token id over state and number.

    Case, spaces, hyphens and fillers do not count. The number itself never stands in a token; a list of bindings is useless
    without the tokens.
    """
    state, number = normalised(issuing_state), normalised(document_number)
    state = "D" if state == "DEU" else state  # Germany's documents print one letter (Doc 9303-3 section 5)
    return hmac.digest(token_id, f"{state}\x00{number}".encode(), "sha256")[:BINDING_BYTES]


def normalised(text: str) -> str:
    """Return the letters and digits of a document field in capitals."""
    return "".join(character for character in text.upper() if character.isalnum())


def encode(claims: TokenClaims, key: Ed25519PrivateKey) -> str:
    """Return the token's text, ready for a QR symbol in alphanumeric mode. Raises `ValueError` for claims beyond the limits."""
    version = version_of(claims.declaration)
    payload = cbor2.dumps(_claims_map(claims, version), canonical=True)
    try:
        decoded = _claims(payload, version)
    except TokenRefused as refused:
        raise ValueError(f"these claims make no token: {refused}") from refused
    if decoded != claims:
        raise ValueError("a token holds whole seconds in UTC and nothing beside the declaration")
    return sign(PREFIXES[version], payload, key)


def decode(payload: bytes | str, trusted: Mapping[bytes, Ed25519PublicKey]) -> TokenClaims:
    """Return the claims of a token that one of the `trusted` keys (by `key_identifier`) signed. Raises `TokenRefused`.

    Length is judged before anything else is done. Times are not judged.
    """
    version = _version(payload)
    return _claims(verified(PREFIXES[version], payload, trusted), version)


def looks_like_token(payload: bytes) -> bool:
    """Tell a declaration token of any version that is read from other symbols, by its prefix."""
    return payload.startswith(tuple(prefix.encode("ascii") for prefix in PREFIXES.values()))


def _version(payload: bytes | str) -> int:
    head = payload[:4]
    text = head if isinstance(head, str) else head.decode("ascii", "replace")
    return next((version for version, prefix in PREFIXES.items() if prefix == text), 1)


def _claims_map(claims: TokenClaims, version: int) -> dict[int, object]:
    declared = claims.declaration
    return {
        _ISS: claims.issuer,
        _EXP: int(declared.expires_at.timestamp()),
        _NBF: int(claims.not_before.timestamp()),
        _IAT: int(declared.issued_at.timestamp()),
        _CTI: declared.token_id,
        _DECLARATIONS[version]: members_of(declared, claims.binding),
    }


def _claims(payload: bytes, version: int) -> TokenClaims:
    claims = loads(payload)
    place = _DECLARATIONS[version]
    if not isinstance(claims, dict) or set(claims) != {_ISS, _EXP, _NBF, _IAT, _CTI, place}:
        raise malformed("a claim is missing or unknown, or the declaration is of another version than the prefix")
    members = member(claims, place, dict)
    token_id = member(claims, _CTI, bytes)
    if len(token_id) != TOKEN_ID_BYTES:
        raise malformed("the token id has another length")
    bare = Declaration(token_id, "", _instant(claims, _IAT), _instant(claims, _EXP), Direction.ENTRY, TravelMode.AIR)
    return TokenClaims(
        plain_text(member(claims, _ISS, str)),
        _instant(claims, _NBF),
        binding_of(members),
        declared_in(members, version, bare),
    )


def _instant(claims: Members, name: int) -> datetime:
    seconds = member(claims, name, int)
    if not 0 <= seconds <= _LATEST_S:
        raise malformed(f"time {name} is out of range")
    return datetime.fromtimestamp(seconds, UTC)
