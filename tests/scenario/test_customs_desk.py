"""One stop for several agencies (A3 Malaysia's uCustoms; A8 application 7): each sees its own fields, all close on one screen."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.post.facts import sign_fact
from central_sync.post.messages import FactPage, FactsSent, as_text
from central_sync.screening_part import ScreeningPart
from drivers.surroundings import XrayDecision, XrayReported
from gate_agent.closing_order import Amount, ClosingOrder, GoodsLine
from gate_agent.domain.declaration import Direction
from gate_agent.domain.inspection_finding import InspectionFinding
from gate_agent.domain.money import Money
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.store.facts import Post
from gate_agent.web.desk_messages import DutyQuestion
from tests.scenario.desk_gate import ROLES, DeskClock, DeskGate, declaration, goods, person, sign_in

NOTHING = ClosingOrder(finding=InspectionFinding.NOTHING_FOUND)
CAMERA = goods("camera", 1500, 2)
LYNX = goods("stuffed lynx", 900, 6, "wild_flora_fauna", 1)
OZONE = goods("coolant in bottles", 40, 3, "ozone_substance", 3000)


def dollars(minor: int) -> Amount:
    return Amount(amount_minor=minor, currency="USD")


def found(finding: str, **changes: Any) -> ClosingOrder:
    return ClosingOrder(finding=InspectionFinding(finding), **changes)


@pytest.fixture
async def gate(tmp_path: Path) -> AsyncIterator[DeskGate]:
    running = await DeskGate(tmp_path, DeskClock()).open()
    yield running
    await running.close()


# One stop, several agencies --------------------------------------------------------------------------------------------


async def test_malaysia_ucustoms_one_stop_closes_only_when_every_agency_has_closed_its_task(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA, LYNX, OZONE), person(12345678))
    tasks = gate.tasks(stop)
    assert list(tasks) == ["customs", "health", "quarantine"]
    assert [one.code for one in tasks["quarantine"].reasons] == ["goods_permit_required"]
    assert tasks["quarantine"].reasons[0].parameters == {"goods": "wild_flora_fauna"}
    assert tasks["health"].reasons[0].parameters == {"goods": "ozone_substance"}

    due = (await gate.desk.stop(stop)).duty.due
    assert due is not None
    assert (await gate.close_task(tasks["customs"].task_id, found("nothing_found", duty=due), "customs-1")).accepted
    assert (
        await gate.close_task(tasks["quarantine"].task_id, found("found", act_number="Q-1"), "quarantine-1")
    ).accepted
    assert gate.tasks(stop).keys() == tasks.keys(), "the stop is open, and so all of it stays on the screen"
    assert [one.closed_by for one in gate.tasks(stop).values()] == ["customs-1", "", "quarantine-1"]
    assert (await gate.close_task(tasks["health"].task_id, NOTHING, "health-1")).accepted
    assert gate.tasks(stop) == {}
    assert [(one.agency, one.finding, one.is_last) for one in await gate.inspections()] == [
        ("customs", "nothing_found", False),
        ("quarantine", "found", False),
        ("health", "nothing_found", True),
    ]


async def test_each_agency_closes_its_own_tasks_and_no_other(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", LYNX, goods("rifle", 50, 4, "weapon", 1)), person(12345678))
    tasks = gate.tasks(stop)
    assert list(tasks) == ["border", "customs", "quarantine"]
    officers = {"border": "guard-1", "customs": "customs-1", "quarantine": "quarantine-1"}
    for agency, task in tasks.items():
        for other, officer in officers.items():
            if other != agency:
                answer = await gate.close_task(task.task_id, NOTHING, officer)
                assert (answer.accepted, answer.code) == (False, "EG-LAN-008"), (agency, officer)
        for officer in ("health-1", "technician-1"):
            assert not (await gate.close_task(task.task_id, NOTHING, officer)).accepted
    # At one screen: customs is signed in, the officer of the other agency signs there, too, and answers for it.
    answer = await gate.close_task(tasks["quarantine"].task_id, NOTHING, "customs-1", "quarantine-1")
    assert answer.accepted
    (record,) = await gate.inspections()
    assert (record.officer_id, [one.officer_id for one in record.officers]) == (
        "quarantine-1",
        ["quarantine-1", "customs-1"],
    )


async def test_a_yellow_traveller_waits_at_the_desk_too_and_a_green_one_does_not(gate: DeskGate) -> None:
    green = await gate.pass_through(None, person(12345670))
    yellow = await gate.pass_through(declaration("UTO-2", goods("perfume", 50, 1, "perfume", 1)), person(12345671))
    assert gate.tasks(green) == {}
    assert [(one.corridor, one.agency) for one in gate.tasks(yellow).values()] == [("yellow", "customs")]


async def test_whose_task_a_reason_opens_is_the_rulebooks_to_say(tmp_path: Path) -> None:
    body = json.loads(packaged_rulebook_bytes())
    dated = {"effective_from": "2026-06-16", "effective_to": None, "source": "test", "certainty": "high", "note": ""}
    body["desk_rules"] += [
        {"id": "x.lynx", "reason": "goods_permit_required", "goods_kind": "wild_flora_fauna", "agencies": ["health"], **dated},
        {"id": "x.value", "reason": "value_over_allowance", "goods_kind": "any", "agencies": [], **dated},
    ]  # fmt: skip
    gate = await DeskGate(tmp_path, DeskClock(), rulebook=parse_rulebook(body)).open()
    before = await gate.pass_through(declaration("UTO-1", LYNX), person(12345670))
    gate.clock.turn(days=1)
    after = await gate.pass_through(declaration("UTO-2", LYNX), person(12345671))
    dear = await gate.pass_through(declaration("UTO-3", CAMERA), person(12345672))
    assert list(gate.tasks(before)) == ["customs", "quarantine"]
    assert list(gate.tasks(after)) == ["health"]
    assert list(gate.tasks(dear)) == ["customs"], "whose reasons are all nobody's is customs' all the same"
    await gate.close()


# The closing -----------------------------------------------------------------------------------------------------------


async def test_amended_lines_are_charged_by_the_engine_and_recorded_with_the_act(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    task = gate.tasks(stop)["customs"]
    declared = await gate.desk.stop(stop)
    assert declared.duty.due == dollars(15_000)  # 30 % of the 500 USD over 1,000
    line = GoodsLine(description="camera", value=dollars(210_000), mass_g=2000)
    question = DutyQuestion(goods=[line])
    computed = await gate.desk.duty(stop, question)
    assert computed.due == dollars(33_000)
    assert [one.rule.rule_id for one in computed.lines if one.rule] == [
        "uz.allowance.air.2025",
        "uz.charge.2020",
        "uz.floor.2020",
    ]
    assert (await gate.desk.stop(stop)).duty == declared.duty, "a question keeps nothing"

    for order, fault in [
        (found("amended", duty=dollars(33_000), act_number="A-1"), "lines_needed"),
        (found("amended", goods=(line,), duty=dollars(33_000)), "act_number_needed"),
        (found("nothing_found", goods=(line,), duty=dollars(33_000)), "lines_contradict"),
        (found("amended", goods=(line,), act_number="A-1"), "duty_needed"),
        (found("amended", goods=(line,), act_number="A-1", duty=dollars(15_000)), "duty_reason_needed"),
        (
            found("amended", goods=(line,), act_number="A-1", duty=Amount(amount_minor=33_000, currency="EUR")),
            "duty_currency",
        ),
    ]:
        answer = await gate.close_task(task.task_id, order, "customs-1")
        assert (answer.code, answer.message.partition(",")[0]) == ("EG-LAN-009", fault)
    order = found("amended", goods=(line,), act_number="A-1", duty=dollars(33_000))
    assert (await gate.close_task(task.task_id, order, "customs-1")).accepted
    (record,) = await gate.inspections()
    assert (record.finding, record.act_number, record.corridor) == ("amended", "A-1", "red")
    assert (record.duty.amount_minor, record.duty.currency, record.duty_computed.amount_minor) == (
        33_000,
        "USD",
        33_000,
    )
    assert record.goods[0].value.amount_minor == 210_000
    assert record.rulebook_version == gate.rulebook.version
    assert record.sealed is None
    answer = await gate.close_task(task.task_id, order, "customs-1")
    assert (answer.accepted, answer.code) == (False, "EG-LAN-003"), "closed once"


async def test_the_inspector_corrects_the_duty_with_a_reason_that_only_the_centre_reads(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    order = found("nothing_found", duty=dollars(10_000), duty_reason="broken on the way")
    assert (await gate.close_task(gate.tasks(stop)["customs"].task_id, order, "customs-1")).accepted
    (record,) = await gate.inspections()
    assert (record.duty.amount_minor, record.duty_computed.amount_minor) == (10_000, 15_000)
    assert record.sealed
    assert "broken" not in record.model_dump_json()


async def test_where_the_rules_do_not_say_the_officer_does_and_says_why(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", goods("whisky", 90, 3, "alcohol")), person(12345678))
    task = gate.tasks(stop)["customs"]
    duty = (await gate.desk.stop(stop)).duty
    assert (duty.due, duty.without_quantity) == (None, ["alcohol"])
    for order, accepted in [
        (NOTHING, False),
        (found("nothing_found", duty=dollars(0)), False),
        (found("nothing_found", duty=dollars(0), duty_reason="one bottle of a litre"), True),
    ]:
        assert (await gate.close_task(task.task_id, order, "customs-1")).accepted is accepted
    (record,) = await gate.inspections()
    assert record.duty_computed is None


async def test_days_abroad_that_the_officer_knows_change_the_allowance(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    far = await gate.desk.duty(stop, DutyQuestion(days_abroad=400))
    near = await gate.desk.duty(stop, DutyQuestion(days_abroad=0))
    assert far.due == dollars(15_000)
    assert near.due.amount_minor > far.due.amount_minor, (
        "no allowance for who was away for less than the shortest absence"
    )


async def test_health_settles_no_duty(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", OZONE), person(12345678))
    order = found("found", act_number="H-1", duty=dollars(100))
    answer = await gate.close_task(gate.tasks(stop)["health"].task_id, order, "health-1")
    assert (answer.code, answer.message) == ("EG-LAN-009", "not_for_customs")


async def test_the_scan_of_the_declaration_is_recorded_with_the_closing(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    scan = XrayReported(scan_id="UTO-1", decision=XrayDecision.ALARM, image_reference="images/UTO-1.dcs")
    gate.xray.take(scan, gate.clock.now())
    shown = (await gate.desk.stop(stop)).tasks[0].xray
    assert [(one.scan_id, one.link) for one in shown] == [("UTO-1", "scan")]
    order = found("nothing_found", duty=dollars(15_000))
    assert (await gate.close_task(gate.tasks(stop)["customs"].task_id, order, "customs-1")).accepted
    (record,) = await gate.inspections()
    assert record.screening == [
        ScreeningPart(
            scan_id="UTO-1", decision="alarm", reported_at=gate.clock.now(), file_reference="images/UTO-1.dcs"
        )
    ]


# What stays, and what goes ---------------------------------------------------------------------------------------------


async def test_a_stop_survives_a_restart_and_its_last_closing_destroys_what_was_kept_of_the_traveller(
    tmp_path: Path,
) -> None:
    clock = DeskClock()
    gate = await DeskGate(tmp_path, clock).open()
    stop = await gate.pass_through(declaration("UTO-1", goods("unmistakable camera", 1500, 2)), person(12345678))
    shown = await gate.desk.stop(stop)
    await gate.close()
    clock.turn(hours=3)
    gate = await DeskGate(tmp_path, clock).open()
    again = await gate.desk.stop(stop)
    assert again is not None
    assert (again.identity, again.goods, again.duty) == (shown.identity, shown.goods, shown.duty)
    assert again.identity.document_number == "X12345678"
    disk = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir())
    assert b"X12345678" not in disk, "the holder lies sealed while the stop is open"
    rows = await gate.store._database.write(
        lambda connection: [bytes(row["content"]) for row in connection.execute("SELECT content FROM stops")]
    )
    assert len(rows) == 1
    assert b"camera" not in rows[0]
    order = found("nothing_found", duty=dollars(15_000))
    assert (await gate.close_task(gate.tasks(stop)["customs"].task_id, order, "customs-1")).accepted
    rows = await gate.store._database.write(
        lambda connection: [tuple(row) for row in connection.execute("SELECT content, holder FROM stops")]
    )
    assert rows == [(None, None)]
    await gate.close()


async def test_counts_by_corridor_come_from_the_closings(gate: DeskGate) -> None:
    orders = [found("nothing_found", duty=dollars(15_000)), found("found", act_number="A-1", duty=dollars(15_000)),
              found("nothing_found", duty=dollars(15_000))]  # fmt: skip
    for number, order in enumerate(orders):
        stop = await gate.pass_through(declaration(f"UTO-{number}", CAMERA), person(12345670 + number))
        gate.clock.turn(minutes=2 + number)
        assert (await gate.close_task(gate.tasks(stop)["customs"].task_id, order, "customs-1")).accepted
    yellow = await gate.pass_through(declaration("UTO-9", goods("perfume", 50, 1, "perfume", 1)), person(12345679))
    gate.clock.turn(seconds=30)
    assert (await gate.close_task(gate.tasks(yellow)["customs"].task_id, NOTHING, "customs-1")).accepted
    counted = await gate.desk.inspections(30)
    assert [(one.corridor, one.closed, one.found, one.amended, one.seconds) for one in counted.counts] == [
        ("red", 3, 1, 0, 120 + 180 + 240),
        ("yellow", 1, 0, 0, 30),
    ]
    gate.clock.turn(days=31)
    assert (await gate.desk.inspections(30)).counts == []


# Alarms ----------------------------------------------------------------------------------------------------------------


async def alarms_of(gate: DeskGate) -> list[tuple[str, dict[str, str]]]:
    """Let the gate look, record and tell."""
    await gate.desk.refresh()
    found = gate.around._to_record
    while not (found.empty() and found._getters):  # the last is on disk when the recorder waits for another
        await asyncio.sleep(0.01)
    return [(one.reason.code, one.reason.parameters) for one in gate.source.snapshot().alarms]


async def test_a_stop_that_nobody_closes_alarms_once_and_is_quiet_when_it_is_closed(tmp_path: Path) -> None:
    gate = await DeskGate(tmp_path, DeskClock(), overdue_min=5).open()
    recording = asyncio.create_task(gate.around.run())
    stop = await gate.pass_through(declaration("UTO-1", CAMERA, LYNX), person(12345678))
    gate.clock.turn(minutes=4, seconds=59)
    assert await alarms_of(gate) == []
    gate.clock.turn(seconds=1)
    told = [("desk_task_overdue", {"reference": "UTO-1", "minutes": "5"})]
    assert await alarms_of(gate) == told
    assert await alarms_of(gate) == told, "one stop, one alarm, however many tasks and looks"
    assert all(task.is_overdue for task in gate.tasks(stop).values())
    due = (await gate.desk.stop(stop)).duty.due
    assert (
        await gate.close_task(gate.tasks(stop)["customs"].task_id, found("nothing_found", duty=due), "customs-1")
    ).accepted
    assert await alarms_of(gate) == told
    assert (await gate.close_task(gate.tasks(stop)["quarantine"].task_id, NOTHING, "quarantine-1")).accepted
    assert await alarms_of(gate) == []
    recording.cancel()
    raised = await gate.records("alarm")
    assert [(one.reason.code, one.cleared_at is None) for one in raised] == [
        ("desk_task_overdue", True),
        ("desk_task_overdue", False),
    ]
    await gate.close()


async def test_a_traveller_with_an_open_stop_at_an_exit_of_the_same_gate_alarms(gate: DeskGate) -> None:
    recording = asyncio.create_task(gate.around.run())
    await gate.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    await gate.pass_through(None, person(87654321), direction=Direction.EXIT, lane_id=2, passed=False)
    assert await alarms_of(gate) == [], "somebody else"
    await gate.pass_through(None, person(12345678), direction=Direction.EXIT, lane_id=2, passed=False)
    assert await alarms_of(gate) == [("desk_stop_seen_at_exit", {"reference": "UTO-1", "gate": "gate-1"})]
    recording.cancel()


class TwoGates:
    """Two gates of a post, and the post's part in between: it carries signed facts and knows nobody."""

    def __init__(self, folder: Path, roles: Mapping[str, str] = ROLES) -> None:
        self.keys = {f"UTO/demo/{name}": Ed25519PrivateKey.generate() for name in ("gate-1", "gate-2")}
        post = Post(secrets.token_bytes(32), {name: key.public_key() for name, key in self.keys.items()})
        clock = DeskClock()
        self.gates = [
            DeskGate(folder / name, clock, gate_id=name, post=post, overdue_min=600, roles=roles)
            for name in ("gate-1", "gate-2")
        ]
        self.generation = uuid.uuid4()
        self.facts: list[bytes] = []

    async def carry(self) -> None:
        """Bring what either gate has to tell to both."""
        for gate in self.gates:
            own = await gate.store.exchange.own_facts(50, 0)
            key = self.keys[gate.store.source]
            self.facts += [sign_fact(base64.b64decode(fact.body_base64), key) for fact in own.facts]
            await gate.store.exchange.facts_sent(
                FactsSent(generation=self.generation, seqs=[fact.seq for fact in own.facts])
            )
        for gate in self.gates:
            _generation, after = await gate.store.exchange.place()
            wires = self.facts[after:]
            page = FactPage(generation=self.generation, after=after, through=after + len(wires), facts=as_text(wires))
            assert await gate.store.exchange.take_page(page) is not None


