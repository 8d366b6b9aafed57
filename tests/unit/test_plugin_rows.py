"""The row of a plug-in's check in the machine, in policy, in the tables and on the console: it makes a decision stricter or changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from drivers import contracts as dc
from gate_agent.demo.specimens import specimen
from gate_agent.domain.check import (
    PLUGIN_PREFIX,
    CheckName,
    CheckOutcome,
    CheckResult,
    Compared,
    PluginCheckName,
    PluginSource,
    check_named,
)
from gate_agent.domain.crossing import Admission
from gate_agent.domain.demands import DOCUMENT_AND_FACE, OPTICAL_CHECKS, Demands
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.result_tables import Family, document_result, family_results
from gate_agent.domain.transaction_document import without_right
from gate_agent.domain.transaction_state import Phase
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.errors import InspectionFault
from gate_agent.lane.ports import DocumentPorts
from gate_agent.web.guard.checks import check_groups, document_worth, gaps
from gate_agent.web.i18n import GUARD_LANGUAGES, load_catalogues
from gate_agent.web.lane_api_messages import CheckView, PluginView
from tests.unit.test_lane_controller import TODAY, lane

NAME = PluginCheckName.of("series")
SOURCE = PluginSource("acme-checks", "1.0", "combined", {"en": "Series"}, {"en": "Stolen"})
F, S, U, N, A = (
    CheckOutcome.FAILED, CheckOutcome.SUCCESSFUL, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED,
)  # fmt: skip
WORDS = load_catalogues("guard", GUARD_LANGUAGES)


def result(outcome: CheckOutcome) -> CheckResult:
    said = {"check": NAME.value, "finding": "stolen", "plugin_title": "Series", "plugin_sentence": "Stolen"}
    reasons = () if outcome in {S, N} else (Reason(ReasonCode.PLUGIN_FINDING, said),)
    return CheckResult(NAME, outcome, reasons, (Compared("number", "U01SPECIM", "another"),), 3.0, SOURCE)


class Judges:
    """Answers when it is let."""

    def __init__(self, outcome: CheckOutcome) -> None:
        self.outcome = outcome
        self.asked: list[tuple[str, str, date]] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def judge(
        self, document: TravelDocument, direction: str, local_date: date, pictures: Mapping[str, bytes] | None = None
    ) -> tuple[CheckResult, ...]:
        if pictures is not None:
            return ()
        self.asked.append((document.document_number, direction, local_date))
        await self.may_answer.wait()
        return (result(self.outcome),)


def named(**changes: object) -> list[dict[str, object]]:
    return [{"name": "series", **changes}]


@pytest.mark.parametrize(
    ("outcome", "policy", "is_released"),
    [
        (S, {}, True), (N, {}, True), (F, {}, False), (U, {}, False), (A, {}, False),
        (F, {"on_failed": "note"}, True), (U, {"on_failed": "note"}, False), (A, {"on_failed": "note"}, False),
        (F, {"on_undetermined": "note"}, False), (U, {"on_undetermined": "note"}, True), (A, {"on_undetermined": "note"}, True),
    ],
)  # fmt: skip
async def test_what_refers_is_the_operators_choice_and_the_row_stands_in_the_decision(
    outcome: CheckOutcome, policy: dict[str, object], is_released: bool
) -> None:
    judges = Judges(outcome)
    async with lane(ports=DocumentPorts(plugins=judges), checks=named(**policy)) as walk:
        await walk.present()
        if is_released:
            await walk.inputs(1)
            await walk.look()
            await walk.inputs(0, passed=True)
        (decision,) = walk.house.decisions
        assert decision.answer.admission is (Admission.RELEASE if is_released else Admission.REFER)
        assert judges.asked == [("U01SPECIM", "entry", walk.controller.today)]
        assert {one.check: one.outcome for one in decision.checks}[NAME] is outcome
        assert "plugins" in decision.step_ms
        if not is_released:
            assert decision.answer.admission_reasons[0].code is ReasonCode.PLUGIN_FINDING
            assert walk.house.entrances == 0, "it was told before the entrance opened"


async def test_the_entrance_waits_for_it_and_a_success_releases_nobody_whom_something_else_refers() -> None:
    judges = Judges(S)
    judges.may_answer.clear()
    async with lane(ports=DocumentPorts(plugins=judges), checks=named()) as walk:
        await walk.present()
        assert (walk.phase, walk.house.entrances) == (Phase.INSPECTING, 0)
        judges.may_answer.set()
        await walk.settle()
        assert walk.house.entrances == 1
    judges = Judges(S)
    async with lane(ports=DocumentPorts(plugins=judges), checks=named()) as walk:
        await walk.present(date_of_expiry=date(TODAY.year - 1, 1, 1))
        (decision,) = walk.house.decisions
        assert decision.answer.admission is Admission.REFER


async def test_a_zone_with_wrong_digits_is_shown_to_no_plug_in_and_waits_for_none() -> None:
    judges = Judges(S)
    async with lane(ports=DocumentPorts(plugins=judges), checks=named()) as walk:
        for _ in range(2):
            walk.event("reader-1", dc.DocumentPresented())
            walk.event("reader-1", dc.MrzRead(specimen(1, TODAY).lines(wrong_digit=True)))
            await walk.settle()
        assert walk.phase is Phase.REFERRED
        assert judges.asked == []


async def test_a_lane_whose_site_names_a_check_that_nobody_makes_releases_nobody() -> None:
    async with lane(checks=named()) as walk:
        await walk.present()
        await walk.inputs(1)
        await walk.look()
        assert walk.house.releases == []


class Pictures(Judges):
    """One that looks at the white picture."""

    async def judge(
        self, document: TravelDocument, direction: str, local_date: date, pictures: Mapping[str, bytes] | None = None
    ) -> tuple[CheckResult, ...]:
        if pictures is None:
            return ()
        self.asked.append((document.document_number, pictures["white"].decode(), local_date))
        return (result(self.outcome),)


class Optics:
    """Finds nothing wrong with a page, or breaks off so many times."""

    def __init__(self, faults: int = 0) -> None:
        self.faults = faults

    async def page(self, images: Mapping[str, bytes], lines: tuple[str, ...]) -> tuple[CheckResult, ...]:
        if self.faults:
            self.faults -= 1
            raise InspectionFault("the worker died")
        return tuple(CheckResult(check, S) for check in sorted(OPTICAL_CHECKS))

    async def zone(self, white: bytes) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize(("outcome", "faults", "told"), [(F, 0, F), (S, 1, S), (S, 2, A)])
async def test_one_that_looks_at_pictures_is_asked_with_the_page_and_a_page_that_breaks_off_keeps_nobody_waiting(
    outcome: CheckOutcome, faults: int, told: CheckOutcome
) -> None:
    judges, optics = Pictures(outcome), Optics(faults)
    ports = DocumentPorts(optical_inspector=optics, plugins=judges)
    async with lane(ports=ports, checks=named(), page_pictures=("white",)) as walk:
        await walk.present()
        assert walk.house.entrances == 0
        walk.event("reader-1", dc.DocumentImage("white", "image/png", b"white page"))
        await walk.settle()
        assert judges.asked[0] == ("U01SPECIM", "white page", walk.controller.today)
        assert walk.controller.state.results[NAME].outcome is told
        assert (walk.phase is Phase.REFERRED) is (told is not S)
        assert walk.house.entrances == (told is S)


# ---- names, demands, tables --------------------------------------------------------------------------------------------


def test_no_check_of_ours_has_the_prefix_and_every_name_is_told_apart() -> None:
    assert not any(check.value.startswith(PLUGIN_PREFIX) for check in CheckName)
    assert all(check_named(check.value) is check for check in CheckName)
    assert check_named("plugin.watchlist") == PluginCheckName.of("watchlist") != CheckName.WATCHLIST
    with pytest.raises(ValueError, match="nothing_such"):
        check_named("nothing_such")


def test_a_failed_check_of_ours_is_noted_nowhere() -> None:
    with pytest.raises(ValueError, match="only a plug-in's check"):
        replace(DOCUMENT_AND_FACE, noted=frozenset({CheckName.WATCHLIST}))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tolerated nowhere"):
        Demands(frozenset(), frozenset(), {NAME: frozenset({F})})
    noting = replace(DOCUMENT_AND_FACE, noted=frozenset({NAME}))
    assert noting.is_clear(result(F))
    assert not noting.is_clear(CheckResult(CheckName.WATCHLIST, F))
    assert not noting.is_clear(result(U))


def test_what_was_made_of_a_read_goes_with_it_and_a_finding_stays() -> None:
    for outcome in CheckOutcome:
        assert (NAME in without_right({NAME: result(outcome)})) is (outcome is F)


@pytest.mark.parametrize("family", Family)
def test_an_added_outcome_never_makes_a_family_or_the_document_better(family: Family) -> None:
    rank = {F: 4, A: 3, U: 2, N: 1, S: 0}  # of a document; N is no proof
    ours = {
        Family.OPTICAL: CheckName.MRZ_INFRARED, Family.ELECTRONIC: CheckName.CHIP_CONTENT,
        Family.COMBINED: CheckName.EXPIRY, Family.SEAL: CheckName.VISIBLE_SEAL,
    }  # fmt: skip
    for outcomes in product(CheckOutcome, repeat=4):
        known = dict(zip(ours.values(), outcomes, strict=True))
        before = family_results(known)
        for added in CheckOutcome:
            after = family_results(known, added=[(family, added)])
            assert {one: after[one] for one in after if one is not family} == {one: before[one] for one in before if one is not family}  # fmt: skip
            if added in {S, N}:
                assert after == before
            else:
                assert rank[after[family]] >= rank[added]
            assert rank[document_result(after)] >= rank[document_result(before)]


# ---- the console -------------------------------------------------------------------------------------------------------


def view(outcome: str, family: str = "combined", titles: dict[str, str] | None = None) -> CheckView:
    plugin = PluginView(
        package="acme-checks", version="1.0", family=family, titles=titles or {"en": "Watchlist", "ru": "Список"},
        findings={"en": "It is on it", "ru": "Он в нём"},
    )  # fmt: skip
    parameters = {"check": "plugin.series", "finding": "on_it", "plugin_title": plugin.titles["en"], "plugin_sentence": "It is on it"}  # fmt: skip
    reason = {"code": "plugin_finding", "parameters": parameters}
    return CheckView.model_validate(
        {"check": "plugin.series", "outcome": outcome, "reasons": [reason], "plugin": plugin}
    )


@pytest.mark.parametrize(
    ("family", "group"),
    [("", "lists"), ("optical", "page"), ("electronic", "chip"), ("combined", "document"), ("seal", "document")],
)
def test_the_console_shows_it_in_its_group_marked_as_the_packages_own(family: str, group: str) -> None:
    ours = CheckView(check="watchlist", outcome="successful")
    groups = check_groups([ours, view("failed", family)], WORDS["en"])
    row = next(row for one in groups if one["group"] == group for row in one["checks"] if row["key"] == "plugin.series")
    assert row["check_text"] == "Watchlist (added by acme-checks 1.0)", "it cannot pass for ours"
    assert row["reasons"] == ["Added check “Watchlist”: It is on it"]
    assert "added by acme-checks" in gaps(groups, WORDS["en"])
    worth = document_worth([CheckView(check="expiry", outcome="successful"), view("failed", family)], WORDS["en"])
    assert ("F" in {word.strip("()") for word in worth.split()}) is bool(family), "and counts in its family"


def test_words_are_the_packages_in_the_pages_language_and_english_where_it_has_none() -> None:
    (russian,) = check_groups([view("failed")], WORDS["ru"])
    assert russian["checks"][0]["check_text"].startswith("Список (")
    assert russian["checks"][0]["reasons"] == ["Дополнительная проверка «Список»: Он в нём"]
    (uzbek,) = check_groups([view("failed")], WORDS["uz-Latn"])
    assert uzbek["checks"][0]["check_text"].startswith("Watchlist (")
    assert uzbek["checks"][0]["reasons"] == ["Qoʻshimcha tekshiruv «Watchlist»: It is on it"]


def test_two_checks_of_one_title_are_two_rows() -> None:
    other = view("successful").model_copy(update={"check": "plugin.other"})
    (group,) = check_groups([view("failed"), other], WORDS["en"])
    assert [row["key"] for row in group["checks"]] == ["plugin.other", "plugin.series"]
