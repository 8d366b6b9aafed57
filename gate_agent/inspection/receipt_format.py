"""The receipt's code: CWT claims (RFC 8392), signed as `signed_code` says with the gate's receipt key, behind the prefix `ER1:`.

    claims    1 iss (country/site/gate) · 6 iat · 7 cti (receipt id, 16 bytes) · -65540 the receipt
    receipt   1 direction · 2 local date · 3 document binding · 4 last day of stay · 5 last day to register · 6 duty state
              7 duty [minor units, currency] · 8 declaration reference · 9 declaration id · 10 temporary items [[description, mark]]

Days are yyyymmdd; members from 4 on only when they say something. A receipt has its own prefix, its own claim and its own key, so neither a
declaration nor anything else that a gate signs can be taken for one. A member that is not known is refused below 100 and passed over from 100 on.
It does not expire: what it proves was true on its day.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TypeVar

import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gate_agent.domain.declaration import Direction
from gate_agent.domain.money import Money
from gate_agent.domain.receipt import DutyState, Receipt, TemporaryItem
from gate_agent.inspection.signed_code import TokenRefused, loads, malformed, member, sign, unverified, verified
from gate_agent.inspection.strict_cbor import Cbor
from gate_agent.inspection.token_members import BINDING_BYTES, plain_text

PREFIX = "ER1:"
RECEIPT_ID_BYTES = 16
MAXIMUM_ITEMS = 20

_ISS, _IAT, _CTI, _RECEIPT = 1, 6, 7, -65540
_DIRECTION, _DAY, _BINDING, _STAY, _REGISTRATION, _DUTY_STATE, _DUTY, _REFERENCE, _DECLARATION, _ITEMS = range(1, 11)
_KNOWN = frozenset(range(_DIRECTION, _ITEMS + 1))
_FIRST_OPTIONAL_MEMBER = 100
_LATEST_S = 4_102_444_800
_CURRENCY = re.compile(r"[A-Z]{3}")
_ISSUER = re.compile(r"[A-Z]{3}/[a-z0-9-]{1,32}/[a-z0-9-]{1,32}")
_DIRECTIONS = (Direction.ENTRY, Direction.EXIT)
_DUTY_STATES = (DutyState.NONE, DutyState.DUE, DutyState.OFFICER)
_MAXIMUM_MINOR = 10**15

Members = Mapping[int | str, Cbor]
Choice = TypeVar("Choice")


def encode(receipt: Receipt, key: Ed25519PrivateKey) -> str:
    """Return the receipt's text, ready for a QR symbol in alphanumeric mode. Raises `ValueError` for what no reader would take."""
    payload = cbor2.dumps(_claims_map(receipt), canonical=True)
    try:
        decoded = _receipt(payload)
    except TokenRefused as refused:
        raise ValueError(f"this makes no receipt: {refused}") from refused
    if decoded != receipt:
        raise ValueError("a receipt holds whole seconds in UTC and nothing beside what it says")
    return sign(PREFIX, payload, key)


def decode(payload: bytes | str, trusted: Mapping[bytes, Ed25519PublicKey]) -> Receipt:
    """Return a receipt that one of the `trusted` gates' receipt keys (by `signed_code.key_identifier`) signed. Raises `TokenRefused`."""
    return _receipt(verified(PREFIX, payload, trusted))


def read_own(code: str) -> Receipt:
    """Return what a receipt says that this gate kept itself, under whatever key it was signed then. Raises `TokenRefused`."""
    return _receipt(unverified(PREFIX, code))


