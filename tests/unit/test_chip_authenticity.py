"""The verdict on a chip, axis by axis: good ones, copies, changed ones, torn-off ones, and bundles that prove nothing."""

import hashlib
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import ecdsa
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st

from drivers.contracts import ChipAccess, ChipEvidence, ProtocolOutcome
from emrtd.curves import curve_by_name, encode_point
from emrtd.public_keys import AlgorithmUnknown
from emrtd.tlv import encode_tlv
from gate_agent.domain.check import CheckName, CheckOutcome
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.certificate_defects import Defect, DefectKind
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.certificate_revocation import read_revocation_list
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.chip_authenticity_active import verify_active_authentication
from gate_agent.inspection.trust_bundle import TrustBundle
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate, TrustStore
from tests.unit import document_issuers as utopia

NOW = utopia.NOW
S, F, U, N, A = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED  # fmt: skip
LINES = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F3004159ZE184226B<<<<<16")
JPEG = b"\xff\xd8\xff" + bytes(range(200))
RSA_AA = rsa.generate_private_key(65537, 1024)
RSA_AA_SPKI = RSA_AA.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)
CHALLENGE = bytes.fromhex("F173589974BF40C6")


def dg1(lines=LINES):
    return encode_tlv(0x61, encode_tlv(0x5F1F, "".join(lines).encode()))


def dg2(image=JPEG):
    face = b"\x00" * 4 + b"\x00" * 16
    block = len(face) + 12 + len(image)
    record = b"FAC\x00010\x00" + (14 + block).to_bytes(4, "big") + b"\x00\x01" + block.to_bytes(4, "big") + bytes(16) + bytes(12) + image  # fmt: skip
    return encode_tlv(0x75, encode_tlv(0x7F61, encode_tlv(0x02, b"\x01") + encode_tlv(0x7F60, encode_tlv(0xA1, b"") + encode_tlv(0x5F2E, record))))  # fmt: skip


def recoverable(message_hash="sha1", trailer=b"\xbc", key=RSA_AA, challenge=CHALLENGE):
    """Sign as ISO/IEC 9796-2 scheme 1 says."""
    numbers = key.private_numbers()
    n, size = numbers.public_numbers.n, key.key_size // 8
    digest_bytes = hashlib.new(message_hash).digest_size
    recovered = bytes(range(size - 1 - digest_bytes - len(trailer)))
    digest = hashlib.new(message_hash, recovered + challenge).digest()
    opened = int.from_bytes(b"\x6a" + recovered + digest + trailer, "big")
    return pow(opened, numbers.d, n).to_bytes(size, "big")


CA_KEY = utopia.ec_keys(ecdsa.BRAINPOOLP256r1).spki
CA_INFO = bytes.fromhex("300f060a04007f00070202030202020102")
CA_KEY_INFO = encode_tlv(0x30, bytes.fromhex("060904007f000702020102") + CA_KEY)
DG14 = encode_tlv(0x6E, encode_tlv(0x31, CA_INFO + CA_KEY_INFO))
DG15 = encode_tlv(0x6F, RSA_AA_SPKI)


def com(tags=b"\x61\x75\x6e\x6f"):
    return encode_tlv(0x60, encode_tlv(0x5F01, b"0107") + encode_tlv(0x5F36, b"040000") + encode_tlv(0x5C, tags))


CSCA = utopia.certify()
SIGNER = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, serial=77)
GROUPS = {1: dg1(), 2: dg2(), 14: DG14, 15: DG15}


def bundle(*authorities, defects=(), issued_at=NOW, lists=None):
    held = [HeldCertificate(read_certificate(one.certificate), CertificateRole.ISSUER, ("list",)) for one in authorities or (CSCA,)]  # fmt: skip
    lists = [utopia.revocation_list(CSCA, [])] if lists is None else lists
    return TrustBundle(TrustStore(held, [read_revocation_list(one) for one in lists], defects), 1, issued_at)


