"""An officer's authorisation is believed once, in time, from the right officers for the right action; everything else is refused."""

import asyncio
import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.errors import AuthorityRefused
from gate_agent.lane import authorisation as lane
from gate_agent.lane.authorisation import AuthorisationVerifier, OfficerRecord, OfficerRole, RefusalCode
from gate_agent.web import lane_api_messages as messages

NOW = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
KEYS = {
    name: Ed25519PrivateKey.generate()
    for name in ("guard-1", "guard-2", "supervisor-1", "inspector-1", "health-1", "quarantine-1", "tech-1")
}
ROLES = {
    "guard-1": OfficerRole.GUARD,
    "guard-2": OfficerRole.GUARD,
    "supervisor-1": OfficerRole.SUPERVISOR,
    "inspector-1": OfficerRole.CUSTOMS_INSPECTOR,
    "health-1": OfficerRole.HEALTH_OFFICER,
    "quarantine-1": OfficerRole.QUARANTINE_OFFICER,
    "tech-1": OfficerRole.TECHNICIAN,
}


@dataclass
class HandClock:
    time: datetime = NOW

    def now(self) -> datetime:
        return self.time

    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class Nonces:
    known: set[str] = field(default_factory=set)

    async def remember(self, nonce: str, until: datetime) -> bool:
        await asyncio.sleep(0)
        is_new = nonce not in self.known
        self.known.add(nonce)
        return is_new


def verifier(**options) -> AuthorisationVerifier:
    officers = {
        name: OfficerRecord(key.public_key().public_bytes_raw(), ROLES[name], name) for name, key in KEYS.items()
    }
    return AuthorisationVerifier("UTO/demo/gate-1", officers, HandClock(), Nonces().remember, **options)


def payload(**changes) -> str:
    fields = {
        "authorisation_id": str(uuid.uuid4()), "source": "UTO/demo/gate-1", "lane_id": 3, "action": "release",
        "transaction_id": str(uuid.uuid4()), "subject_id": str(uuid.uuid4()), "reason_code": "document_examined",
        "session_id": "session-1", "nonce": uuid.uuid4().hex, "issued_at": NOW.isoformat(),
        "expires_at": (NOW + timedelta(seconds=30)).isoformat(), **changes,
    }  # fmt: skip
    return json.dumps(fields)


def signed(text: str, *officers: str) -> list[tuple[str, str]]:
    return [(officer, KEYS[officer].sign(text.encode()).hex()) for officer in officers]


async def refusal(text: str, signatures: list[tuple[str, str]], **options) -> str:
    with pytest.raises(AuthorityRefused) as refused:
        await verifier(**options).verify(text, signatures)
    return refused.value.code


async def test_accepted_once_and_names_the_officer():
    text, judge = payload(), verifier()
    verified = await judge.verify(text, signed(text, "guard-1"))
    assert (verified.authorisation.action.value, verified.authorisation.lane_id) == ("release", 3)
    assert [(one.officer_id, one.role) for one in verified.officers] == [("guard-1", OfficerRole.GUARD)]
    with pytest.raises(AuthorityRefused) as refused:
        await judge.verify(text, signed(text, "guard-1"))
    assert refused.value.code == RefusalCode.REPLAYED


async def test_raced_presentations_are_accepted_exactly_once():
    text, judge = payload(), verifier()
    answers = await asyncio.gather(
        *(judge.verify(text, signed(text, "guard-1")) for _ in range(200)), return_exceptions=True
    )
    assert sum(not isinstance(one, Exception) for one in answers) == 1
    assert {one.code for one in answers if isinstance(one, AuthorityRefused)} == {RefusalCode.REPLAYED.value}


async def test_unsigned_forged_and_unknown():
    text = payload()
    assert await refusal(text, []) == RefusalCode.UNSIGNED
    assert await refusal(text, [("guard-1", "00" * 64)]) == RefusalCode.FORGED
    assert await refusal(text, [("guard-1", "zz")]) == RefusalCode.FORGED
    assert await refusal(text, [("guard-1", signed(text, "guard-2")[0][1])]) == RefusalCode.FORGED
    assert await refusal(text + " ", signed(text, "guard-1")) == RefusalCode.FORGED
    assert await refusal(text, [("nobody", "00" * 64)]) == RefusalCode.UNKNOWN_OFFICER


