"""Declaration tokens: what is accepted, and that nothing else is."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta

import base45
import cbor2
import cwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.travel_document import MrzFormat, TravelDocument
from gate_agent.inspection.declaration_token import bind, verify_token
from gate_agent.inspection.token_format import (
    MAXIMUM_TOKEN_BYTES,
    PREFIX,
    TokenClaims,
    TokenRefused,
    decode,
    document_binding,
    encode,
    is_plain_text,
    key_identifier,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TRUSTED = {key_identifier(KEY.public_key()): KEY.public_key()}
TOKEN_ID = bytes(range(16))


def document(number: str = "L898902C3", state: str = "UTO") -> TravelDocument:
    return TravelDocument(
        MrzFormat.TD3, "P", state, number, "UTO", "SPECIMEN", "ANNA", False, date(1974, 8, 12), "740812", "F",
        date(2030, 4, 15), "", "", (),
    )  # fmt: skip


def declaration(**changes: object) -> Declaration:
    fields: dict[str, object] = {
        "token_id": TOKEN_ID,
        "reference": "7K3M-92QF",
        "issued_at": NOW,
        "expires_at": NOW + timedelta(hours=72),
        "direction": Direction.ENTRY,
        "mode": TravelMode.AIR,
        "goods": (DeclaredGoods("gilam", Money(120_000, "USD"), 10_000),),
        "cash": (Money(1_500_000, "USD"), Money(5_000_000_000, "UZS")),
        "small_children": 1,
        "seal_ids": ("7201110001",),
    }
    return Declaration(**{**fields, **changes})  # type: ignore[arg-type]


def claims(**changes: object) -> TokenClaims:
    return TokenClaims("egate-portal", NOW, document_binding(TOKEN_ID, "UTO", "L898902C3"), declaration(**changes))


TOKEN = encode(claims(), KEY)


def reason(payload: bytes, now: datetime = NOW) -> tuple[CheckOutcome, list[ReasonCode]]:
    result = verify_token(payload, TRUSTED, now).result
    return result.outcome, [one.code for one in result.reasons]


def test_a_token_says_what_was_declared() -> None:
    reading = verify_token(TOKEN.encode(), TRUSTED, NOW)
    assert reading.result.outcome is CheckOutcome.SUCCESSFUL
    assert reading.declaration == declaration()
    assert bind(reading, document(), already_used=False).outcome is CheckOutcome.SUCCESSFUL
    assert 0 < reading.result.duration_ms < 50
    assert len(encode(claims(goods=(), cash=(), small_children=0, seal_ids=()), KEY)) < 330


def test_a_barcode_reader_may_end_the_line() -> None:
    assert reason(TOKEN.encode() + b"\r\n")[0] is CheckOutcome.SUCCESSFUL


def test_the_second_party_reads_it() -> None:
    """The `cwt` package verifies the same bytes with the same key."""
    body = base45.b45decode(TOKEN.removeprefix(PREFIX))
    public = cwt.COSEKey.new(
        {1: 1, -1: 6, 3: -8, 2: key_identifier(KEY.public_key()), -2: KEY.public_key().public_bytes_raw()}
    )
    payload = cwt.COSE.new().decode(body, public)
    assert cbor2.loads(payload)[7] == TOKEN_ID


def test_the_document_number_stands_nowhere_in_it() -> None:
    body = base45.b45decode(TOKEN.removeprefix(PREFIX))
    assert b"L898902C3" not in body
    assert b"898902" not in body


texts = st.text(min_size=1, max_size=40).filter(is_plain_text)
amounts = st.builds(Money, st.integers(0, 10**15), st.sampled_from(["USD", "UZS", "EUR"]))


@given(
    st.lists(st.builds(DeclaredGoods, texts, amounts, st.integers(0, 10**9)), max_size=5),
    st.lists(amounts, max_size=5),
    st.integers(0, 20),
    st.sampled_from(list(Direction)),
    st.sampled_from(list(TravelMode)),
    texts,
)
def test_round_trip(
    goods: list[DeclaredGoods], cash: list[Money], children: int, direction: Direction, mode: TravelMode, reference: str
) -> None:
    one = claims(
        goods=tuple(goods),
        cash=tuple(cash),
        small_children=children,
        direction=direction,
        mode=mode,
        reference=reference,
    )
    assert decode(encode(one, KEY), TRUSTED) == one


def test_every_changed_byte_is_refused() -> None:
    body = base45.b45decode(TOKEN.removeprefix(PREFIX))
    for position in range(len(body)):
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(body)
            changed[position] ^= change
            with pytest.raises(TokenRefused):
                decode(PREFIX + base45.b45encode(bytes(changed)).decode(), TRUSTED)


def test_every_changed_character_is_refused() -> None:
    for position in range(len(TOKEN)):
        for other in "A0 \x00":
            if TOKEN[position] != other:
                changed = TOKEN[:position] + other + TOKEN[position + 1 :]
                assert reason(changed.encode())[0] is not CheckOutcome.SUCCESSFUL
        assert reason((TOKEN[:position] + TOKEN[position + 1 :]).encode())[0] is not CheckOutcome.SUCCESSFUL


@given(st.binary(max_size=300))
def test_anything_else_is_malformed(payload: bytes) -> None:
    assert reason(payload) == (CheckOutcome.UNDETERMINED, [ReasonCode.TOKEN_MALFORMED])
    assert reason(PREFIX.encode() + base45.b45encode(payload))[0] is CheckOutcome.UNDETERMINED


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"EG1:",
        b"HC1:" + TOKEN[4:].encode(),
        TOKEN.lower().encode(),
        b"' OR '1'='1",
        b"\xff" * 100,
        "EG1:ÀÉ".encode(),
        b"eg1:6BF",
    ],
)
def test_other_codes_are_malformed(payload: bytes) -> None:
    assert reason(payload) == (CheckOutcome.UNDETERMINED, [ReasonCode.TOKEN_MALFORMED])


def test_four_megabytes_are_refused_at_once() -> None:
    payload = b"EG1:" + b"A" * 4_000_000
    started = time.process_time()
    for _ in range(100):
        assert reason(payload)[1] == [ReasonCode.TOKEN_MALFORMED]
    assert (time.process_time() - started) / 100 < 0.001


def test_unknown_issuer_says_nothing_about_the_traveller() -> None:
    forged = encode(claims(), OTHER_KEY).encode()
    assert reason(forged) == (CheckOutcome.UNDETERMINED, [ReasonCode.TOKEN_ISSUER_UNKNOWN])


def sealed(
    members: object, *, header: object = None, unprotected: object = None, tag: int = 18, key: Ed25519PrivateKey = KEY
) -> bytes:
    """A token made by hand, correctly signed whatever it says."""
    protected = cbor2.dumps({1: -8, 4: key_identifier(KEY.public_key())} if header is None else header)
    payload = members if isinstance(members, bytes) else cbor2.dumps(members, canonical=True)
    signature = key.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    body = cbor2.dumps(cbor2.CBORTag(tag, [protected, unprotected or {}, payload, signature]))
    return PREFIX.encode() + base45.b45encode(body)


def good_members() -> dict[int, object]:
    body = base45.b45decode(TOKEN.removeprefix(PREFIX))
    members: dict[int, object] = cbor2.loads(cbor2.loads(body).value[2])
    return members


def with_declaration(**changes: object) -> dict[int, object]:
    members = good_members()
    members[-65537] = {**members[-65537], **{int(name[1:]): value for name, value in changes.items()}}  # type: ignore[dict-item]
    return members


def test_handmade_control_is_accepted() -> None:
    assert reason(sealed(good_members()))[0] is CheckOutcome.SUCCESSFUL


def test_a_key_that_signs_under_anothers_name_is_found() -> None:
    assert reason(sealed(good_members(), key=OTHER_KEY)) == (CheckOutcome.FAILED, [ReasonCode.TOKEN_SIGNATURE_WRONG])


@pytest.mark.parametrize(
    "payload",
    [
        sealed(good_members(), tag=61),
        sealed(good_members(), unprotected={4: b"x"}),
        sealed(good_members(), header={1: -7, 4: key_identifier(KEY.public_key())}),
        sealed(good_members(), header={1: -8, 2: [99], 4: key_identifier(KEY.public_key()), 99: 1}),
        sealed({**good_members(), 2: "someone"}),
        sealed({key: value for key, value in good_members().items() if key != 4}),
        sealed({**good_members(), 4: 2**70}),
        sealed({**good_members(), 4: 253_402_300_799}),
        sealed({**good_members(), 4: -1}),
        sealed({**good_members(), 7: b"short"}),
        sealed(with_declaration(k9=1)),
        sealed(with_declaration(k99=1)),
        sealed(with_declaration(k2=2)),
        sealed(with_declaration(k3=True)),
        sealed(with_declaration(k3=5)),
        sealed(with_declaration(k5=[])),
        sealed(with_declaration(k5=[["x", 1, "USD", 1]] * 11)),
        sealed(with_declaration(k5=[["x" * 41, 1, "USD", 1]])),
        sealed(with_declaration(k5=[["a\u202eb", 1, "USD", 1]])),
        sealed(with_declaration(k5=[["\x1b[31m", 1, "USD", 1]])),
        sealed(with_declaration(k5=[["x", -1, "USD", 1]])),
        sealed(with_declaration(k5=[["x", 1, "usd", 1]])),
        sealed(with_declaration(k6=[[1.5, "USD"]])),
        sealed(with_declaration(k7=21)),
        sealed(with_declaration(k8=["a seal"])),
        sealed(b"\xa2\x01\x00\x01\x00"),
        sealed(b"\x9f" * 1000),
        sealed(b"\x81" * 1500),
        sealed(b""),
    ],
)
def test_signed_nonsense_is_malformed(payload: bytes) -> None:
    assert len(payload) <= MAXIMUM_TOKEN_BYTES
    assert reason(payload) == (CheckOutcome.UNDETERMINED, [ReasonCode.TOKEN_MALFORMED])


def test_members_from_100_on_are_passed_over() -> None:
    assert reason(sealed(with_declaration(k100="later")))[0] is CheckOutcome.SUCCESSFUL


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        (timedelta(minutes=-10), None),
        (timedelta(minutes=-10, seconds=-1), ReasonCode.TOKEN_NOT_YET_VALID),
        (timedelta(hours=72, minutes=10), None),
        (timedelta(hours=72, minutes=10, seconds=1), ReasonCode.TOKEN_EXPIRED),
    ],
)
def test_times_allow_ten_minutes_of_skew(shift: timedelta, expected: ReasonCode | None) -> None:
    outcome, reasons = reason(TOKEN.encode(), NOW + shift)
    assert reasons == ([] if expected is None else [expected])
    assert outcome is (CheckOutcome.SUCCESSFUL if expected is None else CheckOutcome.FAILED)


@pytest.mark.parametrize(
    ("shown", "used", "expected"),
    [
        (document(), False, []),
        (document("L898902C3<<".replace("<", "")), False, []),
        (document("L898902C4"), False, [ReasonCode.TOKEN_OTHER_DOCUMENT]),
        (document(state="UTP"), False, [ReasonCode.TOKEN_OTHER_DOCUMENT]),
        (document(), True, [ReasonCode.TOKEN_ALREADY_USED]),
        (document("L898902C4"), True, [ReasonCode.TOKEN_OTHER_DOCUMENT]),
    ],
)
def test_binding(shown: TravelDocument, used: bool, expected: list[ReasonCode]) -> None:
    result = bind(verify_token(TOKEN.encode(), TRUSTED, NOW), shown, used)
    assert [one.code for one in result.reasons] == expected
    assert result.outcome is (CheckOutcome.FAILED if expected else CheckOutcome.SUCCESSFUL)


def test_an_unsuccessful_reading_is_never_mended_by_binding() -> None:
    reading = verify_token(b"EG1:", TRUSTED, NOW)
    assert bind(reading, document(), already_used=False) is reading.result


def test_the_german_code_is_one_letter_in_the_document() -> None:
    assert document_binding(TOKEN_ID, "D<<", "C01X00T47") == document_binding(TOKEN_ID, "deu", "C01X 00T47")


@pytest.mark.parametrize(
    "changes",
    [
        {"goods": (DeclaredGoods("x" * 41, Money(1, "USD"), 1),)},
        {"goods": (DeclaredGoods("x", Money(1, "USD"), 1),) * 11},
        {"token_id": b"short"},
        {"small_children": 21},
        {"seal_ids": ("1",) * 5},
        {"issued_at": NOW.replace(microsecond=1)},
        {"cash": (Money(-1, "USD"),)},
    ],
)
def test_claims_beyond_the_limits_are_not_issued(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        encode(claims(**changes), KEY)


def test_the_largest_declaration_still_fits_a_symbol() -> None:
    goods = tuple(DeclaredGoods("ў" * 40, Money(10**15, "USD"), 10**9) for _ in range(10))
    cash = tuple(Money(10**15, f"A{letter}A") for letter in "ABCDEFGHIJ")
    text = encode(claims(goods=goods, cash=cash, seal_ids=tuple(f"{n:024d}" for n in range(4))), KEY)
    assert len(text) <= 3391  # alphanumeric characters of a version 40 symbol at level M
    assert decode(text, TRUSTED).declaration.goods == goods