def evidence(groups=None, signed=None, **changed):
    """A chip with PACE, CA and AA, read whole."""
    groups = dict(GROUPS if groups is None else groups)
    files = {f"DG{number}": content for number, content in groups.items()}
    files["EF.SOD"] = utopia.sod(SIGNER, GROUPS if signed is None else signed)
    whole = ChipEvidence(
        access=ChipAccess.PACE,
        pace=ProtocolOutcome.SUCCEEDED,
        chip_authentication=ProtocolOutcome.SUCCEEDED,
        chip_authentication_mapping=ProtocolOutcome.NOT_OFFERED,
        active_authentication=ProtocolOutcome.SUCCEEDED,
        files=files,
        chip_authentication_key=CA_KEY,
        challenge=CHALLENGE,
        response=recoverable(),
    )
    return replace(whole, **changed)


def without(found, *names, **changed):
    return replace(
        found, files={name: content for name, content in found.files.items() if name not in names}, **changed
    )


PRINTED = read_mrz(LINES, NOW.date()).document


def verdict(found, held=None, now=NOW, printed=True):
    judge = ChipJudge(bundle() if held is None else held, 28.0)
    results = {one.check: one for one in judge.chip(found, PRINTED if printed else None, now).results}
    specimen = results.pop(CheckName.SPECIMEN, None)  # every signer here is Utopian
    assert specimen is None or codes(specimen) == [ReasonCode.SPECIMEN_CERTIFICATE]
    return results


def codes(result):
    return [reason.code for reason in result.reasons]


def test_a_sound_chip_is_successful_on_every_axis():
    results = verdict(evidence())
    assert {check: result.outcome for check, result in results.items()} == {
        CheckName.CHIP_ACCESS: S,
        CheckName.SOD_SIGNATURE: S,
        CheckName.CERTIFICATE_CHAIN: S,
        CheckName.CERTIFICATE_REVOCATION: S,
        CheckName.CHIP_CONTENT: S,
        CheckName.ISSUING_STATE: S,
        CheckName.CHIP_GENUINENESS: S,
        CheckName.MRZ_AGAINST_DG1: S,
    }
    assert not any(result.reasons for result in results.values())


def test_a_signer_for_tests_is_told_and_one_of_a_state_is_not():
    results = ChipJudge(bundle(), 28.0).chip(evidence(), PRINTED, NOW).results
    told = [one for one in results if one.check is CheckName.SPECIMEN]
    assert [(one.outcome, codes(one)) for one in told] == [(F, [ReasonCode.SPECIMEN_CERTIFICATE])]
    assert CheckName.SPECIMEN not in {
        one.check for one in ChipJudge(bundle(), 28.0).chip(ChipEvidence(), None, NOW).results
    }


def test_what_was_read_is_handed_on():
    judged = ChipJudge(bundle(), 28.0).chip(evidence(), PRINTED, NOW)
    assert judged.mrz_lines == LINES
    assert judged.portrait == JPEG
    nothing = ChipJudge(bundle(), 28.0).chip(ChipEvidence(), None, NOW)
    assert (nothing.mrz_lines, nothing.portrait) == ((), None)