async def test_a_traveller_with_an_open_stop_at_the_exit_of_another_gate_alarms_at_both(tmp_path: Path) -> None:
    post = TwoGates(tmp_path)
    first, second = [await gate.open() for gate in post.gates]
    recording = [asyncio.create_task(gate.around.run()) for gate in (first, second)]
    stop = await first.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    await post.carry()
    await second.pass_through(None, person(12345678), direction=Direction.EXIT, lane_id=2, passed=False)
    assert await alarms_of(second) == [("desk_stop_open_elsewhere", {"gate": "gate-1", "lane": "2"})]
    assert await alarms_of(first) == []
    await post.carry()
    assert await alarms_of(first) == [("desk_stop_seen_at_exit", {"reference": "UTO-1", "gate": "gate-2"})]
    assert gate_of_task(first, stop) == "UTO/demo/gate-2"
    order = found("nothing_found", duty=dollars(15_000))
    assert (await first.close_task(first.tasks(stop)["customs"].task_id, order, "customs-1")).accepted
    await post.carry()
    assert await alarms_of(first) == []
    assert await alarms_of(second) == [], "closed there is closed here"
    await second.pass_through(None, person(12345678), direction=Direction.EXIT, lane_id=2, passed=False)
    assert await alarms_of(second) == []
    for task in recording:
        task.cancel()
    for gate in (first, second):
        await gate.close()


