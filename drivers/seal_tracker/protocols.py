"""The tracker protocols that are built in, by the names used in commands and settings. One entry per wire protocol."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from drivers.seal_tracker import (
    adm,
    egts,
    envotech,
    eseal,
    galileo,
    gt06,
    jointech,
    jt808,
    meitrack,
    navis,
    queclink,
    t800x,
    teltonika,
    teratrack,
    wialon,
)
from drivers.seal_tracker.codec import FRAME_LIMIT_BYTES, FrameStream, Measure, SealCodec
from drivers.seal_tracker.errors import ProtocolNotBuiltIn
from drivers.seal_tracker.events import DecodedFrame


class Connection(Protocol):
    """What one connection must remember to cut and understand its frames."""

    @property
    def frame_size(self) -> Measure:
        """How the connection's frames are measured."""
        ...

    @property
    def decode(self) -> Callable[..., DecodedFrame]:
        """What one frame says."""
        ...


class _Stateless(NamedTuple):
    """A connection with nothing to remember."""

    frame_size: Measure
    decode: Callable[..., DecodedFrame]


@dataclass(frozen=True, slots=True)
class SealProtocol:
    """One wire protocol: how its frames are cut, what they mean, and how a captured frame is brought into the decoder's form.

    `decode_capture`: reads a frame whose length or checksum does not hold any more, for looking at captures only, never for a server.
    `connection`: makes what one connection must remember, for protocols that agree on something first.
    `options`: names of the keyword options that `decode` takes besides the frame.
    """

    name: str
    measure: Measure
    decode: Callable[..., DecodedFrame]
    unwrap: Callable[[bytes], bytes] = bytes
    normalise: Callable[[bytes], bytes] = bytes
    decode_capture: Callable[[bytes], DecodedFrame] | None = None
    aliases: tuple[str, ...] = ()
    limit_bytes: int = FRAME_LIMIT_BYTES
    shared_ends: bytes = b""
    options: tuple[str, ...] = ()
    connection: Callable[[], Connection] | None = None

    def new_stream(self) -> FrameStream:
        """Return the splitter of one connection."""
        return self._stream(self._new_connection())

    def new_codec(self, **options: object) -> SealCodec:
        """Return the codec of one connection. Options that this protocol does not know are left out."""
        known = {name: value for name, value in options.items() if name in self.options}
        connection = self._new_connection()
        decode = functools.partial(connection.decode, **known) if known else connection.decode
        return SealCodec(
            self._stream(connection), decode, connection if isinstance(connection, jt808.Connection) else None
        )

    def _new_connection(self) -> Connection:
        return self.connection() if self.connection is not None else _Stateless(self.measure, self.decode)

    def _stream(self, connection: Connection) -> FrameStream:
        return FrameStream(
            connection.frame_size, self.unwrap, limit_bytes=self.limit_bytes, shared_ends=self.shared_ends
        )


_BUILT_IN = (
    SealProtocol(
        "jt600",
        jointech.frame_size,
        jointech.decode,
        unwrap=jointech.unwrap,
        normalise=jointech.normalise,
        aliases=("jointech",),
    ),
    SealProtocol(
        "jt808",
        jt808.frame_size,
        jt808.decode,
        unwrap=jt808.unwrap,
        limit_bytes=jt808.FRAME_LIMIT_BYTES,
        shared_ends=jt808.DELIMITERS,
        options=("clock_offset_h", "models"),
        connection=jt808.Connection,
    ),
    SealProtocol("eseal", eseal.frame_size, eseal.decode, limit_bytes=1024, options=("startup_configuration",)),
    SealProtocol("teratrack", teratrack.frame_size, teratrack.decode, limit_bytes=8192),
    SealProtocol("gt06", gt06.frame_size, gt06.decode, limit_bytes=gt06.FRAME_LIMIT_BYTES),
    SealProtocol("egts", egts.frame_size, egts.decode, limit_bytes=egts.FRAME_LIMIT_BYTES),
    SealProtocol("wialon", wialon.frame_size, wialon.decode, limit_bytes=wialon.FRAME_LIMIT_BYTES),
    SealProtocol(
        "teltonika",
        teltonika.frame_size,
        teltonika.decode,
        decode_capture=teltonika.decode_capture,
        limit_bytes=teltonika.FRAME_LIMIT_BYTES,
    ),
    SealProtocol("galileo", galileo.frame_size, galileo.decode, limit_bytes=galileo.FRAME_LIMIT_BYTES),
    SealProtocol(
        "navis", navis.usual_frame_size, navis.decode, connection=navis.Connection, limit_bytes=navis.FRAME_LIMIT_BYTES
    ),
    SealProtocol("envotech", envotech.frame_size, envotech.decode, limit_bytes=envotech.FRAME_LIMIT_BYTES),
    SealProtocol(
        "meitrack",
        meitrack.frame_size,
        meitrack.decode,
        decode_capture=meitrack.decode_capture,
        limit_bytes=meitrack.FRAME_LIMIT_BYTES,
    ),
    SealProtocol(
        "gl200text",
        queclink.frame_size,
        queclink.decode,
        aliases=("gl200", "queclink"),
        limit_bytes=queclink.FRAME_LIMIT_BYTES,
    ),
    SealProtocol("adm", adm.frame_size, adm.decode, decode_capture=adm.decode_capture),
    SealProtocol("t800x", t800x.frame_size, t800x.decode, decode_capture=t800x.decode_capture),
)

PROTOCOLS: dict[str, SealProtocol] = {
    name: protocol for protocol in _BUILT_IN for name in (protocol.name, *protocol.aliases)
}


def protocol_named(name: str) -> SealProtocol:
    """Return the protocol of that name or alias, in any case. Raises `ProtocolNotBuiltIn`."""
    protocol = PROTOCOLS.get(name.lower())
    if protocol is None:
        raise ProtocolNotBuiltIn(f"protocol {name[:32]!r} is not built in; built in: {', '.join(sorted(PROTOCOLS))}")
    return protocol
