"""The walk-through machine: examples of each rule, and a search for a release that nobody may have."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gate_agent.domain import walk_through_events as ev
from gate_agent.domain.crossing import Admission, Corridor, DecidedBy, Outcome, PassageOutcome, PolicyAnswer
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.walk_through import step
from gate_agent.domain.walk_through_events import FaceStanding, SeenFace
from gate_agent.domain.walk_through_state import LaneState, TravellerPhase, WalkThroughRules

ANNA, BORIS = uuid.UUID(int=1), uuid.UUID(int=2)
RULES = WalkThroughRules()
IDENTIFIED, UNPROVEN = FaceStanding.IDENTIFIED, FaceStanding.UNPROVEN
OPEN_ZONE = ev.ZoneChanged(exit_open=False, occupancy=0, exit_passages=7, fire=False, tamper=False)


def answer(admission: Admission = Admission.RELEASE, *reasons: Reason) -> PolicyAnswer:
    return PolicyAnswer(admission, reasons or (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),), Corridor.GREEN, ())


def face(
    who: uuid.UUID | None, proof: int = 1, *, standing: FaceStanding = IDENTIFIED, in_zone: bool = True
) -> SeenFace:
    return SeenFace(proof, proof, standing, who, in_zone)


class Lane:
    """Drives the machine and keeps what it asked for; policy and disk answer at once unless told otherwise."""

    def __init__(self, *expected: uuid.UUID) -> None:
        self.state = LaneState()
        self.effects: list[ev.Effect] = []
        self.now_s = 0.0
        self.admission = Admission.RELEASE
        self.feed(OPEN_ZONE)
        for one in expected:
            self.feed(ev.Enrolled(one))

    def feed(self, *events: ev.Event) -> list[ev.Effect]:
        """Step, answer policy and disk, and return every effect that came of it."""
        queue, all_effects = list(events), []
        while queue:
            self.state, effects = step(self.state, queue.pop(0), RULES)
            all_effects += effects
            for effect in effects:
                match effect:
                    case ev.AskPolicy(who, _, referral):
                        given = answer(Admission.REFER, *referral) if referral else answer(self.admission)
                        queue.append(ev.PolicyAnswered(who, given))
                    case ev.CommitDecision(who, number):
                        queue.append(ev.DecisionCommitted(who, number))
                    case ev.ConsumeEntry(who):
                        queue.append(ev.EntryConsumed(who, is_granted=True, t_mono_s=self.now_s))
                    case ev.CommitCrossing(who):
                        queue.append(ev.CrossingCommitted(who))
        self.effects += all_effects
        return all_effects

    def see(self, *faces: SeenFace, after_s: float = 0.1) -> list[ev.Effect]:
        self.now_s += after_s
        return self.feed(ev.FacesSeen(self.now_s, faces))

    def zone(self, **changes: object) -> list[ev.Effect]:
        state = self.state
        now = ev.ZoneChanged(state.exit_open, state.occupancy, state.exit_passages, state.fire, state.tamper)
        return self.feed(replace(now, **changes))

    def phase(self, who: uuid.UUID) -> TravellerPhase | None:
        traveller = self.state.travellers.get(who)
        return traveller.phase if traveller else None


def guard(admission: Admission, who: uuid.UUID = ANNA) -> ev.GuardDecided:
    return ev.GuardDecided(who, admission, (), "identity_checked", "")


def kinds(effects: list[ev.Effect]) -> list[type]:
    return [type(effect) for effect in effects]


def released(who: uuid.UUID = ANNA) -> Lane:
    lane = Lane(ANNA, BORIS)
    lane.zone(occupancy=1)
    assert ev.OpenExit(who) in lane.see(face(who))
    return lane


def test_one_traveller_walks_through_and_every_step_comes_in_order() -> None:
    lane = Lane(ANNA)
    lane.see(face(ANNA, standing=UNPROVEN, in_zone=False))
    assert lane.phase(ANNA) is TravellerPhase.SEEN
    lane.see(face(ANNA, in_zone=False))
    assert lane.phase(ANNA) is TravellerPhase.IDENTIFIED
    lane.zone(occupancy=1)
    asked = lane.see(face(ANNA))
    assert kinds(asked) == [ev.AskPolicy, ev.CommitDecision, ev.ConsumeEntry, ev.OpenExit, ev.StartPassageTimer]
    assert lane.phase(ANNA) is TravellerPhase.RELEASED
    lane.zone(exit_open=True)
    ended = lane.zone(exit_passages=8, occupancy=0)
    assert ended == [
        ev.SecureExit(),
        ev.CommitCrossing(ANNA, PassageOutcome.PASSED),
        ev.CloseTransaction(ANNA, Outcome.RELEASED, DecidedBy.MACHINE),
    ]
    assert lane.state.travellers == {}


@pytest.mark.parametrize("occupancy", [0, 2])
def test_nobody_is_decided_on_without_exactly_one_body(occupancy: int) -> None:
    lane = Lane(ANNA)
    lane.zone(occupancy=occupancy)
    assert lane.see(face(ANNA)) == []


def test_two_faces_in_the_zone_release_nobody_and_call_the_guard_in_time() -> None:
    lane = Lane(ANNA, BORIS)
    lane.zone(occupancy=1)
    assert lane.see(face(ANNA, 1), face(BORIS, 2)) == []
    called = lane.see(face(ANNA, 1), face(BORIS, 2), after_s=RULES.patience_s)
    assert called == [ev.CallGuard(None, (Reason(ReasonCode.SECOND_PERSON),))]
    assert lane.see(face(ANNA, 1)) == [], "an open matter at the door shuts the lane"
    lane.feed(ev.GuardCleared())
    assert ev.OpenExit(ANNA) in lane.see(face(ANNA, 1))


def test_a_face_behind_the_zone_does_not_disturb() -> None:
    lane = Lane(ANNA, BORIS)
    lane.zone(occupancy=1)
    assert ev.OpenExit(ANNA) in lane.see(face(ANNA, 1), face(BORIS, 2, in_zone=False))


def test_the_second_traveller_waits_until_the_first_has_passed() -> None:
    lane = released()
    assert lane.see(face(ANNA), face(BORIS, 2, in_zone=False)) == []
    lane.zone(exit_passages=8, occupancy=0)
    lane.zone(occupancy=1)
    assert lane.see(face(ANNA), face(BORIS, 2)) == []  # the one who passed is still in the picture
    assert ev.OpenExit(BORIS) in lane.see(face(BORIS, 2))


def test_the_face_of_the_one_who_passed_calls_no_guard() -> None:
    lane = released()
    lane.zone(exit_passages=8, occupancy=0)
    lane.zone(occupancy=1)
    assert lane.see(face(ANNA)) == []
    lane.see(face(BORIS, 2))
    assert (
        ev.CallGuard(None, (Reason(ReasonCode.FACE_UNDETERMINED, {"cause": "already_released"}),)) not in lane.effects
    )


@pytest.mark.parametrize(
    ("standing", "cause"),
    [
        (FaceStanding.EXHAUSTED, "exhausted"),
        (FaceStanding.CONTRADICTED, "contradicted"),
        (FaceStanding.CONSUMED, "consumed"),
        (FaceStanding.IDENTIFIED, "already_released"),
    ],
)
def test_who_cannot_be_recognised_is_referred_at_once(standing: FaceStanding, cause: str) -> None:
    lane = Lane(BORIS)
    lane.zone(occupancy=1)
    reason = Reason(ReasonCode.FACE_UNDETERMINED, {"cause": cause})
    assert lane.see(face(ANNA, standing=standing)) == [ev.CallGuard(None, (reason,))]
    assert lane.see(face(BORIS, 2)) == []


def test_a_contested_traveller_is_referred_with_his_transaction() -> None:
    lane = Lane(ANNA)
    lane.zone(occupancy=1)
    lane.see(face(ANNA, standing=FaceStanding.CONTESTED))
    assert lane.phase(ANNA) is TravellerPhase.REFERRED
    assert kinds(lane.effects) == [ev.AskPolicy, ev.CommitDecision, ev.CallGuard]


def test_two_faces_proved_to_be_one_traveller_release_nobody() -> None:
    lane = Lane(ANNA)
    lane.zone(occupancy=1)
    lane.see(face(ANNA, 1), face(ANNA, 2, in_zone=False))
    assert lane.phase(ANNA) is TravellerPhase.REFERRED


@pytest.mark.parametrize(
    ("faces", "code"),
    [((face(None, 3, standing=UNPROVEN),), ReasonCode.FACE_UNDETERMINED), ((), ReasonCode.FACE_NOT_FOUND)],
)
def test_patience_with_an_unrecognised_person_ends(faces: tuple[SeenFace, ...], code: ReasonCode) -> None:
    lane = Lane(ANNA)
    lane.zone(occupancy=1)
    lane.see(*faces)
    assert lane.see(*faces, after_s=RULES.patience_s - 0.1) == []
    (called,) = lane.see(*faces, after_s=0.2)
    assert isinstance(called, ev.CallGuard)
    assert called.reasons[0].code is code


def test_who_turns_back_in_time_calls_nobody() -> None:
    lane = Lane(ANNA)
    lane.zone(occupancy=1)
    lane.see(face(None, 3, standing=UNPROVEN))
    lane.zone(occupancy=0)
    assert lane.see(after_s=60) == []
    lane.zone(occupancy=1)
    assert lane.see(face(None, 4, standing=UNPROVEN)) == []


class Slow(Lane):
    """A lane whose disk and matcher answer only when the test says so."""

    def feed(self, *events: ev.Event) -> list[ev.Effect]:
        found: list[ev.Effect] = []
        for event in events:
            self.state, effects = step(self.state, event, RULES)
            found += effects
            for effect in effects:
                if isinstance(effect, ev.AskPolicy):
                    given = answer(Admission.REFER, *effect.referral) if effect.referral else answer()
                    found += self.feed(ev.PolicyAnswered(effect.transaction_id, given))
        return found


def committed(lane: Lane, who: uuid.UUID = ANNA, number: int = 1) -> list[ev.Effect]:
    return lane.feed(ev.DecisionCommitted(who, number))


def deciding() -> Slow:
    lane = Slow(ANNA, BORIS)
    lane.zone(occupancy=1)
    assert kinds(lane.see(face(ANNA))) == [ev.AskPolicy, ev.CommitDecision]
    return lane


def swapped(lane: Lane) -> None:
    lane.see(face(BORIS, 2))


def crowded(lane: Lane) -> None:
    lane.see(face(ANNA), face(BORIS, 2))


def second_body(lane: Lane) -> None:
    lane.zone(occupancy=2)


def gone(lane: Lane) -> None:
    lane.zone(occupancy=0)


def proven_anew(lane: Lane) -> None:
    lane.see(face(ANNA, 9))


def no_sight(lane: Lane) -> None:
    lane.feed(ev.SightLost())


def on_fire(lane: Lane) -> None:
    lane.zone(fire=True)


def on_emergency_stop(lane: Lane) -> None:
    lane.zone(emergency_stop=True)


def rivalled(lane: Lane) -> None:
    lane.see(face(ANNA, standing=FaceStanding.CONTESTED))


def doubled(lane: Lane) -> None:
    lane.see(face(ANNA), face(ANNA, 2, in_zone=False))


def renamed(lane: Lane) -> None:
    lane.see(face(BORIS, 1))


CHANGES = [
    swapped,
    crowded,
    second_body,
    gone,
    proven_anew,
    no_sight,
    on_fire,
    on_emergency_stop,
    rivalled,
    doubled,
    renamed,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("late", [False, True])
def test_whatever_changes_before_the_door_moves_ends_in_a_referral(change: object, late: bool) -> None:
    """The decision was Anna's by one proof; anybody else, anybody more, or a new proof before the exit does not use it."""
    lane = deciding()
    if late:
        assert committed(lane) == [ev.ConsumeEntry(ANNA, 1)]
    change(lane)
    if late:
        effects = lane.feed(ev.EntryConsumed(ANNA, is_granted=True, t_mono_s=lane.now_s))
    else:
        effects = committed(lane)
    assert kinds(effects) == [ev.AskPolicy, ev.CommitDecision]
    assert isinstance(effects[1], ev.CommitDecision)
    assert effects[1].answer.admission is Admission.REFER
    assert kinds(committed(lane, number=2)) == [ev.CallGuard]


