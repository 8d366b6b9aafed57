"""A throw-away site for the demo: keys, bundles, trusted certificates, site file and free ports in one folder."""

from __future__ import annotations

import secrets
import socket
import tomllib
import uuid
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from drivers.endpoints import endpoints_of
from gate_agent.clock import Clock
from gate_agent.demo.cast import overstayed, watchlisted
from gate_agent.demo.passports import PassportOffice
from gate_agent.inspection.trust_import import draft, sign_and_publish
from gate_agent.provisioning import Provisioned, provision
from gate_agent.web.officer_keys import unlock_officer_key

TIME_ZONE = "Asia/Tashkent"
_FIRST_PORT, _PORTS = 20_000, 12_000
OFFICERS = {
    "guard-1": "guard",
    "supervisor-1": "supervisor",
    "customs-1": "customs_inspector",
    "technician-1": "technician",
}
TRUST_OFFICERS = ("supervisor-1", "technician-1")
"""The two who take the certificates in (`lane.authorisation.ROLES_FOR_TRUST`)."""
LANES = ((1, "entry"), (2, "exit"))


@dataclass(frozen=True, slots=True)
class DemoPorts:
    """Loopback ports of the demo."""

    broker: int
    console: int
    centre: int
    portal: int
    seal: int
    chip_entry: int
    chip_exit: int
    post: int

    @property
    def chips(self) -> dict[int, int]:
        """The chip readers' ports by lane."""
        return {lane_id: {"entry": self.chip_entry, "exit": self.chip_exit}[direction] for lane_id, direction in LANES}


@dataclass(frozen=True, slots=True)
class DemoSite:
    """Where the demo's throw-away site lies."""

    folder: Path
    site_file: Path
    provisioned: Provisioned
    ports: DemoPorts
    today: date


def free_ports(count: int) -> list[int]:
    """Return free ports from below the range out of which the kernel hands out others, so that nobody takes them meanwhile."""
    found: list[int] = []
    while len(found) < count:
        candidate = _FIRST_PORT + secrets.randbelow(_PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", candidate))
            except OSError:
                continue
        if candidate not in found:
            found.append(candidate)
    return found


def local_day(now: datetime) -> date:
    """Return the day at the demo's border post."""
    return now.astimezone(ZoneInfo(TIME_ZONE)).date()


def prepare(
    folder: Path, models: Path, clock: Clock, device_tables: str, ports: DemoPorts, *, is_training: bool = False
) -> DemoSite:
    """Provision keys and bundles and write the site file. `device_tables` are the `[[device]]` tables of the twins.

    `is_training`: the gate is one for training, without a post, a broker or a centre.
    """
    today = local_day(clock.now())
    listed = watchlisted(today)
    visitor, entered_on = overstayed(today)
    provisioned = provision(
        folder,
        country="UTO",
        site="demo",
        gate_id="gate-1",
        officers=OFFICERS,
        clock=clock,
        watchlist_body={
            "lists": [
                {
                    "name": "demo list",
                    "entries": [
                        {
                            "document_number": listed.document_number,
                            "issuing_state": listed.issuing_state,
                            "entry_id": "demo-1",
                        }
                    ],
                }
            ]
        },
        stays_body={
            "stays": [
                {
                    "stay_id": str(uuid.UUID("01890000-0000-7000-8000-000000000009")),
                    "issuing_state": visitor.issuing_state,
                    "document_number": visitor.document_number,
                    "entered_on": entered_on.isoformat(),
                    "exited_on": None,
                    "source": "UTO/demo/gate-2",
                }
            ]
        },
    )
    _trust(folder / "trust", provisioned, PassportOffice(today), clock)
    site_file = folder / "site.toml"
    site_file.write_text(
        _site_text(models, ports, provisioned, is_training=is_training) + _field_table(device_tables) + device_tables,
        encoding="utf-8",
    )
    return DemoSite(folder, site_file, provisioned, ports, today)


def _trust(trust: Path, provisioned: Provisioned, office: PassportOffice, clock: Clock) -> None:
    """Take Utopia's certificates and revocation lists into the first version of the trust bundle, signed by two officers."""
    keys = {
        officer_id: unlock_officer_key(
            (provisioned.keys / "officers" / f"{officer_id}.json").read_bytes(), provisioned.passwords[officer_id]
        )
        for officer_id in TRUST_OFFICERS
    }
    in_office = {officer_id: key.public_key().public_bytes_raw() for officer_id, key in keys.items()}
    prepared = draft(None, office.trust_files().items(), clock.now(), in_office)
    sign_and_publish(trust, prepared, tuple(keys.items()), in_office)


def _field_table(device_tables: str) -> str:
    """Return the [field] table that allows what the devices need, and nothing else."""
    devices = tomllib.loads(device_tables)["device"]
    needed = [endpoints_of(one["driver"], one["options"]) for one in devices if one.get("hosted_by") == "field"]
    allow = [str(endpoint) for one in needed for endpoint in one.connects]
    listen = [str(endpoint) for one in needed for endpoint in one.listens]
    return f'\n[field]\nsocket = "run/field.sock"\nallow = {allow!r}\nlisten = {listen!r}\n'


def _site_text(models: Path, ports: DemoPorts, provisioned: Provisioned, *, is_training: bool) -> str:
    lanes = "".join(
        f"""
[[lane]]
lane_id = {lane_id}
direction = "{direction}"
document_reader = "reader-{lane_id}"
chip_reader = "chip-{lane_id}"
barcode = ["barcode-{lane_id}"]
camera = "camera-{lane_id}"
read_barcode_from_camera = true
barrier = "barrier-{lane_id}"
printer = "printer"
print_receipt = "always"
tag_readers = ["tags"]
idle_timeout_s = {60 if is_training else 3}
"""
        for lane_id, direction in LANES
    )
    post = f'\n[post]\nhost = "127.0.0.1"\nport = {ports.post}\nstate = "post"\n'
    return f"""# Written by `egate demo`: a throw-away site.
[gate]
country = "UTO"
site = "demo"
gate_id = "gate-1"
time_zone = "{TIME_ZONE}"
training = {str(is_training).lower()}

[paths]
state = "state"
models = "{models}"
bundles = "{provisioned.bundles}"
keys = "{provisioned.keys}"
trust = "trust"
run = "run"

[document]
chip = "required"
accept_specimens = true

[policy]
permit_wait_s = 2

[face]
capture_timeout_s = 15  # a machine busy with other things needs longer for the frames of a non-match

[sync]
broker_port = {ports.broker}
ack_timeout_s = 1.0
heartbeat_s = 2.0

[console]
port = {ports.console}

[centre]
port = {ports.centre}
database_url = "sqlite:///{provisioned.folder / "centre.db"}"

[portal]
port = {ports.portal}
state = "portal"
{"" if is_training else post}{lanes}"""
