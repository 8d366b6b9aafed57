"""Encoders of what a gate only reads: digital seals, their JSON form, boarding passes, COSE in base45. They share no code with the readers.

Keys come from fixed numbers, so that every byte is the same in every run (signatures apart).
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import base45
import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import NameOID

_C40 = " 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ZONE = ("I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<", "D231458907UTO7408122F3204153<<<<<<<2")


def c40(text: str) -> bytes:
    """Upper-case letters, digits, spaces (`<` is written as space); a single last character as an escape."""
    text = text.replace("<", " ")
    encoded = b""
    for start in range(0, len(text), 3):
        part = text[start : start + 3]
        if len(part) == 1:
            encoded += bytes([0xFE, ord(part) + 1])
            continue
        values = [_C40.index(character) + 3 for character in part] + [0] * (3 - len(part))
        encoded += (values[0] * 1600 + values[1] * 40 + values[2] + 1).to_bytes(2, "big")
    return encoded


def seal_date(day: date | None) -> bytes:
    return b"\0\0\0" if day is None else int(day.strftime("%m%d%Y")).to_bytes(3, "big")


def length_bytes(length: int) -> bytes:
    if length < 0x81:
        return bytes([length])
    return bytes([0x81, length]) if length < 0x100 else b"\x82" + length.to_bytes(2, "big")


@dataclass(frozen=True)
class SealSigner:
    """A signer: its key, its certificate, and the names by which a seal refers to it."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    signer: str
    reference: str

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    def sign(self, message: bytes) -> bytes:
        """r || s, the hash by the size of the key."""
        size = self.key.key_size
        name = "sha224" if size < 256 else "sha256" if size == 256 else "sha384" if size == 384 else "sha512"
        algorithm = {"sha224": hashes.SHA224(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}[name]  # fmt: skip
        r, s = utils.decode_dss_signature(self.key.sign(message, ec.ECDSA(algorithm)))
        half = (size + 7) // 8
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")


def private_key(seed: str, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    number = int.from_bytes(hashlib.sha512(seed.encode()).digest(), "big") % (1 << 190)
    return ec.derive_private_key(number + 1, curve or ec.SECP256R1())


def certificate(
    key: ec.EllipticCurvePrivateKey,
    name: Sequence[tuple[x509.ObjectIdentifier, str]],
    serial: int,
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Name] | None = None,
    begin: datetime = datetime(2024, 1, 1, tzinfo=UTC),
    end: datetime = datetime(2034, 1, 1, tzinfo=UTC),
) -> x509.Certificate:
    """A signer's certificate under `issuer`, or an authority's own (CA) without one."""
    subject = x509.Name([x509.NameAttribute(kind, text) for kind, text in name])
    issuing_key, issuing_name = issuer or (key, subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuing_name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuing_key.public_key()), critical=False)
    )
    if issuer is None:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(issuing_key, hashes.SHA256())


def authority(country: str = "UT", seed: str = "authority") -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = private_key(seed)
    return key, certificate(key, ((NameOID.COUNTRY_NAME, country), (NameOID.COMMON_NAME, f"CSCA {country}")), 1)


def seal_signer(
    country: str = "UT",
    name: str = "SG",
    serial: int = 0x1F,
    issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None = None,
    curve: ec.EllipticCurve | None = None,
    **validity: datetime,
) -> SealSigner:
    key = private_key(f"{country}{name}{serial}", curve)
    issuing = issuer or authority(country)
    made = certificate(
        key,
        ((NameOID.COUNTRY_NAME, country), (NameOID.COMMON_NAME, name)),
        serial,
        (issuing[0], issuing[1].subject),
        **validity,
    )
    return SealSigner(key, made, country + name, f"{serial:X}")


