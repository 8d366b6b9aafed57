"""The travellers of the demo: what each brings, does, and must meet with. All carry specimens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from drivers.contracts import Door
from gate_agent.demo.cast import Cast, Expected, Traveller, overstayed, refer, watchlisted
from gate_agent.demo.chip_travellers import CHIP_TRAVELLERS
from gate_agent.demo.gate_view import NotReached
from gate_agent.demo.specimens import Specimen
from gate_agent.demo.stage import ENTRY, EXIT, Observed
from gate_agent.domain.declaration import Relation
from gate_agent.domain.reasons import ReasonCode
from gate_agent.web.lane_api_messages import GuardAction, TravellerInput
from gate_agent.web.portal.issue import CompanionFields

SEAL_ID = "9900000001"
_TORN_AFTER_BYTES = 40


def _seen(observed: Observed, device_class: str) -> Observed:
    """Note which device around the gate told something while this traveller crossed."""
    observed.notes["around"] = device_class
    return observed


async def _mated(cast: Cast) -> Observed:
    person = cast.person(1)
    token = await cast.declare(person, goods=(("souvenirs", "120.00", "2"),))
    printed = len(cast.stage.around.printer.receipts)
    observed = await cast.stage.cross(person, token=token)
    cast.used_token = token
    if observed.outcome == "released":
        receipt = await cast.stage.around.receipt(printed)
        observed.notes["receipt_lines"] = str(len(receipt.lines))
    return _seen(observed, "printer")


async def _other_passport(cast: Cast) -> Observed:
    return await refer(cast, cast.person(2, portrait="biden"), "face_doubt")


async def _expired(cast: Cast) -> Observed:
    return await refer(cast, cast.person(3, date_of_expiry=cast.today - timedelta(days=1)), "document_doubt")


async def _wrong_digit(cast: Cast) -> Observed:
    return await refer(cast, cast.person(4), "document_doubt", wrong_digit=True)


async def _nothing_to_declare(cast: Cast) -> Observed:
    await cast.stage.around.aircraft_flies_by(cast.stage.view)
    return _seen(await cast.stage.cross(cast.person(5)), "uav")


async def _cash(cast: Cast) -> Observed:
    person = cast.person(6)
    token = await cast.declare(person, cash=(("USD", "15000.00"),))
    scan_id = cast.stage.portal.reference
    await cast.stage.around.baggage_alarms(cast.stage.view, scan_id)
    observed = await cast.stage.cross(person, token=token)
    await cast.stage.around.scan_at_customs_desk(cast.stage.view, scan_id)
    await cast.stage.acknowledge(ReasonCode.XRAY_ALARM, {"scan": scan_id})
    await cast.stage.inspect(scan_id, "nothing_found")
    return _seen(observed, "xray_inbox")


async def _used_token(cast: Cast) -> Observed:
    return await refer(cast, cast.person(1), "document_doubt", token=cast.used_token)


async def _watchlist(cast: Cast) -> Observed:
    return await refer(cast, watchlisted(cast.today), "list_to_verify")


async def _overstayed(cast: Cast) -> Observed:
    return await refer(cast, overstayed(cast.today)[0], "stay_to_verify", lane_id=EXIT)


async def _second_person(cast: Cast) -> Observed:
    return await refer(cast, cast.person(10), "traveller_request", bodies=2)


async def _reader_unplugged(cast: Cast) -> Observed:
    observed = await reader_fails(cast, cast.person(11))
    await cast.stage.hand_over(ENTRY, "document_doubt")
    return observed


async def reader_fails(cast: Cast, person: Specimen) -> Observed:
    """Pull the reader's plug while it reads, and again if the gate read anew; return where the guard is called."""
    stage = cast.stage
    await stage.ready(ENTRY)
    begun_s = time.monotonic()
    for _ in range(2):
        await _torn_read(cast, person)
        await stage.twins(ENTRY).reader.plug()
        try:
            return stage.referred(await stage.view.referral(ENTRY, timeout_s=1.5), begun_s)
        except NotReached:
            continue
    raise NotReached("a referral after two torn reads")


async def _torn_read(cast: Cast, person: Specimen) -> None:
    """Pull the plug while the reader sends."""
    stage = cast.stage
    reader = stage.twins(ENTRY).reader
    await stage.view.until(
        lambda snapshot: (
            True
            if any(d.name == "reader-1" and d.state == "ready" for lane in snapshot.lanes for d in lane.devices)
            else None
        ),
        10.0,
        "the reader to be ready",
    )
    reader.cut_after(_TORN_AFTER_BYTES)
    reader.present(person.lines(), None)
    await stage.view.until(
        lambda snapshot: (
            True
            if any(d.name == "reader-1" and d.state != "ready" for lane in snapshot.lanes for d in lane.devices)
            else None
        ),
        10.0,
        "the reader to be missed",
    )


async def _tampered_seal(cast: Cast) -> Observed:
    person = cast.person(12)
    token = await cast.declare(person, seal=SEAL_ID)
    await cast.stage.seal.plug()
    await cast.stage.seal.report(41.26, 69.28, ("rope_cut_alarm", "ack_required"))
    await cast.stage.around.seal_comes_near(cast.stage.view, SEAL_ID)
    observed = await cast.stage.cross(person, token=token)
    await cast.stage.around.seal_at_customs_desk(cast.stage.view, SEAL_ID)
    return _seen(observed, "rfid_reader")


