"""Specimens and unknown states: what a zone or a certificate says, what a site accepts, and that the machine never lets one through else."""

import json
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.crossing import Admission
from gate_agent.domain.document_checks import check_state_codes
from gate_agent.domain.mrz import check_digit, read_mrz
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.specimens import accepted, check_specimen, check_test_authority
from gate_agent.domain.states import NATIONALITY_CODES, STATE_CODES
from gate_agent.domain.transaction_state import Phase
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.lane.demands import demands_of
from gate_agent.settings import DocumentSettings, Settings
from tests.unit.test_lane_controller import lane

S, F, U, N = (CheckOutcome(name) for name in ("successful", "failed", "undetermined", "not_supported"))
TODAY = date(2026, 6, 15)
SPECIMENS = Path(__file__).parents[2].parent / "shared" / "data" / "documents" / "mrz.json"


def zone(
    state: str = "UZB", nationality: str = "", number: str = "FA1234567", names: str = "KARIMOV<<ANVAR"
) -> tuple[str, ...]:
    number, birth, expiry = number.ljust(9, "<"), "900101", "310101"
    second = number + check_digit(number) + (nationality or state).ljust(3, "<") + birth + check_digit(birth) + "M"
    second += expiry + check_digit(expiry) + "<" * 14 + "0"
    composite = check_digit(second[0:10] + second[13:20] + second[21:43])
    return f"P<{state.ljust(3, '<')}{names}".ljust(44, "<"), second + composite


def document(**changes: str) -> TravelDocument:
    found = read_mrz(zone(**changes), TODAY).document
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("changes", "outcome", "code", "signs"),
    [
        ({}, S, None, set()),
        ({"state": "UTO"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"issuing_state", "nationality"}),
        ({"nationality": "UTO"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"nationality"}),
        ({"names": "SPECIMEN<<ANNA"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"name"}),
        ({"names": "VZOR<<SPECIMEN"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"name"}),
        ({"names": "OBRAZETS<<IVAN"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"name"}),
        ({"names": "SPECIMENOV<<ANNA"}, S, None, set()),
        ({"names": "MUSTERMANN<<ERIKA", "state": "D"}, U, ReasonCode.SPECIMEN_SUSPECTED, set()),
        ({"names": "MUSTER<<HANS", "state": "CHE"}, S, None, set()),
        ({"number": "LZ6311T47", "state": "D"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"document_number"}),
        ({"number": "LZ6311T47", "state": "FRA"}, S, None, set()),
        ({"number": "SPECI2014", "state": "NLD"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"document_number"}),
        ({"number": "SPECI201", "state": "NLD"}, S, None, set()),
        ({"number": "L898902C3"}, F, ReasonCode.SPECIMEN_DOCUMENT, {"document_number"}),
    ],
)
def test_what_a_zone_says_of_itself(
    changes: dict[str, str], outcome: CheckOutcome, code: ReasonCode | None, signs: set[str]
) -> None:
    result = check_specimen(document(**changes))
    assert (result.check, result.outcome) == (CheckName.SPECIMEN, outcome)
    assert [reason.code for reason in result.reasons] == ([] if code is None else [code])
    assert {one.name for one in result.compared} == signs


@pytest.mark.parametrize(
    "entry", json.loads(SPECIMENS.read_text())["mrz"] if SPECIMENS.is_file() else [], ids=lambda e: e["src"]
)
def test_published_specimens_never_pass(entry: dict) -> None:
    found = read_mrz(entry["lines"], TODAY).document
    assert found is not None
    if found.primary_identifier == "REINARTZ":  # a specimen that nothing in its zone tells from a document
        return
    assert check_specimen(found).outcome is not S


@pytest.mark.parametrize(
    ("names", "country", "is_for_tests"),
    [
        ({"signer": "uz; state; document signer 12", "issuer": "uz; state; csca"}, "UZ", False),
        ({"signer": "ut; utopia; ds", "issuer": "ut; utopia; csca"}, "UT", True),
        ({"signer": "de; state; ds 1", "issuer": "de; state; test csca germany"}, "DE", True),
        ({"signer": "de; state; specimen-signer", "issuer": "de; state; csca"}, "DE", True),
        ({"signer": "fr; gouv; contestable ds", "issuer": "fr; gouv; attestation csca"}, "FR", False),
        ({"signer": "", "issuer": ""}, "", False),
    ],
)
def test_what_a_certificate_says_of_itself(names: dict[str, str], country: str, is_for_tests: bool) -> None:
    result = check_test_authority(names, country)
    assert (result is not None) is is_for_tests
    if result is not None:
        assert (result.outcome, result.reasons[0].code) == (F, ReasonCode.SPECIMEN_CERTIFICATE)


