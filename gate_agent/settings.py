"""Settings of one gate: a TOML site file, frozen, unknown keys refused, each field documented in docs/settings.md (a test checks).

Order: command line > environment `EGATE_…` (double underscore between levels) > site file > defaults. Created in the command
line and handed down; never a module global. Secrets are paths to files, never values.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gate_agent.accessibility_settings import AccessibilitySettings
from gate_agent.device_settings import DeviceSettings, FieldSettings, PostSettings
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.opening_hours import SPAN_PATTERN
from gate_agent.errors import SettingsFault
from gate_agent.inspection_settings import (
    AttackDetection,
    CheckSettings,
    DocumentSettings,
    FaceSettings,
    PageSettings,
    Section,
)
from gate_agent.service_settings import (
    CentreSettings,
    ConsoleSettings,
    PortalSettings,
    StoreSettings,
    SyncSettings,
)
from gate_agent.site_file import document_of, shared_part
from gate_agent.surroundings_settings import SurroundingsSettings
from gate_agent.training_rules import training_disagreements

__all__ = [
    "GATE_VARIABLE",
    "SITE_FILE",
    "AttackDetection",
    "CentreSettings",
    "ConsoleSettings",
    "DeviceSettings",
    "DocumentSettings",
    "FaceSettings",
    "FieldSettings",
    "GateSettings",
    "LaneSettings",
    "PageSettings",
    "PathSettings",
    "PolicySettings",
    "PortalSettings",
    "PostSettings",
    "Section",
    "Settings",
    "StoreSettings",
    "SurroundingsSettings",
    "SyncSettings",
    "disagreements",
    "load",
    "load_post",
]

SITE_FILE = Path("/etc/egate/gate.toml")
GATE_VARIABLE = "EGATE_GATE__GATE_ID"


class GateSettings(Section):
    """Who this gate is."""

    country: str = Field(
        "UTO", description="ICAO three-letter code of the country that runs the gate; part of every topic."
    )
    site: str = Field("demo", pattern=r"^[a-z0-9-]{1,32}$", description="Border post, as in the topics.")
    gate_id: str = Field("gate-1", pattern=r"^[a-z0-9-]{1,32}$", description="This gate within its site.")
    time_zone: str = Field("Asia/Tashkent", description="IANA zone for local dates of crossing.")
    training: bool = Field(
        default=False, description="For training staff (docs/training.md): twins only, no record leaves."
    )
    travel_mode: TravelMode = Field(TravelMode.AIR, description="How travellers arrive here; allowances depend on it.")
    served_modes: tuple[TravelMode, ...] = Field(
        (),
        description="Further ways of travelling that this gate serves. A declaration's own way counts only where it is named here;"
        " any other makes the corridor yellow and is judged as `travel_mode`.",
    )

    def mode_for(self, declared: TravelMode | None) -> TravelMode:
        """Return the way of travelling that the rules go by: the declared one where this gate serves it, else the gate's own."""
        return declared if declared in self.served_modes and declared is not None else self.travel_mode

    @property
    def source(self) -> str:
        """Return which gate of all this is: country, site and gate, as in the source of its records."""
        return f"{self.country}/{self.site}/{self.gate_id}"


class PathSettings(Section):
    """Where things lie. Relative paths count from the site file's folder."""

    state: Path = Field(Path("/var/lib/egate"), description="Folder of the store; only the agent opens it.")
    models: Path = Field(Path("/var/lib/egate/models"), description="Folder of built models, found by SHA-256.")
    bundles: Path = Field(
        Path("/var/lib/egate/bundles"),
        description="Folder of signed bundles: rulebook, watchlist, bans, permits, stay facts, officers.",
    )
    keys: Path = Field(Path("/etc/egate/keys"), description="Folder of the keys that `egate provision` made.")
    trust: Path = Field(
        Path("/var/lib/egate/trust"),
        description="Folder of the trust bundle: master lists, certificates, revocation and defect lists (`egate trust`).",
    )
    run: Path = Field(Path("/run/egate"), description="Folder of the Unix sockets `lane.sock` and `sync.sock`.")


_VISIBLE = "visible"
_CHANNELS = {"camera_near_infrared": "near_infrared", "camera_depth": "depth"}
"""Roles of a lane's further cameras, and what each of them must show."""


