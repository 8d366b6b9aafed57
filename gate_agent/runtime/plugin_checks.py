"""Checks of plug-ins for the lanes: one worker each, within its own time, and one `CheckResult` each whatever becomes of it.

A plug-in that hangs, crashes, answers nonsense or cannot be loaded is aborted with a reason of its own: not performed, never a pass. Nothing
of what another maker's process says is taken over unseen: its answer is one result, of its own name, with a finding that it declared.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import structlog

from gate_agent.clock import Clock
from gate_agent.domain.check import CheckOutcome, CheckResult, PluginCheckName, PluginSource
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import InspectionFault, SettingsFault
from gate_agent.inspection.chip_authenticity_messages import PLUGIN, Judged
from gate_agent.inspection.plugin import PICTURES, Finding, PluginRefused, Value, judge_finding, seen_of
from gate_agent.inspection.plugin_packages import Declared, InstalledCheck, declaration_in, named_checks
from gate_agent.inspection.plugin_worker import broken_off, encode_view
from gate_agent.inspection_settings import CheckSettings
from gate_agent.runtime.chip_inspection_process import NONSENSE, NOT_RUNNING, TIMED_OUT, InspectionProcess
from gate_agent.runtime.kept_worker import START_TIMEOUT_S, KeptWorker
from gate_agent.settings import LaneSettings

_REASONS = {
    ReasonCode.PLUGIN_CRASHED: frozenset({"check", "error"}),
    ReasonCode.PLUGIN_NONSENSE: frozenset({"check"}),
}
"""What a worker may say of a check that it could not perform, and with which parameters."""

_WORKER = (sys.executable, "-I", "-m", "gate_agent.inspection.plugin_worker")

_log = structlog.get_logger(__name__)


class PluginCheck(KeptWorker):
    """One plug-in's check. Every result is aborted while no worker of it can be started."""

    def __init__(
        self,
        settings: CheckSettings,
        installed: InstalledCheck,
        clock: Clock,
        worker_command: Sequence[str] | None = None,
    ) -> None:
        """Prepare; nothing of the package is imported here or later in this process."""
        super().__init__(settings.longest_ms / 1000)
        self.name = PluginCheckName.of(installed.name)
        self.installed = installed
        self.declared: Declared | None = None
        self.refusal = ""
        """Why there is no declaration; empty when there is one."""
        self._longest_ms = settings.longest_ms
        self._clock = clock
        self._command = [
            *(worker_command or _WORKER), "--check", installed.name, "--package", installed.package,
            "--memory-bytes", str(settings.memory_bytes),
        ]  # fmt: skip

    @property
    def budget_ms(self) -> int:
        """How long one check may take: what the package declares, or the site's own limit where that is less."""
        return min(self.declared.budget_ms, self._longest_ms) if self.declared else self._longest_ms

    @property
    def looks_at(self) -> frozenset[str]:
        """The roles of the pictures that it looks at."""
        return (
            frozenset(PICTURES[one] for one in self.declared.inputs if one in PICTURES)
            if self.declared
            else frozenset()
        )

    async def start(self) -> None:
        """Start the worker; where that fails it is tried again beside, and the gate goes on."""
        self._is_running = True
        try:
            await self._renew()
        except InspectionFault as fault:
            self.refusal = str(fault)
            _log.error("plugin_check_not_started", check=self.name, code=fault.code, reason=self.refusal)
            self._beside.spawn(self._replaced())

    async def _renew(self) -> None:
        worker = await InspectionProcess.start(self._command, START_TIMEOUT_S)
        if not self._is_running:
            await worker.end()
            return
        try:
            declared = None if worker.ready.refusal else declaration_in(worker.ready.declared)
            self.refusal = worker.ready.refusal
        except PluginRefused as refused:
            declared, self.refusal = None, str(refused)
        if declared is None:  # it will say that again: it is not started in a loop
            _log.error("plugin_check_refused", check=self.name, package=self.installed.package, reason=self.refusal)
            await worker.end()
            return
        self.declared = declared
        self._timeout_s = self.budget_ms / 1000
        self._admit(worker)

    async def judge(
        self, document: TravelDocument, direction: str, local_date: date, pictures: Mapping[str, bytes]
    ) -> CheckResult:
        """Return what the check says of what it declared to see, and nothing else is handed to it; always returns a result."""
        declared = self.declared
        if declared is None:
            return self._broken_off(ReasonCode.PLUGIN_UNAVAILABLE)
        return await self.seeing(seen_of(declared.inputs, document, direction, local_date, pictures))

    async def seeing(self, view: Mapping[str, Value]) -> CheckResult:
        """Return what the check says of a view; always returns a result, within its time."""
        if self.declared is None:
            return self._broken_off(ReasonCode.PLUGIN_UNAVAILABLE)
        begun_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self.budget_ms / 1000):
                answered = await self._asked(PLUGIN, self._clock.now(), encode_view(view))
            result = self._taken(answered)
        except TimeoutError:  # the wait for another lane's turn, or for a new worker, is of its time, too
            result = self._broken_off(ReasonCode.PLUGIN_TIMED_OUT)
        except InspectionFault as fault:
            result = self._broken_off(_FAULTS.get(fault.code, ReasonCode.PLUGIN_CRASHED))
        except PluginRefused as refused:
            _log.warning("plugin_check_nonsense", check=self.name, reason=str(refused))
            result = self._broken_off(ReasonCode.PLUGIN_NONSENSE)
        if result.outcome is CheckOutcome.ABORTED:
            _log.warning("plugin_check_aborted", check=self.name, reasons=[one.code for one in result.reasons])
        return replace(result, duration_ms=round((self._clock.monotonic_s() - begun_s) * 1000, 2))

    def _taken(self, answered: Judged) -> CheckResult:
        """Return the one result of an answer with its source. Raises `PluginRefused` for any other answer."""
        declared = self.declared
        assert declared is not None, "only a check that is declared is asked"
        if len(answered.results) != 1 or answered.results[0].check != self.name or len(answered.results[0].reasons) > 1:
            raise PluginRefused("another answer than one result of its own")
        (result,) = answered.results
        code = ""
        for reason in result.reasons:
            if reason.parameters.get("check") != self.name:
                raise PluginRefused("a reason of another check")
            if reason.code is ReasonCode.PLUGIN_FINDING:
                code = reason.parameters.get("finding", "")
            elif (
                set(reason.parameters) != _REASONS.get(reason.code, frozenset())
                or result.outcome is not CheckOutcome.ABORTED
            ):
                raise PluginRefused("a reason that is not its own to give")
            else:
                error = reason.parameters.get("error")
                kind = {"error": error if error.isidentifier() else "Exception"} if error is not None else {}
                return self._broken_off(reason.code, **kind)
        judge_finding(Finding(result.outcome, code, result.compared), frozenset(declared.findings))
        source = self._source(code)
        said = {"check": self.name.value, "finding": code, "plugin_title": source.titles["en"]}
        said["plugin_sentence"] = source.findings.get("en", "")
        reasons = (Reason(ReasonCode.PLUGIN_FINDING, said),) if code else ()
        return replace(result, reasons=reasons, plugin=source)

    def _broken_off(self, code: ReasonCode, **parameters: str) -> CheckResult:
        source = self._source("")
        parameters["plugin_title"] = source.titles["en"]
        return replace(broken_off(self.name, code, **parameters), plugin=source)

    def _source(self, code: str) -> PluginSource:
        declared, installed = self.declared, self.installed
        if declared is None:
            return PluginSource(installed.package, installed.version, titles={"en": installed.name})
        return PluginSource(
            installed.package,
            installed.version,
            declared.family.value if declared.family else "",
            declared.titles,
            declared.findings.get(code, {}),
        )


