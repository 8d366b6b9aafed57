"""The machine under the gate, for `egate doctor`: its clock and battery, whether the disk keeps what it says, how warm it is.

Everything is read from folders that are handed in (`/sys`, `/proc`), so that each look can be tried on made-up machines.
"""

from __future__ import annotations

import ctypes
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gate_agent.cli.findings import Finding

RTC_FOLDER, HWMON_FOLDER = Path("/sys/class/rtc"), Path("/sys/class/hwmon")
BLOCK_FOLDER, MOUNTS_FILE = Path("/sys/dev/block"), Path("/proc/self/mountinfo")

FIRST_SANE_YEAR = 2025
RTC_LIMIT_S = 30.0
HOUR_S, ABOUT_HOUR_S = 3600, 90.0

FLUSHES, FLUSH_BYTES, FLUSH_LIMIT_S = 100, 4096, 1.0
MOST_A_ROTATING_DISK_FLUSHES_S = 500
MOST_ANY_DISK_FLUSHES_S = 60_000
QUICK_FOR_A_VOLATILE_CACHE_S = 5_000
SLOW_FLUSH_MS = 200.0
MEMORY_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs"})
SHARED_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "virtiofs"})

HOT_C = 85.0
_ESCAPED = re.compile(r"\\([0-7]{3})")
_UNSYNCHRONISED = 0x40
_CLOCK_ERROR = 5


# ---- clock ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockDiscipline:
    """What the kernel says of its clock (`adjtimex`): whether something keeps it synchronised, and how far off it may be."""

    is_synchronised: bool
    most_off_s: float