class LaneSettings(AccessibilitySettings):
    """One lane and the devices that serve it, by device name."""

    lane_id: int = Field(ge=1, le=32, description="Number of the lane inside the gate.")
    direction: Direction = Field(Direction.ENTRY, description="`entry` or `exit`.")
    mode: Literal["mantrap"] = Field("mantrap", description="Document first, face inside.")
    open_hours: tuple[Annotated[str, Field(pattern=SPAN_PATTERN)], ...] = Field(
        (), description="Local hours in which the lane takes travellers, such as `06:00-02:00`; without any, always."
    )
    document_reader: str = Field(description="Device that reads the document.")
    chip_reader: str = Field(
        "",
        description="Device that reads the chip; without one the reader's own portrait is the reference, and no chip is proven.",
    )
    page_pictures: tuple[Literal["white", "infrared", "ultraviolet"], ...] = Field(
        (),
        description="Pictures that the document reader takes of each page: `white`, `infrared`, `ultraviolet`. They are waited for and"
        " judged; checks that need another one are not supported.",
    )
    zone_from_pictures: bool = Field(
        default=False,
        description="The document reader sends pictures and no lines: the zone is read in its white picture.",
    )
    barcode: tuple[str, ...] = Field((), description="Devices that read declaration tokens.")
    camera: str = Field(description="Device that sees the traveller inside.")
    camera_near_infrared: str = Field(
        "",
        description="Camera of the same view in near infrared, for attack detection; its `channel` is `near_infrared`.",
    )
    camera_depth: str = Field(
        "", description="Camera of the same view in depth, for attack detection; its `channel` is `depth`."
    )
    channel_skew_s: float = Field(
        0.15,
        gt=0,
        le=1,
        description="Most time between a frame and those of the other channels that are looked at with it.",
    )
    barrier: str = Field(description="Device that moves the doors.")
    printer: str = Field("", description="Device that prints receipts; without one they are on the screen only.")
    print_receipt: Literal["asked", "always"] = Field(
        "asked", description="Print each receipt, or only for a traveller who asks for it on the screen."
    )
    tag_readers: tuple[str, ...] = Field((), description="Devices that see radio tags of seals near this lane.")
    read_barcode_from_camera: bool = Field(
        default=False, description="Also look for declaration codes in the camera's frames while a traveller is served."
    )
    release_ttl_s: float = Field(8.0, gt=0, le=60, description="Time to live of one release command.")
    entry_timeout_s: float = Field(
        20.0, gt=0, le=120, description="Longest wait for the traveller to enter after the entrance opened."
    )
    inspection_timeout_s: float = Field(
        60.0, gt=0, le=300, description="Longest inspection before the guard is called."
    )
    passage_timeout_s: float = Field(
        15.0, gt=0, le=120, description="Longest wait for confirmed passage after a release."
    )
    idle_timeout_s: float = Field(
        20.0, gt=0, le=300, description="A transaction nobody continues is abandoned after this time."
    )

    @property
    def channel_cameras(self) -> tuple[str, ...]:
        """The cameras beside the one of visible light."""
        return tuple(name for name in (self.camera_near_infrared, self.camera_depth) if name)

    @field_validator("mode", mode="before")
    @classmethod
    def _nobody_is_searched_for(cls, mode: object) -> object:
        if mode == "walk_through":
            raise ValueError(
                "walk_through searches one-to-many, and no calibration record proves a false positive identification rate for it;"
                " only `egate demo walk-through` shows it"
            )
        return mode

    @model_validator(mode="after")
    def _zone_has_a_picture(self) -> LaneSettings:
        if self.zone_from_pictures and "white" not in self.page_pictures:
            raise ValueError("zone_from_pictures needs `white` among page_pictures")
        return self


