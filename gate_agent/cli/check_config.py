"""`egate check-config FILE`: the merged settings with the origin of each value, and in plain words what is wrong with them."""

from __future__ import annotations

import argparse
import difflib
import ipaddress
import json
import os
import re
import tomllib
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from drivers.contracts import DeviceClass, DeviceEvent, MrzRead
from drivers.errors import DriverFault
from gate_agent.app.unusable_device import lane_roles
from gate_agent.cli.field_findings import hosting_findings
from gate_agent.cli.findings import Finding, folder_findings, key_findings
from gate_agent.cli.plugin_findings import plugin_findings
from gate_agent.cli.post_looks import gate_post_findings, post_device_findings
from gate_agent.cli.site_lines import line_in_text, with_line
from gate_agent.cli.speech_findings import speech_findings
from gate_agent.clock import SystemClock
from gate_agent.domain.specimens import UTOPIA
from gate_agent.errors import SettingsFault
from gate_agent.settings import GATE_VARIABLE, DeviceSettings, LaneSettings, Settings, disagreements, load
from gate_agent.site_file import GATES, GateDocument, document_of, gate_ids, lines_of

SUMMARY = "print the merged settings of a site file with the origin of each value, and what is wrong with them"

# Variables that begin like settings and are none.
OTHER_VARIABLES = frozenset({"EGATE_CACHE", "EGATE_NO_SKIPS", "EGATE_RIGS"})


