"""Signatures with the keys of travel documents, against a second implementation."""

import hashlib

import ecdsa
import pytest
from asn1crypto import algos, core, keys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emrtd.curves import CURVES, CurveUnknown, NamedCurve, PointInvalid, curve_by_name, curve_of, encode_point, point_of
from emrtd.public_keys import (
    AlgorithmUnknown,
    KeyUnusable,
    SignatureAlgorithm,
    SignatureScheme,
    algorithm_of,
    public_key_of,
    verify,
    verify_with,
)

HASHES = {"sha1": hashes.SHA1(), "sha224": hashes.SHA224(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}  # fmt: skip
EVERY_CURVE = pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)


def explicit(curve: NamedCurve, **changed: object) -> keys.ECDomainParameters:
    field = curve.ecdsa_curve.curve
    width = curve.field_bytes
    p = int(field.p())
    values = {
        "p": p,
        "a": (int(field.a()) % p).to_bytes(width, "big"),
        "b": int(field.b()).to_bytes(width, "big"),
        "base": encode_point(curve, curve.generator),
        "order": curve.order,
        "cofactor": 1,
    } | changed
    specified = keys.SpecifiedECDomain(
        {
            "version": 1,
            "field_id": {"field_type": "prime_field", "parameters": core.Integer(values["p"])},
            "curve": {"a": values["a"], "b": values["b"]},
            "base": values["base"],
            "order": values["order"],
        }
    )
    if values["cofactor"] is not None:
        specified["cofactor"] = values["cofactor"]
    return keys.ECDomainParameters.load(keys.ECDomainParameters(name="specified", value=specified).dump())


def spki(parameters: keys.ECDomainParameters, point: bytes) -> bytes:
    return keys.PublicKeyInfo(
        {"algorithm": {"algorithm": "ec", "parameters": parameters}, "public_key": keys.ECPointBitString(point)}
    ).dump()


def named(curve: NamedCurve) -> keys.ECDomainParameters:
    return keys.ECDomainParameters(name="named", value=curve.oid)


@EVERY_CURVE
def test_a_curve_is_found_by_name_and_by_all_its_parameters(curve):
    assert curve_by_name(curve.name) is curve_by_name(curve.oid) is curve
    assert curve_of(named(curve)) is curve
    assert curve_of(explicit(curve)) is curve
    assert curve_of(explicit(curve, cofactor=None)) is curve


@EVERY_CURVE
def test_padding_and_compression_change_nothing(curve):
    field, width = curve.ecdsa_curve.curve, curve.field_bytes
    x, y = int(curve.generator.x()), int(curve.generator.y())
    assert curve_of(explicit(curve, base=bytes([2 + y % 2]) + x.to_bytes(width, "big"))) is curve
    assert (
        curve_of(explicit(curve, base=bytes([4]) + x.to_bytes(width + 3, "big") + y.to_bytes(width + 3, "big")))
        is curve
    )
    assert curve_of(explicit(curve, a=(int(field.a()) % int(field.p())).to_bytes(width + 5, "big"))) is curve


@EVERY_CURVE
def test_each_parameter_counts(curve):
    field, width = curve.ecdsa_curve.curve, curve.field_bytes
    other = 7 * curve.generator
    for changed in (
        {"p": int(field.p()) + 2},
        {"a": (int(field.a()) % int(field.p()) + 1).to_bytes(width + 1, "big")},
        {"b": (int(field.b()) + 1).to_bytes(width, "big")},
        {"base": encode_point(curve, other)},
        {"base": b"\x04" + bytes(2 * width)},
        {"order": curve.order + 2},
        {"cofactor": 2},
        {"cofactor": 0},
        {"p": 0},
    ):
        with pytest.raises(CurveUnknown):
            curve_of(explicit(curve, **changed))


def test_what_is_no_curve_of_the_table_is_named_unknown():
    with pytest.raises(CurveUnknown):
        curve_by_name("secp256k1")
    with pytest.raises(CurveUnknown):
        curve_of(keys.ECDomainParameters(name="implicit_ca", value=core.Null()))
    with pytest.raises(CurveUnknown):
        curve_of(keys.ECDomainParameters(name="named", value="1.2.3.4"))


