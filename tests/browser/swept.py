"""Which languages the long browser tests walk through: a few that differ most, or all of them with `make languages`.

A shorter test opens the frames with the most text in every language each time; the catalogues themselves are always checked whole.
"""

from __future__ import annotations

import os

from gate_agent.web.i18n import GUARD_LANGUAGES, TRAVELLER_LANGUAGES

ALL = bool(os.environ.get("EGATE_ALL_LANGUAGES"))
TRAVELLER_SWEPT = TRAVELLER_LANGUAGES if ALL else ("kk", "fa-AF")
"""The longest words, and right to left."""
GUARD_SWEPT = GUARD_LANGUAGES if ALL else ("en", "ru")
"""The source, and the longest words."""
