"""`egate devices discover`: stable paths, what is configured, what is not there; a folder of the test's own stands for /dev."""

import json
from pathlib import Path

import pytest

from drivers.discovery import found_ports, is_stable
from gate_agent.cli import main

BY_ID = "usb-Acme_Reader_0001-if00"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two serial devices, one of them without a serial number, a keyboard wedge, a camera, and a link that leads nowhere."""
    root = tmp_path / "dev"
    links = {
        f"serial/by-id/{BY_ID}": "ttyUSB0",
        "serial/by-path/pci-0000:00:14.0-usb-0:1:1.0": "ttyUSB0",
        "serial/by-path/pci-0000:00:14.0-usb-0:2:1.0": "ttyACM0",
        "input/by-id/usb-Acme_Wedge-event-kbd": "input/event3",
        "v4l/by-id/usb-Acme_Camera-video-index0": "video0",
        "serial/by-id/usb-Just_Pulled-if00": "ttyUSB9",
    }
    for link, target in links.items():
        (root / link).parent.mkdir(parents=True, exist_ok=True)
        (root / link).symlink_to(root / target)
        if "Pulled" not in link:
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            (root / target).touch()
    return root


def rows(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, object]]:
    assert main(["devices", "discover", *words, "--json"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def site(root: Path, **paths: str) -> str:
    file = root.parent / "gate.toml"
    tables = [
        f'[[device]]\nname = "{name}"\ndriver = "barcode_serial"\noptions = {{ path = "{path}" }}\n'
        for name, path in paths.items()
    ]
    file.write_text("".join(tables))
    return str(file)


def test_a_device_is_found_once_by_its_best_path(root: Path) -> None:
    found = found_ports(root)
    assert [(port.kind, port.path.name) for port in found] == [
        ("serial", BY_ID),
        ("serial", "pci-0000:00:14.0-usb-0:2:1.0"),
        ("input", "usb-Acme_Wedge-event-kbd"),
        ("video", "usb-Acme_Camera-video-index0"),
    ]
    assert [path.parent.name for path in found[0].paths] == ["by-id", "by-path"]
    assert found[0].leads_to == root / "ttyUSB0"


def test_a_machine_without_such_folders_has_nothing(tmp_path: Path) -> None:
    assert found_ports(tmp_path) == []


@pytest.mark.parametrize(
    ("path", "stable"),
    [
        ("ttyUSB0", False),
        ("ttyS12", False),
        ("video1", False),
        ("input/event3", False),
        (f"serial/by-id/{BY_ID}", True),
        ("egate-reader", True),
    ],
)
def test_numbers_given_by_the_kernel_are_not_stable(root: Path, path: str, *, stable: bool) -> None:
    assert is_stable(str(root / path), root) is stable


def test_what_is_configured_and_what_is_not(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = site(
        root,
        reader=str(root / "serial/by-id" / BY_ID),
        old=str(root / "serial/by-id/usb-Old_Reader-if00"),
        hasty=str(root / "ttyACM0"),
    )
    found = {Path(str(row["path"])).name: row for row in rows(capsys, "--config", file, "--root", str(root))}
    assert (found[BY_ID]["devices"], found[BY_ID]["remedy"]) == (["reader"], "")
    assert "may be another device after a restart" in str(found["pci-0000:00:14.0-usb-0:2:1.0"]["remedy"])
    assert found["usb-Acme_Wedge-event-kbd"]["devices"] == []
    assert "No [[device]] has this path" in str(found["usb-Acme_Wedge-event-kbd"]["remedy"])
    assert found["usb-Old_Reader-if00"]["leads_to"] is None
    assert "not plugged in" in str(found["usb-Old_Reader-if00"]["remedy"])


def test_two_devices_on_one_port(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = site(root, one=str(root / "serial/by-id" / BY_ID), two=str(root / "ttyUSB0"))
    found = rows(capsys, "--config", file, "--root", str(root))
    assert found[0]["devices"] == ["one", "two"]
    assert "give each its own" in str(found[0]["remedy"])


def test_it_works_without_a_site_file_and_speaks_plainly(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["devices", "discover", "--config", site(root), "--root", str(root)]) == 0
    told = capsys.readouterr().out
    assert f"{BY_ID} → {root / 'ttyUSB0'}" in told
    assert "No [[device]] has this path" in told