class TestContent:
    @pytest.mark.parametrize("number", GROUPS)
    def test_a_changed_data_group_fails(self, number):
        changed = dict(GROUPS) | {number: GROUPS[number][:-1] + b"\x7f"}
        result = verdict(evidence(changed))[CheckName.CHIP_CONTENT]
        assert (result.outcome, codes(result)) == (F, [ReasonCode.DATA_GROUP_CHANGED])
        assert result.reasons[0].parameters == {"group": f"DG{number}"}

    def test_raw_bytes_are_hashed_and_nothing_re_encoded(self):
        padded = dict(GROUPS) | {14: b"\x6e\x82" + len(GROUPS[14][2:]).to_bytes(2, "big") + GROUPS[14][2:]}
        assert len(GROUPS[14]) > 129
        assert verdict(evidence(GROUPS))[CheckName.CHIP_CONTENT].outcome is S
        assert verdict(evidence(padded))[CheckName.CHIP_CONTENT].outcome is F

    @pytest.mark.parametrize("name", ["DG1", "DG2", "DG14", "DG15"])
    def test_a_listed_group_that_is_not_there_fails_and_one_that_was_not_read_is_undetermined(self, name):
        gone = without(evidence(), name, unreadable={name: "6A82"})
        result = verdict(gone)[CheckName.CHIP_CONTENT]
        assert (result.outcome, codes(result)) == (F, [ReasonCode.DATA_GROUP_MISSING])
        for unreadable in ({}, {name: "6982"}):
            result = verdict(without(evidence(), name, unreadable=unreadable))[CheckName.CHIP_CONTENT]
            assert (result.outcome, codes(result)) == (U, [ReasonCode.DATA_GROUP_NOT_READ])
        torn = without(evidence(), name, fault="DRV-CHP-004")
        result = verdict(torn)[CheckName.CHIP_CONTENT]
        assert (result.outcome, codes(result)) == (A, [ReasonCode.CHIP_ABORTED])

    def test_fingers_and_irises_that_nobody_may_read_are_normal(self):
        signed = dict(GROUPS) | {3: b"", 4: b""}
        found = evidence(signed=signed, unreadable={"DG3": "6982", "DG4": "6982"})
        assert verdict(found)[CheckName.CHIP_CONTENT].outcome is S

    def test_groups_that_this_gate_does_not_read_count_for_nothing(self):
        assert verdict(evidence(signed=dict(GROUPS) | {11: b"", 12: b""}))[CheckName.CHIP_CONTENT].outcome is S
        result = verdict(evidence(signed=dict(GROUPS) | {11: b"x"}, groups=dict(GROUPS) | {11: b"y"}))[
            CheckName.CHIP_CONTENT
        ]
        assert result.outcome is F

    def test_a_group_that_nobody_vouches_for_is_undetermined(self):
        result = verdict(evidence(signed={number: GROUPS[number] for number in (1, 14, 15)}))[CheckName.CHIP_CONTENT]
        assert (result.outcome, codes(result)) == (U, [ReasonCode.DATA_GROUP_MISSING])

    def test_hashes_too_weak_or_unknown_are_never_a_pass(self):
        found = evidence()
        weak = replace(found, files=dict(found.files) | {"EF.SOD": utopia.sod(SIGNER, GROUPS, hash_name="sha1")})
        result = verdict(weak)[CheckName.CHIP_CONTENT]
        assert (result.outcome, codes(result)) == (U, [ReasonCode.ALGORITHM_WEAK])
        unknown = replace(found, files=dict(found.files) | {"EF.SOD": utopia.sod(SIGNER, GROUPS, hash_name="md5")})
        result = verdict(unknown)[CheckName.CHIP_CONTENT]
        assert (result.outcome, set(codes(result))) == (U, {ReasonCode.HASH_ALGORITHM_UNKNOWN})

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (com(), S),
            (com(b"\x61\x75"), F),
            (com(b"\x61\x75\x6e\x6f\x65"), F),
            (b"\x60\x00", F),
            (b"", F),
            (b"nonsense", F),
        ],
    )
    def test_ef_com_may_contradict_and_proves_nothing(self, content, expected):
        found = evidence()
        assert (
            verdict(replace(found, files=dict(found.files) | {"EF.COM": content}))[CheckName.CHIP_CONTENT].outcome
            is expected
        )

    def test_a_known_discrepancy_of_ef_com_is_a_doubt(self):
        defect = Defect(DefectKind.COM_SOD_DISCREPANCY, read_certificate(SIGNER.certificate).sha256)
        found = evidence()
        found = replace(found, files=dict(found.files) | {"EF.COM": com(b"\x61")})
        assert verdict(found, bundle(defects=[defect]))[CheckName.CHIP_CONTENT].outcome is U


