"""Signatures with the keys of travel documents: RSA and ECDSA, whatever way the key was encoded (ICAO 9303-12 §4.4, RFC 8017, FIPS 186-5).

The key is taken apart here and rebuilt from its numbers: the `cryptography` library refuses about one in five published keys because of
their encoding. Where it knows the curve it checks the signature; the slower `ecdsa` library does so for the rest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from asn1crypto import algos, keys
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from ecdsa.ellipticcurve import PointJacobi

from emrtd.asn1_faults import ENCODING_FAULTS
from emrtd.curves import CurveUnknown, NamedCurve, PointInvalid, curve_of, point_of

KEY_LIMIT_BYTES = 4096
_RSA_LIMIT_BITS = 8192
_RSA_EXPONENT_LIMIT_BITS = 256
_SALT_LIMIT_BYTES = 128
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 -- still in documents and lists that are in force; graded as weak, not refused
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
HASH_NAMES = frozenset(_HASHES)
"""The hashes that this gate computes, by name; all others are unknown to it."""
WEAK_HASH_NAMES = frozenset({"sha1"})
"""Those whose collisions can be bought."""

_CRYPTOGRAPHY_CURVES: dict[str, ec.EllipticCurve] = {
    "secp192r1": ec.SECP192R1(),
    "secp224r1": ec.SECP224R1(),
    "secp256r1": ec.SECP256R1(),
    "secp384r1": ec.SECP384R1(),
    "secp521r1": ec.SECP521R1(),
    "brainpoolP256r1": ec.BrainpoolP256R1(),
    "brainpoolP384r1": ec.BrainpoolP384R1(),
    "brainpoolP512r1": ec.BrainpoolP512R1(),
}
_PLAIN_ECDSA = "0.4.0.127.0.7.1.1.4.1"  # TR-03111: r || s without DER; the last arc is the hash
_PLAIN_ECDSA_HASHES = {"1": "sha1", "2": "sha224", "3": "sha256", "4": "sha384", "5": "sha512"}


class KeyUnusable(ValueError):
    """A public key that this gate cannot use: malformed, of an unknown kind or curve, or not on its curve."""


class AlgorithmUnknown(ValueError):
    """A signature or hash algorithm that this gate does not know or refuses (MD5 and older)."""


class SignatureScheme(StrEnum):
    """How a signature is made and encoded."""

    RSA_PKCS1 = "rsa_pkcs1"
    RSA_PSS = "rsa_pss"
    ECDSA = "ecdsa"  # SEQUENCE { r, s }
    ECDSA_PLAIN = "ecdsa_plain"  # r || s, both as long as the order (TR-03111 §5.2.1)


@dataclass(frozen=True, slots=True)
class SignatureAlgorithm:
    """All that a verification needs beside the key: scheme, hash by its lower-case name (`sha256`), and for PSS the MGF's hash and the salt."""

    scheme: SignatureScheme
    hash_name: str
    mask_hash_name: str | None = None
    salt_bytes: int | None = None

    @property
    def is_weak(self) -> bool:
        """Whether its hash is weak: still met in the field, graded and never refused outright."""
        return self.hash_name in WEAK_HASH_NAMES


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key, taken apart: either `modulus` and `exponent` (RSA) or `curve` and `point` (EC)."""

    modulus: int = 0
    exponent: int = 0
    curve: NamedCurve | None = None
    point: PointJacobi | None = None

    @property
    def bits(self) -> int:
        """Length of the modulus or of the curve's order."""
        return self.curve.order.bit_length() if self.curve is not None else self.modulus.bit_length()

    @property
    def kind(self) -> str:
        """What it is, for people and logs: `RSA 2048` or the curve's name."""
        return self.curve.name if self.curve is not None else f"RSA {self.bits}"