@pytest.mark.parametrize(
    ("issued_s", "expires_s", "code"),
    [
        (-31, -1, RefusalCode.EXPIRED),
        (-30, 0, RefusalCode.EXPIRED),
        (0, 61, RefusalCode.VALID_TOO_LONG),
        (0, 0, RefusalCode.VALID_TOO_LONG),
        (5, 30, RefusalCode.NOT_YET_VALID),
    ],
)
async def test_times(issued_s, expires_s, code):
    text = payload(
        issued_at=(NOW + timedelta(seconds=issued_s)).isoformat(),
        expires_at=(NOW + timedelta(seconds=expires_s)).isoformat(),
    )
    assert await refusal(text, signed(text, "guard-1")) == code


@pytest.mark.parametrize("action", list(lane.AuthorisedAction))
@pytest.mark.parametrize("officer", sorted(ROLES))
async def test_every_role_and_action_as_tabled(officer, action):
    allowed = {
        "guard-1": {
            "release",
            "hand_over",
            "correct_reading",
            "acknowledge_alarm",
            "lockdown_lane",
            "close_customs_task",
            "correct_stay",
        },
        "guard-2": {
            "release",
            "hand_over",
            "correct_reading",
            "acknowledge_alarm",
            "lockdown_lane",
            "close_customs_task",
            "correct_stay",
        },
        "supervisor-1": {
            "release",
            "hand_over",
            "correct_reading",
            "acknowledge_alarm",
            "correct_stay",
            "lockdown_lane",
            "close_customs_task",
            "end_lockdown",
            "suspend_lane",
            "resume_lane",
            "begin_fallback",
            "end_fallback",
        },
        "inspector-1": {"close_customs_task", "note_appeal", "unlock_seal"},
        "health-1": {"close_customs_task"},
        "quarantine-1": {"close_customs_task"},
        "tech-1": {"suspend_lane", "resume_lane"},
    }
    text = payload(
        action=action.value,
        lines=["A<", "B<"] if action.value == "correct_reading" else [],
        seal_id="9900000001" if action.value == "unlock_seal" else "",
        closing={"finding": "nothing_found"} if action.value == "close_customs_task" else None,
        stay_correction="void" if action.value == "correct_stay" else None,
        fallback_number=1 if action.value.endswith("_fallback") else None,
    )
    if action.value in allowed[officer]:
        assert (await verifier().verify(text, signed(text, officer))).officers[0].officer_id == officer
    else:
        assert await refusal(text, signed(text, officer)) == RefusalCode.ROLE_MAY_NOT


@pytest.mark.parametrize(
    ("officer", "fields"),
    [
        ("inspector-1", {"action": "unlock_seal"}),
        ("inspector-1", {"action": "unlock_seal", "seal_id": "9" * 65}),
        ("inspector-1", {"action": "close_customs_task", "seal_id": "9900000001"}),
        ("guard-1", {"action": "release", "seal_id": "9900000001"}),
    ],
    ids=str,
)
async def test_a_seal_goes_with_its_unlocking_and_with_nothing_else(officer, fields):
    text = payload(**fields)
    assert await refusal(text, signed(text, officer)) == RefusalCode.MALFORMED


GOODS = {"description": "coat", "value": {"amount_minor": 90_000, "currency": "USD"}, "mass_g": 900}
CLOSING = {"finding": "amended", "goods": [GOODS], "duty": {"amount_minor": 0, "currency": "USD"}, "act_number": "A-1"}


@pytest.mark.parametrize(
    "closing",
    [
        None,
        {},
        {"finding": "perhaps"},
        CLOSING | {"more": 1},
        CLOSING | {"duty": {"amount_minor": -1, "currency": "USD"}},
        CLOSING | {"duty": {"amount_minor": 1.5, "currency": "USD"}},
        CLOSING | {"duty": {"amount_minor": "1", "currency": "USD"}},
        CLOSING | {"act_number": "<b>"},
        CLOSING | {"goods": [GOODS] * 31},
        CLOSING | {"goods": [GOODS | {"description": ""}]},
    ],
    ids=str,
)
async def test_a_task_is_closed_with_a_well_formed_finding_and_nothing_else_with_one(closing):
    good = payload(action="close_customs_task", closing=CLOSING)
    verified = await verifier().verify(good, signed(good, "inspector-1"))
    assert verified.authorisation.closing.goods[0].value.amount_minor == 90_000
    text = payload(action="close_customs_task", closing=closing)
    assert await refusal(text, signed(text, "inspector-1")) == RefusalCode.MALFORMED
    text = payload(action="release", closing=CLOSING)
    assert await refusal(text, signed(text, "guard-1")) == RefusalCode.MALFORMED


