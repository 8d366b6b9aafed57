"""A real source of large files for tests: https with a certificate of its own, ranges, and misfortunes on demand."""

import asyncio
import contextlib
import hashlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse

from gate_agent.web.pages import serving

PIECE_BYTES = 65_536


def content_of(seed: int, size_bytes: int) -> bytes:
    block = hashlib.sha512(seed.to_bytes(8, "big")).digest()
    return (block * (size_bytes // len(block) + 1))[:size_bytes]


class BlobSource:
    """Serves `files` by SHA-256. `lie`: another content; `cut_after`: the connection breaks there; `pause_s`: between pieces."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.served_bytes = 0
        self.lie = False
        self.has_ranges = True
        self.cut_after: int | None = None
        self.pause_s = 0.0

    def add(self, content: bytes) -> str:
        sha256 = hashlib.sha256(content).hexdigest()
        self.files[sha256] = content
        return sha256

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/files/{sha256}")
        async def file(sha256: str, request: Request) -> Response:
            wanted = request.headers.get("range", "")
            self.requests.append(wanted)
            content = self.files.get(sha256)
            if content is None:
                return Response(status_code=404)
            if self.lie:
                content = bytes(len(content))
            first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.has_ranges else 0
            if first and first >= len(content):
                return Response(status_code=416)
            headers = {"content-length": str(len(content) - first)}
            if first:
                headers["content-range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            return StreamingResponse(self._pieces(content, first), status_code=206 if first else 200, headers=headers)

        return app

    async def _pieces(self, content: bytes, first: int) -> AsyncIterator[bytes]:
        for start in range(first, len(content), PIECE_BYTES):
            if self.cut_after is not None and start >= self.cut_after:
                raise ConnectionAbortedError("cut on purpose")
            piece = content[start : start + PIECE_BYTES]
            self.served_bytes += len(piece)
            yield piece
            await asyncio.sleep(self.pause_s)


def certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 and its key; return the file that both stand in."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "source of large files")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=9))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "source.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@contextlib.asynccontextmanager
async def serving_source(source: BlobSource, pem: Path) -> AsyncIterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    async with serving(source.app(), tls=context) as address:
        yield address.replace("http:", "https:") + "/files"
