"""Uzbekistan's risk corridors (border-rules A6): the same facts give the same corridor, chance can be audited, hard hits stay red.

Crossings go through the gate's own policy, draw book and store; what an auditor and a statistician see is read back from the journal alone.
"""

import copy
import json
import random
import uuid
from datetime import UTC, date, datetime, timedelta

import pytest

from central_sync import strict_json
from central_sync.messages import read_record
from gate_agent.app.draw_book import DrawBook
from gate_agent.cli import main
from gate_agent.cli.corridor_report import report
from gate_agent.cli.draw_audit import audit
from gate_agent.cli.journal_source import read_journal
from gate_agent.domain.crossing import Corridor, Crossing, DecidedBy, Decision, PassageOutcome
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.demands import Demands
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.domain.screening import Screening, ScreeningVerdict
from gate_agent.domain.selection import Chance, SelectedBy, TrustCategory
from gate_agent.policy.admission import PolicyInput, decide
from gate_agent.policy.corridor_statistics import CorridorStatistics
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.policy.selection import selection_reach
from tests.unit.test_store import HandClock, open_store
from tests.unit.utopian_documents import document

BOOK = parse_rulebook(json.loads(packaged_rulebook_bytes()))
ZONE = "Asia/Tashkent"
EVENING = datetime(2026, 11, 29, 10, tzinfo=UTC)
DAY = date(2026, 11, 30)
GATE = "UTO/demo/gate-1"


class Gate:
    """One gate's day: who comes is decided, committed and passes, as the lane does it."""

    def __init__(self, store, clock, book):
        self.store, self.clock, self.book = store, clock, book
        self.answers = []

    @property
    def today(self):
        return (self.clock.now() + timedelta(hours=5)).date()

    async def cross(self, number, declaration=None, screening=None, seconds=40):
        clock, holder = self.clock, document(number)
        transaction_id = uuid7(int(clock.now().timestamp() * 1000))
        reach = selection_reach(BOOK, self.today)
        past = await self.store.past_of(holder.issuing_state, holder.document_number, *reach)
        answer = decide(
            PolicyInput(
                Direction.ENTRY, TravelMode.AIR, self.today, clock.now(), (), holder, declaration, (), BOOK,
                1.0, 24.0, Demands(frozenset(), frozenset()), screening=screening,
                chance=Chance(self.book.draw(transaction_id, self.today), past),
            )
        )  # fmt: skip
        decision = Decision(
            uuid.uuid4(), transaction_id, 1, Direction.ENTRY, clock.now(), self.today, DecidedBy.MACHINE, answer,
            (), holder, declaration,
        )  # fmt: skip
        await self.store.commit_decision(decision)
        clock.turn(seconds=seconds)
        await self.store.commit_crossing(
            Crossing(
                uuid.uuid4(), transaction_id, decision.decision_id, 1, Direction.ENTRY, clock.now(), self.today,
                PassageOutcome.PASSED, holder, declaration, answer.corridor,
            )
        )  # fmt: skip
        self.answers.append(answer)
        return answer, transaction_id

    async def journal(self):
        rows = await self.store._database.write(
            lambda connection: connection.execute("SELECT body FROM outbox ORDER BY seq").fetchall()
        )
        return [read_record(bytes(row["body"])) for row in rows]


def declared(number, cash_usd=0, goods_usd=0):
    goods = (DeclaredGoods("goods", Money(goods_usd * 100, "USD"), 1_000),) if goods_usd else ()
    cash = (Money(cash_usd * 100, "USD"),) if cash_usd else ()
    return Declaration(
        number.to_bytes(8, "big"), f"D-{number}", EVENING, EVENING + timedelta(days=3), Direction.ENTRY, TravelMode.AIR,
        goods, cash,
    )  # fmt: skip


@pytest.fixture
async def gate(tmp_path):
    clock = HandClock()
    clock.time = EVENING
    store = await open_store(tmp_path, clock)
    # seeds that a test can name; a gate takes them from the kernel
    seeds = random.Random(7)
    book = DrawBook(clock, ZONE, seeds.randbytes)
    await book.keep(store.selection)
    clock.time = datetime(2026, 11, 29, 20, tzinfo=UTC)  # 01:00 of the 30th in Tashkent: the day before is told
    await book.keep(store.selection)
    yield Gate(store, clock, book)
    await store.close()


