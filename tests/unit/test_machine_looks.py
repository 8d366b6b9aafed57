"""Clock, battery, disk flush and heat of made-up machines: each look says what is wrong with the one and nothing about the other."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.cli import machine_looks as looks
from gate_agent.cli.machine_looks import ClockDiscipline, Disk, FlushRate, Sensor

NOW = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)
MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
24 22 0:30 / /run rw,nosuid - tmpfs tmpfs rw
25 22 259:3 / /var/lib/egate rw shared:5 - ext4 /dev/nvme0n1p3 rw
26 25 0:44 / /var/lib/egate/with\\040space rw - tmpfs tmpfs rw
27 22 0:51 / /srv rw - nfs4 server:/srv rw
28 27 8:1 /srv /srv rw - ext4 /dev/sda1 rw
this line is none
"""


def clock(folder: Path, kept: datetime | None, hctosys: str = "1") -> Path:
    rtc = folder / "rtc" / "rtc0"
    rtc.mkdir(parents=True)
    (rtc / "hctosys").write_text(hctosys + "\n")
    (rtc / "since_epoch").write_text("?" if kept is None else f"{kept.timestamp():.0f}\n")
    return rtc.parent


@pytest.mark.parametrize(
    ("kept", "hctosys", "words"),
    [
        (NOW + timedelta(seconds=12), "1", []),
        (NOW, "0", ["did not set its time"]),
        (datetime(2000, 1, 1, 0, 3, tzinfo=UTC), "1", ["its battery is empty"]),
        (NOW + timedelta(hours=5, seconds=20), "1", ["keeps local time, +5 h"]),
        (NOW - timedelta(minutes=17), "1", ["is -1020 s from"]),
        (NOW + timedelta(days=30), "1", ["s from the machine's clock"]),
        (None, "0", ["did not set its time", "cannot be read"]),
    ],
)
def test_the_clock_that_a_battery_keeps(tmp_path: Path, kept: datetime | None, hctosys: str, words: list[str]) -> None:
    found = looks.battery_findings(clock(tmp_path, kept, hctosys), NOW)
    assert len(found) == len(words)
    assert all(word in one.finding and one.remedy for word, one in zip(words, found, strict=True))


def test_a_machine_without_a_battery_backed_clock_is_told(tmp_path: Path) -> None:
    for folder in (tmp_path / "absent", tmp_path):
        (found,) = looks.battery_findings(folder, NOW)
        assert "does not know the time" in found.finding


def test_only_a_clock_that_nothing_keeps_is_a_finding() -> None:
    assert looks.clock_findings(None) == [], "a kernel that does not say is no finding"
    assert looks.clock_findings(ClockDiscipline(True, 0.01)) == []
    (found,) = looks.clock_findings(ClockDiscipline(False, 16.0))
    assert "synchronised" in found.finding


def test_this_kernel_answers_in_its_own_layout() -> None:
    told = looks.clock_discipline()
    assert told is None or 0 <= told.most_off_s < 10**6


def block(folder: Path, number: str, rotational: str, cache: str) -> Path:
    queue = folder / number / "queue"
    queue.mkdir(parents=True)
    (queue / "rotational").write_text(rotational)
    (queue / "write_cache").write_text(cache)
    return folder


@pytest.mark.parametrize(
    ("folder", "file_system"),
    [
        ("/var/lib/egate", "ext4"),
        ("/var/lib/egate/deep/down", "ext4"),
        ("/var/lib/egate/with space", "tmpfs"),
        ("/run/egate", "tmpfs"),
        ("/etc", "ext4"),
        ("/srv/egate", "ext4"),
        ("/var/lib/egateway", "ext4"),
    ],
)
def test_what_a_folder_lies_on(tmp_path: Path, folder: str, file_system: str) -> None:
    assert looks.disk_of(Path(folder), MOUNTS, tmp_path).file_system == file_system


