"""Makes a virtual passport: files, signatures and keys of one document, as a printing house would."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from drivers.chip.twin import curve_table, modular_groups, tlv
from drivers.chip.twin.authentication import ActiveAuthentication, ChipAuthentication
from drivers.chip.twin.authority import DocumentSigner, TestAuthority
from drivers.chip.twin.certificates import Period
from drivers.chip.twin.curve_keys import CurveKey, curve_key
from drivers.chip.twin.data_groups import (
    active_authentication_group,
    content_list,
    mrz_group,
    portrait_group,
    security_group,
    security_object,
)
from drivers.chip.twin.entropy import Entropy, SeededEntropy, scalar
from drivers.chip.twin.key_agreement import agreement
from drivers.chip.twin.pace import PaceMapping
from drivers.chip.twin.passport import ChipContents, VirtualPassport
from drivers.chip.twin.rsa import rsa_key
from drivers.chip.twin.security_infos import (
    active_authentication_info,
    chip_authentication_infos,
    chip_public_key,
    encode,
    modular_public_key,
    numbered_public_key,
    pace_infos,
)
from drivers.chip.twin.signed_content import CARD_SECURITY, signed_content
from drivers.chip.twin.variants import ActiveKey, ChipKeyOffer, SignedBy, Variant

_YEAR = timedelta(days=365)
_MODULUS_BITS = 1536  # as many chips in circulation; larger keys cost the first personalisation a second


@dataclass(frozen=True, slots=True)
class _ChipKeys:
    """What the files say of a chip's keys, and the keys that it really holds: others, in a clone."""

    infos: tuple[bytes, ...] = ()
    chip_authentication: tuple[ChipAuthentication, ...] = ()


def personalise(
    mrz_lines: Sequence[str],
    portrait: bytes,
    authority: TestAuthority,
    variant: Variant | None = None,
    *,
    seed: str = "",
    entropy: Entropy | None = None,
) -> VirtualPassport:
    """Return the passport of these printed lines with this portrait (JPEG or JPEG 2000), signed as the variant wants.

    `seed` makes its keys, the printed lines unless given; `entropy` feeds its challenges and ephemeral keys.
    """
    variant = variant or Variant()
    seed = seed or "".join(mrz_lines)
    signer, signing_time = _signer(authority, variant.signed_by)
    static_key = _mapping_key(variant, seed)
    chip_key = _chip_key(variant.chip_key, seed, is_clone=variant.is_clone) if variant.chip_key else _ChipKeys()
    active = _active_key(variant.active_key, seed)
    groups = {1: mrz_group(mrz_lines), 2: portrait_group(portrait, is_39794=variant.is_39794)}
    if variant.has_closed_groups:
        groups[3] = tlv.tlv(0x63, tlv.tlv(0x7F61, tlv.tlv(0x02, b"\x00")))
    infos = [*pace_infos(variant.pace), *chip_key.infos]
    if active is not None and isinstance(active.key, CurveKey):
        infos.append(active_authentication_info(active.digest))
    if chip_key.infos or isinstance(active.key if active else None, CurveKey):
        groups[14] = security_group(infos)
    if active is not None:
        groups[15] = active_authentication_group(active.key.subject_public_key_info())
    signed = dict(groups)
    if variant.wrong_hash_of is not None:
        signed[variant.wrong_hash_of] += b"\x00"
    files = {f"DG{group}": content for group, content in groups.items() if group != variant.missing_group}
    files["EF.COM"] = content_list(groups)
    files["EF.SOD"] = security_object(signed, signer.signer, digest=variant.digest, signing_time=signing_time)
    if variant.pace:
        files["EF.CardAccess"] = encode(pace_infos(variant.pace))
    if static_key is not None:
        card_security = encode([*pace_infos(variant.pace), chip_public_key(static_key.subject_public_key_info(), None)])
        files["EF.CardSecurity"] = signed_content(
            CARD_SECURITY, card_security, signer.signer, signing_time=signing_time
        )
    contents = ChipContents(
        files=files,
        mrz_information=mrz_information(mrz_lines),
        card_access_number=variant.card_access_number,
        has_basic_access=variant.has_basic_access,
        pace_offers=variant.pace,
        pace_static_key=static_key.private + variant.is_clone if static_key else 0,
        chip_authentication=chip_key.chip_authentication,
        active_authentication=_active_key(variant.active_key, f"{seed} copy") if variant.is_clone else active,
    )
    return VirtualPassport(contents, behaviour=variant.behaviour, entropy=entropy or SeededEntropy(f"chip {seed}"))