class PolicySettings(Section):
    """What this site decides where the rulebook leaves a choice."""

    watchlist_age_limit_h: float = Field(72.0, gt=0, description="Older lists release nobody.")
    watchlist_years_apart: int = Field(
        3,
        ge=0,
        le=10,
        description="A listed name that sounds the same is a lead while birth years differ by no more; fewer years, fewer namesakes.",
    )
    rescreening_inside_days: float = Field(
        90.0,
        ge=0,
        le=400,
        description="So long somebody who entered and has not left is held against newer watchlists; 0: not at all.",
    )
    rescreening_after_exit_h: float = Field(
        24.0, ge=0, le=720, description="The same after an exit, in hours; 0: not at all."
    )
    ban_list_age_limit_h: float = Field(72.0, gt=0, description="With older lists of bans nobody is released.")
    permit_list_age_limit_h: float = Field(
        72.0, gt=0, description="In older lists of permits nobody's permit is found; who needs none is not affected."
    )
    permit_wait_s: float = Field(
        15.0,
        ge=0,
        le=120,
        description="How long a traveller who needs a visa is given to lay it on the reader; 0: the guard is called at once."
        " Shorter than `idle_timeout_s` of every lane of entry.",
    )
    seal_silent_h: float = Field(
        24.0,
        gt=0,
        description="A seal not heard for longer is not known to be whole: yellow, with a reason of its own.",
    )
    seal_unlock_stands_min: float = Field(
        10.0, gt=0, le=120, description="An opening so many minutes after an authorised unlock is by leave."
    )
    desk_task_alarm_min: float = Field(
        20.0, gt=0, le=1440, description="A stop at the desks that is not closed after so many minutes raises an alarm."
    )


class Settings(BaseSettings):
    """Everything, merged. Build with `load`."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="EGATE_", env_nested_delimiter="__")

    gate: GateSettings = Field(default_factory=GateSettings, description="Who this gate is.")
    paths: PathSettings = Field(default_factory=PathSettings, description="Where things lie.")
    document: DocumentSettings = Field(default_factory=DocumentSettings, description="Authenticity of the document.")
    page: PageSettings = Field(default_factory=PageSettings, description="Pictures of the document's page.")
    face: FaceSettings = Field(default_factory=FaceSettings, description="Face comparison.")
    policy: PolicySettings = Field(default_factory=PolicySettings, description="Site choices.")
    store: StoreSettings = Field(default_factory=StoreSettings, description="The gate's disk.")
    sync: SyncSettings = Field(default_factory=SyncSettings, description="Connection to the broker.")
    console: ConsoleSettings = Field(default_factory=ConsoleSettings, description="Console pages.")
    centre: CentreSettings = Field(default_factory=CentreSettings, description="Centre.")
    portal: PortalSettings = Field(default_factory=PortalSettings, description="Portal.")
    field: FieldSettings = Field(default_factory=FieldSettings, description="Host of the network devices.")
    surroundings: SurroundingsSettings = Field(
        default_factory=SurroundingsSettings, description="What stands around the gate."
    )
    post: PostSettings = Field(default_factory=PostSettings, description="Border post.")
    lane: tuple[LaneSettings, ...] = Field((), description="Lanes, one `[[lane]]` table each.")
    device: tuple[DeviceSettings, ...] = Field((), description="Devices, one `[[device]]` table each.")
    check: tuple[CheckSettings, ...] = Field((), description="Checks of plug-ins, one `[[check]]` table each.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the library's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the library's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the site file (the file arrives as init values)."""
        return env_settings, init_settings

    @model_validator(mode="after")
    def _names_agree(self) -> Settings:
        listed = {name: [one.model_dump() for one in getattr(self, name)] for name in ("device", "lane", "check")}
        written = listed | {name: getattr(self, name).model_dump() for name in ("policy", "gate", "post", "face")}
        if found := [text for _, text in disagreements(written)]:
            raise ValueError("; ".join(found))
        return self


