"""Install one requirements lock into this Python's environment, hashes enforced, with a count of packages as progress.

Usage: python tools/install_locked.py LOCK [--no-deps]

Standard library only: it runs before anything is installed. Builds run without isolation, so that the one source distribution
among the locked packages is built with the locked build tools and nothing else is downloaded.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import deque
from pathlib import Path

_PIN = re.compile(r"^[A-Za-z0-9_.\-\[\]]+==", re.MULTILINE)


def pip_command(lock: Path, *, dependencies: bool) -> list[str]:
    """Return the pip call for a lock."""
    command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    command += ["--require-hashes", "--no-build-isolation", "--requirement", str(lock)]
    return command if dependencies else [*command, "--no-deps"]


def report(line: str, total: int, seen: set[str]) -> None:
    """Show how many packages pip has reached; a terminal sees one line that moves, a log every tenth package."""
    found = re.match(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9_.\-]+)", line)
    if found:
        seen.add(found.group(1).lower())
        if sys.stdout.isatty():
            print(f"\r\033[K   {len(seen)}/{total} {found.group(1)}", end="", flush=True)
        elif len(seen) % 10 == 0:
            print(f"   {len(seen)}/{total}", flush=True)
    elif line.startswith("Installing collected packages"):
        lead = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{lead}   unpacking", flush=True)


def main() -> int:
    """Install and return pip's exit code; on failure print pip's last lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--no-deps", action="store_true")
    arguments = parser.parse_args()
    total = len(_PIN.findall(arguments.lock.read_text(encoding="utf-8")))
    print(f"== {arguments.lock}: {total} packages", flush=True)
    last: deque[str] = deque(maxlen=25)
    seen: set[str] = set()
    command = pip_command(arguments.lock, dependencies=not arguments.no_deps)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            last.append(line.rstrip())
            report(line, total, seen)
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    if pip.returncode:
        print("\n".join(last), file=sys.stderr)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main())
