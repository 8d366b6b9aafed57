"""The declaration inside a declaration token, in the two versions that gates read side by side.

version 1   1 reference · 2 direction · 3 mode · 4 document binding · 5 goods [[description, minor units, currency, grams]]
            6 cash [[minor units, currency]] · 7 small children · 8 seal ids                       (5 and more only when not empty)
version 2   9 companions [[name, relation, birth date as yyyymmdd, document binding]] · 10 vehicles [[plate, state, make]]
            11 phones [IMEI] · 12 unaccompanied goods [stub id, [description], deadline as yyyymmdd or 0]
            a line of goods may end with a map: 1 kind · 2 quantity · 3 owner's place, from 1 · 4 temporary (1) · 5 mark
both        100 seconds that filling in took

A declaration is written in the lowest version that can hold it, so that gates of the version before read all that they could ever
read. A member that a version does not know is refused below 100 (it may change the meaning) and passed over from 100 on.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import TypeVar

from gate_agent.domain.declaration import (
    MAXIMUM_COMPANIONS,
    Companion,
    Declaration,
    DeclaredGoods,
    Direction,
    Relation,
    TravelMode,
    UnaccompaniedGoods,
    Vehicle,
)
from gate_agent.domain.imei import is_imei
from gate_agent.domain.money import Money
from gate_agent.inspection.plain_text import is_seen
from gate_agent.inspection.signed_code import malformed, member
from gate_agent.inspection.strict_cbor import Cbor

MAXIMUM_LINES = 10
MAXIMUM_SEALS = 4
MAXIMUM_SMALL_CHILDREN = 20
MAXIMUM_VEHICLES = 2
MAXIMUM_TEXT_CHARACTERS = 40
MAXIMUM_AMOUNT_MINOR = 10**15
MAXIMUM_MASS_G = 10**9
MAXIMUM_QUANTITY = 10**9
MAXIMUM_FILLING_S = 86_400
BINDING_BYTES = 16

_REFERENCE, _DIRECTION, _MODE, _BINDING, _GOODS, _CASH, _SMALL_CHILDREN, _SEALS = range(1, 9)
_COMPANIONS, _VEHICLES, _PHONES, _UNACCOMPANIED = range(9, 13)
_KIND, _QUANTITY, _OWNER, _TEMPORARY, _MARK = range(1, 6)
_FIRST_OPTIONAL_MEMBER = _FILLED_IN = 100
_KNOWN = {1: frozenset(range(_REFERENCE, _COMPANIONS)), 2: frozenset(range(_REFERENCE, _UNACCOMPANIED + 1))}
_MOST_LINES_OF_GOODS = {1: MAXIMUM_LINES, 2: 2 * MAXIMUM_LINES}
_CURRENCY = re.compile(r"[A-Z]{3}")
_SEAL_ID = re.compile(r"[A-Z0-9-]{1,24}")
_GOODS_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PLATE = re.compile(r"[0-9A-Z\u0400-\u042f]{2,12}")
_STATE = re.compile(r"[A-Z]{1,3}")
_STUB_ID = re.compile(r"[A-Z0-9-]{4,24}")
_DIRECTIONS = (Direction.ENTRY, Direction.EXIT)
_MODES = (TravelMode.AIR, TravelMode.RAIL, TravelMode.RIVER, TravelMode.ROAD, TravelMode.FOOT)
_RELATIONS = (
    Relation.CHILD,
    Relation.WARD,
    Relation.SPOUSE,
    Relation.PARENT,
    Relation.RELATIVE,
    Relation.OTHER,
)

Members = Mapping[int | str, Cbor]
Choice = TypeVar("Choice")


def version_of(declared: Declaration) -> int:
    """Return the lowest version that can hold a declaration."""
    beyond = declared.companions or declared.vehicles or declared.phone_imeis or declared.unaccompanied
    is_second = beyond or len(declared.goods) > MAXIMUM_LINES or any(map(_more, declared.goods))
    return 2 if is_second else 1


def members_of(declared: Declaration, binding: bytes) -> dict[int | str, Cbor]:
    """Return the declaration map; empty members are left out."""
    away = declared.unaccompanied
    members: dict[int | str, Cbor] = {
        _REFERENCE: declared.reference,
        _DIRECTION: _DIRECTIONS.index(declared.direction),
        _MODE: _MODES.index(declared.mode),
        _BINDING: binding,
    }
    optional: dict[int, Cbor] = {
        _GOODS: [_goods_members(line) for line in declared.goods],
        _CASH: [[money.amount_minor, money.currency] for money in declared.cash],
        _SMALL_CHILDREN: declared.small_children,
        _SEALS: list(declared.seal_ids),
        _COMPANIONS: [
            [one.name, _RELATIONS.index(one.relation), _day_number(one.date_of_birth), one.binding]
            for one in declared.companions
        ],
        _VEHICLES: [[vehicle.plate, vehicle.country, vehicle.make] for vehicle in declared.vehicles],
        _PHONES: list(declared.phone_imeis),
        _UNACCOMPANIED: [away.stub_id, list(away.items), _day_number(away.deadline)] if away else [],
    }
    members.update({name: value for name, value in optional.items() if value})
    if declared.filled_in_s is not None:
        members[_FILLED_IN] = declared.filled_in_s
    return members


def binding_of(members: Members) -> bytes:
    """Return what ties the declaration to its document. Raises `TokenRefused`."""
    binding = member(members, _BINDING, bytes)
    if len(binding) != BINDING_BYTES:
        raise malformed("the binding has another length")
    return binding


def declared_in(members: Members, version: int, without: Declaration) -> Declaration:
    """Return `without`, which has a token's identifier and times only, with what a map of a version declares. Raises `TokenRefused`."""
    for name in members.keys() - _KNOWN[version]:
        if not isinstance(name, int) or name < _FIRST_OPTIONAL_MEMBER:
            raise malformed(f"member {name!r} is critical and unknown")
    declared = Declaration(
        token_id=without.token_id,
        issued_at=without.issued_at,
        expires_at=without.expires_at,
        reference=plain_text(member(members, _REFERENCE, str)),
        direction=_chosen(_DIRECTIONS, member(members, _DIRECTION, int)),
        mode=_chosen(_MODES, member(members, _MODE, int)),
        goods=tuple(_goods_line(line) for line in _lines(members, _GOODS, _MOST_LINES_OF_GOODS[version])),
        cash=tuple(_cash_line(line) for line in _lines(members, _CASH, MAXIMUM_LINES)),
        small_children=_small_children(members),
        seal_ids=tuple(_like(seal, _SEAL_ID, "a seal id") for seal in _lines(members, _SEALS, MAXIMUM_SEALS)),
        companions=tuple(_companion(one) for one in _lines(members, _COMPANIONS, MAXIMUM_COMPANIONS)),
        vehicles=tuple(_vehicle(line) for line in _lines(members, _VEHICLES, MAXIMUM_VEHICLES)),
        phone_imeis=tuple(_imei(text) for text in _lines(members, _PHONES, MAXIMUM_LINES)),
        unaccompanied=_unaccompanied(members),
        filled_in_s=_filled_in(members),
    )
    if any(line.owner >= declared.travellers for line in declared.goods):
        raise malformed("goods belong to somebody who is not on the declaration")
    if len({binding_of(members), *(one.binding for one in declared.companions)}) != declared.travellers:
        raise malformed("two persons have one document")
    if version_of(declared) != version:
        raise malformed(f"what it says is not said in version {version}")
    written = members_of(declared, binding_of(members))
    if any(members.get(name) != written.get(name) for name in _KNOWN[version]):
        raise malformed("a line says what it could leave out")
    return declared


