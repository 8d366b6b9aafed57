"""Signed receipts: what they say, that nothing else is taken for one, and that they are found again by document and day."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import sys
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import base45
import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.cli import inspect_receipt
from gate_agent.domain.crossing import Corridor, Crossing, PassageOutcome
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.receipt import DutyState, Receipt, TemporaryItem
from gate_agent.inspection.receipt_format import PREFIX, decode, encode, read_own
from gate_agent.inspection.signed_code import TokenRefused, key_identifier, sign, unverified
from gate_agent.inspection.token_format import TokenClaims, document_binding
from gate_agent.inspection.token_format import encode as encode_declaration
from gate_agent.lane.receipts import ReceiptIssuer, _duty
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from tests.unit.test_lane_controller import lane
from tests.unit.test_store import HandClock, open_store

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
TRUSTED = {key_identifier(KEY.public_key()): KEY.public_key()}
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RECEIPT_ID = bytes(range(16))
BOOK = parse_rulebook(json.loads(packaged_rulebook_bytes()))
FULL = Receipt(
    RECEIPT_ID, "UTO/demo/gate-1", Direction.ENTRY, NOW, date(2026, 3, 1), document_binding(RECEIPT_ID, "UTO", "L898902C3"),
    date(2026, 3, 30), date(2026, 3, 5), DutyState.DUE, Money(6_000, "USD"), "7K3M-92QF", bytes(16),
    (TemporaryItem("camera", "SN 4711"), TemporaryItem("drone", "")),
)  # fmt: skip
BARE = dataclasses.replace(
    FULL, direction=Direction.EXIT, stay_deadline=None, registration_deadline=None, duty_state=DutyState.NONE, duty=None,
    declaration_reference="", declaration_id=b"", temporary=(),
)  # fmt: skip
CODE = encode(FULL, KEY)


@pytest.mark.parametrize("receipt", [FULL, BARE, dataclasses.replace(FULL, duty_state=DutyState.OFFICER, duty=None)])
def test_a_receipt_says_what_it_was_given(receipt: Receipt) -> None:
    assert decode(encode(receipt, KEY), TRUSTED) == receipt
    assert read_own(encode(receipt, KEY)) == receipt
    assert "L898902C3" not in repr(base45.b45decode(encode(receipt, KEY).removeprefix(PREFIX)))


def test_its_symbol_is_read_from_a_screen() -> None:
    assert len(CODE) < 700, "a symbol of version 16 with error level M holds 656 characters, of 17 holds 734"
    assert len(encode(BARE, KEY)) < 300


def test_every_changed_byte_is_refused() -> None:
    body = base45.b45decode(CODE.removeprefix(PREFIX))
    for position in range(len(body)):
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(body)
            changed[position] ^= change
            with pytest.raises(TokenRefused):
                decode(PREFIX + base45.b45encode(bytes(changed)).decode(), TRUSTED)


def test_a_declaration_is_no_receipt_and_a_receipt_no_declaration_even_under_one_key() -> None:
    declared = Declaration(bytes(16), "R", NOW, NOW + timedelta(hours=1), Direction.ENTRY, TravelMode.AIR)
    token = encode_declaration(TokenClaims("egate-portal", NOW, bytes(16), declared), KEY)
    with pytest.raises(TokenRefused):
        decode(token, TRUSTED)
    with pytest.raises(TokenRefused):
        decode(PREFIX + token[4:], TRUSTED)


@pytest.mark.parametrize("day", [20_260_230, 0, -1, 10**13, 2**63, -(2**63)])
def test_a_signed_day_that_is_none_is_refused(day: int) -> None:
    claims = cbor2.loads(unverified(PREFIX, CODE))
    claims[-65540][2] = day
    with pytest.raises(TokenRefused, match="a day is none"):
        decode(sign(PREFIX, cbor2.dumps(claims, canonical=True), KEY), TRUSTED)


def test_what_no_reader_would_take_is_not_signed() -> None:
    with pytest.raises(ValueError, match="makes no receipt"):
        encode(dataclasses.replace(FULL, issuer="somebody"), KEY)
    with pytest.raises(ValueError, match="makes no receipt"):
        encode(dataclasses.replace(FULL, temporary=(TemporaryItem("\x1b[31m", ""),)), KEY)
    with pytest.raises(ValueError, match="whole seconds"):
        encode(dataclasses.replace(FULL, issued_at=NOW.replace(microsecond=5)), KEY)


def test_the_command_needs_the_public_key_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    public = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "gate-1").mkdir()
    (tmp_path / "gate-1" / "receipt.pub").write_bytes(public)

    def answers(*options: str) -> list[dict[str, object]]:
        parser = argparse.ArgumentParser()
        inspect_receipt.add_arguments(parser)
        flipped = CODE[:-1] + ("A" if CODE[-1] != "A" else "B")
        lines = f"{CODE}\n\n{flipped}\n{'A' * 100_000}\n".encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
        assert inspect_receipt.run(parser.parse_args(["--keys", str(tmp_path), "--json", *options])) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    good, flipped, nonsense = answers()  # one answer a line, however long it is
    assert good["result"] == "successful"
    assert good["fields"]["stay_deadline"] == "2026-03-30"  # type: ignore[index]
    assert good["fields"]["temporary_items"][0] == {"description": "camera", "mark": "SN 4711"}  # type: ignore[index]
    assert flipped["result"] in {"failed", "undetermined"}
    assert not flipped["fields"]
    assert nonsense == {"result": "undetermined", "fields": {}, "reasons": ["token_malformed"], "ms": nonsense["ms"]}
    holder = ("--issuing-state", "UTO", "--document-number")
    assert answers(*holder, "L898902C3")[0]["result"] == "successful"
    assert answers(*holder, "L898902C4")[0]["reasons"] == ["token_other_document"]


def declared(*goods: DeclaredGoods) -> Declaration:
    return Declaration(bytes(16), "R", NOW, NOW + timedelta(hours=1), Direction.ENTRY, TravelMode.AIR, goods)


@pytest.mark.parametrize(
    ("goods", "state", "due"),
    [
        ((), DutyState.NONE, None),
        ((DeclaredGoods("coat", Money(90_000, "USD"), 1_000),), DutyState.NONE, None),
        ((DeclaredGoods("carpet", Money(120_000, "USD"), 10_000),), DutyState.DUE, Money(6_000, "USD")),
        ((DeclaredGoods("camera", Money(90_000, "USD"), 1_000, is_temporary=True),), DutyState.NONE, None),
        ((DeclaredGoods("camera", Money(190_000, "USD"), 1_000, is_temporary=True),), DutyState.OFFICER, None),
    ],
)
def test_the_duty_is_the_rulebooks_and_an_officers_where_it_depends_on_what_goes_back(
    goods: tuple[DeclaredGoods, ...], state: DutyState, due: Money | None
) -> None:
    assert _duty(BOOK, Direction.ENTRY, TravelMode.AIR, date(2026, 3, 1), declared(*goods)) == (state, due)


async def test_who_is_released_has_a_receipt_and_the_crossing_carries_it() -> None:
    async with lane() as walk:
        walk.controller._commits._receipts = ReceiptIssuer(KEY, "UTO/demo/gate-1", bytes)
        await walk.present()
        await walk.inputs(1)
        await walk.look()
        borrowed = walk.controller.borrowed
        assert borrowed is not None
        assert borrowed.receipt is not None
        receipt = borrowed.receipt.receipt
        assert borrowed.document is not None
        assert receipt.binding == document_binding(bytes(16), "UTO", borrowed.document.document_number)
        assert receipt.stay_deadline == walk.controller.today + timedelta(days=29)
        await walk.inputs(0, passed=True)
        (crossing,) = walk.house.crossings
        assert decode(crossing.receipt, TRUSTED) == receipt


async def test_a_lost_receipt_is_found_by_document_and_day_and_by_nothing_else(tmp_path: Path) -> None:
    store = await open_store(tmp_path)
    async with lane() as walk:
        await walk.present()
        assert walk.controller.borrowed is not None
        document = walk.controller.borrowed.document
    assert document is not None
    for day, passage in ((1, PassageOutcome.PASSED), (2, PassageOutcome.PASSED), (3, PassageOutcome.NOT_PASSED)):
        crossing = Crossing(
            uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), 1, Direction.ENTRY, NOW, date(2026, 3, day), passage, document, None,
            Corridor.GREEN, receipt=f"ER1:{day}",
        )  # fmt: skip
        await store.commit_crossing(crossing)
    number = document.document_number
    assert [one.code for one in await store.receipts_of("UTO", number, None)] == ["ER1:2", "ER1:1"]
    assert [one.code for one in await store.receipts_of("UTO", number, date(2026, 3, 1))] == ["ER1:1"]
    assert await store.receipts_of("UTO", number, date(2026, 3, 3)) == [], "nobody passed"
    assert await store.receipts_of("UTO", number + "X", None) == []
    assert await store.receipts_of("XXX", number, None) == []
    await store.close()
    (disk,) = tmp_path.rglob("store.db")
    assert number.encode() not in disk.read_bytes()


async def test_a_receipt_past_its_day_is_not_found_and_the_purge_deletes_it(tmp_path: Path) -> None:
    clock = HandClock()
    store = await open_store(tmp_path, clock)
    async with lane() as walk:
        await walk.present()
        assert walk.controller.borrowed is not None
        document = walk.controller.borrowed.document
    assert document is not None
    day = clock.now().date()
    crossing = Crossing(
        uuid.uuid4(), uuid.uuid4(), uuid.uuid4(), 1, Direction.ENTRY, clock.now(), day, PassageOutcome.PASSED, document, None,
        Corridor.GREEN, receipt="ER1:1",
    )  # fmt: skip
    await store.commit_crossing(crossing)

    async def rows() -> int:
        return int(await store._database.write(lambda one: one.execute("SELECT count(*) FROM receipts").fetchone()[0]))

    clock.time += timedelta(days=1096)
    await store.purge()
    assert [one.code for one in await store.receipts_of("UTO", document.document_number, None)] == ["ER1:1"], (
        "the last day"
    )
    clock.time += timedelta(days=1)
    assert await store.receipts_of("UTO", document.document_number, None) == []
    assert await rows() == 1
    await store.purge()
    assert await rows() == 0
    await store.close()