_FAULTS = {
    TIMED_OUT: ReasonCode.PLUGIN_TIMED_OUT,
    NONSENSE: ReasonCode.PLUGIN_NONSENSE,
    NOT_RUNNING: ReasonCode.PLUGIN_UNAVAILABLE,
}


class PluginChecks:
    """All that a site names; implements `lane.ports.PluginJudges`. Open with `open`, `close` in the end."""

    def __init__(self, checks: Sequence[PluginCheck]) -> None:
        self.checks = checks

    @classmethod
    async def open(
        cls, named: Sequence[CheckSettings], clock: Clock, worker_command: Sequence[str] | None = None
    ) -> PluginChecks:
        """Start the worker of each check that is named. Raises `SettingsFault` for one that no package brings; any other fault is that check's."""
        installed = named_checks(one.name for one in named)
        checks = [
            PluginCheck(one, brought, clock, worker_command) for one, brought in zip(named, installed, strict=True)
        ]
        opened = cls(checks)
        try:
            await asyncio.gather(*(check.start() for check in checks))
        except BaseException:
            await opened.close()
            raise
        return opened

    def check_lane(self, lane: LaneSettings) -> None:
        """Raise `SettingsFault` where a check looks at pictures that the reader of a lane does not take."""
        for check in self.checks:
            if missing := check.looks_at - set(lane.page_pictures):
                roles = ", ".join(sorted(missing))
                raise SettingsFault(
                    f"lane {lane.lane_id} takes no pictures ({roles}) that the check {check.name} looks at"
                )

    async def judge(
        self,
        document: TravelDocument,
        direction: str,
        local_date: date,
        pictures: Mapping[str, bytes] | None = None,
    ) -> tuple[CheckResult, ...]:
        """Return the results of the checks that look at pictures, or without `pictures` of all others; always a result of each."""
        due = [one for one in self.checks if bool(one.looks_at) is (pictures is not None)]
        found = await asyncio.gather(*(one.judge(document, direction, local_date, pictures or {}) for one in due))
        return tuple(found)

    async def close(self) -> None:
        """End the workers."""
        for check in self.checks:
            await check.stop()
