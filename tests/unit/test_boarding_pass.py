"""Boarding passes: every column, every length that may lie, dates without a year; never more than a hint."""

import io
import json
import time
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent import cli
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.boarding_pass import inspect_boarding_pass
from gate_agent.inspection.boarding_pass_format import PASS_LIMIT_CHARACTERS, flight_date, issue_date
from tests.unit import seal_builders as build

TODAY = date(2026, 8, 10)


def problem(text: str) -> str:
    found = inspect_boarding_pass(text, TODAY)
    assert found.result.outcome is CheckOutcome.FAILED
    (reason,) = found.result.reasons
    assert reason.code is ReasonCode.BOARDING_PASS_MALFORMED
    assert reason.parameters["detail"] == found.boarding_pass.problem
    return found.boarding_pass.problem


@pytest.mark.shared_data
def test_published_samples_are_read_and_prove_nothing(shared_data: Path) -> None:
    samples = json.loads((shared_data / "documents" / "bcbp.json").read_text())
    assert len(samples) == 6
    found = [inspect_boarding_pass(sample, TODAY) for sample in samples]
    assert {one.result.outcome for one in found} == {CheckOutcome.UNDETERMINED}
    assert {one.result.reasons[0].code for one in found} == {ReasonCode.BOARDING_PASS_UNSIGNED}
    two_legs = found[1].boarding_pass
    assert (two_legs.primary_identifier, two_legs.secondary_identifier) == ("DESMARAIS", "LUC")
    assert [(leg.from_airport, leg.to_airport, leg.flight_date) for leg in two_legs.legs] == [
        ("YUL", "FRA", date(2026, 8, 14)),
        ("FRA", "GVA", date(2026, 8, 15)),
    ]
    assert two_legs.bag_tags == ("0014123456003",)
    assert two_legs.date_of_issue == date(2016, 8, 12), "not after tomorrow"
    assert two_legs.legs[1].items["baggage_allowance"] == "2PC"
    assert two_legs.security_characters == 100
    assert found[3].boarding_pass.legs[0].items == {
        "airline_numeric_code": "074",
        "document_serial_number": "2497067621",
    }


def test_every_column_of_a_leg() -> None:
    text = build.boarding_pass(build.leg(block=build.conditional(airline="OWN DATA")), security="A" * 40)
    found = inspect_boarding_pass(text.encode() + b"\r\n", TODAY).boarding_pass
    assert found.problem == ""
    assert found.is_electronic_ticket
    (leg,) = found.legs
    assert (leg.booking_reference, leg.operating_carrier, leg.flight_number) == ("ABC123", "HY", "0231")
    assert (leg.compartment, leg.seat, leg.check_in_sequence, leg.passenger_status) == ("Y", "012A", "0025", "1")
    assert leg.items == {"airline_numeric_code": "250", "document_serial_number": "1234567890"}
    assert found.items["issuing_carrier"] == "HY"
    assert (found.version, found.security_type, found.security_characters) == ("6", "1", 40)


def test_blank_seat_and_sequence_and_lower_case_are_no_fault() -> None:
    text = build.boarding_pass(build.leg(seat="", sequence="", reference=""), name="Eriksson/Anna").lower()
    found = inspect_boarding_pass("M" + text[1:], TODAY).boarding_pass
    assert found.problem == ""
    assert (found.primary_identifier, found.legs[0].seat, found.legs[0].check_in_sequence) == ("ERIKSSON", "", "")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "character 1"),
        ("S1", "character 1"),
        ("M5" + "X" * 60, "character 2"),
        ("M1ERIKSSON", "ends at character 10"),
        (build.boarding_pass(name=""), "character 3 is blank"),
        (build.boarding_pass()[:40], "ends at character 40, in leg 1"),
        (build.boarding_pass(build.leg(route="TA1FRA")), "departure of leg 1 at character 31"),
        (build.boarding_pass(build.leg(route="TASFR ")), "arrival of leg 1 at character 34"),
        (build.boarding_pass(build.leg(carrier="")), "carrier of leg 1 at character 37"),
        (build.boarding_pass(build.leg(flight="AB12")), "flight of leg 1 at character 40"),
        (build.boarding_pass(build.leg(day="2 6")), "day of leg 1 at character 45"),
        (build.boarding_pass(build.leg(day="000")), "day of leg 1 at character 45"),
        (build.boarding_pass(build.leg(day="367")), "day of leg 1 at character 45"),
        (build.boarding_pass(build.leg(day="366")), "day 366 of leg 1"),
        (build.boarding_pass(build.leg(seat="1-A")), "seat of leg 1 at character 49"),
        (build.boarding_pass(build.leg(sequence="??")), "sequence of leg 1 at character 53"),
        (build.boarding_pass()[:-2] + "G0", "length of the conditional block of leg 1 at character 59"),
        (build.boarding_pass()[:-2] + "05ab", "conditional block of leg 1 at character 61 ends after 2 of 5"),
        (build.boarding_pass(build.leg(block=">6ZZ")), "unique items of leg 1 at character 63"),
        (build.boarding_pass(build.leg(block=">6051W")), "unique items of leg 1 at character 63 end after 2 of 5"),
        (build.boarding_pass(build.leg(block=">600FF12")), "items of leg 1 at character 65 end after 2 of 255"),
        (build.boarding_pass(count=2), "ends at character 60, in leg 2"),
        (build.boarding_pass() + "EXTRA", "5 characters behind the last leg at character 61"),
        (build.boarding_pass() + "^1", "security data at character 63"),
        (build.boarding_pass() + "^1G0AB", "security data at character 63"),
        (build.boarding_pass() + "^105AB", "2 of 5"),
        (build.boarding_pass() + "\x00", "printable"),
        (build.boarding_pass(name="AN\u202eNA/B"), "printable"),
        ("M" * (PASS_LIMIT_CHARACTERS + 1), "longer"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, words: str) -> None:
    assert words in problem(text)


