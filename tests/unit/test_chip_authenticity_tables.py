"""Every combination of the electronic truth tables (TR-03135-1, 5.17 to 5.43) against a closed form written independently."""

from itertools import product

import pytest

from gate_agent.domain.check import CheckOutcome
from gate_agent.inspection.certificate_defects import Trust, trust_of_revoked
from gate_agent.inspection.certificate_revocation import RevocationStatus
from gate_agent.inspection.chip_authenticity_tables import (
    DATA_GROUP_OUTCOMES,
    SIGNER_OUTCOMES,
    Aggregate,
    DataGroupState,
    ObjectPresence,
    ProtocolFinding,
    SignerFinding,
    access_protocol,
    aggregate,
    authentication_protocol,
    chip_integrity,
    issuing_state,
    presence_lists,
    revocation,
    security_object_signature,
    security_objects,
    validities,
    validity,
)

S, F, U, N, A = (CheckOutcome(name) for name in ("successful", "failed", "undetermined", "not_supported", "aborted"))
ALL = (S, F, U, N, A)
EVERY_TABLE = pytest.mark.parametrize("table", Aggregate)


def inputs(longest=4):
    for length in range(longest + 1):
        yield from product(ALL, repeat=length)


def ranked(values, order, empty):
    """The first of `order` that stands among the values."""
    return next((one for one in order if one in values), empty)


def never_not_supported(values):
    """F > A > (U or N) > S, and nothing from nothing."""
    found = ranked(values, (F, A, U, N, S), U)
    return U if found is N else found


ORACLES = {
    Aggregate.ACCESS_PROTOCOLS: lambda v: ranked([A if one is U else one for one in v], (F, A, N, S), A),
    Aggregate.BASIC_ACCESS_OR_PACE: lambda v: ranked([A if one is U else one for one in v], (S, F, A, N), A),
    Aggregate.CHIP_CONTENT: never_not_supported,
    Aggregate.CHIP_GENUINENESS: lambda v: ranked(v, (S, F, A, U, N), U),
    Aggregate.SECURITY_OBJECT: never_not_supported,
    Aggregate.ISSUER_CERTIFICATES: never_not_supported,
    Aggregate.CHIP_INTEGRITY: never_not_supported,
    Aggregate.DATA_GROUPS: never_not_supported,
}  # fmt: skip


@EVERY_TABLE
def test_every_combination_follows_the_closed_form(table):
    for values in inputs():
        assert aggregate(table, values) is ORACLES[table](list(values)), (table, values)


@EVERY_TABLE
def test_nothing_leads_from_aborted_to_successful_and_no_failure_is_hidden(table):
    one_is_enough = table in (Aggregate.CHIP_GENUINENESS, Aggregate.BASIC_ACCESS_OR_PACE)
    for values in inputs():
        result = aggregate(table, values)
        if one_is_enough and S in values:
            assert result is S
            continue
        if A in values:
            assert result in (A, F)
        if F in values:
            assert result is F
        if result is S:
            assert set(values) == {S}


@EVERY_TABLE
def test_the_order_and_repetition_of_inputs_change_nothing(table):
    for values in inputs(3):
        assert aggregate(table, values) is aggregate(table, tuple(reversed(values))) is aggregate(table, values * 2)


@pytest.mark.parametrize(
    ("table", "never"),
    [
        (Aggregate.ACCESS_PROTOCOLS, U),
        (Aggregate.BASIC_ACCESS_OR_PACE, U),
        (Aggregate.CHIP_CONTENT, N),
        (Aggregate.SECURITY_OBJECT, N),
        (Aggregate.ISSUER_CERTIFICATES, N),
        (Aggregate.CHIP_INTEGRITY, N),
        (Aggregate.DATA_GROUPS, N),
    ],
)
def test_the_value_that_a_table_never_gives(table, never):
    assert never not in {aggregate(table, values) for values in inputs()}


def test_security_objects_in_every_combination():
    for presences in product(ObjectPresence, repeat=3):
        for outcomes in product(ALL, repeat=3):
            objects = dict(
                zip(("SOD", "CardSecurity", "ChipSecurity"), zip(presences, outcomes, strict=True), strict=True)
            )
            read = [outcome for presence, outcome in objects.values() if presence is ObjectPresence.READ]
            expected = U
            if F in read or ObjectPresence.EMPTY in presences:
                expected = F
            elif A in read:
                expected = A
            elif presences[0] is ObjectPresence.READ and set(read) == {S}:
                expected = S
            assert security_objects(objects) is expected
    assert security_objects({}) is U


def test_data_groups_one_by_one():
    assert DATA_GROUP_OUTCOMES == {
        DataGroupState.IDENTICAL: S,
        DataGroupState.NOT_IDENTICAL: F,
        DataGroupState.PRESENT: U,
        DataGroupState.NOT_PRESENT: F,
        DataGroupState.NON_CONFORMANCE: U,
        DataGroupState.ABORTED: A,
    }
    for states in product(DataGroupState, repeat=3):
        result = aggregate(Aggregate.DATA_GROUPS, (DATA_GROUP_OUTCOMES[state] for state in states))
        assert (result is S) == (set(states) == {DataGroupState.IDENTICAL})


def test_protocols_with_every_defect():
    plain = dict(zip(ProtocolFinding, (S, F, U, N, A), strict=True))
    for finding, compromised, known in product(ProtocolFinding, (False, True), (False, True)):
        expected = plain[finding]
        if compromised and expected is not N:
            expected = F
        elif known and expected is F:
            expected = U
        assert authentication_protocol(finding, key_compromised=compromised, known_to_fail=known) is expected
    assert [access_protocol(finding) for finding in ProtocolFinding] == [S, F, A, N, A]


def test_signatures_validities_and_states():
    assert [security_object_signature(one) for one in (True, False, None)] == [S, F, U]
    assert [security_object_signature(one, known_malformed=True) for one in (True, False, None)] == [S, U, U]
    assert [validity(one) for one in (True, False, None)] == [S, F, U]
    assert {validity(one, known_incorrect=True) for one in (True, False, None)} == {N}
    assert [issuing_state(one) for one in (True, False, None)] == [S, F, U]
    assert [presence_lists(one) for one in (True, False, None)] == [S, F, N]
    assert [presence_lists(one, known_discrepancy=True) for one in (True, False, None)] == [S, U, N]
    assert dict(zip(SignerFinding, (S, S, F, U, A), strict=True)) == SIGNER_OUTCOMES


def test_both_validities_in_every_combination():
    for one, other in product(ALL, repeat=2):
        expected = U if N in (one, other) else ranked((one, other), (F, A, U, S), U)
        assert validities(one, other) is expected


def test_integrity_leaves_an_absent_list_out_and_hides_nothing():
    for lists, groups in product(ALL, repeat=2):
        expected = never_not_supported([groups] if lists is N else [lists, groups])
        assert chip_integrity(lists, groups) is expected


def test_revocation_with_every_trust():
    for status, trust in product(RevocationStatus, Trust):
        expected = U
        if status is RevocationStatus.REVOKED or trust is Trust.NOT_TRUSTED:
            expected = F
        elif trust is Trust.ABORTED:
            expected = A
        elif (status, trust) == (RevocationStatus.GOOD, Trust.TRUSTED):
            expected = S
        assert revocation(status, trust) is expected


def test_trust_after_the_defect_of_a_revoked_signer():
    not_trusted = {0, 2, 3, 4}
    for details in range(200):
        assert trust_of_revoked(details) is (Trust.NOT_TRUSTED if details in not_trusted else Trust.UNDETERMINED)
