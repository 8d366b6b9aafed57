"""TLS between a post and its gates: version 1.3 only, both sides show a certificate, and each believes exactly the ones it was given.

Certificates are their own trust anchors, so the name in them proves nothing that the pin does not, and no third party can vouch for
anybody. Taking a certificate out of the directory and starting the process again revokes it.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from central_sync.errors import IdentityFault
from central_sync.post.directory import PostDirectory

UNUSABLE = "CS-IDN-004"


def post_context(directory: PostDirectory, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the post's side: only the gates of the directory get in. Raises `IdentityFault`."""
    return _context(ssl.PROTOCOL_TLS_SERVER, directory.pem_of_gates(), certificate, key)


def gate_context(directory: PostDirectory, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a gate's side: only the post of the directory is spoken to. Raises `IdentityFault`."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, directory.pem_of_post(), certificate, key)


def _context(protocol: int, believed_pem: str, certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # the certificate itself is pinned; where the post lives may change
    context.verify_mode = ssl.CERT_REQUIRED
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0  # every connection shows its certificate
    try:
        context.load_cert_chain(certificate, key)
        if believed_pem:
            context.load_verify_locations(cadata=believed_pem)
    except (OSError, ssl.SSLError) as error:
        raise IdentityFault(f"{certificate} or {key} cannot be used for TLS", code=UNUSABLE) from error
    return context
