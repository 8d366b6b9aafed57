"""Declaration tokens and foreign claims: base45, zlib, COSE, CBOR, and claims of any content that a trusted key signed."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import base45
import cbor2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

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
from gate_agent.inspection import strict_cbor
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.declaration_token import TokenReading, verify_token
from gate_agent.inspection.foreign_claims import (
    INFLATED_LIMIT_BYTES,
    ClaimsMalformed,
    ClaimsReading,
    inflate,
    verify_claims,
)
from gate_agent.inspection.foreign_claims import PREFIX as FOREIGN_PREFIX
from gate_agent.inspection.plain_text import is_seen
from gate_agent.inspection.signed_code import MAXIMUM_TOKEN_BYTES, key_identifier
from gate_agent.inspection.strict_cbor import Cbor, CborRefused, Tagged
from gate_agent.inspection.token_format import PREFIXES, TokenClaims, decode, document_binding, encode
from tests.fuzz.target import Target, layers
from tests.unit import seal_builders as build

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_TRUSTED = {key_identifier(KEY.public_key()): KEY.public_key()}
_HEADER = cbor2.dumps({1: -8, 4: key_identifier(KEY.public_key())}, canonical=True)
_SAYS_NOTHING = frozenset({"token_malformed", "token_issuer_unknown"})


def _claims() -> list[TokenClaims]:
    token_id = bytes(range(16))
    full = Declaration(
        token_id, "7K3M-92QF", NOW, NOW + timedelta(hours=72), Direction.ENTRY, TravelMode.AIR,
        (DeclaredGoods("gilam", Money(120_000, "USD"), 10_000),), (Money(1_500_000, "USD"), Money(5, "UZS")), 1,
        ("7201110001",),
    )  # fmt: skip
    bare = replace(full, goods=(), cash=(), small_children=0, seal_ids=(), direction=Direction.EXIT)
    binding = document_binding(token_id, "UTO", "L898902C3")
    child = Companion("ALI SPECIMEN", Relation.CHILD, date(2019, 2, 28), document_binding(token_id, "UTO", "C00000001"))
    toy = DeclaredGoods("drone", Money(9_000, "USD"), 900, "uav", 1, 1, is_temporary=True)
    family = replace(full, companions=(child,), goods=(toy,))
    second = replace(
        full,
        goods=(DeclaredGoods("konyak", Money(4_000, "USD"), 1_200, "alcohol", 2_500, mark="SN 1"),),
        vehicles=(Vehicle("01A777AA", "UTO", "Lada"),),
        phone_imeis=("490154203237518",),
        unaccompanied=UnaccompaniedGoods("7K3M-92QF-U", ("kitob",), date(2026, 8, 28)),
        filled_in_s=41,
    )
    return [TokenClaims("egate-portal", NOW, binding, one) for one in (full, bare, family, second)]


def _version(text: str) -> int:
    return next(version for version, prefix in PREFIXES.items() if text.startswith(prefix))


def _base45(prefix: str, content: bytes) -> bytes:
    return prefix.encode() + bytes(base45.b45encode(content))


def declaration_token() -> Target:
    """A token's text, the COSE message in it, and protected header and claims of any content, signed by the portal's key."""
    claims = _claims()
    texts = [encode(one, KEY).encode() for one in claims]
    bodies = [base45.b45decode(text[4:].decode()) for text in texts]
    payloads = [cbor2.loads(body).value[2] for body in bodies]
    known = [one.declaration for one in claims]

    def judged(payload: bytes) -> TokenReading:
        reading = verify_token(payload, _TRUSTED, NOW)
        outcome = reading.result.outcome
        assert (outcome is CheckOutcome.SUCCESSFUL) == (reading.declaration is not None)
        if outcome is not CheckOutcome.SUCCESSFUL:
            (reason,) = reading.result.reasons
            says_nothing = reason.code in _SAYS_NOTHING
            assert outcome is (CheckOutcome.UNDETERMINED if says_nothing else CheckOutcome.FAILED)
            assert reading.binding == b""
        return reading

    def text(content: bytes) -> bool:
        reading = judged(content)
        assert reading.declaration is None or reading.declaration in known, "successful, and nobody signed it"
        return reading.declaration is not None

    def body(content: bytes) -> bool:
        return any(text(_base45(prefix, content)) for prefix in PREFIXES.values())

    def signed(protected: bytes, payload: bytes) -> bool:
        signature = KEY.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
        content = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
        accepted = [of_version(_base45(prefix, content), protected, payload) for prefix in PREFIXES.values()]
        assert sum(accepted) <= 1, "one version only"
        return any(accepted)

    def of_version(message: bytes, protected: bytes, payload: bytes) -> bool:
        reading = judged(message)
        if reading.declaration is None:
            return False
        assert protected == _HEADER, "one header only"
        decoded = decode(message, _TRUSTED)
        assert decoded.declaration == reading.declaration
        again = encode(decoded, KEY)
        assert len(again) <= MAXIMUM_TOKEN_BYTES
        assert decode(again, _TRUSTED) == decoded
        members = cbor2.loads(payload)[-65536 - _version(again)]
        if all(isinstance(name, int) and name <= 99 for name in members):
            assert cbor2.loads(base45.b45decode(again[4:])).value[2] == payload, "one encoding only"
        return True

    return layers(
        (text, texts),
        (body, bodies),
        (lambda content: signed(_HEADER, content), payloads),
        (lambda content: signed(content, payloads[0]), [_HEADER]),
        limit_bytes=1024,
    )


def foreign_claims() -> Target:
    """A token's text, what is in its base45, what is in its zlib stream, and claims of any content, signed by a held signer."""
    signer = build.seal_signer(serial=77)
    certificates = (read_certificate(signer.der),)
    now_s = int(NOW.timestamp())
    health = {"ver": "1.3.0", "nam": {"fnt": "ERIKSSON<", "gnt": "ANNA<MARIA"}, "dob": "1974-08-12", "v": [{"dn": 1}]}
    claims: list[dict[object, object]] = [
        {4: now_s + 3600, 6: now_s - 3600, 1: "UT", -260: {1: health}},
        {1: "UT", 5: float(now_s)},
    ]
    texts = [build.cose_token(signer, one) for one in claims]
    streams = [base45.b45decode(one.removeprefix(FOREIGN_PREFIX)) for one in texts]
    bodies = [zlib.decompress(one) for one in streams]
    payloads = [cbor2.loads(one).value[2] for one in bodies]
    protected = cbor2.loads(bodies[0]).value[0]

    def judged(content: bytes) -> ClaimsReading:
        reading = verify_claims(content, certificates, NOW)
        assert reading.outcome in {CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED}
        assert bool(reading.reasons) == (reading.outcome is not CheckOutcome.SUCCESSFUL)
        assert all(map(is_seen, "".join(reading.fields.values()))), "what is shown does nothing but stand there"
        return reading

    known = [judged(one.encode()).fields for one in texts]

    def text(content: bytes) -> bool:
        reading = judged(content)
        is_accepted = reading.outcome is CheckOutcome.SUCCESSFUL
        assert not is_accepted or reading.fields in known, "successful, and nobody signed it"
        return is_accepted

    def stream(content: bytes) -> bool:
        with contextlib.suppress(ClaimsMalformed):
            assert len(inflate(content)) <= INFLATED_LIMIT_BYTES
        return text(_base45(FOREIGN_PREFIX, content))

    def body(content: bytes) -> bool:
        return stream(zlib.compress(content, 1))

    def signed(payload: bytes) -> bool:
        signature = signer.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
        message = zlib.compress(cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature])), 1)
        reading = judged(_base45(FOREIGN_PREFIX, message))
        assert reading.outcome is not CheckOutcome.UNDETERMINED, "we signed it"
        return reading.outcome is CheckOutcome.SUCCESSFUL

    return layers(
        (text, [one.encode() for one in texts]),
        (stream, [*streams, zlib.compress(bytes(20_000))]),
        (body, bodies),
        (signed, payloads),
        limit_bytes=1024,
    )