def gate_of_task(gate: DeskGate, stop: uuid.UUID) -> str:
    return gate.tasks(stop)["customs"].seen_by


# The pages: which role sees which field --------------------------------------------------------------------------------

FIELDS = {  # a text that stands in the page exactly when the field may be seen
    "holder": "X12345678",
    "name": "SPECIMEN",
    "nationality": "UTO",
    "customs reason": "Goods declared",
    "other goods": "Leica camera",
    "lynx": "stuffed lynx",
    "coolant": "coolant in bottles",
    "cash": "7,777",
    "duty rule": "uz.charge.2020",
    "scan": "images/secret.dcs",
    "reference": "UTO-MATRIX",
    "customs open": "Customs:",
    "rifle": "hunting rifle",
}
SEES = {
    "customs-1": set(FIELDS),
    "health-1": {"holder", "name", "nationality", "coolant", "reference", "customs open"},
    "quarantine-1": {"nationality", "lynx", "reference", "customs open", "scan"},
    "guard-1": {"holder", "name", "nationality", "rifle", "reference", "customs open"},
}


async def test_malaysia_ucustoms_each_role_sees_its_fields_only_on_the_page_that_the_server_sends(
    gate: DeskGate,
) -> None:
    lines = (goods("Leica camera", 1500, 2), LYNX, OZONE, goods("hunting rifle", 300, 4, "weapon", 1))
    declared = declaration("UTO-MATRIX", *lines, cash=(Money(777_700, "USD"),))
    stop = await gate.pass_through(declared, person(12345678))
    gate.xray.take(XrayReported("UTO-MATRIX", XrayDecision.ALARM, "images/secret.dcs"), gate.clock.now())
    assert list(gate.tasks(stop)) == ["border", "customs", "health", "quarantine"]
    address = await gate.serve()
    for officer, seen in SEES.items():
        client = await asyncio.to_thread(sign_in, address, officer)
        for path in (f"/desk/stops/{stop}", "/desk", "/desk/queue"):
            page = (await asyncio.to_thread(client.get, path)).text
            shown = {name for name, text in FIELDS.items() if text in page}
            if path == f"/desk/stops/{stop}":
                assert shown == seen, officer
            assert shown <= seen, (officer, path)
        if officer != "customs-1":  # the console's own stream tells no more than the desk
            state = (await asyncio.to_thread(client.get, "/guard/state")).text
            assert {name for name, text in FIELDS.items() if text in state} <= seen, officer
        client.close()
    technician = await asyncio.to_thread(sign_in, address, "technician-1")
    for path in ("/desk", f"/desk/stops/{stop}", "/desk/queue", "/desk/changes"):
        assert (await asyncio.to_thread(technician.get, path)).status_code == 403
    technician.close()


