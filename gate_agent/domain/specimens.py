"""Documents that were made to be shown and not to travel: ICAO's Utopia, words that no bearer is called, numbers of published specimens.

ICAO Doc 9303-3 §5 part G reserves Utopia (UTO) for specimens; a specimen is marked and refused (TR-03135-1 §5.8.2). What only might be a
specimen (a placeholder that is a surname as well) is undetermined: the guard looks. The numbers are those printed on specimens that their
issuers published; they name nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument

UTOPIA = "UTO"
UTOPIA_ON_CERTIFICATES = "UT"

_MARKS = frozenset({"SPECIMEN", "MUSTEREXEMPLAR", "OBRAZETS", "UTOPIA"})
"""Whole words of a name by which a document says that it is a specimen."""

_PLACEHOLDERS = frozenset({"MUSTERMANN", "MUSTERFRAU", "NAMUNA"})
"""Names that specimens are issued to, and that somebody may bear."""

_NUMBERS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "D": re.compile(r"C01X0006H|C01X00T47|L01X00T47|LZ6311T47"),
        "NLD": re.compile(r"SPECI\d{4}"),
    }
)
"""Numbers of published specimens by issuing state."""

_STANDARD_NUMBERS = frozenset({"L898902C3", "L8988901C", "D23145890", "D23145890734"})
"""Numbers of the specimens printed in ICAO Doc 9303-4 to -7, whatever state a copy names."""

_TEST_WORDS = re.compile(r"(?<![a-z])(?:utopian?|specimen|test|testing|sample|dummy|muster)(?![a-z])", re.IGNORECASE)
"""Words in a certificate's name by which an authority says that it issues for tests."""


def check_specimen(document: TravelDocument) -> CheckResult:
    """Judge whether a zone is a specimen's: failed when it says so, undetermined when only its name might."""
    found: list[Compared] = []
    if document.issuing_state == UTOPIA:
        found.append(Compared("issuing_state", document.issuing_state, ""))
    if document.nationality == UTOPIA:
        found.append(Compared("nationality", document.nationality, ""))
    pattern, number = _NUMBERS.get(document.issuing_state), document.document_number
    if number in _STANDARD_NUMBERS or (pattern is not None and pattern.fullmatch(number)):
        found.append(Compared("document_number", number, ""))
    words = {*document.primary_identifier.split(), *document.secondary_identifier.split()}
    if words & _MARKS:
        found.append(Compared("name", " ".join(sorted(words & _MARKS)), ""))
    if found:
        reason = Reason(ReasonCode.SPECIMEN_DOCUMENT)
        return CheckResult(CheckName.SPECIMEN, CheckOutcome.FAILED, (reason,), tuple(found))
    if words & _PLACEHOLDERS:
        reason = Reason(ReasonCode.SPECIMEN_SUSPECTED)
        return CheckResult(CheckName.SPECIMEN, CheckOutcome.UNDETERMINED, (reason,))
    return CheckResult(CheckName.SPECIMEN, CheckOutcome.SUCCESSFUL)


def check_test_authority(names: Mapping[str, str], country: str) -> CheckResult | None:
    """Judge whether a chip was signed for tests; None where nothing says so.

    `names`: distinguished names as text, by what they name (`signer`, `issuer`); `country`: the certificate's two letters.
    """
    found = [
        Compared(whose, word[0], "") for whose, text in names.items() if (word := _TEST_WORDS.search(text)) is not None
    ]
    if country.upper() == UTOPIA_ON_CERTIFICATES:
        found.append(Compared("country", UTOPIA_ON_CERTIFICATES, ""))
    if not found:
        return None
    reason = Reason(ReasonCode.SPECIMEN_CERTIFICATE)
    return CheckResult(CheckName.SPECIMEN, CheckOutcome.FAILED, (reason,), tuple(found))


def accepted(result: CheckResult) -> CheckResult:
    """Return the result for a site of demonstrations and tests: a specimen is still told as one, and the check is not supported."""
    if result.check is not CheckName.SPECIMEN or result.outcome is CheckOutcome.SUCCESSFUL:
        return result
    return replace(result, outcome=CheckOutcome.NOT_SUPPORTED, reasons=(Reason(ReasonCode.SPECIMEN_ACCEPTED),))
