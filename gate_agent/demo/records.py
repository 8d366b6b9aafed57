"""Proof of delivery: what the gate accepted, as its sync API says, against what the centre's database holds."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import httpx

from gate_agent.demo.site import DemoSite


@dataclass(frozen=True, slots=True)
class Delivery:
    """Records accepted by the gate, acknowledged to it, stored at the centre, and what is missing or doubled there."""

    accepted: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int

    @property
    def complete(self) -> bool:
        """True when every accepted record is stored once and acknowledged."""
        return self.accepted == self.acknowledged == self.stored and not self.lost and not self.doubled


def delivery_of(site: DemoSite) -> Delivery | None:
    """Compare both ends now; None while one of them does not answer."""
    transport = httpx.HTTPTransport(uds=str(site.folder / "run" / "sync.sock"))
    try:
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=2.0) as client:
            link = client.get("/v1/link").raise_for_status().json()
        stored = _stored(site, str(link["position"]["epoch"]))
    except (httpx.HTTPError, sqlite3.Error):
        return None
    accepted = int(link["position"]["last_seq"])
    acknowledged = accepted - int(link["backlog_records"]) - int(link["quarantined_records"])
    lost = len(set(range(1, accepted + 1)) - set(stored)) if acknowledged == accepted else 0
    return Delivery(accepted, acknowledged, len(set(stored)), lost, len(stored) - len(set(stored)))


def _stored(site: DemoSite, epoch: str) -> list[int]:
    """Return the sequence numbers that the centre holds of this gate's epoch, repeated ones included."""
    database = site.folder / "centre.db"
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5.0)
    try:
        rows = connection.execute("SELECT seq FROM ledger WHERE epoch IN (?, ?)", (epoch, epoch.replace("-", "")))
        return [int(row[0]) for row in rows]
    finally:
        connection.close()
