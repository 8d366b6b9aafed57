"""The passports there are to try a gate with: as they should be, old, odd, forged, and chips that misbehave."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from drivers.chip.twin.behaviour import Behaviour
from drivers.chip.twin.pace import PaceMapping, PaceOffer

GENERIC = PaceOffer(PaceMapping.ECDH_GENERIC, 2, 12)
CHIP_AUTHENTICATION_MAPPING = PaceOffer(PaceMapping.ECDH_CHIP_AUTHENTICATION, 2, 12)


class SignedBy(StrEnum):
    """Who signed the security object."""

    KNOWN = "known"
    UNKNOWN_AUTHORITY = "unknown_authority"
    EXPIRED = "expired"
    EXPIRED_SINCE = "expired_since"
    REVOKED = "revoked"
    OTHER_COUNTRY = "other_country"


class ActiveKey(StrEnum):
    """The chip's key for active authentication."""

    NONE = "none"
    RSA = "rsa"
    ECDSA = "ecdsa"
    ECDSA_DER = "ecdsa_der"


@dataclass(frozen=True, slots=True)
class ChipKeyOffer:
    """A key for chip authentication: a curve's or a modular group's parameter id, a suite, a key id; how the key names its curve."""

    parameter_id: int = 12
    suite: int = 2
    key_id: int | None = None
    is_numbered: bool = False


@dataclass(frozen=True, slots=True)
class Variant:
    """One kind of passport.

    `is_clone`: its files are another passport's, and its keys are not. `wrong_hash_of`, `missing_group`: a data group whose content
    is not what was signed, or that was signed and is not there. `is_39794`: DG2 in the newer face format.
    """

    pace: tuple[PaceOffer, ...] = (GENERIC,)
    has_basic_access: bool = True
    card_access_number: str = "123456"
    chip_key: ChipKeyOffer | None = field(default_factory=ChipKeyOffer)
    active_key: ActiveKey = ActiveKey.NONE
    is_clone: bool = False
    wrong_hash_of: int | None = None
    missing_group: int | None = None
    has_closed_groups: bool = False
    is_39794: bool = False
    digest: str = "sha256"
    signed_by: SignedBy = SignedBy.KNOWN
    behaviour: Behaviour = field(default_factory=Behaviour)


def _pace(mapping: PaceMapping, suite: int, parameter_id: int) -> Variant:
    return Variant(pace=(PaceOffer(mapping, suite, parameter_id),))


def _awkward(**switches: object) -> Variant:
    return Variant(behaviour=Behaviour(**switches))  # type: ignore[arg-type]


VARIANTS: dict[str, Variant] = {
    "modern": Variant(has_closed_groups=True),
    "bac only": Variant(pace=(), chip_key=None),
    "no bac": Variant(has_basic_access=False),
    "pace gm 3des": _pace(PaceMapping.ECDH_GENERIC, 1, 12),
    "pace gm aes-192": _pace(PaceMapping.ECDH_GENERIC, 3, 15),
    "pace gm aes-256 brainpool": _pace(PaceMapping.ECDH_GENERIC, 4, 16),
    "pace gm p-521": _pace(PaceMapping.ECDH_GENERIC, 4, 18),
    "pace gm brainpool 320": _pace(PaceMapping.ECDH_GENERIC, 2, 14),
    "pace im brainpool": _pace(PaceMapping.ECDH_INTEGRATED, 2, 13),
    "pace im aes-256": _pace(PaceMapping.ECDH_INTEGRATED, 4, 15),
    "pace dh gm": _pace(PaceMapping.DH_GENERIC, 2, 0),
    "pace dh gm 2048": _pace(PaceMapping.DH_GENERIC, 4, 2),
    "pace dh im": _pace(PaceMapping.DH_INTEGRATED, 2, 1),
    "pace cam": Variant(pace=(CHIP_AUTHENTICATION_MAPPING, GENERIC), chip_key=None),
    "pace cam brainpool": Variant(pace=(PaceOffer(PaceMapping.ECDH_CHIP_AUTHENTICATION, 4, 16),), chip_key=None),
    "ca only": Variant(chip_key=ChipKeyOffer(13, 3, 7)),
    "ca 3des": Variant(chip_key=ChipKeyOffer(12, 1)),
    "ca dh": Variant(chip_key=ChipKeyOffer(2, 2, 1)),
    "ca numbered": Variant(chip_key=ChipKeyOffer(13, 4, is_numbered=True)),
    "aa rsa": Variant(chip_key=None, active_key=ActiveKey.RSA),
    "aa ecdsa": Variant(chip_key=None, active_key=ActiveKey.ECDSA),
    "aa ecdsa der": Variant(chip_key=None, active_key=ActiveKey.ECDSA_DER),
    "no anti-clone": Variant(chip_key=None),
    "face 39794": Variant(is_39794=True),
    "sha512": Variant(digest="sha512"),
    "clone ca": Variant(is_clone=True),
    "clone aa": Variant(chip_key=None, active_key=ActiveKey.RSA, is_clone=True),
    "clone aa ecdsa": Variant(chip_key=None, active_key=ActiveKey.ECDSA, is_clone=True),
    "clone cam": Variant(pace=(CHIP_AUTHENTICATION_MAPPING,), chip_key=None, is_clone=True),
    "wrong hash of portrait": Variant(wrong_hash_of=2),
    "wrong hash of zone": Variant(wrong_hash_of=1),
    "portrait missing": Variant(missing_group=2),
    "unknown authority": Variant(signed_by=SignedBy.UNKNOWN_AUTHORITY),
    "expired signer": Variant(signed_by=SignedBy.EXPIRED),
    "signer expired since": Variant(signed_by=SignedBy.EXPIRED_SINCE),
    "revoked signer": Variant(signed_by=SignedBy.REVOKED),
    "signer of another country": Variant(signed_by=SignedBy.OTHER_COUNTRY),
    "short le only": _awkward(has_extended_length=False),
    "limit 223": _awkward(has_extended_length=False, longest_read_bytes=223),
    "limit 223 told": _awkward(has_extended_length=False, longest_read_bytes=223, too_long_status=0x6C00),
    "breaks down at 256": _awkward(has_extended_length=False, longest_read_bytes=255, too_long_status=0),
    "slow": _awkward(delay_s=0.1),
    "hanging": _awkward(hangs_at_apdu=12),
    "torn off": _awkward(torn_off_at_apdu=12),
    "endless answer": _awkward(endless_more_data=True),
    "length 0": _awkward(file_lengths={"DG2": 0}),
    "length 65535": _awkward(file_lengths={"DG2": 65_535}),
    "pace fails": _awkward(pace_fails=True),
    "pace needs parameter id": _awkward(pace_needs_parameter_id=True),
    "loses the channel once": _awkward(secure_messaging_breaks_at_apdu=11),
}
"""By name, for tests and the demonstration."""
