"""The words by which rules name documents and permits."""

from __future__ import annotations

from gate_agent.domain.document_kinds import DocumentKind
from gate_agent.domain.permit import PermitKind

UNTIL_EXPIRY = "until_expiry"
"""Unit of a stay that lasts as long as its permit; the value is 0."""

DECLARED = "declared_"
"""Before a permit's kind: the same permit where nothing but the traveller's declaration says so."""

DOCUMENT_KINDS = tuple(kind.value for kind in DocumentKind if kind is not DocumentKind.VISA)
PERMIT_KINDS = tuple(kind.value for kind in PermitKind)
PERMITS_SAID = (*PERMIT_KINDS, *(f"{DECLARED}{kind}" for kind in PERMIT_KINDS))
