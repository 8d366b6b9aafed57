"""The control panel of one OSDP reader, in a thread of its own: `libosdp` frames, encrypts and repeats; bytes go in and out here.

The library's thread calls nobody: what it has to tell is handed over with `tell`, which must be safe to call from any thread. The secure
channel is enforced, and there is no panel without a key: `scbk=None` would be the install mode, in which anybody may load one.
Source of the protocol: IEC 60839-11-5 (SIA OSDP 2.2).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from drivers.access_control.channel_key import KEY_BYTES
from drivers.access_control.errors import OsdpSupportAbsent

REFRESH_S = 0.01
_BUFFER_LIMIT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Bytes for the line."""

    content: bytes


@dataclass(frozen=True, slots=True)
class SecureChanged:
    """The secure channel came about, or was lost."""

    is_secure: bool


@dataclass(frozen=True, slots=True)
class Reported:
    """What the reader reported, in the library's words."""

    event: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Completed:
    """The reader answered the oldest command that is open; or it could not be handed to it."""

    is_done: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """The thread ended by itself, which it never should."""

    error: str


Told = Outgoing | SecureChanged | Reported | Completed | Ended


def load_library() -> Any:
    """Return the library's module. Raises `OsdpSupportAbsent`."""
    try:
        import osdp_sys  # an optional extra: only a site with such a reader has it
    except ImportError as error:
        raise OsdpSupportAbsent("the library libosdp is not installed") from error
    osdp_sys.set_loglevel(osdp_sys.LOG_CRIT)  # it writes to standard output, where a command's lines stand
    return osdp_sys


class ByteChannel:
    """The line as the library sees it; never blocks."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.id = 0
        self._send = send
        self._received = bytearray()
        self._lock = threading.Lock()

    def put(self, chunk: bytes) -> None:
        """Take bytes from the line; called by any thread. More than the buffer holds is dropped: the library asks again."""
        with self._lock:
            self._received += chunk[: _BUFFER_LIMIT_BYTES - len(self._received)]

    def read(self, max_bytes: int) -> bytes:
        """Return what came; called by the library."""
        with self._lock:
            taken = bytes(self._received[:max_bytes])
            del self._received[:max_bytes]
        return taken

    def write(self, buffer: bytes) -> int:
        """Send; called by the library."""
        self._send(bytes(buffer))
        return len(buffer)

    def flush(self) -> None:
        """Drop what is unread; called by the library."""
        with self._lock:
            self._received.clear()


def peripheral(address: int, channel: ByteChannel, key: bytes, flags: int) -> dict[str, object]:
    """Return one reader in the library's words."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"the key of the secure channel has {KEY_BYTES} bytes")
    identity = {"version": 1, "model": 1, "vendor_code": 0, "serial_number": 0, "firmware_version": 0}
    return {"name": "reader", "address": address, "flags": flags, "scbk": key, "channel": channel, **identity}


class ReaderPanel:
    """One reader on one line. `start` and `stop` belong to whoever owns it; the other calls may come from any thread."""

    def __init__(self, address: int, key: bytes, tell: Callable[[Told], None]) -> None:
        self._library = library = load_library()
        self._tell = tell
        self._channel = ByteChannel(lambda content: tell(Outgoing(content)))
        self._reader = peripheral(address, self._channel, key, library.FLAG_ENFORCE_SECURE)
        self._commands: deque[dict[str, object]] = deque()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="osdp", daemon=True)

    def start(self) -> None:
        """Begin to talk to the reader."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; returns when it is gone, which takes no longer than one turn of the library."""
        self._stopping.set()
        self._thread.join()

    def received(self, chunk: bytes) -> None:
        """Hand over bytes from the line."""
        self._channel.put(chunk)

    def command(self, command: dict[str, object]) -> None:
        """Hand over a command; `Completed` tells what became of it."""
        self._commands.append(command)

    def _run(self) -> None:
        try:
            self._talk()
        except Exception as error:  # noqa: BLE001 - whatever the library raises ends this connection, told with its name
            self._tell(Ended(f"{type(error).__name__}: {error}"))

    def _talk(self) -> None:
        context = self._library.ControlPanel([self._reader])
        context.set_event_callback(self._on_event)
        context.set_command_completion_callback(self._on_completion)
        was_secure = False
        while not self._stopping.wait(REFRESH_S):
            while self._commands:
                if not context.submit_command(0, self._commands.popleft()):
                    self._tell(Completed(is_done=False))
            context.refresh()
            is_secure = bool(context.sc_status() & 1)
            if is_secure is not was_secure:
                was_secure = is_secure
                self._tell(SecureChanged(is_secure))

    def _on_event(self, _reader: int, event: Mapping[str, Any]) -> int:
        self._tell(Reported(dict(event)))
        return 0

    def _on_completion(self, _reader: int, _command: object, status: int) -> None:
        self._tell(Completed(is_done=status == self._library.COMPLETION_OK))