def test_the_disk_of_a_partition_says_what_it_is(tmp_path: Path) -> None:
    block(tmp_path, "259:3", "0\n", "write back\n")
    assert looks.disk_of(Path("/var/lib/egate"), MOUNTS, tmp_path) == Disk("ext4", False, "write back")
    disk = tmp_path / "sda"
    block(disk, ".", "1", "write through")
    (disk / "sda1").mkdir()
    (tmp_path / "8:1").symlink_to(disk / "sda1")
    assert looks.disk_of(Path("/etc"), MOUNTS, tmp_path) == Disk("ext4", True, "write through")
    assert looks.disk_of(Path("/etc"), "", tmp_path) == Disk("unknown")


@given(st.text(max_size=400))
def test_any_mount_table_is_read_without_a_crash(text: str) -> None:
    looks.disk_of(Path("/var/lib/egate"), text, Path("/nowhere"))


@pytest.mark.parametrize(
    ("disk", "rate", "word"),
    [
        (Disk("tmpfs"), FlushRate(900_000, 0.01), "lies in memory"),
        (Disk("nfs4"), FlushRate(90, 20), "lies on a share"),
        (Disk("ext4", True, "write back"), FlushRate(4_000, 0.4), "a rotating disk can do"),
        (Disk("ext4", True, "write back"), FlushRate(80, 25), ""),
        (Disk("ext4", False, "write back"), FlushRate(700, 4), ""),
        (Disk("ext4", False, "write through"), FlushRate(30_000, 0.2), ""),
        (Disk("overlay"), FlushRate(150_000, 0.1), "more than a disk can do"),
        (Disk("ext4", False, "write back"), FlushRate(12, 340), "every decision waits"),
    ],
)
def test_a_disk_that_says_safe_too_soon_is_found(disk: Disk, rate: FlushRate, word: str) -> None:
    found = looks.flush_findings(disk, rate)
    assert bool(found) == bool(word)
    assert all(word in one.finding and one.remedy for one in found)


def test_what_cannot_be_known_from_here_is_said() -> None:
    quick = looks.flush_words(Disk("ext4", False, "write back"), FlushRate(9_000, 0.3))
    assert "data sheet" in quick
    assert "data sheet" not in looks.flush_words(Disk("ext4", False, "write through"), FlushRate(9_000, 0.3))


def test_the_rate_is_measured_in_the_folder_and_leaves_nothing(tmp_path: Path) -> None:
    ticks = itertools.count()
    rate = looks.flush_rate(tmp_path, lambda: next(ticks) / 1000)  # each look at the clock takes 1 ms
    assert rate.slowest_ms == pytest.approx(1.0)
    assert rate.per_second == pytest.approx(looks.FLUSHES / ((2 * looks.FLUSHES + 1) / 1000))
    assert list(tmp_path.iterdir()) == []
    slow = itertools.count()
    looks.flush_rate(tmp_path, lambda: float(next(slow)))
    assert next(slow) < 6, "a slow disk is not kept busy"
    (tmp_path / ".doctor-flush").write_text("left by a killed doctor")
    looks.flush_rate(tmp_path)
    assert list(tmp_path.iterdir()) == []


def sensor(hwmon: Path, name: str, **files: str) -> None:
    hwmon.mkdir(parents=True)
    (hwmon / "name").write_text(name + "\n")
    for file, value in files.items():
        (hwmon / file).write_text(value + "\n")


def test_what_is_as_hot_as_its_limit_is_found(tmp_path: Path) -> None:
    sensor(tmp_path / "hwmon0", "coretemp", temp1_input="61000", temp1_max="100000", temp1_label="Package")
    sensor(tmp_path / "hwmon1", "nvme", temp1_input="72850", temp1_max="70850", temp2_input="-5000")
    sensor(tmp_path / "hwmon2", "acpitz", temp1_input="86000", temp1_crit="0", temp2_input="nonsense")
    read = looks.sensors(tmp_path)
    assert read == [
        Sensor("coretemp Package", 61.0, 100.0),
        Sensor("nvme temp1", 72.85, 70.85),
        Sensor("nvme temp2", -5.0, None),
        Sensor("acpitz temp1", 86.0, None),
    ]
    assert [one.finding.split(" has ")[0] for one in looks.temperature_findings(read)] == ["nvme temp1", "acpitz temp1"]
    assert looks.sensors(tmp_path / "absent") == []
