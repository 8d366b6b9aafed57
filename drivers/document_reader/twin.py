"""A virtual document reader on a pty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.document_reader.codec import (
    DocumentReaderCodec,
    MrzLines,
    Presence,
    Profile,
    ReadAgain,
    Status,
    StatusQuery,
    image_of,
)
from drivers.twin import PtyTwin


class MrzReaderTwin(PtyTwin):
    """Presents documents, answers the status query and reads again when asked."""

    def __init__(self, path: Path, *, profile: Profile | None = None, baud: int = 0, seed: int = 1) -> None:
        super().__init__(path, baud=baud, seed=seed)
        self._codec = DocumentReaderCodec(profile or Profile())
        self._lines: tuple[str, ...] | None = None
        self._second_read: tuple[str, ...] | None = None
        self._pictures: dict[str, bytes] = {}
        self.read_again_count = 0

    def present(
        self,
        lines: Sequence[str],
        portrait: bytes | None = None,
        *,
        pictures: Mapping[str, bytes] | None = None,
        second_read: Sequence[str] | None = None,
    ) -> None:
        """Lay a document on the glass: presence, its lines, its portrait, pictures of its page (encoded, by role).

        A read-again gives the lines, or `second_read`, and the pictures once more. Raises ValueError for a picture that no reader sends.
        """
        self._lines = tuple(lines)
        self._second_read = tuple(second_read) if second_read is not None else None
        self._pictures = dict(pictures or {})
        self.send(self._codec.encode(Presence(is_presented=True)))
        self.send(self._codec.encode(MrzLines(self._lines)))
        if portrait is not None:
            self.send(self._codec.encode(image_of("portrait", portrait)))
        self._send_pictures()

    def take_pictures(self, pictures: Mapping[str, bytes]) -> None:
        """Change what the next pictures show, as when a lamp lights again."""
        self._pictures = dict(pictures)

    def _send_pictures(self) -> None:
        for role, content in self._pictures.items():
            self.send(self._codec.encode(image_of(role, content)))

    def remove(self) -> None:
        """Take the document away."""
        self._lines = self._second_read = None
        self._pictures = {}
        self.send(self._codec.encode(Presence(is_presented=False)))

    def plugged(self) -> None:
        """Forget half a command from before."""
        self._codec.reset()

    def heard(self, chunk: bytes) -> None:
        """Answer the host."""
        for message in self._codec.feed(chunk):
            if isinstance(message, StatusQuery):
                self.send(self._codec.encode(Status(is_presented=self._lines is not None)))
            elif isinstance(message, ReadAgain) and self._lines is not None:
                self.read_again_count += 1
                self.send(self._codec.encode(MrzLines(self._second_read or self._lines)))
                self._send_pictures()
