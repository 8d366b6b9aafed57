"""Check results: the five values of BSI TR-03135-1 §3.5 and how they combine (tables 5.2 and 5.44)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce

from gate_agent.domain.reasons import Reason


class CheckOutcome(StrEnum):
    """S, F, U and N mean that the check terminated; A means it did not and says nothing about the traveller."""

    SUCCESSFUL = "successful"
    FAILED = "failed"
    UNDETERMINED = "undetermined"
    NOT_SUPPORTED = "not_supported"
    ABORTED = "aborted"


class CheckName(StrEnum):
    """Every check that the gate can run, by the name used in records, pages and the command line."""

    MRZ_CHECK_DIGITS = "mrz_check_digits"
    EXPIRY = "expiry"
    DECLARATION_TOKEN = "declaration_token"  # noqa: S105 - a check's name
    STAY = "stay"
    ELIGIBILITY = "eligibility"
    TRAVEL_BAN = "travel_ban"
    WATCHLIST = "watchlist"
    FACE_COMPARISON = "face_comparison"
    FACE_PRESENTATION = "face_presentation"
    FACE_WATCHLIST = "face_watchlist"
    SEAL = "seal"
    PASSAGE = "passage"
    CHIP_ACCESS = "chip_access"
    CHIP_CONTENT = "chip_content"
    SOD_SIGNATURE = "sod_signature"
    CERTIFICATE_CHAIN = "certificate_chain"
    CERTIFICATE_REVOCATION = "certificate_revocation"
    ISSUING_STATE = "issuing_state"
    CHIP_GENUINENESS = "chip_genuineness"
    MRZ_AGAINST_DG1 = "mrz_against_dg1"
    MRZ_READING = "mrz_reading"
    MRZ_INFRARED = "mrz_infrared"
    MRZ_INFRARED_AGAINST_VISIBLE = "mrz_infrared_against_visible"
    ULTRAVIOLET_DULLNESS = "ultraviolet_dullness"
    PORTRAIT_AGAINST_DG2 = "portrait_against_dg2"
    SPECIMEN = "specimen"
    STATE_CODES = "state_codes"
    VISIBLE_SEAL = "visible_seal"
    BOARDING_PASS = "boarding_pass"  # noqa: S105 - a name


PLUGIN_PREFIX = "plugin."
"""What the name of every plug-in's check begins with; none of ours does, so that none can be shadowed."""

_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")


class PluginCheckName(str):
    """The name of a check that another maker's package brings, such as `plugin.watermark`."""

    __slots__ = ()

    @classmethod
    def of(cls, name: str) -> PluginCheckName:
        """Return the name of the check that a site calls `name`. Raises `ValueError` for one that is no plain name."""
        if not _PLUGIN_NAME.match(name):
            raise ValueError(f"{name!r} is no name of a check: small letters, digits and _, 40 at most")
        return cls(PLUGIN_PREFIX + name)

    @property
    def value(self) -> str:
        """The name as text, as an enumeration's member has it."""
        return str(self)


AnyCheck = CheckName | PluginCheckName
"""A check of the gate itself, or of a plug-in."""


def check_named(text: str) -> AnyCheck:
    """Return the check of this name. Raises `ValueError` when it is neither ours nor a plug-in's."""
    return PluginCheckName.of(text.removeprefix(PLUGIN_PREFIX)) if text.startswith(PLUGIN_PREFIX) else CheckName(text)


@dataclass(frozen=True, slots=True)
class PluginSource:
    """Who answers for a plug-in's result, in its own words: `titles` and `findings` (the sentence of its reason) by language, English among them.

    `family` is the family of the document's checks that it counts in, empty where it is of the traveller.
    """

    package: str
    version: str
    family: str = ""
    titles: Mapping[str, str] = field(default_factory=dict)
    findings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Compared:
    """One pair of values that a check looked at, for the guard: what was read and what was expected or the limit."""

    name: str
    found: str
    expected: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check says: outcome, ordered reasons, compared values and its duration in milliseconds; `plugin`: who brought it, None: we."""

    check: AnyCheck
    outcome: CheckOutcome
    reasons: tuple[Reason, ...] = ()
    compared: tuple[Compared, ...] = field(default=())
    duration_ms: float = 0.0
    plugin: PluginSource | None = None


_RANK = {
    CheckOutcome.FAILED: 4,
    CheckOutcome.ABORTED: 3,
    CheckOutcome.UNDETERMINED: 2,
    CheckOutcome.SUCCESSFUL: 1,
    CheckOutcome.NOT_SUPPORTED: 0,
}


def join(one: CheckOutcome, other: CheckOutcome) -> CheckOutcome:
    """Join two outcomes in the order F > A > U > S > N (TR-03135-1 table 5.44, product reading)."""
    return one if _RANK[one] >= _RANK[other] else other


def join_all(outcomes: Iterable[CheckOutcome]) -> CheckOutcome:
    """Join many outcomes; the empty set is not supported."""
    return reduce(join, outcomes, CheckOutcome.NOT_SUPPORTED)


def overall(outcomes: Iterable[CheckOutcome], *, demanded: bool = True) -> CheckOutcome:
    """Return the overall result over families of checks (TR-03135-1 table 5.2 with the product rules).

    A finding is never hidden by an aborted neighbour. A family that is not supported makes the whole undetermined where the
    profile demands it (`demanded`), and is left out otherwise; nothing but not supported stays not supported.
    """
    values = list(outcomes)
    if CheckOutcome.FAILED in values:
        return CheckOutcome.FAILED
    if CheckOutcome.ABORTED in values:
        return CheckOutcome.ABORTED
    if CheckOutcome.UNDETERMINED in values:
        return CheckOutcome.UNDETERMINED
    performed = [value for value in values if value is not CheckOutcome.NOT_SUPPORTED]
    if not performed:
        return CheckOutcome.NOT_SUPPORTED
    if demanded and len(performed) < len(values):
        return CheckOutcome.UNDETERMINED
    return CheckOutcome.SUCCESSFUL
