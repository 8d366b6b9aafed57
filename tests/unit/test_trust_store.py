"""Certificates and lists of issuing states: what published ones look like, what must be searched, and what must not be believed."""

import hashlib
from datetime import timedelta

import ecdsa
import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st

from emrtd.tlv import encode_tlv
from gate_agent.inspection import certificate_reading
from gate_agent.inspection.certificate_defects import DefectKind, DefectsMalformed, read_defects
from gate_agent.inspection.certificate_encoding import ENCODING_FAULTS, MAXIMUM_DEPTH, EncodingRefused, scan
from gate_agent.inspection.certificate_reading import (
    CertificateMalformed,
    Period,
    certificates_in_file,
    read_certificate,
)
from gate_agent.inspection.certificate_revocation import (
    RevocationListMalformed,
    RevocationStatus,
    read_revocation_list,
)
from gate_agent.inspection.trust_bundle import BundleContents, assemble, load_folder
from gate_agent.inspection.trust_lists import ListRefused, read_master_list
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate, TrustStore
from tests.unit import document_issuers as utopia

NOW = utopia.NOW


def held(*authorities, role=CertificateRole.ISSUER, source="list"):
    return [HeldCertificate(read_certificate(one.certificate), role, (source,)) for one in authorities]


def test_every_issuer_of_the_german_list_can_be_used(shared_data):
    bundle = load_folder(shared_data / "documents" / "masterlists")
    (german,) = bundle.master_lists
    assert len(german.certificates) == 588
    assert german.skipped == ()
    assert bundle.skipped == ()
    assert german.root is not None
    assert len({one.country for one in german.certificates}) == 112
    assert not {"KG", "KZ", "AF"} & bundle.store.countries
    sources = [entry.sources for entry in bundle.store.held if entry.certificate.sha256 == german.root.sha256]
    assert sources == [("DE_ROOT_CA_CSCA07.cer", german.name)], "the root came with both, and both are remembered"
    assert {one.serial for one in german.certificates if one.serial <= 0} == {
        0,
        min(one.serial for one in german.certificates),
    }
    for one in german.certificates:
        assert one.key.bits >= 224
    self_issued = [one for one in german.certificates if one.is_self_issued]
    verified = sum(bool(bundle.store.search_issuer(one).issuers) for one in self_issued)
    assert verified >= 375


def test_the_german_list_is_refused_once_a_byte_changes(shared_data):
    folder = shared_data / "documents" / "masterlists"
    content = bytearray((folder / "DE_ML_2026-05-28-08-28-45.ml").read_bytes())
    root = read_certificate((folder / "DE_ROOT_CA_CSCA07.cer").read_bytes())
    other = read_certificate((folder / "2016-01_CSCA.cer").read_bytes())
    assert read_master_list(bytes(content), [root]).root == root
    with pytest.raises(ListRefused, match="no pinned root"):
        read_master_list(bytes(content), [other])
    content[500_000] ^= 1
    with pytest.raises(ListRefused):
        read_master_list(bytes(content), [root], must_be_pinned=False)


@pytest.mark.parametrize("curve", [ecdsa.NIST192p, ecdsa.NIST224p, ecdsa.BRAINPOOLP224r1, ecdsa.BRAINPOOLP320r1, ecdsa.BRAINPOOLP512r1], ids=lambda one: one.name)  # fmt: skip
def test_issuers_on_every_curve_verify_their_signers(curve):
    csca = utopia.certify(keys_=utopia.ec_keys(curve))
    signer = utopia.certify(common_name="DS", issuer=csca, is_authority=False)
    store = TrustStore(held(csca))
    search = store.search_issuer(read_certificate(signer.certificate))
    assert [one.der for one in search.issuers] == [csca.certificate]


@pytest.mark.parametrize("serial", [-5, 0, 1 << 159, -(1 << 159)])
def test_any_serial_is_taken(serial):
    assert read_certificate(utopia.certify(serial=serial).certificate).serial == serial


def test_countries_are_compared_in_upper_case():
    csca = utopia.certify(country="ut")
    store = TrustStore(held(csca))
    assert store.countries == {"UT"}
    signer = utopia.certify("UT", "DS", issuer=csca, is_authority=False, authority_key_identifier=b"")
    assert store.search_issuer(read_certificate(signer.certificate)).issuers


def test_one_name_and_key_identifier_for_two_keys_is_no_obstacle():
    shared = b"\x01" * 20
    first, second = (utopia.certify(key_identifier=shared, serial=serial) for serial in (1, 2))
    store = TrustStore(held(first, second))
    for csca in (first, second):
        signer = read_certificate(utopia.certify(common_name="DS", issuer=csca, is_authority=False).certificate)
        assert [one.der for one in store.search_issuer(signer).issuers] == [csca.certificate]


