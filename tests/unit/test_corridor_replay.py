"""A recorded corridor decided again gives the same colour, reasons, rules and probability, whatever the case was."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from central_sync import strict_json
from central_sync.messages import CONTENT_MODELS
from drivers.surroundings import XrayDecision, XrayReported
from gate_agent.app import views
from gate_agent.app.xray_results import XrayResults
from gate_agent.cli.corridor_replay import NotReplayable, replayed
from gate_agent.domain.crossing import Corridor, Crossing, DecidedBy, Decision, PassageOutcome
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode, UnaccompaniedGoods, Vehicle
from gate_agent.domain.demands import Demands
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.screening import Screening, ScreeningVerdict
from gate_agent.domain.seal import SealDoubt, SealReport, SealState
from gate_agent.domain.selection import (
    DRAW_RANGE,
    AppealSubject,
    Chance,
    Draw,
    HolderHistory,
    InspectionOutcome,
    Past,
    WindowCounts,
)
from gate_agent.domain.stay import NO_TERMS
from gate_agent.domain.transaction_state import Phase
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.store import records
from tests.unit.utopian_documents import document

BOOKS = [parse_rulebook(json.loads(packaged_rulebook_bytes(name))) for name in ("uzbekistan", "atlantis")]
NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
TODAY = NOW.date()
KEY = X25519PrivateKey.generate().public_key()
HOLDER = document(1)

money = st.builds(Money, st.integers(0, 10**8), st.sampled_from(["USD", "UZS", "XTS", "JPY"]))
goods = st.builds(
    DeclaredGoods,
    st.just("goods"),
    money,
    st.integers(0, 10**6),
    st.sampled_from(["", "alcohol", "weapon", "tobacco", "phone"]),
    st.none() | st.integers(0, 5_000),
)
declarations = st.builds(
    Declaration,
    st.just(b"token"),
    st.just("D-1"),
    st.just(NOW),
    st.just(NOW + timedelta(days=1)),
    st.sampled_from(list(Direction)),
    st.sampled_from(list(TravelMode)),
    st.lists(goods, max_size=4).map(tuple),
    st.lists(money, max_size=3).map(tuple),
    vehicles=st.sampled_from([(), (Vehicle("01A", "UTO", "make"),)]),
    phone_imeis=st.sampled_from([(), ("490154203237518",)]),
    unaccompanied=st.none() | st.just(UnaccompaniedGoods("U-1", ("box",), date(2027, 1, 1))),
)
seals = st.lists(
    st.builds(
        SealReport,
        st.sampled_from(["S1", "S2"]),
        st.sampled_from(list(SealState)),
        st.sampled_from(["", "rope_cut"]),
        st.just(NOW),
        st.none() | st.sampled_from(list(SealDoubt)),
    ),
    max_size=3,
).map(tuple)
screenings = st.none() | st.builds(Screening, st.just("D-1"), st.sampled_from(list(ScreeningVerdict)))
days = st.integers(0, 900).map(lambda age: TODAY - timedelta(days=age))
pasts = st.builds(
    Past,
    st.builds(WindowCounts, st.integers(700, 1_000), st.integers(0, 300), st.integers(0, 300)),
    st.builds(
        HolderHistory,
        st.lists(st.builds(InspectionOutcome, days, st.sampled_from(list(InspectionFinding))), max_size=6).map(tuple),
        st.lists(days, max_size=60).map(tuple),
        st.dictionaries(st.sampled_from(list(AppealSubject)), days),
    ),
)
draws = st.none() | st.builds(Draw, st.just(uuid.UUID(int=1)), st.integers(1, 99), st.integers(0, DRAW_RANGE - 1))


def asked(book, declaration, reports, screening, draw, past):
    return decide(
        PolicyInput(
            Direction.ENTRY, declaration.mode if declaration else TravelMode.AIR, TODAY, NOW, (), HOLDER, declaration,
            reports, book, 1.0, 24.0, Demands(frozenset(), frozenset()), screening=screening,
            chance=Chance(draw, past),
        )
    )  # fmt: skip


def written(content):
    """Return a record as a reader gets it: through its bytes."""
    body = strict_json.dumps(content.model_dump(mode="json"))
    return CONTENT_MODELS[content.kind].model_validate(strict_json.load_object(body, max_bytes=65_536))


def recorded(answer, declaration):
    ids = (uuid.uuid4(), uuid.uuid4())
    decision = Decision(
        *ids, 1, Direction.ENTRY, NOW, TODAY, DecidedBy.MACHINE, answer, (), HOLDER, declaration
    )  # fmt: skip
    crossing = Crossing(
        uuid.uuid4(), ids[1], ids[0], 1, Direction.ENTRY, NOW, TODAY, PassageOutcome.PASSED, HOLDER, declaration,
        answer.corridor,
    )  # fmt: skip
    told = written(records.decision_content(decision, KEY, uuid.uuid4()))
    used = None
    if declaration is not None:
        used = written(records.declaration_content(crossing, declaration, KEY, uuid.uuid4()))
    return told, used


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(BOOKS), st.none() | declarations, seals, screenings, draws, pasts)
def test_the_journal_replays_to_the_same_corridor(book, declaration, reports, screening, draw, past) -> None:
    answer = asked(book, declaration, reports, screening, draw, past)
    told, used = recorded(answer, declaration)
    assert replayed(told, used, book) == ""
    assert asked(book, declaration, reports, screening, draw, past) == answer
    assert 1 <= len(answer.corridor_reasons) <= 5


@settings(max_examples=100, deadline=None)
@given(st.none() | declarations, seals, screenings, draws, pasts)
def test_what_no_finding_made_red_is_red_by_the_draw_alone(declaration, reports, screening, draw, past) -> None:
    answer = asked(BOOKS[0], declaration, reports, screening, draw, past)
    without = asked(BOOKS[0], declaration, reports, screening, None, past)
    if without.corridor is Corridor.RED:  # a hard hit: no draw and no history takes anything from it
        assert answer.corridor is Corridor.RED
        assert answer.corridor_reasons == without.corridor_reasons


def test_another_version_of_the_rulebook_replays_nothing() -> None:
    told, used = recorded(asked(BOOKS[0], None, (), None, None, Past()), None)
    with pytest.raises(NotReplayable):
        replayed(told, used, replace(BOOKS[0], version=99))


def test_the_scan_of_a_declaration_is_the_one_with_its_reference() -> None:
    results = XrayResults(timedelta(minutes=30))
    results.take(XrayReported("D-1", XrayDecision.CLEAR), NOW)
    results.take(XrayReported("near", XrayDecision.ALARM), NOW)
    assert results.of_declaration("D-1") == Screening("D-1", ScreeningVerdict.CLEAR)
    results.take(XrayReported("D-1", XrayDecision.ALARM), NOW)  # revised
    assert results.of_declaration("D-1") == Screening("D-1", ScreeningVerdict.ALARM)
    assert results.of_declaration("D-2") is None
    assert results.of_declaration("") is None


@pytest.mark.parametrize(
    ("outcomes", "line"),
    [
        ((), {}),
        ((InspectionFinding.FOUND,), {"customs_ordinary": "1"}),
        ((InspectionFinding.NOTHING_FOUND,) * 3, {"customs_trusted": "3"}),
        ((InspectionFinding.FOUND,) * 2, {"customs_attention": "2"}),
    ],
)
def test_the_traveller_sees_the_category_on_the_receipt(outcomes, line) -> None:
    history = HolderHistory(tuple(InspectionOutcome(TODAY, finding) for finding in outcomes))
    answer = asked(BOOKS[0], None, (), None, Draw(uuid.UUID(int=1), 1, DRAW_RANGE - 1), Past(history=history))
    lane = SimpleNamespace(
        borrowed=SimpleNamespace(
            document=HOLDER, declaration=None, own_answer=None, answer=answer, terms=NO_TERMS, receipt=None
        ),
        state=SimpleNamespace(phase=Phase.PASSED),
        today=TODAY,
        lane=SimpleNamespace(direction=Direction.EXIT),
    )
    assert views.receipt(lane) == line
