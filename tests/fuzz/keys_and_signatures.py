"""Public keys as documents carry them, and signatures of every form under keys that signed something else."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from drivers.chip.twin import curve_table
from drivers.chip.twin.curve_keys import curve_key
from drivers.chip.twin.entropy import SeededEntropy
from drivers.chip.twin.rsa import rsa_key
from emrtd.curves import encode_point, point_of
from emrtd.public_keys import (
    AlgorithmUnknown,
    KeyUnusable,
    SignatureAlgorithm,
    SignatureScheme,
    public_key_of,
    verify_with,
)
from gate_agent.inspection.chip_authenticity_active import verify_active_authentication
from tests.fuzz.target import Target, layers
from tests.unit import document_issuers as utopia

_MESSAGE = b"what was signed"
_CHALLENGE = b"8 bytes."
_PLAIN_SHA256 = "0.4.0.127.0.7.1.1.4.1.3"
_HASH = hashes.SHA256()
_CURVES = ("brainpoolP256r1", "P-521")


def public_key() -> Target:
    seeds = [utopia.ec_keys(explicit=explicit).spki for explicit in (True, False)]
    seeds += [
        curve_key("fuzz", curve_table.BY_NAME[name], is_explicit=True).subject_public_key_info() for name in _CURVES
    ]
    seeds.append(rsa_key("fuzz", 1024).subject_public_key_info())
    return Target(tuple(seeds), _key, 1024)


def _key(content: bytes) -> bool:
    try:
        key = public_key_of.__wrapped__(content)
    except KeyUnusable:
        return False
    if key.curve is not None:
        assert key.point is not None
        assert point_of(key.curve, encode_point(key.curve, key.point)) == key.point, "the point lies on the curve"
        algorithm = SignatureAlgorithm(SignatureScheme.ECDSA_PLAIN, "sha256")
        width = (key.curve.order.bit_length() + 7) // 8
        nothing = (bytes(2 * width), bytes(width - 1) + b"\x01" + bytes(width), b"\xff" * 2 * width)
    else:
        assert 512 <= key.bits <= 8192
        assert key.exponent >= 3
        assert key.exponent % 2
        algorithm = SignatureAlgorithm(SignatureScheme.RSA_PKCS1, "sha256")
        width = (key.bits + 7) // 8
        nothing = (bytes(width), bytes(width - 1) + b"\x01", (key.modulus - 1).to_bytes(width, "big"))
    for signature in nothing:
        try:
            assert not verify_with(key, signature, _MESSAGE, algorithm), "zeros and ones are nobody's signature"
        except KeyUnusable:
            return False
    return True


def signature() -> Target:
    """ECDSA in DER and plain, RSA with both paddings, and active authentication: right only when the key's owner made it."""
    private = ec.derive_private_key(0xEC0DE, ec.SECP256R1())
    order = int("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", 16)
    der = private.sign(_MESSAGE, ec.ECDSA(_HASH, deterministic_signing=True))
    r, s = utils.decode_dss_signature(der)
    right = {(r, s), (r, order - s)}  # the sign of s is free in ECDSA
    spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    curve_public = public_key_of(spki)
    modular = rsa_key("fuzz signatures", 1024)
    modular_public = public_key_of(modular.subject_public_key_info())
    pkcs1, pss = modular.sign_pkcs1(_MESSAGE, "sha256"), modular.sign_pss(_MESSAGE, "sha256", bytes(32))

    def ecdsa_der(content: bytes) -> bool:
        is_right = verify_with(curve_public, content, _MESSAGE, SignatureAlgorithm(SignatureScheme.ECDSA, "sha256"))
        if is_right:
            numbers = utils.decode_dss_signature(content)
            assert numbers in right, "forged"
            assert utils.encode_dss_signature(*numbers) == content, "one encoding only: DER"
        return is_right

    def ecdsa_plain(content: bytes) -> bool:
        algorithm = SignatureAlgorithm(SignatureScheme.ECDSA_PLAIN, "sha256")
        is_right = verify_with(curve_public, content, _MESSAGE, algorithm)
        assert not is_right or (int.from_bytes(content[:32], "big"), int.from_bytes(content[32:], "big")) in right
        return is_right

    def rsa_signature(content: bytes) -> bool:
        first = SignatureAlgorithm(SignatureScheme.RSA_PKCS1, "sha256")
        second = SignatureAlgorithm(SignatureScheme.RSA_PSS, "sha256", "sha256", 32)
        found = [verify_with(modular_public, content, _MESSAGE, one) for one in (first, second)]
        assert found == [content == pkcs1, content == pss], "forged"
        return any(found)

    chip_rsa, chip_curve = rsa_key("fuzz chip", 1024), curve_key("fuzz chip", curve_table.BY_NAME["P-256"])
    answers = [
        chip_rsa.sign_recoverably(_CHALLENGE, "sha256", SeededEntropy("fuzz")),
        chip_curve.sign_plain(_CHALLENGE, "sha256"),
    ]
    chips = [(chip_rsa.subject_public_key_info(), ""), (chip_curve.subject_public_key_info(), _PLAIN_SHA256)]

    def active_authentication(content: bytes) -> bool:
        if not content:
            return False
        at = content[0] % 2
        try:
            is_right = verify_active_authentication(chips[at][0], _CHALLENGE, content[1:], chips[at][1])
        except AlgorithmUnknown:
            return False
        if is_right and at == 0:
            modulus = chip_rsa.modulus
            number = int.from_bytes(answers[0], "big")
            assert int.from_bytes(content[1:], "big") in {number, modulus - number}, "forged"
        elif is_right:
            assert answers[1][:32] in content, "forged"
        return is_right

    seeds = [bytes((at,)) + answer for at, answer in enumerate(answers)]
    return layers(
        (ecdsa_der, [der, *_der_oddities(r, s)]),
        (ecdsa_plain, [r.to_bytes(32, "big") + s.to_bytes(32, "big")]),
        (rsa_signature, [pkcs1, pss]),
        (active_authentication, seeds),
        limit_bytes=600,
    )


def _der_oddities(r: int, s: int) -> list[bytes]:
    return [utils.encode_dss_signature(*numbers) for numbers in ((0, s), (r, 0), (0, 0), (1, 1), (r, -s % (1 << 256)))]
