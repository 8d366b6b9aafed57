"""EF.SOD and what stands behind it: algorithms as issuers use them, chains by the time of signing, and everything that is wrong."""

import hashlib
import time
from datetime import timedelta
from functools import cache

import ecdsa
import pytest
from cryptography.hazmat.primitives.asymmetric import utils
from hypothesis import given, settings
from hypothesis import strategies as st

from emrtd.tlv import children, encode_tlv, read_tlv
from gate_agent.domain.check import CheckOutcome
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.certificate_defects import Defect, DefectKind
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.certificate_revocation import read_revocation_list
from gate_agent.inspection.security_object import judge_card_security, judge_sod, read_digests
from gate_agent.inspection.trust_bundle import load_folder
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate, TrustStore
from tests.unit import document_issuers as utopia

NOW = utopia.NOW
S, F, U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED
GROUPS = {1: b"\x61\x01\x00", 2: b"\x75\x01\x00"}
CSCA = utopia.certify()
SIGNER = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, serial=77)


def store(*authorities, lists=(), defects=(), signers=()):
    held = [
        HeldCertificate(read_certificate(one.certificate), CertificateRole.ISSUER, ("list",)) for one in authorities
    ]
    held += [
        HeldCertificate(read_certificate(one.certificate), CertificateRole.SIGNER, ("bilateral",)) for one in signers
    ]
    return TrustStore(held, [read_revocation_list(one) for one in lists], defects)


def judged(content, *authorities, now=NOW, **how):
    window = {"date_of_expiry": how.pop("date_of_expiry")} if "date_of_expiry" in how else {}
    return judge_sod(content, store(*(authorities or (CSCA,)), **how), now, **window)


def codes(reasons):
    return [reason.code for reason in reasons]


@cache
def german_list(folder):
    return load_folder(folder / "documents" / "masterlists").store


class TestPublishedSamples:
    @pytest.fixture
    def german(self, shared_data):
        return german_list(shared_data)

    @pytest.mark.parametrize("country", ["AU", "DE", "GB", "SG", "US"])
    def test_objects_of_five_states_verify_under_the_german_list(self, shared_data, german, country):
        content = (shared_data / "documents" / "chipfiles" / f"{country}_SOD.bin").read_bytes()
        finding = judge_sod(content, german, NOW)
        assert (finding.outcome, finding.reasons) == (S, ())
        assert (finding.chain.outcome, finding.chain.reasons) == (S, ())
        assert finding.chain.country == country
        assert finding.chain.sources[-1].startswith("DE 2026-05-28")
        assert codes(finding.chain.revocation_reasons) == [ReasonCode.REVOCATION_UNKNOWN]
        assert {1, 2} <= set(finding.digests.digests)

    def test_a_specimen_of_nobody_s_issuer_is_undetermined_and_its_data_group_identical(self, shared_data, german):
        folder = shared_data / "documents" / "chipfiles"
        finding = judge_sod((folder / "DE_specimen_SOD.bin").read_bytes(), german, NOW)
        assert (finding.outcome, finding.chain.outcome) == (S, U)
        assert ReasonCode.CSCA_UNKNOWN in codes(finding.chain.reasons)
        assert finding.digests.is_identical(1, (folder / "DE_specimen_DG1.bin").read_bytes())

    @pytest.mark.parametrize("number", [136, 137, 138, 139])
    def test_malformed_ones_fail_with_a_reason(self, shared_data, german, number):
        content = (shared_data / "documents" / "chipfiles" / f"malformed_SOD_{number}.bin").read_bytes()
        finding = judge_sod(content, german, NOW)
        assert (finding.outcome, codes(finding.reasons)) == (F, [ReasonCode.SOD_MALFORMED])
        assert finding.chain.outcome is U

    def test_every_changed_byte_costs_the_verdict_unless_it_carries_nothing(self, shared_data, german):
        content = (shared_data / "documents" / "chipfiles" / "DE_SOD.bin").read_bytes()
        whole = judge_sod(content, german, NOW)
        carrying_nothing = []
        for position in range(0, len(content), 3):
            changed = bytearray(content)
            changed[position] ^= 0x40
            finding = judge_sod(bytes(changed), german, NOW)
            if (finding.outcome, finding.chain.outcome) == (S, S):
                assert finding.digests == whole.digests
                assert finding.chain.signer == whole.chain.signer
                carrying_nothing.append(position)
        assert len(carrying_nothing) <= 8, "the list of hashes before the content, and parameters that say nothing"


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(lambda: utopia.ec_keys(ecdsa.NIST224p, "sha224"), id="P-224 sha224"),
        pytest.param(lambda: utopia.ec_keys(ecdsa.NIST521p, "sha512", explicit=False), id="P-521 named sha512"),
        pytest.param(lambda: utopia.ec_keys(ecdsa.BRAINPOOLP256r1, "sha256"), id="brainpoolP256r1"),
        pytest.param(lambda: utopia.ec_keys(ecdsa.BRAINPOOLP320r1, "sha384"), id="brainpoolP320r1 sha384"),
        pytest.param(lambda: utopia.rsa_keys(hash_name="sha256"), id="RSA PKCS1"),
        pytest.param(lambda: utopia.rsa_keys(hash_name="sha512", pss=True), id="RSA PSS sha512"),
    ],
)
@pytest.mark.parametrize("bare", [False, True], ids=["named", "bare"])
@pytest.mark.parametrize("by_key_identifier", [False, True], ids=["issuer and serial", "key identifier"])
def test_algorithms_as_issuers_use_them(keys, bare, by_key_identifier):
    own = keys()
    bare = bare and not own.pss  # PSS has parameters by definition
    signer = utopia.certify(common_name="DS", keys_=own, issuer=CSCA, is_authority=False)
    finding = judged(utopia.sod(signer, GROUPS, bare=bare, by_key_identifier=by_key_identifier))
    assert (finding.outcome, finding.chain.outcome) == (S, S)


