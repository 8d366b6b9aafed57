"""Single checks of the zone, the portrait and the seal in every combination of what they can meet (TR-03135-1 5.8, 5.45, 5.50, 5.52, 5.53)."""

import calendar
from dataclasses import dataclass, replace
from datetime import date
from itertools import product

import pytest

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.document_checks import check_expiry, check_mrz_digits
from gate_agent.domain.mrz import check_digit, read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.inspection.visible_seal_comparison import against_passport, against_person, against_zone
from gate_agent.lane.face.printed import judge
from models.results import ComparisonDecision, FaceFinding

S, F, U, N = (CheckOutcome(name) for name in ("successful", "failed", "undetermined", "not_supported"))
TODAY = date(2026, 6, 15)
TD3 = ("P<UZBKARIMOV<<ANVAR<BOTIR".ljust(44, "<"), "FA12345671UZB9001011M3101013PIN42<<<<<<<<<")
TD1_BODY = ("I<UZBAD12345670", "9001011M3101013UZB", "KARIMOV<<ANVAR".ljust(30, "<"))


def td3(expiry: str = "310101", wrong: frozenset[str] = frozenset()) -> tuple[str, str]:
    """A zone whose named digits are wrong; the composite is over what is printed."""

    def digit(name: str, text: str) -> str:
        return str((int(check_digit(text)) + (name in wrong)) % 10)

    number, birth, optional = "FA1234567", "900101", "PIN42".ljust(14, "<")
    second = f"{number}{digit('document_number', number)}UZB{birth}{digit('date_of_birth', birth)}M"
    second += f"{expiry}{digit('date_of_expiry', expiry)}{optional}{digit('optional_data', optional)}"
    return TD3[0], second + digit("composite", second[0:10] + second[13:20] + second[21:43])


def td1(wrong: frozenset[str]) -> tuple[str, str, str]:
    def digit(name: str, text: str) -> str:
        return str((int(check_digit(text)) + (name in wrong)) % 10)

    first = f"I<UZBAD1234567{digit('document_number', 'AD1234567')}".ljust(30, "<")
    second = f"900101{digit('date_of_birth', '900101')}M310101{digit('date_of_expiry', '310101')}UZB".ljust(29, "<")
    composite = digit("composite", first[5:30] + second[0:7] + second[8:15] + second[18:29])
    return first, second + composite, TD1_BODY[2]


@pytest.mark.parametrize(
    ("make", "fields"),
    [
        (lambda wrong: td3(wrong=wrong), ("document_number", "date_of_birth", "date_of_expiry", "optional_data", "composite")),
        (td1, ("document_number", "date_of_birth", "date_of_expiry", "composite")),
    ],
    ids=["TD3", "TD1"],
)  # fmt: skip
def test_5_8_check_digits_in_every_combination(make, fields: tuple[str, ...]) -> None:
    for bits in product((False, True), repeat=len(fields)):
        wrong = frozenset(field for field, is_wrong in zip(fields, bits, strict=True) if is_wrong)
        result = check_mrz_digits(read_mrz(make(wrong), TODAY))
        assert result.outcome is (F if wrong else S)
        assert {reason.parameters["field"] for reason in result.reasons} == wrong
        assert {one.name for one in result.compared} == wrong


@pytest.mark.parametrize("today", [TODAY, date(2026, 1, 1), date(2026, 12, 31), date(2028, 2, 29), date(2099, 6, 1)])
def test_5_45_every_two_digit_year_and_the_days_that_matter(today: date) -> None:
    for year, day in product(range(100), ("0101", "0228", "0229", "0230", "1231", f"{today:%m%d}", "06<<", "<<<<")):
        text = f"{year:02d}{day}"
        document = read_mrz(td3(expiry=text), today).document
        assert document is not None
        ahead = [one for one in range(today.year, today.year + 16) if one % 100 == year]
        full = ahead[0] if ahead else max(one for one in range(today.year - 99, today.year) if one % 100 == year)
        is_day = day.isdigit() and int(day[2:]) <= calendar.monthrange(full, int(day[:2]))[1]
        if not is_day:
            assert document.date_of_expiry is None
            assert check_expiry(document, today).outcome is U
            continue
        expected = date(full, int(day[:2]), int(day[2:]))
        assert document.date_of_expiry == expected
        assert check_expiry(document, today).outcome is (S if expected >= today else F)


