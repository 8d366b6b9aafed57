"""The symbols of a machine readable zone (ICAO Doc 9303-3 §4.3) in the order of the recogniser's classes."""

from __future__ import annotations

from typing import Final

SYMBOLS: Final = "<0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""What can be printed; class 0 of the network is the CTC blank, class n is `SYMBOLS[n - 1]`."""
CLASSES: Final = len(SYMBOLS) + 1
BLANK: Final = 0
VALUES: Final = (0, *range(10), *range(10, 36))
"""Value of each symbol for check digits, in the order of `SYMBOLS` (9303-3 §4.9)."""