@pytest.mark.parametrize(("content_type", "version"), [("2.23.136.1.1.1", "v3"), ("1.2.840.113549.1.7.1", "v3"), ("1.2.840.113549.1.7.1", "v1"), ("1.3.27.1.1.1", "v3")])  # fmt: skip
@pytest.mark.parametrize("lds_version", [0, 1])
def test_content_types_come_from_an_explicit_list(content_type, version, lds_version):
    content = utopia.sod(SIGNER, GROUPS, content_type=content_type, version=version, lds_version=lds_version)
    finding = judged(content)
    assert finding.outcome is S
    assert finding.digests.version == lds_version


@pytest.mark.parametrize(
    ("content_type", "version"), [("1.2.3.4", "v3"), ("2.23.136.1.1.2", "v3"), ("2.23.136.1.1.1", "v1")]
)
def test_other_content_types_and_versions_fail(content_type, version):
    finding = judged(utopia.sod(SIGNER, GROUPS, content_type=content_type, version=version))
    assert (finding.outcome, codes(finding.reasons)) == (F, [ReasonCode.SOD_MALFORMED])


class TestSignature:
    def test_changed_content_fails(self):
        finding = judged(utopia.sod(SIGNER, GROUPS, changed_content=utopia.security_object({1: b"other", 2: b""})))
        assert (finding.outcome, codes(finding.reasons)) == (F, [ReasonCode.SOD_SIGNATURE_WRONG])
        assert not finding.is_proven

    def test_another_s_signature_fails(self):
        imitation = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, serial=77)
        finding = judged(utopia.sod(imitation, GROUPS, enclosed=[SIGNER.certificate]))
        assert (finding.outcome, codes(finding.reasons)) == (F, [ReasonCode.SOD_SIGNATURE_WRONG])

    def test_without_attributes_only_plain_data_may_be_signed(self):
        assert judged(utopia.sod(SIGNER, GROUPS, attributes=False)).outcome is F
        assert judged(utopia.sod(SIGNER, GROUPS, attributes=False, content_type="1.2.840.113549.1.7.1")).outcome is S

    def test_a_signer_that_is_not_enclosed_is_looked_for_among_those_held(self):
        content = utopia.sod(SIGNER, GROUPS, enclosed=[])
        finding = judged(content)
        assert (finding.outcome, codes(finding.reasons)) == (U, [ReasonCode.SOD_SIGNER_MISSING])
        finding = judged(content, signers=[SIGNER])
        assert (finding.outcome, finding.chain.outcome) == (S, S)

    def test_a_wrong_signer_identifier_passes_with_that_known_defect_only(self):
        content = utopia.sod(SIGNER, GROUPS, serial=99)
        assert judged(content).outcome is U
        digest = read_certificate(SIGNER.certificate).sha256
        finding = judged(content, defects=[Defect(DefectKind.WRONG_SIGNER_IDENTIFIER, digest)])
        assert (finding.outcome, finding.chain.outcome) == (S, S)

    def test_a_signature_made_to_end_at_infinity_is_wrong_and_no_fault(self):
        """Whoever makes up a signer can choose r so that the verification meets the point at infinity."""

        class Cancelling(utopia.Keys):
            def sign(self, message):
                n, secret = int(self.private.curve.order), int(self.private.privkey.secret_multiplier)
                digest = int.from_bytes(hashlib.sha256(message).digest(), "big")
                return utils.encode_dss_signature(-digest * pow(secret, -1, n) % n, 1)

        keys = utopia.ec_keys(ecdsa.BRAINPOOLP320r1)
        signer = utopia.certify(common_name="DS", keys_=keys, issuer=CSCA, is_authority=False, serial=79)
        signer.keys = Cancelling(**vars(keys))
        finding = judged(utopia.sod(signer, GROUPS))
        assert (finding.outcome, codes(finding.reasons)) == (F, [ReasonCode.SOD_SIGNATURE_WRONG])

    def test_sha1_is_graded_and_not_refused(self):
        signer = utopia.certify(
            common_name="DS", keys_=utopia.rsa_keys(hash_name="sha1"), issuer=CSCA, is_authority=False
        )
        finding = judged(utopia.sod(signer, GROUPS))
        assert (finding.outcome, codes(finding.reasons)) == (U, [ReasonCode.ALGORITHM_WEAK])
        assert finding.is_proven
        weak_csca = utopia.certify(keys_=utopia.rsa_keys(hash_name="sha1"))
        signer = utopia.certify(common_name="DS", issuer=weak_csca, is_authority=False)
        chain = judged(utopia.sod(signer, GROUPS), weak_csca).chain
        assert (chain.outcome, codes(chain.reasons)) == (U, [ReasonCode.ALGORITHM_WEAK])

    def test_a_weak_digest_under_a_strong_signature_is_weak(self):
        finding = judged(utopia.sod(SIGNER, GROUPS, digest_name="sha1"))
        assert (finding.outcome, codes(finding.reasons)) == (U, [ReasonCode.ALGORITHM_WEAK])
        assert finding.is_proven

    def test_a_known_defect_turns_a_wrong_signature_into_a_doubt(self):
        content = utopia.sod(SIGNER, GROUPS, changed_content=utopia.security_object({1: b"other", 2: b""}))
        digest = read_certificate(SIGNER.certificate).sha256
        finding = judged(content, defects=[Defect(DefectKind.SOD_MALFORMED, digest)])
        assert finding.outcome is U
        assert not finding.is_proven


