"""The declaration token: a COSE_Sign1 (RFC 9052 §4.2) over CWT claims (RFC 8392), in base45 (RFC 9285) behind the prefix `EG1:`.

    protected header   {1: -8 (EdDSA), 4: key identifier of 8 bytes}        unprotected header   {}
    claims             1 iss · 4 exp · 5 nbf · 6 iat · 7 cti (token id, 16 bytes) · -65537 declaration
    declaration        1 reference · 2 direction · 3 mode · 4 document binding · 5 goods [[description, minor units, currency, grams]]
                       6 cash [[minor units, currency]] · 7 small children · 8 seal ids          (5 to 8 only when not empty)

Times are whole seconds since 1970. Inside the declaration a member that this version does not know is refused below 100 (it may
change the meaning) and passed over from 100 on; anywhere else an unknown member is refused. Nothing is compressed: these bodies
grow under zlib, and what is never inflated cannot explode. Only the signature is judged here; times and use are the caller's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import base45
import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection import strict_cbor
from gate_agent.inspection.plain_text import is_seen
from gate_agent.inspection.strict_cbor import Cbor, CborRefused, Tagged

PREFIX = "EG1:"
MAXIMUM_TOKEN_BYTES = 4096
MAXIMUM_LINES = 10
MAXIMUM_SEALS = 4
MAXIMUM_SMALL_CHILDREN = 20
MAXIMUM_TEXT_CHARACTERS = 40
MAXIMUM_AMOUNT_MINOR = 10**15
MAXIMUM_MASS_G = 10**9
TOKEN_ID_BYTES = 16
BINDING_BYTES = 16
KEY_IDENTIFIER_BYTES = 8

_COSE_SIGN1_TAG = 18
_EDDSA = -8
_ALG, _KID = 1, 4
_ISS, _EXP, _NBF, _IAT, _CTI, _DECLARATION = 1, 4, 5, 6, 7, -65537
_REFERENCE, _DIRECTION, _MODE, _BINDING, _GOODS, _CASH, _SMALL_CHILDREN, _SEALS = range(1, 9)
_FIRST_OPTIONAL_MEMBER = 100
_LATEST_S = 4_102_444_800  # 2100-01-01: room for the skew on both sides
_CURRENCY = re.compile(r"[A-Z]{3}")
_SEAL_ID = re.compile(r"[A-Z0-9-]{1,24}")
_DIRECTIONS = (Direction.ENTRY, Direction.EXIT)
_MODES = (TravelMode.AIR, TravelMode.RAIL, TravelMode.RIVER, TravelMode.ROAD, TravelMode.FOOT)

Wanted = TypeVar("Wanted", int, str, bytes, list[Cbor], dict[int | str, Cbor])


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Everything a token says. `binding` ties it to one document (`document_binding`); `issuer` names the portal."""

    issuer: str
    not_before: datetime
    binding: bytes
    declaration: Declaration