async def test_two_officer_policy():
    two = {"minimum_officers": {lane.AuthorisedAction.RELEASE: 2}}
    text = payload()
    assert await refusal(text, signed(text, "guard-1"), **two) == RefusalCode.TOO_FEW_OFFICERS
    assert await refusal(text, signed(text, "guard-1", "guard-1"), **two) == RefusalCode.SAME_OFFICER_TWICE
    assert await refusal(text, signed(text, "guard-1", "tech-1"), **two) == RefusalCode.ROLE_MAY_NOT
    judge = verifier(**two)
    with pytest.raises(AuthorityRefused):
        await judge.verify(text, signed(text, "guard-1"))
    both = await judge.verify(text, signed(text, "guard-1", "supervisor-1"))  # the refusal did not use the nonce up
    assert [one.officer_id for one in both.officers] == ["guard-1", "supervisor-1"]


async def test_one_key_under_two_names_is_one_officer():
    text = payload()
    judge = verifier(minimum_officers={lane.AuthorisedAction.RELEASE: 2})
    judge.officers["alias"] = judge.officers["guard-1"]
    same = [*signed(text, "guard-1"), ("alias", signed(text, "guard-1")[0][1])]
    with pytest.raises(AuthorityRefused) as refused:
        await judge.verify(text, same)
    assert refused.value.code == RefusalCode.SAME_OFFICER_TWICE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        payload(source=None),
        payload(more=1),
        payload(lane_id="3"),
        payload(lane_id=True),
        payload(transaction_id=None),
        payload(action="acknowledge_alarm", subject_id=None),
        payload(action="open_everything"),
        payload(action="correct_reading"),
        payload(action="correct_reading", lines=["A<", "B<"], transaction_id=None),
        payload(action="correct_reading", lines=["A<"] * 4),
        payload(action="correct_reading", lines=["A" * 65]),
        payload(lines=["A<", "B<"]),
        payload(nonce="short"),
        payload(issued_at="2026-06-15T09:00:00"),
        payload(reason_code=""),
        payload()[:-1] + ', "lane_id": 4}',
        payload().replace('"lane_id": 3', '"lane_id": NaN'),
        payload(reason_text="x" * 17_000),
        "[" * 5000,
    ],
)
async def test_malformed(text):
    assert await refusal(text, signed(text, "guard-1")) == RefusalCode.MALFORMED


@pytest.mark.parametrize("source", ["UTO/demo/gate-2", "UTO/elsewhere/gate-1", "ATL/demo/gate-1", "gate-1", ""])
async def test_another_gate_also_one_that_is_called_alike_at_another_site(source):
    text = payload(source=source)
    assert await refusal(text, signed(text, "guard-1")) == RefusalCode.WRONG_GATE


@given(st.text(max_size=200))
def test_any_text_is_refused_and_never_breaks(text):
    signature = KEYS["guard-1"].sign(text.encode("utf-8", "surrogatepass")).hex()
    assert asyncio.run(refusal(text, [("guard-1", signature)])) == RefusalCode.MALFORMED


def test_the_lane_and_the_page_mean_the_same_authorisation():
    assert set(lane.Authorisation.model_fields) == set(messages.Authorisation.model_fields)
    assert [one.value for one in lane.AuthorisedAction] == [one.value for one in messages.GuardAction]
    for name, wanted in messages.Authorisation.model_fields.items():
        known = lane.Authorisation.model_fields[name]
        assert (known.is_required(), known.default) == (wanted.is_required(), wanted.default), name
    assert set(lane.ROLE_ACTIONS) == set(OfficerRole)
    assert set().union(*lane.ROLE_ACTIONS.values()) == set(lane.AuthorisedAction)


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "correct_stay"},
        {"action": "correct_stay", "stay_correction": "add_exit"},
        {"action": "correct_stay", "stay_correction": "void", "stay_day": "2026-05-01"},
        {"action": "correct_stay", "stay_correction": "add_entry", "stay_day": "yesterday"},
        {"action": "correct_stay", "stay_correction": "void", "subject_id": None},
        {"action": "release", "stay_correction": "void"},
        {"action": "release", "stay_day": "2026-05-01"},
    ],
)
async def test_a_correction_of_a_stay_says_what_and_when_and_nothing_else_does(changes):
    text = payload(**changes)
    assert await refusal(text, signed(text, "guard-1")) == RefusalCode.MALFORMED


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "begin_fallback"},
        {"action": "end_fallback", "fallback_number": 0},
        {"action": "end_fallback", "fallback_number": "2"},
        {"action": "begin_fallback", "fallback_number": 2**53 + 1},
        {"action": "suspend_lane", "fallback_number": 1},
    ],
)
async def test_an_order_for_the_post_has_its_number_and_nothing_else_has(changes):
    text = payload(**changes)
    assert await refusal(text, signed(text, "supervisor-1")) == RefusalCode.MALFORMED
