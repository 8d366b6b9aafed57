"""What `egate check-config` says of the checks of plug-ins that a site file names: found by reading what installers wrote, importing nothing."""

from __future__ import annotations

from gate_agent.cli.findings import Finding
from gate_agent.errors import SettingsFault
from gate_agent.inspection.plugin_packages import named_checks
from gate_agent.settings import Settings

_REMEDY = "Install the package beside eGate, or take the [[check]] table out; without it the agent does not start."


def plugin_findings(settings: Settings) -> list[Finding]:
    """Return a finding for each named check that no package brings, or that several bring."""
    found = []
    for one in settings.check:
        try:
            named_checks([one.name])
        except SettingsFault as fault:
            found.append(Finding(f"check {one.name}", str(fault), _REMEDY))
    return found
