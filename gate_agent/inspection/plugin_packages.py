"""Which checks the installed packages bring, found without importing any of them, and how the worker of one loads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from gate_agent.domain.result_tables import Family
from gate_agent.errors import SettingsFault
from gate_agent.inspection.plain_text import plain
from gate_agent.inspection.plugin import ENTRY_POINT_GROUP, CheckDeclaration, Input, PluginRefused

NOT_INSTALLED = "EG-SET-014"
LONGEST_DECLARATION = 20_000
"""Characters; as much as one packet holds, each in its longest form."""


@dataclass(frozen=True, slots=True)
class InstalledCheck:
    """One entry of the group: its name, and the distribution that brings it with its version."""

    name: str
    package: str
    version: str


@dataclass(frozen=True, slots=True)
class Declared:
    """What the agent keeps of a declaration: everything but the function."""

    inputs: frozenset[Input]
    budget_ms: int
    titles: Mapping[str, str]
    findings: Mapping[str, Mapping[str, str]]
    family: Family | None


def installed_checks() -> list[InstalledCheck]:
    """Return every entry of the group by name, reading what installers wrote and importing nothing."""
    entries = entry_points(group=ENTRY_POINT_GROUP)
    return sorted((_installed(entry) for entry in entries), key=lambda one: (one.name, one.package))


def named_checks(names: Iterable[str]) -> list[InstalledCheck]:
    """Return the checks that a site names. Raises `SettingsFault` for one that no package brings, or several do."""
    known = installed_checks()
    found = []
    for name in names:
        bringing = [one for one in known if one.name == name]
        if not bringing:
            others = ", ".join(sorted({one.name for one in known})) or "none"
            raise SettingsFault(
                f"[[check]] names {name!r}, which no installed package brings; installed: {others}", code=NOT_INSTALLED
            )
        if len(bringing) > 1:
            rivals = ", ".join(one.package for one in bringing)
            raise SettingsFault(f"[[check]] names {name!r}, which several packages bring: {rivals}", code=NOT_INSTALLED)
        found += bringing
    return found


def load_declaration(name: str, package: str) -> CheckDeclaration:
    """Import what an entry of a package names. Raises `PluginRefused` saying why it is no check; for the worker only."""
    entries = [one for one in entry_points(group=ENTRY_POINT_GROUP, name=name) if _installed(one).package == package]
    if len(entries) != 1:
        raise PluginRefused(f"{package} brings no check {name!r}")
    try:
        declared = entries[0].load()
    except PluginRefused as refused:
        raise PluginRefused(f"its declaration: {refused}") from refused
    except BaseException as error:  # another maker's module may raise anything, its own end included
        raise PluginRefused(f"it cannot be imported: {type(error).__name__}: {plain(str(error))[:300]}") from error
    if not isinstance(declared, CheckDeclaration):
        raise PluginRefused(f"{entries[0].value} is no CheckDeclaration")
    return declared


def declaration_text(declared: CheckDeclaration) -> str:
    """Return a declaration without its function, in JSON. Raises `PluginRefused` when its texts are too long together."""
    table = {
        "inputs": sorted(one.value for one in declared.inputs),
        "budget_ms": declared.budget_ms,
        "titles": dict(declared.titles),
        "findings": {code: dict(sentences) for code, sentences in declared.findings.items()},
        "family": declared.family.value if declared.family else "",
    }
    text = json.dumps(table, ensure_ascii=False)
    if len(text) > LONGEST_DECLARATION:
        raise PluginRefused(f"its declaration: texts of more than {LONGEST_DECLARATION} characters together")
    return text


def declaration_in(text: str) -> Declared:
    """Return what `declaration_text` wrote, held to the same limits: it comes from another maker's process. Raises `PluginRefused`."""
    try:
        table: dict[str, Any] = json.loads(text)
        family = Family(table["family"]) if table["family"] else None
        inputs = frozenset(map(Input, table["inputs"]))
        whole = CheckDeclaration(
            _not_here, inputs, table["budget_ms"], table["titles"], table["findings"], family
        )  # judges itself
    except PluginRefused:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PluginRefused("a declaration that makes no sense") from error
    return Declared(whole.inputs, whole.budget_ms, whole.titles, whole.findings, whole.family)


def _not_here(_view: object) -> Any:
    raise AssertionError("a plug-in's function is never called in this process")


def _installed(entry: EntryPoint) -> InstalledCheck:
    dist = entry.dist
    return InstalledCheck(entry.name, dist.name if dist else "", dist.version if dist else "")
