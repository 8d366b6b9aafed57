"""The seal protocols that are built in, by the names used in commands and settings. One entry per wire protocol."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.seal_tracker import jointech
from drivers.seal_tracker.errors import ProtocolNotBuiltIn
from drivers.seal_tracker.events import DecodedFrame


class Splitter(Protocol):
    """Cuts a connection's bytes into whole, un-escaped frames."""

    dropped_bytes: int

    def feed(self, received: bytes) -> list[bytes]:
        """Return the frames that are complete after these bytes."""
        ...


@dataclass(frozen=True, slots=True)
class SealProtocol:
    """One wire protocol: its splitter, its decoder and how a single captured frame is brought into the decoder's form."""

    name: str
    aliases: tuple[str, ...]
    new_splitter: Callable[[], Splitter]
    decode: Callable[[bytes], DecodedFrame]
    normalise: Callable[[bytes], bytes]


def _normalise_jointech(captured: bytes) -> bytes:
    """Return the frame un-escaped. Captures exist in both forms; a bare `(` or `)` inside tells that the escapes are undone already."""
    inner = captured[1:-1]
    if captured[:1] == b"(" and b"(" not in inner and b")" not in inner:
        return jointech.unescape(captured)
    return captured


_BUILT_IN = (SealProtocol("jt600", ("jointech",), jointech.StreamSplitter, jointech.decode, _normalise_jointech),)

PROTOCOLS: dict[str, SealProtocol] = {
    name: protocol for protocol in _BUILT_IN for name in (protocol.name, *protocol.aliases)
}


def protocol_named(name: str) -> SealProtocol:
    """Return the protocol of that name or alias, in any case. Raises `ProtocolNotBuiltIn`."""
    protocol = PROTOCOLS.get(name.lower())
    if protocol is None:
        raise ProtocolNotBuiltIn(f"protocol {name[:32]!r} is not built in; built in: {', '.join(sorted(PROTOCOLS))}")
    return protocol