def _claims_map(receipt: Receipt) -> dict[int, object]:
    members: dict[int, object] = {
        _DIRECTION: _DIRECTIONS.index(receipt.direction),
        _DAY: _number_of(receipt.local_date),
        _BINDING: receipt.binding,
    }
    optional: dict[int, object] = {
        _STAY: _number_of(receipt.stay_deadline),
        _REGISTRATION: _number_of(receipt.registration_deadline),
        _DUTY_STATE: _DUTY_STATES.index(receipt.duty_state),
        _DUTY: [receipt.duty.amount_minor, receipt.duty.currency] if receipt.duty else None,
        _REFERENCE: receipt.declaration_reference,
        _DECLARATION: receipt.declaration_id,
        _ITEMS: [[item.description, item.mark] for item in receipt.temporary],
    }
    members.update({name: value for name, value in optional.items() if value})
    return {
        _ISS: receipt.issuer,
        _IAT: int(receipt.issued_at.timestamp()),
        _CTI: receipt.receipt_id,
        _RECEIPT: members,
    }


def _receipt(payload: bytes) -> Receipt:
    claims = loads(payload)
    if not isinstance(claims, dict) or set(claims) != {_ISS, _IAT, _CTI, _RECEIPT}:
        raise malformed("a claim is missing or unknown")
    members = member(claims, _RECEIPT, dict)
    for name in members.keys() - _KNOWN:
        if not isinstance(name, int) or name < _FIRST_OPTIONAL_MEMBER:
            raise malformed(f"member {name!r} is critical and unknown")
    issuer, receipt_id = member(claims, _ISS, str), member(claims, _CTI, bytes)
    binding, seconds = member(members, _BINDING, bytes), member(claims, _IAT, int)
    if not _ISSUER.fullmatch(issuer) or len(receipt_id) != RECEIPT_ID_BYTES or len(binding) != BINDING_BYTES:
        raise malformed("issuer, receipt id or binding is malformed")
    if not 0 <= seconds <= _LATEST_S:
        raise malformed("the time is out of range")
    day = _day(members, _DAY)
    if day is None:
        raise malformed("the day is missing")
    return Receipt(
        receipt_id=receipt_id,
        issuer=issuer,
        direction=_chosen(_DIRECTIONS, member(members, _DIRECTION, int)),
        issued_at=datetime.fromtimestamp(seconds, UTC),
        local_date=day,
        binding=binding,
        stay_deadline=_day(members, _STAY),
        registration_deadline=_day(members, _REGISTRATION),
        duty_state=_chosen(_DUTY_STATES, member(members, _DUTY_STATE, int) if _DUTY_STATE in members else 0),
        duty=_duty(members),
        declaration_reference=plain_text(member(members, _REFERENCE, str)) if _REFERENCE in members else "",
        declaration_id=member(members, _DECLARATION, bytes) if _DECLARATION in members else b"",
        temporary=_items(members),
    )


def _chosen(choices: tuple[Choice, ...], index: int) -> Choice:
    if not 0 <= index < len(choices):
        raise malformed("a choice is out of range")
    return choices[index]


def _number_of(day: date | None) -> int:
    return 0 if day is None else day.year * 10_000 + day.month * 100 + day.day


def _day(members: Members, name: int) -> date | None:
    if name not in members:
        return None
    number = member(members, name, int)
    try:
        return date(number // 10_000, number // 100 % 100, number % 100)
    except (ValueError, OverflowError) as error:
        raise malformed("a day is none") from error


def _duty(members: Members) -> Money | None:
    match members.get(_DUTY):
        case None if _DUTY not in members:
            return None
        case [int(amount), str(currency)] if 0 < amount <= _MAXIMUM_MINOR and _CURRENCY.fullmatch(currency):
            return Money(amount, currency)
        case _:
            raise malformed("the duty is malformed")


def _items(members: Members) -> tuple[TemporaryItem, ...]:
    if _ITEMS not in members:
        return ()
    items = []
    listed = member(members, _ITEMS, list)
    if not 1 <= len(listed) <= MAXIMUM_ITEMS:
        raise malformed("no item or too many")
    for item in listed:
        match item:
            case [str(description), str(mark)]:
                items.append(TemporaryItem(plain_text(description), plain_text(mark) if mark else ""))
            case _:
                raise malformed("an item is malformed")
    return tuple(items)