def cbor() -> Target:
    """The strict reader against an encoder of this module and against cbor2."""
    values: list[object] = [
        0, 23, 24, 255, 256, 65_536, 1 << 32, (1 << 64) - 1, -1, -(1 << 64), b"", b"bytes", "text", "\u00e9", [1, [2, [3]]],
        {1: 2, "a": {2: b"x"}}, {-65537: [1, "x", b"y"]},
    ]  # fmt: skip
    seeds = [cbor2.dumps(one, canonical=True) for one in values]
    seeds += [cbor2.dumps(cbor2.CBORTag(18, [b"", {}, b"x", b"y"])), cbor2.dumps([1.5, True, None, {"b": 1, "a": 2}])]
    return Target(tuple(seeds), _cbor, 1024)


def _cbor(content: bytes) -> bool:
    try:
        lenient: Cbor | CborRefused = strict_cbor.loads_any_order(content)
    except CborRefused as refused:
        lenient = refused
    try:
        value = strict_cbor.loads(content)
    except CborRefused:
        if isinstance(lenient, CborRefused):
            return False
        _assert_as_cbor2(content, lenient)
        return True
    assert _encoded(value) == content, "every value has exactly one accepted encoding"
    assert lenient == value, "the lenient reader takes whatever the strict one takes"
    _assert_as_cbor2(content, value)
    return True


def _assert_as_cbor2(content: bytes, value: Cbor) -> None:
    if not _has_tag(value):  # cbor2 gives some tags a meaning of its own
        # `undefined` is read as null; repr, because 1, 1.0 and true are equal and not the same, and NaN equals nothing
        seen, read = (repr(one).replace("undefined", "None") for one in (cbor2.loads(content), value))
        assert seen == read, "two readers that differ are a hole"


def _has_tag(value: Cbor) -> bool:
    if isinstance(value, list):
        return any(map(_has_tag, value))
    if isinstance(value, dict):
        return any(map(_has_tag, value.values()))
    return isinstance(value, Tagged)


def _encoded(value: Cbor) -> bytes:
    match value:
        case Tagged(tag, inner):
            return _head(6, tag) + _encoded(inner)
        case bytes():
            return _head(2, len(value)) + value
        case str():
            return _head(3, len(value.encode())) + value.encode()
        case list():
            return _head(4, len(value)) + b"".join(map(_encoded, value))
        case dict():
            members = sorted((_encoded(name), _encoded(member)) for name, member in value.items())
            return _head(5, len(value)) + b"".join(name + member for name, member in members)
        case int():
            return _head(0, value) if value >= 0 else _head(1, -1 - value)
    raise AssertionError(f"{type(value).__name__} has no strict encoding")


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes((major << 5 | number,))
    width = next(step for step in range(4) if number < 1 << (8 << step))
    return bytes((major << 5 | 24 + width,)) + number.to_bytes(1 << width, "big")
