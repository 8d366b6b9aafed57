"""Claims in COSE that other issuers sign: published samples as labelled, and every layer that can be wrong or a bomb."""

import base64
import io
import json
import time
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import base45
import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gate_agent import cli
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection import foreign_claims, strict_cbor
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.foreign_claims import ClaimsReading, verify_claims
from gate_agent.inspection.token_format import PREFIXES
from tests.unit import seal_builders as build

S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SIGNER = build.seal_signer(serial=77)
CERTIFICATES = (read_certificate(SIGNER.der),)
HEALTH = {
    "ver": "1.3.0", "nam": {"fnt": "ERIKSSON<", "gnt": "ANNA<MARIA"}, "dob": "1974-08-12",
    "v": [{"tg": "840539006", "dn": 1, "sd": 2}],
}  # fmt: skip
CLAIMS: dict[object, object] = {
    4: int(NOW.timestamp()) + 3600,
    6: int(NOW.timestamp()) - 3600,
    1: "UT",
    -260: {1: HEALTH},
}


def codes(reading: ClaimsReading) -> set[ReasonCode]:
    return {reason.code for reason in reading.reasons}


def judged(token: str | bytes) -> ClaimsReading:
    return verify_claims(token, CERTIFICATES, NOW)


def in_layers(body: bytes) -> str:
    return "HC1:" + base45.b45encode(zlib.compress(body)).decode()


@pytest.mark.shared_data
def test_published_samples_behave_as_labelled(shared_data: Path) -> None:
    """Where a label expects a layer to break, that very layer is named; where none does, the claims are accepted."""
    broken = {
        "EXPECTEDUNPREFIX": (U, "prefix"),
        "EXPECTEDB45DECODE": (U, "base45"),
        "EXPECTEDCOMPRESSION": (U, "zlib"),
        "EXPECTEDVERIFY": (F, ReasonCode.TOKEN_SIGNATURE_WRONG),
        "EXPECTEDKEYUSAGE": (F, ReasonCode.CERTIFICATE_DEFECT),
        "EXPECTEDSCHEMAVALIDATION": (F, "certificate"),
    }
    seen = set()
    for path in sorted((shared_data / "documents" / "dcc").glob("*.json")):
        sample = json.loads(path.read_text())
        context = sample["TESTCTX"]
        certificate = read_certificate(base64.b64decode(context["CERTIFICATE"]))
        found = verify_claims(sample["PREFIX"], [certificate], datetime.fromisoformat(context["VALIDATIONCLOCK"]))
        labels = [label for label, is_expected in sample["EXPECTEDRESULTS"].items() if not is_expected]
        seen |= set(labels) or {"good"}
        if not labels:
            assert (found.outcome, found.reasons) == (S, ()), path.name
            assert found.fields["primary_identifier"] == "MUSTERFRAU GOESSINGER"
            continue
        (label,) = labels
        outcome, why = broken[label]
        assert found.outcome is outcome, path.name
        if isinstance(why, ReasonCode):
            assert codes(found) == {why}, path.name
        else:
            assert found.reasons[0].code is ReasonCode.TOKEN_MALFORMED
            assert found.reasons[0].parameters["detail"].startswith(why), path.name
    assert seen == {*broken, "good"}


def test_own_claims_are_accepted() -> None:
    found = judged(build.cose_token(SIGNER, CLAIMS))
    assert (found.outcome, found.reasons) == (S, ())
    assert found.fields == {
        "issuer": "UT", "issued_at": "2026-06-01T11:00:00Z", "expires_at": "2026-06-01T13:00:00Z",
        "primary_identifier": "ERIKSSON", "secondary_identifier": "ANNA MARIA", "date_of_birth": "1974-08-12",
        "certificate_type": "vaccination",
    }  # fmt: skip
    assert judged(build.cose_token(SIGNER, {1: "UT"})).outcome is S, "claims of another kind"


def test_what_is_shown_does_nothing_to_a_screen() -> None:
    """Fields of claims that nobody signed are shown, too."""
    health = HEALTH | {"nam": {"fnt": "ERIKSSON\x1b[31m", "gnt": "ANNA\u202eAIRAM"}, "dob": "1974\n08"}
    found = judged(build.cose_token(build.seal_signer(serial=78), CLAIMS | {1: "UT\x9b", -260: {1: health}}))
    assert found.outcome is U
    assert {name: found.fields[name] for name in ("issuer", "primary_identifier", "secondary_identifier", "date_of_birth")} == {
        "issuer": "UT\ufffd", "primary_identifier": "ERIKSSON\ufffd[31m", "secondary_identifier": "ANNA\ufffdAIRAM",
        "date_of_birth": "1974\ufffd08",
    }  # fmt: skip


