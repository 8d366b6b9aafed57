"""Twenty-one things that issuers and chips in circulation do (reference/documents.md §7), and where each of them is tested."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
KEYS, SOD, STORE, CHIP = (f"unit/test_{name}.py" for name in ("public_keys", "security_object", "trust_store", "chip_authenticity"))  # fmt: skip
READING, PASSPORTS, ODDITIES = "unit/test_chip_file_reading.py", "contract/test_virtual_passports.py", "contract/test_chip_oddities.py"  # fmt: skip

# case -> (file, test) of every place that would go red without it
CASES: dict[str, tuple[tuple[str, str], ...]] = {
    "1 explicit curve parameters in CSCA, DSC and DG14": (
        (KEYS, "test_each_parameter_counts"),
        (STORE, "test_issuers_on_every_curve_verify_their_signers"),
        (PASSPORTS, "test_a_passport_that_can_be_read_is_judged_as_what_it_is"),
    ),
    "2 algorithm from SignerInfo and its parameters": (
        (SOD, "test_algorithms_as_issuers_use_them"),
        (KEYS, "test_pss_with_every_salt"),
        ("unit/test_forged_signatures.py", "test_the_salt_has_the_length_that_was_named"),
    ),
    "3 bare rsaEncryption or ecdsa": ((SOD, "test_algorithms_as_issuers_use_them"),),
    "4 content types from an explicit list": (
        (SOD, "test_content_types_come_from_an_explicit_list"),
        (SOD, "test_other_content_types_and_versions_fail"),
    ),
    "5 SHA-1 is graded": (
        (SOD, "test_sha1_is_graded_and_not_refused"),
        (SOD, "test_a_weak_digest_under_a_strong_signature_is_weak"),
        (CHIP, "test_hashes_too_weak_or_unknown_are_never_a_pass"),
    ),
    "6 a CSCA whose key lies off its curve": ((STORE, "test_a_key_off_its_curve_costs_its_certificate_and_not_the_list"),),
    "7 PACE needs the parameter id": (
        (PASSPORTS, "test_a_passport_that_can_be_read_is_judged_as_what_it_is"),
        ("unit/test_twin_chip_statuses.py", "test_setting_pace_up"),
    ),
    "8 active authentication with leading zeros, in DER, on brainpoolP320r1": (
        (CHIP, "test_leading_zeros_may_be_missing_or_too_many"),
        (CHIP, "test_ecdsa_plain_and_in_der"),
    ),
    "9 chip authentication by DG14, on secp192r1, and 6F00": (
        (PASSPORTS, "test_a_passport_that_can_be_read_is_judged_as_what_it_is"),
        (ODDITIES, "test_chip_authentication_on_the_oldest_curve"),
        (ODDITIES, "test_a_chip_that_breaks_down_over_chip_authentication_is_read_without_it"),
    ),
    "10 PACE that fails is not followed by BAC": ((PASSPORTS, "test_pace_that_fails_never_becomes_basic_access"),),
    "11 the issuing state is the CSCA's country": (
        (CHIP, "test_a_state_signs_its_own_documents_only"),
        (SOD, "test_no_issuer_signs_for_another_state"),
        ("unit/test_states_and_dg1.py", "test_same_state"),
    ),
    "12 a chip without AA and CA can be copied": ((CHIP, "test_a_chip_without_any_means_says_so"),),
    "13 AA and CA lean on a verified SOD": (
        (CHIP, "test_a_key_that_no_security_object_vouches_for_proves_nothing"),
        (CHIP, "test_nothing_is_proven_under_a_security_object_whose_signature_is_wrong"),
        (CHIP, "test_a_file_without_a_security_object_beside_it_proves_nothing"),
    ),
    "14 raw bytes are hashed": ((CHIP, "test_raw_bytes_are_hashed_and_nothing_re_encoded"),),
    "15 the SOD's list counts and EF.COM's does not": (
        (CHIP, "test_ef_com_may_contradict_and_proves_nothing"),
        (CHIP, "test_a_listed_group_that_is_not_there_fails_and_one_that_was_not_read_is_undetermined"),
        (CHIP, "test_fingers_and_irises_that_nobody_may_read_are_normal"),
    ),
    "16 lengths and status words": (
        (READING, "test_the_chip_s_limit_is_found_and_remembered"),
        (READING, "test_a_chip_that_bears_extended_lengths_is_read_at_once"),
        (READING, "test_any_answers_end_in_a_file_or_a_fault_soon"),
        ("unit/test_chip_protocols.py", "test_a_wrong_length_is_asked_again_once"),
    ),
    "17 BER, trailing bytes and lengths that lie": (
        (SOD, "test_indefinite_and_padded_lengths"),
        (SOD, "test_content_in_pieces"),
        (SOD, "test_zeros_behind_the_object_are_let_pass_and_nothing_else"),
        (STORE, "test_lengths_that_lie_are_refused"),
        (READING, "test_a_length_that_lies_is_an_end_that_came_too_soon_and_teaches_nothing"),
        ("unit/test_emrtd_data_groups.py", "test_no_image_no_portrait"),
    ),
    "18 a DSC that expired after it signed": ((SOD, "test_the_time_of_signing_decides"),),
    "19 renamed issuers, links, names and identifiers shared by keys": (
        (STORE, "test_one_name_and_key_identifier_for_two_keys_is_no_obstacle"),
        (STORE, "test_a_link_certificate_s_key_verifies_although_its_own_issuer_is_unknown"),
        (STORE, "test_without_any_identifier_all_of_the_country_are_tried"),
        (PASSPORTS, "test_a_link_certificate_leads_to_the_newer_signer"),
    ),
    "20 no revocation list, or an old one": (
        (STORE, "test_no_list_or_an_old_one_clears_nobody"),
        (SOD, "test_good_unknown_stale_revoked"),
        (SOD, "test_a_signer_that_only_names_an_issuer_is_cleared_by_none_of_its_lists"),
    ),
    "21 the union of lists": ((STORE, "test_the_union_of_lists_keeps_every_source"),),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case.partition(" ")[0] for case in CASES])
def test_every_case_has_its_tests(case: str) -> None:
    for file, name in CASES[case]:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
        assert len(found) == 1, f"{file} has {len(found)} tests called {name}"


def test_no_case_is_left_out() -> None:
    assert [int(case.partition(" ")[0]) for case in CASES] == list(range(1, 22))