class TestCopies:
    """A chip that holds every file and not the private key."""

    def outcome(self, found, held=None):
        result = verdict(found, held)[CheckName.CHIP_GENUINENESS]
        return result.outcome, codes(result)

    def test_one_proof_is_enough(self):
        only_ca = evidence(active_authentication=ProtocolOutcome.NOT_TRIED, challenge=b"", response=b"")
        only_aa = evidence(chip_authentication=ProtocolOutcome.NOT_TRIED, chip_authentication_key=b"")
        assert self.outcome(only_ca) == self.outcome(only_aa) == (S, [])

    def test_a_copy_s_signature_fails(self):
        other = rsa.generate_private_key(65537, 1024)
        copied = evidence(response=recoverable(key=other), chip_authentication=ProtocolOutcome.NOT_OFFERED)
        copied = replace(copied, files=copied.files | {"EF.SOD": utopia.sod(SIGNER, PASSIVE | {15: DG15})})
        assert self.outcome(without(copied, "DG14")) == (F, [ReasonCode.CHIP_AUTHENTICATION_FAILED])
        stale = evidence(challenge=bytes(8), chip_authentication=ProtocolOutcome.FAILED)
        result = self.outcome(stale)
        assert result[0] is F
        assert set(result[1]) == {ReasonCode.CHIP_AUTHENTICATION_FAILED}

    @pytest.mark.parametrize("number", [14, 15])
    def test_a_key_that_no_security_object_vouches_for_proves_nothing(self, number):
        ours = evidence(
            signed=dict(GROUPS) | {14: b"another", 15: b"another"},
            **(
                {"challenge": b"", "response": b""}
                if number == 14
                else {"chip_authentication": ProtocolOutcome.NOT_TRIED}
            ),
        )
        assert self.outcome(ours)[0] is not S
        assert verdict(ours)[CheckName.CHIP_CONTENT].outcome is F

    def test_nothing_is_proven_under_a_security_object_whose_signature_is_wrong(self):
        imitation = utopia.certify(common_name="DS", issuer=utopia.certify(), is_authority=False)
        for how in ({"enclosed": [SIGNER.certificate], "serial": 77}, {"enclosed": []}):
            found = evidence()
            found = replace(found, files=found.files | {"EF.SOD": utopia.sod(imitation, GROUPS, **how)})
            outcome, reasons = self.outcome(found)
            assert (outcome, set(reasons)) == (U, {ReasonCode.CHIP_AUTHENTICATION_UNPROVEN})

    def test_another_key_than_the_announced_one_proves_nothing(self):
        found = evidence(chip_authentication_key=utopia.ec_keys().spki, challenge=b"", response=b"")
        assert self.outcome(found)[0] is U
        assert self.outcome(replace(found, chip_authentication_key=b""))[0] is U

    def test_a_chip_without_any_means_says_so(self):
        found = evidence(PASSIVE, PASSIVE, chip_authentication=ProtocolOutcome.NOT_OFFERED, challenge=b"", response=b"", active_authentication=ProtocolOutcome.NOT_OFFERED)  # fmt: skip
        assert self.outcome(found) == (N, [ReasonCode.CHIP_AUTHENTICATION_ABSENT])

    @pytest.mark.parametrize("outcome", [ProtocolOutcome.NOT_OFFERED, ProtocolOutcome.NOT_TRIED])
    def test_a_chip_that_hides_what_its_security_object_lists_is_not_one_without(self, outcome):
        found = evidence(chip_authentication=outcome, active_authentication=outcome, challenge=b"", response=b"")
        assert self.outcome(found)[0] is U
        assert self.outcome(without(found, "DG14", "DG15"))[0] is U

    def test_a_broken_off_protocol_says_nothing(self):
        found = evidence(chip_authentication=ProtocolOutcome.ABORTED, active_authentication=ProtocolOutcome.ABORTED, challenge=b"", response=b"", fault="DRV-CHP-004")  # fmt: skip
        assert self.outcome(found) == (A, [ReasonCode.CHIP_ABORTED, ReasonCode.CHIP_ABORTED])

    @pytest.mark.parametrize(
        ("missing", "signed", "access", "torn", "whole"),
        [
            (("EF.SOD", "DG1", "DG2", "DG14", "DG15"), None, ChipAccess.NONE, A, U),
            (("EF.SOD", "DG2", "DG14", "DG15"), None, ChipAccess.PACE, A, U),
            (("DG2", "DG14", "DG15"), None, ChipAccess.PACE, A, U),
            (("DG2", "DG15"), None, ChipAccess.PACE, A, U),
            (("DG2", "DG14"), None, ChipAccess.PACE, A, U),
            (("DG2", "DG14", "DG15"), (1, 2), ChipAccess.PACE, N, N),  # read far enough to know that there is nothing
            (("DG2", "DG14", "DG15"), (1, 2, 14), ChipAccess.PACE, A, U),
        ],
        ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else str(value),
    )
    def test_a_read_torn_off_before_the_means_were_read_is_aborted_and_not_without_them(
        self, missing, signed, access, torn, whole
    ):
        listed = None if signed is None else {number: GROUPS[number] for number in signed}
        nothing = {"chip_authentication": ProtocolOutcome.NOT_TRIED, "active_authentication": ProtocolOutcome.NOT_TRIED}
        found = without(evidence(signed=listed, challenge=b"", response=b"", **nothing), *missing, access=access)
        outcome, reasons = self.outcome(replace(found, fault="DRV-CHP-001"))
        assert outcome is torn
        assert set(reasons) == ({ReasonCode.CHIP_ABORTED} if torn is A else {ReasonCode.CHIP_AUTHENTICATION_ABSENT})
        assert self.outcome(found)[0] is whole

    def test_compromised_keys_fail_although_the_protocol_holds(self):
        digest = read_certificate(SIGNER.certificate).sha256
        both = [Defect(DefectKind.CHIP_AUTHENTICATION_KEY_COMPROMISED, digest), Defect(DefectKind.ACTIVE_AUTHENTICATION_KEY_COMPROMISED, digest)]  # fmt: skip
        assert self.outcome(evidence(), bundle(defects=both))[0] is F
        assert self.outcome(evidence(), bundle(defects=both[:1]))[0] is S, "the other protocol is proof enough"

    def test_a_protocol_known_to_fail_is_a_doubt(self):
        digest = read_certificate(SIGNER.certificate).sha256
        defect = Defect(DefectKind.AUTHENTICATION_PROTOCOL_FAILURE, digest, protocols=frozenset({"AA", "CA"}))
        found = evidence(challenge=bytes(8), chip_authentication=ProtocolOutcome.FAILED)
        outcome, reasons = self.outcome(found, bundle(defects=[defect]))
        assert (outcome, set(reasons)) == (U, {ReasonCode.CERTIFICATE_DEFECT})