def mrz_information(lines: Sequence[str]) -> str:
    """Return number, birth and expiry of the printed lines, each with its check digit (ICAO 9303-11 §4.3.2 and appendix D.2)."""
    if len(lines) == 3:
        first, second = lines[0], lines[1]
        number = first[5:15]
        if first[14] == "<":  # a long number goes on in the optional field, its check digit after it
            overflow = first[15:30].split("<", 1)[0]
            number = first[5:14] + overflow
        return number + second[0:7] + second[8:15]
    second = lines[1]
    return second[0:10] + second[13:20] + second[21:28]


def revoked_signer(authority: TestAuthority) -> DocumentSigner:
    """Return the signer of passports that `SignedBy.REVOKED` asks for; the authority's revocation list should name it."""
    return authority.document_signer("revoked")


def other_country(authority: TestAuthority) -> TestAuthority:
    """Return the authority that signs for `SignedBy.OTHER_COUNTRY`: a trusted one, of a place that issues no passports."""
    return TestAuthority(authority.today.date(), seed="neighbour", country="AQ")


def trust_files(authority: TestAuthority) -> dict[str, bytes]:
    """Return what a gate needs to judge every variant, by file name: both country signers and their revocation lists."""
    neighbour = other_country(authority)
    return {
        "utopia.cer": authority.certificate,
        "utopia.crl": authority.revocation_list([revoked_signer(authority)]),
        "neighbour.cer": neighbour.certificate,
        "neighbour.crl": neighbour.revocation_list(),
    }


def _signer(authority: TestAuthority, signed_by: SignedBy) -> tuple[DocumentSigner, datetime]:
    today = authority.today
    yesterday = today - timedelta(days=1)
    ended = Period(today - 2 * _YEAR, today - timedelta(days=30))
    match signed_by:
        case SignedBy.UNKNOWN_AUTHORITY:
            stranger = TestAuthority(today.date(), seed="stranger", country=authority.name.country)
            return stranger.document_signer(), yesterday
        case SignedBy.OTHER_COUNTRY:
            return other_country(authority).document_signer(), yesterday
        case SignedBy.EXPIRED:
            return authority.document_signer("ended", validity=ended), yesterday
        case SignedBy.EXPIRED_SINCE:
            return authority.document_signer("ended", validity=ended), today - _YEAR
        case SignedBy.REVOKED:
            return revoked_signer(authority), yesterday
        case SignedBy.KNOWN:
            return authority.document_signer(), yesterday


def _mapping_key(variant: Variant, seed: str) -> CurveKey | None:
    """Return the static key of chip-authentication mapping, on the curve of its PACE."""
    for offer in variant.pace:
        if offer.mapping is PaceMapping.ECDH_CHIP_AUTHENTICATION:
            curve = curve_table.BY_PARAMETER_ID[offer.parameter_id]
            return curve_key(f"mapping {seed}", curve, is_explicit=True)
    return None


def _chip_key(offer: ChipKeyOffer, seed: str, *, is_clone: bool) -> _ChipKeys:
    group = agreement(offer.parameter_id)
    private = scalar(SeededEntropy(f"chip authentication {seed}"), group.order)
    if offer.parameter_id in modular_groups.BY_PARAMETER_ID:
        domain = modular_groups.BY_PARAMETER_ID[offer.parameter_id]
        public = modular_public_key(domain.p, domain.g, domain.q, int.from_bytes(group.public_key(private), "big"))
    elif offer.is_numbered:
        public = numbered_public_key(curve_table.BY_PARAMETER_ID[offer.parameter_id], group.public_key(private))
    else:
        curve = curve_table.BY_PARAMETER_ID[offer.parameter_id]
        public = CurveKey(curve, private, is_explicit=True).subject_public_key_info()
    signed = ChipAuthentication(group, private, offer.suite, offer.key_id)
    held = replace(signed, private=private + 1) if is_clone else signed
    is_curve = offer.parameter_id in curve_table.BY_PARAMETER_ID
    infos = (*chip_authentication_infos(signed), chip_public_key(public, offer.key_id, is_curve=is_curve))
    return _ChipKeys(infos, (held,))


def _active_key(kind: ActiveKey, seed: str) -> ActiveAuthentication | None:
    if kind is ActiveKey.NONE:
        return None
    if kind is ActiveKey.RSA:
        return ActiveAuthentication(rsa_key(f"active {seed}", _MODULUS_BITS))
    key = curve_key(f"active {seed}", curve_table.BY_NAME["brainpoolP256r1"], is_explicit=True)
    return ActiveAuthentication(key, is_der=kind is ActiveKey.ECDSA_DER)
