"""`python -m models.pin`: write `models/pins.toml` anew from the manifests, calibration records, cohorts and weights there."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from models.pins import PINNED_FOLDERS, PINS_FILE


def pins_text(package: Path) -> str:
    """Return the list of released files under a package folder, one SHA-256 each."""
    lines = [
        "# SHA-256 of every released manifest, calibration record, cohort and weight file; written by `python -m models.pin`.",
        "[sha256]",
    ]
    for folder in PINNED_FOLDERS:
        place = package / folder
        paths = sorted(path for path in (place.iterdir() if place.is_dir() else ()) if path.is_file())
        lines += [f'"{folder}/{path.name}" = "{hashlib.sha256(path.read_bytes()).hexdigest()}"' for path in paths]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the list beside this module."""
    package = Path(str(resources.files("models")))
    (package / PINS_FILE).write_text(pins_text(package), encoding="utf-8")


if __name__ == "__main__":
    main()