class TokenRefused(Exception):
    """The bytes are no token of a trusted issuer. `reason` is one of the `TOKEN_…` codes; the text names what is wrong."""

    def __init__(self, reason: ReasonCode, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def key_identifier(key: Ed25519PublicKey) -> bytes:
    """Return the eight bytes by which tokens name their issuer's key: the start of the SHA-256 of the raw public key."""
    return hashlib.sha256(key.public_bytes_raw()).digest()[:KEY_IDENTIFIER_BYTES]


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
    payload = cbor2.dumps(_claims_map(claims), canonical=True)
    try:
        decoded = _claims(payload)
    except TokenRefused as refused:
        raise ValueError(f"these claims make no token: {refused}") from refused
    if decoded != claims:
        raise ValueError("a token holds whole seconds in UTC and nothing beside the declaration")
    protected = cbor2.dumps({_ALG: _EDDSA, _KID: key_identifier(key.public_key())}, canonical=True)
    signature = key.sign(_signed_bytes(protected, payload))
    body = cbor2.dumps(cbor2.CBORTag(_COSE_SIGN1_TAG, [protected, {}, payload, signature]))
    text = PREFIX + str(base45.b45encode(body), "ascii")
    if len(text) > MAXIMUM_TOKEN_BYTES:
        raise ValueError("the declaration is too long for a token")
    return text


def decode(payload: bytes | str, trusted: Mapping[bytes, Ed25519PublicKey]) -> TokenClaims:
    """Return the claims of a token that one of the `trusted` keys (by `key_identifier`) signed. Raises `TokenRefused`.

    Length is judged before anything else is done. Times are not judged.
    """
    protected, claims, signature = _sign1(_body(payload))
    key = trusted.get(_named_key(protected))
    if key is None:
        raise TokenRefused(ReasonCode.TOKEN_ISSUER_UNKNOWN, "no trusted key has this identifier")
    try:
        key.verify(signature, _signed_bytes(protected, claims))
    except InvalidSignature as error:
        raise TokenRefused(ReasonCode.TOKEN_SIGNATURE_WRONG, "the signature is wrong") from error
    return _claims(claims)


def _malformed(text: str) -> TokenRefused:
    return TokenRefused(ReasonCode.TOKEN_MALFORMED, text)


def _body(payload: bytes | str) -> bytes:
    if len(payload) > MAXIMUM_TOKEN_BYTES:
        raise _malformed(f"longer than {MAXIMUM_TOKEN_BYTES} bytes")
    try:
        text = payload if isinstance(payload, str) else payload.decode("ascii")
    except UnicodeDecodeError as error:
        raise _malformed("not a token's alphabet") from error
    text = text.rstrip("\r\n")  # barcode readers end a line
    if not text.startswith(PREFIX):
        raise _malformed(f"does not begin with {PREFIX}")
    try:
        return bytes(base45.b45decode(text.removeprefix(PREFIX)))
    except ValueError as error:
        raise _malformed("not base45") from error


def _sign1(body: bytes) -> tuple[bytes, bytes, bytes]:
    message = _loads(body)
    if not (isinstance(message, Tagged) and message.tag == _COSE_SIGN1_TAG and isinstance(message.value, list)):
        raise _malformed("not a COSE_Sign1")
    match message.value:
        case [bytes(protected), dict(unprotected), bytes(claims), bytes(signature)] if not unprotected:
            return protected, claims, signature
        case _:
            raise _malformed("not the four parts of a COSE_Sign1, or something stands in the unprotected header")


def _named_key(protected: bytes) -> bytes:
    header = _loads(protected)
    if not isinstance(header, dict) or set(header) != {_ALG, _KID}:
        raise _malformed("the protected header names something other than algorithm and key")
    identifier = _member(header, _KID, bytes)
    if header[_ALG] != _EDDSA or len(identifier) != KEY_IDENTIFIER_BYTES:
        raise _malformed("another algorithm, or a key identifier of another length")
    return identifier


def _signed_bytes(protected: bytes, payload: bytes) -> bytes:
    return cbor2.dumps(["Signature1", protected, b"", payload])


def _claims_map(claims: TokenClaims) -> dict[int, object]:
    declared = claims.declaration
    members: dict[int, object] = {
        _REFERENCE: declared.reference,
        _DIRECTION: _DIRECTIONS.index(declared.direction),
        _MODE: _MODES.index(declared.mode),
        _BINDING: claims.binding,
    }
    if declared.goods:
        members[_GOODS] = [
            [line.description, line.value.amount_minor, line.value.currency, line.mass_g] for line in declared.goods
        ]
    if declared.cash:
        members[_CASH] = [[money.amount_minor, money.currency] for money in declared.cash]
    if declared.small_children:
        members[_SMALL_CHILDREN] = declared.small_children
    if declared.seal_ids:
        members[_SEALS] = list(declared.seal_ids)
    return {
        _ISS: claims.issuer,
        _EXP: int(declared.expires_at.timestamp()),
        _NBF: int(claims.not_before.timestamp()),
        _IAT: int(declared.issued_at.timestamp()),
        _CTI: declared.token_id,
        _DECLARATION: members,
    }


def _claims(payload: bytes) -> TokenClaims:
    claims = _loads(payload)
    if not isinstance(claims, dict) or set(claims) != {_ISS, _EXP, _NBF, _IAT, _CTI, _DECLARATION}:
        raise _malformed("a claim is missing or unknown")
    members = _member(claims, _DECLARATION, dict)
    known = {_REFERENCE, _DIRECTION, _MODE, _BINDING, _GOODS, _CASH, _SMALL_CHILDREN, _SEALS}
    for member in members.keys() - known:
        if not isinstance(member, int) or member < _FIRST_OPTIONAL_MEMBER:
            raise _malformed(f"member {member!r} is critical and unknown")
    token_id = _member(claims, _CTI, bytes)
    binding = _member(members, _BINDING, bytes)
    if len(token_id) != TOKEN_ID_BYTES or len(binding) != BINDING_BYTES:
        raise _malformed("token id or binding has another length")
    declaration = Declaration(
        token_id=token_id,
        reference=_text(_member(members, _REFERENCE, str)),
        issued_at=_instant(claims, _IAT),
        expires_at=_instant(claims, _EXP),
        direction=_chosen(_DIRECTIONS, _member(members, _DIRECTION, int)),
        mode=_chosen(_MODES, _member(members, _MODE, int)),
        goods=tuple(_goods_line(line) for line in _lines(members, _GOODS, MAXIMUM_LINES)),
        cash=tuple(_cash_line(line) for line in _lines(members, _CASH, MAXIMUM_LINES)),
        small_children=_small_children(members),
        seal_ids=tuple(_seal_id(seal) for seal in _lines(members, _SEALS, MAXIMUM_SEALS)),
    )
    return TokenClaims(_text(_member(claims, _ISS, str)), _instant(claims, _NBF), binding, declaration)


def _loads(encoded: bytes) -> Cbor:
    try:
        return strict_cbor.loads(encoded)
    except CborRefused as error:
        raise _malformed(f"CBOR: {error}") from error


def _member(members: Mapping[int | str, Cbor], name: int, wanted: type[Wanted]) -> Wanted:
    value = members.get(name)
    if type(value) is not wanted:
        raise _malformed(f"member {name} is missing or of another type")
    return value


def _lines(members: Mapping[int | str, Cbor], name: int, maximum: int) -> list[Cbor]:
    if name not in members:
        return []
    lines = _member(members, name, list)
    if not 1 <= len(lines) <= maximum:
        raise _malformed(f"member {name} has no line or too many")
    return lines


def _goods_line(line: Cbor) -> DeclaredGoods:
    match line:
        case [str(description), int(amount_minor), str(currency), int(mass_g)] if 0 <= mass_g <= MAXIMUM_MASS_G:
            return DeclaredGoods(_text(description), _money(amount_minor, currency), mass_g)
        case _:
            raise _malformed("a line of goods is malformed")


def _cash_line(line: Cbor) -> Money:
    match line:
        case [int(amount_minor), str(currency)]:
            return _money(amount_minor, currency)
        case _:
            raise _malformed("a line of cash is malformed")


def _money(amount_minor: int, currency: str) -> Money:
    if not 0 <= amount_minor <= MAXIMUM_AMOUNT_MINOR or not _CURRENCY.fullmatch(currency):
        raise _malformed("an amount or currency is out of range")
    return Money(amount_minor, currency)


def _small_children(members: Mapping[int | str, Cbor]) -> int:
    if _SMALL_CHILDREN not in members:
        return 0
    count = _member(members, _SMALL_CHILDREN, int)
    if not 1 <= count <= MAXIMUM_SMALL_CHILDREN:
        raise _malformed("the number of children is out of range")
    return count


def _seal_id(seal: Cbor) -> str:
    if not isinstance(seal, str) or not _SEAL_ID.fullmatch(seal):
        raise _malformed("a seal id is malformed")
    return seal


def is_plain_text(text: str) -> bool:
    """Return whether `text` is one line that a token may carry: not blank, short, no control, direction or surrogate characters."""
    return 0 < len(text.strip()) <= len(text) <= MAXIMUM_TEXT_CHARACTERS and all(map(is_seen, text))


def _text(text: str) -> str:
    if not is_plain_text(text):
        raise _malformed("a text is blank, too long or holds control characters")
    return text


Choice = TypeVar("Choice")


def _chosen(choices: tuple[Choice, ...], index: int) -> Choice:
    if not 0 <= index < len(choices):
        raise _malformed("a choice is out of range")
    return choices[index]


def _instant(claims: Mapping[int | str, Cbor], name: int) -> datetime:
    seconds = _member(claims, name, int)
    if not 0 <= seconds <= _LATEST_S:
        raise _malformed(f"time {name} is out of range")
    return datetime.fromtimestamp(seconds, UTC)