async def a_day(gate, count=60):
    """Let a mixed crowd cross, then close the day."""
    for number in range(count):
        if number % 10 == 3:
            await gate.cross(number, declared(number, cash_usd=20_000))
        elif number % 10 == 5:
            await gate.cross(number, declared(number, goods_usd=400))
        elif number % 10 == 7:
            verdict = ScreeningVerdict.ALARM if number % 20 == 7 else ScreeningVerdict.UNDETERMINED
            await gate.cross(number, declared(number, goods_usd=50), Screening(f"D-{number}", verdict))
        else:
            await gate.cross(number)
    gate.clock.time = datetime(2026, 11, 30, 20, tzinfo=UTC)
    await gate.book.keep(gate.store.selection)


async def test_an_auditor_reproduces_every_draw_and_every_corridor_of_a_day(gate):
    await a_day(gate)
    (line,) = audit(await gate.journal(), BOOK, day=DAY)
    assert (line["result"], line["findings"]) == ("successful", [])
    assert (line["gate"], line["draws"], line["decisions"], line["replayed"], line["differing"]) == (
        GATE,
        60,
        60,
        60,
        0,
    )
    assert line["selected_at_random"] == sum(
        answer.selection.selected_by is SelectedBy.RANDOM for answer in gate.answers
    )
    assert 0 < line["selected_at_random"] < 30


async def test_hard_hits_are_red_whatever_chance_says_and_screening_has_its_colour(gate):
    await a_day(gate)
    for number, answer in enumerate(gate.answers):
        if number % 10 == 3 or number % 20 == 7:
            assert answer.corridor is Corridor.RED
            assert answer.selection.selected_by is SelectedBy.RULE
        elif number % 20 == 17:
            assert answer.corridor is not Corridor.GREEN
        assert 1 <= len(answer.corridor_reasons) <= 5


def tampered(journal, kind, change, which=0):
    """Return the journal with one record of a kind changed."""
    changed, seen = [], 0
    for record in journal:
        if record.kind == kind:
            if seen == which:
                data = copy.deepcopy(record.data)
                change(data)
                changed.append(record.model_copy(update={"data": data}))
            else:
                changed.append(record)
            seen += 1
        else:
            changed.append(record)
    return changed


def other(data):
    return "" if data["selection"]["selected_by"] == "random" else "random"


@pytest.mark.parametrize(
    ("kind", "which", "change", "finding"),
    [
        ("decision", 9, lambda data: data["selection"].update(draw_value=1), "draw_differs"),
        ("decision", 9, lambda data: data["selection"].update(selected_by=other(data)), "selection_differs"),
        ("decision", 9, lambda data: data["selection"].update(draw_number=9), "number_twice"),
        ("decision", 9, lambda data: data["selection"].update(governed_ppm=1, probability_ppm=1), "replay_differs"),
        ("decision", 3, lambda data: data.update(corridor="green"), "replay_differs"),
        ("decision", 3, lambda data: data["corridor_reasons"].clear(), "replay_differs"),
        ("draw_seed", 1, lambda data: data.update(commitment="0" * 64), "seed_differs"),
    ],
)  # fmt: skip
async def test_what_was_changed_afterwards_is_found(gate, kind, which, change, finding):
    await a_day(gate, 12)
    (line,) = audit(tampered(await gate.journal(), kind, change, which), BOOK, day=DAY)
    assert line["result"] == "failed"
    assert finding in {one["kind"] for one in line["findings"]}


async def test_a_decision_that_was_left_out_is_missed(gate):
    await a_day(gate, 12)
    journal = await gate.journal()
    hidden = [record for record in journal if record.kind == "decision"][4]
    (line,) = audit([record for record in journal if record is not hidden], BOOK, day=DAY)
    assert [one["kind"] for one in line["findings"]] == ["number_missing"]


async def test_before_the_seed_is_told_an_audit_says_so(gate):
    await gate.cross(1)
    (line,) = audit(await gate.journal(), BOOK, day=DAY)
    assert line["result"] == "undetermined"
    assert [one["kind"] for one in line["findings"]] == ["not_revealed"]


