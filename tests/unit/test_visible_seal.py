"""Digital seals: published samples as labelled, round trips through own encoders, every way to be wrong, several on one page."""

import base64
import json
import time
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import zxingcpp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import CertificateRevocationListBuilder, RevokedCertificateBuilder
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from gate_agent import cli
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.certificate_revocation import read_revocation_list
from gate_agent.inspection.trust_bundle import load_folder
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate, TrustStore
from gate_agent.inspection.visible_seal import Printed, SealInspection, inspect_page, inspect_seal
from gate_agent.inspection.visible_seal_format import SealMalformed, decode_c40, parse_seal
from gate_agent.inspection.visible_seal_json import JSON_SEAL_LIMIT_BYTES
from tests.unit import seal_builders as build

S, F, U, N, A = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED
)  # fmt: skip
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
AUTHORITY = build.authority()
SIGNER = build.seal_signer(issuer=AUTHORITY)
PRINTED = read_mrz(build.ZONE, NOW.date()).document
assert PRINTED is not None


def held(*certificates: bytes, role: CertificateRole = CertificateRole.SIGNER) -> list[HeldCertificate]:
    return [HeldCertificate(read_certificate(der), role, ("test",)) for der in certificates]


def authority_der(authority: tuple = AUTHORITY) -> bytes:
    return authority[1].public_bytes(serialization.Encoding.DER)


SIGNER_ONLY = TrustStore(held(SIGNER.der))
CHAINED = TrustStore([*held(SIGNER.der), *held(authority_der(), role=CertificateRole.ISSUER)])


def codes(found: SealInspection) -> set[ReasonCode]:
    return {reason.code for reason in found.result.reasons}


# ---- published samples ---------------------------------------------------------------------------------------------------


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "outcome", "fields"),
    [
        (
            "vds_residentPermit.bin",
            S,
            {
                "document_type": "residence_permit", "document_code": "AT", "issuing_state": "D",
                "primary_identifier": "RESIDORCE", "secondary_identifier": "ROLAND", "document_number": "652584509",
                "nationality": "USA", "date_of_birth": "1970-08-03", "sex": "M", "date_of_expiry": "2022-01-01",
                "passport_number": "UFO001979", "signer": "UTTS", "certificate_reference": "5B", "seal_version": 4,
                "date_of_issue": "2020-01-01", "signature_date": "2023-07-26", "seal_issuing_state": "UTO",
            },
        ),
        (
            "vds_emergenyTravelDoc.bin",
            S,
            {"document_type": "emergency_travel_document", "primary_identifier": "SUPAMANN", "issuing_state": "GBR"},
        ),
        (
            "vds_utoVisa.bin",
            U,
            {"document_type": "visa_with_face_image", "primary_identifier": "BENZ", "face_image_bytes": 128,
             "document_number": "L8988901C", "signer": "DEKD", "certificate_reference": "001"},
        ),
    ],
)  # fmt: skip
def test_published_seals_behave_as_labelled(
    shared_data: Path, name: str, outcome: CheckOutcome, fields: dict[str, object]
) -> None:
    folder = shared_data / "documents" / "vds"
    content = (folder / name).read_bytes()
    store = load_folder(folder).store
    found = inspect_seal(content, store, NOW)
    assert found.result.outcome is outcome
    assert found.fields.items() >= fields.items()
    assert codes(found) == (set() if outcome is S else {ReasonCode.VISIBLE_SEAL_SIGNER_UNKNOWN})
    for position in (40, len(content) - 3):
        changed = bytearray(content)
        changed[position] ^= 1
        assert inspect_seal(bytes(changed), store, NOW).result.outcome in ({F} if outcome is S else {F, U})


