"""Bad input over the real wires ends in a clear error and a referral; nothing crashes and no door moves for it.

And the agent itself, not the console, refuses what no officer signed.
"""

from __future__ import annotations

import asyncio
import secrets
import struct
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from drivers.contracts import Door
from gate_agent.cache import cache_folder
from gate_agent.clock import SystemClock
from gate_agent.demo.performance import DemoRun, running
from gate_agent.demo.stage import ENTRY
from gate_agent.web.lane_api_messages import Authorisation, GuardAction
from gate_agent.web.officer_keys import unlock_officer_key

pytestmark = [pytest.mark.portraits, pytest.mark.weights, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def demo(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DemoRun]:
    async with running(SystemClock(), cache_folder(), tmp_path_factory.mktemp("demo")) as run:
        yield run


def bomb_jpeg_2000() -> bytes:
    """A JPEG 2000 code stream of 226 bytes that claims 9000 x 9000 pixels."""
    size = struct.pack(">HHHIIIIIIIIH", 0xFF51, 47, 0, 9000, 9000, 0, 0, 9000, 9000, 0, 0, 3) + bytes([7, 1, 1] * 3)
    return (b"\xff\x4f" + size).ljust(226, b"\0")


async def referred_and_cleared(demo: DemoRun) -> set[str]:
    """Wait for the referral, look at its reasons, let the guard clear the lane; the agent must be the same process all along."""
    pid = demo.processes["agent"].pid
    referral = await demo.stage.view.referral(ENTRY)
    released = [door for door, _ in demo.stage.twins(ENTRY).barrier.released_log]
    assert not released or released[-1] is not Door.EXIT or demo.stage.twins(ENTRY).barrier.occupancy == 0
    await demo.stage.hand_over(ENTRY)
    assert demo.processes["agent"].pid == pid
    assert demo.processes["agent"].starts == 1
    return {reason.code for reason in referral.reasons}


async def test_an_image_bomb_in_the_document(demo: DemoRun) -> None:
    stage, person = demo.stage, demo.cast.person(31)
    await stage.ready(ENTRY)
    stage.lay(ENTRY, person, portrait=bomb_jpeg_2000())
    await stage.view.phase(ENTRY, "inspecting")
    await asyncio.sleep(0.3)
    stage.lay(ENTRY, person, portrait=bomb_jpeg_2000())
    assert "reference_portrait_refused" in await referred_and_cleared(demo)


async def test_four_megabytes_of_barcode(demo: DemoRun) -> None:
    await demo.stage.ready(ENTRY)
    demo.stage.twins(ENTRY).barcode.scan(b"EG1:" + b"A" * 4_000_000)
    await demo.stage.view.phase(ENTRY, "inspecting", timeout_s=30)
    person = demo.cast.person(32)
    await demo.stage.present(ENTRY, person)
    assert "token_malformed" in await referred_and_cleared(demo)


@pytest.mark.parametrize(
    "payload",
    [
        b"' OR '1'='1",
        b"<script>alert(1)</script>",
        b"\x1b[2J\x1b]0;x\x07",
        b"EG1:" + b"NCF" * 400,
        b"EG1:",
        "EG1:\u202etxet".encode(),
    ],
    ids=["sql", "html", "ansi", "not-cose", "empty", "bidi"],
)
async def test_barcodes_that_are_no_tokens(demo: DemoRun, payload: bytes) -> None:
    await demo.stage.ready(ENTRY)
    demo.stage.twins(ENTRY).barcode.scan(payload)
    await demo.stage.view.phase(ENTRY, "inspecting")
    await demo.stage.present(ENTRY, demo.cast.person(33))
    assert "token_malformed" in await referred_and_cleared(demo)


async def test_a_zone_of_hostile_characters(demo: DemoRun) -> None:
    await demo.stage.ready(ENTRY)
    lines = ("P<UTO'; DROP TABLE outbox;--<<<<<<<<<<<<<<<<", "<b>\x1b[31m</b>".ljust(44, "<"))
    demo.stage.twins(ENTRY).reader.present(lines, demo.stage.references["obama"])
    reasons = await referred_and_cleared(demo)
    assert reasons & {"mrz_unreadable", "mrz_format_unknown", "mrz_second_read_differs"}


async def test_torn_and_noisy_serial_lines_are_survived(demo: DemoRun) -> None:
    reader = demo.stage.twins(ENTRY).reader
    await demo.stage.ready(ENTRY)
    reader.corrupt()
    reader.present(demo.cast.person(34).lines(), demo.stage.references["obama"])
    await asyncio.sleep(0.5)
    reader.corrupt(on=False)
    demo.stage.twins(ENTRY).take_away()
    lane = await demo.stage.view.phase(ENTRY, "idle", "referred", timeout_s=30)
    if lane.referral is not None:
        await demo.stage.hand_over(ENTRY)
    observed = await demo.stage.cross(demo.cast.person(34))
    assert observed.outcome == "released"


# the agent's own authority ------------------------------------------------------------------------------------------


async def post(demo: DemoRun, content: str | bytes) -> httpx.Response:
    transport = httpx.AsyncHTTPTransport(uds=str(demo.site.folder / "run" / "lane.sock"))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=10) as client:
        return await client.post("/v1/actions", content=content, headers={"content-type": "application/json"})


