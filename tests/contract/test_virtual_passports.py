"""Every virtual passport through the gate's reading engine and inspection: two implementations that share no line agree or disagree.

What a chip is must come out as what it is: a good one successful on every axis, a copy failed, a chip that broke off aborted, and nothing
that was not proven successful.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.chip.block_sizes import BlockSizes
from drivers.chip.twin.authority import TestAuthority
from drivers.chip.twin.behaviour import Behaviour
from drivers.chip.twin.personalisation import personalise
from drivers.chip.twin.signatures import Padding, Scheme
from drivers.chip.twin.variants import VARIANTS, Variant
from drivers.contracts import ChipAccess, ChipEvidence, ChipFileRead, ChipKeys, ChipOpened, ProtocolOutcome
from emrtd.data_groups import mrz_lines, portrait
from gate_agent.domain.check import CheckName, CheckOutcome, CheckResult
from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.reasons import ReasonCode
from gate_agent.inspection.chip_authenticity import ChipJudge
from gate_agent.inspection.trust_bundle import TrustBundle, load_folder
from tests.contract import virtual_passports as field

S, F, U, N, A = (
    CheckOutcome.SUCCESSFUL,
    CheckOutcome.FAILED,
    CheckOutcome.UNDETERMINED,
    CheckOutcome.NOT_SUPPORTED,
    CheckOutcome.ABORTED,
)
SUCCEEDED, FAILED, ABORTED = ProtocolOutcome.SUCCEEDED, ProtocolOutcome.FAILED, ProtocolOutcome.ABORTED
INTERNAL_AUTHENTICATE = (0x88, 0x0000)
PRINTED = read_mrz(field.LINES, field.TODAY).document
BASIC = VARIANTS["no anti-clone"]

# What each variant's verdict differs in from a good chip, with the reason; everything that is not named is successful.
DIFFERS: dict[str, dict[CheckName, tuple[CheckOutcome, ReasonCode]]] = {
    "bac only": {CheckName.CHIP_GENUINENESS: (N, ReasonCode.CHIP_AUTHENTICATION_ABSENT)},
    "no anti-clone": {CheckName.CHIP_GENUINENESS: (N, ReasonCode.CHIP_AUTHENTICATION_ABSENT)},
    "clone ca": {CheckName.CHIP_GENUINENESS: (F, ReasonCode.CHIP_AUTHENTICATION_FAILED)},
    "clone aa": {CheckName.CHIP_GENUINENESS: (F, ReasonCode.CHIP_AUTHENTICATION_FAILED)},
    "clone aa ecdsa": {CheckName.CHIP_GENUINENESS: (F, ReasonCode.CHIP_AUTHENTICATION_FAILED)},
    "clone cam": {CheckName.CHIP_GENUINENESS: (F, ReasonCode.CHIP_AUTHENTICATION_FAILED)},
    "wrong hash of portrait": {CheckName.CHIP_CONTENT: (F, ReasonCode.DATA_GROUP_CHANGED)},
    "wrong hash of zone": {CheckName.CHIP_CONTENT: (F, ReasonCode.DATA_GROUP_CHANGED)},
    "portrait missing": {CheckName.CHIP_CONTENT: (F, ReasonCode.DATA_GROUP_MISSING)},
    "unknown authority": {
        CheckName.CERTIFICATE_CHAIN: (U, ReasonCode.CSCA_UNKNOWN),
        CheckName.CERTIFICATE_REVOCATION: (U, ReasonCode.REVOCATION_UNKNOWN),
    },
    "expired signer": {CheckName.CERTIFICATE_CHAIN: (F, ReasonCode.CERTIFICATE_OUTSIDE_VALIDITY)},
    "revoked signer": {CheckName.CERTIFICATE_REVOCATION: (F, ReasonCode.CERTIFICATE_REVOKED)},
    "signer of another country": {CheckName.ISSUING_STATE: (F, ReasonCode.ISSUING_STATE_DIFFERS)},
}
ABORTED_WITH = {
    "hanging": "DRV-CHP-002",
    "torn off": "DRV-CHP-001",
    "endless answer": "DRV-CHP-003",
    "length 0": "DRV-CHP-003",
    "length 65535": "DRV-CHP-003",
}
REFUSED = {"pace fails"}
READ_WHOLE = sorted(set(VARIANTS) - set(ABORTED_WITH) - REFUSED)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> TrustBundle:
    return field.bundle(tmp_path_factory.mktemp("trust"))


def judged(bundle: TrustBundle, evidence: ChipEvidence) -> dict[CheckName, CheckResult]:
    results = {result.check: result for result in ChipJudge(bundle, 28.0).chip(evidence, PRINTED, field.NOW).results}
    results.pop(CheckName.SPECIMEN, None)  # the authority is Utopian and says so
    return results


def test_the_bundle_takes_every_file_of_the_authority(bundle: TrustBundle) -> None:
    assert bundle.skipped == ()


@pytest.mark.parametrize("name", READ_WHOLE)
def test_a_passport_that_can_be_read_is_judged_as_what_it_is(bundle: TrustBundle, name: str) -> None:
    variant = VARIANTS[name]
    picture = field.JPEG_2000 if variant.is_39794 else field.PORTRAIT
    evidence, progress = field.read(field.passport(variant, picture))
    assert evidence.fault == ""
    expected = dict.fromkeys((check for check in judged(bundle, evidence)), (S, None)) | DIFFERS.get(name, {})
    for check, result in judged(bundle, evidence).items():
        outcome, reason = expected[check]
        assert (check, result.outcome) == (check, outcome)
        assert reason is None or reason in [one.code for one in result.reasons]
    assert evidence.access is (ChipAccess.PACE if variant.pace else ChipAccess.BAC)
    assert ChipOpened(evidence.access) in progress[:2]  # chip authentication mapping reads EF.CardSecurity first
    assert {one.name: one.content for one in progress if isinstance(one, ChipFileRead)}.items() <= evidence.files.items()  # fmt: skip
    assert mrz_lines(evidence.files["DG1"]) == field.LINES
    if variant.missing_group != 2:
        assert portrait(evidence.files["DG2"]).content == picture


@pytest.mark.parametrize(("name", "fault"), ABORTED_WITH.items())
def test_a_chip_that_breaks_off_is_aborted_and_never_failed(bundle: TrustBundle, name: str, fault: str) -> None:
    started_s = time.process_time()
    evidence, _ = field.read(field.passport(VARIANTS[name]))
    assert evidence.fault == fault
    assert time.process_time() - started_s < 5
    outcomes = {check: result.outcome for check, result in judged(bundle, evidence).items()}
    assert F not in outcomes.values()
    assert outcomes[CheckName.CHIP_CONTENT] is A
    assert outcomes[CheckName.CHIP_GENUINENESS] is not S


@pytest.mark.parametrize("name", ["modern", "bac only", "ca 3des", "aa ecdsa", "pace cam"])
def test_a_chip_that_goes_at_any_command_is_aborted_and_never_failed(bundle: TrustBundle, name: str) -> None:
    last = field.read(field.passport(VARIANTS[name]))[0].apdus
    for at in range(1, last + 1):
        evidence, _ = field.read(field.passport(replace(VARIANTS[name], behaviour=Behaviour(torn_off_at_apdu=at))))
        assert (at, evidence.fault) == (at, "DRV-CHP-001")
        outcomes = {check: result.outcome for check, result in judged(bundle, evidence).items()}
        assert (at, F in outcomes.values()) == (at, False)
        assert (at, set(outcomes.values()) == {S}) == (at, False)
        # The key of a mapping stands in EF.CardSecurity, whose signer is looked at beside that of EF.SOD.
        has_mapped = evidence.chip_authentication_mapping is SUCCEEDED and "EF.SOD" in evidence.files
        is_proven = has_mapped or evidence.chip_authentication is SUCCEEDED
        assert (at, outcomes[CheckName.CHIP_GENUINENESS] is S) == (at, is_proven)


@pytest.mark.parametrize("name", ["modern", "bac only", "ca 3des", "aa ecdsa", "pace cam"])
def test_a_protected_channel_that_breaks_at_any_command_is_opened_once_more(bundle: TrustBundle, name: str) -> None:
    whole, _ = field.read(field.passport(VARIANTS[name]))
    first_protected = 5 if name == "bac only" else 8
    for at in range(first_protected, whole.apdus + 1):
        behaviour = Behaviour(secure_messaging_breaks_at_apdu=at)
        evidence, _ = field.read(field.passport(replace(VARIANTS[name], behaviour=behaviour)))
        assert (at, evidence.fault) == (at, "")
        assert (at, evidence.files) == (at, whole.files)
        verdict = {check: result.outcome for check, result in judged(bundle, evidence).items()}
        assert (at, verdict) == (at, {check: result.outcome for check, result in judged(bundle, whole).items()})


@pytest.mark.parametrize("has_basic_access", [True, False])
def test_pace_that_fails_never_becomes_basic_access(bundle: TrustBundle, *, has_basic_access: bool) -> None:
    variant = replace(VARIANTS["pace fails"], has_basic_access=has_basic_access)
    evidence, _ = field.read(field.passport(variant))
    assert (evidence.pace, evidence.basic_access) == (FAILED, ProtocolOutcome.NOT_TRIED)
    assert evidence.access is ChipAccess.NONE
    assert set(evidence.files) <= {"EF.CardAccess"}
    assert judged(bundle, evidence)[CheckName.CHIP_ACCESS].outcome is F


@pytest.mark.parametrize("variant", ["modern", "bac only"])
def test_a_wrong_key_opens_nothing_and_the_alternative_does(variant: str) -> None:
    wrong = field.MRZ_INFORMATION.replace("L898902C3", "L898902C8")
    chip = field.passport(VARIANTS[variant])
    evidence, _ = field.read(chip, ChipKeys(wrong))
    assert evidence.access is ChipAccess.NONE
    evidence, _ = field.read(chip, ChipKeys(wrong, alternative_mrz_information=field.MRZ_INFORMATION))
    assert evidence.access is not ChipAccess.NONE
    assert evidence.fault == ""


@pytest.mark.parametrize("name", ["modern", "pace dh gm", "pace im brainpool", "pace cam", "pace gm 3des"])
def test_the_card_access_number_opens_pace(name: str) -> None:
    chip = field.passport(VARIANTS[name])
    evidence, _ = field.read(chip, ChipKeys(card_access_number="123456"))
    assert (evidence.pace, evidence.used_card_access_number) == (SUCCEEDED, True)
    wrong, _ = field.read(chip, ChipKeys(card_access_number="654321"))
    assert wrong.pace is FAILED


def test_which_proof_was_used_stands_in_the_evidence() -> None:
    proofs = {
        name: field.read(field.passport(VARIANTS[name]))[0] for name in ("ca only", "aa rsa", "aa ecdsa", "pace cam")
    }
    assert proofs["ca only"].chip_authentication is SUCCEEDED
    assert proofs["aa rsa"].active_authentication is SUCCEEDED
    assert proofs["aa ecdsa"].active_authentication is SUCCEEDED
    assert proofs["pace cam"].chip_authentication_mapping is SUCCEEDED
    assert all(proof.chip_authentication_key for name, proof in proofs.items() if name in {"ca only", "pace cam"})


@pytest.mark.parametrize("status", [0x6700, 0x6C80])
def test_a_chip_that_wants_another_length_for_its_signature_is_asked_again(bundle: TrustBundle, status: int) -> None:
    behaviour = Behaviour(refusals={INTERNAL_AUTHENTICATE: (status,)})
    evidence, _ = field.read(field.passport(replace(VARIANTS["aa rsa"], behaviour=behaviour)))
    assert evidence.active_authentication is SUCCEEDED
    assert judged(bundle, evidence)[CheckName.CHIP_GENUINENESS].outcome is S


@pytest.mark.parametrize(("status", "protocol", "outcome"), [(0x6700, ABORTED, A), (0x6F00, ABORTED, A), (0x6581, ABORTED, A), (0x6985, FAILED, F)])  # fmt: skip
@pytest.mark.parametrize(("variant", "command"), [("aa ecdsa", (0x88, 0)), ("ca 3des", (0x22, 0x41A6)), ("ca only", (0x22, 0x41A4))])  # fmt: skip
def test_a_proof_that_could_not_run_is_aborted_and_one_that_is_refused_failed(
    bundle: TrustBundle,
    variant: str,
    command: tuple[int, int],
    status: int,
    protocol: ProtocolOutcome,
    outcome: CheckOutcome,
) -> None:
    behaviour = Behaviour(refusals={command: (status,) * 4})
    evidence, _ = field.read(field.passport(replace(VARIANTS[variant], behaviour=behaviour)))
    found = evidence.active_authentication if command == INTERNAL_AUTHENTICATE else evidence.chip_authentication
    assert (evidence.fault, found) == ("", protocol)
    assert judged(bundle, evidence)[CheckName.CHIP_GENUINENESS].outcome is outcome


def test_a_limit_that_the_chip_names_is_kept_to_the_next_time() -> None:
    sizes = BlockSizes()
    chip = field.passport(VARIANTS["limit 223 told"])
    first, _ = field.read(chip, sizes=sizes)
    second, _ = field.read(chip, sizes=sizes)
    assert second.files == first.files
    assert second.apdus < first.apdus


def test_a_portrait_beyond_the_reach_of_short_offsets() -> None:
    picture = field.PORTRAIT + bytes(30_000)
    for behaviour in (Behaviour(), Behaviour(has_extended_length=False)):
        chip = field.passport(replace(BASIC, behaviour=behaviour), picture)
        evidence, _ = field.read(chip)
        assert evidence.fault == ""
        assert portrait(evidence.files["DG2"]).content == picture


@pytest.mark.parametrize(("extended", "most"), [(True, 14), (False, 76)])
def test_the_number_of_commands(*, extended: bool, most: int) -> None:
    chip = field.passport(replace(BASIC, behaviour=Behaviour(has_extended_length=extended)))
    evidence, _ = field.read(chip)
    assert {"EF.SOD", "DG1", "DG2"} <= set(evidence.files)
    assert evidence.apdus <= most


@pytest.mark.parametrize(
    ("behaviour", "first", "next_time"),
    [
        (Behaviour(has_lengths_in_file=True), 12, 11),
        (Behaviour(has_lengths_in_file=True, longest_answer_bytes=2000), 19, 18),
        (Behaviour(has_lengths_in_file=True, has_extended_length=False), 74, 73),
    ],
    ids=["any length", "2000 bytes", "short"],
)
def test_a_chip_that_tells_of_lengths_in_a_file_is_asked_for_it_once(
    behaviour: Behaviour, first: int, next_time: int
) -> None:
    sizes = BlockSizes()
    chip = field.passport(replace(BASIC, behaviour=behaviour))
    reads = [field.read(chip, sizes=sizes)[0] for _ in range(3)]
    assert [evidence.apdus for evidence in reads] == [first, next_time, next_time]
    assert all(portrait(evidence.files["DG2"]).content == field.PORTRAIT for evidence in reads)


SCHEMES = [
    Scheme(Padding.PKCS1, "sha256"),
    Scheme(Padding.PSS, "sha256"),
    Scheme(Padding.PSS, "sha512"),
    *(Scheme(curve=curve, digest=digest, is_explicit=is_explicit) for curve, digest, is_explicit in (
        ("P-256", "sha256", False),
        ("P-256", "sha256", True),
        ("P-384", "sha384", True),
        ("P-521", "sha512", True),
        ("P-224", "sha224", True),
        ("brainpoolP224r1", "sha256", True),
        ("brainpoolP320r1", "sha384", True),
        ("brainpoolP384r1", "sha384", True),
        ("brainpoolP512r1", "sha512", True),
    )),
]  # fmt: skip


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.padding} {scheme.curve} {scheme.digest} {scheme.is_explicit}")  # fmt: skip
def test_every_way_to_sign_that_states_use(tmp_path: Path, scheme: Scheme) -> None:
    authority = TestAuthority(field.TODAY, seed="schemes", scheme=scheme)
    (tmp_path / "list.ml").write_bytes(authority.master_list([authority.certificate]))
    (tmp_path / "one.crl").write_bytes(authority.revocation_list())
    bundle = load_folder(tmp_path)
    assert bundle.skipped == ()
    chip = personalise(field.LINES, field.PORTRAIT, authority, Variant())
    evidence, _ = field.read(chip)
    assert {result.outcome for result in judged(bundle, evidence).values()} == {S}
    files = dict(evidence.files)
    files["EF.SOD"] = files["EF.SOD"][:-1] + bytes((files["EF.SOD"][-1] ^ 1,))  # the last byte of the signature
    assert judged(bundle, replace(evidence, files=files))[CheckName.SOD_SIGNATURE].outcome is F


def test_a_link_certificate_leads_to_the_newer_signer(tmp_path: Path) -> None:
    older, newer = TestAuthority(field.TODAY, seed="older"), TestAuthority(field.TODAY, seed="newer")
    for name, content in (
        ("older.cer", older.certificate),
        ("link.cer", older.link_certificate(newer)),
        ("newer.crl", newer.revocation_list()),
    ):
        (tmp_path / name).write_bytes(content)
    evidence, _ = field.read(personalise(field.LINES, field.PORTRAIT, newer, Variant()))
    chain = judged(load_folder(tmp_path), evidence)[CheckName.CERTIFICATE_CHAIN]
    assert chain.outcome is S


def test_the_same_seed_makes_the_same_passport() -> None:
    first, second = field.passport(Variant()), personalise(field.LINES, field.PORTRAIT, TestAuthority(field.TODAY))
    assert first.contents.files == second.contents.files
    other = personalise(field.LINES, field.PORTRAIT, field.AUTHORITY, seed="another")
    assert other.contents.files["DG14"] != first.contents.files["DG14"]