@pytest.mark.shared_data
def test_a_published_seal_outside_its_signer_s_validity_has_failed(shared_data: Path) -> None:
    folder = shared_data / "documents" / "vds"
    found = inspect_seal((folder / "vds_residentPermit.bin").read_bytes(), load_folder(folder).store, datetime(2031, 1, 1, tzinfo=UTC))  # fmt: skip
    assert found.result.outcome is F
    assert codes(found) == {ReasonCode.VISIBLE_SEAL_OUTSIDE_VALIDITY}


@pytest.mark.shared_data
@pytest.mark.parametrize(("name", "with_authority", "without"), [("valid", S, U), ("invalid", F, F), ("non", F, F)])
def test_published_json_seals_behave_as_labelled(
    shared_data: Path, name: str, with_authority: CheckOutcome, without: CheckOutcome
) -> None:
    folder = shared_data / "documents" / "vdsnc"
    content = (folder / f"vdsnc_{name}VDSJson.json").read_bytes()
    assert inspect_seal(content, load_folder(folder).store, NOW).result.outcome is with_authority
    alone = inspect_seal(content, TrustStore([]), NOW)
    assert alone.result.outcome is without
    if name == "valid":
        assert codes(alone) == {ReasonCode.CSCA_UNKNOWN}
        assert alone.fields.items() >= {
            "primary_identifier": "CITIZEN", "secondary_identifier": "JOHN", "document_number": "PA0940385",
            "date_of_birth": "2004-03-20", "seal_issuing_state": "AUS", "document_type": "icao.vacc",
        }.items()  # fmt: skip


# ---- round trips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("store", [SIGNER_ONLY, CHAINED], ids=["imported", "chained"])
def test_a_good_seal_is_successful(version: int, store: TrustStore) -> None:
    found = inspect_seal(build.seal(SIGNER, version=version), store, NOW)
    assert (found.result.outcome, found.result.reasons) == (S, ())
    assert found.fields["primary_identifier"] == "ERIKSSON"
    assert found.fields["document_number"] == "D23145890"
    assert found.fields["mrz"] == list(build.ZONE)
    assert found.document == PRINTED


@pytest.mark.parametrize(
    "curve",
    [ec.SECP224R1(), ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.BrainpoolP256R1(), ec.BrainpoolP384R1(), ec.BrainpoolP512R1()],
    ids=lambda curve: curve.name,
)  # fmt: skip
def test_every_curve_with_its_hash(curve: ec.EllipticCurve) -> None:
    signer = build.seal_signer(curve=curve, serial=0xABCDE)
    store = TrustStore(held(signer.der))
    content = build.seal(signer)
    assert inspect_seal(content, store, NOW).result.outcome is S
    forged = content[:-1] + bytes([content[-1] ^ 1])
    assert inspect_seal(forged, store, NOW).result.outcome is F


@pytest.mark.shared_data
def test_brainpool_p224_is_verified_with_the_published_signer(shared_data: Path) -> None:
    """No private key of that signer is published: its curve is used, and whatever is not its signature has failed."""
    store = load_folder(shared_data / "documents" / "vds" / "sealgen_DETS32.crt").store
    unsigned = build.seal(None, state="D", names=("DETS", "32"))
    found = inspect_seal(unsigned + b"\xff\x38" + b"\x11" * 56, store, datetime(2024, 1, 1, tzinfo=UTC))
    assert found.checks["signature"] is F
    assert found.checks["signer_certificate"] is S
    assert codes(found) >= {ReasonCode.VISIBLE_SEAL_SIGNATURE_WRONG}


def test_an_unknown_feature_is_tolerated_and_named() -> None:
    zone, number = (2, build.c40("".join(build.ZONE))), (3, build.c40("D23145890"))
    found = inspect_seal(build.seal(SIGNER, [zone, (0x5A, b"\x00" * 200), number, (0x7F, b"\x01" * 300)]), CHAINED, NOW)
    assert found.result.outcome is S
    assert found.fields["unknown_features"] == ["5A", "7F"]


