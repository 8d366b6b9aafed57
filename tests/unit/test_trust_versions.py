"""The trust bundle on disk: signed by officers, imported by two of them, never older than the one in force."""

import json
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.inspection import trust_ceremony as ceremony
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.trust_ceremony import TrustRefused, sign_as
from gate_agent.inspection.trust_import import draft, sign_and_publish
from gate_agent.inspection.trust_store import CertificateRole
from gate_agent.inspection.trust_versions import (
    BundleFile,
    FileKind,
    current_version,
    install,
    load_trust,
    manifest_of,
    publish,
)
from tests.unit import document_issuers as utopia

NOW = utopia.NOW
KEYS = {name: Ed25519PrivateKey.generate() for name in ("supervisor-1", "technician-1", "supervisor-2")}
OFFICERS = {name: key.public_key().public_bytes_raw() for name, key in KEYS.items()}
BOTH = [("supervisor-1", KEYS["supervisor-1"]), ("technician-1", KEYS["technician-1"])]


@pytest.fixture
def trust(tmp_path):
    return tmp_path / "trust"


def issue(trust, *files, signers=BOTH, now=NOW, officers=OFFICERS, **how):
    held = current_version(trust, officers)
    prepared = draft(held, [(f"file {index}", one) for index, one in enumerate(files)], now, officers, **how)
    return sign_and_publish(trust, prepared, signers, officers)


@contextmanager
def refused(code):
    with pytest.raises(TrustRefused) as caught:
        yield
    assert caught.value.code == code, caught.value


PUBLISHER = utopia.certify("DE", "Publisher")
LIST_SIGNER = utopia.certify("DE", "List signer", issuer=PUBLISHER, is_authority=False, extended_usage="2.23.136.1.1.3")
CSCAS = [utopia.certify("UT", f"CSCA {number}", serial=number) for number in range(4)]


def master_list(*authorities, day=1):
    return utopia.master_list(
        LIST_SIGNER, [one.certificate for one in authorities], signing_time=utopia.on(2026, 5, day)
    )


def test_two_officers_import_and_the_gate_loads_what_they_signed(trust):
    signer = utopia.certify(common_name="DS", issuer=CSCAS[0], is_authority=False)
    issue(trust, PUBLISHER.certificate, as_roots=True)
    issue(trust, master_list(CSCAS[1]), signers=BOTH[:1])
    version = issue(trust, CSCAS[0].certificate, signer.certificate, utopia.revocation_list(CSCAS[0], []))
    assert version.number == 3
    bundle = load_trust(trust, OFFICERS)
    assert bundle.version == 3
    assert bundle.issued_at == NOW
    roles = {entry.certificate.der: (entry.role, entry.sources) for entry in bundle.store.held}
    assert roles[PUBLISHER.certificate] == (CertificateRole.ISSUER, ("pinned root",))
    assert roles[CSCAS[0].certificate] == (CertificateRole.ISSUER, ("bilateral",))
    assert roles[signer.certificate] == (CertificateRole.SIGNER, ("bilateral",))
    assert roles[CSCAS[1].certificate][1][0].startswith("DE 2026-05-01")
    assert len(bundle.store.revocation_lists) == 1
    assert sorted(path.name for path in (trust / "versions").iterdir()) == ["0000001", "0000002", "0000003"]


