"""The vocabulary of chips: what opens one, and everything that one presentation of it gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ChipAccess(StrEnum):
    """How the chip was opened; NONE: it was not, or it is an open chip."""

    PACE = "PACE"
    BAC = "BAC"
    NONE = "none"


class ProtocolOutcome(StrEnum):
    """What became of one protocol with the chip. ABORTED says nothing about the chip; FAILED: it ran to its end and did not hold."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    NOT_OFFERED = "not_offered"
    NOT_TRIED = "not_tried"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class ChipKeys:
    """What opens a chip. `mrz_information`: document number, birth and expiry, each with its check digit (ICAO 9303-11 §4.3.2)."""

    mrz_information: str = ""
    card_access_number: str = ""
    alternative_mrz_information: str = ""


@dataclass(frozen=True, slots=True)
class ChipOpened:
    """The chip lets itself be read."""

    access: ChipAccess


@dataclass(frozen=True, slots=True)
class ChipFileRead:
    """One file is there whole: `EF.SOD`, `DG1`, … with its raw bytes, as read."""

    name: str
    content: bytes


ChipProgress = ChipOpened | ChipFileRead


@dataclass(frozen=True, slots=True)
class ChipEvidence:
    """Everything one presentation of a chip gave; nothing in it is judged, and after a fault it holds what was read until then.

    `files`: raw bytes by name (`EF.CardAccess`, `EF.CardSecurity`, `EF.SOD`, `DG1` …). `unreadable`: a listed file that the chip did
    not give, with its status word in hex. `chip_authentication_key`: the key (its raw SubjectPublicKeyInfo, from DG14 or CardSecurity)
    that chip authentication or PACE-CAM was run with: worth something only once that file is proven. `challenge`, `response`: active
    authentication as it went over the air. `fault`: a `DRV-…` code when the read was aborted. `terminal_ms`: cryptography of this side.
    """

    access: ChipAccess = ChipAccess.NONE
    pace: ProtocolOutcome = ProtocolOutcome.NOT_TRIED
    basic_access: ProtocolOutcome = ProtocolOutcome.NOT_TRIED
    chip_authentication: ProtocolOutcome = ProtocolOutcome.NOT_TRIED
    chip_authentication_mapping: ProtocolOutcome = ProtocolOutcome.NOT_TRIED
    active_authentication: ProtocolOutcome = ProtocolOutcome.NOT_TRIED
    files: Mapping[str, bytes] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    used_card_access_number: bool = False
    pace_protocol: str = ""
    pace_parameter_id: int | None = None
    chip_authentication_key: bytes = b""
    challenge: bytes = b""
    response: bytes = b""
    fault: str = ""
    fault_text: str = ""
    apdus: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    duration_ms: float = 0.0
    terminal_ms: float = 0.0
