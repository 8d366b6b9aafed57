"""Settings of devices and of the two processes that host some of them: the field of one gate, the post of many gates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from gate_agent.inspection_settings import Section


class DeviceSettings(Section):
    """One device: its driver and the driver's own options (validated by the driver)."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,48}$", description="Name by which lanes refer to the device.")
    driver: str = Field(
        description="Driver from `egate devices list --drivers`, such as `mrz_serial` or `modbus_barrier`."
    )
    options: dict[str, Any] = Field(default_factory=dict, description="Options of that driver, refused when unknown.")
    hosted_by: Literal["agent", "field"] = Field(
        "agent",
        description="Process that runs the driver: the `agent`, which has no network, or `field` for a device that is reached over it.",
    )


_ENDPOINT = r"^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]+):([0-9]|[1-9][0-9]{1,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$"
EndpointText = Annotated[str, Field(pattern=_ENDPOINT)]


class FieldSettings(Section):
    """The process that hosts this gate's network devices (`egate field`), and how far it may go."""

    socket: Path = Field(
        Path("/run/egate-field/field.sock"), description="Unix socket on which it serves the agent, and nobody else."
    )
    allow: tuple[EndpointText, ...] = Field(
        (),
        description="Addresses that its devices may connect to, as `host:port`, each written as the device's options have it. A name is"
        " resolved once; its address is kept until the process is started again.",
    )
    listen: tuple[EndpointText, ...] = Field(
        (), description="Addresses that its devices may listen on, as `address:port`, for devices that call the gate."
    )


class PostSettings(Section):
    """The border post that this gate belongs to, and `egate post` itself."""

    host: str = Field("", description="Address at which the gates reach their post; empty: this gate has none.")
    port: int = Field(8446, ge=0, le=65535, description="Port of the post; 0 picks a free one.")
    listen: str = Field("127.0.0.1", description="Address that `egate post` listens on, on its own machine.")
    state: Path = Field(Path("/var/lib/egate-post"), description="Folder of the post's database and of its cache.")
    facts_kept_days: float = Field(
        30.0,
        gt=0,
        le=400,
        description="Facts that a gate has not fetched for so long are given up; it is told of the gap. Orders to unlock a seal are kept as long, a day at least.",
    )
    seals_kept_h: float = Field(
        24.0,
        gt=0,
        le=720,
        description="Reports of seals are kept one by one for so long, then only the newest of each kind.",
    )
    seals_limit: int = Field(50_000, ge=100, le=1_000_000, description="Most reports of seals that are kept.")
    blobs_upstream: str = Field(
        "",
        pattern=r"^(https://[^\s?#]+)?$",
        description="Where large files come from, by https and from nowhere else; their SHA-256 is added to it. Empty: none are fetched.",
    )
    blobs_trust: Path | None = Field(
        None,
        description="Certificates (PEM) that the source of large files is believed by; the machine's own without it.",
    )
    blobs_limit_bytes: int = Field(20_000_000_000, ge=1, description="Most bytes of large files on the post's disk.")
    blobs_reserve_bytes: int = Field(
        1_000_000_000,
        ge=0,
        description="Bytes of the post's disk that large files leave free: facts and seals need them.",
    )
    device: tuple[DeviceSettings, ...] = Field(
        (), description="Devices of the post, one `[[post.device]]` table each: servers of seal trackers."
    )
