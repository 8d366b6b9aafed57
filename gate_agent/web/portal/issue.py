"""From a complete declaration to the code that the gate reads: signed token, reference and QR symbol."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import segno
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.domain.declaration import (
    Companion,
    Declaration,
    DeclaredGoods,
    Direction,
    Relation,
    TravelMode,
    UnaccompaniedGoods,
    Vehicle,
)
from gate_agent.domain.money import Money
from gate_agent.inspection.token_format import TOKEN_ID_BYTES, TokenClaims, document_binding, encode

ISSUER = "egate-portal"
REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Letters and digits that are not mistaken for each other when read out."""

_MODULE_PX = 6
_QUIET_ZONE_MODULES = 4


@dataclass(frozen=True, slots=True)
class CompanionFields:
    """Somebody who travels on the declaration; state and number of the document go into the token only as a binding."""

    name: str
    relation: Relation
    date_of_birth: date
    issuing_state: str
    document_number: str


@dataclass(frozen=True, slots=True)
class DeclarationFields:
    """What the traveller declared. State and number of the document go into the token only as a binding."""

    direction: Direction
    mode: TravelMode
    issuing_state: str
    document_number: str
    companions: tuple[CompanionFields, ...] = ()
    goods: tuple[DeclaredGoods, ...] = ()
    cash: tuple[Money, ...] = ()
    seal_ids: tuple[str, ...] = ()
    vehicles: tuple[Vehicle, ...] = ()
    phone_imeis: tuple[str, ...] = ()
    unaccompanied: tuple[str, ...] = ()
    filled_in_s: int | None = None


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """An issued token: its text, the reference a person can read out, its end, and the QR symbol as a PNG picture.

    `stub`: the stub of goods that follow, None when none do.
    """

    text: str
    reference: str
    expires_at: datetime
    png: bytes
    stub: UnaccompaniedGoods | None = None


def issue(
    fields: DeclarationFields,
    issuer_key: Ed25519PrivateKey,
    now: datetime,
    validity: timedelta,
    random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    *,
    goods_deadline: date | None = None,
) -> IssuedToken:
    """Return a token for `fields`, valid from `now` (aware) for `validity`. Raises `ValueError` for fields beyond a token's limits.

    `goods_deadline`: by when unaccompanied goods have to arrive, None where no rule says so.
    """
    issued_at = now.replace(microsecond=0)
    token_id = random_bytes(TOKEN_ID_BYTES)
    reference = spoken_code(random_bytes)
    away = UnaccompaniedGoods(f"{reference}-U", fields.unaccompanied, goods_deadline) if fields.unaccompanied else None
    declaration = Declaration(
        token_id=token_id,
        reference=reference,
        issued_at=issued_at,
        expires_at=(issued_at + validity).replace(microsecond=0),
        direction=fields.direction,
        mode=fields.mode,
        goods=fields.goods,
        cash=fields.cash,
        companions=tuple(
            Companion(
                one.name,
                one.relation,
                one.date_of_birth,
                document_binding(token_id, one.issuing_state, one.document_number),
            )
            for one in fields.companions
        ),
        seal_ids=fields.seal_ids,
        vehicles=fields.vehicles,
        phone_imeis=fields.phone_imeis,
        unaccompanied=away,
        filled_in_s=fields.filled_in_s,
    )
    binding = document_binding(token_id, fields.issuing_state, fields.document_number)
    text = encode(TokenClaims(ISSUER, issued_at, binding, declaration), issuer_key)
    return IssuedToken(text, declaration.reference, declaration.expires_at, qr_png(text), away)


def qr_png(text: str) -> bytes:
    """Return a QR symbol (ISO/IEC 18004, error correction M, quiet zone of four modules) as black on white PNG."""
    symbol = segno.make_qr(text, error="m", boost_error=False)
    stream = io.BytesIO()
    symbol.save(stream, kind="png", scale=_MODULE_PX, border=_QUIET_ZONE_MODULES)
    return stream.getvalue()


def spoken_code(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> str:
    """Return a code of eight letters and digits (about 40 bits) that a person can read out, in two groups."""
    number = int.from_bytes(random_bytes(8), "big")
    letters = ""
    for _ in range(8):
        number, index = divmod(number, len(REFERENCE_ALPHABET))
        letters += REFERENCE_ALPHABET[index]
    return f"{letters[:4]}-{letters[4:]}"