def test_a_signer_that_is_not_held_is_undetermined() -> None:
    found = verify_claims(build.cose_token(SIGNER, CLAIMS), [], NOW)
    assert (found.outcome, codes(found)) == (U, {ReasonCode.TOKEN_ISSUER_UNKNOWN})


def test_a_key_identifier_is_no_proof() -> None:
    stranger = build.seal_signer(serial=78)
    token = build.cose_token(stranger, CLAIMS, key_identifier=foreign_claims.key_identifier(CERTIFICATES[0]))
    assert (judged(token).outcome, codes(judged(token))) == (F, {ReasonCode.TOKEN_SIGNATURE_WRONG})


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (NOW + timedelta(hours=1, minutes=6), ReasonCode.TOKEN_EXPIRED),
        (NOW - timedelta(hours=1, minutes=6), ReasonCode.TOKEN_NOT_YET_VALID),
        (datetime(2035, 1, 1, tzinfo=UTC), ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY),
    ],
)
def test_out_of_time(now: datetime, code: ReasonCode) -> None:
    found = verify_claims(build.cose_token(SIGNER, CLAIMS), CERTIFICATES, now)
    assert found.outcome is F
    assert code in codes(found)
    inside = verify_claims(build.cose_token(SIGNER, CLAIMS), CERTIFICATES, NOW + timedelta(hours=1, minutes=4))
    assert inside.outcome is S, "within the skew of clocks"


@pytest.mark.parametrize(("algorithm", "outcome"), [(-37, F), (-8, U), (-35, U), (5, U), (0, U)])
def test_the_algorithm_must_be_the_key_s(algorithm: int, outcome: CheckOutcome) -> None:
    assert judged(build.cose_token(SIGNER, CLAIMS, algorithm=algorithm)).outcome is outcome


def test_es256_is_p256_only() -> None:
    signer = build.seal_signer(serial=79, curve=ec.BrainpoolP256R1())
    found = verify_claims(build.cose_token(signer, CLAIMS), [read_certificate(signer.der)], NOW)
    assert found.outcome is F


@pytest.mark.parametrize(
    "health",
    [
        None,
        5,
        {},
        HEALTH | {"v": []},
        HEALTH | {"t": [{}]},
        {name: value for name, value in HEALTH.items() if name != "dob"},
        {name: value for name, value in HEALTH.items() if name != "ver"},
        HEALTH | {"nam": {"fn": "x"}},
        HEALTH | {"nam": []},
    ],
)
def test_signed_claims_of_another_form_have_failed(health: object) -> None:
    found = judged(build.cose_token(SIGNER, CLAIMS | {-260: {1: health}}))
    assert (found.outcome, codes(found)) == (F, {ReasonCode.TOKEN_MALFORMED})


@pytest.mark.parametrize("instant", ["soon", True, -1, 1 << 62, float("nan"), float("inf"), [1]])
def test_signed_times_of_another_form_have_failed(instant: object) -> None:
    assert judged(build.cose_token(SIGNER, CLAIMS | {4: instant})).outcome is F


def cose(
    protected: object = None, unprotected: object = None, payload: object = b"\xa0", tag: int | None = 18
) -> bytes:
    header = cbor2.dumps({1: -7, 4: bytes(8)}) if protected is None else protected
    parts = [header, {} if unprotected is None else unprotected, payload, bytes(64)]
    return cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts))