@pytest.mark.parametrize("outcome", CheckOutcome)
def test_a_site_that_accepts_specimens_still_says_what_they_are(outcome: CheckOutcome) -> None:
    result = CheckResult(CheckName.SPECIMEN, outcome, (Reason(ReasonCode.SPECIMEN_DOCUMENT),))
    told = accepted(result)
    assert told.outcome is (S if outcome is S else N)
    assert outcome is S or [reason.code for reason in told.reasons] == [ReasonCode.SPECIMEN_ACCEPTED]
    other = CheckResult(CheckName.EXPIRY, outcome)
    assert accepted(other) is other


@given(st.sampled_from(sorted(STATE_CODES)), st.sampled_from(sorted(NATIONALITY_CODES)))
def test_codes_of_the_table_are_known(state: str, nationality: str) -> None:
    assert check_state_codes(document(state=state, nationality=nationality)).outcome is S


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ<", min_size=3, max_size=3))
def test_a_code_that_stands_in_no_table_is_undetermined_and_never_a_pass(code: str) -> None:
    bare = code.rstrip("<")
    result = check_state_codes(document(state=code, nationality="UZB"))
    assert result.outcome is (S if bare in STATE_CODES else U)
    assert {reason.code for reason in result.reasons} <= {ReasonCode.STATE_CODE_UNKNOWN}
    result = check_state_codes(document(state="UZB", nationality=code))
    assert result.outcome is (S if bare in NATIONALITY_CODES else U)


@pytest.mark.parametrize("code", ["XXA", "IAO", "QQQ", "ZZZ", "AAA", "XXX", "<<<", "U1B"])
def test_codes_for_people_and_for_nobody_issue_nothing(code: str) -> None:
    result = check_state_codes(document(state=code, nationality="UZB"))
    assert (result.outcome, result.reasons[0].parameters) == (U, {"code": code.strip("<") or "-"})


def test_specimens_are_demanded_against_before_entry_and_accepted_by_a_setting_only() -> None:
    assert DocumentSettings().accept_specimens is False
    assert Settings().document.accept_specimens is False
    lanes = {"lane_id": 1, "document_reader": "a", "camera": "b", "barrier": "c"}
    devices = [{"name": name, "driver": "x"} for name in "abc"]
    for accepts in (False, True):
        settings = Settings(lane=[lanes], device=devices, document={"accept_specimens": accepts})
        demands = demands_of(settings, settings.lane[0])
        assert {CheckName.SPECIMEN, CheckName.STATE_CODES} <= demands.before_entry
        for outcome in CheckOutcome:
            clear = {S, N} if accepts else {S}
            assert demands.is_clear(CheckResult(CheckName.SPECIMEN, outcome)) is (outcome in clear)
            assert demands.is_clear(CheckResult(CheckName.STATE_CODES, outcome)) is (outcome is S)


async def test_a_production_lane_refers_a_specimen_and_the_demo_s_lets_it_in() -> None:
    for accepts in (False, True):
        async with lane(document={"accept_specimens": accepts}) as walk:
            await walk.present()
            assert walk.house.entrances == int(accepts)
            if not accepts:
                assert walk.phase is Phase.REFERRED
                answer = walk.house.decisions[0].answer
                assert answer.admission is Admission.REFER
                assert answer.admission_reasons[0].code is ReasonCode.SPECIMEN_DOCUMENT


async def test_an_unknown_issuer_is_referred_with_its_code() -> None:
    async with lane() as walk:
        await walk.present(issuing_state="QQQ", nationality="UZB")
        assert walk.phase is Phase.REFERRED
        reasons = walk.house.decisions[0].answer.admission_reasons
        assert Reason(ReasonCode.STATE_CODE_UNKNOWN, {"code": "QQQ"}) in reasons
