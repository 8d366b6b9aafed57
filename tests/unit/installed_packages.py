"""Tiny packages with a dist-info of their own on `sys.path`, as an installer leaves them."""

import sys
from pathlib import Path

import pytest


def install(
    folder: Path, monkeypatch: pytest.MonkeyPatch, distribution: str, entries: dict[str, str], modules: dict[str, str],
    group: str = "egate.drivers",
) -> Path:  # fmt: skip
    """Lay down modules (name: source) and the distribution that brings the entries (driver or check: `module:attribute`); return its folder."""
    home = folder / distribution
    home.mkdir()
    for name, source in modules.items():
        (home / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
    record = home / f"{distribution.replace('-', '_')}-1.0.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = [f"{driver} = {target}" for driver, target in entries.items()]
    (record / "entry_points.txt").write_text(f"[{group}]\n" + "\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(str(home))
    return home
