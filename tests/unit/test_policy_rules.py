"""Rules as dated data: the worked examples, both sides of each boundary day, and the truth table of admission."""

import itertools
import json
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.crossing import Admission, Corridor
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.demands import Demands
from gate_agent.domain.money import Money
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.domain.selection import DRAW_RANGE, Chance, Draw
from gate_agent.domain.stay import Stay
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.policy.cash import cash
from gate_agent.policy.corridor import corridor
from gate_agent.policy.duty import duty
from gate_agent.policy.eligibility import not_served
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook import Rule, RuleNotFound
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.stay_check import check_stay

BODY = packaged_rulebook_bytes()
RULEBOOK = parse_rulebook(json.loads(BODY))
NOW = datetime(2026, 6, 15, 9, tzinfo=UTC)
TODAY = NOW.date()
PASSPORT = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")
DOCUMENT = read_mrz(PASSPORT, TODAY).document
S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED


def goods(usd: int, kg: int = 1) -> tuple[DeclaredGoods, ...]:
    return (DeclaredGoods("goods", Money(usd * 100, "USD"), kg * 1000),)


# ---- allowances and charge (B1) -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "allowance", "excess", "due"), [("2025-04-30", 200000, 0, 0), ("2025-05-01", 100000, 20000, 6000)]
)
def test_the_worked_example_of_the_charge(day: str, allowance: int, excess: int, due: int) -> None:
    answer = duty(RULEBOOK, Direction.ENTRY, TravelMode.AIR, date.fromisoformat(day), goods(1200, 10), days_abroad=5)
    assert answer.allowance == Money(allowance, "USD")
    assert answer.excess == Money(excess, "USD")
    assert answer.due == Money(due, "USD")
    amounts = {line.name: line.amount for line in answer.lines}
    if due:
        assert (amounts["charge_on_excess"], amounts["charge_floor"]) == (6000, 500)


def test_the_floor_wins_over_heavy_cheap_goods() -> None:
    answer = duty(RULEBOOK, Direction.ENTRY, TravelMode.ROAD, TODAY, goods(400, 100), days_abroad=5)
    assert answer.due == Money(7500, "USD")  # 100 USD over: 30.00 by value, 25 kg at 3 USD by mass


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("air", 200000, 100000),
        ("rail", 100000, 50000),
        ("river", 100000, 50000),
        ("road", 30000, 30000),
        ("foot", 30000, 30000),
    ],
)
def test_both_sides_of_the_day_the_allowance_changed(mode: str, before: int, after: int) -> None:
    for day, value in ((date(2025, 4, 30), before), (date(2025, 5, 1), after)):
        rule = RULEBOOK.find("value_allowance", day, direction="entry", mode=mode)
        assert isinstance(rule, Rule)
        assert rule.value == value


def test_both_sides_of_the_export_limit() -> None:
    values = [
        RULEBOOK.find("value_allowance", day, direction="exit", mode="air")
        for day in (date(2025, 4, 30), date(2025, 5, 1))
    ]
    assert [rule.value for rule in values if isinstance(rule, Rule)] == [300000, 500000]


@pytest.mark.parametrize(
    ("day", "mode", "days", "allowance"),
    [
        ("2025-07-19", "air", 2, 100000),
        ("2025-07-20", "air", 2, 0),
        ("2025-07-20", "air", 3, 100000),
        ("2025-07-20", "rail", 1, 0),
        ("2025-07-20", "rail", 2, 50000),
        ("2025-07-20", "foot", 1, 0),
    ],
)
def test_a_short_absence_leaves_no_allowance(day: str, mode: str, days: int, allowance: int) -> None:
    answer = duty(RULEBOOK, Direction.ENTRY, TravelMode(mode), date.fromisoformat(day), goods(200), days_abroad=days)
    assert answer.allowance.amount_minor == allowance
    assert answer.excess.amount_minor == max(0, 20000 - allowance)


def test_before_the_first_rule_an_officer_decides() -> None:
    answer = duty(RULEBOOK, Direction.ENTRY, TravelMode.AIR, date(2018, 1, 31), goods(1))
    assert [rule.subject for rule in answer.missing] == ["value_allowance"]
    assert isinstance(RULEBOOK.find("cash_declaration", date(2020, 7, 31)), RuleNotFound)


