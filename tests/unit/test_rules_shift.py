"""`egate rules shift`: records and cases decided again under a newer rulebook; what a record does not hold is counted, never guessed."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from central_sync.messages import InspectionV1, MoneyPart
from gate_agent.cli import main
from gate_agent.cli.shift_of_records import decided_records, transactions
from gate_agent.cli.shift_tally import Decided, tallied
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.crossing import Crossing, DecidedBy, Decision, PassageOutcome
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.demands import Demands
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.selection import DRAW_RANGE, Chance, Draw, HolderHistory, InspectionOutcome, Past, WindowCounts
from gate_agent.domain.stay import Stay
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.policy.eligibility import check_eligibility
from gate_agent.policy.entitlement import Entry, entitlement
from gate_agent.policy.rulebook_comparison import RulebookComparison
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.stay_check import check_stay
from gate_agent.policy.stay_rules import Paper
from gate_agent.store import records
from tests.unit.utopian_documents import document

RAW = json.loads(packaged_rulebook_bytes())
OLD = parse_rulebook(RAW)
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
TODAY = NOW.date()
KEY = X25519PrivateKey.generate().public_key()
GATE = "UTO/demo/gate-1"
VISA = Permit(
    PermitKind.ELECTRONIC_VISA, PermitOrigin.SIGNED_LIST, "E1", "UZB", TODAY - timedelta(days=9), None, None, 3
)
OPEN_STAY = Stay(TODAY - timedelta(days=20), None, GATE)
CLOSED_STAY = Stay(TODAY - timedelta(days=90), TODAY - timedelta(days=80), GATE)
DRAW = Draw(uuid.UUID(int=1), 1, DRAW_RANGE - 1)


def changed(**rules):
    """Return the next version of the rulebook, where rules of these names (`uz_a_b` for `uz.a.b`) have other members; None takes one out."""
    body = json.loads(json.dumps(RAW)) | {"version": OLD.version + 1}
    named = {name.replace("_", "."): members for name, members in rules.items()}
    body["rules"] = [
        one | (named.get(one["id"]) or {}) for one in body["rules"] if named.get(one["id"], {}) is not None
    ]
    assert named.keys() <= {one["id"] for one in RAW["rules"]}
    return parse_rulebook(body)


def carrying(usd, mass_g=1_000, **line):
    goods = DeclaredGoods("goods", Money(usd * 100, "USD"), mass_g, **line)
    return Declaration(b"token", "D-1", NOW, NOW, Direction.ENTRY, TravelMode.AIR, (goods,))


def crossed(
    declaration=None,
    *,
    draw=DRAW,
    nationality="UTO",
    permits=(),
    direction=Direction.ENTRY,
    stays=(),
    born=date(1990, 1, 1),
    checks=(),
    inspected=(),
    book=OLD,
):
    """Return the records of one traveller as a gate keeps them."""
    holder = replace(document(1), nationality=nationality, issuing_state=nationality, date_of_birth=born)
    paper = Paper.of(holder)
    entitled = entitlement(book, Entry(nationality, TODAY, TravelMode.AIR, paper, stays, permits))
    results = (
        check_eligibility(direction, nationality, paper, TODAY, book, entitled, permits=permits),
        check_stay(direction, nationality, stays, TODAY, book, paper=paper, entitled=entitled),
        *checks,
    )
    history = HolderHistory(tuple(InspectionOutcome(TODAY - timedelta(days=9), finding) for finding in inspected))
    answer = decide(
        PolicyInput(
            direction, TravelMode.AIR, TODAY, NOW, results, holder, declaration, (), book, 1.0, 24.0,
            Demands(frozenset(), frozenset({CheckName.ELIGIBILITY})),
            chance=Chance(draw, Past(WindowCounts(1_000, 100, 50), history)),
        )
    )  # fmt: skip
    ids = (uuid.uuid4(), uuid.uuid4())
    decision = Decision(*ids, 1, direction, NOW, TODAY, DecidedBy.MACHINE, answer, results, holder, declaration)
    crossing = Crossing(
        uuid.uuid4(), ids[1], ids[0], 1, direction, NOW, TODAY, PassageOutcome.PASSED, holder, declaration, answer.corridor
    )  # fmt: skip
    told = [records.decision_content(decision, KEY, uuid.uuid4())]
    if declaration is not None:
        told.append(records.declaration_content(crossing, declaration, KEY, uuid.uuid4()))
    return told


def journal(*told):
    return [
        SimpleNamespace(source=GATE, content=lambda content=content: content)
        for contents in told
        for content in contents
    ]


def shifted(newer, *told, on=None):
    known = transactions(journal(*told), gate=None, since=None, until=None)
    found = list(decided_records(known, RulebookComparison(OLD, newer), on))
    return {line["about"]: line for line in tallied(found, 5)}


def test_a_lower_allowance_turns_green_red_and_the_rule_is_named():
    told = [crossed(carrying(400)), crossed(carrying(50)), crossed(carrying(1_500)), crossed()]
    lines = shifted(changed(uz_allowance_air_2025={"value": 30_000}), *told)
    corridor, duty = lines["corridor"], lines["duty"]
    assert (corridor["decided"], corridor["shifted"], corridor["directions"]) == (4, 1, {"green_to_red": 1})
    assert corridor["matrix"]["green"] == {"green": 2, "yellow": 0, "red": 1}
    assert corridor["matrix"]["red"]["red"] == 1
    assert corridor["because"] == {"uz.allowance.air.2025": 1}
    assert corridor["examples"] == {"green_to_red": [str(told[0][0].decision_id)]}
    assert (duty["decided"], duty["directions"]) == (3, {"more": 2})
    assert duty["sums_minor"] == {"USD": {"before": 50_000 * 3 // 10, "after": 10_000 * 3 // 10 + 120_000 * 3 // 10}}
    assert (corridor["as_recorded"], corridor["not_as_recorded"], corridor["undecided"]) == (4, 0, {})
    assert lines["eligibility"]["shifted"] == lines["admission"]["shifted"] == 0


def test_a_rule_of_next_year_moves_nothing_unless_the_day_is_asked_about():
    later = "2027-01-01"
    body = json.loads(json.dumps(RAW)) | {"version": 2}
    new = next(one for one in RAW["rules"] if one["id"] == "uz.allowance.air.2025")
    body["rules"].append(new | {"id": "uz.allowance.air.2027", "effective_from": later, "value": 30_000})
    newer, told = parse_rulebook(body), crossed(carrying(400))
    assert shifted(newer, told)["corridor"]["shifted"] == 0
    lines = shifted(newer, told, on=date.fromisoformat(later))
    assert lines["corridor"]["directions"] == {"green_to_red": 1}
    assert lines["corridor"]["because"] == {"uz.allowance.air.2027": 1}
    assert lines["corridor"]["as_recorded"] == 0  # nothing was recorded on that day
    assert RulebookComparison(OLD, newer).begins_after(TODAY) == ("uz.allowance.air.2027",)


def test_the_recorded_draw_decides_again_and_other_rules_of_trust_leave_open_only_what_hangs_on_it():
    told = [crossed(draw=replace(DRAW, value=value)) for value in (0, 60_000_000, DRAW_RANGE - 1)]
    told.append(crossed(carrying(5_000)))
    assert shifted(OLD, *told)["corridor"]["matrix"]["red"]["red"] >= 2
    lines = shifted(changed(uz_trust_trusted={"value": 100}), *told)
    corridor = lines["corridor"]
    assert corridor["decided"] + sum(corridor["undecided"].values()) == 4
    assert corridor["undecided"] == {"past_not_recorded": 1}  # between the probabilities of the trusted and the others
    assert corridor["shifted"] == 0
    window = next(one for one in RAW["rules"] if one["subject"] == "inspection_band")
    parameters = window["parameters"] | {"window_crossings": window["parameters"]["window_crossings"] + 1}
    counted = changed(**{window["id"].replace(".", "_"): {"parameters": parameters}})
    assert shifted(counted, *told)["corridor"]["undecided"] == {"past_not_recorded": 3}  # who is red by rule stays so


def test_customs_goods_and_days_abroad_go_before_the_declared_ones():
    told = crossed(carrying(100))
    found = InspectionV1(
        task_id=uuid.uuid4(),
        transaction_id=told[0].transaction_id,
        lane_id=1,
        opened_at=NOW,
        closed_at=NOW,
        officer_id="c1",
        finding="amended",
        goods=told[1].goods,
        days_abroad=0,
        duty_computed=MoneyPart(amount_minor=3_000, currency="USD"),
        rulebook_version=OLD.version,
    )
    lines = shifted(changed(uz_charge_2020={"value": 6_000}), [*told, found])
    assert lines["duty"]["sums_minor"] == {
        "USD": {"before": 3_000, "after": 6_000}
    }  # no allowance after so short a time
    assert (lines["duty"]["as_recorded"], lines["duty"]["because"]) == (1, {"uz.charge.2020": 1})
    wrong = found.model_copy(update={"duty_computed": MoneyPart(amount_minor=1, currency="USD")})
    assert shifted(OLD, [*told, wrong])["duty"]["not_as_recorded"] == 1


def test_duty_that_a_rulebook_cannot_tell_goes_to_an_officer():
    lines = shifted(changed(uz_charge_2020=None), crossed(carrying(1_500)))
    assert lines["duty"]["directions"] == {"amount_to_officer": 1}
    assert lines["duty"]["sums_minor"] == {}


def test_who_needed_no_visa_and_now_does_is_undecided_because_permits_are_sealed():
    told = crossed(nationality="JPN")
    lines = shifted(changed(uz_stay_jpn=None), told)
    assert lines["eligibility"]["undecided"] == {"permits_not_recorded": 1}
    assert lines["admission"]["undecided"] == {"permits_not_recorded": 1}


def test_who_had_no_visa_and_now_needs_none_is_released():
    told = crossed(nationality="XXB")
    assert told[0].admission == "refer"
    body = json.loads(json.dumps(RAW)) | {"version": 2}
    free = next(one for one in RAW["rules"] if one["id"] == "uz.stay.jpn")
    body["rules"].append(free | {"id": "uz.stay.xxb", "person_kind": "XXB", "effective_from": "2026-06-01"})
    lines = shifted(parse_rulebook(body), told)
    assert lines["eligibility"]["directions"] == {"undetermined_to_successful": 1}
    assert lines["admission"]["directions"] == {"refer_to_release": 1}
    assert lines["admission"]["because"] == {"uz.stay.xxb": 1}
    other = crossed(
        nationality="XXB",
        checks=(CheckResult(CheckName.EXPIRY, CheckOutcome.FAILED, (Reason(ReasonCode.DOCUMENT_EXPIRED),)),),
    )
    lines = shifted(parse_rulebook(body), other)
    assert lines["admission"]["matrix"] == {"release": {"release": 0, "refer": 0}, "refer": {"release": 0, "refer": 1}}


def test_a_document_that_is_accepted_no_longer_is_referred():
    lines = shifted(changed(uz_document_passport={"value": 0}), crossed())
    assert lines["eligibility"]["directions"] == {"successful_to_failed": 1}
    assert lines["admission"]["directions"] == {"release_to_refer": 1}
    assert lines["admission"]["because"] == {"uz.document.passport": 1}


def test_ages_and_stays_are_not_guessed():
    lines = shifted(changed(uz_declaration_age={"value": 40}), crossed())
    assert lines["admission"]["undecided"] == {"age_not_recorded": 1}
    leaving = crossed(direction=Direction.EXIT)
    lines = shifted(changed(uz_stay_uto={"value": 10}), leaving)
    assert lines["admission"]["matrix"]["refer"]["refer"] + sum(lines["admission"]["undecided"].values()) == 1


def test_records_of_another_version_are_decided_but_prove_nothing_sealed():
    told = crossed(carrying(400), book=replace(OLD, version=9))
    lines = shifted(changed(uz_allowance_air_2025={"value": 30_000}), told)
    assert lines["corridor"]["directions"] == {"green_to_red": 1}
    assert lines["corridor"]["as_recorded"] == lines["corridor"]["not_as_recorded"] == 0
    assert lines["admission"]["undecided"] == {"age_not_recorded": 1}


def test_what_the_records_lack_is_counted():
    bare, unused, child = crossed(carrying(400)), crossed(carrying(400)), crossed()
    bare[0] = bare[0].model_copy(update={"corridor_inputs": None})
    child[0] = child[0].model_copy(update={"linked_to": uuid.uuid4()})
    lines = shifted(OLD, bare, unused[:1], child)
    missing = {"declaration_not_recorded": 1, "inputs_not_recorded": 1, "stands_with_adult": 1}
    assert lines["corridor"]["undecided"] == missing
    assert lines["duty"]["undecided"] == {"declaration_not_recorded": 1, "inputs_not_recorded": 1}


travellers = st.fixed_dictionaries(
    {
        "declaration": st.none() | st.builds(carrying, st.integers(0, 3_000), st.integers(0, 90_000)),
        "draw": st.none() | st.integers(0, DRAW_RANGE - 1).map(lambda value: replace(DRAW, value=value)),
        "nationality": st.sampled_from(["UTO", "JPN", "UZB", "XXB", "KGZ"]),
        "direction": st.sampled_from(list(Direction)),
        "born": st.sampled_from([date(1990, 1, 1), date(2015, 1, 1)]),
        "permits": st.sampled_from([(), (VISA,)]),
        "stays": st.sampled_from([(), (OPEN_STAY,), (CLOSED_STAY,)]),
        "inspected": st.lists(st.sampled_from(list(InspectionFinding)), max_size=4),
    }
)
newer_books = st.sampled_from(
    [
        changed(uz_allowance_air_2025={"value": 30_000}, uz_export_air_2025={"value": 10_000}),
        changed(uz_charge_2020=None),
        changed(uz_document_passport={"value": 0}),
        changed(uz_stay_jpn=None),
        changed(uz_stay_uto={"value": 10}),
        changed(uz_visa={"value": 0}),
        changed(uz_declaration_age={"value": 40}),
        changed(uz_trust_trusted={"value": 50, "parameters": {"factor_basis_points": 100, "least_inspections": 1}}),
        changed(uz_frequent=None),
    ]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(travellers, max_size=4))
def test_under_the_same_rules_nothing_shifts_and_everything_is_as_recorded(people):
    for line in shifted(replace(OLD, version=2), *(crossed(**one) for one in people)).values():
        assert (line["shifted"], line["not_as_recorded"], line["because"]) == (0, 0, {})
        assert line["undecided"] == {}


@settings(max_examples=300, deadline=None)
@given(travellers, newer_books)
def test_what_is_decided_is_what_a_gate_with_the_newer_rulebook_decides(person, newer):
    """The same traveller before two gates: one keeps the record, the other has the newer rulebook, and knows all that is sealed."""
    told, other = crossed(**person), crossed(**person, book=newer)
    known = transactions(journal(told), gate=None, since=None, until=None)
    for one in decided_records(known, RulebookComparison(OLD, newer)):
        if isinstance(one, Decided) and one.about != "duty":
            before, after = (answered(record[0])[one.about] for record in (told, other))
            assert (one.before, one.after) == (before, after)
            assert bool(one.because) == (before != after)


def answered(decision):
    outcomes = {check.check: check.outcome for check in decision.checks}
    return {"corridor": decision.corridor, "admission": decision.admission, "eligibility": outcomes["eligibility"]}


def ask(capsys, *words):
    code = main([str(word) for word in words])
    printed = capsys.readouterr()
    return code, [json.loads(line) for line in printed.out.splitlines()], printed.err


@pytest.fixture
def books(tmp_path):
    older, newer = tmp_path / "old.json", tmp_path / "new.json"
    older.write_text(json.dumps(RAW))
    rules = [one | {"value": 30_000} if one["id"] == "uz.allowance.air.2025" else one for one in RAW["rules"]]
    newer.write_text(json.dumps(RAW | {"version": 2, "rules": rules}))
    return older, newer


def test_cases_are_asked_of_both_files(tmp_path, books, capsys):
    goods = {"mode": "air", "date": "2026-12-01", "days_abroad": 5, "goods": [{"value_usd": "400", "mass_kg": "1"}]}
    cash = {"id": "cash", "question": "corridor", "mode": "air", "date": "2026-12-01"}
    enters = {
        "id": "enters",
        "question": "eligibility",
        "direction": "entry",
        "date": "2026-12-01",
        "nationality": "JPN",
    }
    lines = [goods, {**goods, "id": "again", "question": "corridor"}, cash, enters]
    cases = tmp_path / "cases.jsonl"
    cases.write_text("\n\n".join(map(json.dumps, lines)))
    code, (head, corridor, duty, eligibility, admission), _ = ask(capsys, "rules", "shift", *books, "--cases", cases)
    assert (code, head["cases"], head["older"], head["newer"]) == (0, 4, 1, 2)
    assert (corridor["decided"], corridor["examples"]) == (2, {"green_to_red": ["again"]})
    assert (duty["examples"], duty["sums_minor"]) == ({"more": ["1"]}, {"USD": {"before": 0, "after": 3_000}})
    assert duty["because"] == {"uz.allowance.air.2025": 1}
    assert (eligibility["decided"], eligibility["shifted"], admission["decided"]) == (1, 0, 0)


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ('{"mode": "air", "date": "2026-12-01", "good": []}', "case 2: duty: not known: good"),
        ('{"question": "stay"}', "case 2: question"),
        ('{"id": 7}', "case 2: id"),
        ("[", "case 2: "),
        ('{"mode": "air", "date": "2026-12-01", "goods": [{"kind": "unicorn", "value_usd": "1"}]}', "case 2: kind"),
    ],
)
def test_a_case_that_is_none_is_named_by_its_line(tmp_path, books, capsys, case, told):
    cases = tmp_path / "cases.jsonl"
    cases.write_text(f"\n{case}\n")
    code, lines, error = ask(capsys, "rules", "shift", *books, "--cases", cases)
    assert (code, lines) == (3, [])
    assert told in error


def test_a_kind_that_only_one_file_knows_is_undecided(tmp_path, books, capsys):
    older, newer = books
    body = json.loads(newer.read_text())
    body["goods_kinds"].append({"kind": "unicorn", "unit": "piece"})
    newer.write_text(json.dumps(body))
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"mode": "air", "date": "2026-12-01", "goods": [{"kind": "unicorn", "value_usd": "1"}]}')
    _, lines, _ = ask(capsys, "rules", "shift", older, newer, "--cases", cases)
    assert lines[2]["undecided"] == {"goods_kind_unknown": 1}


def test_shift_needs_two_files_and_something_to_decide(books, capsys):
    assert ask(capsys, "rules", "shift", *books)[0] == 3
    assert ask(capsys, "rules", "shift", books[0], "--cases", "-")[0] == 3
    assert ask(capsys, "rules", "shift", *books, "--cases", "-", "--examples", "-1")[0] == 3
