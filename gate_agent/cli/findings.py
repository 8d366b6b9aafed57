"""What `egate check-config` and `egate doctor` have in common: a finding in plain words, and the looks at folders and keys."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from gate_agent.settings import Settings

_PRIVATE_KEY_MARK = b"PRIVATE KEY-----"
_KEY_FILE_LIMIT_BYTES = 16_384
# What `egate provision` makes and a gate needs: its own private key, and the public ones that it trusts.
GATE_KEYS = ("gate.key", "gate.pub", "centre.pub", "centre_seal.pub", "rulebook.pub", "token_issuer.pub")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a person should mend: where it is, what is wrong, what to do about it; the line of the site file, where one holds it."""

    where: str
    finding: str
    remedy: str
    line: int | None = None

    def sentence(self) -> str:
        """Return it for a terminal."""
        at = f"line {self.line}, " if self.line else ""
        return f"{at}{self.where}: {self.finding}. {self.remedy}"


def folder_findings(settings: Settings) -> list[Finding]:
    """Look at the folders that the agent needs: present, a folder, usable by this user."""
    found = []
    for name, needs_writing in (("state", True), ("models", False), ("bundles", False), ("keys", False), ("run", True)):
        folder: Path = getattr(settings.paths, name)
        where = f"paths.{name}"
        if not folder.exists():
            remedy = (
                "`systemd-tmpfiles --create` makes it on a site"
                if name == "run"
                else "Create it, or name the right one"
            )
            found.append(Finding(where, f"{folder} does not exist", f"{remedy}."))
        elif not folder.is_dir():
            found.append(Finding(where, f"{folder} is not a folder", "Name a folder."))
        elif not os.access(folder, os.R_OK | os.X_OK | (os.W_OK if needs_writing else 0)):
            verb = "written" if needs_writing else "read"
            found.append(
                Finding(where, f"{folder} cannot be {verb} by this user", "Run as the unit's user, or mend its owner.")
            )
    return found


def key_findings(settings: Settings) -> list[Finding]:
    """Look at the folder of keys: what a gate needs is there, and no private key is open to others."""
    folder = settings.paths.keys
    if not folder.is_dir():
        return []  # folder_findings says so
    try:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        return [Finding("paths.keys", f"{folder} cannot be listed ({error.strerror})", "Run as the unit's user.")]
    if not files:
        return [Finding("paths.keys", f"{folder} holds no keys", "Run `egate provision`.")]
    absent = [name for name in GATE_KEYS if not (folder / name).is_file()]
    return [
        Finding(f"paths.keys/{name}", "is absent", "Run `egate provision`, or copy it from where that was run.")
        for name in absent
    ] + [finding for path in files for finding in _key_file_findings(path)]


def _key_file_findings(path: Path) -> list[Finding]:
    where = f"paths.keys/{path.name}"
    try:
        with path.open("rb") as stream:
            is_private = _PRIVATE_KEY_MARK in stream.read(_KEY_FILE_LIMIT_BYTES)
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return [Finding(where, f"cannot be read ({error.strerror})", "Run as the unit's user, or mend its owner.")]
    if is_private and mode & 0o077:
        return [Finding(where, f"this private key is open to others (mode {mode:04o})", f"chmod 0600 {path}")]
    return []
