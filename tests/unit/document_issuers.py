"""Issuing states of Utopia for tests: certificates, lists and security objects with every oddity that published ones have.

Built with `asn1crypto` and signed with `cryptography` or `ecdsa`, so that what reads them is not what wrote them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar

import ecdsa
from asn1crypto import algos, cms, core, crl, keys, x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
HASHES = {"sha1": hashes.SHA1(), "sha224": hashes.SHA224(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}  # fmt: skip
PRIVATE_KEY_USAGE = "2.5.29.16"


def on(year: int, month: int = 1, day: int = 1) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


BEGIN, END = on(2020), on(2035)
THIS_UPDATE, NEXT_UPDATE = on(2026, 6, 1), on(2026, 9, 1)


@dataclass
class Keys:
    """A key pair: `spki` is its SubjectPublicKeyInfo, `sign` signs as `algorithm` says."""

    spki: bytes
    private: object
    algorithm: algos.SignedDigestAlgorithm
    hash_name: str
    pss: bool = False

    def sign(self, message: bytes) -> bytes:
        if isinstance(self.private, ecdsa.SigningKey):
            r, s = self.private.sign(
                message,
                hashfunc=getattr(hashlib, self.hash_name),
                sigencode=lambda r, s, _: (int(r), int(s)),
                allow_truncate=True,
            )
            return utils.encode_dss_signature(r, s)
        if self.pss:
            size = HASHES[self.hash_name].digest_size
            return self.private.sign(
                message, padding.PSS(padding.MGF1(HASHES[self.hash_name]), size), HASHES[self.hash_name]
            )
        return self.private.sign(message, padding.PKCS1v15(), HASHES[self.hash_name])


def _explicit(curve: ecdsa.curves.Curve) -> keys.ECDomainParameters:
    field_ = curve.curve
    p, width = int(field_.p()), (int(field_.p()).bit_length() + 7) // 8
    x, y = int(curve.generator.x()), int(curve.generator.y())
    return keys.ECDomainParameters(
        name="specified",
        value=keys.SpecifiedECDomain(
            {
                "version": 1,
                "field_id": {"field_type": "prime_field", "parameters": core.Integer(p)},
                "curve": {
                    "a": (int(field_.a()) % p).to_bytes(width, "big"),
                    "b": int(field_.b()).to_bytes(width, "big"),
                },
                "base": b"\x04" + x.to_bytes(width, "big") + y.to_bytes(width, "big"),
                "order": int(curve.order),
                "cofactor": 1,
            }
        ),
    )


def ec_keys(curve: ecdsa.curves.Curve = ecdsa.NIST256p, hash_name: str = "sha256", *, explicit: bool = True) -> Keys:
    private = ecdsa.SigningKey.generate(curve=curve)
    parameters = (
        _explicit(curve) if explicit else keys.ECDomainParameters(name="named", value=".".join(map(str, curve.oid)))
    )
    point = b"\x04" + private.verifying_key.to_string()
    spki = keys.PublicKeyInfo(
        {"algorithm": {"algorithm": "ec", "parameters": parameters}, "public_key": keys.ECPointBitString(point)}
    ).dump()
    return Keys(spki, private, algos.SignedDigestAlgorithm({"algorithm": f"{hash_name}_ecdsa"}), hash_name)


def rsa_keys(bits: int = 2048, hash_name: str = "sha256", *, pss: bool = False) -> Keys:
    private = rsa.generate_private_key(65537, bits)
    spki = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    algorithm = algos.SignedDigestAlgorithm({"algorithm": f"{hash_name}_rsa"})
    if pss:
        parameters = {
            "hash_algorithm": {"algorithm": hash_name},
            "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": hash_name}},
            "salt_length": HASHES[hash_name].digest_size,
        }
        algorithm = algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters})
    return Keys(spki, private, algorithm, hash_name, pss)


@dataclass
class Authority:
    """Somebody with a key and a certificate."""

    keys: Keys
    name: x509.Name
    certificate: bytes
    key_identifier: bytes
    issued: list[bytes] = field(default_factory=list)

    @property
    def parsed(self) -> x509.Certificate:
        return x509.Certificate.load(self.certificate)


def name_of(country: str, common_name: str) -> x509.Name:
    return x509.Name.build({"country_name": country, "organization_name": "Utopia", "common_name": common_name})


def certify(
    country: str = "UT",
    common_name: str = "CSCA",
    *,
    keys_: Keys | None = None,
    issuer: Authority | None = None,
    is_authority: bool = True,
    serial: int = 1,
    begin: datetime = BEGIN,
    end: datetime = END,
    usage: tuple[datetime, datetime] | None = None,
    key_identifier: bytes | None = None,
    authority_key_identifier: bytes | None = None,
    extended_usage: str | None = None,
) -> Authority:
    """Issue a certificate; without an issuer it is self-signed. An empty key identifier leaves the extension out."""
    own = keys_ or ec_keys()
    name = name_of(country, common_name)
    if key_identifier is None:
        key_identifier = hashlib.sha1(own.spki).digest()
    signer_keys = issuer.keys if issuer else own
    if authority_key_identifier is None:
        authority_key_identifier = issuer.key_identifier if issuer else key_identifier
    extensions = []
    if is_authority:
        extensions.append({"extn_id": "basic_constraints", "critical": True, "extn_value": {"ca": True}})
        extensions.append({"extn_id": "key_usage", "critical": True, "extn_value": {"key_cert_sign", "crl_sign"}})
    else:
        extensions.append({"extn_id": "key_usage", "critical": True, "extn_value": {"digital_signature"}})
    if key_identifier:
        extensions.append({"extn_id": "key_identifier", "extn_value": key_identifier})
    if authority_key_identifier:
        extensions.append(
            {"extn_id": "authority_key_identifier", "extn_value": {"key_identifier": authority_key_identifier}}
        )
    if usage:
        value = x509.PrivateKeyUsagePeriod({"not_before": usage[0], "not_after": usage[1]})
        extensions.append({"extn_id": "private_key_usage_period", "extn_value": value})
    if extended_usage:
        extensions.append({"extn_id": "extended_key_usage", "critical": True, "extn_value": [extended_usage]})
    tbs = x509.TbsCertificate(
        {
            "version": "v3",
            "serial_number": serial,
            "signature": signer_keys.algorithm,
            "issuer": issuer.name if issuer else name,
            "validity": {"not_before": x509.UTCTime(begin), "not_after": x509.UTCTime(end)},
            "subject": name,
            "subject_public_key_info": keys.PublicKeyInfo.load(own.spki),
            "extensions": extensions,
        }
    )
    certificate = x509.Certificate(
        {
            "tbs_certificate": tbs,
            "signature_algorithm": signer_keys.algorithm,
            "signature_value": signer_keys.sign(tbs.dump()),
        }
    ).dump()
    return Authority(own, name, certificate, key_identifier or b"")


def sign_content(
    signer: Authority,
    content_type: str,
    content: bytes,
    *,
    enclosed: list[bytes] | None = None,
    by_key_identifier: bool = False,
    bare: bool = False,
    signing_time: datetime | None = None,
    digest_name: str | None = None,
    version: str = "v3",
    changed_content: bytes | None = None,
    attributes: bool = True,
    serial: int | None = None,
) -> bytes:
    """Return CMS SignedData. `bare`: the signature algorithm says only the scheme, the hash stands in digestAlgorithm."""
    digest_name = digest_name or signer.keys.hash_name
    digest = hashlib.new(digest_name, content).digest()
    algorithm = signer.keys.algorithm
    if bare:
        algorithm = algos.SignedDigestAlgorithm(
            {
                "algorithm": "1.2.840.10045.2.1"
                if isinstance(signer.keys.private, ecdsa.SigningKey)
                else "rsassa_pkcs1v15"
            }
        )
    attrs = [
        cms.CMSAttribute({"type": "content_type", "values": [cms.ContentType(content_type)]}),
        cms.CMSAttribute({"type": "message_digest", "values": [digest]}),
    ]
    if signing_time:
        attrs.append(
            cms.CMSAttribute(
                {"type": "signing_time", "values": [cms.Time(name="utc_time", value=core.UTCTime(signing_time))]}
            )
        )
    signed_attributes = cms.CMSAttributes(attrs)
    if by_key_identifier:
        identifier = cms.SignerIdentifier(name="subject_key_identifier", value=signer.key_identifier)
    else:
        parsed = signer.parsed
        number = parsed.serial_number if serial is None else serial
        value = cms.IssuerAndSerialNumber({"issuer": parsed.issuer, "serial_number": number})
        identifier = cms.SignerIdentifier(name="issuer_and_serial_number", value=value)
    table = {
        "version": "v3" if by_key_identifier else "v1",
        "sid": identifier,
        "digest_algorithm": {"algorithm": digest_name},
        "signature_algorithm": algorithm,
        "signature": signer.keys.sign(signed_attributes.dump() if attributes else content),
    }
    if attributes:
        table["signed_attrs"] = signed_attributes
    held = content if changed_content is None else changed_content
    certificates = [signer.certificate] if enclosed is None else enclosed
    signed = cms.SignedData(
        {
            "version": version,
            "digest_algorithms": [{"algorithm": digest_name}],
            "encap_content_info": {
                "content_type": content_type,
                "content": core.ParsableOctetString(held) if version == "v3" else core.OctetString(held, explicit=0),
            },
            "certificates": [
                cms.CertificateChoices(name="certificate", value=x509.Certificate.load(one)) for one in certificates
            ],
            "signer_infos": [cms.SignerInfo(table)],
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()


class _Digest(core.Sequence):
    _fields: ClassVar = [("number", core.Integer), ("digest", core.OctetString)]


class _Digests(core.SequenceOf):
    _child_spec = _Digest


class _SecurityObject(core.Sequence):
    _fields: ClassVar = [("version", core.Integer), ("hash", algos.DigestAlgorithm), ("digests", _Digests)]


class _Certificates(core.SetOf):
    _child_spec = x509.Certificate


class _MasterList(core.Sequence):
    _fields: ClassVar = [("version", core.Integer), ("certificates", _Certificates)]


def security_object(groups: dict[int, bytes], hash_name: str = "sha256", version: int = 0) -> bytes:
    digests = [
        {"number": number, "digest": hashlib.new(hash_name, content).digest()} for number, content in groups.items()
    ]
    return _SecurityObject({"version": version, "hash": {"algorithm": hash_name}, "digests": digests}).dump()


def wrapped(tag: int, content: bytes) -> bytes:
    """Return content under a one-byte tag."""
    return core.Asn1Value.load(b"\x04" + core.OctetString(content).dump()[1:]).dump().replace(b"\x04", bytes([tag]), 1)


def sod(
    signer: Authority, groups: dict[int, bytes], *, hash_name: str = "sha256", lds_version: int = 0, **how: object
) -> bytes:
    """Return EF.SOD over data groups."""
    how.setdefault("content_type", "2.23.136.1.1.1")
    content_type = how.pop("content_type")
    return wrapped(0x77, sign_content(signer, content_type, security_object(groups, hash_name, lds_version), **how))


def master_list(signer: Authority, certificates: list[bytes], **how: object) -> bytes:
    content = _MasterList({"version": 0, "certificates": [x509.Certificate.load(one) for one in certificates]}).dump()
    return sign_content(signer, "2.23.136.1.1.2", content, **how)


def revocation_list(
    issuer: Authority,
    serials: list[int],
    *,
    this_update: datetime = THIS_UPDATE,
    next_update: datetime | None = NEXT_UPDATE,
) -> bytes:
    table = {
        "version": "v2",
        "signature": issuer.keys.algorithm,
        "issuer": issuer.name,
        "this_update": x509.Time(name="utc_time", value=core.UTCTime(this_update)),
    }
    if next_update:
        table["next_update"] = x509.Time(name="utc_time", value=core.UTCTime(next_update))
    if serials:
        moment = x509.Time(name="utc_time", value=core.UTCTime(this_update))
        table["revoked_certificates"] = [{"user_certificate": serial, "revocation_date": moment} for serial in serials]
    tbs = crl.TbsCertList(table)
    return crl.CertificateList(
        {"tbs_cert_list": tbs, "signature_algorithm": issuer.keys.algorithm, "signature": issuer.keys.sign(tbs.dump())}
    ).dump()


def deviation_list(signer: Authority, deviations: list[tuple[bytes, list[str]]]) -> bytes:
    """Return a deviation list: for each (criterion in DER, deviation types by object identifier)."""
    encoded = b"".join(
        _sequence(_sequence(criterion) + _set(b"".join(_sequence(core.ObjectIdentifier(one).dump()) for one in kinds)))
        for criterion, kinds in deviations
    )
    return sign_content(signer, "2.23.136.1.1.7", _sequence(core.Integer(0).dump() + _set(encoded)))


def _sequence(content: bytes) -> bytes:
    return wrapped(0x30, content)


def _set(content: bytes) -> bytes:
    return wrapped(0x31, content)