def test_a_refused_consumption_or_an_old_frame_opens_nothing() -> None:
    for granted, age_s in ((False, 0.0), (True, RULES.sight_age_s + 0.1)):
        lane = deciding()
        committed(lane)
        effects = lane.feed(ev.EntryConsumed(ANNA, is_granted=granted, t_mono_s=lane.now_s + age_s))
        assert kinds(effects) == [ev.AskPolicy, ev.CommitDecision]


def test_an_answer_that_releases_a_referral_is_not_believed() -> None:
    lane = deciding()
    second_body(lane)
    committed(lane)
    lane.state = replace(
        lane.state,
        travellers={ANNA: replace(lane.state.travellers[ANNA], pending=None)},
    )
    (commit,) = lane.feed(ev.PolicyAnswered(ANNA, answer(Admission.RELEASE)))
    assert isinstance(commit, ev.CommitDecision)
    assert commit.answer.admission is Admission.REFER


@pytest.mark.parametrize("change", [swapped, crowded, second_body, proven_anew])
def test_a_second_person_ends_a_running_release(change: object) -> None:
    lane = released()
    before = len(lane.effects)
    change(lane)
    assert kinds(lane.effects[before:]) == [ev.SecureExit, ev.AskPolicy, ev.CommitDecision, ev.CallGuard]
    assert lane.phase(ANNA) is TravellerPhase.REFERRED


