"""Truth tables 5.55 to 5.75 of TR-03135-1, every combination against a closed form."""

from itertools import product

import pytest

from gate_agent.domain.check import CheckOutcome
from gate_agent.inspection.visible_seal_checks import (
    GROUPS,
    TABLE,
    SealCheck,
    SealGroup,
    SignerTrust,
    judge,
)

S, F, U, N, A = (
    CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED, CheckOutcome.NOT_SUPPORTED, CheckOutcome.ABORTED
)  # fmt: skip
LETTERS = {"S": S, "F": F, "U": U, "N": N, "A": A}

# What inspection by TR-03135-1 allows each check to be, table by table; written out once more, not derived from the product.
ALLOWED = {
    "presence": "SFNA",  # 5.57
    "technology": "SFUA",  # 5.58
    "decoding": "SFNA",  # 5.59
    "structure": "SFUA",  # 5.61
    "semantics": "SFUA",  # 5.62
    "check_digits": "SFNA",  # 5.63
    "signer_certificate": "SFUNA",  # 5.65
    "signer_validity": "SFUNA",  # 5.66
    "authority_validity": "SFUNA",  # 5.67
    "signature": "SFUNA",  # 5.70
    "digest": "SFUNA",  # 5.71
    "state_against_issuer": "SFUNA",  # 5.73
    "state_against_subject": "SFUNA",  # 5.74
    "subject_against_issuer": "SFUNA",  # 5.75
}


def joined(values: list[CheckOutcome]) -> CheckOutcome:
    """First match in the order F, A, U, S; nothing but N is N."""
    return next((value for value in (F, A, U, S) if value in values), N)


def test_every_check_has_the_values_of_its_table() -> None:
    assert {
        check.value: {letter for letter, value in LETTERS.items() if value in TABLE[check]} for check in SealCheck
    } == {name: set(letters) for name, letters in ALLOWED.items()}


def test_every_check_stands_in_one_group() -> None:
    placed = [check for checks in GROUPS.values() for check in checks]
    assert sorted(placed) == sorted(SealCheck)
    assert set(GROUPS) == set(SealGroup)


@pytest.mark.parametrize("check", list(SealCheck))
def test_a_value_that_the_table_excludes_is_refused(check: SealCheck) -> None:
    for value in CheckOutcome:
        if value in TABLE[check]:
            assert judge({check: value}, SignerTrust.TRUSTED).outcome is value
        else:
            with pytest.raises(ValueError, match=check.value):
                judge({check: value}, SignerTrust.TRUSTED)


@pytest.mark.parametrize("group", list(SealGroup))
def test_each_group_joins_its_checks_in_every_combination(group: SealGroup) -> None:
    """Tables 5.56, 5.60, 5.64, 5.69 and 5.72; a check may also be missing."""
    for values in product(*[[*TABLE[check], None] for check in GROUPS[group]]):
        performed = {check: value for check, value in zip(GROUPS[group], values, strict=True) if value is not None}
        verdict = judge(performed, SignerTrust.TRUSTED)
        assert verdict.groups[group] is joined(list(performed.values()))
        assert all(verdict.groups[other] is N for other in SealGroup if other is not group)


def test_the_whole_joins_the_groups_in_every_combination() -> None:
    """Table 5.55: one check per group stands for it. Readability and integrity by checks that can take their values."""
    places = {
        SealGroup.READABILITY: {S: SealCheck.PRESENCE, F: SealCheck.PRESENCE, U: SealCheck.TECHNOLOGY, N: SealCheck.PRESENCE, A: SealCheck.PRESENCE},
        SealGroup.INTEGRITY: {S: SealCheck.STRUCTURE, F: SealCheck.STRUCTURE, U: SealCheck.STRUCTURE, N: SealCheck.CHECK_DIGITS, A: SealCheck.STRUCTURE},
        SealGroup.SIGNER_CERTIFICATES: dict.fromkeys(CheckOutcome, SealCheck.SIGNER_CERTIFICATE),
        SealGroup.AUTHENTICITY: dict.fromkeys(CheckOutcome, SealCheck.SIGNATURE),
        SealGroup.COUNTRY: dict.fromkeys(CheckOutcome, SealCheck.STATE_AGAINST_SUBJECT),
    }  # fmt: skip
    for values in product(CheckOutcome, repeat=5):
        checks = {places[group][value]: value for group, value in zip(SealGroup, values, strict=True)}
        whole = joined(list(values))
        for trust in SignerTrust:
            verdict = judge(checks, trust)
            assert list(verdict.groups.values()) == list(values)
            if trust is SignerTrust.TRUSTED or whole in (F, A):
                assert verdict.outcome is whole
            elif trust is SignerTrust.NOT_TRUSTED:
                assert verdict.outcome is F
            elif trust is SignerTrust.ABORTED:
                assert verdict.outcome is A
            else:
                assert verdict.outcome is (N if whole is N else U)


def test_no_seal_without_a_trusted_signer_is_successful() -> None:
    best = dict.fromkeys(SealCheck, S)
    assert [judge(best, trust).outcome for trust in SignerTrust] == [S, F, U, U, A]
    unsigned = best | dict.fromkeys((*GROUPS[SealGroup.SIGNER_CERTIFICATES], *GROUPS[SealGroup.AUTHENTICITY]), N)
    assert judge(unsigned, SignerTrust.NOT_SUPPORTED).outcome is U
