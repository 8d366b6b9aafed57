"""What happens to the chip and to the pictures of a document (events), and what is asked to be done with them (effects)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from gate_agent.domain.check import CheckResult

# Events ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DocumentSeenAgain:
    """The document of this transaction was read once more, with the same lines."""


@dataclass(frozen=True, slots=True)
class ChipJudged:
    """A read of the chip is over and everything it gave is judged; results that came before it were on the way to these."""

    results: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class PageImaged:
    """A picture of this document's page is there."""


@dataclass(frozen=True, slots=True)
class PageJudged:
    """The pictures that were there are judged."""

    results: tuple[CheckResult, ...]


@dataclass(frozen=True, slots=True)
class ReadingCorrected:
    """A guard read the printed lines of a referred document by eye and corrected them; `officers` authorised it."""

    transaction_id: uuid.UUID
    lines: tuple[str, ...]
    officers: tuple[str, ...]


DocumentEvent = DocumentSeenAgain | ChipJudged | PageImaged | PageJudged | ReadingCorrected


# Effects --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DoubtReading:
    """The lines that were read do not open the chip: the next read may be of what they should have been."""


@dataclass(frozen=True, slots=True)
class ReadChip:
    """Open and read the chip with the lines that were read; answers with ChipJudged."""


@dataclass(frozen=True, slots=True)
class StopChip:
    """End a running read of the chip."""


@dataclass(frozen=True, slots=True)
class JudgePage:
    """Judge the pictures that are there; answers with PageJudged."""


@dataclass(frozen=True, slots=True)
class TakeReference:
    """Take the reference portrait once more from what was read of the document."""


@dataclass(frozen=True, slots=True)
class TakeCorrected:
    """Take a guard's lines as the reading of this document, marked as his."""

    lines: tuple[str, ...]
    officers: tuple[str, ...]


DocumentEffect = DoubtReading | ReadChip | StopChip | JudgePage | TakeReference | TakeCorrected