# ---- 5.52 ------------------------------------------------------------------------------------------------------------------


@dataclass
class Sample:
    finding: FaceFinding


@dataclass
class Comparison:
    decision: ComparisonDecision
    comparison_score: float = 0.5
    threshold: float = 0.5


@dataclass
class Look:
    sample: Sample
    comparison: Comparison | None


def test_5_52_the_printed_portrait_in_every_combination() -> None:
    of_decision = dict(zip(ComparisonDecision, (S, F, U), strict=True))
    for finding, decision in product(FaceFinding, (*ComparisonDecision, None)):
        look = Look(Sample(finding), Comparison(decision) if decision is not None else None)
        result = judge(look)  # type: ignore[arg-type] # the three things that are looked at
        expected = of_decision[decision] if finding is FaceFinding.FOUND and decision is not None else U
        assert result.outcome is expected
        assert bool(result.reasons) is (expected is not S)


# ---- 5.50, 5.53 ------------------------------------------------------------------------------------------------------------


def document() -> TravelDocument:
    found = read_mrz(td3(), TODAY).document
    assert found is not None
    return found


OTHERS = {
    "document_number": {"document_number": "FA1234568"},
    "issuing_state": {"issuing_state": "KAZ"},
    "nationality": {"nationality": "KAZ"},
    "date_of_birth": {"date_of_birth_text": "900102"},
    "sex": {"sex": "F"},
    "date_of_expiry": {"date_of_expiry": date(2031, 1, 2)},
    "primary_identifier": {"primary_identifier": "KARIMOVA"},
    "secondary_identifier": {"secondary_identifier": "ANVARA"},
}


def test_5_53_a_sealed_zone_against_the_printed_one_in_every_combination() -> None:
    for bits in product((False, True), repeat=len(OTHERS)):
        differing = {name for name, differs in zip(OTHERS, bits, strict=True) if differs}
        changes = {key: value for name in differing for key, value in OTHERS[name].items()}
        outcome, reasons = against_zone(document(), replace(document(), **changes))
        assert outcome is (F if differing else S)
        assert {reason.parameters["field"] for reason in reasons} == differing
        assert {reason.code for reason in reasons} <= {ReasonCode.VISIBLE_SEAL_DIFFERS}
    for one, other in ((None, document()), (document(), None), (None, None)):
        assert against_zone(one, other) == (N, ())


PERSON = {
    "document_number": ("FA1234567", "FA1234568"), "date_of_birth": ("1990-01-01", "1990-01-02"), "sex": ("M", "F"),
    "name": ("Каримов", "Алиев"),
}  # fmt: skip


def test_5_53_a_person_in_a_seal_against_the_printed_zone_in_every_combination() -> None:
    for states in product((None, 0, 1), repeat=len(PERSON)):
        held = {name: state for name, state in zip(PERSON, states, strict=True) if state is not None}
        fields = {name: PERSON[name][state] for name, state in held.items()}
        if "name" in fields:
            fields["primary_identifier"], fields["secondary_identifier"] = fields.pop("name"), "Анвар"
        outcome, reasons = against_person(fields, document())
        differing = {name for name, state in held.items() if state}
        assert outcome is (N if not held else F if differing else S)
        assert {reason.parameters["field"] for reason in reasons} == differing
    assert against_person({"sex": "M"}, None) == (N, ())


@pytest.mark.parametrize(
    ("sealed", "is_there", "outcome"),
    [("FA1234567", True, S), ("FA1234567<", True, S), ("FA1234568", True, F), ("", True, N), ("FA1234567", False, N), ("", False, N)],
)  # fmt: skip
def test_5_50_the_passport_number_in_a_visa_s_seal(sealed: str, is_there: bool, outcome: CheckOutcome) -> None:
    assert against_passport(sealed, document() if is_there else None)[0] is outcome
