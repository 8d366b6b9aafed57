"""`egate checks list|try`: which checks there are, ours and those of plug-ins, and one of a plug-in by hand."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gate_agent.cli.input_lines import input_lines

if TYPE_CHECKING:
    from gate_agent.domain.check import CheckResult
    from gate_agent.runtime.plugin_checks import PluginCheck
    from gate_agent.settings import Settings

SUMMARY = "list the checks of eGate and of installed packages; try one of a package by hand"

_LONGEST_LINE_BYTES = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="list|try")
    listing = actions.add_parser("list", help="every check with the package and version that brings it")
    listing.add_argument(
        "--config", type=Path, metavar="FILE", help="site file: start what it names, and say what each declares to see"
    )
    listing.add_argument("--json", action="store_true", help="one JSON object per check")
    trying = actions.add_parser("try", help="make one check: what it may see as one JSON object per line of input")
    trying.add_argument("name", metavar="NAME", help="name in the entry-point group egate.checks")
    trying.add_argument("--json", action="store_true", help="one JSON object per line")


def run(arguments: argparse.Namespace) -> int:
    """List, or answer every line. Returns 0."""
    answering = _list(arguments) if arguments.action == "list" else _try(arguments)
    asyncio.run(answering)
    return 0


async def _list(arguments: argparse.Namespace) -> None:
    from importlib.metadata import version

    from gate_agent.domain.check import CheckName, PluginCheckName
    from gate_agent.inspection.plugin_packages import installed_checks
    from gate_agent.settings import load

    settings = load(arguments.config) if arguments.config else None
    rows: list[dict[str, Any]] = [
        {"check": name.value, "package": "egate", "version": version("egate"), "in_use": True} for name in CheckName
    ]
    declared = await _declared(settings) if settings is not None else {}
    for one in installed_checks():
        row = {"check": PluginCheckName.of(one.name).value, "package": one.package, "version": one.version}
        rows.append(row | {"in_use": False if settings is not None else None} | declared.get(one.name, {}))
    for row in rows:
        print(json.dumps(row, ensure_ascii=True) if arguments.json else _line(row), flush=True)


async def _declared(settings: Settings) -> dict[str, dict[str, Any]]:
    """Start what a site names, and return what each declares or why it cannot be used."""
    from gate_agent.clock import SystemClock
    from gate_agent.runtime.plugin_checks import PluginChecks

    opened = await PluginChecks.open(settings.check, SystemClock())
    try:
        return {check.installed.name: _declaration(check) for check in opened.checks}
    finally:
        await opened.close()


def _declaration(check: PluginCheck) -> dict[str, Any]:
    if check.declared is None:
        return {"in_use": True, "refusal": check.refusal}
    return {
        "in_use": True,
        "title": check.declared.titles["en"],
        "family": check.declared.family.value if check.declared.family else "",
        "inputs": sorted(check.declared.inputs),
        "budget_ms": check.budget_ms,
    }


async def _try(arguments: argparse.Namespace) -> None:
    from gate_agent.clock import SystemClock
    from gate_agent.inspection_settings import CheckSettings
    from gate_agent.runtime.plugin_checks import PluginChecks

    opened = await PluginChecks.open([CheckSettings(name=arguments.name)], SystemClock())
    (check,) = opened.checks
    try:
        for line in input_lines(sys.stdin.buffer, _LONGEST_LINE_BYTES):
            try:
                view = view_in(line, check)
            except (ValueError, OSError) as error:
                print(json.dumps({"error": str(error)}) if arguments.json else f"error: {error}", flush=True)
                continue
            answer = _answer(await check.seeing(view))
            print(json.dumps(answer, ensure_ascii=True) if arguments.json else _line(answer), flush=True)
    finally:
        await opened.close()


def view_in(line: bytes, check: PluginCheck) -> dict[str, Any]:
    """Return what a check is to see from one JSON object: its own inputs, the rest left out; of pictures the path. Raises `ValueError`, `OSError`."""
    from gate_agent.inspection.plugin import DATES, PICTURES

    if check.declared is None:
        raise ValueError(check.refusal)
    given = json.loads(line)
    if not isinstance(given, dict):
        raise ValueError("one JSON object per line is expected")  # noqa: TRY004 - of a line, not of a call
    view: dict[str, Any] = {}
    for one in sorted(check.declared.inputs):
        value = given.get(one.value)
        if value is not None and one in DATES:
            value = date.fromisoformat(value)
        elif value is not None and one in PICTURES:
            value = Path(value).read_bytes()
        view[one.value] = value
    return view


def _answer(result: CheckResult) -> dict[str, Any]:
    return {
        "check": result.check.value,
        "result": result.outcome.value,
        "reasons": [{"code": one.code.value, "parameters": dict(one.parameters)} for one in result.reasons],
        "compared": [[one.name, one.found, one.expected] for one in result.compared],
        "ms": result.duration_ms,
    }


def _line(row: dict[str, Any]) -> str:
    if "result" in row:
        said = [one["parameters"].get("plugin_sentence") or one["code"] for one in row["reasons"]]
        return "  ".join([row["result"], *said, *(f"{name}: {found}" for name, found, _ in row["compared"])])
    use = {True: "in use", False: "not named", None: "installed"}[row["in_use"]]
    words = [
        f"{row['check']:<32}",
        f"{row['package']} {row['version']}",
        use,
        row.get("title", ""),
        row.get("refusal", ""),
    ]
    if row.get("inputs"):
        words.append(f"sees {', '.join(row['inputs'])}; {row['budget_ms']} ms")
    return "  ".join(word for word in words if word)
