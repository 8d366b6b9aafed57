"""Counting at the end of a transaction: in which order, what is counted and what is left out, and that forgetting never waits for it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import pytest
import structlog

from gate_agent.app.face_side import FaceSide, rate_views
from gate_agent.clock import SystemClock
from gate_agent.demo.specimens import specimen
from gate_agent.domain import events as ev
from gate_agent.domain.crossing import Admission
from gate_agent.domain.events import GuardDecided
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import OTHER_PERSON, ReasonCode
from gate_agent.domain.transaction_state import Phase
from gate_agent.errors import InferenceFault, StoreFault
from gate_agent.lane.alarms import LaneAlarms
from gate_agent.lane.face import work as face_work
from gate_agent.lane.ports import FaceConclusion
from gate_agent.runtime import continuous_evaluation
from gate_agent.runtime.continuous_evaluation import ContinuousEvaluation
from gate_agent.runtime.face_choice import evaluation_arguments
from gate_agent.settings import FaceSettings, PathSettings, Settings
from gate_agent.store.face_references import FILE_NAME, FaceReferences, ReferenceLimits
from gate_agent.store.reference_keys import ReferenceKeys, make_site_key
from gate_agent.web.guard.rates import rates_table
from gate_agent.web.i18n import load_catalogue
from models.field_evaluation import FieldCounts
from models.non_mated_cache import NonMatedCounts
from models.results import ComparisonDecision, FaceBox, FaceComparison, FaceFinding, HeadPose
from tests.unit.test_lane_controller import House, Lane, lane
from tests.waiting import until


@dataclass
class Engine:
    """The part of the engine that evaluation needs, scripted."""

    calibration_id: str | None = "fake"
    watched_thresholds: tuple[tuple[float, float], ...] = ((0.94, 0.97),)
    counts: NonMatedCounts | None = None
    fault: Exception | None = None
    hangs: bool = False
    house: House | None = None
    asked: list[tuple[bytes, tuple[int, ...]]] = field(default_factory=list)

    async def evaluate(
        self, transaction_id: uuid.UUID, own_key: bytes, groups: Sequence[int] = ()
    ) -> NonMatedCounts | None:
        self.asked.append((own_key, tuple(groups)))
        if self.house is not None:
            assert transaction_id in self.house.kept, "the worker was told to forget before it evaluated"
            self.house.asked.append("evaluate")
        if self.fault is not None:
            raise self.fault
        if self.hangs:
            await asyncio.sleep(60)
        return self.counts


def against(comparisons: int, matches: int = 0, groups: int = 0) -> NonMatedCounts:
    counts = FieldCounts(
        probes=1, probes_matched=int(matches > 0), non_mated=comparisons, false_matches=matches,
        squares_by_probe=matches * matches, squares_by_reference=matches,
    )  # fmt: skip
    return NonMatedCounts((counts,), ((counts,),) * groups)


def evaluation(engine: Engine, **settings: object) -> ContinuousEvaluation:
    chosen = FaceSettings.model_validate(settings)
    return ContinuousEvaluation(chosen, engine, SystemClock(), calibration_id="fake")


def whole(monitor: ContinuousEvaluation) -> FieldCounts:
    rows = [row for row in monitor.deciding_report() if not row.dimension]
    assert len(rows) <= 1
    return rows[0].counts if rows else FieldCounts()


async def crosses(walk: Lane, frames: int = 1) -> None:
    await walk.present()
    await walk.inputs(1)
    await walk.look(frames)
    await walk.inputs(0, passed=True)
    assert walk.phase is Phase.IDLE
    await walk.settle()


async def referred(walk: Lane) -> uuid.UUID:
    walk.house.decision, walk.house.box = ComparisonDecision.NON_MATCH, FaceBox(3, 3, 6, 6, 1.0)
    walk.house.pose = HeadPose(0, 0, 0)
    await walk.present()
    await walk.inputs(1)
    async with asyncio.timeout(10):  # a second of still, frontal frames makes a non-match
        while walk.phase is Phase.INSPECTING:
            await walk.look()
            await asyncio.sleep(0.1)
    assert walk.phase is Phase.REFERRED
    assert walk.controller.state.transaction_id is not None
    return walk.controller.state.transaction_id


async def handed_over(walk: Lane, reason: str) -> None:
    transaction_id = await referred(walk)
    assert await walk.controller.guard(GuardDecided(transaction_id, Admission.HAND_OVER, (), reason, ""))
    await walk.inputs(0)
    assert walk.controller.borrowed is None
    await walk.settle()


async def test_evaluated_then_counted_then_forgotten() -> None:
    engine = Engine(counts=against(7))
    monitor = evaluation(engine, non_mated_cache=10)
    async with lane(monitor=monitor) as walk:
        engine.house = walk.house
        await crosses(walk)
        assert walk.house.asked == ["reference", "probe", "evaluate", "forget"]
        assert walk.house.kept == set()
    assert whole(monitor) == against(7).overall[0] + FieldCounts(acquisitions=1, mated=1)


async def test_one_holder_has_one_key_that_is_no_number_of_his() -> None:
    engine = Engine(counts=against(0))
    monitor = evaluation(engine, non_mated_cache=10)
    async with lane(monitor=monitor) as walk:
        await crosses(walk)
        await crosses(walk)
    keys = {key for key, _ in engine.asked}
    assert len(engine.asked) == 2
    assert len(keys) == 1
    other = Engine(counts=against(0))
    async with lane(monitor=evaluation(other, non_mated_cache=10)) as walk:
        await crosses(walk)
    assert {key for key, _ in other.asked}.isdisjoint(keys), "the key outlives the process"


async def test_without_a_cache_no_worker_is_asked_and_the_own_comparison_is_counted() -> None:
    engine = Engine()
    monitor = evaluation(engine)
    async with lane(monitor=monitor) as walk:
        await crosses(walk)
    assert engine.asked == []
    assert whole(monitor) == FieldCounts(acquisitions=1, mated=1)


@pytest.mark.parametrize("fault", [InferenceFault("died", code="EG-INF-001"), None])
async def test_a_worker_that_cannot_evaluate_is_a_skipped_probe(fault: InferenceFault | None) -> None:
    engine = Engine(counts=None, fault=fault)
    monitor = evaluation(engine, non_mated_cache=10)
    async with lane(monitor=monitor) as walk:
        await crosses(walk)
        assert walk.house.asked[-1] == "forget"
    assert whole(monitor) == FieldCounts(acquisitions=1, mated=1, probes_skipped=1)


async def test_a_worker_that_hangs_costs_its_counts_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continuous_evaluation, "_EVALUATED_WITHIN_S", 0.05)
    monitor = evaluation(Engine(hangs=True), non_mated_cache=10)
    async with lane(monitor=monitor) as walk:
        await crosses(walk)
        await asyncio.sleep(0.1)
        assert walk.house.kept == set()
    assert whole(monitor) == FieldCounts(acquisitions=1, mated=1, probes_skipped=1)


class Broken:
    """A monitor that fails in every way there is."""

    def __init__(self, how: str) -> None:
        self.how = how
        self.calls = 0

    def concluding(self, end: FaceConclusion) -> Coroutine[object, object, None]:
        self.calls += 1
        assert end.document is not None, "asked after the document was destroyed"
        assert end.document.document_number
        if self.how == "at once":
            raise RuntimeError("a fault nobody foresaw")
        return self._later()

    async def _later(self) -> None:
        if self.how == "hangs":
            await asyncio.sleep(60)
        raise RuntimeError("a fault nobody foresaw")


@pytest.mark.parametrize("how", ["at once", "later", "hangs"])
async def test_whatever_becomes_of_the_counts_the_face_is_forgotten(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_work, "CONCLUDED_WITHIN_S", 0.05)
    monitor = Broken(how)
    async with lane(monitor=monitor) as walk:
        with structlog.testing.capture_logs() as entries:
            await crosses(walk)
            await asyncio.sleep(0.1)
        assert walk.house.kept == set()
        assert "face_not_counted" in [entry["event"] for entry in entries]
        await walk.present()
        assert walk.phase is Phase.INSPECTING, "the lane goes on"
    assert monitor.calls == 1


async def test_an_acquisition_that_gives_no_comparison_is_a_failure_to_acquire() -> None:
    engine = Engine()
    monitor = evaluation(engine, non_mated_cache=10)
    async with lane(monitor=monitor, out_of_range_timeout_s=0.1) as walk:
        walk.house.finding = FaceFinding.NOT_FOUND
        await walk.present()
        await walk.inputs(1)
        await walk.look()
        await asyncio.sleep(0.3)
        assert walk.phase is Phase.REFERRED
        transaction_id = walk.controller.state.transaction_id
        assert transaction_id is not None
        assert await walk.controller.guard(GuardDecided(transaction_id, Admission.HAND_OVER, (), "face_doubt", ""))
        await walk.inputs(0)
        await walk.settle()
    assert engine.asked == []
    assert whole(monitor) == FieldCounts(acquisitions=1, failures_to_acquire=1)


async def test_what_never_was_an_acquisition_is_not_counted() -> None:
    monitor = evaluation(Engine())
    async with lane(monitor=monitor) as walk:
        walk.house.calibration_id = None
        await walk.present()
        await walk.inputs(1)
        assert walk.phase is Phase.REFERRED
        transaction_id = walk.controller.state.transaction_id
        assert transaction_id is not None
        assert await walk.controller.guard(GuardDecided(transaction_id, Admission.HAND_OVER, (), "face_doubt", ""))
        await walk.inputs(0)
        await walk.settle()
        walk.house.calibration_id = "fake"
        await walk.present()
        await walk.inputs(1)
        walk.house.decision = ComparisonDecision.UNDETERMINED
        await walk.look()  # one frame, then the traveller asks for help: nothing came of the acquisition
        walk.controller.feed(ev.HelpRequested(uuid.uuid4()))
        await walk.settle()
        assert walk.phase is Phase.REFERRED
        transaction_id = walk.controller.state.transaction_id
        assert transaction_id is not None
        assert await walk.controller.guard(GuardDecided(transaction_id, Admission.HAND_OVER, (), "face_doubt", ""))
        await walk.inputs(0)
        await walk.settle()
        assert walk.controller.borrowed is None
    assert whole(monitor) == FieldCounts()


async def test_a_guards_ruling_leaves_the_pair_out_and_a_doubt_does_not() -> None:
    engine = Engine(watched_thresholds=((0.96, 0.97),))  # the house's score of 0.95 is below it
    monitor = evaluation(engine, monitoring_ruling_window_h=0)
    async with lane(monitor=monitor) as walk:
        await handed_over(walk, OTHER_PERSON)
        assert whole(monitor) == FieldCounts()
        await handed_over(walk, "face_doubt")
        assert whole(monitor) == FieldCounts(acquisitions=1, mated=1, non_matches=1)


async def test_a_pair_that_a_guard_released_stays_a_non_match() -> None:
    monitor = evaluation(Engine(watched_thresholds=((0.96, 0.97),)))
    async with lane(monitor=monitor) as walk:
        transaction_id = await referred(walk)
        assert await walk.controller.guard(
            GuardDecided(transaction_id, Admission.RELEASE, (), "face_compared_by_eye", "")
        )
        await walk.settle()
        await walk.inputs(0, passed=True)
        await walk.settle()
        assert walk.phase is Phase.IDLE
    assert whole(monitor) == FieldCounts(acquisitions=1, mated=1, non_matches=1)


async def test_each_rate_has_its_own_threshold_and_several_frames_a_stricter_one() -> None:
    engine = Engine(watched_thresholds=((0.94, 0.97), (0.90, 0.91), (0.96, 0.99)))
    monitor = evaluation(engine, monitoring_false_match_rates=[1e-3, 1e-5])
    score = FaceConclusion(uuid.uuid4(), 1, None, comparison(0.95, 1), is_other_person=False, today=date_of())
    await monitor.concluding(score)
    await monitor.concluding(replace(score, transaction_id=uuid.uuid4(), comparison=comparison(0.95, 3)))
    found = {row.point: (row.counts.mated, row.counts.non_matches) for row in monitor._monitoring.report()}
    assert found == {"fake@0.0001": (2, 1), "fake@0.001": (2, 0), "fake@1e-05": (2, 2)}
    assert [row.point for row in monitor.deciding_report()] == ["fake@0.0001"]


async def test_comparisons_of_another_record_are_left_out() -> None:
    engine = Engine(counts=against(7))
    monitor = evaluation(engine, non_mated_cache=10)
    other = replace(comparison(0.95, 1), calibration_id="another")
    await monitor.concluding(FaceConclusion(uuid.uuid4(), 1, None, other, is_other_person=False, today=date_of()))
    assert whole(monitor) == FieldCounts()
    assert engine.asked == []


def comparison(score: float, frames: int) -> FaceComparison:
    decision = ComparisonDecision.MATCH if score >= 0.94 else ComparisonDecision.NON_MATCH
    return FaceComparison(score, decision, 0.94, 0.91, 1e-4, "fake", frames=frames)


def date_of() -> date:
    return SystemClock().now().date()


def test_nothing_is_cached_unless_the_site_says_so() -> None:
    assert evaluation_arguments(FaceSettings()) == []
    words = evaluation_arguments(
        FaceSettings(non_mated_cache=101, non_mated_cache_age_h=2, workers=2, monitoring_groups=("sex",))
    )
    assert words == ["--non-mated-cache", "50", "--non-mated-cache-age-s", "7200.0", "--group-numbers", "1"]
    assert evaluation_arguments(FaceSettings(monitoring_false_match_rates=(1e-3,))) == ["--watched-rate", "0.001"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"non_mated_cache": 20_001},
        {"non_mated_cache_age_h": 24.1},
        {"monitoring_groups": ["religion"]},
        {"monitoring_groups": ["sex", "sex"]},
        {"monitoring_smallest_group": 9},
        {"monitoring_false_match_rates": [1e-4]},
        {"monitoring_false_match_rates": [0.5]},
        {"monitoring_ruling_window_h": 25},
        {"short_term_reference_days": 91},
    ],
)
def test_settings_that_are_not_allowed(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FaceSettings.model_validate(wrong)


# ---- the agent's side: alarm, view, references ---------------------------------------------------------------------


def site(tmp_path: Path, **face: object) -> Settings:
    for name in ("state", "keys"):
        (tmp_path / name).mkdir(exist_ok=True)
    paths = PathSettings(state=tmp_path / "state", keys=tmp_path / "keys")
    return Settings(face=FaceSettings.model_validate(face), paths=paths)


async def test_a_false_match_rate_above_its_limit_alarms_its_lane_until_it_is_proven_within(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gate_agent.app.face_side._REFRESH_S", 0.01)
    engine, changes = Engine(counts=against(1000, 50)), []
    faces = await FaceSide.open(site(tmp_path, non_mated_cache=10), engine, SystemClock())
    assert faces.monitor is not None
    alarms = LaneAlarms(1, SystemClock(), House())
    running = asyncio.create_task(faces.run({1: alarms}, lambda: changes.append(1)))
    try:
        async with lane(monitor=faces.monitor) as walk:
            await crosses(walk)
            await until(lambda: alarms.open)
            (alarm,) = alarms.open.values()
            assert alarm.reason.code is ReasonCode.FACE_FALSE_MATCH_RATE_HIGH
            assert alarm.reason.parameters["limit"] == "0.10%"
            await until(lambda: faces.rates and faces.rates[0].verdict == "above")
            assert faces.rates[0].false_match is not None
            assert (faces.rates[0].false_match.errors, faces.rates[0].false_match.trials) == (50, 1000)
            engine.counts = against(10_000_000)
            await crosses(walk)
            await until(lambda: not alarms.open)
            await until(lambda: faces.rates[0].verdict == "within")
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await faces.close()
    assert changes
    kept = (tmp_path / "state" / "face_counts.json").read_bytes()
    assert b"10001000" in kept  # written at the end, for the next start


async def test_without_a_calibration_record_nothing_is_counted(tmp_path: Path) -> None:
    faces = await FaceSide.open(site(tmp_path), Engine(calibration_id=None), SystemClock())
    assert faces.monitor is None
    assert faces.references is None


def kept_reference(settings: Settings) -> None:
    make_site_key(settings.paths.keys)
    references = FaceReferences.open(settings.paths.state, ReferenceKeys.read(settings.paths.keys), ReferenceLimits())
    now = SystemClock().now()
    references.put(("UTO", "L898902C3"), b"portrait", uuid.uuid4(), now, now + ReferenceLimits().maximum_age)
    references.close()


async def test_switching_references_off_destroys_them(tmp_path: Path) -> None:
    settings = site(tmp_path)
    kept_reference(settings)
    with structlog.testing.capture_logs() as entries:
        faces = await FaceSide.open(settings, Engine(), SystemClock())
    assert faces.references is None
    assert not (tmp_path / "state" / FILE_NAME).exists()
    assert [(entry["event"], entry["reason"]) for entry in entries] == [("face_reference_destroyed", "order")]


async def test_references_without_their_key_keep_the_gate_shut_and_say_why(tmp_path: Path) -> None:
    with pytest.raises(StoreFault, match="egate provision") as fault:
        await FaceSide.open(site(tmp_path, short_term_references=True), Engine(), SystemClock())
    assert fault.value.code == "EG-REF-001"


# ---- the supervisor's table ------------------------------------------------------------------------------------------


async def test_the_table_says_when_there_is_not_enough_and_how_unlike_groups_are() -> None:
    engine = Engine(counts=against(40, groups=1))
    monitor = evaluation(engine, non_mated_cache=10, monitoring_groups=["sex"], monitoring_smallest_group=10)
    document = read_mrz(specimen(1, date_of()).lines(), date_of()).document
    assert document is not None
    for number in range(40):
        person = replace(document, sex="F" if number % 2 else "M", document_number=f"L{number}")
        score = 0.95 if number % 4 else 0.5
        await monitor.concluding(
            FaceConclusion(uuid.uuid4(), 1, person, comparison(score, 1), is_other_person=False, today=date_of())
        )
    table = rates_table(rate_views(monitor.deciding_report(), 30), load_catalogue("guard", "en"))
    assert table is not None
    assert table["title"] == "Face comparison: error rates of 30 days"
    (row,) = table["rows"]
    assert row["verdict"] == "not enough: 1600 of 9000 comparisons"
    assert row["non_match"]["value"] == "25.0%"
    assert row["non_match"]["bounds"].endswith(" · 10 of 40")
    assert row["groups"] == ["Holder not recognised, sex: men / women: best without any error (at least 2.0 times)"]
    assert rates_table([], load_catalogue("guard", "en")) is None
