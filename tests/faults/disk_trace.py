"""What a process asked of its disk, in order, as strace saw it: each write with its bytes, each flush with its answer, each accepted line.

Debian's strace does it without a compiler, a device or a file system of its own: the process under test is the real one, and nothing is simulated before
the cut. It also injects: a signal or an error at the n-th call of a name, which is how processes die and disks fail here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_WRITES = ("write", "pwrite64")
_FLUSHES = ("fsync", "fdatasync")
_OF_NAMES = {
    "openat": "openat",
    "unlink": "unlink",
    "unlinkat": "unlink",
    "rename": "rename",
    "renameat": "rename",
    "renameat2": "rename",
}
_NAMES = (*_WRITES, *_FLUSHES, "ftruncate", *_OF_NAMES)
_UNKNOWN = ("writev", "pwritev", "pwritev2", "fallocate", "msync", "copy_file_range", "sendfile")
_LINE = re.compile(r"(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)", re.DOTALL)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_PATH = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})*)>")
_UNFINISHED = " <unfinished ...>"


@dataclass(frozen=True, slots=True)
class Call:
    """One call. `path` is the file, `other` what it is renamed to; `is_new`: an `openat` that may make the file; `failed`: the disk said no."""

    name: str
    path: str
    data: bytes = b""
    offset: int | None = None
    other: str = ""
    is_new: bool = False
    is_failed: bool = False


def command(trace: Path | None, inject: Sequence[str], module: str, *arguments: object) -> list[str]:
    """Return the command that runs a module of these tests under strace."""
    options = ["-f", "-y", "-xx", "-s", "200000", "-e", f"trace={','.join((*_NAMES, *_UNKNOWN))}"]
    if not any("signal=" in one for one in inject):
        options += ["--seccomp-bpf"]  # quicker, but strace 6.1 injects no signal with it
    for one in inject:
        options += ["-e", f"inject={one}"]
    target = ["-o", str(trace) if trace else "/dev/null"]
    return ["strace", *options, *target, sys.executable, "-m", module, *map(str, arguments)]


def accepted(output: str) -> list[str]:
    """Return the keys that a writer called accepted."""
    return [line.removeprefix("accepted ") for line in output.splitlines() if line.startswith("accepted ")]


def run(trace: Path | None, inject: Sequence[str], module: str, *arguments: object) -> tuple[list[str], bool]:
    """Run a writer to its end; return what it said was accepted, and whether it was killed."""
    done = subprocess.run(
        command(trace, inject, module, *arguments), capture_output=True, text=True, timeout=300, check=False
    )
    is_killed = done.returncode in {-9, 137}
    if done.returncode and not is_killed:
        raise AssertionError(f"the writer ended with {done.returncode}: {done.stderr[-2000:]}")
    return accepted(done.stdout), is_killed


def read(trace: Path, folder: Path) -> Iterator[Call]:
    """Yield the calls on files of a folder and the lines said, flushes in the order of their ends, everything else in that of its beginning."""
    begun: dict[tuple[str, str], str] = {}
    with trace.open(encoding="ascii") as lines:
        for line in lines:
            found = _LINE.match(line.rstrip("\n"))
            if found is None:
                continue
            thread, name, rest = found.groups()
            key = (thread, name)
            is_end = "resumed>" in line.split("(", 1)[0]
            if rest.endswith(_UNFINISHED):
                begun[key] = rest.removesuffix(_UNFINISHED)
                if name not in _FLUSHES:
                    yield from _call(name, begun[key] + ") = 0", folder)
                continue
            if is_end:
                before = begun.pop(key, "")
                if name in _FLUSHES:
                    yield from _call(name, before + rest, folder)
                continue
            yield from _call(name, rest, folder)


def _call(name: str, rest: str, folder: Path) -> Iterator[Call]:
    inside = f"{folder}/"
    is_failed = " = -1 " in rest
    strings = [_bytes(one) for one in _STRING.findall(rest)]
    if name in _OF_NAMES:
        paths = [one.decode() for one in strings]
        if paths[0].startswith(inside) and not is_failed:
            yield Call(_OF_NAMES[name], paths[0], other=paths[-1], is_new="O_CREAT" in rest)
        return
    where = _PATH.match(rest)
    if where is None:
        return
    path = _bytes(where[1]).decode()
    if name == "write" and rest.startswith("1<") and strings:
        yield Call("said", "", strings[0])
        return
    if path != str(folder) and not path.startswith(inside):
        return
    if name in _UNKNOWN:
        raise AssertionError(f"{name} on {path}: the disk of these tests does not know it")
    if name in _FLUSHES:
        yield Call("flush", path, is_failed=is_failed)
    elif not is_failed:
        numbers = rest.rsplit(") = ", 1)[0].rsplit(", ", 1)
        offset = int(numbers[1]) if name in {"pwrite64", "ftruncate"} else None
        yield Call(name, path, strings[0] if strings else b"", offset)


def _bytes(escaped: str) -> bytes:
    return bytes.fromhex(escaped.replace("\\x", ""))