@given(
    st.lists(st.tuples(st.integers(0, 500_000), st.integers(0, 50_000)), min_size=1, max_size=6),
    st.integers(0, 500_000),
)
def test_more_value_never_costs_less_and_due_stays_below_all_at_once(lines: list[tuple[int, int]], more: int) -> None:
    basket = [DeclaredGoods("goods", Money(value, "USD"), mass) for value, mass in lines]
    first = duty(RULEBOOK, Direction.ENTRY, TravelMode.AIR, TODAY, basket)
    second = duty(
        RULEBOOK, Direction.ENTRY, TravelMode.AIR, TODAY, [*basket, DeclaredGoods("goods", Money(more, "USD"), 0)]
    )
    assert 0 <= first.due.amount_minor <= second.due.amount_minor + 1  # one cent of rounding
    assert first.due.currency == "USD"
    assert (first.due.amount_minor == 0) or first.excess.amount_minor > 0
    reordered = duty(RULEBOOK, Direction.ENTRY, TravelMode.AIR, TODAY, basket[::-1])
    assert reordered.due == first.due


# ---- cash (B2) ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "uzs", "over"),
    [
        ("2023-12-05", 70_000_000, False),
        ("2023-12-05", 70_000_001, True),
        ("2023-12-06", 100_000_000, False),
        ("2023-12-06", 100_000_001, True),
    ],
)
@pytest.mark.parametrize("direction", list(Direction))
def test_cash_is_declared_above_the_limit_not_at_it(day: str, uzs: int, over: bool, direction: Direction) -> None:
    on = date.fromisoformat(day)
    assert cash(RULEBOOK, direction, on, [Money(uzs * 100, "UZS")]).is_over is over


def test_national_and_foreign_cash_are_added() -> None:
    half = Money(50_000_000_00, "UZS")
    dollars = Money(3_868_00, "USD")  # 3868 x 12 927.17 = 50 002 293.56 UZS
    assert not cash(RULEBOOK, Direction.ENTRY, TODAY, [half]).is_over
    assert not cash(RULEBOOK, Direction.ENTRY, TODAY, [dollars]).is_over
    both = cash(RULEBOOK, Direction.ENTRY, TODAY, [half, dollars])
    assert both.is_over
    assert both.total == Money(50_000_000_00 + 50_002_293_56, "UZS")
    assert [rate.on for rate in both.rates] == [date(2025, 4, 25)]


def test_a_currency_without_a_rate_is_named() -> None:
    answer = cash(RULEBOOK, Direction.ENTRY, TODAY, [Money(1, "XTS"), Money(100_000_001_00, "UZS")])
    assert answer.currencies_without_rate == ("XTS",)
    assert answer.is_over


# ---- corridor -----------------------------------------------------------------------------------------------------------


def declared(**content: object) -> Declaration:
    return Declaration(b"t", "R", NOW, NOW + timedelta(1), Direction.ENTRY, TravelMode.AIR, **content)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("declaration", "seals", "colour", "code"),
    [
        (None, (), Corridor.GREEN, ReasonCode.NOTHING_DECLARED),
        (declared(), (), Corridor.GREEN, ReasonCode.NOTHING_DECLARED),
        (declared(goods=goods(1000)), (), Corridor.GREEN, ReasonCode.DECLARED_WITHIN_ALLOWANCE),
        (declared(goods=goods(1001)), (), Corridor.RED, ReasonCode.VALUE_OVER_ALLOWANCE),
        (declared(cash=(Money(1_500_000, "USD"),)), (), Corridor.RED, ReasonCode.CASH_OVER_THRESHOLD),
        (declared(cash=(Money(100, "XTS"),)), (), Corridor.YELLOW, ReasonCode.CASH_RATE_MISSING),
        (declared(), (SealReport("7", SealState.TAMPERED, "rope_cut", NOW),), Corridor.RED, ReasonCode.SEAL_TAMPERED),
        (declared(), (SealReport("7", SealState.UNKNOWN, "", NOW),), Corridor.YELLOW, ReasonCode.SEAL_SILENT),
        (declared(), (SealReport("7", SealState.INTACT, "", NOW),), Corridor.GREEN, ReasonCode.NOTHING_DECLARED),
    ],
)
def test_the_corridor_and_its_first_reason(
    declaration: Declaration | None, seals: tuple[SealReport, ...], colour: Corridor, code: ReasonCode
) -> None:
    answer = corridor(RULEBOOK, Direction.ENTRY, TravelMode.AIR, TODAY, declaration, seals)
    assert (answer.corridor, answer.reasons[0].code) == (colour, code)


