"""A virtual passport at the end of a socket, as the virtual PC/SC reader `vpcd` and the gate's own socket reader expect one.

The chip connects, the reader listens. Both ways: two bytes of length (big-endian), then so many bytes. One byte is an order: 0 off, 1 on,
2 reset, 4 asks for the answer to reset, and only that one is answered. Anything longer is a command.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from drivers.chip.twin.behaviour import Hanging
from drivers.chip.twin.passport import VirtualPassport

_POWER_ON, _RESET, _ANSWER_TO_RESET = 1, 2, 4


async def connect(host: str, port: int) -> socket.socket:
    """Return a connection to a reader. Raises `OSError` where none listens."""
    connection = socket.socket()
    connection.settimeout(0)
    try:
        await asyncio.get_running_loop().sock_connect(connection, (host, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        connection.close()
        raise
    return connection


async def serve(
    passport: VirtualPassport,
    connection: socket.socket,
    *,
    shaped: Callable[[bytes], Awaitable[bytes | None]] | None = None,
) -> None:
    """Answer the reader until it leaves; the connection stays open for the caller to close.

    `shaped` may change an answer, take its time, or keep it back with None. Raises `TornOff` when the chip leaves, `OSError` when the line broke.
    """
    loop = asyncio.get_running_loop()
    passport.reset()
    while (message := await _receive(loop, connection)) is not None:
        if len(message) == 1:
            if message[0] in {_POWER_ON, _RESET}:
                passport.reset()
            answer = passport.answer_to_reset if message[0] == _ANSWER_TO_RESET else b""
        elif message:
            await asyncio.sleep(passport.behaviour.delay_s)
            try:
                answer = passport.answer(message)
            except Hanging:
                continue
        else:
            continue
        sent = await shaped(answer) if answer and shaped is not None else answer
        if sent:
            await loop.sock_sendall(connection, len(sent).to_bytes(2, "big") + sent)


async def _receive(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> bytes | None:
    """Return one message, None at the end of the line."""
    head = await _exactly(loop, connection, 2)
    return None if head is None else await _exactly(loop, connection, int.from_bytes(head, "big"))


async def _exactly(loop: asyncio.AbstractEventLoop, connection: socket.socket, size: int) -> bytes | None:
    content = b""
    while len(content) < size:
        piece = await loop.sock_recv(connection, size - len(content))
        if not piece:
            return None
        # The reader writes length and body apart: a delayed acknowledgement would cost 40 ms, and the switch holds for one receive only.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        content += piece
    return content
