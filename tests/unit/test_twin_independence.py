"""The virtual passport proves something only as long as it shares no line with the reader; and its own arithmetic must be right."""

import ast
import hashlib
from collections.abc import Iterator
from pathlib import Path

import ecdsa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric import rsa as openssl_rsa
from hypothesis import given
from hypothesis import strategies as st

from drivers.chip.twin import ciphers, tlv
from drivers.chip.twin.authority import TestAuthority
from drivers.chip.twin.commands import Refused, parse_command
from drivers.chip.twin.curve_keys import curve_key
from drivers.chip.twin.curve_table import CURVES
from drivers.chip.twin.curves import Curve, NotOnCurve
from drivers.chip.twin.entropy import SeededEntropy, scalar
from drivers.chip.twin.modular_groups import GROUPS
from drivers.chip.twin.passport import ChipContents, VirtualPassport
from drivers.chip.twin.rsa import rsa_key
from drivers.chip.twin.signatures import Padding, Scheme
from tests.contract.virtual_passports import TODAY

TWIN = Path(__file__).resolve().parents[2] / "drivers" / "chip" / "twin"
ALLOWED = ("drivers.chip.twin", "drivers.twin", "drivers.contracts", "cryptography.hazmat.primitives.ciphers")
ALLOWED_EXACTLY = {"cryptography.hazmat.decrepit.ciphers.algorithms"}
NIST = {"P-192": "NIST192p", "P-224": "NIST224p", "P-256": "NIST256p", "P-384": "NIST384p", "P-521": "NIST521p"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def is_allowed(name: str) -> bool:
    ours = name.startswith(("drivers", "cryptography"))
    return not ours or name in ALLOWED_EXACTLY or any(name == one or name.startswith(f"{one}.") for one in ALLOWED)


def test_it_imports_nothing_of_the_reader_and_only_ciphers_of_a_library():
    modules = list(TWIN.rglob("*.py"))
    assert len(modules) > 20
    assert [(path.name, name) for path in modules for name in imported(path) if not is_allowed(name)] == []
    assert not is_allowed("drivers.chip.tlv")
    assert not is_allowed("cryptography.hazmat.primitives.asymmetric.ec")


def second_opinion(curve: Curve) -> ecdsa.curves.Curve:
    name = NIST.get(curve.name) or curve.name.upper().replace("R1", "r1")
    return getattr(ecdsa, name, None) or getattr(ecdsa.curves, name)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
class TestCurves:
    def test_parameters_are_those_of_a_second_source(self, curve: Curve):
        other = second_opinion(curve)
        assert (curve.p, curve.a, curve.b) == (other.curve.p(), other.curve.a() % curve.p, other.curve.b())
        assert (curve.x, curve.y, curve.n) == (other.generator.x(), other.generator.y(), other.order)
        assert curve.object_id == ".".join(map(str, other.oid))

    def test_multiples_are_those_of_a_second_source(self, curve: Curve):
        other = second_opinion(curve)
        entropy = SeededEntropy(curve.name)
        for number in (1, 2, 3, 15, 16, 17, 31, curve.n - 1, *(scalar(entropy, curve.n) for _ in range(5))):
            point = curve.multiply(number)
            expected = other.generator * number
            assert point == (expected.x(), expected.y())
            assert curve.decode(curve.encode(point)) == point
        assert curve.multiply(0) is None
        assert curve.multiply(curve.n) is None

    def test_sums(self, curve: Curve):
        for left, right in ((1, 1), (1, 2), (5, 9), (1, curve.n - 1)):
            assert curve.add(curve.multiply(left), curve.multiply(right)) == curve.multiply(left + right)
        assert curve.add(None, curve.base) == curve.base == curve.add(curve.base, None)

    def test_points_off_the_curve_are_refused(self, curve: Curve):
        whole = curve.encode(curve.base)
        for content in (whole[:-1], b"\x02" + whole[1:], whole[:-1] + bytes((whole[-1] ^ 1,)), b"\x00", b""):
            with pytest.raises(NotOnCurve):
                curve.decode(content)

    def test_signatures_hold_for_a_second_source(self, curve: Curve):
        key = curve_key("signing", curve)
        point = curve.encode(curve.multiply(key.private))
        other = ecdsa.VerifyingKey.from_string(point[1:], second_opinion(curve))
        for digest in ("sha1", "sha256", "sha512"):
            r_and_s = key.sign_plain(b"message", digest)
            assert other.verify(r_and_s, b"message", getattr(hashlib, digest), allow_truncate=True)
            assert key.sign_plain(b"message", digest) == r_and_s


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: str(group.parameter_id))
def test_modular_groups_hold_together(group):
    assert group.contains(group.g)
    assert (group.p - 1) % group.q == 0
    assert not group.contains(1)
    assert not group.contains(group.p - 1)
    assert pow(2, group.q - 1, group.q) == pow(2, group.p - 1, group.p) == 1


