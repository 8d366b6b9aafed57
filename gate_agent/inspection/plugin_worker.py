"""The worker of one plug-in: `python -I -m gate_agent.inspection.plugin_worker --check NAME --package DIST --socket-fd N`, one request at a time.

It imports that one package and calls its function, with a frozen view of what it declares, until the other end of the socket closes. What
another maker's code prints is nobody's to read, it writes no file, and an exception of it is told by its type alone: its text may
hold what it saw. Whatever it does, the agent ends this process when its time is over.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any

import cbor2

from gate_agent.domain.check import CheckOutcome, CheckResult, PluginCheckName
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection import serving
from gate_agent.inspection.chip_authenticity_messages import PLUGIN, Judged, MessageNonsense, Request, WorkerReady
from gate_agent.inspection.plugin import DATES, CheckDeclaration, PluginRefused, Value, frozen_view, judge_finding
from gate_agent.inspection.plugin_packages import declaration_text, load_declaration


def encode_view(values: Mapping[str, Value]) -> bytes:
    """Return what a check may see in CBOR."""
    return cbor2.dumps(
        {name: value.isoformat() if isinstance(value, date) else value for name, value in values.items()}
    )


def decode_view(content: bytes) -> dict[str, Any]:
    """Return what `encode_view` was given. Raises `MessageNonsense`."""
    try:
        table = cbor2.loads(content)
        for name in DATES & table.keys():
            table[name] = None if table[name] is None else date.fromisoformat(table[name])
        if "lines" in table:
            table["lines"] = tuple(table["lines"])
    except (ValueError, TypeError, AttributeError, cbor2.CBORDecodeError) as error:
        raise MessageNonsense("a view that makes no sense") from error
    return dict(table)


def judged(declared: CheckDeclaration | None, name: PluginCheckName, request: Request, content: bytes) -> Judged:
    """Return what the plug-in's function says, or that it could not. Raises `MessageNonsense`."""
    if request.operation != PLUGIN:
        raise MessageNonsense(f"this worker does not judge a {request.operation}")
    if declared is None:
        raise MessageNonsense("this worker has no check")
    try:
        view = frozen_view(decode_view(content), declared.inputs)
    except PluginRefused as refused:
        raise MessageNonsense(str(refused)) from refused
    try:
        found = judge_finding(declared.judge(view), frozenset(declared.findings))
    except PluginRefused:
        return Judged(request.request_id, (broken_off(name, ReasonCode.PLUGIN_NONSENSE),))
    except Exception as error:  # noqa: BLE001 - another maker's code may raise anything; it says nothing of the traveller
        kind = type(error).__name__[:40]
        return Judged(request.request_id, (broken_off(name, ReasonCode.PLUGIN_CRASHED, error=kind),))
    reasons = (Reason(ReasonCode.PLUGIN_FINDING, {"check": name, "finding": found.code}),) if found.code else ()
    return Judged(request.request_id, (CheckResult(name, found.outcome, reasons, found.compared),))


def broken_off(name: PluginCheckName, code: ReasonCode, **parameters: str) -> CheckResult:
    """Return that a check was not performed, and why: never a pass, and no accusation."""
    return CheckResult(name, CheckOutcome.ABORTED, (Reason(code, {"check": name.value, **parameters}),))


def prepare(arguments: argparse.Namespace) -> tuple[WorkerReady, serving.Judging]:
    """Load the check; a worker whose package brings none says why, and judges nothing."""
    name = PluginCheckName.of(arguments.check)
    silence()
    try:
        declared = load_declaration(arguments.check, arguments.package)
        ready = WorkerReady(declared=declaration_text(declared))
    except PluginRefused as refused:
        return WorkerReady(refusal=str(refused)[:500]), partial(judged, None, name)
    return ready, partial(judged, declared, name)


def silence() -> None:
    """Let nothing that is printed here reach the agent's log, and no file be written."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def main(argv: Sequence[str] | None = None) -> int:
    """Serve one socket; return 0 when it closed."""
    parser = argparse.ArgumentParser(prog="gate_agent.inspection.plugin_worker")
    parser.add_argument("--check", required=True, help="name in the entry-point group")
    parser.add_argument("--package", required=True, help="distribution that brings it")
    serving.add_arguments(parser)
    arguments = parser.parse_args(argv)
    return serving.run(arguments, partial(prepare, arguments))


if __name__ == "__main__":
    sys.exit(main())
