"""Admission and corridor: truth tables over all combinations with closed-form oracles, and reasons that hide nothing."""

import itertools
import json
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult, join, join_all, overall
from gate_agent.domain.crossing import Admission, Corridor
from gate_agent.domain.declaration import Companion, Declaration, DeclaredGoods, Direction, Relation, TravelMode
from gate_agent.domain.demands import Demands
from gate_agent.domain.money import Money
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.seal import SealReport, SealState
from gate_agent.domain.selection import DRAW_RANGE, Chance, Draw
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.policy.corridor import corridor
from gate_agent.policy.eligibility import not_served
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook

BOOK = parse_rulebook(json.loads(packaged_rulebook_bytes()))
TODAY = date(2026, 6, 15)
NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
S, F, U, N, A = VALUES = (
    CheckOutcome.SUCCESSFUL,
    CheckOutcome.FAILED,
    CheckOutcome.UNDETERMINED,
    CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)

# --- the five values ---------------------------------------------------------------------------------------------------------

TABLE_5_44 = {S: (S, F, U, S, A), F: (F, F, F, F, F), U: (U, F, U, U, A), N: (S, F, U, N, A), A: (A, F, A, A, A)}


def test_join_is_the_printed_table():
    for one, row in TABLE_5_44.items():
        assert tuple(join(one, other) for other in VALUES) == row


def test_join_is_commutative_associative_idempotent_and_n_is_neutral():
    for one, two, three in itertools.product(VALUES, repeat=3):
        assert join(one, two) is join(two, one)
        assert join(join(one, two), three) is join(one, join(two, three)) is join_all([three, one, two])
        assert join(one, one) is one
        assert join(one, N) is one
    assert join_all([]) is N


@pytest.mark.parametrize("demanded", [True, False])
def test_overall_over_all_625_combinations(demanded):
    seen = 0
    for combination in itertools.product(VALUES, repeat=4):
        present = set(combination)
        # Closed form: a set of five letters decides, whatever the order and the numbers.
        expected = (
            F
            if F in present
            else A
            if A in present
            else U
            if U in present
            else N
            if present == {N}
            else U
            if N in present and demanded
            else S
        )
        result = overall(combination, demanded=demanded)
        assert result is expected, combination
        assert not (A in present and result is S)
        assert (F in present) is (result is F)
        seen += 1
    assert seen == 625


# --- admission ---------------------------------------------------------------------------------------------------------------

ALL = tuple(CheckName)
REASON_OF = {
    CheckName.MRZ_CHECK_DIGITS: ReasonCode.MRZ_CHECK_DIGIT_WRONG,
    CheckName.EXPIRY: ReasonCode.DOCUMENT_EXPIRED,
    CheckName.DECLARATION_TOKEN: ReasonCode.TOKEN_EXPIRED,
    CheckName.STAY: ReasonCode.STAY_OVERSTAYED,
    CheckName.ELIGIBILITY: ReasonCode.VISA_MISSING,
    CheckName.TRAVEL_BAN: ReasonCode.TRAVEL_BAN,
    CheckName.WATCHLIST: ReasonCode.WATCHLIST_HIT,
    CheckName.FACE_COMPARISON: ReasonCode.FACE_DIFFERENT,
    CheckName.FACE_PRESENTATION: ReasonCode.PRESENTATION_ATTACK_DOUBTFUL,
    CheckName.FACE_WATCHLIST: ReasonCode.FACE_WATCHLIST_LEAD,
    CheckName.SEAL: ReasonCode.SEAL_TAMPERED,
    CheckName.PASSAGE: ReasonCode.PASSAGE_UNDETERMINED,
    CheckName.CHIP_ACCESS: ReasonCode.CHIP_ACCESS_REFUSED,
    CheckName.CHIP_CONTENT: ReasonCode.DATA_GROUP_CHANGED,
    CheckName.SOD_SIGNATURE: ReasonCode.SOD_SIGNATURE_WRONG,
    CheckName.CERTIFICATE_CHAIN: ReasonCode.CSCA_REJECTS,
    CheckName.CERTIFICATE_REVOCATION: ReasonCode.CERTIFICATE_REVOKED,
    CheckName.ISSUING_STATE: ReasonCode.ISSUING_STATE_DIFFERS,
    CheckName.CHIP_GENUINENESS: ReasonCode.CHIP_AUTHENTICATION_FAILED,
    CheckName.MRZ_AGAINST_DG1: ReasonCode.DG1_DIFFERS,
    CheckName.MRZ_READING: ReasonCode.MRZ_NOT_TRUSTED,
    CheckName.MRZ_INFRARED: ReasonCode.MRZ_INFRARED_FAINT,
    CheckName.MRZ_INFRARED_AGAINST_VISIBLE: ReasonCode.MRZ_INFRARED_DIFFERS,
    CheckName.ULTRAVIOLET_DULLNESS: ReasonCode.ULTRAVIOLET_BRIGHT,
    CheckName.PORTRAIT_AGAINST_DG2: ReasonCode.PORTRAIT_DIFFERS,
    CheckName.SPECIMEN: ReasonCode.SPECIMEN_DOCUMENT,
    CheckName.STATE_CODES: ReasonCode.STATE_CODE_UNKNOWN,
    CheckName.VISIBLE_SEAL: ReasonCode.VISIBLE_SEAL_SIGNATURE_WRONG,
    CheckName.BOARDING_PASS: ReasonCode.BOARDING_PASS_MALFORMED,
}

