"""Where this user's rebuildable files lie: built models, fetched test portraits. Nothing in it is ever the only copy."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder named by `EGATE_CACHE`, else `~/.cache/egate`; it may not exist yet."""
    named = os.environ.get("EGATE_CACHE", "")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "egate"


def models_folder() -> Path:
    """Return the folder of built models inside the cache; a site's own folder is a setting (`paths.models`)."""
    return cache_folder() / "models"
