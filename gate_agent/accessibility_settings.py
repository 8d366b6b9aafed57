"""Settings of a lane for travellers who hear, see, stand or walk otherwise; part of every `[[lane]]` table."""

from __future__ import annotations

import re
from datetime import time
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from gate_agent.inspection_settings import Section

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class AccessibilitySettings(Section):
    """What a lane offers besides its screen."""

    is_wide: bool = Field(
        default=False,
        description="The lane has room for a wheelchair, a pram or somebody's assistant; screens of the gate's other lanes name it.",
    )
    is_family: bool = Field(
        default=False,
        description="Families with small children are served here; screens of the other lanes name it.",
    )
    persons_limit: int = Field(
        1,
        ge=1,
        le=10,
        description="How many may stand in the cell together: an adult with a child, or with an assistant. More than one always calls the guard, but for a"
        " declared family where `family_sessions` says so; up to this number nobody is told to leave.",
    )
    family_sessions: bool = Field(
        default=False,
        description="An adult and the children under age on the same declaration cross together, up to `persons_limit` of them: everybody's document before"
        " the entrance opens, everybody's face inside.",
    )
    low_camera: str = Field(
        "",
        description="Second camera below the first, for who sits or is short: a face that one does not see where it should be is"
        " looked for with the other.",
    )
    camera_lift: str = Field(
        "", description="Lift that carries the camera and follows a face up or down; not together with `low_camera`."
    )
    lift_travel_s: float = Field(
        15.0, gt=0, le=60, description="Longest travel of the lift for one traveller, before the guard is called."
    )
    help_point: str = Field(
        "", description="Help button of the lane, with its intercom; a press is what the button on the screen is."
    )
    time_factor: float = Field(
        2.0,
        ge=1,
        le=5,
        description="By this factor the lane's times are longer for one who asks for more time or for help; `out_of_range_timeout_s` is not.",
    )
    speaker: str = Field("", description="Device that says the instructions of the traveller's screen.")
    speech: Literal["off", "on_request", "always"] = Field(
        "on_request",
        description="When the speaker speaks: never, once the traveller asks for it (on the screen or with the help button), or always.",
    )
    speech_repeat_s: float = Field(
        8.0, ge=0, le=120, description="Pause after which an instruction is said again, at most five times; 0: never."
    )
    speech_volume_percent: int = Field(80, ge=0, le=100, description="Volume of the speaker; 0: silent.")
    speech_quiet_hours: str = Field(
        "", description="Local time in which the speaker is quieter, such as `22:00-06:00`; empty: none."
    )
    speech_quiet_volume_percent: int = Field(40, ge=0, le=100, description="Volume in quiet hours; 0: silent.")

    @model_validator(mode="after")
    def _follow_in_one_way(self) -> Self:
        if self.low_camera and self.camera_lift:
            raise ValueError("low_camera and camera_lift: only one of the two")
        return self

    @field_validator("speech_quiet_hours")
    @classmethod
    def _are_hours(cls, value: str) -> str:
        if value and _HOURS.fullmatch(value) is None:
            raise ValueError("hours are written as `22:00-06:00`")
        return value

    def speech_volume(self, local: time) -> float:
        """Return the volume at a local time, 0 to 1."""
        return (self.speech_quiet_volume_percent if self._is_quiet(local) else self.speech_volume_percent) / 100

    def _is_quiet(self, local: time) -> bool:
        found = _HOURS.fullmatch(self.speech_quiet_hours)
        if found is None:
            return False
        hours = [int(part) for part in found.groups()]
        begin, end = time(hours[0], hours[1]), time(hours[2], hours[3])
        return begin <= local < end if begin <= end else local >= begin or local < end