NOT_DRAWN = Chance(Draw(uuid.UUID(int=0), 1, DRAW_RANGE - 1))


def demanding(mandatory):
    """Demand some checks; the others count where they are supported, and a token that was presented always does."""
    others = set(CheckName) - set(mandatory) - {CheckName.DECLARATION_TOKEN}
    return Demands(frozenset(), frozenset(mandatory), dict.fromkeys(others, frozenset({N})))


def question(checks, mandatory, **changes):
    plain = PolicyInput(
        Direction.ENTRY,
        TravelMode.AIR,
        TODAY,
        NOW,
        tuple(checks),
        born("800101"),
        None,
        (),
        BOOK,
        1.0,
        24.0,
        demanding(mandatory),
        chance=NOT_DRAWN,
    )
    return replace(plain, **changes)


def result(name, outcome, *reasons):
    return CheckResult(name, outcome, reasons or (() if outcome is S else (Reason(REASON_OF[name]),)))


@pytest.mark.parametrize("mandatory", [ALL[:5], ALL[:3], (), (ALL[4],)], ids=len)
def test_release_only_on_proof_over_all_combinations_of_five_checks(mandatory):
    names = ALL[:5]
    for outcomes in itertools.product((*VALUES, None), repeat=5):
        known = dict(zip(names, outcomes, strict=True))
        checks = [result(name, outcome) for name, outcome in known.items() if outcome is not None]
        answer = decide(question(checks, mandatory))
        released = bool(mandatory) and all(
            outcome is S
            or (outcome is None and name not in mandatory)
            or (outcome is N and name not in mandatory and name is not CheckName.DECLARATION_TOKEN)
            for name, outcome in known.items()
        )
        assert answer.admission is (Admission.RELEASE if released else Admission.REFER), known
        given_codes = {reason.code for reason in answer.admission_reasons}
        assert 1 <= len(answer.admission_reasons) <= 5
        assert (ReasonCode.ALL_CHECKS_SUCCESSFUL in given_codes) is released
        assert {
            REASON_OF[name] for name, outcome in known.items() if outcome is F
        } <= given_codes  # never a hidden failure


def test_a_long_list_of_reasons_hides_no_other_failure():
    digits = [Reason(ReasonCode.MRZ_CHECK_DIGIT_WRONG, {"field": str(number)}) for number in range(6)]
    checks = [
        result(CheckName.MRZ_CHECK_DIGITS, F, *digits),
        result(CheckName.EXPIRY, F),
        result(CheckName.WATCHLIST, F),
    ]
    answer = decide(question(checks, ()))
    assert [reason.code for reason in answer.admission_reasons] == [
        ReasonCode.WATCHLIST_HIT,
        ReasonCode.MRZ_CHECK_DIGIT_WRONG,
        ReasonCode.DOCUMENT_EXPIRED,
        ReasonCode.MRZ_CHECK_DIGIT_WRONG,
        ReasonCode.MRZ_CHECK_DIGIT_WRONG,
    ]


