"""One screening result as JSON: `{"scan_id": …, "decision": "clear"|"alarm"|"undetermined", "image_reference": …}`, strictly.

Whatever brings the bytes (a file, later a request) hands them to `parse_result`. The image itself is neither fetched nor opened.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from drivers import strict_json
from drivers.surroundings import XrayDecision, XrayReported
from drivers.xray_inbox.errors import XrayResultRefused

RESULT_LIMIT_BYTES = 16_384

ScanId = Annotated[str, StringConstraints(pattern=r"^[!-~]{1,128}$")]
ImageReference = Annotated[str, StringConstraints(pattern=r"^[ -~]{0,512}$")]


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    scan_id: ScanId
    decision: XrayDecision
    image_reference: ImageReference = ""


def parse_result(content: bytes) -> XrayReported:
    """Return the result. Raises `XrayResultRefused`: too long, no JSON, a key twice, unknown, missing or of another form."""
    try:
        members = strict_json.load(content, RESULT_LIMIT_BYTES)
    except strict_json.NoJson as error:
        raise XrayResultRefused(str(error)) from error
    try:
        result = _Result.model_validate(members)
    except ValidationError as error:
        places = ", ".join(sorted({".".join(map(str, item["loc"])) or "object" for item in error.errors()}))
        raise XrayResultRefused(f"missing, unknown or wrong: {places[:200]}") from error
    return XrayReported(result.scan_id, result.decision, result.image_reference)
