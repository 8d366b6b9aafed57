"""Deviation lists of issuing states (ICAO 9303-12 §10): which deviations change a check, and who may say so."""

import hashlib

import pytest
from asn1crypto import core

from gate_agent.inspection.certificate_defects import DefectKind
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.trust_bundle import load_folder
from gate_agent.inspection.trust_lists import ListRefused, read_deviation_list
from tests.unit import document_issuers as utopia

CSCA = utopia.certify()
ISSUERS = [read_certificate(CSCA.certificate)]
LIST_SIGNER = utopia.certify(common_name="Deviations", issuer=CSCA, is_authority=False, extended_usage="2.23.136.1.1.8")
DS = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, serial=-9)
SIGNER, OTHER = read_certificate(DS.certificate), read_certificate(CSCA.certificate)
BY_DIGEST = b"\x83\x20" + hashlib.sha256(DS.certificate).digest()
BY_KEY = b"\x82\x14" + SIGNER.key_identifier
BY_SERIAL = utopia.wrapped(0xA1, CSCA.name.dump() + core.Integer(-9).dump())
NUMBERS = utopia.wrapped(0xA5, core.PrintableString("X1").dump())
DOCUMENT_TYPE = b"\x80\x01P"


def arc(text):
    return f"2.23.136.1.1.7.{text}"


@pytest.mark.parametrize(
    "criterion", [BY_DIGEST, BY_KEY, BY_SERIAL], ids=["digest", "key identifier", "issuer and serial"]
)
def test_a_signer_is_named_in_one_of_three_ways(criterion):
    found = read_deviation_list(utopia.deviation_list(LIST_SIGNER, [(criterion, [arc("2.3")])]), ISSUERS)
    (defect,) = found.defects
    assert defect.kind is DefectKind.SOD_MALFORMED
    assert defect.is_of(SIGNER)
    assert not defect.is_of(OTHER)
    assert found.unused == 0


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("1.1", DefectKind.SIGNER_MALFORMED),
        ("1.2", DefectKind.SIGNER_WRONGLY_ENCODED),
        ("1.4", DefectKind.ACTIVE_AUTHENTICATION_KEY_COMPROMISED),
        ("2.1", DefectKind.DATA_GROUP_MALFORMED),
        ("2.3", DefectKind.SOD_MALFORMED),
        ("2.4", DefectKind.COM_SOD_DISCREPANCY),
        ("2.2", None),
        ("4", None),
        ("5", None),
    ],
)
def test_deviations_that_change_a_check(kind, expected):
    found = read_deviation_list(utopia.deviation_list(LIST_SIGNER, [(BY_DIGEST, [arc(kind)])]), ISSUERS)
    assert [defect.kind for defect in found.defects] == ([] if expected is None else [expected])
    assert found.unused == (expected is None)


@pytest.mark.parametrize(
    "criterion",
    [NUMBERS, DOCUMENT_TYPE, BY_DIGEST + NUMBERS, DOCUMENT_TYPE + BY_DIGEST, b""],
    ids=["numbers", "type", "digest and numbers", "type and digest", "none"],  # digests differ from run to run
)
def test_what_is_said_of_some_documents_is_not_said_of_all(criterion):
    found = read_deviation_list(utopia.deviation_list(LIST_SIGNER, [(criterion, [arc("2.3")])]), ISSUERS)
    assert (found.defects, found.unused) == ((), 1)


def test_only_the_state_itself_speaks_of_its_documents():
    content = utopia.deviation_list(LIST_SIGNER, [(BY_DIGEST, [arc("2.3")])])
    with pytest.raises(ListRefused, match="no trusted issuer of UT"):
        read_deviation_list(content, [read_certificate(utopia.certify().certificate)])
    foreign = utopia.certify("AA", "Foreign")
    signer = utopia.certify("AA", "Deviations", issuer=foreign, is_authority=False, extended_usage="2.23.136.1.1.8")
    for criterion in (BY_DIGEST, BY_KEY, BY_SERIAL):
        content = utopia.deviation_list(signer, [(criterion, [arc("2.3")])])
        found = read_deviation_list(content, [*ISSUERS, read_certificate(foreign.certificate)])
        assert not any(defect.is_of(SIGNER) for defect in found.defects)


@pytest.mark.parametrize("usage", [None, "2.23.136.1.1.3"])
def test_a_signer_of_other_things_signs_no_deviations(usage):
    signer = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, extended_usage=usage)
    with pytest.raises(ListRefused, match="may sign other things"):
        read_deviation_list(utopia.deviation_list(signer, [(BY_DIGEST, [arc("2.3")])]), ISSUERS)


def test_a_changed_list_is_refused():
    content = bytearray(utopia.deviation_list(LIST_SIGNER, [(BY_DIGEST, [arc("2.3")])]))
    content[content.index(BY_DIGEST) + 4] ^= 1
    with pytest.raises(ListRefused):
        read_deviation_list(bytes(content), ISSUERS)
    for nonsense in (b"", b"\x30\x00", CSCA.certificate):
        with pytest.raises(ListRefused):
            read_deviation_list(nonsense, ISSUERS)


def test_a_folder_with_one_knows_its_defects(tmp_path):
    (tmp_path / "csca.cer").write_bytes(CSCA.certificate)
    (tmp_path / "deviations.dl").write_bytes(
        utopia.deviation_list(LIST_SIGNER, [(BY_DIGEST, [arc("2.4")]), (NUMBERS, [arc("5")])])
    )
    bundle = load_folder(tmp_path)
    assert bundle.store.known_defects(SIGNER).has(DefectKind.COM_SOD_DISCREPANCY)
    assert [one.is_note for one in bundle.skipped] == [True]