def test_a_hit_is_among_the_reasons_when_everything_fails():
    answer = decide(question([result(name, F) for name in ALL], ALL))
    assert len(answer.admission_reasons) == 5
    assert answer.admission_reasons[0].code is ReasonCode.WATCHLIST_HIT


@pytest.mark.parametrize("outcome", [F, A, U])
def test_two_results_of_one_check_never_cancel(outcome):
    checks = [result(CheckName.EXPIRY, outcome), result(CheckName.EXPIRY, S)]
    for order in (checks, checks[::-1]):
        assert decide(question(order, [CheckName.EXPIRY])).admission is Admission.REFER


def test_findings_come_before_faults_before_doubts():
    checks = [result(ALL[0], N), result(ALL[1], U), result(ALL[2], A), result(ALL[3], F)]
    codes = [reason.code for reason in decide(question(checks, ALL[:4])).admission_reasons]
    assert codes == [REASON_OF[ALL[3]], REASON_OF[ALL[2]], REASON_OF[ALL[1]], REASON_OF[ALL[0]]]


@pytest.mark.parametrize(
    ("age_h", "released"), [(24.0, True), (24.01, False), (float("inf"), False), (float("nan"), False)]
)
def test_a_stale_watchlist_refers(age_h, released):
    answer = decide(question([result(CheckName.EXPIRY, S)], [CheckName.EXPIRY], watchlist_age_h=age_h))
    assert (answer.admission is Admission.RELEASE) is released
    assert (ReasonCode.WATCHLIST_STALE in {reason.code for reason in answer.admission_reasons}) is not released


def test_no_document_no_release():
    answer = decide(question([result(CheckName.EXPIRY, S)], [CheckName.EXPIRY], document=None))
    assert answer.admission is Admission.REFER


def test_a_list_from_the_future_is_no_list():
    answer = decide(question([result(CheckName.EXPIRY, S)], [CheckName.EXPIRY], watchlist_age_h=-500.0))
    assert [reason.code for reason in answer.admission_reasons] == [ReasonCode.WATCHLIST_STALE]


def test_what_is_missing_is_named_only_where_nothing_else_speaks():
    checks = [result(CheckName.EXPIRY, F)]
    codes = [reason.code for reason in decide(question(checks, ALL)).admission_reasons]
    assert codes == [ReasonCode.DOCUMENT_EXPIRED]
    help_wanted = (Reason(ReasonCode.HELP_REQUESTED),)
    answer = decide(question([], ALL, referral=help_wanted))
    assert answer.admission is Admission.REFER
    assert answer.admission_reasons == help_wanted


def born(text):
    lines = ["P<UTOSPECIMEN<<CHILD".ljust(44, "<"), "L898902C3<UTO" + text + "<F3004150" + "<" * 16]
    document = read_mrz(lines, TODAY).document
    assert document is not None
    return document


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("100615", None),  # sixteen today
        ("100616", ReasonCode.MINOR_WITHOUT_ADULT),
        ("74<<<<", None),
        ("09<<<<", None),
        ("10<<<<", ReasonCode.MINOR_WITHOUT_ADULT),  # perhaps sixteen, perhaps not
        ("1005<<", None),
        ("1006<<", ReasonCode.MINOR_WITHOUT_ADULT),
        ("26<<<<", ReasonCode.MINOR_WITHOUT_ADULT),
        ("27<<<<", None),  # 1927
        ("<<<<<<", ReasonCode.MRZ_UNREADABLE),
        ("<<0612", ReasonCode.MRZ_UNREADABLE),
    ],
)
def test_unknown_parts_of_a_birth_date_make_nobody_older(text, code):
    assert [reason.code for reason in not_served(born(text), None, TODAY, BOOK)] == ([code] if code else [])


def test_a_family_with_small_children_needs_a_staffed_lane():
    assert [r.code for r in not_served(None, declared(small_children=1), TODAY, BOOK)] == [
        ReasonCode.FAMILY_WITH_SMALL_CHILDREN
    ]
    assert not_served(None, declared(), TODAY, BOOK) == ()


# --- corridor ----------------------------------------------------------------------------------------------------------------


def declared(**changes):
    plain = Declaration(b"id", "ref", NOW, NOW, Direction.ENTRY, TravelMode.AIR)
    return replace(plain, **changes)