def test_a_link_certificate_s_key_verifies_although_its_own_issuer_is_unknown():
    old, new_keys = utopia.certify(common_name="CSCA old"), utopia.ec_keys()
    link = utopia.certify(common_name="CSCA new", keys_=new_keys, issuer=old)
    signer = utopia.certify(common_name="DS", issuer=link, is_authority=False)
    store = TrustStore(held(link))
    assert [one.der for one in store.search_issuer(read_certificate(signer.certificate)).issuers] == [link.certificate]


def test_without_any_identifier_all_of_the_country_are_tried():
    csca = utopia.certify(common_name="Renamed", key_identifier=b"")
    csca.name = utopia.name_of("UT", "Name before")
    signer = utopia.certify(common_name="DS", issuer=csca, is_authority=False, authority_key_identifier=b"")
    store = TrustStore(held(utopia.certify(common_name="Name before", key_identifier=b""), csca))
    search = store.search_issuer(read_certificate(signer.certificate))
    assert [one.der for one in search.issuers] == [csca.certificate]
    assert not search.was_named


def test_an_issuer_that_is_named_and_rejects_is_a_finding_and_one_of_the_name_alone_is_not():
    csca, imitation = utopia.certify(), utopia.certify()
    imitation.key_identifier = csca.key_identifier
    store = TrustStore(held(csca))
    named = store.search_issuer(read_certificate(utopia.certify(common_name="DS", issuer=imitation, is_authority=False).certificate))  # fmt: skip
    assert (named.issuers, named.was_named) == ((), True)
    imitation.key_identifier = b""
    unnamed = store.search_issuer(read_certificate(utopia.certify(common_name="DS", issuer=imitation, is_authority=False).certificate))  # fmt: skip
    assert (unnamed.issuers, unnamed.was_named) == ((), False)


def test_the_union_of_lists_keeps_every_source():
    csca, other = utopia.certify(), utopia.certify("AA", "Other")
    store = TrustStore([*held(csca, source="one"), *held(csca, other, source="two"), *held(csca, source="one")])
    assert len(store.held) == 2
    assert store.sources_of(read_certificate(csca.certificate)) == ("one", "two")


def test_a_key_off_its_curve_costs_its_certificate_and_not_the_list():
    good, publisher = utopia.certify(), utopia.certify("DE", "Publisher")
    bad = utopia.certify(common_name="Off the curve")
    der = bytearray(bad.certificate)
    point = bad.keys.spki[-8:]
    der[der.index(point)] ^= 1
    signer = utopia.certify("DE", "List signer", issuer=publisher, is_authority=False, extended_usage="2.23.136.1.1.3")
    content = utopia.master_list(
        signer, [good.certificate, bytes(der), publisher.certificate], signing_time=utopia.on(2026, 6)
    )
    contents = BundleContents(master_lists=[content])
    bundle = assemble(contents, [read_certificate(publisher.certificate)])
    assert {entry.certificate.der for entry in bundle.store.held} == {good.certificate, publisher.certificate}
    (skipped,) = bundle.skipped
    assert "not on secp256r1" in skipped.reason
    assert skipped.source.startswith("DE 2026-06-01")


def test_a_list_of_another_publisher_is_not_believed():
    publisher, stranger = utopia.certify("DE", "Publisher"), utopia.certify("DE", "Publisher")
    signer = utopia.certify("DE", "List signer", issuer=stranger, is_authority=False, extended_usage="2.23.136.1.1.3")
    content = utopia.master_list(signer, [utopia.certify().certificate])
    bundle = assemble(BundleContents(master_lists=[content]), [read_certificate(publisher.certificate)])
    assert bundle.store.held == ()
    assert "no pinned root" in bundle.skipped[0].reason
    with pytest.raises(ListRefused, match="issued by nobody in it"):
        read_master_list(content, [], must_be_pinned=False)


@pytest.mark.parametrize("usage", [None, "2.23.136.1.1.8"])
def test_a_key_that_signs_documents_makes_no_authorities(usage):
    publisher = utopia.certify("DE", "Publisher")
    signer = utopia.certify("DE", "DS", issuer=publisher, is_authority=False, extended_usage=usage)
    content = utopia.master_list(signer, [utopia.certify().certificate])
    for must_be_pinned in (True, False):
        with pytest.raises(ListRefused, match="may sign other things"):
            read_master_list(content, [read_certificate(publisher.certificate)], must_be_pinned=must_be_pinned)