def test_two_passages_on_one_release_raise_an_alarm() -> None:
    lane = released()
    effects = lane.zone(exit_passages=9, occupancy=0)
    assert effects[0] == ev.RaiseAlarm(Reason(ReasonCode.SECOND_PERSON))


@pytest.mark.parametrize(
    ("opened", "passage"), [(False, PassageOutcome.NOT_PASSED), (True, PassageOutcome.UNDETERMINED)]
)
def test_a_release_that_nobody_used_is_settled(opened: bool, passage: PassageOutcome) -> None:
    lane = released()
    lane.zone(exit_open=opened)
    lane.zone(exit_open=False, occupancy=0)
    effects = lane.feed(ev.PassageTimedOut(ANNA))
    assert ev.CommitCrossing(ANNA, passage) in effects
    assert effects[-1] == ev.CloseTransaction(ANNA, Outcome.ABANDONED, DecidedBy.MACHINE)
    assert (ev.RaiseAlarm(Reason(ReasonCode.PASSAGE_UNDETERMINED)) in effects) is opened


def test_who_stays_at_the_open_door_is_referred() -> None:
    lane = released()
    assert kinds(lane.feed(ev.PassageTimedOut(ANNA))) == [ev.SecureExit, ev.AskPolicy, ev.CommitDecision, ev.CallGuard]


