"""The `egate` command: one module per command, imported only when that command runs, so that every command starts fast.

A command module offers `SUMMARY: str`, `add_arguments(parser)` and `run(arguments) -> int`. Exit codes: 0 answered, 1 findings,
2 bad usage, 3 a fault (its code and message go to standard error).
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from gate_agent.errors import EgateError

COMMANDS: dict[str, str] = {
    "agent": "gate_agent.cli.agent",
    "bench": "gate_agent.cli.bench",
    "centre": "gate_agent.cli.centre",
    "check-config": "gate_agent.cli.check_config",
    "checks": "gate_agent.cli.checks",
    "console": "gate_agent.cli.console",
    "counts": "gate_agent.cli.counts",
    "demo": "gate_agent.cli.demo",
    "demo walk-through": "gate_agent.cli.demo_walk_through",
    "devices": "gate_agent.cli.devices",
    "doctor": "gate_agent.cli.doctor",
    "face attacks": "gate_agent.cli.face_attacks",
    "face calibrate": "gate_agent.cli.face_calibrate",
    "face cohort": "gate_agent.cli.face_cohort",
    "face compare": "gate_agent.cli.face_compare",
    "face evaluate": "gate_agent.cli.face_evaluate",
    "face monitor": "gate_agent.cli.face_monitor",
    "field": "gate_agent.cli.field",
    "inspect barcode": "gate_agent.cli.inspect_barcode",
    "inspect boarding-pass": "gate_agent.cli.inspect_boarding_pass",
    "inspect chip": "gate_agent.cli.inspect_chip",
    "inspect mrz": "gate_agent.cli.inspect_mrz",
    "inspect mrz-text": "gate_agent.cli.inspect_mrz_text",
    "inspect page": "gate_agent.cli.inspect_page",
    "inspect seal-frame": "gate_agent.cli.inspect_seal_frame",
    "inspect sod": "gate_agent.cli.inspect_sod",
    "inspect receipt": "gate_agent.cli.inspect_receipt",
    "inspect token": "gate_agent.cli.inspect_token",
    "inspect visible-seal": "gate_agent.cli.inspect_visible_seal",
    "models": "gate_agent.cli.models",
    "portal": "gate_agent.cli.portal",
    "post": "gate_agent.cli.post",
    "provision": "gate_agent.cli.provision",
    "rules": "gate_agent.cli.rules",
    "stubs": "gate_agent.cli.stubs",
    "sync": "gate_agent.cli.sync",
    "training": "gate_agent.cli.training",
    "trust": "gate_agent.cli.trust",
    "watchlist": "gate_agent.cli.watchlist",
}


class CommandModule(Protocol):
    """What a module behind a command offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and operands."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


def command_module(name: str) -> CommandModule:
    """Import the module behind a command."""
    return cast("CommandModule", importlib.import_module(COMMANDS[name]))


def _usage() -> str:
    lines = ["usage: egate COMMAND …", "", "commands:"]
    lines += [f"  {name:<20} {command_module(name).SUMMARY}" for name in COMMANDS]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or words[0] in {"-h", "--help", "help"}:
        print(_usage())
        return 0 if words else 2
    name = next((candidate for candidate in (" ".join(words[:2]), words[0]) if candidate in COMMANDS), None)
    if name is None:
        print(f"egate: there is no command {' '.join(words[:2])!r}; `egate help` lists them", file=sys.stderr)
        return 2
    module = command_module(name)
    parser = argparse.ArgumentParser(prog=f"egate {name}", description=module.SUMMARY)
    module.add_arguments(parser)
    arguments = parser.parse_args(words[len(name.split()) :])
    try:
        return module.run(arguments)
    except EgateError as error:
        print(f"egate {name}: {error.code}: {error}", file=sys.stderr)
        return 3
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
