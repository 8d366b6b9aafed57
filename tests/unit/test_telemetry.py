"""Telemetry of devices on its way to the centre: signed, bounded, the newest alone is kept, and nobody else can tell it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from central_sync.centre import telemetry
from central_sync.centre.schema import open_engine
from central_sync.centre.telemetry import GateDevices
from central_sync.errors import EnvelopeRefused, TransportFault
from central_sync.gate_link import GateKeys, GateLink
from central_sync.presence import (
    MOST_DEVICES,
    DeviceReading,
    State,
    Telemetry,
    open_announcement,
    sign_announcement,
)
from central_sync.sync_socket import SyncSocket
from central_sync.topics import GateAddress, centre_subscriptions
from central_sync.transports import Publication
from gate_agent.runtime.sync_api import create_sync_api
from gate_agent.web.centre.application import _devices, add_monitor
from tools.fictitious import FictitiousCentre

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
SESSION = uuid.UUID(int=4)


def reading(name: str, state: str = "ready", fault: str = "", **figures: str) -> DeviceReading:
    return DeviceReading(name=name, device_class="uav", state=state, fault=fault, since=NOON, figures=figures)


def told(*devices: DeviceReading, source: str = "UTO/demo/gate-1") -> Telemetry:
    return Telemetry(source=source, session=SESSION, sent_at=NOON, devices=list(devices))


def test_it_is_signed_for_its_own_purpose() -> None:
    wire = sign_announcement(told(reading("aircraft", latitude="41.29")), KEY)
    assert open_announcement(Telemetry, wire, KEY.public_key()).devices[0].figures == {"latitude": "41.29"}
    for forged in (sign_announcement(told(), OTHER), wire[:-1] + bytes([wire[-1] ^ 1])):
        with pytest.raises(EnvelopeRefused):
            open_announcement(Telemetry, forged, KEY.public_key())
    with pytest.raises(EnvelopeRefused):
        open_announcement(State, wire, KEY.public_key())


def test_the_newest_alone_is_kept_for_each_gate(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path / 'centre.db'}")
    telemetry.note(engine, told(reading("printer", fault="DRV-PRN-001")), NOON)
    telemetry.note(engine, told(reading("printer")), NOON + timedelta(seconds=10))
    telemetry.note(engine, told(source="UTO/demo/gate-2"), NOON)
    found = telemetry.newest(engine)
    assert set(found) == {"UTO/demo/gate-1", "UTO/demo/gate-2"}
    assert found["UTO/demo/gate-1"] == GateDevices(
        "UTO/demo/gate-1", NOON + timedelta(seconds=10), [reading("printer")]
    )
    engine.dispose()


def test_the_centre_listens_to_it() -> None:
    assert "bcp/v1/UTO/+/+/up/tel" in centre_subscriptions("UTO")


class Transport:
    """Keeps what was published."""

    protocol = "memory"

    def __init__(self) -> None:
        self.sent: list[Publication] = []

    async def publish(self, publication: Publication) -> None:
        self.sent.append(publication)


async def test_of_too_many_devices_those_that_need_somebody_come_first_and_it_fits() -> None:
    transport: Any = Transport()
    keys = GateKeys(KEY, OTHER.public_key())
    source: Any = None
    link = GateLink(GateAddress("UTO", "demo", "gate-1"), source, transport, keys, now=lambda: NOON)
    many = [reading(f"device-{number:03}", **{f"figure-{n}": "9" * 12 for n in range(5)}) for number in range(90)]
    many[77] = reading("device-077", state="fault", fault="DRV-DEV-001")
    await link._publish_telemetry(many)
    (sent,) = transport.sent
    assert (sent.qos, sent.retain, sent.topic) == (0, False, "bcp/v1/UTO/demo/gate-1/up/tel")
    opened = open_announcement(Telemetry, sent.payload, KEY.public_key())
    assert len(opened.devices) == MOST_DEVICES
    assert opened.devices[0].name == "device-077"


async def test_sync_asks_the_agent_and_tells_a_wrong_answer(tmp_path: Path) -> None:
    store: Any = None
    source = SyncSocket(tmp_path / "sync.sock")
    app: FastAPI = create_sync_api(store, lambda: [reading("printer")])
    source._client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://agent")
    assert await source.telemetry() == [reading("printer")]
    source._client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda _request: httpx.Response(200, json={"no": "list"})),
        base_url="http://agent",
    )
    with pytest.raises(TransportFault):
        await source.telemetry()
    await source.close()


async def test_the_monitor_names_what_is_not_well_and_where_aircraft_are() -> None:
    devices = [
        reading("printer", fault="DRV-PRN-001"),
        reading("supply", state="absent", fault="DRV-LNK-001"),
        reading("aircraft", kind="aircraft", latitude="41.29", longitude="69.24"),
        reading("camera", state="starting"),
    ]
    assert _devices(GateDevices("g", NOON, devices)) == {
        "well": 2,
        "of": 4,
        "unwell": ["printer limited (DRV-PRN-001)", "supply absent (DRV-LNK-001)"],
        "aircraft": ["aircraft: 41.29, 69.24"],
    }
    app = FastAPI()
    add_monitor(app, FictitiousCentre(), lambda: NOON)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://centre") as client:
        page = (await client.get("/")).text
    assert "5 of 6 well" in page
    assert "printer limited (DRV-PRN-001)" in page