def test_what_precedes_a_fault_is_kept() -> None:
    found = inspect_boarding_pass(build.boarding_pass(build.leg(), build.leg(day="ABC")), TODAY).boarding_pass
    assert found.problem.startswith("day of leg 2")
    assert [leg.from_airport for leg in found.legs] == ["TAS"]


@pytest.mark.parametrize(
    ("day_of_year", "today", "expected"),
    [
        (1, date(2026, 12, 30), date(2027, 1, 1)),
        (365, date(2027, 1, 2), date(2026, 12, 31)),
        (226, date(2026, 8, 10), date(2026, 8, 14)),
        (366, date(2025, 1, 1), date(2024, 12, 31)),
        (366, date(2026, 8, 10), None),
        (60, date(2024, 2, 29), date(2024, 2, 29)),
        (60, date(2026, 2, 28), date(2026, 3, 1)),
        (0, date(2026, 1, 1), None),
        (1, date(1, 1, 1), date(1, 1, 1)),
        (1, date(9999, 12, 31), date(9999, 1, 1)),
    ],
)
def test_a_flight_is_in_the_nearest_year(day_of_year: int, today: date, expected: date | None) -> None:
    assert flight_date(day_of_year, today) == expected


@given(st.integers(1, 365), st.dates(date(1990, 1, 1), date(2090, 1, 1)))
def test_no_other_year_would_be_nearer(day_of_year: int, today: date) -> None:
    found = flight_date(day_of_year, today)
    assert found is not None
    assert abs(found - today) <= timedelta(days=183)


def test_a_year_s_last_digit_means_the_latest_such_year() -> None:
    assert issue_date("6225", date(2026, 8, 20)) == date(2026, 8, 13)
    assert issue_date("7001", date(2026, 12, 31)) == date(2027, 1, 1), "issued beyond the date line"
    assert issue_date("7225", date(2026, 12, 31)) == date(2017, 8, 13)
    assert issue_date("622", date(2026, 1, 1)) is None
    assert issue_date("6000", date(2026, 1, 1)) is None


TEXTS = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=200),
    st.builds(
        lambda text, at, new: text[:at] + new + text[at + len(new) :],
        st.sampled_from([
            build.boarding_pass(build.leg(block=build.conditional()), build.leg(block="0212"), security="A" * 9),
            build.boarding_pass(),
        ]),
        st.integers(0, 150),
        st.text(max_size=6),
    ),
)  # fmt: skip


@given(TEXTS, st.dates())
def test_nothing_raises_and_nothing_passes(text: str | bytes, today: date) -> None:
    found = inspect_boarding_pass(text, today)
    assert found.result.outcome in {CheckOutcome.FAILED, CheckOutcome.UNDETERMINED}
    assert (found.result.outcome is CheckOutcome.FAILED) == bool(found.boarding_pass.problem)


def test_a_flood_is_refused_at_once() -> None:
    flood = b"M1" + b"A" * (4 << 20)
    inspect_boarding_pass(flood, TODAY)
    started_s = time.process_time()
    assert inspect_boarding_pass(flood, TODAY).result.outcome is CheckOutcome.FAILED
    assert time.process_time() - started_s < 0.05


def test_the_command_answers_every_line(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [
        build.boarding_pass().encode(),
        b"",
        b"A" * 9000,
        b"<script>",
        build.boarding_pass(build.leg(day="1 2")).encode(),
    ]
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"\n".join(lines))))
    assert cli.main(["inspect", "boarding-pass", "--json", "--today", "2026-08-10"]) == 0
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [answer["result"] for answer in answers] == ["undetermined", "failed", "failed", "failed"]
    assert answers[0]["reasons"] == ["boarding_pass_unsigned"]
    assert answers[0]["fields"]["legs"][0]["flight_date"] == "2026-08-14"
    assert (answers[0]["fields"]["primary_identifier"], answers[1]["fields"]) == ("ERIKSSON", {})
    assert "of leg 1 at character" in answers[3]["problem"]
