"""What is demanded of a traveller's checks: a value that a lane is given once, used by the machine, by policy and by views alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gate_agent.domain.check import AnyCheck, CheckName, CheckOutcome, CheckResult, PluginCheckName

ELECTRONIC_CHECKS = frozenset(
    {
        CheckName.CHIP_ACCESS,
        CheckName.CHIP_CONTENT,
        CheckName.SOD_SIGNATURE,
        CheckName.CERTIFICATE_CHAIN,
        CheckName.CERTIFICATE_REVOCATION,
        CheckName.ISSUING_STATE,
        CheckName.CHIP_GENUINENESS,
        CheckName.MRZ_AGAINST_DG1,
    }
)
"""What one read of the chip answers, together: a part of it proves nothing without the rest."""

OPTICAL_CHECKS = frozenset(
    {
        CheckName.MRZ_READING,
        CheckName.MRZ_INFRARED,
        CheckName.MRZ_INFRARED_AGAINST_VISIBLE,
        CheckName.ULTRAVIOLET_DULLNESS,
    }
)
"""What the pictures of the page answer."""

PAGE_CHECKS = OPTICAL_CHECKS - {CheckName.MRZ_READING}
"""What is demanded where pictures are taken. How well a machine reads the lines is not among it: an officer may read them instead."""

PERMIT_CHECKS = frozenset({CheckName.ELIGIBILITY, CheckName.STAY})
"""What a visa can change. It may be answered later than the read it is of, and goes with that read where it is set aside."""

_NOT_SUPPORTED = frozenset({CheckOutcome.NOT_SUPPORTED})
_NEVER_TOLERATED = frozenset({CheckOutcome.FAILED})

WHERE_POSSIBLE: Mapping[AnyCheck, frozenset[CheckOutcome]] = MappingProxyType(
    dict.fromkeys(
        (
            CheckName.FACE_PRESENTATION,
            CheckName.FACE_WATCHLIST,
            CheckName.PORTRAIT_AGAINST_DG2,
            CheckName.VISIBLE_SEAL,
            *sorted(OPTICAL_CHECKS),
        ),
        _NOT_SUPPORTED,
    )
)
"""Checks that count where they can be made, and stand in nobody's way where they are not supported (TR-03135-2 §4.1)."""


@dataclass(frozen=True, slots=True)
class Demands:
    """What has to be there, and which outcomes stand in nobody's way.

    `before_entry`: checks without whose result the entrance stays shut. `before_exit`: the same for a release by the machine; it
    holds the former. `tolerated`: outcomes besides successful that are clear, by check; failed is none of them, whatever a site sets.
    `noted`: checks of plug-ins whose failing is reported and recorded, and stands in nobody's way; a check of ours is none of them.
    """

    before_entry: frozenset[AnyCheck]
    before_exit: frozenset[AnyCheck]
    tolerated: Mapping[AnyCheck, frozenset[CheckOutcome]] = field(default_factory=dict)
    noted: frozenset[PluginCheckName] = frozenset()

    def __post_init__(self) -> None:
        """Refuse what would hide a finding, or let somebody in whom the exit would not let out."""
        if any(_NEVER_TOLERATED & outcomes for outcomes in self.tolerated.values()):
            raise ValueError("a failed check is tolerated nowhere")
        if not all(isinstance(check, PluginCheckName) for check in self.noted):
            raise ValueError("only a plug-in's check may fail and be noted")
        if not self.before_entry <= self.before_exit:
            raise ValueError("what is demanded before the entry is demanded before the exit")

    @property
    def reads_chip(self) -> bool:
        """Whether a chip is read before the entrance opens."""
        return bool(self.before_entry & ELECTRONIC_CHECKS)

    @property
    def judges_page(self) -> bool:
        """Whether pictures of the page are waited for before the entrance opens."""
        return bool(self.before_entry & PAGE_CHECKS)

    def is_clear(self, result: CheckResult) -> bool:
        """Return whether a result stands in nobody's way: successful, or an outcome that is tolerated for its check."""
        if result.outcome is CheckOutcome.FAILED and result.check in self.noted:
            return True
        return result.outcome is CheckOutcome.SUCCESSFUL or result.outcome in self.tolerated.get(
            result.check, frozenset()
        )

    @property
    def plugins(self) -> frozenset[PluginCheckName]:
        """The checks of plug-ins that are waited for before the entrance opens."""
        return frozenset(check for check in self.before_entry if isinstance(check, PluginCheckName))

    def are_met(self, results: Mapping[AnyCheck, CheckResult]) -> bool:
        """Return whether everything demanded before a release is there and clear, and nothing else speaks against it."""
        return results.keys() >= self.before_exit and all(self.is_clear(result) for result in results.values())


_ZONE_AND_LISTS = frozenset(
    {
        CheckName.MRZ_CHECK_DIGITS,
        CheckName.STATE_CODES,
        CheckName.SPECIMEN,
        CheckName.EXPIRY,
        CheckName.WATCHLIST,
        CheckName.STAY,
        CheckName.ELIGIBILITY,
        CheckName.TRAVEL_BAN,
    }
)

DOCUMENT_AND_FACE = Demands(
    before_entry=_ZONE_AND_LISTS,
    before_exit=_ZONE_AND_LISTS | {CheckName.FACE_COMPARISON},
    tolerated=WHERE_POSSIBLE,
)
"""What every lane demands; a lane with a chip reader demands more."""