def seal(
    signer: SealSigner | None,
    features: Sequence[tuple[int, bytes]] = ((2, c40("".join(ZONE))), (3, c40("D23145890"))),
    *,
    type_code: str = "fb06",
    state: str = "UTO",
    version: int = 4,
    issued: date | None = date(2025, 3, 1),
    signed: date | None = date(2025, 3, 2),
    names: tuple[str, str] = ("UTSG", "1F"),
) -> bytes:
    """A seal of version 3 or 4, signed unless `signer` is None."""
    title, reference = (signer.signer, signer.reference) if signer else names
    if version == 3:
        header = b"\xdc\x02" + c40(state.ljust(3, "<")) + c40(title + reference.rjust(5, "0"))
    else:
        header = b"\xdc\x03" + c40(state.ljust(3, "<")) + c40(f"{title}{len(reference):02X}") + c40(reference)
    content = header + seal_date(issued) + seal_date(signed) + bytes.fromhex(type_code)
    for tag, value in features:
        content += bytes([tag]) + length_bytes(len(value)) + value
    if signer is None:
        return content
    signature = signer.sign(content)
    return content + b"\xff" + length_bytes(len(signature)) + signature


def json_seal(
    signer: SealSigner,
    *,
    state: str = "UTO",
    type_name: str = "icao.vacc",
    name: str = "ERIKSSON  ANNA MARIA",
    **changes: object,
) -> bytes:
    """A VDS-NC; `changes` replace members of `sig` after signing."""
    signed = {
        "hdr": {"t": type_name, "v": 1, "is": state},
        "msg": {
            "uvci": "U32870",
            "pid": {"n": name, "dob": "1974-08-12", "i": "D23145890", "sex": "F"},
        },
    }
    canonical = json.dumps(signed, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    signature = {
        "alg": "ES256",
        "cer": base64.urlsafe_b64encode(signer.der).decode().rstrip("="),
        "sigvl": base64.urlsafe_b64encode(signer.sign(canonical)).decode(),
    }
    return json.dumps({"data": signed, "sig": signature | changes}, indent=1).encode()


def leg(
    reference: str = "ABC123",
    route: str = "TASFRA",
    carrier: str = "HY",
    flight: str = "0231",
    day: str = "226",
    cabin: str = "Y",
    seat: str = "012A",
    sequence: str = "0025",
    status: str = "1",
    block: str = "",
) -> str:
    """One leg of a boarding pass with its conditional block."""
    return (
        reference.ljust(7) + route + carrier.ljust(3) + flight.ljust(5) + day + cabin + seat.ljust(4)
        + sequence.ljust(5) + status + f"{len(block):02X}" + block
    )  # fmt: skip


def boarding_pass(*legs: str, name: str = "ERIKSSON/ANNA MARIA", security: str = "", count: int | None = None) -> str:
    """A boarding pass of one or more legs."""
    parts = legs or (leg(),)
    tail = f"^1{len(security):02X}{security}" if security else ""
    return f"M{count or len(parts)}{name[:20].ljust(20)}E{''.join(parts)}{tail}"


def conditional(
    unique: str = "1WW6225BHY ", items: str = "2501234567890", airline: str = "", version: str = "6"
) -> str:
    """The conditional block of a first leg."""
    return f">{version}{len(unique):02X}{unique}{len(items):02X}{items}{airline}"


def cose_token(
    signer: SealSigner,
    claims: dict[object, object],
    *,
    prefix: str = "HC1:",
    algorithm: int = -7,
    is_compressed: bool = True,
    key_identifier: bytes | None = None,
) -> str:
    """Claims as CWT in a COSE_Sign1, compressed, in base45."""
    identifier = hashlib.sha256(signer.der).digest()[:8] if key_identifier is None else key_identifier
    protected = cbor2.dumps({1: algorithm, 4: identifier})
    payload = cbor2.dumps(claims)
    signature = signer.sign(cbor2.dumps(["Signature1", protected, b"", payload]))
    body = cbor2.dumps(cbor2.CBORTag(18, [protected, {}, payload, signature]))
    return prefix + base45.b45encode(zlib.compress(body) if is_compressed else body).decode()
