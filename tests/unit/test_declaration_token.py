"""Declaration tokens: what is accepted, and that nothing else is."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import base45
import cbor2
import cwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.declaration import (
    Companion,
    Declaration,
    DeclaredGoods,
    Direction,
    Relation,
    TravelMode,
    UnaccompaniedGoods,
    Vehicle,
)
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import ReasonCode
from gate_agent.domain.travel_document import MrzFormat, TravelDocument
from gate_agent.inspection.declaration_token import bind, place_of, verify_token
from gate_agent.inspection.signed_code import MAXIMUM_TOKEN_BYTES, TokenRefused, key_identifier
from gate_agent.inspection.token_format import PREFIXES, TokenClaims, decode, document_binding, encode
from gate_agent.inspection.token_members import MAXIMUM_LINES, is_plain_text

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
TRUSTED = {key_identifier(KEY.public_key()): KEY.public_key()}
TOKEN_ID = bytes(range(16))
PREFIX = PREFIXES[1]


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
        sealed(with_declaration(k5=[["x", 1, "USD", 1, {3: 1}]])),
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


FAMILY = (
    Companion("ALI SPECIMEN", Relation.CHILD, date(2019, 2, 28), document_binding(TOKEN_ID, "UTO", "C00000001")),
    Companion("BELLA SPECIMEN", Relation.SPOUSE, date(1980, 1, 1), document_binding(TOKEN_ID, "UTO", "C00000002")),
)


def test_a_family_has_one_code_and_everybody_a_place_on_it() -> None:
    goods = (
        DeclaredGoods("bicycle", Money(9_000, "USD"), 9_000, owner=1),
        DeclaredGoods("camera", Money(90_000, "USD"), 900, "camera", 1, 2, is_temporary=True),
    )
    family = claims(companions=FAMILY, goods=goods)
    reading = verify_token(encode(family, KEY).encode(), TRUSTED, NOW)
    assert reading.declaration == family.declaration
    assert reading.declaration.travellers == 3
    child = replace(document("C00000001"), date_of_birth=date(2019, 2, 28))
    assert place_of(reading, document()) == 0
    assert place_of(reading, child) == 1
    assert place_of(reading, replace(child, date_of_birth=None)) == 1, (
        "a birth date that nobody can read refuses nobody"
    )
    assert place_of(reading, replace(child, date_of_birth=date(2001, 2, 28))) is None, "declared as somebody younger"
    assert place_of(reading, replace(document("C00000002"), date_of_birth=date(1980, 1, 1))) == 2
    assert place_of(reading, document("C00000003")) is None
    assert bind(reading, child, already_used=False).outcome is CheckOutcome.SUCCESSFUL
    used = bind(reading, child, already_used=True)
    assert [one.code for one in used.reasons] == [ReasonCode.TOKEN_ALREADY_USED]


def test_ten_people_fit_one_code() -> None:
    nine = tuple(
        Companion(
            "ABDURAHMONOV ABDUMALIK ABDULLAYEVICH " + str(n), Relation.CHILD, date(2012, 1, 1 + n), bytes([n]) * 16
        )
        for n in range(9)
    )
    text = encode(claims(companions=nine), KEY)
    assert len(text) < 1400, "a symbol of version 30 with error level M holds 1,990 characters"
    assert decode(text, TRUSTED).declaration.companions == nine


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
        {"goods": (DeclaredGoods("x", Money(1, "USD"), 1),) * 21},
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


IMEI = "490154203237518"
"""The example of 3GPP TS 23.003 annex B."""

SECOND = {
    "goods": (DeclaredGoods("konyak", Money(4_000, "USD"), 1_200, "alcohol", 2_500), DeclaredGoods("kamera", Money(1, "USD"), 1, is_temporary=True, mark="SN 4711")),
    "vehicles": (Vehicle("01A777AA", "UTO", "Lada"),),
    "phone_imeis": (IMEI,),
    "unaccompanied": UnaccompaniedGoods("7K3M-92QF-U", ("kitob", "idish"), date(2026, 8, 28)),
    "filled_in_s": 41,
}  # fmt: skip


def second_members(**changes: object) -> dict[int, object]:
    body = base45.b45decode(encode(claims(**SECOND), KEY).removeprefix(PREFIXES[2]))
    members: dict[int, object] = cbor2.loads(cbor2.loads(body).value[2])
    members[-65538] = {**members[-65538], **{int(name[1:]): value for name, value in changes.items()}}  # type: ignore[dict-item]
    return members


def second(payload: bytes) -> bytes:
    return PREFIXES[2].encode() + payload.removeprefix(PREFIX.encode())


def test_both_versions_are_read_side_by_side_and_the_lowest_is_written() -> None:
    old, new = encode(claims(filled_in_s=41), KEY), encode(claims(**SECOND), KEY)
    assert (old[:4], new[:4]) == ("EG1:", "EG2:")
    for text, expected in ((old, declaration(filled_in_s=41)), (new, declaration(**SECOND))):
        reading = verify_token(text.encode(), TRUSTED, NOW)
        assert reading.declaration == expected
        assert bind(reading, document(), already_used=False).outcome is CheckOutcome.SUCCESSFUL


def test_the_version_is_signed() -> None:
    old, new = encode(claims(), KEY), encode(claims(**SECOND), KEY)
    for swapped in ("EG2:" + old[4:], "EG1:" + new[4:], "EG3:" + new[4:]):
        assert reason(swapped.encode()) == (CheckOutcome.UNDETERMINED, [ReasonCode.TOKEN_MALFORMED])


@pytest.mark.parametrize("name", [name for name in SECOND if name not in {"goods", "filled_in_s"}])
def test_each_further_part_is_something_to_declare(name: str) -> None:
    bare = {"goods": (), "cash": (), "small_children": 0, "seal_ids": ()}
    assert declaration(**bare).nothing_to_declare
    one = claims(**bare, **{name: SECOND[name]})
    assert not one.declaration.nothing_to_declare
    assert decode(encode(one, KEY), TRUSTED) == one


@pytest.mark.parametrize(
    "changes",
    [
        {"k10": [["01A777AA", "UTO", ""]]},
        {"k10": [["01 A", "UTO", "Lada"]]},
        {"k10": [["01A777AA", "uto", "Lada"]]},
        {"k10": [["01A777AA", "UTO", "Lada"]] * 3},
        {"k11": ["490154203237517"]},
        {"k11": ["000000000000000"]},
        {"k11": [490154203237518]},
        {"k11": []},
        {"k12": ["7K3M-92QF-U", [], 20260828]},
        {"k12": ["7K3M-92QF-U", ["kitob"], -2]},
        {"k12": ["7K3M-92QF-U", ["kitob"], 20260230]},
        {"k12": ["7K3M-92QF-U", ["kitob"], True]},
        {"k12": ["7K3M-92QF-U", [1], 20260828]},
        {"k13": 1},
        {"k9": 1},
        {"k9": []},
        {"k9": [["ALI", 0, 20190230, bytes(16)]]},
        {"k9": [["ALI", 9, 20190228, bytes(16)]]},
        {"k9": [["ALI", 0, 20190228, bytes(15)]]},
        {"k9": [["A\x1b", 0, 20190228, bytes(16)]]},
        {"k9": [["ALI", 0, 20190228, bytes(16)]] * 2},
        {"k9": [["ALI", 0, 20190228, document_binding(TOKEN_ID, "UTO", "L898902C3")]]},
        {"k9": [["ALI", 0, 20190228, bytes([n]) * 16] for n in range(10)]},
        {"k5": [["x", 1, "USD", 1, {}]]},
        {"k5": [["x", 1, "USD", 1, {3: 1}]]},
        {"k5": [["x", 1, "USD", 1, {3: 0}]]},
        {"k5": [["x", 1, "USD", 1, {2: -1}]]},
        {"k5": [["x", 1, "USD", 1, {1: "Bad Kind"}]]},
        {"k5": [["x", 1, "USD", 1, {4: 2}]]},
        {"k5": [["x", 1, "USD", 1, {5: ""}]]},
        {"k5": [["x", 1, "USD", 1, {6: 1}]]},
        {"k5": [["x", 1, "USD"]]},
    ],
)
def test_signed_nonsense_of_the_second_version_is_malformed(changes: dict[str, object]) -> None:
    assert reason(second(sealed(second_members())))[0] is CheckOutcome.SUCCESSFUL
    assert reason(second(sealed(second_members(**changes)))) == (
        CheckOutcome.UNDETERMINED,
        [ReasonCode.TOKEN_MALFORMED],
    )


def test_a_second_version_that_says_nothing_new_is_refused() -> None:
    members = good_members()
    members[-65538] = members.pop(-65537)
    assert reason(second(sealed(members))) == (CheckOutcome.UNDETERMINED, [ReasonCode.TOKEN_MALFORMED])


def test_every_changed_byte_of_the_second_version_is_refused() -> None:
    body = base45.b45decode(encode(claims(**SECOND), KEY).removeprefix(PREFIXES[2]))
    for position in range(len(body)):
        changed = bytearray(body)
        changed[position] ^= 0x01
        with pytest.raises(TokenRefused):
            decode(PREFIXES[2] + base45.b45encode(bytes(changed)).decode(), TRUSTED)


def test_what_does_not_fit_a_symbol_is_not_issued() -> None:
    goods = tuple(
        DeclaredGoods("\u045e" * 40, Money(10**15, "USD"), 10**9, mark="\u045e" * 40) for _ in range(2 * MAXIMUM_LINES)
    )
    with pytest.raises(ValueError, match="too long"):
        encode(claims(goods=goods), KEY)
