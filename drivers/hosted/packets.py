"""Packets of the socket: version, sizes, JSON, bytes. Long bytes lie in a sealed memory file that comes with the packet.

    version u8 | flags u8 | JSON bytes u16 | content bytes u32 | JSON | content, unless it lies in the memory file

Big-endian. A socket of packets (SOCK_SEQPACKET) keeps their borders and hands a descriptor over with its own packet.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from dataclasses import dataclass
from typing import Any, NoReturn

from drivers.hosted.values import Unpacker, ValueRefused, pack

VERSION = 2
HEAD = struct.Struct("!BBHI")
JSON_LIMIT_BYTES = 32_768
INLINE_LIMIT_BYTES = 32_768
PACKET_LIMIT_BYTES = HEAD.size + JSON_LIMIT_BYTES + INLINE_LIMIT_BYTES
CONTENT_LIMIT_BYTES = 64 << 20
_IN_MEMORY_FILE, _WITH_FRAME = 1, 2
_SIZE_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
_CONTENT_SEALS = _SIZE_SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL


class PacketRefused(ValueError):
    """Bytes that are no packet of this version."""


@dataclass(frozen=True, slots=True, eq=False)
class Packet:
    """A packet to send; `descriptor` goes with it, and is closed once it was sent when it is `own`."""

    content: bytes
    descriptor: int = -1
    own: bool = False
    size_bytes: int = 0


def encode(message: object, frame: int = -1) -> Packet:
    """Return the packet of a message, with a frame's memory file where there is one. Raises `ValueRefused` for what does not travel."""
    parts: list[bytes] = []
    try:
        header = json.dumps(pack(message, parts), allow_nan=False, separators=(",", ":")).encode()
    except ValueError as error:  # what JSON has no number for; a lone surrogate
        raise ValueRefused(f"{type(message).__name__}: {error}") from error
    content = b"".join(parts)
    if len(header) > JSON_LIMIT_BYTES or len(content) > CONTENT_LIMIT_BYTES:
        raise ValueRefused(f"{type(message).__name__} of {len(header)} and {len(content)} bytes is too long")
    if len(content) <= INLINE_LIMIT_BYTES:
        head = HEAD.pack(VERSION, _WITH_FRAME if frame >= 0 else 0, len(header), len(content))
        return Packet(head + header + content, frame, own=False, size_bytes=len(header) + len(content))
    if frame >= 0:
        raise ValueRefused("a packet carries one memory file")
    head = HEAD.pack(VERSION, _IN_MEMORY_FILE, len(header), len(content))
    return Packet(head + header, _memory_file(content), own=True, size_bytes=len(header) + len(content))


def decode(packet: bytes, descriptors: list[int], hint: Any) -> tuple[Any, int]:
    """Return the message, one of `hint`, and the descriptor of a frame's memory file, else -1. Raises `PacketRefused` or `ValueRefused`.

    The descriptors are the caller's until this returns: then those of content are closed, and that of a frame is what is returned.
    """
    if len(packet) < HEAD.size:
        raise PacketRefused("too short")
    version, flags, json_bytes, content_bytes = HEAD.unpack_from(packet)
    if version != VERSION:
        raise PacketRefused(f"version {version}, this is {VERSION}")
    if flags not in (0, _IN_MEMORY_FILE, _WITH_FRAME) or len(descriptors) != (flags != 0):
        raise PacketRefused("another number of memory files than it says")
    rest = packet[HEAD.size :]
    inline_bytes = 0 if flags == _IN_MEMORY_FILE else content_bytes
    if json_bytes > JSON_LIMIT_BYTES or inline_bytes > INLINE_LIMIT_BYTES or len(rest) != json_bytes + inline_bytes:
        raise PacketRefused("another length than it says")
    try:
        told = json.loads(rest[:json_bytes].decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # deep nesting is no ValueError
        raise PacketRefused("no JSON") from error
    content = _content_of(descriptors[0], content_bytes) if flags == _IN_MEMORY_FILE else rest[json_bytes:]
    message = Unpacker(content).whole(hint, told)
    if flags == _IN_MEMORY_FILE:
        os.close(descriptors.pop())
    return message, descriptors.pop() if flags == _WITH_FRAME else -1


def is_frame_file(descriptor: int, size_bytes: int) -> bool:
    """Tell whether a memory file holds a frame of this size, and cannot shrink under who reads it."""
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        return seals & _SIZE_SEALS == _SIZE_SEALS and 0 < size_bytes <= os.fstat(descriptor).st_size
    except OSError:
        return False  # no memory file at all


def _memory_file(content: bytes) -> int:
    descriptor = os.memfd_create("egate-hosted", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _CONTENT_SEALS)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _content_of(descriptor: int, size_bytes: int) -> bytes:
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
        is_right = seals & _CONTENT_SEALS == _CONTENT_SEALS and os.fstat(descriptor).st_size == size_bytes
    except OSError:
        is_right = False
    if not is_right or not INLINE_LIMIT_BYTES < size_bytes <= CONTENT_LIMIT_BYTES:
        raise PacketRefused("a memory file of the wrong size, or not sealed")
    return os.pread(descriptor, size_bytes, 0)


def _no_number(constant: str) -> NoReturn:
    raise PacketRefused(f"{constant} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise PacketRefused("a key stands twice")
    return members