def plain_text(text: str) -> str:
    """Return a text that a token may carry. Raises `TokenRefused`."""
    if not is_plain_text(text):
        raise malformed("a text is blank, too long or holds control characters")
    return text


def is_plain_text(text: str) -> bool:
    """Return whether `text` is one line that a token may carry: not blank, short, no control, direction or surrogate characters."""
    return 0 < len(text.strip()) <= len(text) <= MAXIMUM_TEXT_CHARACTERS and all(map(is_seen, text))


def _more(line: DeclaredGoods) -> dict[int | str, Cbor]:
    """Return what a line of goods says beyond version 1."""
    more: dict[int | str, Cbor] = {}
    if line.kind:
        more[_KIND] = line.kind
    if line.quantity is not None:
        more[_QUANTITY] = line.quantity
    if line.owner:
        more[_OWNER] = line.owner
    if line.is_temporary:
        more[_TEMPORARY] = 1
    if line.mark:
        more[_MARK] = line.mark
    return more


def _goods_members(line: DeclaredGoods) -> list[Cbor]:
    members: list[Cbor] = [line.description, line.value.amount_minor, line.value.currency, line.mass_g]
    more = _more(line)
    return [*members, more] if more else members


def _goods_line(line: Cbor) -> DeclaredGoods:
    more: Members = {}
    match line:
        case [str(description), int(amount_minor), str(currency), int(mass_g)]:
            pass
        case [str(description), int(amount_minor), str(currency), int(mass_g), dict(more)] if more:
            pass
        case _:
            raise malformed("a line of goods is malformed")
    if not 0 <= mass_g <= MAXIMUM_MASS_G or more.keys() - {_KIND, _QUANTITY, _OWNER, _TEMPORARY, _MARK}:
        raise malformed("a mass is out of range, or a line of goods says something unknown")
    quantity = member(more, _QUANTITY, int) if _QUANTITY in more else None
    owner = member(more, _OWNER, int) if _OWNER in more else 0
    if not 0 <= (quantity or 0) <= MAXIMUM_QUANTITY or not 0 <= owner <= MAXIMUM_COMPANIONS:
        raise malformed("a quantity or an owner is out of range")
    return DeclaredGoods(
        plain_text(description),
        _money(amount_minor, currency),
        mass_g,
        _like(more[_KIND], _GOODS_KIND, "a kind of goods") if _KIND in more else "",
        quantity,
        owner,
        is_temporary=_TEMPORARY in more and member(more, _TEMPORARY, int) == 1,
        mark=plain_text(member(more, _MARK, str)) if _MARK in more else "",
    )