class TestChain:
    def outcome(self, signer, *authorities, **how):
        chain = judged(utopia.sod(signer, GROUPS, **how.pop("signed", {})), *authorities, **how).chain
        return chain.outcome, codes(chain.reasons)

    def test_an_unknown_issuer_is_undetermined(self):
        stranger = utopia.certify()
        signer = utopia.certify(common_name="DS", issuer=stranger, is_authority=False)
        assert self.outcome(signer) == (U, [ReasonCode.CSCA_UNKNOWN])
        assert self.outcome(signer, utopia.certify("AA", "Other")) == (U, [ReasonCode.ISSUER_NOT_COVERED])

    def test_an_issuer_named_by_its_key_that_rejects_fails(self):
        stranger = utopia.certify()
        stranger.key_identifier = CSCA.key_identifier
        signer = utopia.certify(common_name="DS", issuer=stranger, is_authority=False)
        assert self.outcome(signer) == (F, [ReasonCode.CSCA_REJECTS])

    def test_no_issuer_signs_for_another_state(self):
        signer = utopia.certify("DE", "DS", issuer=CSCA, is_authority=False)
        assert self.outcome(signer) == (F, [ReasonCode.ISSUING_STATE_DIFFERS])

    def test_a_signer_imported_itself_needs_no_issuer(self):
        stranger = utopia.certify()
        signer = utopia.certify(common_name="DS", issuer=stranger, is_authority=False)
        assert self.outcome(signer, signers=[signer]) == (S, [])

    def test_an_issuer_that_expired_since_stands_behind_what_it_signed_in_its_day(self):
        old = utopia.certify(begin=utopia.on(2010), end=utopia.on(2024), usage=(utopia.on(2010), utopia.on(2014)))
        signer = utopia.certify(
            common_name="DS", issuer=old, is_authority=False, begin=utopia.on(2013), end=utopia.on(2027)
        )
        assert self.outcome(signer, old) == (S, [])
        late = utopia.certify(
            common_name="DS", issuer=old, is_authority=False, begin=utopia.on(2015), end=utopia.on(2027)
        )
        assert self.outcome(late, old) == (F, [ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY])

    def test_the_renewal_in_whose_period_the_signer_falls_is_found(self):
        own = utopia.ec_keys()
        old = utopia.certify(keys_=own, begin=utopia.on(2010), end=utopia.on(2015))
        renewed = utopia.certify(keys_=own, serial=2, begin=utopia.on(2015), end=utopia.on(2030))
        signer = utopia.certify(
            common_name="DS", issuer=old, is_authority=False, begin=utopia.on(2020), end=utopia.on(2030)
        )
        for order in ((old, renewed), (renewed, old)):
            assert self.outcome(signer, *order) == (S, [])
        assert self.outcome(signer, old) == (F, [ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY])

    @pytest.mark.parametrize(
        ("signer", "how", "expected"),
        [
            ({"end": utopia.on(2024)}, {}, (U, [ReasonCode.CERTIFICATE_VALIDITY_UNKNOWN])),
            ({"end": utopia.on(2024), "usage": (utopia.on(2020), utopia.on(2021))}, {}, (S, [])),
            ({"end": utopia.on(2024)}, {"signed": {"signing_time": utopia.on(2021)}}, (S, [])),
            ({"end": utopia.on(2024)}, {"signed": {"signing_time": utopia.on(2025)}}, (F, [ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY])),
            ({"begin": utopia.on(2027), "end": utopia.on(2030)}, {}, (F, [ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY])),
            ({"usage": (utopia.on(2020), utopia.on(2021))}, {"date_of_expiry": utopia.on(2030)}, (S, [])),
            ({"usage": (utopia.on(2020), utopia.on(2020, 4))}, {"date_of_expiry": utopia.on(2034)}, (F, [ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY])),
            ({}, {"now": None}, (U, [ReasonCode.CERTIFICATE_VALIDITY_UNKNOWN])),
        ],
        ids=["expired", "expired, period of the key", "expired, signed before", "signed after expiry", "not yet valid", "document of its time", "document too young", "no trusted time"],
    )  # fmt: skip
    def test_the_time_of_signing_decides(self, signer, how, expected):
        certified = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, **signer)
        assert self.outcome(certified, **how) == expected

    def test_a_period_known_to_be_wrong_never_fails(self):
        signer = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, end=utopia.on(2024))
        defect = Defect(DefectKind.VALIDITY_PERIOD_INCORRECT, read_certificate(signer.certificate).sha256)
        outcome, reasons = self.outcome(signer, defects=[defect], signed={"signing_time": utopia.on(2025)})
        assert (outcome, set(reasons)) == (U, {ReasonCode.CERTIFICATE_DEFECT})

    def test_an_issuing_country_known_to_be_wrong_is_the_list_s(self):
        signer = utopia.certify("DE", "DS", issuer=CSCA, is_authority=False)
        defect = Defect(DefectKind.ISSUING_COUNTRY, read_certificate(signer.certificate).sha256, country="UT")
        assert self.outcome(signer, defects=[defect]) == (S, [])