@EVERY_CURVE
def test_points(curve):
    point = 12345 * curve.generator
    encoded = encode_point(curve, point)
    assert point_of(curve, encoded) == point
    compressed = bytes([2 + int(point.y()) % 2]) + encoded[1 : 1 + curve.field_bytes]
    assert point_of(curve, compressed) == point
    p = int(curve.ecdsa_curve.curve.p())
    for wrong in (
        b"",
        b"\x00",
        encoded[:-1],
        encoded + b"\x00",
        b"\x05" + encoded[1:],
        encoded[:-1] + bytes([encoded[-1] ^ 1]),
        b"\x04" + p.to_bytes(curve.field_bytes, "big") + encoded[1 + curve.field_bytes :],
        b"\x02" + p.to_bytes(curve.field_bytes, "big"),
    ):
        with pytest.raises(PointInvalid):
            point_of(curve, wrong)


@EVERY_CURVE
@pytest.mark.parametrize("hash_name", HASHES)
def test_ecdsa_with_every_curve_and_hash(curve, hash_name):
    secret = ecdsa.SigningKey.from_secret_exponent(0x1234567 % curve.order, curve=curve.ecdsa_curve)
    number = hashlib.new(hash_name, b"message").digest()
    r, s = secret.sign_digest_deterministic(
        number, hashfunc=hashlib.sha256, sigencode=lambda r, s, _: (int(r), int(s)), allow_truncate=True
    )
    point = encode_point(curve, secret.verifying_key.pubkey.point)
    width = (curve.order.bit_length() + 7) // 8
    plain = r.to_bytes(width, "big") + s.to_bytes(width, "big")
    wrapped = utils.encode_dss_signature(r, s)
    for key in (spki(explicit(curve), point), spki(named(curve), point)):
        for scheme, signature in ((SignatureScheme.ECDSA, wrapped), (SignatureScheme.ECDSA_PLAIN, plain)):
            algorithm = SignatureAlgorithm(scheme, hash_name)
            assert verify(key, signature, b"message", algorithm)
            assert not verify(key, signature, b"massage", algorithm)
            assert not verify(key, signature[:-1] + bytes([signature[-1] ^ 1]), b"message", algorithm)
            assert not verify(key, signature + b"\x00", b"message", algorithm)
            assert not verify(key, b"", b"message", algorithm)
        assert not verify(key, wrapped, b"message", SignatureAlgorithm(SignatureScheme.RSA_PKCS1, hash_name))


@EVERY_CURVE
def test_zero_and_too_large_numbers_are_no_signature(curve):
    key = public_key_of(spki(named(curve), encode_point(curve, 3 * curve.generator)))
    n = curve.order
    for numbers in ((0, 0), (0, 1), (1, 0), (n, 1), (1, n), (n + 1, n + 1)):
        signature = utils.encode_dss_signature(*numbers)
        assert not verify_with(key, signature, b"", SignatureAlgorithm(SignatureScheme.ECDSA, "sha256"))


RSA_KEY = rsa.generate_private_key(65537, 2048)
RSA_SPKI = RSA_KEY.public_key().public_bytes(
    serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
)


@pytest.mark.parametrize("hash_name", HASHES)
@pytest.mark.parametrize("salt_bytes", [None, 0, 20, 32, 48, 64])
def test_pss_with_every_salt(hash_name, salt_bytes):
    mask = "sha1" if salt_bytes == 20 else hash_name
    salt = HASHES[hash_name].digest_size if salt_bytes is None else salt_bytes
    signature = RSA_KEY.sign(b"message", padding.PSS(padding.MGF1(HASHES[mask]), salt), HASHES[hash_name])
    algorithm = SignatureAlgorithm(SignatureScheme.RSA_PSS, hash_name, mask, salt_bytes)
    assert verify(RSA_SPKI, signature, b"message", algorithm)
    assert not verify(RSA_SPKI, signature, b"massage", algorithm)
    other = SignatureAlgorithm(SignatureScheme.RSA_PSS, hash_name, mask, salt + 1)
    assert not verify(RSA_SPKI, signature, b"message", other)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(message=st.binary(max_size=200), flip=st.integers(0, 2047), hash_name=st.sampled_from(sorted(HASHES)))