def test_a_barrier_that_does_not_confirm_refers() -> None:
    lane = released()
    lane.feed(ev.ReleaseAnswered(ANNA, is_confirmed=True))
    assert lane.phase(ANNA) is TravellerPhase.RELEASED
    lane.feed(ev.ReleaseAnswered(ANNA, is_confirmed=False))
    assert lane.phase(ANNA) is TravellerPhase.REFERRED


def test_fire_leaves_a_release_undetermined() -> None:
    lane = released()
    effects = lane.zone(fire=True)
    assert ev.CommitCrossing(ANNA, PassageOutcome.UNDETERMINED) in effects
    assert ev.RaiseAlarm(Reason(ReasonCode.FIRE)) in effects
    assert lane.zone(fire=False) == [ev.ClearAlarm(ReasonCode.FIRE)]


def test_policy_may_refer_although_the_face_is_right() -> None:
    lane = Lane(ANNA)
    lane.admission = Admission.REFER
    lane.zone(occupancy=1)
    assert kinds(lane.see(face(ANNA))) == [ev.AskPolicy, ev.CommitDecision, ev.CallGuard]


def test_a_disk_that_refuses_opens_nothing_and_shuts_the_lane() -> None:
    lane = deciding()
    effects = lane.feed(ev.CommitFailed(ANNA))
    assert kinds(effects) == [ev.RaiseAlarm, ev.CallGuard]
    assert committed(lane) == [], "an answer that comes late"
    assert lane.feed(ev.StoreReturned()) == [ev.ClearAlarm(ReasonCode.STORE_FAULT)]
    assert lane.feed(ev.StoreReturned()) == []


