"""Objects that states sign: EF.SOD, EF.CardSecurity, certificates, revocation lists, master lists and deviation lists."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache

from asn1crypto import pem
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from drivers.chip.twin.authority import TestAuthority
from drivers.chip.twin.curve_keys import CurveKey
from drivers.chip.twin.personalisation import trust_files
from drivers.chip.twin.rsa import RsaKey
from drivers.chip.twin.signatures import Scheme
from drivers.chip.twin.signed_content import CARD_SECURITY, MASTER_LIST, SECURITY_OBJECT, Signer, signed_content
from emrtd.data_groups import MalformedDataGroup, listed_data_groups
from emrtd.public_keys import KeyUnusable
from emrtd.security_infos import MalformedSecurityInfos, parse_security_infos
from emrtd.tlv import MalformedTlv, children, encode_tlv, read_only_tlv, read_tlv
from gate_agent.domain.check import CheckOutcome
from gate_agent.inspection import trust_lists, trust_signed_content
from gate_agent.inspection.certificate_chain import judge_chain
from gate_agent.inspection.certificate_reading import (
    CertificateMalformed,
    certificates_in_file,
    read_certificate,
)
from gate_agent.inspection.certificate_revocation import RevocationListMalformed, read_revocation_list
from gate_agent.inspection.security_object import (
    SecurityObjectMalformed,
    judge_card_security,
    judge_sod,
    read_digests,
)
from gate_agent.inspection.trust_lists import (
    DEVIATION_LIST_TYPE,
    ListRefused,
    read_deviation_list,
    read_master_list,
)
from gate_agent.inspection.trust_signed_content import read_signed_content
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate, TrustStore
from tests.contract.virtual_passports import TODAY
from tests.fuzz.chip_files import chip_files
from tests.fuzz.target import Target, layers
from tests.unit import document_issuers as utopia

_S, _F, _U = CheckOutcome.SUCCESSFUL, CheckOutcome.FAILED, CheckOutcome.UNDETERMINED


@dataclass(frozen=True, slots=True)
class _QuickScheme(Scheme):
    """ECDSA as the twin names it, signed by a library: a fuzzer signs a million times."""

    def sign(self, key: RsaKey | CurveKey, message: bytes) -> bytes:
        assert isinstance(key, CurveKey)
        return _private(key.private).sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))


@cache
def _private(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number, ec.SECP256R1())


AUTHORITY = TestAuthority(TODAY, scheme=_QuickScheme(curve="P-256"))
NOW = AUTHORITY.today + timedelta(hours=9)
DATE_OF_EXPIRY = NOW + timedelta(days=2000)


def _store() -> TrustStore:
    issuer = HeldCertificate(read_certificate(AUTHORITY.certificate), CertificateRole.ISSUER, ("fuzz",))
    return TrustStore([issuer], [read_revocation_list(AUTHORITY.revocation_list())])


def _remember_certificates() -> None:
    """Read each enclosed certificate once: it takes longer than all the rest, and `certificate` is a target of its own."""
    trust_signed_content.read_certificate = trust_lists.read_certificate = lru_cache(maxsize=256)(read_certificate)


def _signed(content_type: str, content: bytes, signer: Signer) -> bytes:
    return signed_content(content_type, content, signer, signing_time=NOW - timedelta(days=1))


def security_object() -> Target:
    """EF.SOD and EF.CardSecurity as a chip hands them in, and the same with any content, signed by a trusted signer."""
    _remember_certificates()
    store, signer = _store(), AUTHORITY.document_signer().signer
    groups = {1: b"\x61\x01\x00", 2: b"\x75\x01\x00", 14: b"\x6e\x00"}
    contents = [utopia.security_object(groups, name, version) for name in ("sha256", "sha512") for version in (0, 1)]
    announced = [chip_files(name)["EF.CardAccess"] for name in ("modern", "pace cam")]
    known = frozenset((*contents, *announced))

    def sod(content: bytes) -> bool:
        return _sod(content, known)

    def _sod(content: bytes, vouched_for: frozenset[bytes]) -> bool:
        finding = judge_sod(content, store, NOW, date_of_expiry=DATE_OF_EXPIRY)
        if finding.digests is None:
            assert (finding.outcome, finding.is_proven, finding.chain.outcome) == (_F, False, _U)
            return False
        assert finding.is_proven or finding.outcome is not _S
        if finding.is_proven:
            read = read_signed_content(read_tlv(content).value, _SOD_TYPES, len(content))
            assert read.content in vouched_for, "proven, and nobody signed it"
            _assert_listed(content, frozenset(finding.digests.digests))
        return finding.is_proven

    def signed_sod(content: bytes) -> bool:
        try:
            digests = read_digests(content)
        except SecurityObjectMalformed:
            return False
        assert digests.digests
        assert set(digests.digests) <= set(range(1, 17))
        return _sod(encode_tlv(0x77, _signed(SECURITY_OBJECT, content, signer)), frozenset((content,)))

    def card_security(content: bytes) -> bool:
        finding = judge_card_security(content, store, NOW)
        assert finding.is_proven or finding.outcome is not _S
        if finding.is_proven:
            assert read_signed_content(content, {CARD_SECURITY}, len(content)).content in known
        return finding.is_proven

    def signed_card_security(content: bytes) -> bool:
        try:
            parse_security_infos(content)
        except MalformedSecurityInfos:
            return False
        finding = judge_card_security(_signed(CARD_SECURITY, content, signer), store, NOW)
        assert finding.is_proven, "what we sign is proven as soon as it can be read"
        return finding.is_proven

    return layers(
        (sod, [encode_tlv(0x77, _signed(SECURITY_OBJECT, one, signer)) for one in contents]),
        (signed_sod, contents),
        (card_security, [_signed(CARD_SECURITY, one, signer) for one in announced]),
        (signed_card_security, announced),
    )


_SOD_TYPES = frozenset({SECURITY_OBJECT, "1.2.840.113549.1.7.1", "1.3.27.1.1.1"})


def _assert_listed(content: bytes, numbers: frozenset[int]) -> None:
    """The chip driver lists data groups with another reader, before anything is verified: whatever is proven, both read alike."""
    try:
        listed = listed_data_groups(content)
    except MalformedDataGroup:
        return  # indefinite lengths, which the driver does not read: it then asks the chip for everything
    assert listed == numbers


def certificate() -> Target:
    """Certificates in DER, PEM files, and the judgement on who issued them."""
    store, issuer = _store(), read_certificate(AUTHORITY.certificate)
    newer = TestAuthority(TODAY, seed="newer", scheme=_QuickScheme(curve="P-256"))
    root = utopia.certify(keys_=utopia.ec_keys())
    under = utopia.certify(common_name="DS", issuer=root, is_authority=False, usage=(utopia.on(2024), utopia.on(2026)))
    odd = utopia.certify(keys_=utopia.rsa_keys(pss=True), serial=-5, extended_usage="2.23.136.1.1.3")
    seeds = [
        AUTHORITY.certificate,
        AUTHORITY.document_signer().signer.certificate,
        AUTHORITY.link_certificate(newer),
        *(one.certificate for one in (root, under, odd)),
    ]
    signed_bytes = frozenset(read_certificate(seed).tbs for seed in seeds)

    def der(content: bytes) -> bool:
        try:
            found = read_certificate(content)
        except CertificateMalformed:
            return False
        assert found.der == content
        for part in (found.tbs, found.spki, found.key_identifier, found.authority_key_identifier):
            assert part in content, "parts are the raw bytes"
        assert found.country == found.country.upper()
        assert found.signing_period is None or found.validity is not None
        assert found.title
        with contextlib.suppress(KeyUnusable):
            assert found.key.bits > 0
        if found.is_signed_by(issuer):
            assert found.tbs in signed_bytes, "signed, and nobody signed it"
        chain = judge_chain(found, store, NOW, date_of_expiry=DATE_OF_EXPIRY)
        if chain.outcome is _S or chain.revocation_outcome is _S:
            assert found.tbs in signed_bytes
        assert judge_chain(found, store, None).outcome is not _S, "nothing is successful while the time is not trusted"
        return True

    def file(content: bytes) -> bool:
        try:
            found = certificates_in_file(content)
        except CertificateMalformed:
            return False
        accepted = [der(one) for one in found if len(one) <= 8192]
        return any(accepted)

    return layers((der, seeds), (file, [_pem(one) for one in seeds[:2]] + [_pem(seeds[0]) + _pem(seeds[3])]))


def _pem(der: bytes) -> bytes:
    return bytes(pem.armor("CERTIFICATE", der))


def revocation_list() -> Target:
    issuer = read_certificate(AUTHORITY.certificate)
    root = utopia.certify()
    seeds = [
        AUTHORITY.revocation_list(),
        AUTHORITY.revocation_list([AUTHORITY.document_signer("a"), AUTHORITY.document_signer("b")]),
        trust_files(TestAuthority(TODAY))["utopia.crl"],
        utopia.revocation_list(root, [1, 77, 1 << 64]),
        utopia.revocation_list(root, [], next_update=None),
    ]
    signed_bytes = frozenset(read_revocation_list(seed).tbs for seed in seeds)

    def check(content: bytes) -> bool:
        try:
            found = read_revocation_list(content)
        except RevocationListMalformed:
            return False
        assert found.tbs in content
        assert found.tbs in signed_bytes or not found.is_signed_by(issuer), "signed, and nobody signed it"
        assert found.next_update is not None or not found.is_current(NOW)
        if found.is_current(NOW):
            assert found.this_update <= NOW
        return True

    return Target(tuple(seeds), check)


def trust_list() -> Target:
    """Master lists and deviation lists as they are imported, and the same with any content under a signer of a pinned root."""
    root = read_certificate(AUTHORITY.certificate)
    signer = AUTHORITY.document_signer("lists").signer
    _remember_certificates()
    # The same in every run: what a former run's corpus holds was signed, too.
    whole = AUTHORITY.master_list([AUTHORITY.certificate, TestAuthority(TODAY, seed="second").certificate])
    deviating = [
        (b"\x82\x04abcd", [f"{DEVIATION_LIST_TYPE}.2.3"]),
        (b"\x83\x20" + bytes(32), [f"{DEVIATION_LIST_TYPE}.1.1", f"{DEVIATION_LIST_TYPE}.2.4"]),
    ]
    lister = utopia.certify()
    deviations = utopia.deviation_list(lister, deviating)
    lister_read = read_certificate(lister.certificate)
    inner_list = read_signed_content(whole, {MASTER_LIST}, 1 << 16).content
    inner_deviations = read_signed_content(deviations, {DEVIATION_LIST_TYPE}, 1 << 16).content

    def master_list(content: bytes, expected: bytes = inner_list) -> bool:
        try:
            found = read_master_list(content, [root])
        except ListRefused:
            return False
        inner = list(children(read_only_tlv(expected, 0x30)))[1].value
        assert len(list(children(inner))) == len(found.certificates) + len(found.skipped), "no certificate is lost"
        assert found.root is not None
        assert all(one.der in expected for one in found.certificates), "believed, and nobody signed it"
        return True

    def signed_master_list(content: bytes) -> bool:
        return _is_tlv(content) and master_list(_signed(MASTER_LIST, content, signer), content)

    def deviation_list(content: bytes) -> bool:
        try:
            found = read_deviation_list(content, [lister_read])
        except ListRefused:
            return False
        assert read_signed_content(content, {DEVIATION_LIST_TYPE}, len(content)).content == inner_deviations
        assert found.unused == 0
        return True

    def signed_deviation_list(content: bytes) -> bool:
        if not _is_tlv(content):
            return False
        try:
            found = read_deviation_list(_signed(DEVIATION_LIST_TYPE, content, signer), [root])
        except ListRefused:
            return False
        assert all(one.said_by == root.country for one in found.defects), "a state speaks of its own signers only"
        return True

    return layers(
        (master_list, [whole]),
        (signed_master_list, [inner_list]),
        (deviation_list, [deviations]),
        (signed_deviation_list, [inner_deviations]),
        limit_bytes=8192,
    )


def _is_tlv(content: bytes) -> bool:
    """Whether a list's reader would come past its first line: only then is it worth a signature."""
    try:
        return bool(list(children(read_only_tlv(content, 0x30))))
    except MalformedTlv:
        return False
