"""Signatures and keys that others' verifiers have taken: the cases that the suite of the C2SP (Wycheproof) names, made here with own keys.

The suite itself is third-party material and not at hand. Every curve is tried, because some are verified by one library and some by another.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

import ecdsa
import pytest
from asn1crypto import core

from drivers.chip.twin import tlv
from drivers.chip.twin.rsa import DIGEST_OBJECT_IDS, RsaKey, rsa_key
from emrtd.curves import CURVES, NamedCurve, PointInvalid, point_of
from emrtd.public_keys import (
    KeyUnusable,
    PublicKey,
    SignatureAlgorithm,
    SignatureScheme,
    _verify_ecdsa,
    public_key_of,
    verify_with,
)

EVERY_CURVE = pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
DER, PLAIN = SignatureScheme.ECDSA, SignatureScheme.ECDSA_PLAIN
MESSAGE = b"123400"
SHA256 = SignatureAlgorithm(DER, "sha256")
# The longest hash that is no longer than the order, so that a digest is a number that can be chosen.
FITTING = {160: ("sha1", 20), 192: ("sha1", 20), 224: ("sha224", 28), 256: ("sha256", 32), 320: ("sha256", 32), 384: ("sha384", 48), 512: ("sha512", 64), 521: ("sha512", 64)}  # fmt: skip


def signed(curve: NamedCurve) -> tuple[PublicKey, int, int]:
    """Return a key and the two numbers of its signature over the message."""
    secret = ecdsa.SigningKey.from_secret_exponent(0x1234567, curve=curve.ecdsa_curve)
    r, s = secret.sign_digest_deterministic(
        hashlib.sha256(MESSAGE).digest(),
        hashfunc=hashlib.sha256,
        sigencode=lambda r, s, _: (int(r), int(s)),
        allow_truncate=True,
    )
    return PublicKey(curve=curve, point=secret.verifying_key.pubkey.point), r, s


def encoded(r: int, s: int) -> bytes:
    """Return the two numbers in DER, negative ones too."""
    return tlv.sequence(core.Integer(r).dump(), core.Integer(s).dump())


@EVERY_CURVE
def test_the_other_sign_of_s_is_right_and_nothing_else_near_it_is(curve: NamedCurve) -> None:
    key, r, s = signed(curve)
    n, p = curve.order, int(curve.ecdsa_curve.curve.p())
    assert verify_with(key, encoded(r, s), MESSAGE, SHA256)
    assert verify_with(key, encoded(r, n - s), MESSAGE, SHA256), "malleable, as ECDSA is"
    bits = 8 * curve.field_bytes
    for numbers in (
        (r + n, s), (r, s + n), (r - n, s), (r, s - n), (-r, s), (r, -s), (n - r, s), (s, r), (r + (1 << bits), s),
        (r, s + (1 << bits)), (r + (1 << 2 * bits), s), (r + 1, s), (r, s + 1),
    ):  # fmt: skip
        assert not verify_with(key, encoded(*numbers), MESSAGE, SHA256)
    special = (0, 1, 2, -1, n, n - 1, n + 1, p, p + 1)
    for numbers in [(one, other) for one in special for other in special] + [(0, s), (r, 0), (n, s), (r, n)]:
        assert not verify_with(key, encoded(*numbers), MESSAGE, SHA256)


def encodings(r: bytes, s: bytes) -> dict[str, bytes]:
    """Return encodings that are not DER, or not of two integers, for the INTEGER elements r and s."""
    body = r + s
    size = len(body).to_bytes(2, "big")
    return {
        "length in the long form": b"\x30\x82" + size + body,
        "length with a leading zero": b"\x30\x83\x00" + size + body,
        "indefinite length": b"\x30\x80" + body + b"\x00\x00",
        "length one too long": tlv.sequence(body + b"\x00")[:-1],
        "length one too short": tlv.sequence(body[:-1]) + body[-1:],
        "length of 32 bits and more": b"\x30\x85\x01\x00\x00" + size + body,
        "length of 64 bits": b"\x30\x88" + b"\xff" * 8 + body,
        "bytes behind": tlv.sequence(body) + b"\x05\x00",
        "bytes inside": tlv.sequence(body, b"\x05\x00"),
        "zeros inside": tlv.sequence(body, b"\x00\x00"),
        "a third integer": tlv.sequence(body, tlv.integer(1)),
        "one integer": tlv.sequence(r),
        "nothing": tlv.sequence(),
        "a set": tlv.set_of([r, s]),
        "twice": tlv.sequence(tlv.sequence(body)),
        "bare integers": body,
        "r padded": tlv.sequence(tlv.tlv(0x02, b"\x00\x00" + r[2:]), s),
        "s padded": tlv.sequence(r, tlv.tlv(0x02, b"\x00\x00" + s[2:])),
        "r without content": tlv.sequence(b"\x02\x00", s),
        "s without content": tlv.sequence(r, b"\x02\x00"),
        "r as octets": tlv.sequence(tlv.tlv(0x04, r[2:]), s),
        "s as null": tlv.sequence(r, b"\x05\x00"),
        "both true": tlv.sequence(b"\x01\x01\xff", b"\x01\x01\xff"),
        "both false": tlv.sequence(b"\x01\x01\x00", b"\x01\x01\x00"),
        "both real zero": tlv.sequence(b"\x09\x01\x00", b"\x09\x01\x00"),
        "texts": tlv.sequence(b"\x0c\x010", b"\x0c\x010"),
        "empty bytes": b"",
    }


@EVERY_CURVE
def test_one_encoding_only(curve: NamedCurve) -> None:
    key, r, s = signed(curve)
    assert verify_with(key, tlv.sequence(tlv.integer(r), tlv.integer(s)), MESSAGE, SHA256)
    for title, wrong in encodings(tlv.integer(r), tlv.integer(s)).items():
        assert not verify_with(key, wrong, MESSAGE, SHA256), title


@EVERY_CURVE
def test_a_number_that_lacks_its_leading_zero_is_negative(curve: NamedCurve) -> None:
    key, r, s = signed(curve)
    width = (curve.order.bit_length() + 7) // 8
    lacking = tlv.sequence(*(tlv.tlv(0x02, one.to_bytes(width, "big")) for one in (r, s)))
    right = tlv.sequence(tlv.integer(r), tlv.integer(s))
    assert verify_with(key, lacking, MESSAGE, SHA256) == (lacking == right)


@EVERY_CURVE
def test_plain_numbers_have_one_width(curve: NamedCurve) -> None:
    key, r, s = signed(curve)
    width = (curve.order.bit_length() + 7) // 8
    algorithm = SignatureAlgorithm(PLAIN, "sha256")
    right = r.to_bytes(width, "big") + s.to_bytes(width, "big")
    assert verify_with(key, right, MESSAGE, algorithm)
    wider = r.to_bytes(width + 1, "big") + s.to_bytes(width + 1, "big")
    n = curve.order.to_bytes(width, "big")
    for wrong in (wider, right[1:], right + b"\x00", b"\x00" + right, bytes(2 * width), n + n, right[:width] + n):
        assert not verify_with(key, wrong, MESSAGE, algorithm)


def verified(curve: NamedCurve, point: object, r: int, s: int, z: int) -> bool:
    hash_name, _ = FITTING[curve.order.bit_length()]
    return _verify_ecdsa(curve, point, encoded(int(r), int(s)), z.to_bytes(FITTING[curve.order.bit_length()][1], "big"), SignatureAlgorithm(DER, hash_name))  # type: ignore[arg-type]  # fmt: skip


@EVERY_CURVE
def test_arithmetic_at_its_edges(curve: NamedCurve) -> None:
    """Digests of zeros and ones, doubled points, sums at infinity, and signatures of small numbers."""
    n, base = curve.order, curve.generator
    largest = (1 << 8 * FITTING[n.bit_length()][1]) - 1
    chance = random.Random(curve.name)
    k, d = chance.randrange(2, n), chance.randrange(2, n)
    r = int((k * base).x()) % n
    for z in (0, 1, largest, 1 << 40, largest - 1):
        assert verified(curve, d * base, r, (z + r * d) * pow(k, -1, n) % n, z), "an unusual digest is a digest"
    z = chance.randrange(2, largest)
    doubling = z * pow(r, -1, n) % n  # of this key, both halves of the sum are the same point
    assert verified(curve, doubling * base, r, 2 * z * pow(k, -1, n) % n, z)
    opposite = -z * pow(r, -1, n) % n  # of this one, they cancel each other out
    for s in (1, 2, r, n - 1):
        assert not verified(curve, opposite * base, r, s, z), "the point at infinity has no coordinate"
    small = next(x for x in range(1, 200) if _has_point(curve, x))
    lifted = point_of(curve, b"\x02" + small.to_bytes(curve.field_bytes, "big"))
    for s in (1, 2, 6):
        point = pow(small, -1, n) * (s * lifted + (n - z % n) * base)
        assert verified(curve, point, small, s, z), "small numbers are numbers"
        assert not verified(curve, point, small, s, z - 1)


def _has_point(curve: NamedCurve, x: int) -> bool:
    try:
        point_of(curve, b"\x02" + x.to_bytes(curve.field_bytes, "big"))
    except PointInvalid:
        return False
    return True


# ---- RSA -----------------------------------------------------------------------------------------------------------------

RSA = rsa_key("forged signatures", 1024)
RSA_PUBLIC = PublicKey(modulus=RSA.modulus, exponent=65_537)
PKCS1 = SignatureAlgorithm(SignatureScheme.RSA_PKCS1, "sha256")
PSS = SignatureAlgorithm(SignatureScheme.RSA_PSS, "sha256", "sha256", 32)
DIGEST = hashlib.sha256(MESSAGE).digest()


def _identifier(name: str = "sha256", parameters: bytes = b"\x05\x00") -> bytes:
    return tlv.sequence(tlv.object_id(DIGEST_OBJECT_IDS[name]), parameters)


def block(content: bytes, *, kind: bytes = b"\x01", fill: bytes = b"\xff", first: bytes = b"\x00") -> bytes:
    """Return a PKCS #1 block of the key's width around any content."""
    return first + kind + fill * (RSA.width_bytes - 3 - len(content)) + b"\x00" + content