def test_a_visa_holds_a_part_of_its_zone() -> None:
    first, second = "V<UTOERIKSSON<<ANNA<MARIA".ljust(44, "<"), "L8988901C4XXX4009078F9612109"
    features = [
        (1, build.c40(first + second)),
        (3, b"\x02"),
        (4, bytes([10, 2, 0])),
        (5, build.c40("D23145890")),
        (6, b"\x00\x11"),
    ]
    found = inspect_seal(
        build.seal(SIGNER, features, type_code="5d01"), CHAINED, NOW, printed=Printed(passport=PRINTED)
    )
    assert found.result.outcome is S
    assert found.checks["seal_against_passport"] is S
    assert found.fields.items() >= {
        "document_code": "V", "number_of_entries": 2, "duration_of_stay_days": 10, "duration_of_stay_months": 2,
        "duration_of_stay_years": 0, "passport_number": "D23145890", "visa_type_bytes": 2,
    }.items()  # fmt: skip
    printed = read_mrz((first, second + "6ZE184226B<<<<<<"), NOW.date()).document
    assert inspect_seal(build.seal(SIGNER, features, type_code="5d01"), CHAINED, NOW, printed=Printed(printed)).checks["seal_against_mrz"] is S  # fmt: skip
    other = replace(PRINTED, document_number="D23145899")
    wrong = inspect_seal(build.seal(SIGNER, features, type_code="5d01"), CHAINED, NOW, printed=Printed(passport=other))
    assert (wrong.result.outcome, codes(wrong)) == (F, {ReasonCode.VISIBLE_SEAL_DIFFERS})


# ---- one thing wrong -------------------------------------------------------------------------------------------------------


def test_nobody_signed_it() -> None:
    found = inspect_seal(build.seal(None), CHAINED, NOW)
    assert found.result.outcome is U
    assert found.checks["signature"] is N
    assert ReasonCode.VISIBLE_SEAL_MALFORMED in codes(found)


def test_the_signer_is_not_held() -> None:
    found = inspect_seal(build.seal(SIGNER), TrustStore([]), NOW)
    assert (found.result.outcome, codes(found)) == (U, {ReasonCode.VISIBLE_SEAL_SIGNER_UNKNOWN})
    assert found.result.reasons[0].parameters == {"signer": "UTSG1F"}


def test_where_authorities_are_held_one_must_have_signed() -> None:
    other = build.authority("UT", "another authority")
    stranger = build.seal_signer(name="ZZ", issuer=other)
    store = TrustStore([*held(stranger.der), *held(authority_der(), role=CertificateRole.ISSUER)])
    found = inspect_seal(build.seal(stranger), store, NOW)
    assert (found.result.outcome, codes(found)) == (U, {ReasonCode.CSCA_UNKNOWN})
    assert found.checks["signature"] is S