async def _broker_killed(cast: Cast) -> Observed:
    stage = cast.stage
    person = cast.person(13)
    await stage.ready(ENTRY)
    await stage.broker.stop()
    try:
        observed, _ = await asyncio.gather(stage.cross(person), stage.around.mains_fail(stage.view))
    finally:
        await asyncio.sleep(0.5)
        await stage.broker.start()
    return _seen(observed, "power")


async def _guard_releases(cast: Cast) -> Observed:
    stage, person = cast.stage, cast.person(14, date_of_expiry=cast.today - timedelta(days=3))
    begun_s = time.monotonic()
    observed = await stage.cross(person)
    if observed.outcome != "referred":
        return observed
    referral = await stage.view.referral(ENTRY)
    await stage.guard.decide(ENTRY, referral, GuardAction.RELEASE, "document_examined")
    twins = stage.twins(ENTRY)
    await stage.door(ENTRY, Door.ENTRANCE)
    twins.barrier.walk_in()
    twins.take_away()
    await stage.door(ENTRY, Door.EXIT)
    return await stage.walk_out(ENTRY, str(referral.transaction_id), begun_s)


async def _returns_after_fault(cast: Cast) -> Observed:
    stage, person = cast.stage, cast.person(15)
    token = await cast.declare(person, goods=(("presents", "80.00", "1"),))
    await stage.ready(ENTRY)
    await stage.scan(ENTRY, token)
    await stage.view.phase(ENTRY, "inspecting")
    await _torn_read(cast, person)
    stage.twins(ENTRY).reader.remove()
    await stage.twins(ENTRY).reader.plug()
    await stage.ready(ENTRY)  # he left: the attempt closes as faulted, and held nothing against him
    return await stage.cross(person, token=token)


async def _identity_card(cast: Cast) -> Observed:
    return await cast.stage.cross(cast.person(16, format="TD1"))


async def _family(cast: Cast) -> Observed:
    person = cast.person(17)
    born = cast.today - timedelta(days=5 * 365)
    child = CompanionFields("SPECIMEN CHILD", Relation.CHILD, born, person.issuing_state, "U17CHILD")
    token = await cast.declare(person, child=child)
    return await refer(cast, person, "traveller_request", token=token)


async def _help(cast: Cast) -> Observed:
    observed = await asks_for_help(cast)
    await cast.stage.hand_over(ENTRY, "traveller_request")
    return observed


async def asks_for_help(cast: Cast) -> Observed:
    """Press the help button of the free entry lane; return where the guard is called."""
    stage = cast.stage
    await stage.ready(ENTRY)
    begun_s = time.monotonic()
    await stage.view.press(ENTRY, TravellerInput(kind="help"))
    return stage.referred(await stage.view.referral(ENTRY), begun_s)


_RELEASED_GREEN = Expected("released", corridor="green")

TRAVELLERS: tuple[Traveller, ...] = (
    Traveller(1, "mated face, valid declaration", _RELEASED_GREEN, _mated),
    Traveller(2, "another person's passport", Expected("referred", reason="face_different"), _other_passport),
    Traveller(3, "expired document", Expected("referred", reason="document_expired"), _expired),
    Traveller(4, "wrong check digit twice", Expected("referred", reason="mrz_check_digit_wrong"), _wrong_digit),
    Traveller(5, "nothing to declare", _RELEASED_GREEN, _nothing_to_declare),
    Traveller(6, "cash over the threshold", Expected("released", corridor="red", reason="cash_over_threshold"), _cash),
    Traveller(7, "declaration already used", Expected("referred", reason="token_already_used"), _used_token),
    Traveller(8, "number on the watchlist", Expected("referred", reason="watchlist_hit"), _watchlist),
    Traveller(9, "overstayed visitor at exit", Expected("referred", reason="stay_overstayed"), _overstayed),
    Traveller(10, "second person in the mantrap", Expected("referred", reason="second_person"), _second_person),
    Traveller(11, "reader unplugged in mid-read", Expected("referred", reason="aborted_twice"), _reader_unplugged),
    Traveller(12, "tampered seal", Expected("released", corridor="red", reason="seal_tampered"), _tampered_seal),
    Traveller(13, "broker killed meanwhile", _RELEASED_GREEN, _broker_killed),
    Traveller(14, "guard releases a referral", Expected("released", "guard"), _guard_releases),
    Traveller(15, "same declaration after a fault", _RELEASED_GREEN, _returns_after_fault),
    Traveller(16, "identity card (TD1)", _RELEASED_GREEN, _identity_card),
    Traveller(17, "with a small child", Expected("referred", reason="family_with_small_children"), _family),
    Traveller(18, "asks for help", Expected("referred", reason="help_requested"), _help),
    *CHIP_TRAVELLERS,
)

BY_NUMBER: Mapping[int, Traveller] = {traveller.number: traveller for traveller in TRAVELLERS}