async def test_clean_inspections_earn_trust_that_shows_in_the_next_decision(gate):
    for number in range(100, 140):
        await gate.cross(number)
    for visit in range(3):
        _, transaction_id = await gate.cross(1, declared(visit, cash_usd=20_000))
        await gate.store._write(
            lambda connection, told=transaction_id: gate.store.selection.inspected(
                connection, uuid.uuid4(), told, gate.today, InspectionFinding.NOTHING_FOUND
            )
        )
    answer, _ = await gate.cross(1)
    other, _ = await gate.cross(2)
    assert answer.selection.standing.category is TrustCategory.TRUSTED
    assert other.selection.standing.category is TrustCategory.ORDINARY
    assert answer.selection.probability_ppm < other.selection.probability_ppm
    hard, _ = await gate.cross(1, declared(9, cash_usd=20_000))
    assert hard.corridor is Corridor.RED


async def test_the_report_counts_the_journal(gate, tmp_path, capsys):
    await a_day(gate)
    lines = report(await gate.journal(), day=DAY)
    both = {line["corridor"]: line for line in lines if line["direction"] == "both"}
    for corridor in Corridor:
        expected = sum(answer.corridor is corridor for answer in gate.answers)
        assert both[corridor.value]["crossings"] == expected
    assert both["green"]["time"] == "0:00:40"
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(b"\n".join(strict_json.dumps(one.model_dump(mode="json")) for one in await gate.journal()))
    capsys.readouterr()
    assert main(["rules", "corridor-report", "--journal", str(journal), "--day", "2026-11-30"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == lines
    assert main(["rules", "audit-draws", "--journal", str(tmp_path / "store"), "--day", "2026-11-30"]) == 0
    assert json.loads(capsys.readouterr().out)["draws"] == 60
    assert len(list(read_journal(str(journal)))) == len(await gate.journal())


async def test_a_lawyer_sees_what_a_lower_allowance_would_have_shifted(gate, tmp_path, capsys):
    await a_day(gate)
    body = json.loads(packaged_rulebook_bytes())
    older, newer = tmp_path / "old.json", tmp_path / "new.json"
    older.write_text(json.dumps(body))
    for rule in body["rules"]:
        if rule["id"] == "uz.allowance.air.2025":
            rule["value"] = 30_000
    newer.write_text(json.dumps(body | {"version": 2}))
    capsys.readouterr()
    words = ["rules", "shift", str(older), str(newer), "--day", "2026-11-30", "--examples", "2", "--journal"]
    assert main([*words, str(tmp_path / "store")]) == 0
    head, corridor, duty, _, admission = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (head["decisions"], head["made_by_version"], head["begins_later"]) == (60, {"1": 60}, [])
    green = [answer.corridor is Corridor.GREEN for answer in gate.answers]
    assert corridor["directions"] == {"green_to_red": sum(green[5::10])}  # not those who were drawn
    assert corridor["because"] == {"uz.allowance.air.2025": sum(green[5::10])}
    assert (corridor["as_recorded"], corridor["not_as_recorded"], corridor["undecided"]) == (60, 0, {})
    assert duty["sums_minor"] == {"USD": {"before": 0, "after": 6 * 3_000}}
    assert admission["matrix"]["refer"]["refer"] == 60
    told = [str(answer_id) for answer_id in corridor["examples"]["green_to_red"]]
    known = {str(one.data["decision_id"]) for one in await gate.journal() if one.kind == "decision"}
    assert len(told) == 2
    assert set(told) <= known


def test_the_report_reproduces_the_articles_table_with_the_right_percentages():
    """118 055, 200 464 and 183 992 participants are 23.5, 39.9 and 36.6 %; the article prints 23, 39.8 and 37."""
    statistics = CorridorStatistics()
    hours, minutes = 3600, 60
    table = {
        Corridor.GREEN: (118_055, 1 * hours + 18 * minutes, 36 * minutes),
        Corridor.YELLOW: (200_464, 2 * hours + 30 * minutes, 48 * minutes),
        Corridor.RED: (183_992, 3 * hours + 48 * minutes, 1 * hours + 12 * minutes),
    }
    for corridor, (participants, entry_s, _) in table.items():
        statistics.crossed(Direction.ENTRY, corridor, entry_s, participants)
    rows = statistics.rows(Direction.ENTRY)
    assert [(row.corridor, row.tally.crossings, row.share_permille, row.mean_s) for row in rows] == [
        (Corridor.GREEN, 118_055, 235, 4_680),
        (Corridor.YELLOW, 200_464, 399, 9_000),
        (Corridor.RED, 183_992, 366, 13_680),
    ]
    for corridor, (_, _, exit_s) in table.items():
        statistics.crossed(Direction.EXIT, corridor, exit_s)
    assert [row.mean_s for row in statistics.rows(Direction.EXIT)] == [2_160, 2_880, 4_320]
