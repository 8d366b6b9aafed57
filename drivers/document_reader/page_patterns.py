"""How a reader's program names the files of one document: patterns such as `{document}-white.jpg` or `{document}/white.*`.

`{document}` stands for whatever names the document (a stem, or a sub-folder of its own), `*` for any run of characters. What begins with a dot
is nobody's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_DOCUMENT = "{document}"
_PIECES = re.compile(r"(\{document\}|\*)")
_MEANING = {_DOCUMENT: r"(?P<document>[^/.][^/]{0,127}?)", "*": r"[^/]*"}


class Named(NamedTuple):
    """What a file is: of which document, and which of its parts."""

    document: str
    part: str


def compiled(pattern: str) -> re.Pattern[str]:
    """Return the expression of a pattern. Raises ValueError saying what is wrong with it."""
    if pattern.count(_DOCUMENT) != 1:
        raise ValueError(f"{pattern!r}: `{_DOCUMENT}` stands in it once")
    folders = pattern.split("/")
    if len(folders) > 2 or (len(folders) == 2 and folders[0] != _DOCUMENT):
        raise ValueError(f"{pattern!r}: a folder in it is `{_DOCUMENT}` and nothing else")
    if any(not name or name.startswith(".") for name in folders):
        raise ValueError(f"{pattern!r}: no name is empty or begins with a dot")
    return re.compile("".join(_MEANING.get(piece, re.escape(piece)) for piece in _PIECES.split(pattern)), re.DOTALL)


class PagePatterns:
    """The patterns of one reader, by part."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        """Compile them. Raises ValueError for a pattern that is none."""
        self._expressions = {part: compiled(pattern) for part, pattern in patterns.items()}
        self.has_folders = any("/" in pattern for pattern in patterns.values())
        self.parts = frozenset(patterns)

    def of(self, name: str) -> Named | None:
        """Return what a file is, by its path below the watched folder; None for a file that is nobody's."""
        for part, expression in self._expressions.items():
            found = expression.fullmatch(name)
            if found is not None:
                return Named(found["document"], part)
        return None
