"""What is plugged in, by stable path: `/dev/serial`, `/dev/input` and `/dev/v4l`, each `by-id` and `by-path`.

A stable path names a device by its maker and serial number (`by-id`), or by the port it is plugged into (`by-path`); `/dev/ttyUSB0` names whatever
came first. Discovery only looks: it opens nothing and configures nothing. Configuration is the only list of devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEVICE_FILES = Path("/dev")
_PLACES = {"serial": "serial", "input": "input", "video": "v4l"}
_ORDERS = ("by-id", "by-path")


@dataclass(frozen=True, slots=True)
class FoundPort:
    """One device file with the stable paths that lead to it, `by-id` first. `kind` is `serial`, `input` or `video`."""

    kind: str
    paths: tuple[Path, ...]
    leads_to: Path

    @property
    def path(self) -> Path:
        """The path to write into a site file."""
        return self.paths[0]


def found_ports(root: Path = DEVICE_FILES) -> list[FoundPort]:
    """Return what is there now, in the order of its paths. Links that lead nowhere (just pulled out) are left out."""
    found = []
    for kind, place in _PLACES.items():
        paths: dict[Path, list[Path]] = {}
        for order in _ORDERS:
            folder = root / place / order
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                if path.exists():
                    paths.setdefault(path.resolve(), []).append(path)
        found += [FoundPort(kind, tuple(known), target) for target, known in paths.items()]
    return found


def is_stable(path: str, root: Path = DEVICE_FILES) -> bool:
    """Tell whether a configured path will name the same device after a restart: a `by-id` or `by-path` link, or a name of the site's own."""
    given = Path(path)
    return not (given.parent in {root, root / "input"} and given.name.rstrip("0123456789") in _NUMBERED)


_NUMBERED = frozenset({"ttyUSB", "ttyACM", "ttyS", "event", "video"})
