"""Digital seals on paper: the byte form (VDS, with its C40) and the JSON form (VDS-NC), and the strict JSON reader beneath."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

from cryptography.hazmat.primitives import serialization

from central_sync import strict_json
from central_sync.errors import StrictJsonError
from gate_agent.domain.check import CheckOutcome
from gate_agent.inspection.certificate_reading import read_certificate
from gate_agent.inspection.trust_store import CertificateRole, HeldCertificate, TrustStore
from gate_agent.inspection.visible_seal import SealInspection, inspect_page, inspect_seal
from gate_agent.inspection.visible_seal_format import SealMalformed, decode_c40, parse_seal
from gate_agent.inspection.visible_seal_json import JSON_SEAL_LIMIT_BYTES, parse_json_seal
from tests.fuzz.target import Target, layers
from tests.unit import seal_builders as build

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_HEADER_BYTES = 2 + 2 + 4 + 2  # of version 4 with a reference of two characters, before the date of issue
_TYPES = ("fb06", "fa06", "f90a", "5d02", "fd02", "0000")


def _trusted() -> tuple[build.SealSigner, TrustStore]:
    authority = build.authority()
    signer = build.seal_signer(issuer=authority)
    root = authority[1].public_bytes(serialization.Encoding.DER)
    held = ((signer.der, CertificateRole.SIGNER), (root, CertificateRole.ISSUER))
    return signer, TrustStore([HeldCertificate(read_certificate(der), role, ("fuzz",)) for der, role in held])


def _judged(content: bytes, store: TrustStore) -> SealInspection:
    found = inspect_seal(content, store, NOW)
    assert set(found.checks.values()) <= set(CheckOutcome)
    if found.result.outcome is not CheckOutcome.SUCCESSFUL:
        assert found.result.reasons, "whatever is not successful says why"
    assert inspect_page([content], store, NOW).result.outcome is found.result.outcome
    return found


def visible_seal() -> Target:
    """The bytes of a barcode, any features signed by a trusted signer, and C40 alone."""
    signer, store = _trusted()
    seeds = [build.seal(signer, type_code=code, version=version) for code in _TYPES for version in (3, 4)]
    seeds.append(build.seal(signer, ((2, build.c40("".join(build.ZONE))), (4, b"\x20"), (200, bytes(300)))))
    signed_bytes = frozenset(parse_seal(seed).signed_bytes for seed in seeds)

    def seal(content: bytes) -> bool:
        found = _judged(content, store)
        try:
            parts = parse_seal(content)
        except SealMalformed:
            assert found.result.outcome is not CheckOutcome.SUCCESSFUL
            return False
        if found.result.outcome is CheckOutcome.SUCCESSFUL:
            assert parts.signed_bytes in signed_bytes, "successful, and nobody signed it"
        written = b"".join(
            bytes((tag,)) + build.length_bytes(len(value)) + value
            for tag, value in [
                *((one.tag, one.value) for one in parts.features),
                *([(0xFF, parts.signature)] if parts.signature else []),
            ]
        )
        is_plain = max([len(one.value) for one in parts.features] + [len(parts.signature)]) < 0x80
        assert not is_plain or content.endswith(written), "features and signature are the bytes, whole and in order"
        return True

    def signed_seal(content: bytes) -> bool:
        """Issue, signature dates, type and features from the fuzzer; state and signer ours, and the signature right."""
        body = b"\xdc\x03" + build.c40("UTO") + build.c40("UTSG02") + build.c40("1F") + content
        signature = signer.sign(body)
        found = _judged(body + b"\xff" + build.length_bytes(len(signature)) + signature, store)
        return found.result.outcome is CheckOutcome.SUCCESSFUL

    def c40(content: bytes) -> bool:
        try:
            text = decode_c40(content)
        except SealMalformed:
            return False
        assert len(text) <= len(content) * 3 // 2
        if set(text) <= set(" 0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"):
            assert decode_c40(build.c40(text)) == text, "what our encoder writes means the same"
        return True

    texts = ("D23145890", "".join(build.ZONE), "A", "AB", "ABCD")
    return layers(
        (seal, seeds),
        (signed_seal, [parse_seal(seed).signed_bytes[_HEADER_BYTES:] for seed in seeds if seed[1] == 3]),
        (c40, [build.c40(text) for text in texts]),
        limit_bytes=1024,
    )


def json_seal() -> Target:
    """VDS-NC as printed, any `data` signed by a signer of a trusted issuer, and the strict reader against Python's own."""
    signer, store = _trusted()
    seeds = [build.json_seal(signer, type_name=name) for name in ("icao.vacc", "icao.test", "icao.dta", "other")]
    known = frozenset(parse_json_seal(seed).signed_bytes for seed in seeds)
    certificate = base64.urlsafe_b64encode(signer.der).decode().rstrip("=")

    def seal(content: bytes) -> bool:
        found = _judged(content, store)
        try:
            parts = parse_json_seal(content)
        except SealMalformed:
            assert found.result.outcome is not CheckOutcome.SUCCESSFUL
            return False
        if found.result.outcome is CheckOutcome.SUCCESSFUL:
            assert parts.signed_bytes in known, "successful, and nobody signed it"
        return True

    def signed_seal(content: bytes) -> bool:
        try:
            canonical = strict_json.dumps(strict_json.load_object(content, max_bytes=JSON_SEAL_LIMIT_BYTES))
        except StrictJsonError:
            return False
        signature = base64.urlsafe_b64encode(signer.sign(canonical)).decode()
        tail = json.dumps({"alg": "ES256", "cer": certificate, "sigvl": signature})
        found = _judged(b'{"data":' + content + b',"sig":' + tail.encode() + b"}", store)
        return found.result.outcome is CheckOutcome.SUCCESSFUL

    def reader(content: bytes) -> bool:
        try:
            value = strict_json.loads(content, max_bytes=2048, max_depth=16)
        except StrictJsonError:
            return False
        assert json.loads(content) == value, "what both readers take, they take alike"
        written = strict_json.dumps(value)
        assert strict_json.loads(written, max_bytes=8192, max_depth=16) == value
        assert strict_json.dumps(strict_json.loads(written, max_bytes=8192)) == written
        return True

    inner = [json.dumps(json.loads(seed)["data"]).encode() for seed in seeds]
    texts = [b'{"a":[1,-2.5e3,true,null,"\\u00e9"],"b":{"c":""}}', b"[[[[[]]]]]", b'"\\ud83d\\ude00"', b"1e5"]
    return layers((seal, seeds), (signed_seal, inner), (reader, [*texts, *inner]), limit_bytes=3000)