PASSIVE = {number: GROUPS[number] for number in (1, 2)}


class TestMapping:
    """PACE with chip authentication mapping leans on EF.CardSecurity, which is signed by itself."""

    INFOS = encode_tlv(0x31, CA_INFO + CA_KEY_INFO)

    def found(self, signer=SIGNER, **changed):
        whole = evidence(PASSIVE, PASSIVE, chip_authentication=ProtocolOutcome.NOT_OFFERED, active_authentication=ProtocolOutcome.NOT_OFFERED, chip_authentication_mapping=ProtocolOutcome.SUCCEEDED, challenge=b"", response=b"")  # fmt: skip
        content = utopia.sign_content(signer, "0.4.0.127.0.7.3.2.1", self.INFOS)
        return replace(whole, files=whole.files | {"EF.CardSecurity": content}, **changed)

    def test_it_proves_the_chip(self):
        results = verdict(self.found())
        assert {result.outcome for result in results.values()} == {S}

    def test_a_file_of_a_stranger_proves_nothing(self):
        stranger = utopia.certify(common_name="DS", issuer=utopia.certify(), is_authority=False)
        results = verdict(self.found(stranger))
        assert results[CheckName.CHIP_GENUINENESS].outcome is U
        assert results[CheckName.CERTIFICATE_CHAIN].outcome is not S

    def test_a_file_of_another_state_proves_nothing(self):
        csca = utopia.certify("AA", "Other")
        other = utopia.certify("AA", "DS", issuer=csca, is_authority=False)
        held = bundle(CSCA, csca)
        assert verdict(self.found(other), held)[CheckName.CHIP_GENUINENESS].outcome is U

    def test_a_file_without_a_security_object_beside_it_proves_nothing(self):
        """Whoever signed it himself would pass for a chip that was issued, as soon as EF.SOD stays away."""
        stranger = utopia.certify(common_name="DS", issuer=utopia.certify(), is_authority=False)
        for signer in (stranger, SIGNER):
            assert verdict(without(self.found(signer), "EF.SOD"))[CheckName.CHIP_GENUINENESS].outcome is U

    def test_another_key_proves_nothing_and_an_empty_file_fails(self):
        assert verdict(self.found(chip_authentication_key=RSA_AA_SPKI))[CheckName.CHIP_GENUINENESS].outcome is U
        found = self.found()
        empty = replace(found, files=found.files | {"EF.CardSecurity": b""})
        assert verdict(empty)[CheckName.SOD_SIGNATURE].outcome is F
        assert verdict(without(found, "EF.CardSecurity"))[CheckName.CHIP_GENUINENESS].outcome is U