def test_a_named_authority_that_rejects_is_a_finding() -> None:
    forged = build.certificate(
        SIGNER.key,
        ((NameOID.COUNTRY_NAME, "UT"), (NameOID.COMMON_NAME, "SG")),
        0x1F,
        (AUTHORITY[0], AUTHORITY[1].subject),
    )
    der = bytearray(forged.public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    store = TrustStore([*held(bytes(der)), *held(authority_der(), role=CertificateRole.ISSUER)])
    found = inspect_seal(build.seal(SIGNER), store, NOW)
    assert (found.result.outcome, codes(found)) == (F, {ReasonCode.CSCA_REJECTS})


def test_a_revoked_signer_has_failed() -> None:
    entry = RevokedCertificateBuilder().serial_number(0x1F).revocation_date(NOW).build()
    revocations = (
        CertificateRevocationListBuilder()
        .issuer_name(AUTHORITY[1].subject)
        .last_update(datetime(2026, 5, 1, tzinfo=UTC))
        .next_update(datetime(2026, 7, 1, tzinfo=UTC))
        .add_revoked_certificate(entry)
        .sign(AUTHORITY[0], hashes.SHA256())
    )
    certificates = [*held(SIGNER.der), *held(authority_der(), role=CertificateRole.ISSUER)]
    store = TrustStore(certificates, [read_revocation_list(revocations.public_bytes(serialization.Encoding.DER))])
    found = inspect_seal(build.seal(SIGNER), store, NOW)
    assert (found.result.outcome, codes(found)) == (F, {ReasonCode.CERTIFICATE_REVOKED})
    assert inspect_seal(build.json_seal(SIGNER), store, NOW).result.outcome is F


@pytest.mark.parametrize("now", [datetime(2023, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)])
def test_outside_the_signer_s_validity(now: datetime) -> None:
    found = inspect_seal(build.seal(SIGNER, signed=None), CHAINED, now)
    assert (found.result.outcome, codes(found)) == (F, {ReasonCode.VISIBLE_SEAL_OUTSIDE_VALIDITY})


def test_without_a_trusted_time_nothing_is_valid() -> None:
    found = inspect_seal(build.seal(SIGNER), CHAINED, NOW, is_time_trusted=False)
    assert (found.result.outcome, codes(found)) == (U, {ReasonCode.CERTIFICATE_VALIDITY_UNKNOWN})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"features": [(2, build.c40("".join(build.ZONE)))]}, "feature 03 is missing"),
        ({"features": [(2, build.c40("".join(build.ZONE))), (3, build.c40("D23145890")), (3, b"AB")]}, "twice"),
        ({"features": [(2, build.c40("".join(build.ZONE))), (3, build.c40("D23"))]}, "feature 03 has 2 bytes"),
        ({"signed": date(2026, 6, 3)}, "future"),
        ({"type_code": "5d01", "features": [(3, b"\1"), (4, b"\1\1\1"), (5, build.c40("D23145890"))]}, "feature 01 is missing"),
        ({"features": [(2, build.c40("?".replace("?", "A") * 64)), (3, build.c40("D23145890"))]}, "another form"),
    ],
)  # fmt: skip
def test_what_contradicts_its_type_has_failed(changes: dict, words: str) -> None:
    features = changes.pop("features", None)
    content = build.seal(SIGNER, features, **changes) if features else build.seal(SIGNER, **changes)
    found = inspect_seal(content, CHAINED, NOW)
    assert found.result.outcome is F
    if words != "another form":
        assert found.checks["semantics"] is F
        assert words in found.result.reasons[0].parameters["detail"]


def test_an_unknown_type_is_undetermined() -> None:
    found = inspect_seal(build.seal(SIGNER, [(1, b"x")], type_code="0102"), CHAINED, NOW)
    assert (found.result.outcome, codes(found)) == (U, {ReasonCode.VISIBLE_SEAL_TYPE_UNKNOWN})
    assert found.checks["signature"] is S


def test_a_wrong_digit_inside_the_zone() -> None:
    zone = build.ZONE[0] + build.ZONE[1].replace("7408122", "7408123")
    found = inspect_seal(build.seal(SIGNER, [(2, build.c40(zone)), (3, build.c40("D23145890"))]), CHAINED, NOW)
    assert found.result.outcome is F
    assert found.checks["check_digits"] is F
    assert codes(found) == {ReasonCode.MRZ_CHECK_DIGIT_WRONG}