@dataclass(frozen=True, slots=True)
class Origin:
    """One merged value and where it comes from: `default`, `site file` or `environment`."""

    key: str
    value: Any
    origin: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the operands."""
    parser.add_argument("file", type=Path, metavar="FILE", help="site file (TOML)")
    parser.add_argument("--gate", metavar="ID", help="gate of a file that holds several (default: each of them)")
    parser.add_argument("--json", action="store_true", help="one JSON object: file, settings[], findings[]")


def run(arguments: argparse.Namespace) -> int:
    """Print and return 0, or 1 when something was found."""
    origins, findings = examine(arguments.file, os.environ, arguments.gate)
    if arguments.json:
        report = {
            "file": str(arguments.file),
            "settings": [asdict(one) for one in origins],
            "findings": [asdict(one) for one in findings],
        }
        print(json.dumps(report, ensure_ascii=False, default=str))
    else:
        width = max((len(one.key) for one in origins), default=0)
        for one in origins:
            print(f"{one.key:<{width}}  {json.dumps(one.value, ensure_ascii=False, default=str)}  ({one.origin})")
        print(f"\n{len(findings)} finding{'' if len(findings) == 1 else 's'}" if findings else "\nnothing found")
        for finding in findings:
            print(f"- {finding.sentence()}")
    return 1 if findings else 0


def examine(
    file: Path, environment: Mapping[str, str], gate_id: str | None = None
) -> tuple[list[Origin], list[Finding]]:
    """Return the merged values with their origins (none when the file cannot be used) and everything that was found.

    A file of several gates is looked at gate by gate unless one is named; what is wrong for all of them is found once.
    """
    findings = variable_findings(environment)
    try:
        text = file.read_text(encoding="utf-8")
        document = tomllib.loads(text)
        gates = gate_ids(document)
    except (OSError, ValueError) as error:
        remedy = "Mend the file; TOML is strict about quotes and brackets."
        return [], [*findings, Finding(str(file), str(error), remedy, line_in_text(str(error)))]
    lines = lines_of(text)
    named = gate_id or {name.upper(): value for name, value in environment.items()}.get(GATE_VARIABLE)
    origins: list[Origin] = []
    told: set[Finding] = set()
    for gate in [named] if named or not gates else gates:
        try:
            read = document_of(document, gate)
        except ValueError as error:
            findings.append(Finding(str(file), str(error), "Name a gate of the file.", lines.get((GATES,))))
            continue
        its_origins, found = _examined(file, environment, gate_id or (gate if gates else None), read)
        prefix = f"gate {gate}, " if gates and not named else ""
        origins += [replace(one, key=f"{gate}: {one.key}") for one in its_origins] if prefix else its_origins
        new = [one for one in (with_line(finding, read, lines) for finding in found) if one not in told]
        told.update(new)
        findings += [replace(one, where=prefix + one.where) for one in new]
    return origins, findings


def _examined(
    file: Path, environment: Mapping[str, str], gate_id: str | None, read: GateDocument
) -> tuple[list[Origin], list[Finding]]:
    """Look at one gate."""
    findings: list[Finding] = []
    try:
        settings = load(file, gate_id)
    except SettingsFault as fault:
        return [], fault_findings(file, fault, read.document)
    findings += lane_findings(settings)
    findings += device_findings(settings)
    findings += hosting_findings(settings)
    findings += post_device_findings(settings)
    findings += folder_findings(settings)
    findings += key_findings(settings)
    findings += gate_post_findings(settings, SystemClock())
    findings += address_findings(settings)
    findings += place_findings(settings)
    findings += speech_findings(settings)
    findings += plugin_findings(settings)
    return list(origins_of(settings, read.document, environment)), findings


def origins_of(settings: Settings, document: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[Origin]:
    """Yield every merged value with its origin."""
    variables = {name.upper() for name in environment}
    for table in Settings.model_fields:
        section = getattr(settings, table)
        from_environment = f"EGATE_{table.upper()}" in variables
        if isinstance(section, BaseModel):
            written = document.get(table, {})
            for key, value in section:
                named = from_environment or f"EGATE_{table.upper()}__{key.upper()}" in variables
                origin = "environment" if named else "site file" if key in written else "default"
                yield Origin(f"{table}.{key}", _printable(key, value), origin)
            continue
        for index, entry in enumerate(section):
            written = {} if from_environment else document.get(table, [])[index]
            for key, value in entry:
                origin = "environment" if from_environment else "site file" if key in written else "default"
                yield Origin(f"{table}[{index}].{key}", _printable(key, value), origin)


def _printable(key: str, value: Any) -> Any:
    """Return a value fit to print: addresses lose their login, whatever is called a password loses its text."""
    if isinstance(value, Mapping):
        return {str(name): _printable(str(name), item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(key, item) for item in value]
    if isinstance(value, str) and re.search(r"password|secret|passphrase", key):
        return "[withheld]"
    if isinstance(value, str):
        return re.sub(r"://[^/@\s]*@", "://[withheld]@", value)
    return str(value) if isinstance(value, Path) else value


# ---- findings -----------------------------------------------------------------------------------------------------------


_NAMES = "Each name stands in one table, and each named device has a [[device]] table."
_TIMES = "Raise idle_timeout_s or lower policy.permit_wait_s."


def fault_findings(file: Path, fault: SettingsFault, document: Mapping[str, Any]) -> list[Finding]:
    """Put a refused file into plain words, one finding for each key."""
    if not isinstance(fault.__cause__, ValidationError):
        return [Finding(str(file), str(fault), "Name the gate of this file, or no gate.")]
    findings = []
    for item in fault.__cause__.errors():
        if not item["loc"]:
            found = disagreements(document) or [(str(file), item["msg"])]  # what the environment says stands on no line
            findings += [Finding(where, text, _TIMES if "idle_timeout_s" in text else _NAMES) for where, text in found]
            continue
        where = ".".join(str(part) for part in item["loc"]) or str(file)
        if item["type"] == "extra_forbidden":
            known = _known_keys(item["loc"])
            near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
            remedy = f"Did you mean `{near[0]}`?" if near else f"Known here: {', '.join(sorted(known))}."
            findings.append(Finding(where, "there is no such setting", remedy))
        elif item["type"] == "missing":
            findings.append(
                Finding(where, "this setting is required and absent", "Write it; docs/settings.md says what it means.")
            )
        else:
            text = item["msg"].removeprefix("Value error, ")
            findings.append(Finding(where, text[:1].lower() + text[1:], "docs/settings.md says what is expected."))
    return findings


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    tables: dict[str, type[BaseModel]] = {"lane": LaneSettings, "device": DeviceSettings}
    if len(location) < 2:
        return list(Settings.model_fields)
    field = Settings.model_fields.get(str(location[0]))
    table = tables.get(str(location[0])) or (field.annotation if field else None)
    return list(table.model_fields) if isinstance(table, type) and issubclass(table, BaseModel) else []


def variable_findings(environment: Mapping[str, str]) -> list[Finding]:
    """Find variables that look like settings and name none: they would be ignored without a word."""
    known = {f"EGATE_{table}".upper() for table in Settings.model_fields}
    for table, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            known |= {f"EGATE_{table}__{key}".upper() for key in field.annotation.model_fields}
    findings = []
    for name in sorted(environment):
        if name.upper().startswith("EGATE_") and name.upper() not in known | OTHER_VARIABLES:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            findings.append(
                Finding(
                    name,
                    "this environment variable names no setting",
                    f"Did you mean `{near[0]}`?" if near else "Remove it.",
                )
            )
    return findings


_SHAREABLE = frozenset({DeviceClass.PRINTER, DeviceClass.RFID_READER})
"""Classes of devices that several lanes may share: they serve nobody at a time, or everybody in turn."""


def lane_findings(settings: Settings) -> list[Finding]:
    """Find gates without a lane, devices that stand in two places, lanes that prove no chip, and pictures that prove nothing."""
    if not settings.lane:
        return [Finding("lane", "the file defines no lane, so the gate serves nobody", "Add a [[lane]] table.")]
    named = [name for lane in settings.lane for kind, name in lane_roles(lane) if kind not in _SHAREABLE]
    doubled = sorted({name for name in named if named.count(name) > 1})
    wrong = "two lanes or roles share this device, which serves one traveller at a time"
    findings = [Finding(f"device {name}", wrong, "Give each its own.") for name in doubled]
    unproven = "has no chip reader: no chip is proven, and the reader's own portrait is the reference"
    remedy = "Name a device in `chip_reader`, such as one with the driver `pcsc_chip`."
    findings += [Finding(f"lane {lane.lane_id}", unproven, remedy) for lane in settings.lane if not lane.chip_reader]
    blind = "takes infrared pictures and no white ones: the zone is compared with nothing"
    return findings + [
        Finding(f"lane {lane.lane_id}", blind, "Add `white` to `page_pictures` if the reader takes it.")
        for lane in settings.lane
        if "infrared" in lane.page_pictures and "white" not in lane.page_pictures
    ]


_UNUSED = ("no lane uses this device", "Name it in a [[lane]] table, or remove it.")
_UNUSED_BY_CLASS = {
    DeviceClass.RFID_READER: (
        "its tags are read, and no check of a lane uses them",
        "Keep it to be watched with `egate devices watch`, or remove it.",
    )
}


def address_findings(settings: Settings) -> list[Finding]:
    """Flag every page that would listen beyond this machine."""
    findings = []
    for table in ("console", "centre", "portal"):
        host = getattr(settings, table).host
        if not _is_loopback(host):
            remedy = "Keep 127.0.0.1 unless the site's firewall and a TLS proxy stand before it."
            findings.append(Finding(f"{table}.host", f"{host} listens beyond this machine", remedy))
    return findings


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def place_findings(settings: Settings) -> list[Finding]:
    """Find time zones that this machine does not have, and specimens accepted by a gate of a real country."""
    findings = []
    if settings.gate.time_zone not in zoneinfo.available_timezones():
        remedy = "Use a name such as `Asia/Tashkent`; the package tzdata brings them."
        findings.append(Finding("gate.time_zone", f"{settings.gate.time_zone!r} is unknown on this machine", remedy))
    if settings.document.accept_specimens and settings.gate.country != UTOPIA:
        remedy = "Set it to false: only demonstrations and tests let specimens pass."
        findings.append(Finding("document.accept_specimens", "specimens pass this gate", remedy))
    return findings


# What these report belongs to no lane.
_OF_THE_WHOLE_GATE = {
    DeviceClass.SEAL_TRACKER,
    DeviceClass.UAV,
    DeviceClass.POWER,
    DeviceClass.XRAY_INBOX,
    DeviceClass.PRINTER,
    DeviceClass.ACCESS_CONTROL,
}


def device_findings(settings: Settings) -> list[Finding]:
    """Find drivers that do not exist, options that they refuse, and devices of the wrong class in a lane's role."""
    from drivers import registry  # brings the drivers' libraries, which only this look needs

    findings, classes = [], dict[str, DeviceClass]()
    without_lines: set[str] = set()
    for device in settings.device:
        try:
            driver = registry.build(device.name, device.driver, device.options, _ignore, SystemClock())
        except DriverFault as fault:
            findings += driver_findings(device, fault)
        else:
            classes[device.name] = driver.device_class
            if driver.device_class is DeviceClass.DOCUMENT_READER and driver.events and MrzRead not in driver.events:
                without_lines.add(device.name)
    used = {name for lane in settings.lane for _, name in lane_roles(lane)}
    findings += [
        Finding(f"device {name}", *_UNUSED_BY_CLASS.get(device_class, _UNUSED))
        for name, device_class in classes.items()
        if name not in used and device_class not in _OF_THE_WHOLE_GATE
    ]
    unread = "its document reader delivers no printed lines, and nobody reads them in its pictures"
    remedy = "Set `zone_from_pictures`, or the reader's option `lines` where it reads them."
    findings += [
        Finding(f"lane {lane.lane_id}", unread, remedy)
        for lane in settings.lane
        if lane.document_reader in without_lines and not lane.zone_from_pictures
    ]
    for lane in settings.lane:
        findings += [
            Finding(
                f"lane {lane.lane_id}",
                f"{name} is a {classes[name]} and stands where a {role} is wanted",
                "Name another device.",
            )
            for role, name in lane_roles(lane)
            if name in classes and classes[name] is not role
        ]
    return findings


def driver_findings(device: DeviceSettings, fault: DriverFault) -> list[Finding]:
    """Put a refused device into plain words, one finding for each option that is wrong."""
    cause = fault.__cause__
    if not isinstance(cause, ValidationError):
        return [Finding(f"device {device.name}", f"{fault.code}: {fault}", fault.remedy)]
    findings = []
    for item in cause.errors():
        option = ".".join(str(part) for part in item["loc"])
        text = "there is no such option" if item["type"] == "extra_forbidden" else item["msg"]
        where = f"device {device.name}.options" + (f".{option}" if option else "")
        remedy = f"docs/devices.md and `egate devices list --drivers` say what {device.driver} takes."
        findings.append(Finding(where, f"{fault.code}: {text}", remedy))
    return findings


def _ignore(_event: DeviceEvent) -> None:
    """Take no events: the drivers are built to hear what they say of their options, and never run."""