class _Timex(ctypes.Structure):
    """`struct timex` of Linux; only `status` and `maxerror` (µs) are read."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    ]


def clock_discipline() -> ClockDiscipline | None:
    """Ask the kernel; None where it does not answer. Nothing is set: `modes` is 0."""
    try:
        asked = _Timex()
        state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return ClockDiscipline(state != _CLOCK_ERROR and not asked.status & _UNSYNCHRONISED, asked.maxerror / 1e6)


def clock_findings(discipline: ClockDiscipline | None) -> list[Finding]:
    """Find a clock that nothing keeps right; checks of validity are undetermined with it."""
    if discipline is None:
        return []
    if not discipline.is_synchronised:
        return [
            Finding(
                "clock",
                "nothing keeps the machine's clock synchronised",
                "Start chrony or systemd-timesyncd with a server of the post, or a receiver of satellite time.",
            )
        ]
    return []


def battery_findings(rtc: Path, now: datetime) -> list[Finding]:
    """Find a machine whose clock forgets the time without power: no battery-backed clock, an empty battery, local time in it."""
    clocks = sorted(rtc.glob("rtc[0-9]*")) if rtc.is_dir() else []
    if not clocks:
        finding = "the machine has no battery-backed clock: after a power cut without network it does not know the time"
        return [
            Finding("clock battery", finding, "Fit a clock module with a battery, or a receiver of satellite time.")
        ]
    findings = []
    if not any(_line(clock / "hctosys") == "1" for clock in clocks):
        finding = "the kernel did not set its time from the battery-backed clock at start"
        remedy = "Build CONFIG_RTC_HCTOSYS_DEVICE for it, or run `hwclock --hctosys` in a unit before the agent."
        findings.append(Finding("clock battery", finding, remedy))
    for clock in clocks[:1]:
        findings += _kept_time(clock, now)
    return findings


def _kept_time(clock: Path, now: datetime) -> list[Finding]:
    where = f"clock battery ({clock.name})"
    text = _line(clock / "since_epoch")
    if not text.isdecimal():
        return [Finding(where, "cannot be read", "Run `hwclock --show --verbose` and look at what it says.")]
    kept = datetime.fromtimestamp(int(text), UTC)
    if kept.year < FIRST_SANE_YEAR:
        finding = f"keeps {kept:%Y-%m-%d}: its battery is empty, or it was never set"
        return [Finding(where, finding, "Change the battery, then `hwclock --systohc --utc`.")]
    off_s = (kept - now).total_seconds()
    if abs(off_s) <= RTC_LIMIT_S:
        return []
    hours = round(off_s / HOUR_S)
    if hours and abs(off_s - hours * HOUR_S) <= ABOUT_HOUR_S and abs(hours) <= 14:
        finding = f"keeps local time, {hours:+d} h from UTC"
        return [Finding(where, finding, "`timedatectl set-local-rtc 0`, then `hwclock --systohc --utc`.")]
    finding = f"is {off_s:+.0f} s from the machine's clock"
    return [
        Finding(where, finding, "Once the clock is synchronised: `hwclock --systohc --utc`. Again soon: the battery.")
    ]


# ---- disk ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Disk:
    """What a folder lies on. `is_rotating` and `write_cache` (`write back`, `write through`) are None where the kernel does not say."""

    file_system: str
    is_rotating: bool | None = None
    write_cache: str | None = None


@dataclass(frozen=True, slots=True)
class FlushRate:
    """How quickly small writes were said to be on the disk."""

    per_second: float
    slowest_ms: float


def disk_of(folder: Path, mountinfo: str, block: Path) -> Disk:
    """Return what `folder` (absolute) lies on, by the text of `/proc/self/mountinfo` and the block devices of `/sys/dev/block`."""
    best: tuple[int, Disk] = (-1, Disk("unknown"))
    for line in mountinfo.splitlines():
        before, mark, after = line.partition(" - ")
        fields, kinds = before.split(), after.split()
        if not mark or len(fields) < 5 or not kinds:
            continue
        place = Path(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4]))
        if folder.is_relative_to(place) and len(place.parts) >= best[0]:  # of two on one place the later one is on top
            best = len(place.parts), Disk(kinds[0], *_device(block / fields[2]))
    return best[1]


def _device(device: Path) -> tuple[bool | None, str | None]:
    for queue in (device / "queue", device / ".." / "queue"):  # a partition's queue is its disk's
        rotating, cache = _line(queue / "rotational"), _line(queue / "write_cache")
        if rotating or cache:
            return {"0": False, "1": True}.get(rotating), cache or None
    return None, None


def flush_rate(folder: Path, monotonic_s: Callable[[], float] = time.monotonic) -> FlushRate:
    """Write and flush small blocks into a file of `folder` that is gone again afterwards. Raises `OSError`."""
    path = folder / ".doctor-flush"
    path.unlink(missing_ok=True)  # of one that was killed just here
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    slowest_s = 0.0
    count = 0
    try:
        path.unlink()
        begun_s = monotonic_s()
        block = b"\xa5" * FLUSH_BYTES
        while count < FLUSHES:
            before_s = monotonic_s()
            os.pwrite(descriptor, block, (count % 8) * FLUSH_BYTES)
            os.fsync(descriptor)
            count += 1
            after_s = monotonic_s()
            slowest_s = max(slowest_s, after_s - before_s)
            if after_s - begun_s > FLUSH_LIMIT_S:
                break
        return FlushRate(count / max(monotonic_s() - begun_s, 1e-9), slowest_s * 1000)
    finally:
        os.close(descriptor)


def flush_findings(disk: Disk, rate: FlushRate) -> list[Finding]:
    """Find a disk that says a record is safe before it is: memory, a network share, or a cache that lies."""
    where = "paths.state"
    if disk.file_system in MEMORY_FILE_SYSTEMS:
        finding = f"lies in memory ({disk.file_system}): every record is lost with the power"
        return [Finding(where, finding, "Put the folder on a disk of the gate's own.")]
    if disk.file_system in SHARED_FILE_SYSTEMS:
        finding = f"lies on a share ({disk.file_system}): the store would wait for a network and cannot lock it safely"
        return [Finding(where, finding, "Put the folder on a disk of the gate's own.")]
    per_second = f"{rate.per_second:.0f} flushes a second"
    data_sheet = "Switch its write cache off (`hdparm -W0`), or use a disk with protection against power loss."
    if disk.is_rotating and rate.per_second > MOST_A_ROTATING_DISK_FLUSHES_S:
        return [Finding(where, f"{per_second} are more than a rotating disk can do: its cache lies", data_sheet)]
    if rate.per_second > MOST_ANY_DISK_FLUSHES_S:
        finding = f"{per_second} are more than a disk can do: they end in memory or in a cache that lies"
        return [Finding(where, finding, f"Look at what the folder lies on ({disk.file_system}). {data_sheet}")]
    if rate.slowest_ms > SLOW_FLUSH_MS:
        finding = f"one flush took {rate.slowest_ms:.0f} ms; every decision waits for one"
        return [Finding(where, finding, "Use a quicker disk, and let nothing else write to it.")]
    return []


def flush_words(disk: Disk, rate: FlushRate) -> str:
    """Return what was measured, and what it leaves open."""
    told = f"{disk.file_system}, {rate.per_second:.0f} flushes a second, the slowest {rate.slowest_ms:.1f} ms"
    if disk.write_cache == "write back" and not disk.is_rotating and rate.per_second > QUICK_FOR_A_VOLATILE_CACHE_S:
        return f"{told}: right for a disk with protection against power loss, see its data sheet; else its cache lies"
    return told


# ---- temperature ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sensor:
    """One temperature of the machine; `limit_c` is the sensor's own, None where it has none."""

    name: str
    temperature_c: float
    limit_c: float | None


def sensors(hwmon: Path) -> list[Sensor]:
    """Return the temperatures that the kernel knows (`/sys/class/hwmon`); a sensor that says nothing is left out."""
    found = []
    for path in sorted(hwmon.glob("hwmon[0-9]*/temp[0-9]*_input")):
        value = _milli(path)
        if value is None:
            continue
        stem = path.name.removesuffix("_input")
        limits = [_milli(path.with_name(f"{stem}_{kind}")) for kind in ("max", "crit")]
        label = _line(path.with_name(f"{stem}_label")) or stem
        limit = next((one for one in limits if one is not None and one > 0), None)
        found.append(Sensor(f"{_line(path.parent / 'name') or path.parent.name} {label}", value, limit))
    return found


def temperature_findings(read: list[Sensor]) -> list[Finding]:
    """Find what is as hot as its own limit, or as 85 °C where it has none."""
    remedy = "Look at fans, filters and sun on the enclosure; the machine slows down before it stops."
    return [
        Finding("temperature", f"{one.name} has {one.temperature_c:.0f} °C, its limit is {limit:.0f} °C", remedy)
        for one in read
        if one.temperature_c >= (limit := HOT_C if one.limit_c is None else one.limit_c)
    ]


def _line(path: Path) -> str:
    """Return a file's only line, empty where it cannot be read."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _milli(path: Path) -> float | None:
    text = _line(path)
    return int(text) / 1000 if re.fullmatch(r"-?[0-9]{1,7}", text) else None