class TestAccess:
    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({}, S),
            (
                {
                    "access": ChipAccess.BAC,
                    "pace": ProtocolOutcome.NOT_OFFERED,
                    "basic_access": ProtocolOutcome.SUCCEEDED,
                },
                S,
            ),
            ({"access": ChipAccess.NONE, "pace": ProtocolOutcome.FAILED}, F),
            (
                {
                    "access": ChipAccess.NONE,
                    "pace": ProtocolOutcome.NOT_OFFERED,
                    "basic_access": ProtocolOutcome.FAILED,
                },
                F,
            ),
            ({"access": ChipAccess.NONE, "pace": ProtocolOutcome.ABORTED, "fault": "DRV-CHP-004"}, A),
            ({"access": ChipAccess.NONE, "pace": ProtocolOutcome.NOT_OFFERED}, N),
            ({"access": ChipAccess.NONE, "pace": ProtocolOutcome.NOT_TRIED, "files": {}}, A),
            ({"access": ChipAccess.NONE}, A),
        ],
    )
    def test_how_the_chip_was_opened(self, changed, expected):
        result = verdict(evidence(**changed))[CheckName.CHIP_ACCESS]
        assert result.outcome is expected
        assert bool(result.reasons) == (expected in (F, A))


class TestState:
    def judged(self, code, country="UT"):
        lines = (f"P<{code}ERIKSSON<<ANNA<MARIA".ljust(44, "<"), LINES[1])
        csca = utopia.certify(country)
        signer = utopia.certify(country, "DS", issuer=csca, is_authority=False)
        found = evidence({1: dg1(lines), 2: dg2()}, {1: dg1(lines), 2: dg2()})
        found = replace(found, files=found.files | {"EF.SOD": utopia.sod(signer, {1: dg1(lines), 2: dg2()})})
        result = verdict(found, bundle(csca))[CheckName.ISSUING_STATE]
        return result.outcome, codes(result)

    def test_a_state_signs_its_own_documents_only(self):
        assert self.judged("UTO") == (S, [])
        assert self.judged("D<<", "de") == (S, [])
        assert self.judged("D<<") == (F, [ReasonCode.ISSUING_STATE_DIFFERS])
        assert self.judged("QQQ") == (U, [ReasonCode.STATE_CODE_UNKNOWN])

    def test_without_dg1_or_signer_nothing_is_said(self):
        assert verdict(without(evidence(), "DG1"))[CheckName.ISSUING_STATE].outcome is U
        assert verdict(without(evidence(), "EF.SOD"))[CheckName.ISSUING_STATE].outcome is U
        assert verdict(without(evidence(), "DG1", fault="DRV-CHP-004"))[CheckName.ISSUING_STATE].outcome is A


