"""Which document a transaction is about, and whether the one on the reader is it.

Until a machine readable zone was read with right check digits, any document may be laid there, and whatever is read last counts.
From then on the transaction is about that one document. A portrait is taken only from the presentation whose zone was taken: what
lies on the reader after it was empty, or the reader lost, has to be read again before its portrait is anybody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum, auto

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.document_checks import check_mrz_digits
from gate_agent.domain.mrz import MrzReading

_Identity = tuple[str, str, str, date | None]


class Taken(Enum):
    """What a read is to the transaction."""

    INSPECT = auto()  # its document, or the first that could be
    SAME = auto()  # its document once more: nothing new
    OTHER = auto()  # another document
    UNCLEAR = auto()  # too badly read to say


def is_right(reading: MrzReading) -> bool:
    """Return whether a zone could be read and all its check digits are right."""
    return check_mrz_digits(reading).outcome is CheckOutcome.SUCCESSFUL


@dataclass(slots=True)
class PresentedDocument:
    """The document of one transaction."""

    _reading: MrzReading | None = None
    _identity: _Identity | None = None
    _is_on_reader: bool = False
    _presentation: int = 0
    _portrait_from: int | None = None

    @property
    def has_portrait(self) -> bool:
        """Whether a portrait of this document was taken, whatever becomes of it."""
        return self._portrait_from is not None

    @property
    def is_on_reader(self) -> bool:
        """Whether what lies on the reader was read as this document."""
        return self._is_on_reader

    @property
    def presentation(self) -> int:
        """Number of the presentation: it changes whenever a document comes or goes."""
        return self._presentation

    def is_of(self, reading: MrzReading) -> bool:
        """Return whether a read is of this very document."""
        return self._identity is not None and is_right(reading) and _identity(reading) == self._identity

    def moved(self) -> None:
        """Note that a document came or went, or that the reader cannot tell."""
        self._presentation += 1
        self._is_on_reader = False

    def take(self, reading: MrzReading, *, is_open: bool) -> Taken:
        """Return what a read is; `is_open`: the transaction still inspects documents."""
        if self._identity is not None:
            self._is_on_reader = is_right(reading) and _identity(reading) == self._identity
            if self._is_on_reader:
                return Taken.SAME
            return Taken.OTHER if is_right(reading) else Taken.UNCLEAR
        if not is_open:
            is_same = reading.document is not None and reading == self._reading
            self._is_on_reader = self._is_on_reader and is_same
            return Taken.SAME if is_same else Taken.UNCLEAR
        self._reading, self._is_on_reader = reading, True
        if is_right(reading):
            self._identity = _identity(reading)
        return Taken.INSPECT

    def doubt(self) -> None:
        """Take back that the document is known: what was read of it opens no chip, so the next right read counts instead."""
        self._identity = None

    def takes_picture(self) -> bool:
        """Return whether a picture of a page that comes now may be of this document; before a right read any may."""
        return self._is_on_reader or self._identity is None

    def takes_portrait(self) -> bool:
        """Return whether a portrait that comes now is of this document, and note that it came."""
        if self._is_on_reader:
            self._portrait_from = self._presentation
        return self._is_on_reader

    def drops_portrait(self) -> bool:
        """Return whether the portrait came with what was presented before the newest read, and forget that it came."""
        is_stale = self._portrait_from is not None and self._portrait_from != self._presentation
        if is_stale:
            self._portrait_from = None
        return is_stale


def _identity(reading: MrzReading) -> _Identity | None:
    """Return what two reads of one document share, although a name may be read with an error."""
    document = reading.document
    if document is None:
        return None
    return document.issuing_state, document.document_number, document.date_of_birth_text, document.date_of_expiry