def test_red_hides_behind_no_number_of_yellows() -> None:
    seals = tuple(SealReport(str(n), SealState.UNKNOWN, "", NOW) for n in range(9))
    tampered = SealReport("9", SealState.TAMPERED, "rope_cut", NOW)
    answer = corridor(RULEBOOK, Direction.ENTRY, TravelMode.AIR, TODAY, declared(), (*seals, tampered))
    assert answer.corridor is Corridor.RED
    assert len(answer.reasons) == 5
    assert answer.reasons[0].code is ReasonCode.SEAL_TAMPERED


def test_without_a_rule_nothing_is_green() -> None:
    answer = corridor(RULEBOOK, Direction.ENTRY, TravelMode.AIR, date(2017, 1, 1), declared(goods=goods(1)))
    assert answer.corridor is Corridor.YELLOW
    assert answer.reasons[0].code is ReasonCode.RULE_NOT_FOUND


# ---- admission ----------------------------------------------------------------------------------------------------------

MANDATORY = frozenset(
    {CheckName.MRZ_CHECK_DIGITS, CheckName.EXPIRY, CheckName.WATCHLIST, CheckName.STAY, CheckName.FACE_COMPARISON}
)


def known(checks: tuple[CheckResult, ...], **changes: object) -> PolicyInput:
    fields: dict[str, object] = {
        "direction": Direction.ENTRY,
        "mode": TravelMode.AIR,
        "local_date": TODAY,
        "now": NOW,
        "checks": checks,
        "document": DOCUMENT,
        "declaration": None,
        "seals": (),
        "rulebook": RULEBOOK,
        "watchlist_age_h": 1.0,
        "watchlist_age_limit_h": 72.0,
        "demands": Demands(frozenset(), MANDATORY),
        "chance": Chance(Draw(uuid.UUID(int=0), 1, DRAW_RANGE - 1)),  # nobody is drawn
    }
    return PolicyInput(**(fields | changes))  # type: ignore[arg-type]


def results(outcomes: tuple[CheckOutcome, ...]) -> tuple[CheckResult, ...]:
    return tuple(CheckResult(name, outcome) for name, outcome in zip(sorted(MANDATORY), outcomes, strict=True))


def test_only_proof_releases_in_the_whole_truth_table() -> None:
    released = 0
    for outcomes in itertools.product(CheckOutcome, repeat=len(MANDATORY)):
        answer = decide(known(results(outcomes)))
        proven = set(outcomes) == {S}
        assert (answer.admission is Admission.RELEASE) is proven, outcomes
        assert 1 <= len(answer.admission_reasons) <= 5
        released += proven
    assert released == 1


@pytest.mark.parametrize("missing", sorted(MANDATORY))
def test_a_missing_check_refers(missing: CheckName) -> None:
    checks = tuple(result for result in results((S,) * 5) if result.check is not missing)
    answer = decide(known(checks))
    assert answer.admission is Admission.REFER
    assert Reason(ReasonCode.STEP_TIMEOUT, {"step": missing.value}) in answer.admission_reasons


@pytest.mark.parametrize("outcome", [F, U, CheckOutcome.ABORTED])
def test_a_presented_token_must_be_proven(outcome: CheckOutcome) -> None:
    token = CheckResult(CheckName.DECLARATION_TOKEN, outcome, (Reason(ReasonCode.TOKEN_ALREADY_USED),))
    answer = decide(known((*results((S,) * 5), token)))
    assert answer.admission is Admission.REFER
    assert [reason.code for reason in answer.admission_reasons] == [ReasonCode.TOKEN_ALREADY_USED]


def test_findings_stand_before_doubts() -> None:
    order = (
        CheckResult(CheckName.STAY, U, (Reason(ReasonCode.STAY_NO_ENTRY_RECORD),)),
        CheckResult(CheckName.WATCHLIST, F, (Reason(ReasonCode.WATCHLIST_HIT),)),
    )
    others = tuple(r for r in results((S,) * 5) if r.check not in {CheckName.STAY, CheckName.WATCHLIST})
    reasons = decide(known((*order, *others))).admission_reasons
    assert [reason.code for reason in reasons] == [ReasonCode.WATCHLIST_HIT, ReasonCode.STAY_NO_ENTRY_RECORD]