class TestPrintedZone:
    def test_the_zone_that_was_printed_is_compared_with_the_chip_s(self):
        other = (LINES[0].replace("ANNA", "ANNE"), LINES[1])
        groups = dict(GROUPS) | {1: dg1(other)}
        result = verdict(evidence(groups, groups))[CheckName.MRZ_AGAINST_DG1]
        assert (result.outcome, codes(result)) == (F, [ReasonCode.DG1_DIFFERS])

    def test_what_cannot_be_compared(self):
        check = CheckName.MRZ_AGAINST_DG1
        assert verdict(evidence(), printed=False)[check].outcome is U
        assert verdict(without(evidence(), "DG1"))[check].outcome is U
        assert verdict(evidence(used_card_access_number=True))[check].outcome is N
        broken = dict(GROUPS) | {1: b"\x61\x00"}
        result = verdict(evidence(broken, broken))[check]
        assert (result.outcome, codes(result)) == (U, [ReasonCode.DATA_GROUP_MALFORMED])


class TestBundle:
    AXES = (CheckName.CERTIFICATE_CHAIN, CheckName.CERTIFICATE_REVOCATION)

    def test_without_a_bundle_nothing_is_proven(self):
        judge = ChipJudge(None, 28.0)
        results = {one.check: one for one in judge.chip(evidence(), PRINTED, NOW).results}
        for check in self.AXES:
            assert (results[check].outcome, codes(results[check])) == (U, [ReasonCode.TRUST_BUNDLE_MISSING])
        assert results[CheckName.SOD_SIGNATURE].outcome is S, "who signed is another question"

    def test_a_bundle_that_is_too_old_proves_nothing(self):
        for now in (NOW + timedelta(days=28, seconds=1), NOW - timedelta(days=2)):
            results = verdict(evidence(), bundle(issued_at=NOW), now)
            for check in self.AXES:
                assert results[check].outcome in (U, F)
                assert ReasonCode.TRUST_BUNDLE_STALE in codes(results[check])

    def test_what_an_old_bundle_finds_against_a_document_stands(self):
        held = bundle(issued_at=NOW - timedelta(days=99), lists=[utopia.revocation_list(CSCA, [77])])
        result = verdict(evidence(), held)[CheckName.CERTIFICATE_REVOCATION]
        assert (result.outcome, codes(result)) == (F, [ReasonCode.CERTIFICATE_REVOKED, ReasonCode.TRUST_BUNDLE_STALE])


def test_a_torn_off_chip_is_aborted_and_nothing_of_it_successful():
    torn = ChipEvidence(access=ChipAccess.PACE, pace=ProtocolOutcome.SUCCEEDED, fault="DRV-CHP-004")
    results = verdict(torn)
    assert results.pop(CheckName.CHIP_ACCESS).outcome is S
    assert {result.outcome for check, result in results.items() if check is not CheckName.CHIP_GENUINENESS} == {A}
    assert results[CheckName.CHIP_GENUINENESS].outcome is not S


def test_a_chip_without_security_object_is_undetermined():
    results = verdict(without(evidence(), "EF.SOD"))
    for check in (CheckName.SOD_SIGNATURE, CheckName.CERTIFICATE_CHAIN, CheckName.CHIP_CONTENT):
        assert (results[check].outcome, codes(results[check])) == (U, [ReasonCode.SOD_MISSING])
    empty = evidence()
    empty = replace(empty, files=empty.files | {"EF.SOD": b""})
    assert verdict(empty)[CheckName.SOD_SIGNATURE].outcome is F


def test_the_security_object_by_itself():
    results = ChipJudge(bundle(), 28.0).security_object(utopia.sod(SIGNER, GROUPS), NOW)
    assert [(one.check, one.outcome) for one in results] == [
        (CheckName.SOD_SIGNATURE, S),
        (CheckName.CERTIFICATE_CHAIN, S),
        (CheckName.CERTIFICATE_REVOCATION, S),
    ]


@given(st.dictionaries(st.sampled_from(["EF.SOD", "EF.COM", "EF.CardSecurity", "DG1", "DG2", "DG14", "DG15"]), st.binary(max_size=60)), st.sampled_from(ProtocolOutcome), st.sampled_from(ProtocolOutcome))  # fmt: skip
def test_hostile_files_never_raise_and_never_prove_anything(files, one, other):
    found = evidence(chip_authentication=one, chip_authentication_mapping=other)
    results = verdict(replace(found, files=found.files | files))
    damaged = {
        name for name, content in files.items() if found.files.get(name) != content and name != "EF.CardSecurity"
    }
    needed = (CheckName.SOD_SIGNATURE, CheckName.CERTIFICATE_CHAIN, CheckName.CHIP_CONTENT)
    if damaged:
        assert not all(results[check].outcome is S for check in needed)