def test_another_state_s_signer() -> None:
    foreign = build.seal(SIGNER, state="AUS")
    found = inspect_seal(foreign, CHAINED, NOW)
    assert (found.result.outcome, codes(found)) == (F, {ReasonCode.ISSUING_STATE_DIFFERS})
    unknown = inspect_seal(build.seal(SIGNER, state="QQQ"), CHAINED, NOW)
    assert (unknown.result.outcome, codes(unknown)) == (U, {ReasonCode.STATE_CODE_UNKNOWN})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"document_number": "D23145891"}, "document_number"),
        ({"secondary_identifier": "MARIA"}, "secondary_identifier"),
        ({"date_of_birth_text": "740813"}, "date_of_birth"),
        ({"date_of_expiry": date(2033, 4, 15)}, "date_of_expiry"),
        ({"nationality": "AUS"}, "nationality"),
        ({"sex": "M"}, "sex"),
    ],
)
def test_a_seal_that_says_something_else_than_the_page(changes: dict, field: str) -> None:
    found = inspect_seal(build.seal(SIGNER), CHAINED, NOW, printed=Printed(replace(PRINTED, **changes)))
    assert found.result.outcome is F
    assert {reason.parameters["field"] for reason in found.result.reasons} == {field}


def test_a_seal_that_agrees_with_the_page() -> None:
    for printed in (PRINTED, replace(PRINTED, date_of_birth_text="74<<12"), replace(PRINTED, secondary_identifier="ANNA", name_may_be_truncated=True)):  # fmt: skip
        found = inspect_seal(build.seal(SIGNER), CHAINED, NOW, printed=Printed(printed))
        assert (found.result.outcome, found.checks["seal_against_mrz"]) == (S, S)


# ---- structure -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "does not begin"),
        (b"\xdc\x04" + bytes(80), "does not begin"),
        (build.seal(SIGNER)[:3], "issuing state"),
        (build.seal(SIGNER)[:9], "certificate reference"),
        (build.seal(SIGNER)[:-1], "ends in the signature"),
        (build.seal(SIGNER) + b"\0", "behind the signature"),
        (build.seal(None) + b"\xff\x00", "empty signature"),
        (build.seal(None) + b"\x05", "ends in the feature 05"),
        (build.seal(None) + b"\x05\x81\x05hello", "longer than needed"),
        (build.seal(None) + b"\x05\x82\x00\x05hello", "longer than needed"),
        (build.seal(SIGNER, [(2, b"\xff" * 48), (3, build.c40("D23145890"))]), "out of range in the feature 02"),
        (build.seal(SIGNER, [(2, b"\x00\x02" * 24), (3, build.c40("D23145890"))]), "shift in the feature 02"),
        (build.seal(None, [(1, b"")] * 65), "more than 64 features"),
        (b"\xdc\x03" + bytes(5000), "longer than"),
    ],
)  # fmt: skip
def test_what_is_malformed_is_told_with_its_place(content: bytes, words: str) -> None:
    found = inspect_seal(content, CHAINED, NOW)
    assert found.result.outcome is F
    assert found.checks["structure"] is F
    assert words in found.result.reasons[0].parameters["detail"]


def test_impossible_dates_are_malformed_and_zero_means_none() -> None:
    content = bytearray(build.seal(None))
    start = content.index(build.seal_date(date(2025, 3, 1)))
    assert parse_seal(bytes(content[:start] + b"\0\0\0" + content[start + 3 :])).date_of_issue is None
    for number in (13_01_2025, 2_30_2025, 1_01_0000):
        wrong = bytes(content[:start]) + number.to_bytes(3, "big") + bytes(content[start + 3 :])
        with pytest.raises(SealMalformed, match="no day"):
            parse_seal(wrong)