@pytest.mark.parametrize(("age_h", "admission"), [(72.0, Admission.RELEASE), (72.01, Admission.REFER)])
def test_an_old_watchlist_releases_nobody(age_h: float, admission: Admission) -> None:
    assert decide(known(results((S,) * 5), watchlist_age_h=age_h)).admission is admission


def test_the_corridor_never_changes_the_admission() -> None:
    seals = (SealReport("7", SealState.TAMPERED, "rope_cut", NOW),)
    answer = decide(known(results((S,) * 5), seals=seals))
    assert (answer.admission, answer.corridor) == (Admission.RELEASE, Corridor.RED)
    assert answer.rulebook_version == RULEBOOK.version


def test_families_are_told_and_children_do_not_cross_alone() -> None:
    family = not_served(DOCUMENT, declared(small_children=1), TODAY, RULEBOOK)
    assert [reason.code for reason in family] == [ReasonCode.FAMILY_WITH_SMALL_CHILDREN]
    for born, alone in ((date(2010, 6, 16), True), (date(2010, 6, 15), False)):
        text = born.strftime("%y%m%d")
        second = PASSPORT[1][:13] + text + PASSPORT[1][19:]
        codes = [
            reason.code for reason in not_served(read_mrz((PASSPORT[0], second), TODAY).document, None, TODAY, RULEBOOK)
        ]
        assert codes == ([ReasonCode.MINOR_WITHOUT_ADULT] if alone else [])


# ---- stay ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "outcome"), [(0, S), (29, S), (30, F), (44, F)])
def test_thirty_days_counted_with_the_day_of_entry(days: int, outcome: CheckOutcome) -> None:
    result = check_stay(Direction.EXIT, "UTO", [Stay(TODAY - timedelta(days), None, "gate")], TODAY, RULEBOOK)
    assert result.outcome is outcome
    if outcome is F:
        assert result.reasons == (Reason(ReasonCode.STAY_OVERSTAYED, {"days": str(days - 29)}),)


def test_orphans_and_unknown_nationalities_go_to_a_guard() -> None:
    alone = check_stay(Direction.EXIT, "UTO", [], TODAY, RULEBOOK)
    assert (alone.outcome, alone.reasons[0].code) == (U, ReasonCode.STAY_NO_ENTRY_RECORD)
    unknown = check_stay(Direction.ENTRY, "XXX", [], TODAY, RULEBOOK)
    assert (unknown.outcome, unknown.reasons[0].code) == (U, ReasonCode.VISA_MISSING)


@pytest.mark.parametrize(("day", "outcome"), [("2025-12-31", U), ("2026-01-01", S)])
def test_a_nationality_from_its_first_day(day: str, outcome: CheckOutcome) -> None:
    assert check_stay(Direction.ENTRY, "USA", [], date.fromisoformat(day), RULEBOOK).outcome is outcome


# ---- strictness ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("value", -1),
        ("value", 1.5),
        ("value", "1000"),
        ("value", True),
        ("value", None),
        ("unit", "uzs_tiyin"),
        ("subject", "anything"),
        ("effective_from", "01.05.2025"),
        ("effective_to", "2017-01-01"),
        ("certainty", "certain"),
        ("id", ""),
        ("id", "uz.allowance.air.2025"),
        ("source", 7),
    ],
)
def test_a_rule_that_is_none_is_refused_by_name(member: str, value: object) -> None:
    body = json.loads(BODY)
    body["rules"][0][member] = value
    with pytest.raises(RulebookRefused) as refused:
        parse_rulebook(body)
    assert refused.value.code
    assert member in str(refused.value)


@pytest.mark.parametrize("change", [{"surplus": 1}, {"options": {}}, {"version": 0}, {"rules": {}}, {"format": 1}])
def test_a_rulebook_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RulebookRefused):
        parse_rulebook(json.loads(BODY) | change)


def test_every_packaged_rule_says_where_it_comes_from() -> None:
    assert all(rule.source and rule.certainty in {"high", "medium"} for rule in RULEBOOK.rules)
    assert {rule.person_kind for rule in RULEBOOK.rules if rule.subject == "visa_free_stay"} >= {"UTO", "USA", "KGZ"}
