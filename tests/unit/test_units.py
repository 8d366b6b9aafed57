"""The systemd units start commands that exist, with options that exist, and keep the hardening that docs/operations.md promises."""

import argparse
import configparser
import shlex
from pathlib import Path

import pytest

from gate_agent import cli
from gate_agent.settings import FieldSettings

PROJECT = Path(__file__).resolve().parents[2]
UNITS = sorted((PROJECT / "systemd").glob("egate-*.service"))
HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectProc": "invisible",
    "ProcSubset": "pid",
    "MemoryDenyWriteExecute": "yes",
    "LimitCORE": "0",
    "MemorySwapMax": "0",
    "UMask": "0077",
    "StateDirectoryMode": "0700",
    "DevicePolicy": "closed",
    "IPAddressDeny": "any",
    "PrivateTmp": "yes",
    "RestrictNamespaces": "yes",
}


def read(unit: Path) -> dict[str, list[str]]:
    """The [Service] section; a key may stand several times."""
    values: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            values.setdefault(key, []).append(value)
    return values


def test_there_is_a_unit_for_each_process() -> None:
    assert [unit.stem for unit in UNITS] == [
        "egate-agent",
        "egate-centre",
        "egate-console",
        "egate-field",
        "egate-portal",
        "egate-post",
        "egate-sync",
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_command_and_its_options_exist(unit: Path) -> None:
    (command,) = read(unit)["ExecStart"]
    words = shlex.split(command)
    assert words[:4] == ["/opt/egate/venv/bin/python", "-I", "-m", "gate_agent"]
    module = cli.command_module(words[4])
    parser = argparse.ArgumentParser(exit_on_error=False)
    module.add_arguments(parser)
    parser.parse_args(words[5:])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_the_hardening_stands(unit: Path) -> None:
    service = read(unit)
    assert {key: service.get(key) for key in HARDENED} == {key: [value] for key, value in HARDENED.items()}
    assert service["SystemCallFilter"][0] == "@system-service"
    assert "@privileged" in service["SystemCallFilter"][1]


@pytest.mark.parametrize("name", ["sync", "console", "field"])
def test_who_may_not_read_the_store(name: str) -> None:
    service = read(PROJECT / "systemd" / f"egate-{name}.service")
    assert "-/var/lib/egate" in service["InaccessiblePaths"][0].split()
    assert service["PrivateDevices"] == ["yes"]
    assert service["User"] != read(PROJECT / "systemd" / "egate-agent.service")["User"]


def test_every_user_of_a_unit_is_declared() -> None:
    declared = {
        line.split()[1]
        for line in (PROJECT / "systemd" / "egate.sysusers").read_text().splitlines()
        if line[:2] in {"u ", "g "}
    }
    for unit in UNITS:
        service = read(unit)
        assert service["User"][0] in declared
        assert service["Group"][0] in declared


def test_unit_files_are_well_formed() -> None:
    for unit in UNITS:
        parser = configparser.RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment, method-assign]
        parser.read(unit, encoding="utf-8")
        assert set(parser.sections()) == {"Unit", "Service", "Install"}


def test_the_agent_has_no_network_and_the_field_service_knows_the_agent() -> None:
    agent = read(PROJECT / "systemd" / "egate-agent.service")
    assert agent["PrivateNetwork"] == ["yes"]
    assert agent["RestrictAddressFamilies"] == ["AF_UNIX"]
    assert "IPAddressAllow" not in agent
    field = read(PROJECT / "systemd" / "egate-field.service")
    assert "PrivateUsers" not in field  # every other user would look like the agent
    parser = configparser.RawConfigParser()
    parser.read(PROJECT / "systemd" / "egate-field.socket", encoding="utf-8")
    socket = dict(parser["Socket"])
    assert socket["socketuser"] == agent["User"][0]
    assert socket["socketmode"] == "0600"
    assert Path(socket["listensequentialpacket"]) == FieldSettings().socket