@given(st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ", max_size=90))
def test_c40_round_trip(text: str) -> None:
    assert decode_c40(build.c40(text)) == text


@given(
    st.lists(st.tuples(st.integers(0, 254), st.binary(max_size=300)), max_size=6),
    st.sampled_from([3, 4]),
    st.one_of(st.none(), st.dates(date(1900, 1, 1), date(2099, 12, 31))),
    st.text("ABCDEF0123456789", min_size=5, max_size=5),
)
def test_a_seal_is_read_as_it_was_written(
    features: list[tuple[int, bytes]], version: int, issued: date | None, reference: str
) -> None:
    seal = parse_seal(build.seal(None, features, version=version, issued=issued, names=("UTSG", reference)))
    assert [(feature.tag, feature.value) for feature in seal.features] == features
    assert (seal.version, seal.date_of_issue, seal.signer, seal.certificate_reference) == (
        version,
        issued,
        "UTSG",
        reference,
    )
    assert (seal.issuing_state, seal.signature) == ("UTO", b"")


GOOD = build.seal(SIGNER)
GOOD_JSON = build.json_seal(SIGNER)


@given(
    st.binary(max_size=200),
    st.integers(0, 200),
    st.sampled_from([b"", GOOD, GOOD_JSON, b"\xdc\x03", b"\xdc\x02", b"{"]),
)
def test_no_bytes_raise_and_no_changed_bytes_pass(noise: bytes, at: int, start: bytes) -> None:
    content = start[:at] + noise + start[at + len(noise) :]
    outcome = inspect_seal(content, CHAINED, NOW).result.outcome
    assert outcome in {F, U, A} or (start and content == start) or _same_json(content)


def _same_json(content: bytes) -> bool:
    try:
        return json.loads(content) == json.loads(GOOD_JSON)  # white space is no part of the meaning
    except ValueError:
        return False


@given(st.integers(0, len(GOOD) * 8 - 1))
def test_no_flipped_bit_passes(bit: int) -> None:
    changed = bytearray(GOOD)
    changed[bit // 8] ^= 1 << bit % 8
    assert inspect_seal(bytes(changed), CHAINED, NOW).result.outcome in {F, U}


# ---- JSON ------------------------------------------------------------------------------------------------------------------


def test_a_json_seal_needs_an_authority_of_its_state() -> None:
    content = build.json_seal(SIGNER)
    found = inspect_seal(content, CHAINED, NOW, printed=Printed(PRINTED))
    assert (found.result.outcome, found.result.reasons) == (S, ())
    assert found.checks["seal_against_mrz"] is S
    assert found.fields["secondary_identifier"] == "ANNA MARIA"
    imported = inspect_seal(content, SIGNER_ONLY, NOW)
    assert (imported.result.outcome, codes(imported)) == (U, {ReasonCode.CSCA_UNKNOWN}), "it came with the seal"
    other_state = inspect_seal(build.json_seal(SIGNER, state="AUS"), CHAINED, NOW)
    assert (other_state.result.outcome, codes(other_state)) == (U, {ReasonCode.ISSUING_STATE_DIFFERS})
    other_person = inspect_seal(content, CHAINED, NOW, printed=Printed(replace(PRINTED, document_number="X1")))
    assert (other_person.result.outcome, codes(other_person)) == (F, {ReasonCode.VISIBLE_SEAL_DIFFERS})
    unknown = inspect_seal(build.json_seal(SIGNER, type_name="icao.new"), CHAINED, NOW)
    assert (unknown.result.outcome, codes(unknown)) == (U, {ReasonCode.VISIBLE_SEAL_TYPE_UNKNOWN})


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("Ériksson  Anna-Maria", S),
        ("Эрикссон  Анна", S),  # either side may be cut
        ("ERIKSSON ANNA MARIA", S),
        ("Anna Maria Eriksson", S),
        ("ERIKSSON  ANNE MARIA", F),
        ("ERIKSON  ANNA MARIA", F),
        ("李  安娜", S),  # cannot be compared; number, birth and sex are
    ],
)
def test_the_name_in_a_json_seal_agrees_by_any_allowed_spelling(name: str, outcome: CheckOutcome) -> None:
    found = inspect_seal(build.json_seal(SIGNER, name=name), CHAINED, NOW, printed=Printed(PRINTED))
    assert (found.result.outcome, found.checks["seal_against_mrz"]) == (outcome, outcome)
    assert [reason.parameters["field"] for reason in found.result.reasons] == ([] if outcome is S else ["name"])