class TestRevocation:
    csca = utopia.certify()
    signer = utopia.certify(common_name="DS", issuer=csca, is_authority=False, serial=-7)
    certificate = read_certificate(signer.certificate)

    def status(self, *lists, now=NOW, issuers=None):
        store = TrustStore(held(*(issuers or [self.csca])), [read_revocation_list(one) for one in lists])
        return store.revocation_status(self.certificate, store.search_issuer(self.certificate).issuers, now)

    def test_a_current_list_clears_or_revokes(self):
        assert self.status(utopia.revocation_list(self.csca, [])) is RevocationStatus.GOOD
        assert self.status(utopia.revocation_list(self.csca, [1, 2])) is RevocationStatus.GOOD
        assert self.status(utopia.revocation_list(self.csca, [1, -7])) is RevocationStatus.REVOKED

    def test_no_list_or_an_old_one_clears_nobody(self):
        assert self.status() is RevocationStatus.UNKNOWN
        for now in (utopia.on(2026, 9, 2), utopia.on(2026, 5, 30)):
            assert self.status(utopia.revocation_list(self.csca, []), now=now) is RevocationStatus.UNKNOWN
        endless = utopia.revocation_list(self.csca, [], next_update=None)
        assert self.status(endless) is RevocationStatus.UNKNOWN

    def test_an_old_list_still_revokes(self):
        old = utopia.revocation_list(self.csca, [-7])
        assert self.status(old, utopia.revocation_list(self.csca, []), now=utopia.on(2030)) is RevocationStatus.REVOKED

    def test_a_list_that_nobody_trusted_signed_says_nothing(self):
        stranger = utopia.certify()
        forged = read_revocation_list(utopia.revocation_list(stranger, [-7]))
        store = TrustStore(held(self.csca), [forged])
        assert store.revocation_lists == ()
        assert "no issuer that is held" in store.skipped[0].reason

    def test_a_list_of_another_issuer_of_the_country_says_nothing(self):
        other = utopia.certify(common_name="Another CSCA")
        content = utopia.revocation_list(other, [-7])
        assert self.status(content, issuers=[self.csca, other]) is RevocationStatus.UNKNOWN

    @given(st.binary(max_size=200))
    def test_anything_else_is_refused(self, content):
        with pytest.raises(RevocationListMalformed):
            read_revocation_list(content)


def test_a_folder_is_searched_whole_whatever_the_names(tmp_path):
    csca = utopia.certify()
    signer = utopia.certify(common_name="DS", issuer=csca, is_authority=False)
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "a.bin").write_bytes(csca.certificate)
    (tmp_path / "ds.cer").write_bytes(signer.certificate)
    (tmp_path / "crl").write_bytes(utopia.revocation_list(csca, []))
    (tmp_path / "readme.txt").write_text("nothing of use")
    digest = hashlib.sha256(signer.certificate).hexdigest()
    (tmp_path / "defects.json").write_text(
        f'{{"format": "egate-defects-1", "defects": [{{"signer_sha256": "{digest}", "defect": "sod_malformed"}}]}}'
    )
    bundle = load_folder(tmp_path)
    assert [entry.role for entry in bundle.store.held] == [CertificateRole.ISSUER, CertificateRole.SIGNER]
    assert len(bundle.store.revocation_lists) == 1
    assert [one.source for one in bundle.skipped] == ["readme.txt"]
    assert bundle.store.known_defects(read_certificate(signer.certificate)).has(DefectKind.SOD_MALFORMED)
    with pytest.raises(OSError, match="no folder"):
        load_folder(tmp_path / "absent")


def test_pem_with_several_certificates_is_read():
    from asn1crypto import pem

    ders = [utopia.certify(serial=serial).certificate for serial in (1, 2)]
    assert certificates_in_file(b"".join(pem.armor("CERTIFICATE", der) for der in ders)) == ders


def test_a_bundle_has_an_age():
    bundle = assemble(BundleContents(), [], version=3, issued_at=NOW - timedelta(days=28))
    assert not bundle.is_stale(NOW, 28)
    assert bundle.is_stale(NOW + timedelta(seconds=1), 28)
    assert bundle.is_stale(NOW - timedelta(days=29), 28), "from the future"


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"[]",
        b'{"format": "egate-defects-1"}',
        b'{"format": "egate-defects-2", "defects": []}',
        b'{"format": "egate-defects-1", "defects": [{}]}',
        b'{"format": "egate-defects-1", "defects": [{"signer_sha256": "00", "defect": "sod_malformed"}]}',
        b'{"format": "egate-defects-1", "defects": 7}',
        b"[" * 100_000,
    ],
)
def test_defects_in_another_form_are_refused(text):
    with pytest.raises(DefectsMalformed):
        read_defects(text)


