"""No record carries an image or a feature of a face: members whose names say so are found wherever they stand."""

from __future__ import annotations

import re

_BIOMETRIC = re.compile(r"biometric|portrait|image|embedding|feature_vector|template", re.IGNORECASE)


def biometric_member(value: object) -> str:
    """Return the name of a member that looks like an image or a feature of a face, empty when there is none."""
    if isinstance(value, dict):
        for key, member in value.items():
            if _BIOMETRIC.search(str(key)):
                return str(key)
            found = biometric_member(member)
            if found:
                return found
    elif isinstance(value, list):
        for member in value:
            found = biometric_member(member)
            if found:
                return found
    return ""