async def test_who_has_no_task_at_a_stop_does_not_find_it(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    address = await gate.serve()
    client = await asyncio.to_thread(sign_in, address, "health-1")
    answer = await asyncio.to_thread(client.get, f"/desk/stops/{stop}")
    assert (answer.status_code, answer.headers["location"]) == (303, "/desk?note=gone")
    assert "UTO-1" not in (await asyncio.to_thread(client.get, "/desk")).text
    task = gate.tasks(stop)["customs"].task_id
    for step in ("review", "close"):
        form = {"csrf": client.headers["x-csrf-token"], "finding": "nothing_found", "order": NOTHING.model_dump_json()}
        answer = await asyncio.to_thread(
            lambda step=step, form=form: client.post(f"/desk/stops/{stop}/tasks/{task}/{step}", data=form)
        )
        assert answer.headers["location"] == "/desk?note=gone"
    client.close()
    assert await gate.inspections() == []


async def test_a_closing_without_the_pages_own_token_is_refused(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA), person(12345678))
    address = await gate.serve()
    client = await asyncio.to_thread(sign_in, address, "customs-1")
    del client.headers["x-csrf-token"]
    task = gate.tasks(stop)["customs"].task_id
    form = {"order": NOTHING.model_dump_json(), "action_id": str(uuid.uuid4()), "csrf": "guessed"}
    answer = await asyncio.to_thread(lambda: client.post(f"/desk/stops/{stop}/tasks/{task}/close", data=form))
    assert answer.status_code == 403
    client.close()
    assert await gate.inspections() == []