class TestRsa:
    key = rsa_key("test", 1024)

    def public(self) -> openssl_rsa.RSAPublicKey:
        loaded = serialization.load_der_public_key(self.key.subject_public_key_info())
        assert isinstance(loaded, openssl_rsa.RSAPublicKey)
        return loaded

    def test_paddings_hold_for_a_second_source(self):
        self.public().verify(self.key.sign_pkcs1(b"message", "sha256"), b"message", padding.PKCS1v15(), hashes.SHA256())
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), 20)
        self.public().verify(self.key.sign_pss(b"message", "sha256", bytes(20)), b"message", pss, hashes.SHA256())

    def test_recoverable_signatures_open_to_what_was_signed(self):
        opened = pow(int.from_bytes(self.key.sign_recoverably(bytes(8), "sha1", SeededEntropy("m")), "big"), 65537, self.key.modulus)  # fmt: skip
        block = opened.to_bytes(128, "big")
        assert (block[0], block[-1], len(block)) == (0x6A, 0xBC, 128)
        assert hashlib.sha1(block[1:-21] + bytes(8)).digest() == block[-21:-1]

    def test_the_same_seed_makes_the_same_key(self):
        rsa_key.cache_clear()
        assert rsa_key("test", 1024) == self.key
        assert rsa_key("other", 1024) != self.key
        assert self.key.modulus.bit_length() == 1024


@pytest.mark.parametrize("is_explicit", [True, False])
def test_certificates_are_signed_by_whom_they_name(is_explicit: bool):
    authority = TestAuthority(TODAY, scheme=Scheme(Padding.PKCS1) if is_explicit else Scheme(curve="P-256", is_explicit=False))  # fmt: skip
    issuer = x509.load_der_x509_certificate(authority.certificate)
    signer = x509.load_der_x509_certificate(authority.document_signer().signer.certificate)
    issuer.verify_directly_issued_by(issuer)
    signer.verify_directly_issued_by(issuer)
    listed = x509.load_der_x509_crl(authority.revocation_list([authority.document_signer()]))
    assert listed.is_signature_valid(issuer.public_key())
    assert [one.serial_number for one in listed] == [signer.serial_number]


@given(st.binary(max_size=80), st.integers(0, 2))
def test_padding_comes_off_again(content: bytes, kind: int):
    block_bytes = (8, 16, 24)[kind]
    padded = ciphers.pad(content, block_bytes)
    assert len(padded) % block_bytes == 0
    assert ciphers.unpad(padded) == content


@given(st.integers(-(1 << 80), 1 << 80))
def test_integers_are_as_short_as_they_can_be(number: int):
    ((tag, value),) = tlv.elements(tlv.integer(number))
    assert (tag, int.from_bytes(value, "big", signed=True)) == (2, number)
    assert len(value) == 1 or value[:2] not in {b"\x00" + bytes((low,)) for low in range(128)}


@pytest.mark.parametrize(
    ("apdu", "content", "expected"),
    [
        ("00A40000", b"", None),
        ("00B0000000", b"", 256),
        ("00B0000010", b"", 16),
        ("00A4020C02011E", b"\x01\x1e", None),
        ("00A4020C02011E00", b"\x01\x1e", 256),
        ("00B00000000000", b"", 65_536),
        ("00B00000000400", b"", 1024),
        ("00A4020C000002011E", b"\x01\x1e", None),
        ("00A4020C000002011E0000", b"\x01\x1e", 65_536),
    ],
)
def test_all_seven_shapes_of_a_command(apdu: str, content: bytes, expected: int | None):
    command = parse_command(bytes.fromhex(apdu))
    assert (command.content, command.expected) == (content, expected)


@given(st.binary(max_size=40))
def test_any_bytes_get_an_answer(apdu: bytes):
    chip = VirtualPassport(ChipContents({"EF.CardAccess": b"\x31\x00"}, "L898902C<369080619406236"))
    assert len(chip.answer(apdu)) >= 2


@pytest.mark.parametrize("apdu", ["00", "00A4020C0301", "00A4020C00000301", "00A4020C02011E0000"])
def test_lengths_that_do_not_add_up(apdu: str):
    with pytest.raises(Refused, match="6700"):
        parse_command(bytes.fromhex(apdu))