def _companion(companion: Cbor) -> Companion:
    match companion:
        case [str(name), int(relation), int(born), bytes(binding)] if len(binding) == BINDING_BYTES:
            return Companion(plain_text(name), _chosen(_RELATIONS, relation), _day(born), binding)
        case _:
            raise malformed("a companion is malformed")


def _cash_line(line: Cbor) -> Money:
    match line:
        case [int(amount_minor), str(currency)]:
            return _money(amount_minor, currency)
        case _:
            raise malformed("a line of cash is malformed")


def _vehicle(line: Cbor) -> Vehicle:
    match line:
        case [str(plate), str(country), str(make)]:
            return Vehicle(_like(plate, _PLATE, "a number plate"), _like(country, _STATE, "a state"), plain_text(make))
        case _:
            raise malformed("a vehicle is malformed")


def _imei(text: Cbor) -> str:
    if not isinstance(text, str) or not is_imei(text):
        raise malformed("an IMEI has another form or check digit")
    return text


def _unaccompanied(members: Members) -> UnaccompaniedGoods | None:
    match members.get(_UNACCOMPANIED):
        case None:
            return None
        case [str(stub_id), list(items), int(deadline)] if 1 <= len(items) <= MAXIMUM_LINES:
            texts = tuple(plain_text(item if isinstance(item, str) else "") for item in items)
            return UnaccompaniedGoods(
                _like(stub_id, _STUB_ID, "a stub id"), texts, _day(deadline) if deadline else None
            )
        case _:
            raise malformed("the unaccompanied goods are malformed")


def _filled_in(members: Members) -> int | None:
    """Return the seconds, None when they say nothing: this member may be passed over, so it can spoil nothing."""
    seconds = members.get(_FILLED_IN)
    return seconds if type(seconds) is int and 0 <= seconds <= MAXIMUM_FILLING_S else None


def _day_number(day: date | None) -> int:
    return 0 if day is None else day.year * 10_000 + day.month * 100 + day.day


def _day(number: int) -> date:
    try:
        return date(number // 10_000, number // 100 % 100, number % 100)
    except (ValueError, OverflowError) as error:
        raise malformed("a day is none") from error


def _lines(members: Members, name: int, maximum: int) -> list[Cbor]:
    if name not in members:
        return []
    lines = member(members, name, list)
    if not 1 <= len(lines) <= maximum:
        raise malformed(f"member {name} has no line or too many")
    return lines


def _money(amount_minor: int, currency: str) -> Money:
    if not 0 <= amount_minor <= MAXIMUM_AMOUNT_MINOR or not _CURRENCY.fullmatch(currency):
        raise malformed("an amount or currency is out of range")
    return Money(amount_minor, currency)


def _small_children(members: Members) -> int:
    if _SMALL_CHILDREN not in members:
        return 0
    count = member(members, _SMALL_CHILDREN, int)
    if not 1 <= count <= MAXIMUM_SMALL_CHILDREN:
        raise malformed("the number of children is out of range")
    return count


def _like(text: Cbor, pattern: re.Pattern[str], what: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise malformed(f"{what} is malformed")
    return text


def _chosen(choices: tuple[Choice, ...], index: int) -> Choice:
    if not 0 <= index < len(choices):
        raise malformed("a choice is out of range")
    return choices[index]