# Seals ---------------------------------------------------------------------------------------------------------------


async def unlocked(client: Any, stop: uuid.UUID, seal_id: str) -> str:
    """Return the page that answers an inspector who posts the desk's form for a seal."""
    form = {"csrf": client.headers["x-csrf-token"], "action_id": str(uuid.uuid4()), "seal_id": seal_id}
    content = form | {"reason_code": "goods_to_inspect"}
    return (await asyncio.to_thread(client.post, f"/desk/stops/{stop}/unlock", data=content)).text


async def test_only_a_seal_of_an_open_customs_task_of_this_gate_is_unlocked(gate: DeskGate) -> None:
    stop = await gate.pass_through(declaration("UTO-1", CAMERA, LYNX, seal_ids=("SEAL-1",)), person(12345678))
    other = await gate.pass_through(declaration("UTO-2", CAMERA, seal_ids=("SEAL-2",)), person(12345679), passed=False)
    assert gate.tasks(other) == {}, "nobody passed"
    client = await asyncio.to_thread(sign_in, await gate.serve(), "customs-1")
    no_task, no_server = "This seal belongs to no open customs task of this gate", "cannot unlock this seal now"
    assert no_server in await unlocked(client, stop, "SEAL-1"), "it is allowed, and no server of this gate may"
    for seal_id in ("SEAL-2", "SEAL-9"):
        assert no_task in await unlocked(client, stop, seal_id)
    due = (await gate.desk.stop(stop)).duty.due
    closed = await gate.close_task(gate.tasks(stop)["customs"].task_id, found("nothing_found", duty=due), "customs-1")
    assert closed.accepted
    assert list(gate.tasks(stop)), "quarantine has not closed its own"
    assert no_task in await unlocked(client, stop, "SEAL-1"), "customs is done with it"
    client.close()