RIGHT = tlv.sequence(_identifier(), tlv.octet_string(DIGEST))
BLOCKS = {
    "digest info in the long form": block(b"\x30\x81" + RIGHT[1:]),
    "digest info of indefinite length": block(b"\x30\x80" + RIGHT[2:] + b"\x00\x00"),
    "algorithm in the long form": block(tlv.sequence(b"\x30\x81" + _identifier()[1:], tlv.octet_string(DIGEST))),
    "parameters of another kind": block(tlv.sequence(_identifier(parameters=b"\x04\x00"), tlv.octet_string(DIGEST))),
    "parameters that hide bytes": block(tlv.sequence(_identifier(parameters=b"\x04\x10" + bytes(16)), tlv.octet_string(DIGEST))),
    "bytes behind the digest": block(RIGHT + b"\x00"),
    "bytes inside": block(tlv.sequence(_identifier(), tlv.octet_string(DIGEST), b"\x05\x00")),
    "short padding and bytes behind": (b"\x00\x01" + b"\xff" * 8 + b"\x00" + RIGHT).ljust(RSA.width_bytes, b"\x00"),
    "no padding": (b"\x00\x01\x00" + RIGHT).ljust(RSA.width_bytes, b"\x00"),
    "padding of zeros": block(RIGHT, fill=b"\x00"),
    "one padding byte changed": block(RIGHT).replace(b"\xff", b"\xfe", 1),
    "block type 0": block(RIGHT, kind=b"\x00"),
    "block type 2": block(RIGHT, kind=b"\x02"),
    "first byte not zero": block(RIGHT, first=b"\x01"),
    "another hash named": block(tlv.sequence(_identifier("sha512"), tlv.octet_string(DIGEST))),
    "a shorter hash named": block(tlv.sequence(_identifier("sha1"), tlv.octet_string(DIGEST[:20]))),
    "no hash named": block(DIGEST),
    "the message itself": block(MESSAGE),
    "digest cut": block(tlv.sequence(_identifier(), tlv.octet_string(DIGEST[:-1]))),
    "empty digest": block(tlv.sequence(_identifier(), tlv.octet_string(b""))),
}  # fmt: skip


