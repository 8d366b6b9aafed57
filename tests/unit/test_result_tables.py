"""Every truth table of an inspection by TR-03135-1 that stands over families of checks, in every combination, against a closed form.

The table of tables below says where each one is tested; a table without a place fails.
"""

import re
from itertools import product
from pathlib import Path

import pytest

from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.demands import ELECTRONIC_CHECKS, OPTICAL_CHECKS
from gate_agent.domain.result_tables import (
    CHIP_CONTENT,
    FAMILY_OF,
    OPTICAL_TABLES,
    OPTIONAL,
    Family,
    OpticalTable,
    document_result,
    family_results,
)
from gate_agent.web import i18n
from gate_agent.web.guard.checks import document_worth
from gate_agent.web.lane_api_messages import CheckView

S, F, U, N, A = ALL = tuple(
    CheckOutcome(name) for name in ("successful", "failed", "undetermined", "not_supported", "aborted")
)

OF_THE_TRAVELLER = {
    CheckName.DECLARATION_TOKEN, CheckName.STAY, CheckName.WATCHLIST, CheckName.FACE_COMPARISON, CheckName.FACE_PRESENTATION,
    CheckName.FACE_WATCHLIST, CheckName.SEAL, CheckName.PASSAGE, CheckName.BOARDING_PASS,
    CheckName.ELIGIBILITY, CheckName.TRAVEL_BAN,
}  # fmt: skip


def inputs(longest: int = 4):
    for length in range(longest + 1):
        yield from product(ALL, repeat=length)


def first(values, order, otherwise):
    return next((one for one in order if one in values), otherwise)


def spectral(values):
    """F > A > anything else than S > S; nothing from nothing."""
    return first([U if one is N else one for one in values], (F, A, U, S), U)


ORACLES = {
    OpticalTable.OPTICAL: lambda v: first(v, (F, A, U, S), N),
    OpticalTable.MRZ_COMPLIANCE: lambda v: first([A if one is U else one for one in v], (F, A, S), N),
    OpticalTable.SPECTRAL_GROUP: spectral,
    OpticalTable.SPECTRAL: spectral,
    OpticalTable.VENDOR_GROUP: lambda v: first(v, (F, A, U, S, N), U),
    OpticalTable.VENDOR: lambda v: first([A if one is U else one for one in v], (F, A, S, N), S),
}
NEVER = {
    OpticalTable.OPTICAL: set(),
    OpticalTable.MRZ_COMPLIANCE: {U},
    OpticalTable.SPECTRAL_GROUP: {N},
    OpticalTable.SPECTRAL: {N},
    OpticalTable.VENDOR_GROUP: set(),
    OpticalTable.VENDOR: {U},
}


@pytest.mark.parametrize("table", OpticalTable)
def test_every_combination_of_the_optical_tables(table: OpticalTable) -> None:
    found = set()
    for values in inputs():
        result = OPTICAL_TABLES[table].of(values)
        found.add(result)
        assert result is ORACLES[table](list(values)), (table, values)
        assert OPTICAL_TABLES[table].of(values[::-1] * 2) is result
        if F in values:
            assert result is F
        elif A in values:
            assert result is A
        if result is S:
            assert set(values) <= {S, N}
    assert found == set(ALL) - NEVER[table]


def test_chip_content_in_every_combination() -> None:
    for values in inputs():
        expected = first([U if one is N else one for one in values], (F, A, U, S), U)
        assert CHIP_CONTENT.of(values) is expected


def test_every_check_is_of_one_family_or_of_the_traveller() -> None:
    assert FAMILY_OF.keys() | OF_THE_TRAVELLER == set(CheckName)
    assert not FAMILY_OF.keys() & OF_THE_TRAVELLER
    assert {check for check, family in FAMILY_OF.items() if family is Family.ELECTRONIC} == ELECTRONIC_CHECKS - {
        CheckName.MRZ_AGAINST_DG1
    }
    assert all(FAMILY_OF[check] is Family.OPTICAL for check in OPTICAL_CHECKS)


def test_the_document_in_all_combinations_of_families_that_were_inspected() -> None:
    for values in product((*ALL, None), repeat=4):
        families = {family: one for family, one in zip(Family, values, strict=True) if one is not None}
        counted = [one for family, one in families.items() if one is not N]
        expected = first(counted, (F, A, U), None)
        if expected is None:
            is_chip_missing = families.get(Family.ELECTRONIC) is N
            expected = (U if is_chip_missing else S) if counted else N
        assert document_result(families) is expected, families


@pytest.mark.parametrize("family", [Family.ELECTRONIC, Family.COMBINED, Family.SEAL])
def test_a_family_over_its_checks_in_every_combination_of_three(family: Family) -> None:
    checks = [check for check, one in FAMILY_OF.items() if one is family][:3]
    for values in product(ALL, repeat=len(checks)):
        outcomes = dict(zip(checks, values, strict=True))
        result = family_results(outcomes)[family]
        if family is Family.ELECTRONIC:
            counted = [one for check, one in outcomes.items() if check not in OPTIONAL or one is not N]
            assert result is (CHIP_CONTENT.of(counted) if counted else N)
        else:
            assert result is first(values, (F, A, U, S), N)


