"""Utopia's passport office for the demo: it personalises a virtual chip for each specimen, and hands out what a gate must hold to judge them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date

from drivers.chip.twin.authority import TestAuthority
from drivers.chip.twin.passport import VirtualPassport
from drivers.chip.twin.personalisation import personalise, trust_files
from drivers.chip.twin.variants import VARIANTS
from gate_agent.demo.specimens import Specimen


class PassportOffice:
    """Everything comes out of the day: two offices of the same day sign with the same keys."""

    def __init__(self, today: date) -> None:
        self._authority = TestAuthority(today)
        self._issued: dict[tuple[Specimen, bytes], VirtualPassport] = {}

    def trust_files(self) -> Mapping[str, bytes]:
        """Return certificates and revocation lists, by file name, as the state hands them over."""
        return trust_files(self._authority)

    def issue(self, person: Specimen, portrait: bytes, *, lifted_at_apdu: int | None = None) -> VirtualPassport:
        """Return the chip of a document, the portrait as its DG2. With `lifted_at_apdu` it leaves the field instead of that answer.

        The same document has the same chip each time that it is shown.
        """
        variant = VARIANTS[person.chip]
        if lifted_at_apdu is not None:
            variant = replace(variant, behaviour=replace(variant.behaviour, torn_off_at_apdu=lifted_at_apdu))
            return personalise(person.lines(), portrait, self._authority, variant)
        key = (person, portrait)
        if key not in self._issued:
            self._issued[key] = personalise(person.lines(), portrait, self._authority, variant)
        return self._issued[key]
