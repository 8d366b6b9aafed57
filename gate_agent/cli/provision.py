"""`egate provision FOLDER`: make the keys, officers and first signed bundles of a site."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from central_sync.errors import SyncError
from gate_agent.clock import SystemClock
from gate_agent.provisioning import DEVELOPMENT_OFFICERS, ProvisioningRefused, provision
from gate_agent.settings import GateSettings

SUMMARY = "make the keys, officers and first signed bundles of a site"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    gate = GateSettings.model_fields
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where keys/, bundles/ and directory.json are made")
    parser.add_argument("--country", default=gate["country"].default, help="ICAO three-letter code of the country")
    parser.add_argument("--site", default=gate["site"].default, help="border post, as in the topics")
    parser.add_argument("--gate-id", default=gate["gate_id"].default, help="gate within its site")
    parser.add_argument(
        "--officer",
        action="append",
        default=[],
        metavar="ID:ROLE",
        help="officer to create: guard, supervisor, customs_inspector, health_officer, quarantine_officer or technician; may be repeated",
    )
    parser.add_argument(
        "--development", action="store_true", help="also create one officer of each role (guard-1, supervisor-1, …)"
    )
    parser.add_argument("--force", action="store_true", help="replace keys and officers that exist")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Make what is missing and print the new officers' passwords, once. Returns 0."""
    try:
        place = GateSettings(country=arguments.country, site=arguments.site, gate_id=arguments.gate_id)
    except ValueError as error:
        raise ProvisioningRefused(
            "site and gate id are small letters, digits and hyphens, at most 32 of them"
        ) from error
    officers = dict(DEVELOPMENT_OFFICERS) if arguments.development else {}
    for entry in arguments.officer:
        officer_id, separator, role = entry.partition(":")
        if not separator:
            raise ProvisioningRefused(f"--officer wants ID:ROLE, not {entry!r}")
        officers[officer_id] = role
    try:
        made = provision(
            arguments.folder,
            country=place.country,
            site=place.site,
            gate_id=place.gate_id,
            officers=officers,
            clock=SystemClock(),
            force=arguments.force,
        )
    except OSError as error:
        raise ProvisioningRefused(f"{error.filename}: {error.strerror}") from error
    except SyncError as fault:
        raise ProvisioningRefused(f"{fault.code}: {fault}") from fault
    if arguments.json:
        print(json.dumps({"folder": str(made.folder), "passwords": dict(made.passwords)}))
        return 0
    print(f"keys       {made.keys}\nbundles    {made.bundles}\ndirectory  {made.directory}")
    if made.passwords:
        print("\nPasswords, shown only now:")
        for officer_id, password in made.passwords.items():
            print(f"  {officer_id:<24} {password}")
    return 0