class TestScan:
    def test_depth_number_and_size_are_bounded(self):
        nested = b"\x04\x00"
        for _ in range(MAXIMUM_DEPTH + 1):
            nested = b"\x30" + bytes([len(nested)]) + nested
        with pytest.raises(EncodingRefused, match="deeper"):
            scan(nested, 1000)
        with pytest.raises(EncodingRefused, match="elements"):
            scan(b"\x30\x82\x13\x88" + b"\x05\x00" * 2500, 10_000, 100)
        with pytest.raises(EncodingRefused, match="at most"):
            scan(bytes(100), 99)

    @pytest.mark.parametrize(
        "encoded",
        [b"", b"\x30", b"\x30\x05\x04\x00", b"\x30\x84\xff\xff\xff\xff", b"\x30\x85\x00\x00\x00\x00\x01", b"\x04\x80\x00\x00",
         b"\x30\x80\x04\x00", b"\x1f\x81\x81\x81\x81\x81\x01\x00", b"\x04\x00\x00", b"\x30\x02\x04\x01"],
    )  # fmt: skip
    def test_lengths_that_lie_are_refused(self, encoded):
        with pytest.raises(EncodingRefused):
            scan(encoded, 1000)

    @pytest.mark.parametrize(
        "encoded",
        [b"\x05\x00", b"\x30\x80\x04\x01\x00\x00\x00", b"\x30\x80\x30\x80\x00\x00\x00\x00", b"\x1f\x81\x01\x00"],
    )
    def test_what_is_sound_passes(self, encoded):
        scan(encoded, 1000)

    @given(st.binary(max_size=300))
    def test_any_bytes_pass_or_are_refused(self, content):
        try:
            scan(content, 1000)
        except EncodingRefused:
            with pytest.raises(CertificateMalformed):
                read_certificate(content)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_certificate_is_read_or_refused(position, value):
    der = bytearray(CERTIFICATE)
    der[position % len(der)] = value
    try:
        read = read_certificate(bytes(der))
    except CertificateMalformed:
        return
    x509.Certificate.load(bytes(der))
    assert read.sha256 == hashlib.sha256(bytes(der)).hexdigest()


def extensions_of(der):
    return x509.Certificate.load(der)["tbs_certificate"]["extensions"]


READ = ("key_identifier", "authority_key_identifier", "private_key_usage_period", "key_usage", "basic_constraints", "extended_key_usage")  # fmt: skip


def by_library(extensions):
    found = {}
    for extension in extensions:
        try:
            if extension["extn_id"].native in READ:
                found[extension["extn_id"].native] = extension["extn_value"].parsed.native
        except ENCODING_FAULTS:
            continue
    return found


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_extensions_taken_apart_here_say_what_the_library_says(position, value):
    """The quick way is another way to the same bytes: what it cannot read is left to the library."""
    der = bytearray(CERTIFICATE)
    start = CERTIFICATE.index(extensions_of(CERTIFICATE).contents)
    der[start + position % (len(der) - start)] = value
    try:
        extensions = extensions_of(bytes(der))
        expected = by_library(extensions)
    except ENCODING_FAULTS:
        return
    assert certificate_reading._extensions(extensions) == expected


@pytest.mark.shared_data
def test_extensions_of_every_published_issuer_say_what_the_library_says(shared_data):
    (german,) = load_folder(shared_data / "documents" / "masterlists").master_lists
    for one in german.certificates:
        extensions = extensions_of(one.der)
        assert certificate_reading._extensions(extensions) == by_library(extensions)


def test_extensions_in_another_encoding_than_der_are_read_too():
    plain = bytes.fromhex("0603551d0e") + b"\x04\x04\x04\x02\xab\xcd"
    in_pieces = bytes.fromhex("0603551d0e") + b"\x24\x80" + b"\x04\x02\x04\x02" + b"\x04\x02\xab\xcd" + b"\x00\x00"
    for extension in (plain, in_pieces):
        encoded = encode_tlv(0x30, encode_tlv(0x30, extension))
        assert certificate_reading._extensions(x509.Extensions.load(encoded)) == {"key_identifier": b"\xab\xcd"}


def test_nothing_long_is_remembered():
    certificate_reading._name.cache_clear()
    for length, remembered in ((20, 1), (600, 1)):
        name = x509.Name.build({"country_name": "UT", "common_name": "N" * length}).dump()
        assert certificate_reading._once(certificate_reading._name, name)[1][1] == "n" * length
        assert certificate_reading._name.cache_info().currsize == remembered


CERTIFICATE = utopia.certify(usage=(utopia.on(2020), utopia.on(2025))).certificate


def test_periods():
    whole, late = Period(utopia.on(2020), utopia.on(2030)), Period(None, utopia.on(2025))
    assert whole.narrowed(late) == Period(utopia.on(2020), utopia.on(2025))
    assert [whole.holds(utopia.on(year)) for year in (2019, 2020, 2030, 2031)] == [False, True, True, False]
    assert Period(None, None).holds(NOW)
    assert read_certificate(CERTIFICATE).signing_period == Period(utopia.on(2020), utopia.on(2025))
