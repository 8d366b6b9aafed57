"""Whether slow sweeps run whole (`make sweeps`) or over the part of each that the suite has time for."""

import os

SWEEPS_ARE_WHOLE = bool(os.environ.get("EGATE_SWEEPS"))
