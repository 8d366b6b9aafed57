"""Electronic visas and other permits as the centre lists them, signed: found by the travel document that they were issued for."""

from __future__ import annotations

from collections.abc import Mapping

from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.errors import EgateError
from gate_agent.inspection.list_entries import day, text, whole
from gate_agent.inspection.watchlist_entries import normalised


class PermitListRefused(EgateError):
    """The body of a bundle is no list of permits."""

    code = "EG-PER-001"


class PermitList:
    """All permits of one bundle."""

    def __init__(self, permits: Mapping[tuple[str, str], tuple[Permit, ...]]) -> None:
        self._permits = permits

    def __len__(self) -> int:
        return sum(len(permits) for permits in self._permits.values())

    @classmethod
    def from_bundle(cls, body: Mapping[str, object]) -> PermitList:
        """Read `{"permits": [{"kind", "number", "issued_by", "document_number", "issuing_state", ...}]}`. Raises `PermitListRefused`.

        `issued_by` is the state of the permit, `issuing_state` that of the travel document. `valid_from`, `valid_until`, `stay_days` and
        `entries` may be absent or null; one of the first two has to be there, or nobody knows when the permit ends.
        """
        listed = body.get("permits")
        if not isinstance(listed, list):
            raise PermitListRefused("permits: a list is expected")
        found: dict[tuple[str, str], tuple[Permit, ...]] = {}
        for place, entry in enumerate(listed):
            where = f"permits[{place}]"
            if not isinstance(entry, Mapping):
                raise PermitListRefused(f"{where}: an object is expected")
            number, state = (
                normalised(text(f"{where}.{name}", entry.get(name), PermitListRefused))
                for name in ("document_number", "issuing_state")
            )
            if not number or not state:
                raise PermitListRefused(f"{where}: letters or digits are expected in document_number and issuing_state")
            found[number, state] = (*found.get((number, state), ()), _permit(where, entry))
        return cls(found)

    def of(self, document_number: str, issuing_state: str) -> tuple[Permit, ...]:
        """Return the permits that were issued for a travel document."""
        return self._permits.get((normalised(document_number), normalised(issuing_state)), ())


def _permit(where: str, entry: Mapping[str, object]) -> Permit:
    kind = entry.get("kind")
    if kind not in {known.value for known in PermitKind}:
        raise PermitListRefused(f"{where}.kind: one of {', '.join(PermitKind)} is expected")
    first = day(f"{where}.valid_from", entry.get("valid_from"), PermitListRefused)
    last = day(f"{where}.valid_until", entry.get("valid_until"), PermitListRefused)
    if first is None and last is None:
        raise PermitListRefused(f"{where}: valid_from or valid_until is expected")
    if first is not None and last is not None and last < first:
        raise PermitListRefused(f"{where}.valid_until: lies before valid_from")
    return Permit(
        PermitKind(str(kind)),
        PermitOrigin.SIGNED_LIST,
        text(f"{where}.number", entry.get("number"), PermitListRefused),
        text(f"{where}.issued_by", entry.get("issued_by"), PermitListRefused),
        first,
        last,
        whole(f"{where}.stay_days", entry.get("stay_days"), PermitListRefused),
        whole(f"{where}.entries", entry.get("entries"), PermitListRefused),
    )
