"""What differs between two rulebooks, in the words of whoever has to sign the newer one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date

from gate_agent.policy.rulebook import Rule, Rulebook


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: `what` is added, removed or changed; `before` and `after` hold the members that differ."""

    what: str
    about: str
    name: str
    before: Mapping[str, object]
    after: Mapping[str, object]


def changes(older: Rulebook, newer: Rulebook) -> list[Change]:
    """Return what differs: the head first, then options, kinds of goods, rules, holidays and rates, each by name."""
    head = ("version", "title", "country", "valuation_currency", "national_currency")
    found = _compared(
        "head", {"": {name: getattr(older, name) for name in head}}, {"": {name: getattr(newer, name) for name in head}}
    )
    found += _compared("options", {"": dict(older.options)}, {"": dict(newer.options)})
    found += _compared(
        "goods_kinds", _named(older.goods_kinds.values(), "kind"), _named(newer.goods_kinds.values(), "kind")
    )
    found += _compared("rules", _named(older.rules, "rule_id"), _named(newer.rules, "rule_id"))
    found += _compared("desk_rules", _named(older.desk_rules, "rule_id"), _named(newer.desk_rules, "rule_id"))
    found += _compared("holidays", _named(older.holidays.values(), "on"), _named(newer.holidays.values(), "on"))
    return [*found, *_compared("rates", _named(older.rates, "currency", "on"), _named(newer.rates, "currency", "on"))]


def _named(entries: Iterable[object], *by: str) -> dict[str, dict[str, object]]:
    """Return entries by their name, as plain values."""
    named = {}
    for entry in entries:
        members = {field.name: _plain(getattr(entry, field.name)) for field in fields(entry)}  # type: ignore[arg-type] # dataclasses all
        if isinstance(entry, Rule):
            members["parameters"] = dict(entry.parameters)
        named[" ".join(str(members.pop(name)) for name in by)] = members
    return named


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _compared(
    about: str, older: Mapping[str, dict[str, object]], newer: Mapping[str, dict[str, object]]
) -> list[Change]:
    found = [Change("removed", about, name, older[name], {}) for name in older if name not in newer]
    for name, after in newer.items():
        if name not in older:
            found.append(Change("added", about, name, {}, after))
            continue
        differing = [member for member in after if older[name].get(member) != after[member]]
        if differing:
            before = older[name]
            found.append(
                Change(
                    "changed",
                    about,
                    name,
                    {one: before.get(one) for one in differing},
                    {one: after[one] for one in differing},
                )
            )
    return found