@pytest.mark.parametrize(
    ("changes", "outcome", "code"),
    [
        ({"alg": "ES384"}, U, ReasonCode.ALGORITHM_UNKNOWN),
        ({"alg": "none"}, U, ReasonCode.ALGORITHM_UNKNOWN),
        ({"sigvl": base64.urlsafe_b64encode(bytes(64)).decode()}, F, ReasonCode.VISIBLE_SEAL_SIGNATURE_WRONG),
        ({"sigvl": "AA"}, F, ReasonCode.VISIBLE_SEAL_SIGNATURE_WRONG),
        ({"sigvl": "A"}, F, ReasonCode.VISIBLE_SEAL_MALFORMED),
        ({"cer": "AAAA"}, F, ReasonCode.CERTIFICATE_MALFORMED),
        ({"cer": "+/=="}, F, ReasonCode.VISIBLE_SEAL_MALFORMED),
        ({"cer": 5}, F, ReasonCode.VISIBLE_SEAL_MALFORMED),
    ],
)
def test_one_thing_wrong_in_the_signature_of_json(changes: dict, outcome: CheckOutcome, code: ReasonCode) -> None:
    found = inspect_seal(build.json_seal(SIGNER, **changes), CHAINED, NOW)
    assert found.result.outcome is outcome
    assert code in codes(found)


def test_a_key_of_another_curve_is_no_es256() -> None:
    signer = build.seal_signer(curve=ec.BrainpoolP256R1(), issuer=AUTHORITY)
    assert inspect_seal(build.json_seal(signer), CHAINED, NOW).result.outcome is F


@pytest.mark.parametrize(
    "bomb",
    [
        b"{" + b'"a":[' * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 200_000,
        b'{"data":' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"}",
        GOOD_JSON.replace(b'"v": 1', b'"v": 1, "v": 2'),
        GOOD_JSON.replace(b'"v": 1', b'"v": NaN'),
        GOOD_JSON.replace(b'"v": 1', b'"v": ' + b"9" * 5000),
        b"{" + b" " * (4 << 20) + b"}",
        b"\xdc\x03" * (2 << 20),
        b"\xdc\x03" + build.seal(None)[2:30] + b"\x01\x00" * 2000,
        b"' OR '1'='1",
        b"\x1b[31m\xe2\x80\xaetxt\n",
    ],
    ids=["deep", "brackets", "nested", "twice", "nan", "integer", "long", "long-vds", "features", "sql", "terminal"],
)
def test_bombs_are_refused_at_once(bomb: bytes) -> None:
    inspect_seal(bomb, CHAINED, NOW)
    started_s = time.process_time()
    assert inspect_seal(bomb, CHAINED, NOW).result.outcome is F
    assert time.process_time() - started_s < 0.05
    assert JSON_SEAL_LIMIT_BYTES < 1 << 15


# ---- several on one page -----------------------------------------------------------------------------------------------------

PERMIT = build.seal(SIGNER)
STICKER = build.seal(
    SIGNER, [(1, build.c40("D23145890")), (2, build.c40("012345678")), (3, build.c40("12345"))], type_code="f80a"
)
EMERGENCY = build.seal(SIGNER, [(2, build.c40("".join(build.ZONE)))], type_code="5e03")
UNKNOWN = build.seal(SIGNER, [(1, b"x")], type_code="0102")


