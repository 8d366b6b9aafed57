"""The JSON form of a visible digital seal, VDS-NC (ICAO technical report "VDS-NC"): `{data: {hdr: {t, v, is}, msg}, sig: {alg, cer, sigvl}}`.

The signature covers `data`, written compactly with sorted keys in UTF-8. The signer's certificate comes inside the seal, so it proves
nothing by itself: it must chain to an issuing state's authority.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass

from central_sync import strict_json
from central_sync.errors import StrictJsonError
from central_sync.strict_json import JSON
from gate_agent.inspection.plain_text import plain
from gate_agent.inspection.visible_seal_format import SealMalformed

JSON_SEAL_LIMIT_BYTES = 16_384
_DEPTH_LIMIT = 16
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_STATE = re.compile(r"[A-Z]{1,3}")
_TYPE = re.compile(r"[a-z0-9.]{1,32}")
_PERSON = {
    "i": "document_number",
    "dob": "date_of_birth",
    "sex": "sex",
    "dt": "document_code",
    "ai": "additional_identifier",
}
_CRITICALITY = {"icao.dta": 95, "icao.vacc": 20, "icao.test": 20}


@dataclass(frozen=True, slots=True)
class JsonSeal:
    """A seal in JSON, taken apart. `signed_bytes` are the canonical bytes of `data`; `certificate` is DER and not looked at yet."""

    type_name: str
    version: int
    issuing_state: str
    message: Mapping[str, JSON]
    signed_bytes: bytes
    algorithm: str
    certificate: bytes
    signature: bytes

    @property
    def criticality(self) -> int:
        """How much hangs on it among several seals on one page; 0 for a type that is not known."""
        return _CRITICALITY.get(self.type_name, 0)

    @property
    def fields(self) -> dict[str, str | int]:
        """What it says, by ICAO names, ready to be shown; members of the message that this gate does not know are left out."""
        found: dict[str, str | int] = {
            "document_type": self.type_name,
            "seal_version": self.version,
            "seal_issuing_state": self.issuing_state,
        }
        person = self.message.get("pid")
        if not isinstance(person, dict):
            return found
        name = person.get("n")
        if isinstance(name, str) and name:
            primary, _, secondary = name.partition("  ")  # two spaces stand for the two fillers of a zone
            found |= {"primary_identifier": plain(primary.strip()), "secondary_identifier": plain(secondary.strip())}
        found |= {
            field: plain(text)
            for member, field in _PERSON.items()
            if isinstance(text := person.get(member), str) and text
        }
        reference = self.message.get("uvci")
        return found | ({"certificate_identifier": plain(reference)} if isinstance(reference, str) else {})


def is_json_seal(content: bytes) -> bool:
    """Return whether bytes begin as a JSON object does."""
    return content[:64].lstrip()[:1] == b"{"


def parse_json_seal(content: bytes) -> JsonSeal:
    """Return the seal. Raises `SealMalformed`, and nothing else."""
    try:
        seal = strict_json.load_object(content, max_bytes=JSON_SEAL_LIMIT_BYTES, max_depth=_DEPTH_LIMIT)
        signed = _object(seal, "data")
        signed_bytes = strict_json.dumps(signed)
    except StrictJsonError as error:
        raise SealMalformed(f"{error.code}: {error}") from error
    header, message, signature = _object(signed, "hdr"), _object(signed, "msg"), _object(seal, "sig")
    type_name, version, state = header.get("t"), header.get("v"), header.get("is")
    if not isinstance(type_name, str) or not _TYPE.fullmatch(type_name):
        raise SealMalformed("hdr.t is missing or has another form")
    if type(version) is not int or version < 1:
        raise SealMalformed("hdr.v is missing or no version")
    if not isinstance(state, str) or not _STATE.fullmatch(state):
        raise SealMalformed("hdr.is is missing or no state")
    algorithm = signature.get("alg")
    if not isinstance(algorithm, str) or len(algorithm) > 16:
        raise SealMalformed("sig.alg is missing or no algorithm")
    return JsonSeal(
        type_name,
        version,
        state,
        message,
        signed_bytes,
        algorithm,
        _bytes_of(signature, "cer"),
        _bytes_of(signature, "sigvl"),
    )


def _object(parent: Mapping[str, JSON], name: str) -> dict[str, JSON]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise SealMalformed(f"{name} is missing or no object")
    return value


def _bytes_of(parent: Mapping[str, JSON], name: str) -> bytes:
    value = parent.get(name)
    if not isinstance(value, str) or not _URL_SAFE.fullmatch(value):
        raise SealMalformed(f"sig.{name} is missing or not base64url")
    unpadded = value.rstrip("=")
    try:
        return base64.urlsafe_b64decode(unpadded + "=" * (-len(unpadded) % 4))
    except (binascii.Error, ValueError):
        raise SealMalformed(f"sig.{name} is not base64url") from None