def test_nobody_is_decided_on_until_the_disk_is_back() -> None:
    lane = deciding()
    lane.feed(ev.CommitFailed(ANNA))
    lane.feed(guard(Admission.HAND_OVER))
    committed(lane, number=2)
    assert lane.phase(ANNA) is None
    assert lane.see(face(BORIS, 2)) == []
    lane.feed(ev.StoreReturned())
    assert kinds(lane.see(face(BORIS, 2))) == [ev.AskPolicy, ev.CommitDecision]


def test_the_first_decision_confirmed_twice_is_not_the_second() -> None:
    lane = deciding()
    crowded(lane)
    committed(lane)
    assert committed(lane) == []
    assert lane.phase(ANNA) is TravellerPhase.DECIDING


def test_a_crossing_that_could_not_be_written_is_written_later() -> None:
    lane = deciding()
    committed(lane)
    lane.feed(ev.EntryConsumed(ANNA, is_granted=True, t_mono_s=lane.now_s))
    lane.zone(exit_passages=8, occupancy=0)
    assert kinds(lane.feed(ev.CommitFailed(ANNA))) == [ev.RaiseAlarm]
    assert ev.CommitCrossing(ANNA, PassageOutcome.PASSED) in lane.feed(ev.StoreReturned())
    assert kinds(lane.feed(ev.CrossingCommitted(ANNA))) == [ev.CloseTransaction]


def referred() -> Lane:
    lane = released()
    second_body(lane)
    lane.zone(occupancy=1)
    lane.see(face(ANNA))
    return lane


def test_a_guard_hands_over() -> None:
    effects = referred().feed(guard(Admission.HAND_OVER))
    assert kinds(effects) == [ev.CommitDecision, ev.CommitCrossing, ev.CloseTransaction]
    assert effects[1] == ev.CommitCrossing(ANNA, PassageOutcome.NOT_PASSED)
    assert effects[2] == ev.CloseTransaction(ANNA, Outcome.HANDED_OVER, DecidedBy.GUARD)


def test_a_guard_releases_one_body_only() -> None:
    lane = referred()
    lane.zone(occupancy=2)
    assert lane.feed(guard(Admission.RELEASE)) == []
    lane.zone(occupancy=1)
    assert lane.feed(guard(Admission.REFER)) == []
    assert lane.feed(guard(Admission.RELEASE, BORIS)) == []
    assert kinds(lane.feed(guard(Admission.RELEASE))) == [ev.CommitDecision, ev.OpenExit, ev.StartPassageTimer]
    assert lane.see(face(None, 5, standing=UNPROVEN)) == []  # the guard looked at him; his face need not be proved


def test_expected_travellers_who_do_not_come_are_forgotten() -> None:
    lane = Lane(ANNA)
    assert lane.feed(ev.ExpectationTimedOut(ANNA)) == [ev.CloseTransaction(ANNA, Outcome.ABANDONED, DecidedBy.MACHINE)]
    lane = released()
    assert lane.feed(ev.ExpectationTimedOut(ANNA)) == []


def test_late_and_repeated_events_are_no_ops() -> None:
    lane = released()
    state = lane.state
    for event in (
        ev.Enrolled(ANNA),
        ev.FacesSeen(-1.0, ()),
        ev.PolicyAnswered(ANNA, answer()),
        ev.DecisionCommitted(ANNA, 1),
        ev.EntryConsumed(ANNA, is_granted=True, t_mono_s=0.0),
        ev.CrossingCommitted(ANNA),
        ev.CommitFailed(ANNA),
        ev.PassageTimedOut(BORIS),
        ev.GuardCleared(),
        guard(Admission.RELEASE),
        ev.ReleaseAnswered(uuid.UUID(int=9), is_confirmed=False),
    ):
        assert lane.feed(event) == [], event
        assert lane.state == state


# ---- search -----------------------------------------------------------------------------------------------------------------

