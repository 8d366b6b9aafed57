"""How a camera asks who is there: Basic (RFC 7617) and Digest with MD5 (RFC 7616, RFC 2617), as HTTP and RTSP both use them.

MD5 is what cameras speak; it keeps a password off the wire and protects nothing else. The network of the cameras is a closed one.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"([^"]*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password."""

    user: str
    password: str


def parameters_of(value: str) -> Mapping[str, str]:
    """Return the parameters of a challenge or of its answer, names in lower case."""
    return {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(value.partition(" ")[2])}


def answer_to(
    challenges: Sequence[str], credentials: Credentials, method: str, uri: str, client_nonce: str
) -> str | None:
    """Return the value of an Authorization header for the best of some challenges; None when none of them is spoken here.

    A challenge with a line break or another control character is none: its words come back in our header.
    """
    challenges = [challenge for challenge in challenges if challenge.isprintable()]
    for challenge in challenges:
        scheme, _, _ = challenge.partition(" ")
        asked = parameters_of(challenge)
        if scheme.lower() == "digest" and asked.get("algorithm", "MD5").upper() == "MD5" and "nonce" in asked:
            return _digest(asked, credentials, method, uri, client_nonce)
    if any(challenge.partition(" ")[0].lower() == "basic" for challenge in challenges):
        pair = f"{credentials.user}:{credentials.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"
    return None


def is_answered_by(header: str, credentials: Credentials, method: str, nonce: str) -> bool:
    """Return whether an Authorization header proves the credentials against our own `nonce`, Digest only."""
    told = parameters_of(header)
    if not header.lower().startswith("digest ") or told.get("nonce") != nonce:
        return False
    expected = digest_response(told, credentials, method)
    return told.get("username") == credentials.user and told.get("response") == expected


def digest_response(told: Mapping[str, str], credentials: Credentials, method: str) -> str:
    """Return the `response` over the parameters `realm`, `nonce`, `uri` and, with `qop`, `nc` and `cnonce`."""
    who = _md5(f"{credentials.user}:{told.get('realm', '')}:{credentials.password}")
    what = _md5(f"{method}:{told.get('uri', '')}")
    middle = [told.get("nonce", "")]
    if told.get("qop"):
        middle += [told.get("nc", ""), told.get("cnonce", ""), told["qop"]]
    return _md5(":".join([who, *middle, what]))


def _digest(asked: Mapping[str, str], credentials: Credentials, method: str, uri: str, client_nonce: str) -> str:
    told = {"username": credentials.user, "realm": asked.get("realm", ""), "nonce": asked["nonce"], "uri": uri}
    if "auth" in [offer.strip() for offer in asked.get("qop", "").split(",")]:
        told |= {"qop": "auth", "nc": "00000001", "cnonce": client_nonce}
    told["response"] = digest_response(told, credentials, method)
    if "opaque" in asked:
        told["opaque"] = asked["opaque"]
    unquoted = {"qop", "nc"}
    return "Digest " + ", ".join(
        f"{name}={value}" if name in unquoted else f'{name}="{value}"' for name, value in told.items()
    )


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
