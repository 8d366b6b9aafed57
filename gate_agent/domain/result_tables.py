"""Result tables over families of checks (BSI TR-03135-1, tables 5.2, 5.6, 5.7, 5.11 to 5.16, 5.22, 5.44), and what a document is worth as a whole.

S successful, F failed, U undetermined, N not supported, A aborted. A table is rows in their order and a value for everything else; where
the guideline leaves the order of A and F open, a terminated finding wins. What is not demanded here and not supported is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from gate_agent.domain.check import CheckName, CheckOutcome, join, join_all, overall
from gate_agent.domain.demands import ELECTRONIC_CHECKS, OPTICAL_CHECKS

S, F, U, N, A = (
    CheckOutcome.SUCCESSFUL,
    CheckOutcome.FAILED,
    CheckOutcome.UNDETERMINED,
    CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: `then` is the result when any (or, with `needs_all`, each) of the inputs is one of `outcomes`."""

    outcomes: frozenset[CheckOutcome]
    then: CheckOutcome
    needs_all: bool = False

    def fits(self, inputs: Collection[CheckOutcome]) -> bool:
        """Whether this row applies."""
        if self.needs_all:
            return bool(inputs) and all(one in self.outcomes for one in inputs)
        return any(one in self.outcomes for one in inputs)


def any_of(*outcomes: CheckOutcome, then: CheckOutcome) -> Rule:
    """Return the row that applies when any input is one of these."""
    return Rule(frozenset(outcomes), then)


def all_of(*outcomes: CheckOutcome, then: CheckOutcome) -> Rule:
    """Return the row that applies when there are inputs and each is one of these."""
    return Rule(frozenset(outcomes), then, needs_all=True)


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Rows, the first that fits decides; `otherwise` when none does. Neither order nor repetition of the inputs changes anything."""

    rows: tuple[Rule, ...]
    otherwise: CheckOutcome

    def of(self, inputs: Iterable[CheckOutcome]) -> CheckOutcome:
        """Return the result over the outcomes of the parts."""
        values = tuple(inputs)
        return next((row.then for row in self.rows if row.fits(values)), self.otherwise)


class OpticalTable(StrEnum):
    """The optical aggregates by the numbers of their tables."""

    OPTICAL = "5.6"
    MRZ_COMPLIANCE = "5.7"
    SPECTRAL_GROUP = "5.12"
    SPECTRAL = "5.13"
    VENDOR_GROUP = "5.15"
    VENDOR = "5.16"


_FINDING = (any_of(F, then=F), any_of(A, then=A))
_SPECTRAL = ResultTable((*_FINDING, all_of(S, then=S)), U)

OPTICAL_TABLES: Mapping[OpticalTable, ResultTable] = MappingProxyType(
    {
        # what was not performed is left out; nothing but N: optics are not possible
        OpticalTable.OPTICAL: ResultTable((*_FINDING, any_of(U, then=U), any_of(S, then=S), all_of(N, then=N)), N),
        # digits, infrared, OCR-B; never U: a zone that could not be judged did not come to an end
        OpticalTable.MRZ_COMPLIANCE: ResultTable(
            (any_of(F, then=F), any_of(A, U, then=A), any_of(S, then=S), all_of(N, then=N)), N
        ),
        OpticalTable.SPECTRAL_GROUP: _SPECTRAL,
        OpticalTable.SPECTRAL: _SPECTRAL,
        OpticalTable.VENDOR_GROUP: ResultTable((*_FINDING, all_of(N, then=N), all_of(S, N, then=S)), U),
        # never U: a group that came to no answer leaves the whole without one
        OpticalTable.VENDOR: ResultTable((any_of(F, then=F), any_of(A, U, then=A), all_of(N, then=N)), S),
    }
)

CHIP_CONTENT = ResultTable((*_FINDING, any_of(U, N, then=U), all_of(S, then=S)), U)
"""Table 5.22; never N: the parts of a chip that a profile demands are there or they are missing."""


class Family(StrEnum):
    """The families that table 5.2 combines."""

    OPTICAL = "optical"
    ELECTRONIC = "electronic"
    COMBINED = "combined"
    SEAL = "seal"


_COMPLIANCE = frozenset({CheckName.MRZ_CHECK_DIGITS, CheckName.MRZ_INFRARED})

FAMILY_OF: Mapping[CheckName, Family] = MappingProxyType(
    dict.fromkeys(sorted(_COMPLIANCE | OPTICAL_CHECKS | {CheckName.SPECIMEN}), Family.OPTICAL)
    | dict.fromkeys(sorted(ELECTRONIC_CHECKS), Family.ELECTRONIC)
    | dict.fromkeys(
        (CheckName.EXPIRY, CheckName.STATE_CODES, CheckName.MRZ_AGAINST_DG1, CheckName.PORTRAIT_AGAINST_DG2),
        Family.COMBINED,
    )
    | {CheckName.VISIBLE_SEAL: Family.SEAL}
)
"""The family of each check of the document; other checks (lists, stay, declaration, face) are of the traveller and in none."""

OPTIONAL = frozenset({CheckName.CHIP_ACCESS, CheckName.CHIP_GENUINENESS})
"""Parts of the chip that may be not supported by design: an open chip, and one that has no means to prove that it is no copy."""


def family_results(
    outcomes: Mapping[CheckName, CheckOutcome],
    *,
    optional: frozenset[CheckName] = OPTIONAL,
    added: Iterable[tuple[Family, CheckOutcome]] = (),
) -> dict[Family, CheckOutcome]:
    """Return the result of each family that has any. `optional`: parts of the chip that are left out when they are not supported.

    `added`: outcomes of plug-ins' checks. They can only make a family's result worse: one that is S or N proves nothing of ours.
    """
    parts: dict[Family, dict[CheckName, CheckOutcome]] = {}
    for check, outcome in outcomes.items():
        if check in FAMILY_OF:
            parts.setdefault(FAMILY_OF[check], {})[check] = outcome
    found: dict[Family, CheckOutcome] = {}
    for family in Family:
        if family not in parts:
            continue
        values = parts[family]
        match family:
            case Family.OPTICAL:
                found[family] = _optical(values)
            case Family.ELECTRONIC:
                counted = [one for check, one in values.items() if check not in optional or one is not N]
                found[family] = CHIP_CONTENT.of(counted) if counted else N
            case _:
                found[family] = join_all(values.values())  # tables 5.44 and 5.55
    for family, outcome in added:
        if outcome not in {S, N}:
            found[family] = join(found.get(family, N), outcome)
    return {family: found[family] for family in Family if family in found}


def document_result(families: Mapping[Family, CheckOutcome]) -> CheckOutcome:
    """Return what the document is worth (table 5.2): a chip is demanded wherever one is read, other families count where they have a result."""
    counted = [one for family, one in families.items() if one is not N or family is Family.ELECTRONIC]
    return overall(counted, demanded=True)


def _optical(values: Mapping[CheckName, CheckOutcome]) -> CheckOutcome:
    """Table 5.6 over the zone's compliance (5.7) and everything else the page shows; digits that nobody could judge stay undetermined."""
    zone = [one for check, one in values.items() if check in _COMPLIANCE]
    others = [one for check, one in values.items() if check not in _COMPLIANCE]
    if U in zone and F not in zone and A not in zone:
        others.append(
            U
        )  # the zone was read, three times, and never alike: that says something, and is no fault of the execution
        zone = [one for one in zone if one is not U]
    return OPTICAL_TABLES[OpticalTable.OPTICAL].of(
        (*others, OPTICAL_TABLES[OpticalTable.MRZ_COMPLIANCE].of(zone)) if zone else others
    )