PEOPLE = (ANNA, BORIS, uuid.UUID(int=3))
identities = st.sampled_from([None, *PEOPLE])
shown_faces = st.builds(
    SeenFace,
    track_id=st.integers(1, 4),
    proof=st.integers(1, 4),
    standing=st.sampled_from([IDENTIFIED, IDENTIFIED, IDENTIFIED, *FaceStanding]),
    transaction_id=identities,
    in_zone=st.sampled_from([True, True, False]),
)


class AnyHistory(RuleBasedStateMachine):
    """Every order of events; an independent account of what was durable, consumed and in the zone when the exit opened."""

    def __init__(self) -> None:
        super().__init__()
        self.state = LaneState()
        self.now_s = 0.0
        self.faces: tuple[SeenFace, ...] = ()
        self.bodies = 0
        self.fire = False
        self.passages = 0
        self.commits: list[ev.CommitDecision] = []
        self.durable: dict[uuid.UUID, ev.CommitDecision] = {}
        self.consuming: list[ev.ConsumeEntry] = []
        self.consumed: dict[uuid.UUID, int] = {}
        self.asked: list[ev.AskPolicy] = []
        self.crossings: list[ev.CommitCrossing] = []
        self.machine_releases: list[uuid.UUID] = []
        self.closed: set[uuid.UUID] = set()
        self.running: uuid.UUID | None = None

    def feed(self, event: ev.Event) -> None:
        self.state, effects = step(self.state, event, RULES)
        for effect in effects:
            match effect:
                case ev.AskPolicy():
                    self.asked.append(effect)
                case ev.CommitDecision():
                    self.commits.append(effect)
                case ev.ConsumeEntry():
                    assert self.durable[effect.transaction_id].answer.admission is Admission.RELEASE
                    self.consuming.append(effect)
                case ev.OpenExit(who):
                    self.check_release(who)
                    self.running = who
                case ev.SecureExit():
                    self.running = None
                case ev.CommitCrossing():
                    self.crossings.append(effect)
                case ev.CloseTransaction(who):
                    assert who not in self.closed
                    self.closed.add(who)

    def check_release(self, who: uuid.UUID) -> None:
        durable = self.durable[who]
        assert durable.answer.admission is Admission.RELEASE
        assert self.bodies == 1
        assert self.running is None
        assert who not in self.closed
        zone = [one for one in self.faces if one.in_zone]
        assert len(zone) <= 1
        if durable.decided_by is DecidedBy.GUARD:
            return
        assert who not in self.machine_releases, "one release for one person"
        self.machine_releases.append(who)
        assert not self.fire
        assert len(zone) == 1
        assert zone[0].transaction_id == who
        assert zone[0].standing is IDENTIFIED
        assert self.consumed[who] == zone[0].proof

    @rule(who=st.sampled_from(PEOPLE))
    def enrol(self, who: uuid.UUID) -> None:
        if who not in self.closed:  # transaction ids are never used again
            self.feed(ev.Enrolled(who))

    @rule(faces=st.lists(shown_faces, max_size=3, unique_by=lambda one: one.proof), pause_s=st.sampled_from([0.1, 7.0]))
    def see(self, faces: list[SeenFace], pause_s: float) -> None:
        self.now_s += pause_s
        self.faces = tuple(faces)
        self.feed(ev.FacesSeen(self.now_s, self.faces))

    @rule(who=st.sampled_from(PEOPLE), proof=st.integers(1, 4))
    def see_one(self, who: uuid.UUID, proof: int) -> None:
        self.see([SeenFace(proof, proof, IDENTIFIED, who, in_zone=True)], 0.1)

    @rule()
    def lose_sight(self) -> None:
        self.faces = ()
        self.feed(ev.SightLost())

    @rule(
        bodies=st.sampled_from([0, 1, 1, 1, 2]),
        passages=st.sampled_from([0, 0, 0, 1]),
        fire=st.sampled_from([False] * 6 + [True]),
    )
    def move(self, bodies: int, passages: int, fire: bool) -> None:
        self.bodies, self.fire = bodies, fire
        self.passages += passages
        if fire or passages:
            self.running = None  # the hardware ends a release with its passage, and opens in a fire
        self.feed(ev.ZoneChanged(passages > 0, bodies, self.passages % 65536, fire=fire, tamper=False))

    @precondition(lambda self: self.asked)
    @rule(refuses=st.booleans())
    def policy(self, refuses: bool) -> None:
        asked = self.asked.pop(0)
        refer = refuses or bool(asked.referral)
        self.feed(ev.PolicyAnswered(asked.transaction_id, answer(Admission.REFER if refer else Admission.RELEASE)))

    @precondition(lambda self: self.commits)
    @rule(fails=st.sampled_from([False, False, False, True]))
    def disk(self, fails: bool) -> None:
        commit = self.commits.pop(0)
        if fails:
            self.feed(ev.CommitFailed(commit.transaction_id))
        else:
            self.durable[commit.transaction_id] = commit
            self.feed(ev.DecisionCommitted(commit.transaction_id, commit.number))

    @precondition(lambda self: self.consuming)
    @rule(granted=st.sampled_from([True, True, True, False]), late_s=st.sampled_from([0.0, 0.0, 2.0]))
    def matcher(self, granted: bool, late_s: float) -> None:
        wish = self.consuming.pop(0)
        if granted:
            assert wish.transaction_id not in self.consumed, "an entry is consumed once"
            self.consumed[wish.transaction_id] = wish.proof
        self.feed(ev.EntryConsumed(wish.transaction_id, granted, self.now_s + late_s))

    @precondition(lambda self: self.crossings)
    @rule(fails=st.sampled_from([False, False, True]))
    def disk_crossing(self, fails: bool) -> None:
        who = self.crossings.pop(0).transaction_id
        self.feed(ev.CommitFailed(who) if fails else ev.CrossingCommitted(who))

    @rule(who=st.sampled_from(PEOPLE), confirmed=st.booleans())
    def barrier(self, who: uuid.UUID, confirmed: bool) -> None:
        self.feed(ev.ReleaseAnswered(who, confirmed))

    @rule(
        event=st.sampled_from(
            [
                ev.StoreReturned(),
                ev.GuardCleared(),
                *(ev.PassageTimedOut(who) for who in PEOPLE),
                ev.ExpectationTimedOut(ANNA),
                guard(Admission.RELEASE),
                guard(Admission.HAND_OVER),
                guard(Admission.RELEASE, BORIS),
            ]
        )
    )
    def other(self, event: ev.Event) -> None:
        self.feed(event)

    @rule(who=st.sampled_from(PEOPLE), proof=st.integers(1, 4), disturbed=st.integers(0, 6))
    def good_path_with_a_fault(self, who: uuid.UUID, proof: int, disturbed: int) -> None:
        """Walk the good path k steps far, then let somebody else step before the door."""
        walk = [
            lambda: self.enrol(who),
            lambda: self.move(1, 0, fire=False),
            lambda: self.see_one(who, proof),
            lambda: self.policy(refuses=False) if self.asked else None,
            lambda: self.disk(fails=False) if self.commits else None,
            lambda: self.matcher(granted=True, late_s=0.0) if self.consuming else None,
        ]
        for number, advance in enumerate(walk):
            if number == disturbed:
                self.see_one(PEOPLE[(PEOPLE.index(who) + 1) % 3], proof % 4 + 1)
            advance()

    @invariant()
    def one_matter_at_a_time(self) -> None:
        busy = {
            TravellerPhase.DECIDING,
            TravellerPhase.DECIDED,
            TravellerPhase.RELEASED,
            TravellerPhase.REFERRED,
            TravellerPhase.PASSED,
        }
        dealt_with = [who for who, one in self.state.travellers.items() if one.phase in busy]
        assert dealt_with == ([self.state.active] if self.state.active in dealt_with else [])

    @invariant()
    def an_open_release_has_one_body(self) -> None:
        if self.running is not None:
            assert self.bodies <= 1
            assert len([one for one in self.faces if one.in_zone]) <= 1


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=150, stateful_step_count=40)


def test_the_search_reaches_releases() -> None:
    """A search in which nobody is ever released would be green for nothing."""
    world = AnyHistory()
    for who in PEOPLE:
        world.good_path_with_a_fault(who, 1, disturbed=6)
        assert world.machine_releases[-1] == who
        world.move(0, 1, fire=False)
        world.disk_crossing(fails=False)
        world.see([], 0.1)
    assert world.closed == set(PEOPLE)
