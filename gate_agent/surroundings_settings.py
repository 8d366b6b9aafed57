"""Settings of what stands around the gate: results of X-ray screening, tags of seals, the power supply."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gate_agent.inspection_settings import Section


class SurroundingsSettings(Section):
    """What is done with what devices around the gate tell. None of it decides about a traveller."""

    xray_window_min: float = Field(
        30.0,
        ge=0,
        le=1440,
        description="A result of X-ray screening whose scan id is not the declaration's reference is shown at a customs task as near in time"
        " when it came within so many minutes of the crossing; 0: never.",
    )
    seal_tag: Literal["digits", "hex", "text"] = Field(
        "digits",
        description="How the EPC of a seal's tag tells the seal's number: `digits` as decimal digits in hexadecimal, leading zeros left out;"
        " `hex` as the whole EPC in hexadecimal; `text` as ASCII, filled up with zero bytes.",
    )
    seal_tag_window_min: float = Field(
        30.0, gt=0, le=1440, description="A tag counts as seen when it answered within so many minutes."
    )
    stop_on_battery_low: bool = Field(
        default=True,
        description="When a power supply says that its battery is low, lanes finish whom they serve and take nobody new until the mains"
        " are back.",
    )
