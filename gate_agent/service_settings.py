"""Settings of the processes beside the lanes: the store, the connection to the broker, console, centre and portal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from gate_agent.inspection_settings import Section


class StoreSettings(Section):
    """The gate's own disk."""

    keep_acknowledged_days: int = Field(30, ge=1, description="How long delivered records stay on the gate.")
    keep_receipts_days: int = Field(
        1096,
        ge=1,
        description="How long the codes of receipts stay on the gate, to be found by document and day; customs keeps declarations three years.",
    )
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
    kiosk_lane: int | None = Field(
        None,
        ge=0,
        description="Lane at which a screen shows the declaration pages too, at `/kiosk`; signs with `token_issuer_kiosk.key`. "
        "Without one there is no kiosk.",
    )
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
    state: Path = Field(
        Path("/var/lib/egate-portal"),
        description="Folder of saved drafts, stubs and notices (`portal.db`), all sealed.",
    )
    saved_days: int = Field(
        14, ge=0, le=90, description="How long a draft that its traveller saved is kept; 0: nothing can be saved."
    )
    follow_centre: bool = Field(
        default=False,
        description="Read in the centre's database (`centre.database_url`) what became of declarations, seals and inspections, for notices.",
    )
    notifiers: tuple[Literal["sms", "telegram"], ...] = Field(
        (),
        description="Ways to tell travellers of changes of state, none by default. Each needs its token, `telegram.token` or "
        "`sms.token`, among the keys.",
    )
    stub_days: int = Field(
        180,
        ge=1,
        le=1096,
        description="How long a stub of goods that did not come is kept after its deadline, or after the declaration where it has none; "
        "the address for its notices goes with it.",
    )
    telegram_url: str = Field(
        "https://api.telegram.org",
        min_length=1,
        description="Address of the Telegram Bot API; the token travels in it, so `http://` is for this machine only.",
    )
    sms_url: str = Field(
        "", description="Address that the SMS gateway takes messages at; `http://` is for this machine only."
    )
    sms_prefixes: tuple[Annotated[str, Field(pattern=r"^\+[0-9]{0,14}$")], ...] = Field(
        (),
        description="How telephone numbers begin that text messages go to, such as `+998`; `+` is every number. Needed with `sms`: "
        "anybody can type a number into the pages, and each message costs.",
    )
    sms_sender: str = Field("eGate", max_length=15, description="Sender that a text message names.")

    @field_validator("telegram_url", "sms_url")
    @classmethod
    def _is_not_overheard(cls, value: str) -> str:
        address = urlsplit(value)
        is_here = address.scheme == "http" and address.hostname in {"127.0.0.1", "::1", "localhost"}
        if value and not is_here and not (address.scheme == "https" and address.hostname):
            raise ValueError("an address begins with https://, or with http:// and this machine's own address")
        return value