class TestRevocation:
    def outcome(self, *lists, **how):
        chain = judged(utopia.sod(SIGNER, GROUPS), lists=lists, **how).chain
        return chain.revocation_outcome, codes(chain.revocation_reasons)

    def test_good_unknown_stale_revoked(self):
        assert self.outcome(utopia.revocation_list(CSCA, [5])) == (S, [])
        assert self.outcome() == (U, [ReasonCode.REVOCATION_UNKNOWN])
        old = utopia.revocation_list(CSCA, [5], next_update=NOW - timedelta(days=1))
        assert self.outcome(old) == (U, [ReasonCode.REVOCATION_UNKNOWN])
        assert self.outcome(utopia.revocation_list(CSCA, [77])) == (F, [ReasonCode.CERTIFICATE_REVOKED])
        assert self.outcome(utopia.revocation_list(CSCA, []), now=None) == (U, [ReasonCode.REVOCATION_UNKNOWN])

    def test_a_signer_that_only_names_an_issuer_is_cleared_by_none_of_its_lists(self):
        stranger = utopia.certify()  # the same name, another key
        signer = utopia.certify(common_name="DS", issuer=stranger, is_authority=False, serial=78)
        lists = [utopia.revocation_list(CSCA, [5])]
        chain = judged(utopia.sod(signer, GROUPS), CSCA, lists=lists).chain
        assert (chain.revocation_outcome, codes(chain.revocation_reasons)) == (U, [ReasonCode.REVOCATION_UNKNOWN])
        vouched_for = judged(utopia.sod(signer, GROUPS), CSCA, lists=lists, signers=[signer]).chain
        assert vouched_for.revocation_outcome is S, "an officer imported it one by one"

    def test_an_issuer_that_was_revoked_takes_its_signers_along(self):
        assert self.outcome(utopia.revocation_list(CSCA, [1])) == (F, [ReasonCode.CERTIFICATE_REVOKED])

    @pytest.mark.parametrize(("details", "chain", "revoked"), [(0, F, F), (1, U, U), (2, F, F), (3, F, F), (4, F, F), (5, U, U), (6, U, U), (40, U, U)])  # fmt: skip
    def test_the_defect_of_a_revoked_signer(self, details, chain, revoked):
        defect = Defect(DefectKind.SIGNER_REVOKED, read_certificate(SIGNER.certificate).sha256, details=details)
        found = judged(utopia.sod(SIGNER, GROUPS), lists=[utopia.revocation_list(CSCA, [])], defects=[defect]).chain
        assert (found.outcome, found.revocation_outcome) == (chain, revoked)


