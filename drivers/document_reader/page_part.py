"""What the link of a full-page reader hands over, piece by piece: one part is one chunk, `kind LF content`, live and on a tape alike.

alive                                  a sign of life
presented, removed                     the reader says so
begin, <role> …, lines, end            one document: its pictures by role, and its printed lines where the reader read them
failed                                 a read that gave nothing; the content says why
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.codec import EXCERPT_BYTES, BadFrame

ALIVE, PRESENTED, REMOVED, BEGIN, LINES, END, FAILED = (
    "alive",
    "presented",
    "removed",
    "begin",
    "lines",
    "end",
    "failed",
)
ROLES = ("white", "infrared", "ultraviolet", "portrait")
_KINDS = {kind.encode(): kind for kind in (ALIVE, PRESENTED, REMOVED, BEGIN, LINES, END, FAILED, *ROLES)}
_WITHOUT_CONTENT = {ALIVE, PRESENTED, REMOVED, BEGIN, END}


@dataclass(frozen=True, slots=True)
class PagePart:
    """One part."""

    kind: str
    content: bytes = b""

    def encode(self) -> bytes:
        """Return the chunk."""
        return self.kind.encode() + b"\n" + self.content


def part_of(chunk: bytes) -> PagePart | BadFrame:
    """Return the part that a chunk is."""
    head, mark, content = chunk.partition(b"\n")
    kind = _KINDS.get(head)
    if kind is None or not mark or (content and kind in _WITHOUT_CONTENT):
        return BadFrame("no part of a page", len(chunk), chunk[:EXCERPT_BYTES])
    return PagePart(kind, content)


def document_parts(pictures: dict[str, bytes], lines: bytes | None = None) -> list[PagePart]:
    """Return the parts of one document."""
    read = [] if lines is None else [PagePart(LINES, lines)]
    return [PagePart(BEGIN), *read, *(PagePart(role, content) for role, content in pictures.items()), PagePart(END)]
