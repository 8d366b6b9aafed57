"""The printed zone against the chip's (DG1), element by element (TR-03135-1 §5.7.2, table 5.46)."""

from __future__ import annotations

from collections.abc import Sequence

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, Compared
from gate_agent.domain.reasons import Reason, ReasonCode

OPTIONAL_DATA = "optional_data"
_SHAPES = {(3, 30): "TD1", (2, 36): "TD2", (2, 44): "TD3"}


def compare_mrz_with_dg1(printed: Sequence[str], on_chip: Sequence[str], used_card_access_number: bool) -> CheckResult:
    """Judge whether both zones say the same.

    First match: a chip opened with its card access number: not supported; any element but the optional data differs: failed; only
    the optional data: undetermined; nothing: successful. Birth-date positions that hold a filler on either side are exempt.
    """
    check = CheckName.MRZ_AGAINST_DG1
    if used_card_access_number:
        return CheckResult(check, CheckOutcome.NOT_SUPPORTED, (Reason(ReasonCode.CARD_ACCESS_NUMBER_USED),))
    shapes = [_shape(lines) for lines in (printed, on_chip)]
    if not shapes[0]:
        return CheckResult(check, CheckOutcome.UNDETERMINED, (Reason(ReasonCode.MRZ_FORMAT_UNKNOWN),))
    if shapes[0] != shapes[1]:
        reason = Reason(ReasonCode.DG1_DIFFERS, {"field": "format"})
        compared = Compared("format", shapes[1] or "-", shapes[0])
        return CheckResult(check, CheckOutcome.FAILED, (reason,), (compared,))
    ours, theirs = (_elements(shapes[0], lines) for lines in (printed, on_chip))
    differing = [name for name in ours if not _agree(name, ours[name], theirs[name])]
    compared_values = tuple(Compared(name, theirs[name], ours[name]) for name in differing)
    found = [name for name in differing if name != OPTIONAL_DATA]
    if found:
        reasons = tuple(Reason(ReasonCode.DG1_DIFFERS, {"field": name}) for name in found)
        return CheckResult(check, CheckOutcome.FAILED, reasons, compared_values)
    if differing:
        reason = Reason(ReasonCode.DG1_OPTIONAL_DATA_DIFFERS)
        return CheckResult(check, CheckOutcome.UNDETERMINED, (reason,), compared_values)
    return CheckResult(check, CheckOutcome.SUCCESSFUL)


def _shape(lines: Sequence[str]) -> str:
    lengths = {len(line) for line in lines}
    return _SHAPES.get((len(lines), lengths.pop()), "") if len(lengths) == 1 else ""


def _elements(shape: str, lines: Sequence[str]) -> dict[str, str]:
    if shape == "TD1":
        first, second, names = lines
        number, optional = _number(first[5:14], first[14], first[15:30])
        birth, sex, expiry, nationality = second[0:6], second[7], second[8:14], second[15:18]
        optional += second[18:29]
    else:
        first, second = lines
        names = first[5:]
        number, optional = second[0:9], second[28:42]
        if shape == "TD2":
            number, optional = _number(second[0:9], second[9], second[28:35])
        nationality, birth, sex, expiry = second[10:13], second[13:19], second[20], second[21:27]
    primary, _, secondary = names.partition("<<")
    return {
        "document_code": first[0:2],
        "issuing_state": first[2:5],
        "document_number": number,
        "primary_identifier": primary.rstrip("<"),
        "secondary_identifier": secondary.rstrip("<"),
        "nationality": nationality,
        "date_of_birth": birth,
        "sex": sex,
        "date_of_expiry": expiry,
        OPTIONAL_DATA: optional,
    }


def _number(field: str, digit: str, optional: str) -> tuple[str, str]:
    """Return the document number and the optional data; a long number runs on in the latter, with its digit at the end."""
    if digit != "<" or "<" in field:
        return field, optional
    rest, _, remaining = optional.partition("<")
    return field + rest, remaining


def _agree(name: str, one: str, other: str) -> bool:
    if name != "date_of_birth":
        return one == other
    return all(left == right or "<" in (left, right) for left, right in zip(one, other, strict=True))
