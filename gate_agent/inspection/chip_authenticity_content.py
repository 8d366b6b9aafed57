"""What is in the chip's files against what EF.SOD vouches for (TR-03135-1 tables 5.39 to 5.42; ICAO 9303-11 §5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.contracts import ChipEvidence
from emrtd.files import DATA_GROUPS, EF_COM
from emrtd.tlv import MalformedTlv, children, find_child, read_only_tlv
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.inspection.certificate_defects import DefectKind, KnownDefects
from gate_agent.inspection.chip_authenticity_tables import (
    DATA_GROUP_OUTCOMES,
    Aggregate,
    DataGroupState,
    aggregate,
    chip_integrity,
    presence_lists,
)
from gate_agent.inspection.security_object import DataGroupDigests

ALWAYS_READ = frozenset({1, 2})
READ_WHERE_LISTED = frozenset({14, 15})
PROTECTED = frozenset({3, 4})
"""Fingers and irises: nobody without rights reads them, and this gate does not try."""
_NOT_FOUND_STATUS = frozenset({"6A82", "6A83"})
_TAG_LIST = 0x5C


@dataclass(frozen=True, slots=True)
class ContentFinding:
    """The chip's integrity: `states` by data-group number, of those that count."""

    outcome: CheckOutcome
    reasons: tuple[Reason, ...]
    states: dict[int, DataGroupState]

    def is_proven(self, number: int) -> bool:
        """Whether the security object vouches for the very bytes of this data group."""
        return self.states.get(number) is DataGroupState.IDENTICAL


def judge_content(digests: DataGroupDigests, evidence: ChipEvidence, defects: KnownDefects) -> ContentFinding:
    """Compare every data group that was read, ought to have been read, or is refused by the chip, over its raw bytes."""
    states = {number: state_of(digests, evidence, number) for number in _groups_that_count(digests, evidence)}
    reasons = [reason for number, state in states.items() for reason in _reasons(number, state, digests, evidence)]
    groups = [DATA_GROUP_OUTCOMES[state] for state in states.values()]
    if digests.hash_name == "sha1":
        groups.append(CheckOutcome.UNDETERMINED)
        reasons.append(Reason(ReasonCode.ALGORITHM_WEAK, {"algorithm": digests.hash_name}))
    is_consistent = _is_consistent(digests, evidence.files.get(EF_COM.name))
    known_discrepancy = defects.has(DefectKind.COM_SOD_DISCREPANCY)
    lists = presence_lists(is_consistent, known_discrepancy=known_discrepancy)
    if is_consistent is False:
        reasons.append(Reason(ReasonCode.DATA_GROUP_MISSING, {"group": EF_COM.name}))
    return ContentFinding(chip_integrity(lists, aggregate(Aggregate.DATA_GROUPS, groups)), tuple(reasons), states)


def state_of(digests: DataGroupDigests, evidence: ChipEvidence, number: int) -> DataGroupState:
    """Return what became of one data group (table 5.42)."""
    name = DATA_GROUPS[number - 1].name
    content = evidence.files.get(name)
    if content is not None:
        if number not in digests.digests or not digests.can_be_compared:
            return DataGroupState.NON_CONFORMANCE
        return DataGroupState.IDENTICAL if digests.is_identical(number, content) else DataGroupState.NOT_IDENTICAL
    status = evidence.unreadable.get(name, "").upper()
    if status in _NOT_FOUND_STATUS:
        return DataGroupState.NOT_PRESENT
    if evidence.fault and not status:
        return DataGroupState.ABORTED
    return DataGroupState.PRESENT


def _groups_that_count(digests: DataGroupDigests, evidence: ChipEvidence) -> list[int]:
    numbers = {
        file.data_group for file in DATA_GROUPS if file.name in evidence.files or file.name in evidence.unreadable
    }
    numbers |= ALWAYS_READ | (READ_WHERE_LISTED & digests.digests.keys())
    read = {file.data_group for file in DATA_GROUPS if file.name in evidence.files}
    return sorted(number for number in numbers if number is not None and number not in PROTECTED - read)


def _reasons(number: int, state: DataGroupState, digests: DataGroupDigests, evidence: ChipEvidence) -> list[Reason]:
    group = {"group": f"DG{number}"}
    match state:
        case DataGroupState.IDENTICAL:
            return []
        case DataGroupState.NOT_IDENTICAL:
            return [Reason(ReasonCode.DATA_GROUP_CHANGED, group)]
        case DataGroupState.NOT_PRESENT:
            return [Reason(ReasonCode.DATA_GROUP_MISSING, group)]
        case DataGroupState.PRESENT:
            return [Reason(ReasonCode.DATA_GROUP_NOT_READ, group)]
        case DataGroupState.ABORTED:
            return [Reason(ReasonCode.CHIP_ABORTED, {"fault": evidence.fault})]
        case DataGroupState.NON_CONFORMANCE:
            if digests.can_be_compared:
                return [Reason(ReasonCode.DATA_GROUP_MISSING, {"group": f"EF.SOD DG{number}"})]
            return [Reason(ReasonCode.HASH_ALGORITHM_UNKNOWN, {"algorithm": digests.hash_name[:40]})]


def _is_consistent(digests: DataGroupDigests, com: bytes | None) -> bool | None:
    """Whether EF.COM lists what EF.SOD lists; None: it was not read. It is unsigned and proves nothing, but it may contradict."""
    if com is None:
        return None
    try:
        tags = find_child(read_only_tlv(com, EF_COM.tag), _TAG_LIST)
        list(children(com))
    except MalformedTlv:
        return False
    numbers = {file.tag: file.data_group for file in DATA_GROUPS}
    return tags is not None and {numbers.get(tag) for tag in tags} == set(digests.digests)
