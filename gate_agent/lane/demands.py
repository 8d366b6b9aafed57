"""What a lane demands, from its settings: the one place where the site file becomes `domain.demands.Demands`."""

from __future__ import annotations

from gate_agent.domain.check import AnyCheck, CheckName, CheckOutcome, PluginCheckName
from gate_agent.domain.demands import DOCUMENT_AND_FACE, ELECTRONIC_CHECKS, PAGE_CHECKS, Demands
from gate_agent.settings import AttackDetection, DocumentSettings, LaneSettings, Settings

_NOT_SUPPORTED = frozenset({CheckOutcome.NOT_SUPPORTED})
_ANYTHING_BUT_FAILED = frozenset({CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED})


def demands_of(settings: Settings, lane: LaneSettings) -> Demands:
    """Return what a lane demands: more with a chip reader, with pictures of the page, with attack detection, with plug-ins; no specimens unless accepted."""
    before_entry, before_exit = DOCUMENT_AND_FACE.before_entry, DOCUMENT_AND_FACE.before_exit
    tolerated = dict(DOCUMENT_AND_FACE.tolerated)
    if lane.chip_reader:
        before_entry, before_exit = before_entry | ELECTRONIC_CHECKS, before_exit | ELECTRONIC_CHECKS
        tolerated |= _of_the_chip(settings.document)
    if settings.document.accept_specimens:
        tolerated[CheckName.SPECIMEN] = _NOT_SUPPORTED
    if lane.page_pictures:
        before_entry, before_exit = before_entry | PAGE_CHECKS, before_exit | PAGE_CHECKS
    if settings.face.presentation_attack_detection is AttackDetection.REQUIRED:
        before_exit |= {CheckName.FACE_PRESENTATION}
        del tolerated[CheckName.FACE_PRESENTATION]
    noted = frozenset(PluginCheckName.of(one.name) for one in settings.check if one.on_failed == "note")
    for one in settings.check:
        name = PluginCheckName.of(one.name)
        before_entry, before_exit = before_entry | {name}, before_exit | {name}
        tolerated[name] = _ANYTHING_BUT_FAILED if one.on_undetermined == "note" else _NOT_SUPPORTED
    return Demands(before_entry, before_exit, tolerated, noted)


def _of_the_chip(document: DocumentSettings) -> dict[AnyCheck, frozenset[CheckOutcome]]:
    """Return what is clear of a chip besides successful. Advisory: it is read and reported, and only a finding counts."""
    if document.chip == "advisory":
        return dict.fromkeys(sorted(ELECTRONIC_CHECKS), _ANYTHING_BUT_FAILED)
    tolerated: dict[AnyCheck, frozenset[CheckOutcome]] = {}
    if document.chip_genuineness == "where_offered":
        tolerated[CheckName.CHIP_GENUINENESS] = _NOT_SUPPORTED
    if document.revocation == "advisory":
        tolerated[CheckName.CERTIFICATE_REVOCATION] = _ANYTHING_BUT_FAILED
    return tolerated