@pytest.mark.parametrize(
    ("token", "layer"),
    [
        ("", "prefix"),
        ("HC2:ABC", "prefix"),
        ("HC1:abc", "base45"),
        (b"HC1:\xff", "base45"),
        ("HC1:" + "A" * 9000, "longer"),
        ("HC1:", "zlib"),
        ("HC1:" + base45.b45encode(cose()).decode(), "zlib"),
        ("HC1:" + base45.b45encode(zlib.compress(cose())[:-2]).decode(), "zlib"),
        ("HC1:" + base45.b45encode(zlib.compress(cose()) + b"x").decode(), "zlib"),
        (in_layers(b""), "COSE"),
        (in_layers(cose() + b"\0"), "COSE"),
        (in_layers(cose(tag=None)), "COSE"),
        (in_layers(cose(tag=17)), "COSE"),
        (in_layers(cbor2.dumps(cbor2.CBORTag(61, [1]))), "COSE"),
        (in_layers(cose(protected=5)), "COSE"),
        (in_layers(cose(payload="text")), "COSE"),
        (in_layers(cose(protected=b"")), "COSE header"),
        (in_layers(cose(protected=b"\xa1\x01\xf5")), "COSE header"),
        (in_layers(cose(protected=b"\xa2\x01\x26\x01\x26")), "COSE header"),
        (in_layers(cose(protected=cbor2.dumps({1: -7}), unprotected={4: b"short"})), "COSE header"),
        (in_layers(cose(protected=cbor2.dumps({1: -7, 2: [4], 4: bytes(8)}))), "COSE header"),
        (in_layers(cose(protected=cbor2.dumps({4: bytes(8)}), unprotected={1: -7})), "COSE header"),
        (in_layers(b"\x81" * 5000), "COSE"),
        (in_layers(b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"), "COSE"),
        (in_layers(bytes(40_000)), "zlib"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_undetermined_and_names_its_layer(token: str | bytes, layer: str) -> None:
    found = judged(token)
    assert (found.outcome, codes(found)) == (U, {ReasonCode.TOKEN_MALFORMED})
    assert found.reasons[0].parameters["detail"].startswith(layer)


def test_an_outer_cwt_tag_and_an_unprotected_key_identifier_are_accepted() -> None:
    body = zlib.decompress(base45.b45decode(build.cose_token(SIGNER, CLAIMS).removeprefix("HC1:")))
    assert judged(in_layers(b"\xd8\x3d" + body)).outcome is S
    message = foreign_claims.read_cose(cose(protected=cbor2.dumps({1: -7}), unprotected={4: b"identify"}))
    assert message.key_identifier == b"identify"


@pytest.mark.parametrize("size", [60_000, 3_000_000])
def test_a_zlib_bomb_stays_small(size: int) -> None:
    bomb = "HC1:" + base45.b45encode(zlib.compress(bytes(size), 9)).decode()
    judged(bomb)
    started_s = time.process_time()
    assert judged(bomb).outcome is U
    assert time.process_time() - started_s < 0.05


GOOD = build.cose_token(SIGNER, CLAIMS)
GOOD_BODY = zlib.decompress(base45.b45decode(GOOD.removeprefix("HC1:")))


@given(st.integers(0, 8 * len(GOOD_BODY) - 1))
def test_no_flipped_bit_passes(bit: int) -> None:
    changed = bytearray(GOOD_BODY)
    changed[bit // 8] ^= 1 << bit % 8
    assert judged(in_layers(bytes(changed))).outcome in {F, U}


@given(st.one_of(st.text(max_size=80), st.binary(max_size=80), st.binary(max_size=200).map(in_layers), st.integers(0, 500).map(lambda at: GOOD[:at])))  # fmt: skip
def test_nothing_raises_and_nothing_else_passes(token: str | bytes) -> None:
    assert judged(token).outcome in {F, U} or token == GOOD


@given(
    st.recursive(
        st.one_of(st.integers(-(2**63), 2**63 - 1), st.text(max_size=9), st.binary(max_size=9), st.booleans(), st.none(), st.floats(allow_nan=False)),
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.integers(-99, 99), st.text(max_size=3)), inner, max_size=4)),
        max_leaves=12,
    )
)  # fmt: skip
def test_cbor_in_any_order_reads_what_another_library_writes(value: object) -> None:
    encoded = cbor2.dumps(value)
    assert strict_cbor.loads_any_order(encoded) == value
    with pytest.raises(strict_cbor.CborRefused):
        strict_cbor.loads_any_order(encoded + b"\0")


@pytest.mark.parametrize("encoded", [b"\xa2\x02\x01\x01\x01", b"\xf5", b"\xf6", b"\xf9\x3c\x00", b"\x18\x01"])
def test_the_declaration_token_s_cbor_stays_strict(encoded: bytes) -> None:
    strict_cbor.loads_any_order(encoded)
    with pytest.raises(strict_cbor.CborRefused):
        strict_cbor.loads(encoded)


def test_the_command_judges_both_kinds(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "signer.der").write_bytes(SIGNER.der)
    lines = [GOOD, f"{PREFIXES[1]}6BF", "HL0:ABC", "A" * 40_000, build.cose_token(build.seal_signer(serial=80), CLAIMS)]
    arguments = ["inspect", "token", "--json", "--at", "2026-06-01T12:00:00Z"]
    for more, first in ((["--certs", str(tmp_path)], "successful"), (["--certificate", str(tmp_path / "signer.der")], "successful"), ([], "undetermined")):  # fmt: skip
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO("\n".join(lines).encode())))
        assert cli.main([*arguments, *more]) == 0
        answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [answer["result"] for answer in answers] == [first, *["undetermined"] * 4]
        assert answers[4]["reasons"] == ["token_issuer_unknown"]
        assert answers[0]["fields"]["primary_identifier"] == "ERIKSSON"
    assert cli.main([*arguments, "--certs", str(tmp_path / "nowhere")]) == 3