def test_the_block_that_is_right_is_taken() -> None:
    assert RSA._power(block(RIGHT)) == RSA.sign_pkcs1(MESSAGE, "sha256")
    assert verify_with(RSA_PUBLIC, RSA._power(block(RIGHT)), MESSAGE, PKCS1)


@pytest.mark.parametrize("title", BLOCKS)
def test_rsa_blocks_that_are_nearly_right(title: str) -> None:
    assert not verify_with(RSA_PUBLIC, RSA._power(BLOCKS[title]), MESSAGE, PKCS1)


def test_paddings_are_not_exchanged_and_numbers_have_one_width() -> None:
    pkcs1, pss = RSA.sign_pkcs1(MESSAGE, "sha256"), RSA.sign_pss(MESSAGE, "sha256", bytes(32))
    assert verify_with(RSA_PUBLIC, pss, MESSAGE, PSS)
    n, width = RSA.modulus, RSA.width_bytes
    for right, algorithm, other in ((pkcs1, PKCS1, PSS), (pss, PSS, PKCS1)):
        assert not verify_with(RSA_PUBLIC, right, MESSAGE, other)
        number = int.from_bytes(right, "big")
        beyond = (number + n).to_bytes(width + 1, "big")
        for wrong in (
            b"", b"\x00" + right, right + b"\x00", right[1:], bytes(width), bytes(width - 1) + b"\x01", beyond, beyond[1:],
            (n - number).to_bytes(width, "big"), n.to_bytes(width, "big"), (n - 1).to_bytes(width, "big"), b"\xff" * width,
        ):  # fmt: skip
            assert not verify_with(RSA_PUBLIC, wrong, MESSAGE, algorithm)