def test_the_optical_family_over_the_zone_and_the_page_in_every_combination() -> None:
    checks = (CheckName.MRZ_CHECK_DIGITS, CheckName.MRZ_INFRARED, CheckName.ULTRAVIOLET_DULLNESS, CheckName.SPECIMEN)
    for values in product(ALL, repeat=4):
        result = family_results(dict(zip(checks, values, strict=True)))[Family.OPTICAL]
        assert result is first(values, (F, A, U, S), N), values


def test_an_open_chip_and_one_without_means_are_optional_and_nothing_else_is() -> None:
    whole = dict.fromkeys(ELECTRONIC_CHECKS, S)
    for check in ELECTRONIC_CHECKS - {CheckName.MRZ_AGAINST_DG1}:
        result = family_results(whole | {check: N})[Family.ELECTRONIC]
        assert result is (S if check in OPTIONAL else U)
        assert family_results(whole | {check: N}, optional=frozenset())[Family.ELECTRONIC] is U


def test_nothing_aborted_or_undetermined_makes_a_document_good() -> None:
    document = dict.fromkeys(FAMILY_OF, S)
    assert document_result(family_results(document)) is S
    for check in FAMILY_OF:
        for outcome in (A, U, F):
            assert document_result(family_results(document | {check: outcome})) is outcome


def test_the_console_says_what_the_document_is_worth() -> None:
    for catalogue in i18n.load_catalogues("guard", i18n.GUARD_LANGUAGES).values():
        views = [CheckView(check=check, outcome=S, duration_ms=1.0, reasons=[], compared=[]) for check in CheckName]
        line = document_worth(views, catalogue)
        assert catalogue.text("outcome.successful") in line
        assert all(catalogue.text(f"family.{family}") in line for family in Family)
        assert document_worth([one for one in views if one.check in OF_THE_TRAVELLER], catalogue) == ""


# ---- the table of tables ---------------------------------------------------------------------------------------------------

PLACES = {
    "5.2": "test_policy_corridor_admission.py", "5.6": "test_result_tables.py", "5.7": "test_result_tables.py",
    "5.8": "test_single_checks.py", "5.12": "test_result_tables.py", "5.13": "test_result_tables.py",
    "5.15": "test_result_tables.py", "5.16": "test_result_tables.py", "5.17": "test_chip_authenticity_tables.py",
    "5.18": "test_chip_authenticity_tables.py", "5.19": "test_chip_authenticity_tables.py",
    "5.20": "test_chip_authenticity_tables.py", "5.22": "test_chip_authenticity_tables.py",
    "5.23": "test_chip_authenticity_tables.py", "5.24": "test_chip_authenticity_tables.py",
    "5.25": "test_chip_authenticity_tables.py", "5.26": "test_chip_authenticity_tables.py",
    "5.27": "test_chip_authenticity_tables.py", "5.28": "test_chip_authenticity_tables.py",
    "5.29": "test_chip_authenticity_tables.py", "5.30": "test_chip_authenticity_tables.py",
    "5.31": "test_chip_authenticity_tables.py", "5.33": "test_chip_authenticity_tables.py",
    "5.34": "test_chip_authenticity_tables.py", "5.35": "test_chip_authenticity_tables.py",
    "5.36": "test_chip_authenticity_tables.py", "5.37": "test_chip_authenticity_tables.py",
    "5.39": "test_chip_authenticity_tables.py", "5.40": "test_chip_authenticity_tables.py",
    "5.41": "test_chip_authenticity_tables.py", "5.42": "test_chip_authenticity_tables.py",
    "5.43": "test_chip_authenticity_tables.py", "5.44": "test_policy_corridor_admission.py",
    "5.45": "test_single_checks.py", "5.46": "test_states_and_dg1.py", "5.50": "test_single_checks.py",
    "5.52": "test_single_checks.py", "5.53": "test_single_checks.py", "5.54": "test_chip_authenticity_tables.py",
}  # fmt: skip
PLACES |= {f"5.{number}": "test_visible_seal_checks.py" for number in range(55, 76)}

NOT_HERE = {
    "5.1": "lights of a console: words and letters, tested with the catalogues",
    "5.4": "no picture, no zone: without one nothing is inspected",
    "5.5": "no model of documents is held", "5.9": "the page's own tests", "5.10": "the typeface is not judged",
    "5.11": "the page's own tests", "5.14": "no vendor's check is held", "5.21": "terminal authentication is not used",
    "5.32": "5.31 for one object", "5.38": "5.54 gives the trust", "5.47": "one side is read",
    "5.48": "visas are no documents of a gate", "5.49": "visas are no documents of a gate",
    "5.51": "the visual zone is not read",
}  # fmt: skip
REFERENCE = Path(__file__).parents[2].parent / "shared" / "reference" / "inspection.md"


def test_every_table_has_its_place() -> None:
    numbers = {f"5.{number}" for number in range(1, 76) if number != 3}
    assert PLACES.keys() | NOT_HERE.keys() == numbers
    assert not PLACES.keys() & NOT_HERE.keys()
    for place in set(PLACES.values()):
        assert (Path(__file__).parent / place).is_file(), place


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference pages are not beside this checkout")
def test_no_table_of_the_reference_is_forgotten() -> None:
    named = set(
        re.findall(r"(?<![§.\d])\b5\.(?:[1-9]|[1-6]\d|7[0-5])\b(?!\.\d)", REFERENCE.read_text(encoding="utf-8"))
    )
    assert named - PLACES.keys() - NOT_HERE.keys() == set()