@pytest.mark.parametrize(
    ("contents", "expected", "outcome", "kind", "several"),
    [
        ([], [], N, None, False),
        ([], ["residence_permit"], F, None, False),
        ([PERMIT], [], S, "residence_permit", False),
        ([PERMIT, PERMIT], [], S, "residence_permit", False),
        ([STICKER, PERMIT], [], S, "residence_permit", True),
        ([STICKER, PERMIT], ["address_sticker_passport"], S, "address_sticker_passport", True),
        ([PERMIT, EMERGENCY, STICKER], [], S, "emergency_travel_document", True),
        ([PERMIT, UNKNOWN, b"noise"], [], S, "residence_permit", True),
        ([UNKNOWN, b"noise"], [], A, None, True),
        ([UNKNOWN, b"\xdc\x03noise", GOOD_JSON[:-9]], [], A, None, True),
        ([PERMIT, build.seal(SIGNER, signed=None)], [], A, None, True),
        ([PERMIT, build.json_seal(SIGNER, type_name="icao.dta")], [], S, "icao.dta", True),
        ([PERMIT], ["emergency_travel_document"], F, "residence_permit", False),
    ],
)  # fmt: skip
def test_several_seals_on_one_page(
    contents: list[bytes], expected: list[str], outcome: CheckOutcome, kind: str | None, several: bool
) -> None:
    found = inspect_page(contents, CHAINED, NOW, expected_types=frozenset(expected))
    assert found.result.outcome is outcome
    assert found.fields.get("document_type") == kind
    assert (ReasonCode.VISIBLE_SEAL_SEVERAL in codes(found)) == several
    if not contents and expected:
        assert codes(found) == {ReasonCode.VISIBLE_SEAL_MISSING}


# ---- the command -------------------------------------------------------------------------------------------------------------


def symbol(content: bytes, kind: object = zxingcpp.BarcodeFormat.DataMatrix) -> np.ndarray:
    drawn = np.array(zxingcpp.create_barcode(content, kind).to_image(scale=5))
    return cv2.copyMakeBorder(drawn, 30, 30, 30, 30, cv2.BORDER_CONSTANT, value=255)


def test_the_command_answers_bytes_pictures_and_json(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    certs = tmp_path / "certs"
    certs.mkdir()
    (certs / "signer.cer").write_bytes(SIGNER.der)
    (certs / "authority.pem").write_bytes(AUTHORITY[1].public_bytes(serialization.Encoding.PEM))
    files = {
        "seal.bin": PERMIT,
        "seal.json": GOOD_JSON,
        "page.png": cv2.imencode(".png", symbol(PERMIT))[1].tobytes(),
        "blank.png": cv2.imencode(".png", np.full((200, 300), 255, np.uint8))[1].tobytes(),
        "other.png": cv2.imencode(".png", symbol(b"M1ERIKSSON", zxingcpp.BarcodeFormat.QRCode))[1].tobytes(),
        "torn.png": cv2.imencode(".png", symbol(PERMIT))[1].tobytes()[:80],
        "noise.bin": b"noise",
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    names = [str(tmp_path / name) for name in [*files, "absent.bin"]]
    assert (
        cli.main(["inspect", "visible-seal", *names, "--certs", str(certs), "--at", "2026-06-01T12:00:00Z", "--json"])
        == 0
    )
    answers = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    results = {Path(answer["file"]).name: (answer["result"], answer["reasons"]) for answer in answers}
    assert results == {
        "seal.bin": ("successful", []),
        "seal.json": ("successful", []),
        "page.png": ("successful", []),
        "blank.png": ("failed", ["visible_seal_missing"]),
        "other.png": ("failed", ["visible_seal_missing"]),
        "torn.png": ("aborted", []),
        "noise.bin": ("failed", ["visible_seal_malformed"]),
        "absent.bin": ("aborted", []),
    }
    assert answers[0]["fields"]["primary_identifier"] == "ERIKSSON"
    assert answers[0]["checks"]["signature"] == "successful"
    assert answers[5]["error"].startswith("DRV-IMG-001")


def test_the_command_without_certificates_or_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "seal.bin"
    path.write_bytes(PERMIT)
    (tmp_path / "certs").mkdir()
    assert cli.main(["inspect", "visible-seal", str(path), "--certs", str(tmp_path / "certs")]) == 0
    assert "undetermined" in capsys.readouterr().out
    assert cli.main(["inspect", "visible-seal", str(path), "--certs", str(tmp_path / "nowhere")]) == 3
    assert "nowhere" in capsys.readouterr().err
