"""Faults of full-page readers, below `drivers.errors.DriverFault`.

DriverFault
├── FrameFault
│   └── PageRefused     DRV-PAG-001  pictures of one document that are not taken
├── ServiceRefused      DRV-PAG-002  a maker's service answers that it will not, or nonsense
├── ScannerRefused      DRV-PAG-003  scanimage cannot use the scanner as it is configured
└── ScanimageMissing    DRV-PAG-004  the program scanimage is not there
"""

from __future__ import annotations

from drivers.contracts import DeviceState
from drivers.errors import DriverFault, FrameFault


class PageRefused(FrameFault):
    """The pictures of one document are not taken; the text says why. The reader stays ready."""

    code = "DRV-PAG-001"
    remedy = "Lay the document down again; look at what the reader's program writes when it comes back."


class ServiceRefused(DriverFault):
    """The service answers with an error, a redirection or something that is no answer of its configured shape."""

    code = "DRV-PAG-002"
    remedy = "Check url, paths, pointers and credentials in the site file against the service's own manual and log."


class ScannerRefused(DriverFault):
    """The scanner is there, and scanimage cannot use it as it is configured."""

    code = "DRV-PAG-003"
    remedy = (
        "Compare the options in the site file with what `scanimage -d DEVICE -A` prints; see who else uses the scanner."
    )


class ScanimageMissing(DriverFault):
    """The program scanimage is not installed, or is not where the site file says."""

    code = "DRV-PAG-004"
    state = DeviceState.ABSENT
    remedy = "Install it (`apt-get install sane-utils`), or correct `program` in the site file."
