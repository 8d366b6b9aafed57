"""What all full-page readers share: a document's pictures are looked at together, and told together or not at all.

A driver derives from `PageReader` and says where the parts come from. A reader that does not tell presence has each document counted as a
new one, unless it was asked to read again. Pictures are held until the last of a document is there, never longer.
"""

from __future__ import annotations

import re

from pydantic import Field

from drivers.codec import BadFrame
from drivers.contracts import (
    Clock,
    DeviceClass,
    DocumentImage,
    DocumentPresented,
    DocumentRemoved,
    EventSink,
    MrzRead,
    ReadFailed,
)
from drivers.document_reader import page_part as pp
from drivers.document_reader.codec import mrz_lines
from drivers.document_reader.errors import PageRefused
from drivers.document_reader.picture_file import IMAGE_LIMIT_BYTES, media_type_of, why_refused
from drivers.options import TimingOptions
from drivers.supervisor import SupervisedDriver, Timing

_LINE_ENDS = re.compile(rb"[\r\n^]+")  # `^` stands between lines in the answers of Regula's service


class PageReaderOptions(TimingOptions):
    """Options that full-page readers share."""

    picture_limit_bytes: int = Field(
        IMAGE_LIMIT_BYTES, ge=1024, le=IMAGE_LIMIT_BYTES, description="Largest picture taken."
    )
    read_again_s: float = Field(
        15.0, gt=0, le=120, description="Time in which a read that was asked for is of the same document."
    )


class PageReader(SupervisedDriver):
    """Base of such drivers; `received` takes parts, `deliver` a whole document."""

    device_class = DeviceClass.DOCUMENT_READER
    events = frozenset({DocumentPresented, DocumentRemoved, DocumentImage, MrzRead, ReadFailed})
    tells_presence = False

    def __init__(
        self, name: str, options: PageReaderOptions, sink: EventSink, clock: Clock, timing: Timing | None = None
    ) -> None:
        super().__init__(name, timing or options.timing(), sink, clock)
        self._picture_limit_bytes = options.picture_limit_bytes
        self._read_again_s = options.read_again_s
        self._is_presented = False
        self._same_until_s = float("-inf")
        self._parts: list[pp.PagePart] | None = None

    def opened(self) -> None:
        """Forget a document whose pictures came in part."""
        self._parts = None

    def asked_again(self) -> None:
        """Note that the next document is the one that lies there already."""
        self._same_until_s = self.clock.monotonic_s() + self._read_again_s

    def received(self, chunk: bytes, t_mono_s: float) -> bool:
        """Take one part."""
        part = pp.part_of(chunk)
        if isinstance(part, BadFrame):
            self.reporter.record(part.fault())
            return False
        return self.take(part, t_mono_s)

    def take(self, part: pp.PagePart, t_mono_s: float) -> bool:
        """Report what a part means; return whether it made sense."""
        if part.kind == pp.FAILED:
            self.refuse(part.content.decode("utf-8", "replace"), t_mono_s)
            return False
        if part.kind in {pp.PRESENTED, pp.REMOVED}:
            self.presence(t_mono_s, is_presented=part.kind == pp.PRESENTED)
        elif part.kind == pp.BEGIN:
            self._parts = []
        elif part.kind == pp.END:
            parts, self._parts = self._parts or [], None
            lines = next((one.content for one in parts if one.kind == pp.LINES), None)
            return self.deliver({one.kind: one.content for one in parts if one.kind in pp.ROLES}, lines, t_mono_s)
        elif part.kind != pp.ALIVE:
            if self._parts is None:
                return False  # the rest of a document whose beginning was lost
            self._parts.append(part)
            return True
        self.declare_ready()
        return True

    def presence(self, t_mono_s: float, *, is_presented: bool) -> None:
        """Report a change of what the reader tells of presence."""
        self.declare_ready()
        if is_presented is not self._is_presented:
            self._is_presented = is_presented
            self.reporter.emit(DocumentPresented() if is_presented else DocumentRemoved(), t_mono_s)

    def deliver(self, pictures: dict[str, bytes], lines: bytes | None, t_mono_s: float) -> bool:
        """Report one document: its lines, then its pictures; nothing of it when anything of it is not taken."""
        refusals = [
            f"{role}: {why}"
            for role, content in pictures.items()
            if (why := why_refused(content, self._picture_limit_bytes))
        ]
        read = None if lines is None else mrz_lines([one for one in _LINE_ENDS.split(lines) if one], lines)
        if isinstance(read, BadFrame):
            refusals.append(f"lines: {read.reason}")
            read = None
        if not pictures and read is None:
            refusals.append("no picture")
        if refusals:
            if pictures or lines is not None:
                self._arrived(t_mono_s)
            self.refuse("; ".join(refusals), t_mono_s)
            return False
        self.declare_ready()
        self.reporter.clear()
        self._arrived(t_mono_s)
        if read is not None:
            self.reporter.emit(MrzRead(read.lines), t_mono_s, read.raw)
        for role, content in pictures.items():
            self.reporter.emit(DocumentImage(role, media_type_of(content), content), t_mono_s)
        return True

    def refuse(self, why: str, t_mono_s: float) -> None:
        """Report a read that gave nothing."""
        self.reporter.record(PageRefused(f"{self.name}: {why}"))
        self.reporter.emit(ReadFailed(why), t_mono_s)

    def _arrived(self, t_mono_s: float) -> None:
        """Report that a document came, where the reader does not say so itself and did not read the same one again."""
        is_same = self._is_presented and (self.tells_presence or t_mono_s <= self._same_until_s)
        self._same_until_s = float("-inf")
        if not is_same:
            self._is_presented = True
            self.reporter.emit(DocumentPresented(), t_mono_s)
