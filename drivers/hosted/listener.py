"""The host's socket: one user may connect, the one who owns it. systemd may hand it over, then it owns who connects (`SocketUser=`)."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import MutableMapping
from contextlib import suppress
from pathlib import Path

from drivers.hosted.errors import HostTaken

_FIRST_INHERITED = 3
_BACKLOG = 4
_CREDENTIALS = struct.Struct("3i")


class HostSocket:
    """A listening socket of packets. `close` removes its path when it was made here."""

    def __init__(self, listener: socket.socket, path: Path, *, is_inherited: bool = False) -> None:
        listener.setblocking(False)
        self.listener = listener
        self._path = path
        self._is_inherited = is_inherited
        self.owner_uid = path.stat().st_uid

    def is_owner(self, connection: socket.socket) -> bool:
        """Tell whether the process at the other end belongs to the owner of the socket."""
        return peer_uid(connection) == self.owner_uid

    def close(self) -> None:
        """Listen no more."""
        self.listener.close()
        if not self._is_inherited:
            self._path.unlink(missing_ok=True)


def peer_uid(connection: socket.socket) -> int:
    """Return the user whose process connected (SO_PEERCRED: the kernel's word, of the time of the connect)."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(credentials)[1])


def listen(path: Path) -> HostSocket:
    """Listen at a path, which is this user's alone (mode 0600). Raises `HostTaken` when somebody listens there already."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.is_socket():
        if _answers(path):
            raise HostTaken(f"another host listens on {path}")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    try:
        os.fchmod(listener.fileno(), 0o600)  # before it has a name, so that nobody finds it open to others
        listener.bind(str(path))
        listener.listen(_BACKLOG)
        return HostSocket(listener, path)
    except BaseException:
        listener.close()
        raise


def inherited(environment: MutableMapping[str, str]) -> HostSocket | None:
    """Return the socket that systemd hands over (sd_listen_fds(3)), None when it hands none; its variables are used up."""
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or count != "1":
        return None
    listener = socket.socket(fileno=_FIRST_INHERITED)
    os.set_inheritable(_FIRST_INHERITED, False)
    return HostSocket(listener, Path(listener.getsockname()), is_inherited=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as probe, suppress(OSError):
        probe.settimeout(0.2)
        probe.connect(str(path))
        return True
    return False