def pss_block(change: Callable[[bytearray], object]) -> bytes:
    """Return a PSS signature whose block was changed before it was signed."""
    opened = pow(int.from_bytes(RSA.sign_pss(MESSAGE, "sha256", bytes(32)), "big"), 65_537, RSA.modulus)
    content = bytearray(opened.to_bytes(RSA.width_bytes, "big"))
    change(content)
    return RSA._power(bytes(content))


PSS_CHANGES: dict[str, Callable[[bytearray], object]] = {
    "another trailer": lambda content: content.__setitem__(-1, 0xBB),
    "trailer of the hash": lambda content: content.__setitem__(-1, 0xCC),
    "masked padding changed": lambda content: content.__setitem__(1, content[1] ^ 1),
    "separator changed": lambda content: content.__setitem__(-33 - 33, content[-33 - 33] ^ 1),
    "salt changed": lambda content: content.__setitem__(-40, content[-40] ^ 1),
    "digest changed": lambda content: content.__setitem__(-2, content[-2] ^ 1),
}


@pytest.mark.parametrize("title", PSS_CHANGES)
def test_pss_blocks_that_are_nearly_right(title: str) -> None:
    assert verify_with(RSA_PUBLIC, pss_block(lambda _: None), MESSAGE, PSS)
    assert not verify_with(RSA_PUBLIC, pss_block(PSS_CHANGES[title]), MESSAGE, PSS)


@pytest.mark.parametrize("salt_bytes", [0, 1, 20, 31, 32, 33, 48, 64])
def test_the_salt_has_the_length_that_was_named(salt_bytes: int) -> None:
    signature = RSA.sign_pss(MESSAGE, "sha256", bytes(salt_bytes))
    for named in (0, 1, 20, 31, 32, 33, 48, 64, 94, 128):
        algorithm = SignatureAlgorithm(SignatureScheme.RSA_PSS, "sha256", "sha256", named)
        assert _is_right(signature, algorithm) == (named == salt_bytes)
    for mask in ("sha1", "sha384", "sha512"):
        algorithm = SignatureAlgorithm(SignatureScheme.RSA_PSS, "sha256", mask, salt_bytes)
        assert not _is_right(signature, algorithm), "the mask's hash counts"


def _is_right(signature: bytes, algorithm: SignatureAlgorithm) -> bool:
    """A salt that has no room in the key makes a signature that cannot be; either answer is none."""
    try:
        return verify_with(RSA_PUBLIC, signature, MESSAGE, algorithm)
    except KeyUnusable:
        return False


def test_a_hash_that_has_no_room_in_the_key_is_no_fault() -> None:
    small = rsa_key("small", 512)
    key = PublicKey(modulus=small.modulus, exponent=65_537)
    for hash_name in ("sha384", "sha512"):
        for scheme in (SignatureScheme.RSA_PKCS1, SignatureScheme.RSA_PSS):
            try:
                assert not verify_with(key, bytes(63) + b"\x01", MESSAGE, SignatureAlgorithm(scheme, hash_name))
            except KeyUnusable:
                continue


