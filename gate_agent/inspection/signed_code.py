"""Signed claims in a bar code: a COSE_Sign1 (RFC 9052 §4.2) over canonical CBOR, in base45 (RFC 9285) behind a prefix of four characters.

    protected header   {1: -8 (EdDSA), 4: key identifier of 8 bytes}        unprotected header   {}

The prefix says what the claims are; who signs for one purpose signs claims of that purpose only, because they say it themselves, too.
Nothing is compressed: these bodies grow under zlib, and what is never inflated cannot explode.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

import base45
import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection import strict_cbor
from gate_agent.inspection.strict_cbor import Cbor, CborRefused, Tagged

MAXIMUM_TOKEN_BYTES = 4096
MOST_SYMBOL_CHARACTERS = 3391
"""Alphanumeric characters of the largest QR symbol (version 40) at error correction M; a longer code is read, but not signed."""
KEY_IDENTIFIER_BYTES = 8

_COSE_SIGN1_TAG = 18
_EDDSA = -8
_ALG, _KID = 1, 4

Wanted = TypeVar("Wanted", int, str, bytes, list[Cbor], dict[int | str, Cbor])


class TokenRefused(Exception):
    """The bytes are no token of a trusted issuer. `reason` is one of the `TOKEN_…` codes; the text names what is wrong."""

    def __init__(self, reason: ReasonCode, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def key_identifier(key: Ed25519PublicKey) -> bytes:
    """Return the eight bytes by which tokens name their issuer's key: the start of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).digest()[:KEY_IDENTIFIER_BYTES]


def sign(prefix: str, payload: bytes, key: Ed25519PrivateKey) -> str:
    """Return the text for a QR symbol in alphanumeric mode. Raises `ValueError` when it is longer than a code may be."""
    protected = cbor2.dumps({_ALG: _EDDSA, _KID: key_identifier(key.public_key())}, canonical=True)
    signature = key.sign(_signed_bytes(protected, payload))
    body = cbor2.dumps(cbor2.CBORTag(_COSE_SIGN1_TAG, [protected, {}, payload, signature]))
    text = prefix + str(base45.b45encode(body), "ascii")
    if len(text) > MOST_SYMBOL_CHARACTERS:
        raise ValueError("the claims are too long for a code")
    return text


def verified(prefix: str, payload: bytes | str, trusted: Mapping[bytes, Ed25519PublicKey]) -> bytes:
    """Return the claims that one of the `trusted` keys (by `key_identifier`) signed. Raises `TokenRefused`.

    Length is judged before anything else is done.
    """
    protected, claims, signature = _sign1(_body(prefix, payload))
    key = trusted.get(_named_key(protected))
    if key is None:
        raise TokenRefused(ReasonCode.TOKEN_ISSUER_UNKNOWN, "no trusted key has this identifier")
    try:
        key.verify(signature, _signed_bytes(protected, claims))
    except InvalidSignature as error:
        raise TokenRefused(ReasonCode.TOKEN_SIGNATURE_WRONG, "the signature is wrong") from error
    return claims


def unverified(prefix: str, payload: bytes | str) -> bytes:
    """Return the claims without asking who signed them: for codes from one's own disk only. Raises `TokenRefused`."""
    return _sign1(_body(prefix, payload))[1]


def malformed(text: str) -> TokenRefused:
    """Return the refusal of bytes that are none of ours."""
    return TokenRefused(ReasonCode.TOKEN_MALFORMED, text)


def loads(encoded: bytes) -> Cbor:
    """Return the one value of deterministic CBOR. Raises `TokenRefused`."""
    try:
        return strict_cbor.loads(encoded)
    except CborRefused as error:
        raise malformed(f"CBOR: {error}") from error


def member(members: Mapping[int | str, Cbor], name: int, wanted: type[Wanted]) -> Wanted:
    """Return a member that has to be there with this type. Raises `TokenRefused`."""
    value = members.get(name)
    if type(value) is not wanted:
        raise malformed(f"member {name} is missing or of another type")
    return value


def _body(prefix: str, payload: bytes | str) -> bytes:
    if len(payload) > MAXIMUM_TOKEN_BYTES:
        raise malformed(f"longer than {MAXIMUM_TOKEN_BYTES} bytes")
    try:
        text = payload if isinstance(payload, str) else payload.decode("ascii")
    except UnicodeDecodeError as error:
        raise malformed("not a token's alphabet") from error
    text = text.rstrip("\r\n")  # barcode readers end a line
    if not text.startswith(prefix):
        raise malformed(f"does not begin with {prefix}")
    try:
        return bytes(base45.b45decode(text.removeprefix(prefix)))
    except ValueError as error:
        raise malformed("not base45") from error


def _sign1(body: bytes) -> tuple[bytes, bytes, bytes]:
    message = loads(body)
    if not (isinstance(message, Tagged) and message.tag == _COSE_SIGN1_TAG and isinstance(message.value, list)):
        raise malformed("not a COSE_Sign1")
    match message.value:
        case [bytes(protected), dict(unprotected), bytes(claims), bytes(signature)] if not unprotected:
            return protected, claims, signature
        case _:
            raise malformed("not the four parts of a COSE_Sign1, or something stands in the unprotected header")


def _named_key(protected: bytes) -> bytes:
    header = loads(protected)
    if not isinstance(header, dict) or set(header) != {_ALG, _KID}:
        raise malformed("the protected header names something other than algorithm and key")
    identifier = member(header, _KID, bytes)
    if header[_ALG] != _EDDSA or len(identifier) != KEY_IDENTIFIER_BYTES:
        raise malformed("another algorithm, or a key identifier of another length")
    return identifier


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    return cbor2.dumps(["Signature1", protected, b"", payload])