@lru_cache(maxsize=2048)
def public_key_of(spki_der: bytes) -> PublicKey:
    """Return the key of a SubjectPublicKeyInfo. Raises `KeyUnusable`; the point of an EC key was checked to lie on its curve."""
    if len(spki_der) > KEY_LIMIT_BYTES:
        raise KeyUnusable(f"a public key of {len(spki_der)} bytes")
    try:
        key = keys.PublicKeyInfo.load(spki_der, strict=True)
        kind = key["algorithm"]["algorithm"].native
        if kind == "ec":
            curve = curve_of(key["algorithm"]["parameters"])
            return PublicKey(curve=curve, point=point_of(curve, key["public_key"].native))
        if kind in ("rsa", "rsassa_pss"):
            numbers = key["public_key"].parsed
            # From the bytes: a modulus without the leading zero that DER asks for would read as negative.
            modulus, exponent = (
                int.from_bytes(numbers[name].contents, "big") for name in ("modulus", "public_exponent")
            )
            return _rsa_key(modulus, exponent)
    except (CurveUnknown, PointInvalid) as error:
        raise KeyUnusable(str(error)) from error
    except KeyUnusable:
        raise
    except ENCODING_FAULTS as error:
        raise KeyUnusable("a public key that cannot be read") from error
    raise KeyUnusable(f"a public key of the kind {kind}")


def _rsa_key(modulus: int, exponent: int) -> PublicKey:
    if not 512 <= modulus.bit_length() <= _RSA_LIMIT_BITS or not modulus % 2:
        raise KeyUnusable(f"an RSA modulus of {modulus.bit_length()} bits")
    if exponent < 3 or not exponent % 2 or exponent.bit_length() > _RSA_EXPONENT_LIMIT_BITS:
        raise KeyUnusable("an RSA exponent that cannot be one")
    return PublicKey(modulus=modulus, exponent=exponent)


def algorithm_of(
    identifier: algos.SignedDigestAlgorithm, digest: algos.DigestAlgorithm | None = None
) -> SignatureAlgorithm:
    """Return the algorithm of a certificate or SignerInfo. Raises `AlgorithmUnknown`.

    Several states name a bare `rsaEncryption` or `ecdsa` and leave the hash to SignerInfo's `digest`; PSS names all of it in its parameters.
    """
    try:
        oid = identifier["algorithm"].dotted
        if oid.startswith(f"{_PLAIN_ECDSA}."):
            return _checked(SignatureScheme.ECDSA_PLAIN, _PLAIN_ECDSA_HASHES.get(oid.rpartition(".")[2], oid))
        if oid in _BARE_SCHEMES:
            return _checked(_BARE_SCHEMES[oid], digest["algorithm"].native if digest is not None else "left open")
        if oid == _PSS:
            return _pss_algorithm(identifier["parameters"])
        return _checked(SignatureScheme(_SCHEMES[identifier.signature_algo]), identifier.hash_algo)
    except AlgorithmUnknown:
        raise
    except ENCODING_FAULTS as error:
        raise AlgorithmUnknown("a signature algorithm that cannot be read") from error


_PSS = "1.2.840.113549.1.1.10"
_SCHEMES = {"rsassa_pkcs1v15": "rsa_pkcs1", "ecdsa": "ecdsa"}
_BARE_SCHEMES = {
    "1.2.840.113549.1.1.1": SignatureScheme.RSA_PKCS1,  # rsaEncryption
    "1.2.840.10045.2.1": SignatureScheme.ECDSA,  # id-ecPublicKey, seen in SignerInfo
    "1.2.840.10045.4.3": SignatureScheme.ECDSA,  # ecdsa-with-Specified
}


def _pss_algorithm(parameters: algos.RSASSAPSSParams) -> SignatureAlgorithm:
    if not isinstance(parameters, algos.RSASSAPSSParams):
        raise AlgorithmUnknown("RSASSA-PSS without parameters")
    mask = parameters["mask_gen_algorithm"]
    if mask["algorithm"].native != "mgf1" or parameters["trailer_field"].native != "trailer_field_bc":
        raise AlgorithmUnknown("RSASSA-PSS with another mask or trailer than the standard's")
    salt_bytes = parameters["salt_length"].native
    if not 0 <= salt_bytes <= _SALT_LIMIT_BYTES:
        raise AlgorithmUnknown(f"RSASSA-PSS with a salt of {salt_bytes} bytes")
    hash_name, mask_hash_name = parameters["hash_algorithm"]["algorithm"].native, mask["parameters"]["algorithm"].native
    if mask_hash_name not in _HASHES:
        raise AlgorithmUnknown(f"hash {mask_hash_name}")
    return _checked(SignatureScheme.RSA_PSS, hash_name, mask_hash_name, salt_bytes)


