"""SELECT and READ BINARY: two directories, current file, offsets, short identifiers (ISO/IEC 7816-4 §11.1 and §11.2)."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.chip.twin import commands
from drivers.chip.twin.behaviour import Behaviour
from drivers.chip.twin.commands import Command, Refused
from drivers.chip.twin.files import APPLICATION, CLOSED_FILES, OPEN_FILES, PLACES
from drivers.chip.twin.tlv import TornTlv, elements, tlv

_OFFSET = 0x54
_DISCRETIONARY = 0x53


class FileSystem:
    """The files of one chip and what is selected in them."""

    def __init__(self, files: Mapping[str, bytes], behaviour: Behaviour) -> None:
        self._files = {name: _with_length(content, behaviour.file_lengths.get(name)) for name, content in files.items()}
        self.is_application_selected = False
        self._current = ""

    def reset(self) -> None:
        """Select the master file."""
        self.is_application_selected = False
        self._current = ""

    def select(self, command: Command) -> bytes:
        """Select master file, application or file; raises `Refused` (6A82)."""
        match command.p1, command.content:
            case 0x00, b"" | b"\x3f\x00":
                self.reset()
            case 0x04, name if name and APPLICATION.startswith(name):
                self.is_application_selected = True
                self._current = ""
            case 0x00 | 0x02, file_id if len(file_id) == 2:
                self._current = self._named(file_id=int.from_bytes(file_id, "big"))
            case 0x00 | 0x02 | 0x04, _:
                raise Refused(commands.FILE_NOT_FOUND)
            case _:
                raise Refused(commands.WRONG_PARAMETERS)
        return b""

    def read(self, command: Command, *, has_access: bool) -> tuple[bytes, int]:
        """Return content and status; raises `Refused`."""
        if command.expected is None:
            raise Refused(commands.WRONG_LENGTH)
        is_odd = command.ins == 0xB1
        if command.p1 & 0x80 and not is_odd:
            self._current, offset = self._named(short_id=command.p1 & 0x1F), command.p2
        elif is_odd:
            if command.parameters and command.parameters <= 0x1E:
                self._current = self._named(short_id=command.parameters)
            offset = _offset_object(command.content)
        else:
            offset = command.parameters
        if not self._current:
            raise Refused(commands.NO_CURRENT_FILE)
        if self._current in CLOSED_FILES or not (has_access or self._current in OPEN_FILES):
            raise Refused(commands.SECURITY_STATUS)
        content = self._files[self._current]
        if offset >= len(content):
            raise Refused(commands.OFFSET_OUTSIDE)
        size = command.expected
        if is_odd:
            size -= len(tlv(_DISCRETIONARY, bytes(min(size, len(content) - offset)))) - min(size, len(content) - offset)
            piece = content[offset : offset + max(size, 0)]
            status = commands.OK if offset + size <= len(content) else commands.END_OF_FILE
            return tlv(_DISCRETIONARY, piece), status
        piece = content[offset : offset + size]
        return piece, commands.OK if len(piece) == size else commands.END_OF_FILE

    def _named(self, *, file_id: int = 0, short_id: int = 0) -> str:
        for name, place in PLACES.items():
            if place.is_in_master_file is self.is_application_selected or name not in self._files:
                continue
            if file_id == place.file_id or (short_id and short_id == place.short_id):
                return name
        raise Refused(commands.FILE_NOT_FOUND)


def _offset_object(content: bytes) -> int:
    try:
        objects = dict(elements(content))
    except TornTlv:
        raise Refused(commands.WRONG_CONTENT) from None
    if len(objects.get(_OFFSET, b"")) not in {1, 2, 3}:
        raise Refused(commands.WRONG_CONTENT)
    return int.from_bytes(objects[_OFFSET], "big")


def _with_length(content: bytes, claimed: int | None) -> bytes:
    """Return the file with another length in its first element; 0 and 65535 are what real chips were seen with."""
    if claimed is None:
        return content
    tag_bytes = 2 if content[0] & 0x1F == 0x1F else 1
    first = content[tag_bytes]
    header = tag_bytes + 1 + (first & 0x7F if first & 0x80 else 0)
    length = bytes((claimed,)) if claimed < 0x80 else b"\x82" + claimed.to_bytes(2, "big")
    return content[:tag_bytes] + length + content[header:]