def goods(usd, currency="USD"):
    return (DeclaredGoods("goods", Money(usd * 100, currency), 1000),)


def seal(state):
    return SealReport("S1", state, "shackle" if state is SealState.TAMPERED else "", NOW)


def judged(declaration, seals=(), direction=Direction.ENTRY, on=TODAY, days_abroad=None):
    answer = corridor(BOOK, direction, TravelMode.AIR, on, declaration, seals, days_abroad)
    return answer.corridor, [reason.code for reason in answer.reasons]


@pytest.mark.parametrize(
    ("declaration", "seals", "expected", "code"),
    [
        (None, (), Corridor.GREEN, ReasonCode.NOTHING_DECLARED),
        (declared(), (), Corridor.GREEN, ReasonCode.NOTHING_DECLARED),
        (declared(goods=goods(1000)), (), Corridor.GREEN, ReasonCode.DECLARED_WITHIN_ALLOWANCE),
        (declared(goods=goods(1001)), (), Corridor.RED, ReasonCode.VALUE_OVER_ALLOWANCE),
        (declared(goods=goods(1, "EUR")), (), Corridor.YELLOW, ReasonCode.CASH_RATE_MISSING),
        (declared(cash=(Money(10_000_000_000, "UZS"),)), (), Corridor.GREEN, ReasonCode.DECLARED_WITHIN_ALLOWANCE),
        (declared(cash=(Money(10_000_000_001, "UZS"),)), (), Corridor.RED, ReasonCode.CASH_OVER_THRESHOLD),
        (declared(cash=(Money(1, "XXX"),)), (), Corridor.YELLOW, ReasonCode.CASH_RATE_MISSING),
        (declared(), (seal(SealState.INTACT),), Corridor.GREEN, ReasonCode.NOTHING_DECLARED),
        (declared(), (seal(SealState.UNKNOWN),), Corridor.YELLOW, ReasonCode.SEAL_SILENT),
        (declared(), (seal(SealState.TAMPERED),), Corridor.RED, ReasonCode.SEAL_TAMPERED),
    ],
)
def test_corridor_and_its_reason(declaration, seals, expected, code):
    assert judged(declaration, seals) == (expected, [code])


def test_over_the_export_norm_is_red_although_no_charge_is_known_for_exit():
    """Regression: the missing charge hid the finding and made it yellow."""
    assert judged(declared(goods=goods(5001)), direction=Direction.EXIT) == (
        Corridor.RED,
        [ReasonCode.VALUE_OVER_ALLOWANCE],
    )
    assert judged(declared(goods=goods(5000)), direction=Direction.EXIT)[0] is Corridor.GREEN


def test_minimum_absence_takes_the_allowance():
    assert judged(declared(goods=goods(100)), days_abroad=2) == (Corridor.RED, [ReasonCode.VALUE_OVER_ALLOWANCE])
    assert judged(declared(goods=goods(100)), days_abroad=3)[0] is Corridor.GREEN


def test_without_rules_an_officer_looks():
    both = declared(goods=goods(1), cash=(Money(1, "UZS"),))
    assert judged(both, on=date(2017, 1, 1)) == (
        Corridor.YELLOW,
        [ReasonCode.RULE_NOT_FOUND, ReasonCode.RULE_NOT_FOUND],
    )


def test_a_rule_that_is_not_certain_shows():
    rules = tuple(replace(rule, certainty="low") if rule.subject == "cash_declaration" else rule for rule in BOOK.rules)
    answer = corridor(
        replace(BOOK, rules=rules), Direction.ENTRY, TravelMode.AIR, TODAY, declared(cash=(Money(1, "UZS"),))
    )
    assert (answer.corridor, [r.code for r in answer.reasons]) == (Corridor.YELLOW, [ReasonCode.RULE_CERTAINTY_LOW])
    assert [use.rule_id for use in answer.rules] == ["uz.cash.2023", "uz.corridor.rule_certainty_low"]


def test_a_sum_just_over_the_limit_is_shown_as_such():
    answer = corridor(BOOK, Direction.ENTRY, TravelMode.AIR, TODAY, declared(cash=(Money(10_000_000_001, "UZS"),)))
    assert answer.reasons[0].parameters == {"total": "100000000.01 UZS", "threshold": "100000000 UZS"}