def test_rsa_agrees_with_what_signed(message, flip, hash_name):
    signature = RSA_KEY.sign(message, padding.PKCS1v15(), HASHES[hash_name])
    algorithm = SignatureAlgorithm(SignatureScheme.RSA_PKCS1, hash_name)
    assert verify(RSA_SPKI, signature, message, algorithm)
    changed = bytearray(signature)
    changed[flip // 8] ^= 1 << flip % 8
    assert not verify(RSA_SPKI, bytes(changed), message, algorithm)


def test_a_modulus_without_its_leading_zero_is_read_as_meant():
    content = keys.PublicKeyInfo.load(RSA_SPKI)
    numbers = content["public_key"].parsed
    modulus = core.load(core.Integer(1).dump())
    modulus.contents = numbers["modulus"].contents.lstrip(b"\x00")
    body = modulus.dump(force=True) + numbers["public_exponent"].dump()
    sequence = core.Any(core.Sequence.load(b"\x30\x82" + len(body).to_bytes(2, "big") + body))
    rebuilt = (
        keys.PublicKeyInfo.load(RSA_SPKI)["algorithm"].dump()
        + core.BitString.load(
            b"\x03\x82" + (len(sequence.dump()) + 1).to_bytes(2, "big") + b"\x00" + sequence.dump()
        ).dump()
    )
    key = public_key_of(b"\x30\x82" + len(rebuilt).to_bytes(2, "big") + rebuilt)
    assert key.modulus == RSA_KEY.public_key().public_numbers().n


def test_what_is_no_key_is_named_unusable():
    off_curve = b"\x04" + bytes(63) + b"\x01"
    empty = [
        b"\x30"
        + bytes([len(algorithm) + 2])
        + algorithm
        + b"\x03\x00"  # a BIT STRING that does not even count its unused bits
        for algorithm in (
            keys.PublicKeyInfo.load(RSA_SPKI)["algorithm"].dump(),
            keys.PublicKeyInfo.load(spki(named(curve_by_name("secp256r1")), b"\x04"))["algorithm"].dump(),
        )
    ]
    for wrong in (
        *empty,
        b"",
        b"\x30\x00",
        b"\x00" * 5000,
        RSA_SPKI[:-1],
        spki(named(curve_by_name("secp256r1")), off_curve),
    ):
        with pytest.raises(KeyUnusable):
            public_key_of(wrong)


@given(st.binary(max_size=120))
def test_bytes_that_are_no_key_never_raise_anything_else(content):
    with pytest.raises(KeyUnusable):
        public_key_of(content)


def test_the_algorithm_comes_with_all_its_parameters():
    parameters = {
        "hash_algorithm": {"algorithm": "sha384"},
        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}},
        "salt_length": 48,
    }
    identifier = algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})
    identifier = algos.SignedDigestAlgorithm.load(identifier.dump())
    assert algorithm_of(identifier) == SignatureAlgorithm(SignatureScheme.RSA_PSS, "sha384", "sha256", 48)
    bare = algos.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"})
    sha256 = algos.DigestAlgorithm({"algorithm": "sha256"})
    assert algorithm_of(bare, sha256) == SignatureAlgorithm(SignatureScheme.RSA_PKCS1, "sha256")
    plain = algos.SignedDigestAlgorithm({"algorithm": "0.4.0.127.0.7.1.1.4.1.3"})
    assert algorithm_of(plain) == SignatureAlgorithm(SignatureScheme.ECDSA_PLAIN, "sha256")
    for wrong in (
        algos.SignedDigestAlgorithm({"algorithm": "md5_rsa"}),
        algos.SignedDigestAlgorithm({"algorithm": "sha256_dsa"}),
        algos.SignedDigestAlgorithm({"algorithm": "ed25519"}),
        algos.SignedDigestAlgorithm({"algorithm": "1.2.3"}),
        bare,
    ):
        with pytest.raises(AlgorithmUnknown):
            algorithm_of(wrong)
    with pytest.raises(AlgorithmUnknown):
        algorithm_of(bare, algos.DigestAlgorithm({"algorithm": "md5"}))
    assert algorithm_of(bare, algos.DigestAlgorithm({"algorithm": "sha1"})).is_weak


def test_a_certificate_s_key_of_the_other_library_is_the_same_key():
    secret = ec.generate_private_key(ec.SECP256R1())
    encoded = secret.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    signature = secret.sign(b"message", ec.ECDSA(hashes.SHA256()))
    assert verify(encoded, signature, b"message", SignatureAlgorithm(SignatureScheme.ECDSA, "sha256"))
