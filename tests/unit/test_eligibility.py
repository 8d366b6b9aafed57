"""Who may cross with what: document kinds, visas, permits and their limits, on both sides of every date, by data alone."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.document_kinds import DocumentKind, document_kind
from gate_agent.domain.permit import Permit, PermitKind, PermitOrigin
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.stay import Stay
from gate_agent.domain.travel_document import MrzFormat
from gate_agent.policy.eligibility import check_eligibility
from gate_agent.policy.entitlement import Entry, entitlement, terms_of
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook_changes import changes
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.stay_check import check_stay
from gate_agent.policy.stay_rules import Paper
from tests.unit.utopian_documents import document

UZBEKISTAN = parse_rulebook(json.loads(packaged_rulebook_bytes()))
ATLANTIS = parse_rulebook(json.loads(packaged_rulebook_bytes("atlantis")))
ENTRY, EXIT = Direction.ENTRY, Direction.EXIT
S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED
DAY = date(2026, 6, 1)
PASSPORT, CARD = "passport", "identity_card"


def permit(
    kind="visa", origin="signed_list", state="UZB", first=None, last=date(2026, 12, 31), days=None, entries=None
):
    return Permit(PermitKind(kind), PermitOrigin(origin), "V1", state, first, last, days, entries)


def judged(book, nationality, *permits, on=DAY, kind=PASSPORT, issuer=None, direction=ENTRY, mode="road", stays=()):
    paper = Paper(kind, nationality if issuer is None else issuer)
    entry = Entry(nationality, on, TravelMode(mode), paper, stays, permits)
    entitled = entitlement(book, entry)
    result = check_eligibility(direction, nationality, paper, on, book, entitled, permits=permits)
    return result.outcome, [reason.code for reason in result.reasons], terms_of(book, entry, entitled), entitled


# ---- the kind of document ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("P", DocumentKind.PASSPORT), ("PP", DocumentKind.PASSPORT), ("PD", DocumentKind.DIPLOMATIC_PASSPORT),
        ("PO", DocumentKind.SERVICE_PASSPORT), ("PR", DocumentKind.REFUGEE_DOCUMENT), ("PT", DocumentKind.ALIEN_DOCUMENT),
        ("PS", DocumentKind.STATELESS_DOCUMENT), ("PE", DocumentKind.EMERGENCY_DOCUMENT), ("PX", DocumentKind.OTHER),
        ("I", DocumentKind.IDENTITY_CARD), ("ID", DocumentKind.IDENTITY_CARD), ("C", DocumentKind.IDENTITY_CARD),
        ("AC", DocumentKind.CREW_CERTIFICATE), ("IR", DocumentKind.RESIDENCE_PERMIT), ("AR", DocumentKind.RESIDENCE_PERMIT),
        ("V", DocumentKind.VISA), ("X", DocumentKind.OTHER), ("", DocumentKind.OTHER),
    ],
)  # fmt: skip
def test_a_code_names_a_kind(code, kind):
    assert document_kind(replace(document(1), document_code=code)) is kind


def test_a_visa_format_is_a_visa_whatever_its_letters():
    assert document_kind(replace(document(1), format=MrzFormat.MRV_A, document_code="V<")) is DocumentKind.VISA


def test_only_passports_have_a_rule_in_uzbekistan():
    assert judged(UZBEKISTAN, "UTO")[:2] == (S, [])
    for kind in DocumentKind:
        if kind in {DocumentKind.PASSPORT, DocumentKind.VISA}:
            continue
        expected = (S, []) if kind is DocumentKind.IDENTITY_CARD else (U, [ReasonCode.RULE_NOT_FOUND])
        assert judged(UZBEKISTAN, "UTO", kind=kind.value)[:2] == expected, kind
    assert judged(UZBEKISTAN, "D", kind=CARD)[:2] == (U, [ReasonCode.RULE_NOT_FOUND])


def test_in_atlantis_the_issuer_and_the_direction_count():
    refused = (F, [ReasonCode.DOCUMENT_KIND_NOT_ACCEPTED])
    assert judged(ATLANTIS, "D", kind=CARD)[:2] == refused
    assert judged(ATLANTIS, "D", kind=CARD, issuer="UTO")[:2] == (S, [])
    before = judged(ATLANTIS, "D", kind=CARD, issuer="UTO", on=date(2023, 12, 31))
    assert before[:2] == refused, "the neighbours' cards are good from 2024 on"
    assert judged(ATLANTIS, "D", kind="emergency_document")[:2] == refused
    assert judged(ATLANTIS, "D", kind="emergency_document", direction=EXIT)[:2] == (S, [])


def test_before_the_first_rule_an_officer_is_asked():
    assert judged(ATLANTIS, "D", on=date(1999, 12, 31))[1] == [ReasonCode.RULE_NOT_FOUND, ReasonCode.STAY_NO_RULE]


# ---- visas ------------------------------------------------------------------------------------------------------------------


def test_who_needs_a_visa_and_has_none_is_referred_and_never_passes():
    assert judged(UZBEKISTAN, "XXA")[:2] == (U, [ReasonCode.VISA_MISSING])
    assert judged(ATLANTIS, "XXA")[:2] == (U, [ReasonCode.VISA_MISSING])
    assert judged(UZBEKISTAN, "XXA", direction=EXIT)[:2] == (S, []), "nobody needs a visa to leave"
    assert check_stay(ENTRY, "XXA", [], DAY, UZBEKISTAN).outcome is U


def test_a_state_on_the_list_needs_none_from_its_day_on():
    assert judged(UZBEKISTAN, "USA", on=date(2025, 12, 31))[:2] == (U, [ReasonCode.VISA_MISSING])
    assert judged(UZBEKISTAN, "USA", on=date(2026, 1, 1))[:2] == (S, [])


@pytest.mark.parametrize(
    ("on", "outcome", "codes"),
    [
        (date(2026, 5, 19), F, [ReasonCode.VISA_NOT_YET_VALID]),
        (date(2026, 5, 20), S, []),
        (date(2026, 8, 17), S, []),  # the ninetieth day
        (date(2026, 8, 18), F, [ReasonCode.VISA_EXPIRED]),
    ],
)
def test_an_electronic_visa_is_good_for_ninety_days(on, outcome, codes):
    visa = permit("electronic_visa", first=date(2026, 5, 20), last=None)
    assert judged(UZBEKISTAN, "XXA", visa, on=on)[:2] == (outcome, codes)


def test_thirty_days_of_stay_and_none_beyond_the_end():
    visa = permit("electronic_visa", first=date(2026, 5, 20), last=None)
    terms = judged(UZBEKISTAN, "XXA", visa, on=date(2026, 6, 1))[2]
    assert (terms.permit_kind, terms.last_day, terms.register_by) == (
        "electronic_visa",
        date(2026, 6, 30),
        date(2026, 6, 4),
    )
    assert judged(UZBEKISTAN, "XXA", visa, on=date(2026, 8, 10))[2].last_day == date(2026, 8, 17)
    longer = replace(visa, stay_days=60)
    assert judged(UZBEKISTAN, "XXA", longer, on=date(2026, 5, 20))[2].last_day == date(2026, 7, 18), (
        "what it grants counts"
    )


def test_before_the_electronic_visa_there_was_none():
    visa = permit("electronic_visa", first=date(2018, 7, 14), last=date(2018, 10, 1))
    assert judged(UZBEKISTAN, "XXA", visa, on=date(2018, 7, 14))[:2] == (U, [ReasonCode.RULE_NOT_FOUND])
    assert judged(UZBEKISTAN, "XXA", visa, on=date(2018, 7, 15))[:2] == (S, [])


def test_a_sticker_without_days_is_for_an_officer_where_no_rule_says_how_long():
    assert judged(UZBEKISTAN, "XXA", permit())[:2] == (U, [ReasonCode.RULE_NOT_FOUND])
    assert judged(UZBEKISTAN, "XXA", permit(days=14))[2].last_day == date(2026, 6, 14)
    assert judged(ATLANTIS, "XXA", permit(state="XAT"))[2].last_day == date(2026, 12, 31), "in Atlantis until it ends"


def test_transit_is_for_those_who_fly():
    assert judged(UZBEKISTAN, "XXA", permit("transit"), mode="air")[2].last_day == date(2026, 6, 5)
    assert judged(UZBEKISTAN, "XXA", permit("transit"), mode="rail")[:2] == (U, [ReasonCode.RULE_NOT_FOUND])


def test_a_visa_of_another_state_counts_where_a_rule_names_that_state():
    assert judged(UZBEKISTAN, "XXA", permit(state="UTO", days=9))[:2] == (F, [ReasonCode.VISA_OTHER_STATE])
    assert judged(ATLANTIS, "XXA", permit(state="UTO"))[:2] == (S, [])
    assert judged(ATLANTIS, "XXA", permit(state="D"))[:2] == (F, [ReasonCode.VISA_OTHER_STATE])


def test_the_travellers_word_counts_where_a_rule_says_so_and_never_for_more_days():
    said = permit("electronic_visa", "declared", "XAT", days=30)
    assert judged(ATLANTIS, "XXA", said)[2].last_day == date(2026, 6, 10)
    assert judged(ATLANTIS, "XXA", replace(said, stay_days=4))[2].last_day == date(2026, 6, 4)
    assert judged(UZBEKISTAN, "XXA", replace(said, issuing_state="UZB"))[:2] == (U, [ReasonCode.RULE_NOT_FOUND])


def test_a_kind_that_a_rule_excludes_lets_nobody_in():
    assert judged(ATLANTIS, "XXA", permit("other_permit", state="XAT"))[:2] == (F, [ReasonCode.VISA_KIND_NOT_ACCEPTED])


def test_entries_are_counted_from_the_stays_on_such_a_permit():
    visa = permit("electronic_visa", first=date(2026, 5, 20), last=None, entries=1)
    on_it = Stay(date(2026, 5, 21), date(2026, 5, 25), "gate", "electronic_visa")
    assert judged(UZBEKISTAN, "XXA", visa)[:2] == (S, [])
    assert judged(UZBEKISTAN, "XXA", visa, stays=[on_it])[:2] == (F, [ReasonCode.VISA_ENTRIES_USED])
    assert judged(UZBEKISTAN, "XXA", replace(visa, entries=2), stays=[on_it])[:2] == (S, [])
    earlier = replace(on_it, entered_on=date(2026, 5, 19))
    assert judged(UZBEKISTAN, "XXA", visa, stays=[earlier])[:2] == (S, []), "that was another visa"


@pytest.mark.parametrize(
    ("origin", "kind", "expected"),
    [
        ("read_at_gate", "visa", (U, [ReasonCode.VISA_ENTRIES_UNKNOWN])),
        ("read_at_gate", "residence_permit", (S, [])),
        ("signed_list", "visa", (S, [])),
    ],
)
def test_a_permit_that_does_not_say_its_entries_is_no_pass_once_it_was_entered_on(origin, kind, expected):
    shown = permit(kind, origin, state="XAT")
    on_it = Stay(date(2026, 5, 21), date(2026, 5, 25), "gate", kind)
    assert judged(ATLANTIS, "XXA", shown)[:2] == (S, [])
    assert judged(ATLANTIS, "XXA", shown, stays=[replace(on_it, permit_kind="transit")])[:2] == (S, [])
    assert judged(ATLANTIS, "XXA", shown, stays=[on_it])[:2] == expected
    listed = permit(kind, "signed_list", state="XAT", entries=2)
    assert judged(ATLANTIS, "XXA", shown, listed, stays=[on_it])[:2] == (S, []), "the list says how many"


def test_a_permit_that_does_not_count_hides_none_that_does():
    bad, good = permit("other_permit", state="XAT"), permit(state="XAT")
    for permits in ((bad, good), (good, bad)):
        assert judged(ATLANTIS, "XXA", *permits)[:2] == (S, [])


# ---- overlays and stays on a residence permit ---------------------------------------------------------------------------------


def test_a_diplomat_stays_as_long_as_he_likes_and_his_driver_does_not():
    assert judged(ATLANTIS, "D", kind="diplomatic_passport")[3].is_unlimited
    assert judged(ATLANTIS, "D")[2].last_day == DAY + timedelta(days=89)


def test_days_on_a_residence_permit_do_not_count_and_are_no_overstay():
    lived = Stay(date(2026, 1, 1), date(2026, 4, 30), "gate", "residence_permit", date(2026, 12, 31))
    visited = replace(lived, permit_kind="", last_day=None)
    assert check_stay(ENTRY, "D", [visited], date(2026, 5, 10), ATLANTIS).outcome is F
    assert check_stay(ENTRY, "D", [lived], date(2026, 5, 10), ATLANTIS).outcome is S
    inside = replace(lived, exited_on=None)
    assert check_stay(EXIT, "D", [inside], date(2026, 12, 31), ATLANTIS).outcome is S
    late = check_stay(EXIT, "D", [inside], date(2027, 1, 1), ATLANTIS)
    assert (late.outcome, late.reasons[0].parameters["days"]) == (F, "1")


def test_a_permit_helps_whoever_has_used_up_his_days():
    used = Stay(date(2026, 1, 1), date(2026, 3, 31), "gate")
    assert judged(ATLANTIS, "D", on=date(2026, 4, 10), stays=[used])[3].allowed.days == 0
    found = judged(ATLANTIS, "D", permit("residence_permit", state="XAT"), on=date(2026, 4, 10), stays=[used])
    assert (found[0], found[2].permit_kind, found[2].last_day) == (S, "residence_permit", date(2026, 12, 31))


def test_a_stay_on_a_visa_is_judged_at_exit_by_the_day_that_it_gave():
    stay = Stay(DAY, None, "gate", "electronic_visa", date(2026, 6, 30))
    assert check_stay(EXIT, "XXA", [stay], date(2026, 6, 30), UZBEKISTAN).outcome is S
    assert check_stay(EXIT, "XXA", [stay], date(2026, 7, 1), UZBEKISTAN).outcome is F
    unknown = replace(stay, permit_kind="", last_day=None)
    found = check_stay(EXIT, "XXA", [unknown], date(2026, 6, 2), UZBEKISTAN)
    assert (found.outcome, [one.code for one in found.reasons]) == (U, [ReasonCode.STAY_NO_RULE])


# ---- what holds for all -------------------------------------------------------------------------------------------------------

kinds = st.sampled_from([kind.value for kind in DocumentKind])
nationalities = st.sampled_from(["UTO", "D", "XXA", "XXB", "UZB", "XAT", "USA", "KGZ", "", "XXX", "any"])
permits = st.builds(
    Permit,
    st.sampled_from(PermitKind),
    st.sampled_from(PermitOrigin),
    st.just("V1"),
    st.sampled_from(["UZB", "XAT", "UTO", "D", ""]),
    st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    st.none() | st.dates(date(2026, 1, 1), date(2026, 12, 31)),
    st.none() | st.integers(1, 400),
    st.none() | st.integers(1, 3),
)
questions = st.fixed_dictionaries(
    {
        "on": st.dates(date(2026, 1, 1), date(2026, 12, 31)),
        "kind": kinds,
        "issuer": nationalities,
        "mode": st.sampled_from([mode.value for mode in TravelMode]),
        "stays": st.lists(
            st.builds(
                lambda first, days, kind: Stay(first, first + timedelta(days=days), "gate", kind),
                st.dates(date(2025, 6, 1), date(2026, 12, 1)),
                st.integers(0, 60),
                st.sampled_from(["", *PermitKind]),
            ),
            max_size=4,
        ),
    }
)
books = st.sampled_from([UZBEKISTAN, ATLANTIS])


@given(books, nationalities, st.lists(permits, max_size=3), questions)
def test_nobody_passes_without_a_rule_and_days_or_no_limit(book, nationality, shown, question):
    outcome, codes, _, entitled = judged(book, nationality, *shown, **question)
    if outcome is S:
        assert entitled.is_unlimited or entitled.allowed is not None
        assert entitled.rules
    else:
        assert codes
    if entitled.permit is not None:
        used = entitled.permit
        assert used.valid_from is None or used.valid_from <= question["on"]
        assert used.valid_until is None or entitled.allowed.last_day <= used.valid_until
        assert entitled.allowed.last_day >= question["on"]


@given(books, nationalities, st.lists(permits, max_size=3), permits, questions)
def test_one_more_permit_never_shortens_a_stay(book, nationality, shown, more, question):
    fewer, longer = (
        judged(book, nationality, *shown, **question)[3],
        judged(book, nationality, *shown, more, **question)[3],
    )
    assert fewer.is_unlimited == longer.is_unlimited
    if fewer.allowed is not None:
        assert longer.allowed is not None
        assert longer.allowed.days >= fewer.allowed.days


@given(books, nationalities, st.lists(permits, min_size=2, max_size=3), questions, st.randoms())
def test_the_order_of_permits_does_not_matter(book, nationality, shown, question, random):
    one, other = (
        judged(book, nationality, *listed, **question) for listed in (shown, random.sample(shown, len(shown)))
    )
    assert one[0] is other[0]
    assert set(one[1]) == set(other[1])
    assert one[2].last_day == other[2].last_day


# ---- the file ---------------------------------------------------------------------------------------------------------------


def altered(subject, **members):
    body = json.loads(packaged_rulebook_bytes("atlantis"))
    rule = next(rule for rule in body["rules"] if rule["subject"] == subject)
    rule.update(members)
    return body


@pytest.mark.parametrize(
    ("subject", "members", "words"),
    [
        ("document_accepted", {"document_kind": "visa"}, "document_kind"),
        ("document_accepted", {"document_kind": "pasport"}, "document_kind"),
        ("document_accepted", {"issuing_state": "Utopia"}, "issuing_state"),
        ("permit_accepted", {"document_kind": "any"}, "names a kind of permit"),
        ("permit_accepted", {"document_kind": "passport"}, "document_kind"),
        ("permit_accepted", {"value": 2}, "1 (it is so)"),
        ("permit_stay", {"value": 3}, "0 is expected with until_expiry"),
        ("permit_stay", {"issuing_state": "UTO"}, "names no issuing state"),
        ("value_allowance", {"document_kind": "passport"}, "names no kind of document"),
        ("value_allowance", {"issuing_state": "UTO"}, "names no issuing state"),
    ],
)
def test_a_slip_in_the_file_is_refused_by_its_place(subject, members, words):
    with pytest.raises(RulebookRefused, match=r"rules\[\d+\]") as refused:
        parse_rulebook(altered(subject, **members))
    assert words in str(refused.value)


def test_two_rules_for_one_case_are_refused_and_for_two_issuers_are_not():
    body = json.loads(packaged_rulebook_bytes("atlantis"))
    twin = next(rule for rule in body["rules"] if rule["id"] == "at.document.card.uto") | {"id": "twin"}
    body["rules"].append(twin)
    with pytest.raises(RulebookRefused, match="same day for the same case"):
        parse_rulebook(body)
    twin["issuing_state"] = "D"
    changed = changes(ATLANTIS, parse_rulebook(body))
    assert [(change.name, change.after["issuing_state"], change.after["document_kind"]) for change in changed] == [
        ("twin", "D", "identity_card")
    ]