class TestCeremony:
    def test_one_officer_imports_nothing_that_no_state_vouches_for(self, trust):
        for as_roots in (False, True):
            with refused(ceremony.CEREMONY_MISSING):
                issue(trust, CSCAS[0].certificate, signers=BOTH[:1], as_roots=as_roots)
        with refused(ceremony.CEREMONY_MISSING):
            issue(trust, b'{"format": "egate-defects-1", "defects": []}', signers=BOTH[:1])
        assert not (trust / "current").exists()

    @pytest.mark.parametrize("kind", [FileKind.REVOCATION_LIST, FileKind.MASTER_LIST, FileKind.DEVIATION_LIST])
    @pytest.mark.parametrize("is_certificate", [True, False])
    def test_one_officer_smuggles_nothing_in_under_another_kind(self, trust, kind, is_certificate):
        """A manifest is written by hand as easily as by the command, and one officer's signature is enough for lists."""
        defects = json.dumps({"format": "egate-defects-1", "defects": [{"signer_sha256": "0" * 64, "defect": "sod_malformed"}]})  # fmt: skip
        file = BundleFile(kind, CSCAS[0].certificate if is_certificate else defects.encode())
        manifest = manifest_of(1, NOW, "", [file])
        signatures = [sign_as("supervisor-1", KEYS["supervisor-1"], ceremony.MANIFEST_PURPOSE, manifest)]
        with refused(ceremony.CEREMONY_MISSING):
            publish(trust, manifest, [file], signatures, (), OFFICERS)
        assert not (trust / "current").exists()

    def test_the_same_officer_twice_is_one(self, trust):
        with refused(ceremony.CEREMONY_MISSING):
            issue(trust, CSCAS[0].certificate, signers=[BOTH[0], BOTH[0]])

    def test_one_key_under_two_names_is_one(self, trust):
        twice = OFFICERS | {"supervisor-2": OFFICERS["supervisor-1"]}
        with refused(ceremony.CEREMONY_MISSING):
            issue(
                trust, CSCAS[0].certificate, signers=[BOTH[0], ("supervisor-2", KEYS["supervisor-1"])], officers=twice
            )

    def test_a_stranger_is_none(self, trust):
        stranger = ("stranger", Ed25519PrivateKey.generate())
        with refused(ceremony.CEREMONY_MISSING):
            issue(trust, CSCAS[0].certificate, signers=[BOTH[0], stranger])
        with refused(ceremony.CEREMONY_MISSING):
            issue(trust, CSCAS[0].certificate, signers=[BOTH[0], ("technician-1", stranger[1])])

    def test_the_proof_is_kept_and_asked_for_at_every_load(self, trust):
        issue(trust, CSCAS[0].certificate)
        issue(trust, utopia.revocation_list(CSCAS[0], []), signers=BOTH[:1])
        assert load_trust(trust, OFFICERS).version == 2
        with refused(ceremony.CEREMONY_MISSING):
            load_trust(trust, {name: key for name, key in OFFICERS.items() if name != "technician-1"})
        with refused(ceremony.UNSIGNED):
            load_trust(trust, {})

    def test_officers_who_left_are_replaced_by_a_new_ceremony(self, trust):
        issue(trust, CSCAS[0].certificate)
        now_in_office = {name: OFFICERS[name] for name in ("supervisor-1", "supervisor-2")}
        prepared = draft(current_version(trust, None), [], NOW, now_in_office)
        assert prepared.ceremony is not None
        signers = [(name, KEYS[name]) for name in now_in_office]
        sign_and_publish(trust, prepared, signers, now_in_office)
        assert load_trust(trust, now_in_office).version == 2

    def test_a_ceremony_for_other_files_is_worth_nothing(self, trust):
        issue(trust, CSCAS[0].certificate)
        held = current_version(trust, OFFICERS)
        prepared = draft(held, [("another", CSCAS[1].certificate)], NOW, OFFICERS)
        assert prepared.ceremony is not None
        with refused(ceremony.CEREMONY_MISSING):
            sign_and_publish(trust, prepared, BOTH[:1], OFFICERS)


class TestLists:
    def test_a_list_under_no_pinned_root_isrefused(self, trust):
        with pytest.raises(TrustRefused, match="no pinned root"):
            issue(trust, master_list(CSCAS[0]))

    def test_a_newer_list_replaces_the_older_one(self, trust):
        issue(trust, PUBLISHER.certificate, as_roots=True)
        issue(trust, master_list(CSCAS[0]))
        issue(trust, master_list(CSCAS[0], CSCAS[1], day=2))
        bundle = load_trust(trust, OFFICERS)
        assert len(bundle.master_lists) == 1
        assert len(bundle.store.held) == 3
        with refused(ceremony.OLDER):
            issue(trust, master_list(CSCAS[0], CSCAS[1]))

    def test_certificates_never_go_without_a_word(self, trust):
        issue(trust, PUBLISHER.certificate, as_roots=True)
        issue(trust, master_list(*CSCAS))
        smaller = master_list(*CSCAS[:1], day=3)
        with pytest.raises(TrustRefused, match="3 certificates would be gone"):
            issue(trust, smaller)
        prepared = draft(current_version(trust, OFFICERS), [("smaller", smaller)], NOW, OFFICERS, accept_gone=True)
        assert {one.der for one in prepared.difference.gone} == {one.certificate for one in CSCAS[1:]}
        assert prepared.difference.added == ()

    def test_revocation_lists_of_one_issuer_follow_each_other(self, trust):
        issue(trust, CSCAS[0].certificate, utopia.revocation_list(CSCAS[0], [5]))
        newer = utopia.revocation_list(CSCAS[0], [5, 6], this_update=utopia.on(2026, 6, 10))
        issue(trust, newer)
        (held,) = load_trust(trust, OFFICERS).store.revocation_lists
        assert held.serials == {5, 6}
        with refused(ceremony.OLDER):
            issue(trust, utopia.revocation_list(CSCAS[0], []))

    def test_a_forged_revocation_list_and_a_bad_key_arerefused(self, trust):
        issue(trust, CSCAS[0].certificate)
        stranger = utopia.certify("UT", "CSCA 0")
        with pytest.raises(TrustRefused, match="no issuer"):
            issue(trust, utopia.revocation_list(stranger, []))
        der = bytearray(stranger.certificate)
        der[der.index(stranger.keys.spki[-8:])] ^= 1
        with pytest.raises(TrustRefused, match="not on secp256r1"):
            issue(trust, bytes(der))
        with pytest.raises(TrustRefused, match="not a certificate"):
            issue(trust, b"nonsense")