def order(demo: DemoRun, transaction_id: uuid.UUID, **changes: object) -> Authorisation:
    now = SystemClock().now()
    fields: dict[str, object] = {
        "authorisation_id": uuid.uuid4(),
        "source": "UTO/demo/gate-1",
        "lane_id": ENTRY,
        "action": GuardAction.RELEASE,
        "transaction_id": transaction_id,
        "reason_code": "document_examined",
        "session_id": "session-1",
        "nonce": secrets.token_hex(16),
        "issued_at": now,
        "expires_at": now + timedelta(seconds=20),
    }
    return Authorisation.model_validate(fields | changes)


def signed(demo: DemoRun, wanted: Authorisation, officer_id: str = "guard-1") -> str:
    import json

    key_file = Path(demo.site.provisioned.keys) / "officers" / f"{officer_id}.json"
    key = unlock_officer_key(key_file.read_bytes(), demo.site.provisioned.passwords[officer_id])
    payload = wanted.model_dump_json()
    signature = key.sign(payload.encode()).hex()
    return json.dumps({"payload": payload, "authorisers": [{"officer_id": officer_id, "signature_hex": signature}]})


async def test_the_agent_itself_refuses_unsigned_forged_replayed_and_foreign_orders(demo: DemoRun) -> None:
    stage = demo.stage
    person = demo.cast.person(35, date_of_expiry=demo.site.today - timedelta(days=2))
    observed = await stage.cross(person)
    assert observed.outcome == "referred"
    referral = await stage.view.referral(ENTRY)
    before = len(stage.twins(ENTRY).barrier.released_log)
    wanted = order(demo, referral.transaction_id)
    good = signed(demo, wanted)

    unsigned = good.replace(good.split('"signature_hex": "')[1][:128], "0" * 128)
    for content, status, code in [
        (unsigned, 403, "EG-AUT-011"),
        (good.replace("document_examined", "technical_cause"), 403, "EG-AUT-011"),
        (signed(demo, wanted, "customs-1"), 403, "EG-AUT-018"),
        (signed(demo, order(demo, referral.transaction_id, source="UTO/demo/gate-2")), 403, "EG-AUT-013"),
        (
            signed(demo, order(demo, referral.transaction_id, issued_at=wanted.issued_at - timedelta(minutes=5),
                               expires_at=wanted.issued_at - timedelta(minutes=4, seconds=30))),
            403,
            "EG-AUT-014",
        ),
    ]:  # fmt: skip
        answer = await post(demo, content)
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    for garbage in (b"[" * 100_000, b'{"payload": NaN}', b"\xff\xfe", b"{}"):
        assert (await post(demo, garbage)).status_code in {400, 422}
    assert len(stage.twins(ENTRY).barrier.released_log) == before, "a door moved for an order nobody gave"

    accepted = await post(demo, good)
    assert accepted.json()["accepted"] is True
    replayed = await post(demo, good)
    assert (replayed.status_code, replayed.json()["code"]) == (403, "EG-AUT-017")
    await stage.door(ENTRY, Door.ENTRANCE)
    stage.twins(ENTRY).barrier.walk_in()
    await stage.door(ENTRY, Door.EXIT)
    ended = await stage.walk_out(ENTRY, str(referral.transaction_id), 0.0)
    assert (ended.outcome, ended.decided_by) == ("released", "guard")
    assert await demo.delivered() is not None
