"""What the ASN.1 library may raise on a structure that is not what it claims to be: it parses lazily, so wherever a part is touched."""

from __future__ import annotations

import struct

ENCODING_FAULTS = (
    ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, RecursionError, struct.error
)  # fmt: skip
