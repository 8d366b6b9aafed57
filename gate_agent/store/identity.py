"""What a store has to be told of its gate and its limits; the settings of a site fit."""

from __future__ import annotations

from typing import Protocol


class GateIdentity(Protocol):
    """Who the gate is; `settings.GateSettings` fits."""

    @property
    def country(self) -> str:
        """Three-letter code."""
        ...

    @property
    def site(self) -> str:
        """Border post."""
        ...

    @property
    def gate_id(self) -> str:
        """Gate within the post."""
        ...


class StoreLimits(Protocol):
    """What a store needs of its settings; `settings.StoreSettings` fits."""

    @property
    def keep_acknowledged_days(self) -> int:
        """Days that delivered rows stay."""
        ...

    @property
    def keep_receipts_days(self) -> int:
        """Days that the codes of receipts stay."""
        ...

    @property
    def ballast_bytes(self) -> int:
        """Size of the ballast file."""
        ...