class TestCardSecurity:
    INFOS = b"\x31\x0f\x30\x0d\x06\x08\x04\x00\x7f\x00\x07\x02\x02\x02\x02\x01\x02"

    def test_its_signature_and_chain_are_judged_like_the_other_s(self):
        content = utopia.sign_content(SIGNER, "0.4.0.127.0.7.3.2.1", self.INFOS)
        finding = judge_card_security(content, store(CSCA), NOW)
        assert (finding.outcome, finding.chain.outcome, finding.is_proven) == (S, S, True)
        assert finding.security_infos is not None
        changed = utopia.sign_content(
            SIGNER, "0.4.0.127.0.7.3.2.1", self.INFOS, changed_content=self.INFOS[:-1] + b"\x01"
        )
        assert judge_card_security(changed, store(CSCA), NOW).outcome is F

    @pytest.mark.parametrize("content", [b"", b"\x30\x00", b"\x77\x02\x30\x00", bytes(100)])
    def test_anything_else_fails(self, content):
        assert judge_card_security(content, store(CSCA), NOW).outcome is F


class TestUnusualEncodings:
    """Issuers are met that do not write DER; what is signed is verified over the bytes that were signed."""

    TO_CONTENT = (1, 0, 2, 1, 0)  # ContentInfo > [0] > SignedData > EncapsulatedContentInfo > [0] > OCTET STRING

    def judged(self, rewrite, depth):
        """Judge EF.SOD with one element on the way to its signed content written anew."""
        content = encode_tlv(0x77, self.rewritten(read_tlv(utopia.sod(SIGNER, GROUPS)).value, rewrite, depth))
        assert content != utopia.sod(SIGNER, GROUPS)
        return judged(content)

    def rewritten(self, element, rewrite, depth, level=0):
        tag, value = element[0], read_tlv(element).value
        if level == depth:
            return rewrite(tag, value)
        parts = [encode_tlv(part.tag, part.value) for part in children(value)]
        at = self.TO_CONTENT[level]
        parts[at] = self.rewritten(parts[at], rewrite, depth, level + 1)
        return encode_tlv(tag, b"".join(parts))

    @pytest.mark.parametrize("depth", range(5))
    def test_indefinite_and_padded_lengths(self, depth):
        for rewrite in (
            lambda tag, value: bytes((tag, 0x80)) + value + b"\x00\x00",
            lambda tag, value: bytes((tag, 0x84)) + len(value).to_bytes(4, "big") + value,
        ):
            finding = self.judged(rewrite, depth)
            assert (finding.outcome, finding.chain.outcome) == (S, S)
            assert set(finding.digests.digests) == set(GROUPS)

    def test_content_in_pieces(self):
        """An OCTET STRING in constructed form (ITU-T X.690 §8.7.3)."""
        for changed, outcome in ((b"", S), (b"\x00", F)):
            finding = self.judged(lambda _, value, end=changed: self.pieces(value[: len(value) - len(end)] + end), 5)
            assert (finding.outcome, set(finding.digests.digests)) == (outcome, set(GROUPS))

    def pieces(self, value):
        return b"\x24\x80" + encode_tlv(0x04, value[:20]) + encode_tlv(0x04, value[20:]) + b"\x00\x00"