class TestActiveAuthentication:
    @pytest.mark.parametrize(
        ("message_hash", "trailer"),
        [("sha1", b"\xbc"), ("sha1", b"\x33\xcc"), ("sha224", b"\x38\xcc"), ("sha256", b"\x34\xcc"), ("sha384", b"\x36\xcc"), ("sha512", b"\x35\xcc")],
    )  # fmt: skip
    def test_rsa_with_every_trailer(self, message_hash, trailer):
        response = recoverable(message_hash, trailer)
        assert verify_active_authentication(RSA_AA_SPKI, CHALLENGE, response)
        assert not verify_active_authentication(RSA_AA_SPKI, bytes(8), response)
        changed = bytes([response[0] ^ 1]) + response[1:]
        with suppress(AlgorithmUnknown):  # one in a million opens to the head and the trailer of an unknown hash
            assert not verify_active_authentication(RSA_AA_SPKI, CHALLENGE, changed)

    def test_leading_zeros_may_be_missing_or_too_many(self):
        signed = (
            (number.to_bytes(8, "big"), recoverable(challenge=number.to_bytes(8, "big"))) for number in range(5000)
        )
        challenge, response = next(one for one in signed if one[1][0] == 0)
        for form in (response, response.lstrip(b"\x00"), b"\x00" * 3 + response):
            assert verify_active_authentication(RSA_AA_SPKI, challenge, form)

    def test_the_smaller_of_two_representatives_is_taken(self):
        n = RSA_AA.public_key().public_numbers().n
        response = (n - int.from_bytes(recoverable(), "big")).to_bytes(128, "big")
        assert verify_active_authentication(RSA_AA_SPKI, CHALLENGE, response)

    def test_an_unknown_hash_is_named(self):
        with pytest.raises(AlgorithmUnknown):
            verify_active_authentication(RSA_AA_SPKI, CHALLENGE, recoverable("sha256", b"\x39\xcc"))

    @pytest.mark.parametrize("response", [b"", b"\x00", b"\x01", b"\xff" * 128, bytes(5000)])
    def test_anything_else_is_no_signature(self, response):
        assert not verify_active_authentication(RSA_AA_SPKI, CHALLENGE, response)

    def test_a_challenge_has_eight_bytes(self):
        assert not verify_active_authentication(
            RSA_AA_SPKI, CHALLENGE + b"\x00", recoverable(challenge=CHALLENGE + b"\x00")
        )

    @pytest.mark.parametrize(
        "name", ["secp256r1", "secp224r1", "brainpoolP256r1", "brainpoolP320r1", "brainpoolP512r1", "secp521r1"]
    )
    @pytest.mark.parametrize("announced", [True, False])
    def test_ecdsa_plain_and_in_der(self, name, announced):
        curve = curve_by_name(name)
        secret = ecdsa.SigningKey.generate(curve=curve.ecdsa_curve)
        spki = utopia.keys.PublicKeyInfo(
            {
                "algorithm": {
                    "algorithm": "ec",
                    "parameters": utopia.keys.ECDomainParameters(name="named", value=curve.oid),
                },
                "public_key": utopia.keys.ECPointBitString(encode_point(curve, secret.verifying_key.pubkey.point)),
            }
        ).dump()
        hashed = hashlib.sha512(CHALLENGE).digest()
        oid = "0.4.0.127.0.7.1.1.4.1.5" if announced else ""
        for encode in (ecdsa.util.sigencode_string, ecdsa.util.sigencode_der):
            response = secret.sign_digest(hashed, sigencode=encode, allow_truncate=True)
            assert verify_active_authentication(spki, CHALLENGE, response, oid)
            assert not verify_active_authentication(spki, bytes(8), response, oid)
        with pytest.raises(AlgorithmUnknown):
            verify_active_authentication(spki, CHALLENGE, b"\x01" * 64, "1.2.3")