def _checked(
    scheme: SignatureScheme, hash_name: str, mask_hash_name: str | None = None, salt_bytes: int | None = None
) -> SignatureAlgorithm:
    if hash_name not in _HASHES:
        raise AlgorithmUnknown(f"hash {hash_name}")
    return SignatureAlgorithm(scheme, hash_name, mask_hash_name, salt_bytes)


def verify(spki_der: bytes, signature: bytes, message: bytes, algorithm: SignatureAlgorithm) -> bool:
    """Return whether `signature` over `message` is right under the key of a SubjectPublicKeyInfo (DER).

    Raises `KeyUnusable` for a key, `AlgorithmUnknown` for a hash nobody here knows; a malformed signature is a wrong one.
    """
    return verify_with(public_key_of(spki_der), signature, message, algorithm)


def verify_with(key: PublicKey, signature: bytes, message: bytes, algorithm: SignatureAlgorithm) -> bool:
    """As `verify`, with a key that was taken apart already."""
    if algorithm.hash_name not in _HASHES or (algorithm.mask_hash_name or "sha1") not in _HASHES:
        raise AlgorithmUnknown(f"hash {algorithm.hash_name}")
    if len(signature) > KEY_LIMIT_BYTES:
        return False
    is_elliptic = algorithm.scheme in (SignatureScheme.ECDSA, SignatureScheme.ECDSA_PLAIN)
    if is_elliptic != (key.curve is not None):
        return False
    if key.curve is not None and key.point is not None:
        return _verify_ecdsa(
            key.curve, key.point, signature, hashlib.new(algorithm.hash_name, message).digest(), algorithm
        )
    return _verify_rsa(key, signature, message, algorithm)


def _verify_rsa(key: PublicKey, signature: bytes, message: bytes, algorithm: SignatureAlgorithm) -> bool:
    if len(signature) != (key.bits + 7) // 8:
        return False
    scheme: padding.AsymmetricPadding = padding.PKCS1v15()
    if algorithm.scheme is SignatureScheme.RSA_PSS:
        salt_bytes = _HASHES[algorithm.hash_name].digest_size if algorithm.salt_bytes is None else algorithm.salt_bytes
        scheme = padding.PSS(padding.MGF1(_HASHES[algorithm.mask_hash_name or algorithm.hash_name]), salt_bytes)
    try:
        public_key = rsa.RSAPublicNumbers(key.exponent, key.modulus).public_key()
        public_key.verify(signature, message, scheme, _HASHES[algorithm.hash_name])
    except InvalidSignature:
        return False
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnusable(f"{key.kind} is refused") from error
    return True


def _verify_ecdsa(
    curve: NamedCurve, point: PointJacobi, signature: bytes, digest: bytes, algorithm: SignatureAlgorithm
) -> bool:
    numbers = _signature_numbers(curve, signature, algorithm.scheme)
    if numbers is None or not all(0 < number < curve.order for number in numbers):
        return False
    known = _CRYPTOGRAPHY_CURVES.get(curve.name)
    if known is not None:
        try:
            public_key = ec.EllipticCurvePublicNumbers(int(point.x()), int(point.y()), known).public_key()
            prehashed = ec.ECDSA(utils.Prehashed(_HASHES[algorithm.hash_name]))
            public_key.verify(utils.encode_dss_signature(*numbers), digest, prehashed)
        except InvalidSignature:
            return False
        except (ValueError, UnsupportedAlgorithm):
            pass  # a build of the library without this curve
        else:
            return True
    surplus_bits = max(0, 8 * len(digest) - curve.order.bit_length())
    truncated = int.from_bytes(digest, "big") >> surplus_bits
    r, s = numbers
    inverse = pow(s, -1, curve.order)
    total = curve.generator.mul_add(truncated * inverse % curve.order, point, r * inverse % curve.order)
    x = total.x()  # None at infinity, where the library's own verification fails with a TypeError
    return x is not None and int(x) % curve.order == r


def _signature_numbers(curve: NamedCurve, signature: bytes, scheme: SignatureScheme) -> tuple[int, int] | None:
    """Return r and s, or None when the bytes are no signature of that form."""
    if scheme is SignatureScheme.ECDSA_PLAIN:
        half = (curve.order.bit_length() + 7) // 8
        if len(signature) != 2 * half:
            return None
        return int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    try:
        return utils.decode_dss_signature(signature)
    except ValueError:
        return None
