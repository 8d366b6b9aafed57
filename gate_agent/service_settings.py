"""Settings of the processes beside the lanes: the store, the connection to the broker, console, centre and portal."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gate_agent.inspection_settings import Section


class StoreSettings(Section):
    """The gate's own disk."""

    keep_acknowledged_days: int = Field(30, ge=1, description="How long delivered records stay on the gate.")
    ballast_bytes: int = Field(
        8_388_608, ge=0, description="File that is freed when the disk is full, so that deliveries can be recorded."
    )


class SyncSettings(Section):
    """The one connection to the broker."""

    broker_host: str = Field("127.0.0.1", description="Broker address.")
    broker_port: int = Field(1883, ge=1, le=65535, description="Broker port.")
    protocol: Literal["auto", "3.1.1", "5"] = Field(
        "auto", description="MQTT version; `auto` tries 5 and falls back to 3.1.1."
    )
    batch_records: int = Field(50, ge=1, le=50, description="Most records in one batch.")
    window_batches: int = Field(20, ge=1, le=100, description="Most batches without acknowledgement.")
    ack_timeout_s: float = Field(
        5.0, gt=0, description="Wait for an application acknowledgement before the first resend; doubles up to 60 s."
    )
    heartbeat_s: float = Field(10.0, gt=0, description="Presence message interval.")


class ConsoleSettings(Section):
    """Guard console and traveller screen."""

    host: str = Field("127.0.0.1", description="Address the pages listen on.")
    port: int = Field(8443, ge=0, le=65535, description="Port the pages listen on; 0 picks a free one.")
    session_minutes: int = Field(480, ge=1, description="Longest login.")
    idle_lock_minutes: int = Field(15, ge=1, description="Console locks after this time without a key or click.")


class CentreSettings(Section):
    """The centre: ingest, ledger, monitor."""

    host: str = Field("127.0.0.1", description="Address of the monitor page.")
    port: int = Field(8444, ge=0, le=65535, description="Port of the monitor page.")
    database_url: str = Field(
        "sqlite:////var/lib/egate-centre/centre.db", description="SQLAlchemy URL of the centre's database."
    )
    presence_grace_s: float = Field(30.0, gt=0, description="A gate silent for longer is shown as away.")


class PortalSettings(Section):
    """The declaration pages."""

    host: str = Field("127.0.0.1", description="Address the pages listen on.")
    port: int = Field(8445, ge=0, le=65535, description="Port the pages listen on.")
    token_validity_h: float = Field(72.0, gt=0, description="Validity of an issued declaration token.")
