"""What `egate rules` reads: JSON from a file or standard input, strictly and up to a size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gate_agent.errors import EgateError

LARGEST_QUESTION_BYTES = 1_000_000
LARGEST_RULEBOOK_BYTES = 4_000_000
LARGEST_BUNDLE_BYTES = 8_000_000


class QuestionRefused(EgateError):
    """The question on standard input is not one, or a file is not what it should be."""

    code = "EG-RUL-001"


def load(content: bytes, max_bytes: int = LARGEST_RULEBOOK_BYTES) -> dict[str, Any]:
    """Return the object in a JSON text. Raises `QuestionRefused`."""
    from central_sync import strict_json
    from central_sync.errors import StrictJsonError

    try:
        return dict(strict_json.load_object(content, max_bytes=max_bytes))
    except StrictJsonError as error:
        raise QuestionRefused(f"not usable JSON: {error}") from error


def read(path: Path, max_bytes: int) -> bytes:
    """Return the content of a file. Raises `QuestionRefused`."""
    try:
        with path.open("rb") as stream:
            content = stream.read(max_bytes + 1)
    except OSError as error:
        raise QuestionRefused(f"{path}: {error.strerror}") from error
    if len(content) > max_bytes:
        raise QuestionRefused(f"{path}: longer than {max_bytes} bytes")
    return content
