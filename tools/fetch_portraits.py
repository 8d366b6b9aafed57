"""Fetch the four photographs that the demo and the tests use, and verify each against its SHA-256.

Usage: python tools/fetch_portraits.py FOLDER

They are photographs of public officials inside the source distribution of face-recognition 1.3.0, which pip downloads and checks
against requirements-peer.lock. They are never part of this project; the names and numbers that the demo gives to its travellers
are fictitious. Standard library only.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements-peer.lock"
SHA256 = {
    "obama.jpg": "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
    "obama2.jpg": "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
    "obama3.jpg": "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
    "biden.jpg": "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
}
LARGEST_BYTES = 4_000_000


class PortraitsMissing(Exception):
    """The photographs could not be had, or are not the ones that were named."""


def is_complete(folder: Path) -> bool:
    """Return whether all four photographs lie in the folder, unchanged."""
    return all((folder / name).is_file() and _sha256((folder / name).read_bytes()) == SHA256[name] for name in SHA256)


def download(folder: Path) -> Path:
    """Let pip download the source distribution, hash enforced; return its path."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-build-isolation", "--no-binary", ":all:", "--require-hashes", "--requirement", str(LOCK)]
    finished = subprocess.run([*command, "--dest", str(folder)], check=False, text=True, capture_output=True)
    archives = sorted(folder.glob("*.tar.gz"))
    if finished.returncode or len(archives) != 1:
        raise PortraitsMissing(f"the source distribution could not be downloaded:\n{finished.stderr.strip()}")
    return archives[0]


def extract(archive: Path, folder: Path) -> None:
    """Copy the four photographs out of the archive; nothing else leaves it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as source:
        members = {Path(member.name).name: member for member in source if "/tests/test_images/" in member.name}
        for name, expected in SHA256.items():
            member = members.get(name)
            stream = source.extractfile(member) if member is not None and member.isfile() else None
            content = b"" if stream is None else stream.read(LARGEST_BYTES)
            if _sha256(content) != expected:
                raise PortraitsMissing(f"{name} is absent from {archive.name} or is not the expected photograph")
            (folder / name).write_bytes(content)


def main() -> int:
    """Fetch unless all is there; return 1 with the reason when it cannot be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    if is_complete(folder):
        return 0
    print("== portraits", flush=True)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            extract(download(Path(scratch)), folder)
    except PortraitsMissing as error:
        print(f"portraits: {error}", file=sys.stderr)
        return 1
    print(f"   {len(SHA256)} photographs in {folder}")
    return 0


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
