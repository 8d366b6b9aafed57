"""Lines of standard input for commands that give one answer a line, whatever is sent to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO


def input_lines(stream: BinaryIO, longest_bytes: int) -> Iterator[bytes]:
    """Yield every line that is not blank, without its end. Of a longer one its beginning alone: the rest is no line of its own."""
    is_inside_long_line = False
    while line := stream.readline(longest_bytes):
        is_continued, is_inside_long_line = is_inside_long_line, not line.endswith(b"\n")
        if not is_continued and line.strip():
            yield line.rstrip(b"\r\n")