declarations = st.none() | st.builds(
    declared,
    goods=st.sampled_from([(), goods(10), goods(9999), goods(5, "EUR")]),
    cash=st.lists(
        st.builds(Money, st.integers(0, 10**11), st.sampled_from(["UZS", "USD", "XXX", "XTS"])), max_size=4
    ).map(tuple),
)
seal_reports = st.lists(st.sampled_from(list(SealState)).map(seal), max_size=8).map(tuple)
check_lists = st.lists(st.builds(result, st.sampled_from(ALL), st.sampled_from(VALUES)), max_size=9)
DAYS = st.dates(date(2016, 1, 1), date(2030, 1, 1))


@given(declarations, seal_reports, check_lists, st.sampled_from(list(Direction)), DAYS)
def test_the_corridor_does_not_depend_on_admission_nor_admission_on_the_corridor(
    declaration, seals, checks, direction, on
):
    changes = {"declaration": declaration, "seals": seals, "direction": direction, "local_date": on}
    answer = decide(question(checks, ALL[:2], **changes))
    alone = corridor(BOOK, direction, TravelMode.AIR, on, declaration, seals, chance=NOT_DRAWN)
    assert (answer.corridor, answer.corridor_reasons, answer.rules) == (alone.corridor, alone.reasons, alone.rules)
    nothing = decide(question(checks, ALL[:2], direction=direction, local_date=on))
    assert (answer.admission, answer.admission_reasons) == (nothing.admission, nothing.admission_reasons)
    assert answer.rulebook_version == BOOK.version
    for reasons in (answer.admission_reasons, answer.corridor_reasons):
        assert 1 <= len(reasons) <= 5
    tampered = any(report.state is SealState.TAMPERED for report in seals)
    assert not tampered or answer.corridor is Corridor.RED
    if any(money.currency in {"XXX", "XTS"} for money in (declaration.cash if declaration else ())):
        assert answer.corridor is not Corridor.GREEN


@given(declarations, seal_reports)
def test_same_input_same_answer(declaration, seals):
    assert judged(declaration, seals) == judged(declaration, seals)


def _family(*goods: DeclaredGoods, people: int = 2) -> Declaration:
    companions = tuple(
        Companion(f"CHILD {n}", Relation.CHILD, date(2018, 1, 1), bytes([n]) * 16) for n in range(1, people)
    )
    return Declaration(b"t" * 16, "R", NOW, NOW, Direction.ENTRY, TravelMode.AIR, goods, companions=companions)


def test_each_of_a_family_has_the_allowance_for_what_is_his():
    """Uzbekistan pools nothing: 1000 USD each by air, for the owner's goods."""
    mine, theirs = DeclaredGoods("coat", Money(90_000, "USD"), 900), DeclaredGoods("toy", Money(90_000, "USD"), 900)
    where = (BOOK, Direction.ENTRY, TravelMode.AIR, TODAY)
    shared = corridor(*where, _family(mine, replace(theirs, owner=1)))
    assert ReasonCode.VALUE_OVER_ALLOWANCE not in {one.code for one in shared.reasons}
    alone = corridor(*where, _family(mine, theirs))
    assert ReasonCode.VALUE_OVER_ALLOWANCE in {one.code for one in alone.reasons}


def test_quantities_are_judged_by_owner_or_together_as_the_rulebook_says():
    kind, limit = next(
        (kind, rule)
        for kind, rule in BOOK.about_goods("quantity_allowance", TODAY, direction="entry", mode="air").items()
    )
    two = (
        DeclaredGoods("x", Money(100, "USD"), 100, kind, limit.value),
        DeclaredGoods("y", Money(100, "USD"), 100, kind, limit.value, 1),
    )
    codes = lambda book, declared: {
        one.code for one in corridor(book, Direction.ENTRY, TravelMode.AIR, TODAY, declared).reasons
    }
    over = ReasonCode.QUANTITY_OVER_ALLOWANCE
    assert over not in codes(BOOK, _family(*two))
    more = replace(two[1], quantity=limit.value + 1)
    assert over in codes(BOOK, _family(two[0], more))
    pooled = replace(BOOK, options={**BOOK.options, "family_pooling": True})
    assert over in codes(pooled, _family(two[0], more))
    assert over not in codes(pooled, _family(replace(two[0], quantity=limit.value - 1), more))