def disagreements(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return where lanes and devices of a document contradict each other, and how; `where` as in `egate check-config`."""
    lanes = document.get("lane", ())
    names, checks = ([one.get("name") for one in document.get(table, ())] for table in ("device", "check"))
    numbers = [lane.get("lane_id") for lane in lanes]
    found = [
        (f"device {name}", f"device named twice: {name}") for name in dict.fromkeys(names) if names.count(name) > 1
    ]
    found += [(f"check {one}", f"check named twice: {one}") for one in dict.fromkeys(checks) if checks.count(one) > 1]
    found += [(f"lane {one}", f"lane_id used twice: {one}") for one in dict.fromkeys(numbers) if numbers.count(one) > 1]
    for lane in lanes:
        roles = (
            "document_reader",
            "chip_reader",
            "camera",
            *_CHANNELS,
            "low_camera",
            "camera_lift",
            "barrier",
            "printer",
        )
        named = [(role, lane.get(role)) for role in (*roles, "speaker", "help_point")]
        listed = [(role, name) for role in ("barcode", "tag_readers") for name in lane.get(role, ())]
        for role, name in [*named, *listed]:
            if name and name not in names:
                text = f"lane {lane.get('lane_id')} names the device {name!r}, which no [[device]] table defines"
                found.append((f"lane {lane.get('lane_id')}.{role}", text))
        found += _wrong_channels(lane, document.get("device", ()))
        found += _abandoned_early(lane, document.get("policy", {}))
    return found + training_disagreements(document)


def _abandoned_early(lane: Mapping[str, Any], policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield where a transaction is abandoned before the visa that is waited for could be missing, so that no guard would be called."""
    idle_s = float(lane.get("idle_timeout_s", LaneSettings.model_fields["idle_timeout_s"].default))
    wait_s = float(policy.get("permit_wait_s", PolicySettings.model_fields["permit_wait_s"].default))
    if lane.get("direction") != Direction.EXIT and wait_s >= idle_s:
        text = (
            f"lane {lane.get('lane_id')} abandons a transaction after idle_timeout_s = {idle_s:g}, before it has waited for a visa"
            f" (policy.permit_wait_s = {wait_s:g})"
        )
        yield f"lane {lane.get('lane_id')}.idle_timeout_s", text


def _wrong_channels(lane: Mapping[str, Any], devices: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield where a lane's camera is said to show something else than the lane wants of it."""
    shown = {
        one.get("name"): one.get("options", {}).get("channel", _VISIBLE)
        for one in devices
        if one.get("driver") == "opencv_camera"
    }
    for role, wanted in {"camera": _VISIBLE, **_CHANNELS}.items():
        name = lane.get(role)
        if name and shown.get(name, wanted) != wanted:
            text = (
                f"lane {lane.get('lane_id')} wants channel {wanted!r} of the device {name!r}, which has {shown[name]!r}"
            )
            yield f"lane {lane.get('lane_id')}.{role}", text


def load(path: Path, gate_id: str | None = None) -> Settings:
    """Read a site file, of one gate or of several; `gate_id` says which, else `EGATE_GATE__GATE_ID`.

    Raises `SettingsFault` naming the key and what is wrong with it.
    """
    chosen = gate_id or next((value for name, value in os.environ.items() if name.upper() == GATE_VARIABLE), None)
    settings = _settings(path, lambda written: document_of(written, chosen).document)
    if gate_id is not None and settings.gate.gate_id != gate_id:
        raise SettingsFault(f"{path}: this is the file of {settings.gate.gate_id}, not of {gate_id}")
    return settings


def load_post(path: Path) -> Settings:
    """Read what a site file says to `egate post`: the part that its gates share, whichever gates it names. Raises `SettingsFault`."""
    return _settings(path, shared_part)


def _settings(path: Path, document_in: Callable[[dict[str, Any]], dict[str, Any]]) -> Settings:
    try:
        document = document_in(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:  # no TOML and no text are ValueErrors, too
        raise SettingsFault(f"{path}: {error}") from error
    try:
        settings = Settings(**document)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
        raise SettingsFault(f"{path}: " + "; ".join(lines)) from error
    base = path.resolve().parent
    paths = settings.paths.model_copy(
        update={name: base / getattr(settings.paths, name) for name in PathSettings.model_fields}
    )
    field = settings.field.model_copy(update={"socket": base / settings.field.socket})
    post = settings.post
    trust = base / post.blobs_trust if post.blobs_trust is not None else None
    post = post.model_copy(update={"state": base / post.state, "blobs_trust": trust})
    face = settings.face
    if face.operator_models is not None or face.attack_evaluation is not None:
        keys = face.trusted_keys or (paths.keys / "models.pub",)
        update: dict[str, object] = {"trusted_keys": tuple(base / key for key in keys)}
        for name in ("operator_models", "attack_evaluation"):
            if getattr(face, name) is not None:
                update[name] = base / getattr(face, name)
        face = face.model_copy(update=update)
    portal = settings.portal.model_copy(update={"state": base / settings.portal.state})
    return settings.model_copy(update={"paths": paths, "face": face, "field": field, "post": post, "portal": portal})