class TestHostileInput:
    @given(st.binary(max_size=400))
    def test_any_bytes_give_a_verdict(self, content):
        finding = judged(content)
        assert (finding.outcome, codes(finding.reasons)) == (F, [ReasonCode.SOD_MALFORMED])

    @settings(max_examples=300, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)), min_size=1, max_size=6))
    def test_a_changed_object_gives_a_verdict_and_never_another_content(self, changes):
        changed = bytearray(SOD)
        for position, value in changes:
            changed[position % len(SOD)] = value
        finding = judged(bytes(changed))
        if (finding.outcome, finding.chain.outcome) == (S, S):
            assert finding.digests == judged(SOD).digests

    @pytest.mark.parametrize(
        "content",
        [
            b"\x77\x84\xff\xff\xff\xff",
            b"\x77\x83\x0f\xff\xf0" + b"\x30\x80" * 524_280,
            b"\x77\x83\x01\xff\xfe" + b"\x05\x00" * 65_535,
            b"\x77\x82\x80\x00" + b"\x30\x84\x7f\xff\xff\xff" * 5461 + b"\x00\x00",
            SIGNER.certificate,
            b"\x77" + SIGNER.certificate[1:],
        ],
        ids=["endless", "deep", "many", "lying", "certificate", "certificate in the tag"],
    )
    def test_bombs_cost_little(self, content):
        started_s = time.process_time()
        assert judged(content).outcome is F
        assert time.process_time() - started_s < 0.5

    def test_zeros_behind_the_object_are_let_pass_and_nothing_else(self):
        assert judged(SOD + bytes(50)).outcome is S
        assert judged(SOD + b"\x00\x01").outcome is F

    @pytest.mark.parametrize("content", [b"", b"\x30\x00", utopia.security_object({})])
    def test_an_object_without_hashes_is_none(self, content):
        with pytest.raises(ValueError, match="security object"):
            read_digests(content)

    def test_a_data_group_twice_or_out_of_range_is_refused(self):
        for groups in ({0: b""}, {17: b""}):
            with pytest.raises(ValueError, match="out of place"):
                read_digests(utopia.security_object(groups))
        with pytest.raises(ValueError, match="version 2"):
            read_digests(utopia.security_object({1: b""}, version=2))


SOD = utopia.sod(SIGNER, GROUPS)
