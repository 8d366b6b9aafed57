"""`egate devices discover`: what is plugged in by stable path, which device of the site file it is, and what the file names that is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from drivers.discovery import FoundPort, found_ports, is_stable
from drivers.document_reader.scanimage_words import FoundScanner
from gate_agent.settings import DeviceSettings

_PATH_OPTIONS = ("path", "source")


def discovered(devices: Iterable[DeviceSettings], root: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for each port that is there, then one for each configured path that is not. Opens nothing."""
    configured = {device.name: path for device in devices if (path := _path_of(device, root))}
    ports = found_ports(root)
    for port in ports:
        names = [name for name, path in configured.items() if Path(path).resolve() == port.leads_to]
        yield {
            "path": str(port.path),
            "kind": port.kind,
            "leads_to": str(port.leads_to),
            "also": [str(path) for path in port.paths[1:]],
            "devices": names,
            "remedy": _port_remedy(port, names, configured, root),
        }
    there = {port.leads_to for port in ports}
    for name, path in configured.items():
        if Path(path).resolve() in there:
            continue
        is_there = Path(path).exists()
        yield {
            "path": path,
            "kind": "",
            "leads_to": str(Path(path).resolve()) if is_there else None,
            "also": [],
            "devices": [name],
            "remedy": ""
            if is_there
            else f"{name} is configured and not plugged in: check its cable, or its path in the site file.",
        }


def _port_remedy(port: FoundPort, names: list[str], configured: dict[str, str], root: Path) -> str:
    if not names:
        return f'No [[device]] has this path: write path = "{port.path}" into its options if it belongs to this gate.'
    if len(names) > 1:
        return f"{' and '.join(names)} name one device: give each its own path."
    if not is_stable(configured[names[0]], root):
        return f'{configured[names[0]]} may be another device after a restart: write "{port.path}" instead.'
    return ""


def discovered_scanners(devices: Iterable[DeviceSettings], found: Iterable[FoundScanner]) -> Iterator[dict[str, Any]]:
    """Yield a row for each scanner that scanimage sees, by the name that goes into the option `device`."""
    configured = [(device.name, device.options.get("device")) for device in devices if device.driver == "sane_scanner"]
    for scanner in found:
        names = [name for name, wanted in configured if wanted == scanner.device]
        unused = f'No [[device]] names it: write device = "{scanner.device}" into the options of a sane_scanner if it belongs to this gate.'
        yield {
            "path": scanner.device,
            "kind": "scanner",
            "leads_to": scanner.model,
            "also": [],
            "devices": names,
            "remedy": "" if names else unused,
        }


def _path_of(device: DeviceSettings, root: Path) -> str:
    """Return the device file that a device names in its options, empty when it names none (an address, a file)."""
    for option in _PATH_OPTIONS:
        value = device.options.get(option)
        if isinstance(value, str) and Path(value).is_relative_to(root):
            return value
    return ""


def line_of(row: dict[str, Any]) -> str:
    """Return a row for a terminal."""
    named = ", ".join(row["devices"]) or "-"
    arrow = row["leads_to"] or "not there"
    return f"{named:<16}  {row['kind'] or '-':<7} {row['path']} → {arrow}" + (
        f"\n{'':<18}{row['remedy']}" if row["remedy"] else ""
    )