class TestLoading:
    def test_nothing_there_is_named_absent(self, trust):
        with refused(ceremony.ABSENT):
            load_trust(trust, OFFICERS)

    def test_an_older_version_isrefused(self, trust, tmp_path):
        issue(trust, CSCAS[0].certificate)
        issue(trust, CSCAS[1].certificate)
        with refused(ceremony.OLDER):
            load_trust(trust, OFFICERS, lowest_version=3)
        for source in (trust / "versions" / "0000001", trust / "versions" / "0000002"):
            with refused(ceremony.OLDER):
                install(trust, source, OFFICERS)
        assert load_trust(trust, OFFICERS).version == 2

    def test_a_version_made_elsewhere_is_installed(self, trust, tmp_path):
        issue(trust, CSCAS[0].certificate)
        gate = tmp_path / "gate"
        install(gate, trust / "versions" / "0000001", OFFICERS)
        assert load_trust(gate, OFFICERS).version == 1

    def test_every_changed_byte_is_found(self, trust):
        issue(trust, CSCAS[0].certificate, utopia.revocation_list(CSCAS[0], []))
        folder = trust / "versions" / "0000001"
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            content = path.read_bytes()
            for position in range(0, len(content), max(1, len(content) // 25)):
                changed = bytearray(content)
                changed[position] ^= 0x15
                path.write_bytes(bytes(changed))
                with pytest.raises(TrustRefused):
                    load_trust(trust, OFFICERS)
            path.unlink()
            with refused(ceremony.ABSENT):
                load_trust(trust, OFFICERS)
            path.write_bytes(content)
        assert load_trust(trust, OFFICERS).version == 1

    def test_a_date_is_under_the_signature(self, trust):
        issue(trust, CSCAS[0].certificate)
        path = trust / "versions" / "0000001" / "manifest.json"
        table = json.loads(path.read_bytes())
        table["issued_at"] = (NOW + timedelta(days=300)).isoformat()
        path.write_bytes(json.dumps(table).encode())
        with refused(ceremony.UNSIGNED):
            load_trust(trust, OFFICERS)

    def test_an_operator_may_look_without_the_roll_of_officers(self, trust):
        issue(trust, CSCAS[0].certificate)
        assert load_trust(trust, None).version == 1

    def test_a_torn_write_leaves_the_version_in_force(self, trust, monkeypatch):
        issue(trust, CSCAS[0].certificate)
        monkeypatch.setattr("gate_agent.inspection.trust_versions.os.fsync", _full_disk)
        with pytest.raises(OSError, match="disk"):
            issue(trust, CSCAS[1].certificate)
        monkeypatch.undo()
        assert load_trust(trust, OFFICERS).version == 1
        issue(trust, CSCAS[1].certificate)
        assert load_trust(trust, OFFICERS).version == 2


def _full_disk(descriptor):
    raise OSError(28, "disk full")


def test_a_loaded_bundle_finds_issuers(trust):
    issue(trust, CSCAS[0].certificate)
    signer = read_certificate(utopia.certify(common_name="DS", issuer=CSCAS[0], is_authority=False).certificate)
    assert load_trust(trust, OFFICERS).store.search_issuer(signer).issuers
