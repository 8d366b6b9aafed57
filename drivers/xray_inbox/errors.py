"""Faults of the X-ray inbox, below `drivers.errors.DriverFault`.

DriverFault
└── FrameFault
    └── XrayResultRefused   DRV-XRY-001  a file that holds no result
"""

from __future__ import annotations

from drivers.errors import FrameFault


class XrayResultRefused(FrameFault):
    """A file holds no result that may be used; the text says why. It is kept beside the others, its name ending in `.refused`."""

    code = "DRV-XRY-001"
    remedy = "Look at the `.refused` file; correct what the X-ray's machine writes, and look at the scan by hand."
