"""Who brought a check that is not the gate's own; read through `central_sync.messages`, whose conventions hold here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PluginPart(BaseModel):
    """The package and version of a plug-in's check, and the family of the document's checks that it counts in (empty: the traveller's)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    package: str = Field(max_length=128)
    version: str = Field(max_length=64)
    family: str = Field("", max_length=16)