def spki(
    modulus: int, exponent: int, algorithm: str = "1.2.840.113549.1.1.1", parameters: bytes = b"\x05\x00"
) -> bytes:
    numbers = tlv.sequence(tlv.integer(modulus), tlv.integer(exponent))
    return tlv.sequence(tlv.sequence(tlv.object_id(algorithm), parameters), tlv.bit_string(numbers))


@pytest.mark.parametrize(
    ("modulus", "exponent"),
    [
        (RSA.modulus, 0), (RSA.modulus, 1), (RSA.modulus, 2), (RSA.modulus, 65_536), (RSA.modulus, (1 << 257) + 1),
        (0, 3), (1, 3), (RSA.modulus + 1, 3), (RSA.p, 3), ((1 << 8200) + 1, 3),
    ],
    ids=["e=0", "e=1", "e=2", "even e", "huge e", "n=0", "n=1", "even n", "half of n", "huge n"],
)  # fmt: skip
def test_numbers_that_make_no_rsa_key(modulus: int, exponent: int) -> None:
    if modulus == RSA.p and RSA.p.bit_length() >= 512:
        modulus >>= 1
        modulus |= 1
    with pytest.raises(KeyUnusable):
        public_key_of(spki(modulus, exponent))


def test_an_exponent_of_three_forges_nothing() -> None:
    """The cube root of a block that begins right (CVE-2006-4339) is no signature, whatever comes behind the digest."""
    chance = random.Random(3)
    modulus = chance.getrandbits(2048) | 1 << 2047 | 1
    key = public_key_of(spki(modulus, 3))
    width = 256
    wanted = (b"\x00\x01" + b"\xff" * 8 + b"\x00" + RIGHT).ljust(width, b"\x00")
    number = int.from_bytes(wanted, "big")
    low, high = 0, 1 << 700
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if middle**3 < number else (low, middle)
    cube = (low**3).to_bytes(width, "big")
    assert cube.startswith(wanted[: 11 + len(RIGHT)]), "the forgery is one for a verifier that does not look at the end"
    assert not verify_with(key, low.to_bytes(width, "big"), MESSAGE, PKCS1)


# ---- keys on curves ------------------------------------------------------------------------------------------------------


@EVERY_CURVE
def test_points_that_are_none(curve: NamedCurve) -> None:
    field = curve.ecdsa_curve.curve
    p, width = int(field.p()), curve.field_bytes
    x, y = int(curve.generator.x()), int(curve.generator.y())

    def uncompressed(first: int, second: int) -> bytes:
        return b"\x04" + first.to_bytes(width, "big") + second.to_bytes(width, "big")

    wrong = [
        b"\x00", b"\x00" * (2 * width + 1), uncompressed(0, 0), uncompressed(x, 0), uncompressed(x, (y + 1) % p),
        uncompressed((x + 1) % p, y), uncompressed(x, p - y)[:-1], b"\x06" + uncompressed(x, y)[1:],
        b"\x07" + uncompressed(x, y)[1:], b"\x02" + p.to_bytes(width, "big"), b"\x02", b"\x04",
    ]  # fmt: skip
    if x + p < 1 << 8 * width:
        wrong.append(uncompressed(x + p, y))
    wrong.append(next(b"\x02" + one.to_bytes(width, "big") for one in range(2, 200) if not _has_point(curve, one)))
    named = tlv.sequence(tlv.object_id("1.2.840.10045.2.1"), tlv.object_id(curve.oid))
    for one in wrong:
        with pytest.raises(PointInvalid):
            point_of(curve, one)
        with pytest.raises(KeyUnusable):
            public_key_of(tlv.sequence(named, tlv.bit_string(one)))
    assert public_key_of(tlv.sequence(named, tlv.bit_string(uncompressed(x, p - y)))).curve is curve


def test_a_key_of_another_kind_is_not_taken_for_one_of_this() -> None:
    for algorithm in ("1.2.840.10045.2.1", "1.3.101.112", "1.2.840.10040.4.1", "1.2.3"):
        with pytest.raises(KeyUnusable):
            public_key_of(spki(RSA.modulus, 65_537, algorithm))
    assert isinstance(RSA, RsaKey)
