"""Faults of the X-ray inbox, below `drivers.errors.DriverFault`.

DriverFault
└── FrameFault
    └── XrayResultRefused   DRV-XRY-001  a file or a post that holds no result
"""

from __future__ import annotations

from drivers.errors import FrameFault


class XrayResultRefused(FrameFault):
    """What came holds no result that may be used; the text says why. A file is kept as `.refused`, a post is answered with the text."""

    code = "DRV-XRY-001"
    remedy = "Look at the `.refused` file, or at the answer to the post; correct what the X-ray's machine sends, and look at the scan by hand."
