"""`egate doctor` finds what would stop a gate, one look at a time, each with its remedy."""

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.bundles import KINDS, file_name, sign_bundle
from drivers.barcode.twin import BarcodeReaderTwin
from drivers.barcode.wedge_twin import HidWedgeTwin
from drivers.chip.errors import ReaderServiceAbsent
from drivers.twin import PtyTwin
from gate_agent import cli
from gate_agent.cli import doctor
from gate_agent.inspection.trust_import import draft, sign_and_publish
from gate_agent.inspection.trust_versions import current_version
from gate_agent.settings import DeviceSettings, PathSettings, Settings
from tests.unit import document_issuers

NOW = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)


class StoppedClock:
    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0


def settings_in(folder: Path) -> Settings:
    names = ("state", "models", "bundles", "keys", "run")
    for name in names:
        (folder / name).mkdir(exist_ok=True)
    return Settings(paths=PathSettings(**{name: folder / name for name in names}))


def put_key(folder: Path) -> Ed25519PrivateKey:
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for name in ("rulebook.pub", "centre.pub"):
        (folder / name).write_bytes(public)
    return key


def put_bundles(folder: Path, key: Ed25519PrivateKey, expires: datetime) -> None:
    for kind in KINDS:
        (folder / file_name(kind)).write_bytes(sign_bundle(kind, 1, NOW - timedelta(days=9), expires, {}, key))


def test_other_distributions_with_our_names_are_found(tmp_path: Path) -> None:
    found = doctor.package_findings({"models": ["egate", "planted-models"], "drivers": ["egate"]}, lambda _: tmp_path)
    assert [(one.where, "planted-models" in one.finding) for one in found] == [("models", True)]


def test_a_shadowing_folder_is_found(tmp_path: Path) -> None:
    found = doctor.package_findings({}, lambda package: tmp_path / "elsewhere" if package == "models" else tmp_path)
    assert [one.where for one in found] == ["models"]
    assert "elsewhere" in found[0].finding


def test_this_environment_has_no_clash() -> None:
    from importlib.metadata import packages_distributions

    assert doctor.package_findings(packages_distributions(), doctor.locate) == []


def test_old_interpreters_and_libraries() -> None:
    assert doctor.python_findings((3, 10))
    assert not doctor.python_findings((3, 12))
    assert doctor.sqlite_findings((3, 31, 1))
    assert not doctor.sqlite_findings((3, 40, 1))


def test_unbuilt_models_are_found(tmp_path: Path) -> None:
    (found,) = doctor.model_findings(tmp_path)
    assert "egate models build" in found.remedy


@pytest.mark.weights
def test_built_models_are_fine(models_folder: Path) -> None:
    assert doctor.model_findings(models_folder) == []


def test_good_bundles_are_fine(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    put_bundles(settings.paths.bundles, put_key(settings.paths.keys), NOW + timedelta(days=1))
    assert doctor.bundle_findings(settings, StoppedClock()) == []


def with_chip_reader(folder: Path) -> Settings:
    lane = {"lane_id": 1, "document_reader": "r", "camera": "c", "barrier": "b", "chip_reader": "chip"}
    devices = [{"name": name, "driver": "x"} for name in ("r", "c", "b", "chip")]
    paths = settings_in(folder).paths.model_copy(update={"trust": folder / "trust"})
    return Settings(paths=paths, lane=[lane], device=devices)


def test_a_trust_bundle_is_wanted_only_where_chips_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.trust_findings(settings_in(tmp_path), StoppedClock()) == []
    settings = with_chip_reader(tmp_path)
    (unreadable,) = doctor.trust_findings(settings, StoppedClock())
    assert "EG-TRU-010" in unreadable.finding, "no officers to ask"
    keys = {name: Ed25519PrivateKey.generate() for name in ("supervisor-1", "technician-1")}
    officers = {name: key.public_key().public_bytes_raw() for name, key in keys.items()}
    monkeypatch.setattr(doctor, "officers_in_office", lambda *_: officers)
    (absent,) = doctor.trust_findings(settings, StoppedClock())
    assert absent.where == "paths.trust"
    assert absent.remedy
    authority = document_issuers.certify("UT", "CSCA").certificate
    for days, finding in ((40, "older than 28 days"), (1, "")):
        held = current_version(settings.paths.trust, officers)
        prepared = draft(held, [("csca", authority)], NOW - timedelta(days=days), officers)
        sign_and_publish(settings.paths.trust, prepared, list(keys.items()), officers)
        found = doctor.trust_findings(settings, StoppedClock())
        assert [finding in one.finding for one in found] == ([True] if finding else []), found
    monkeypatch.setattr(doctor, "officers_in_office", lambda *_: {})
    (unsigned,) = doctor.trust_findings(settings, StoppedClock())
    assert "EG-TRU-002" in unsigned.finding


def test_a_chip_reader_is_looked_for_where_one_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path)
    assert doctor.reader_findings(settings) == []
    device = DeviceSettings(name="chip-1", driver="pcsc_chip", options={"reader": "OMNIKEY"})
    settings = settings.model_copy(update={"device": (device,)})
    monkeypatch.setattr(doctor, "reader_names", lambda: ("Other 00 00", "HID OMNIKEY 5022 00 00"))
    assert doctor.reader_findings(settings) == []
    monkeypatch.setattr(doctor, "reader_names", lambda: ("Other 00 00",))
    (finding,) = doctor.reader_findings(settings)
    assert "OMNIKEY" in finding.finding
    assert "Other 00 00" in finding.remedy

    def away() -> tuple[str, ...]:
        raise ReaderServiceAbsent("the PC/SC service does not answer")

    monkeypatch.setattr(doctor, "reader_names", away)
    (finding,) = doctor.reader_findings(settings)
    assert "DRV-CHP-012" in finding.finding
    assert "pcscd" in finding.remedy


def test_absent_expired_and_foreign_bundles(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert [one.finding for one in doctor.bundle_findings(settings, StoppedClock())] == ["is absent"] * len(KINDS)
    key = put_key(settings.paths.keys)
    put_bundles(settings.paths.bundles, key, NOW - timedelta(days=1))
    assert all("CS-BND-006" in one.finding for one in doctor.bundle_findings(settings, StoppedClock()))
    put_bundles(settings.paths.bundles, Ed25519PrivateKey.generate(), NOW + timedelta(days=1))
    assert all("CS-BND-002" in one.finding for one in doctor.bundle_findings(settings, StoppedClock()))


def test_sockets(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    assert len(doctor.socket_findings(settings)) == 2
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(settings.paths.run / "lane.sock"))
        server.listen()
        assert [one.where for one in doctor.socket_findings(settings)] == ["paths.run/sync.sock"]


class StubbornTwin(PtyTwin):
    """A serial device that never says a word."""

    def heard(self, chunk: bytes) -> None:
        pass


def device(name: str, driver: str, **options: object) -> DeviceSettings:
    return DeviceSettings(name=name, driver=driver, options=options)


async def test_each_device_is_opened_and_what_is_wrong_is_said(tmp_path: Path) -> None:
    scanner, silent = BarcodeReaderTwin(tmp_path / "scanner"), StubbornTwin(tmp_path / "silent")
    wedge = HidWedgeTwin(tmp_path / "wedge")
    for twin in (scanner, silent, wedge):
        await twin.plug()
    devices = (
        device("good", "barcode_serial", path=str(scanner.path)),
        device("silent", "barcode_serial", path=str(silent.path)),
        device("pulled", "barcode_serial", path=str(tmp_path / "nothing")),
        device("typing", "hid_wedge", path=str(wedge.path), is_exclusive=False),
        device("misspelt", "barcode_serial", colour="red"),
        device("unknown", "mrz_telepathy"),
    )
    settings = settings_in(tmp_path).model_copy(update={"device": devices})
    looks = await asyncio.to_thread(lambda: list(doctor.device_looks(settings, 1.0)))
    for twin in (scanner, silent, wedge):
        await twin.unplug()
    told = {look.check.removeprefix("device "): look for look in looks}
    assert [name for name, look in told.items() if look.result == "fine"] == ["good", "typing"]
    assert "said nothing for 1 s" in told["silent"].finding
    assert "baud rate" in told["silent"].remedy
    assert "absent (DRV-LNK-001)" in told["pulled"].finding
    assert "Plug the device in" in told["pulled"].remedy
    assert "colour" in told["misspelt"].finding
    assert "DRV-OPT-002" in told["unknown"].finding


def test_devices_that_the_agent_holds_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path).model_copy(update={"device": (device("pulled", "barcode_serial", path="x"),)})
    monkeypatch.setattr(doctor, "socket_findings", lambda _settings: [])
    assert [(look.check, look.result) for look in doctor.device_looks(settings, 1.0)] == [
        ("device pulled", "not_looked_at")
    ]


def test_a_full_disk_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_in(tmp_path)
    monkeypatch.setattr(
        doctor.shutil,
        "disk_usage",
        lambda _: doctor.shutil._ntuple_diskusage(100_000_000_000, 99_900_000_000, 100_000_000),
    )
    assert "100 MB are free" in doctor.disk_findings(settings)[0].finding


def test_json_lines_and_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "gate.toml"
    site.write_text('[paths]\nstate = "s"\nmodels = "m"\nbundles = "b"\nkeys = "k"\nrun = "r"\n')
    assert cli.main(["doctor", "--config", str(site), "--json"]) == 1
    looks = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(set(look) == {"check", "result", "finding", "remedy"} for look in looks)
    assert {
        "python",
        "packages",
        "sqlite",
        "libzbar",
        "models",
        "folders",
        "keys",
        "bundles",
        "trust",
        "readers",
        "speech",
        "languages",
        "disk",
        "flush",
        "clock",
        "battery",
        "temperature",
        "sockets",
        "network",
    } == {look["check"] for look in looks}
    assert [look["remedy"] for look in looks if look["result"] == "finding" and not look["remedy"]] == []


def test_the_operator_is_told_which_texts_nobody_has_reviewed(monkeypatch: pytest.MonkeyPatch) -> None:
    (look,) = doctor.language_looks()
    assert look.result == "warning"
    assert look.finding.startswith("machine-made, not reviewed: guard (en, ru, uz-Latn, uz-Cyrl); ")
    assert "traveller (uz-Latn, uz-Cyrl, kaa-Latn, ru, en, tg, ky, kk, fa-AF, zh-Hans)" in look.finding
    monkeypatch.setattr("gate_agent.cli.language_findings.is_reviewed", lambda _file: True)
    assert [look.result for look in doctor.language_looks()] == ["fine"]
    monkeypatch.setattr("gate_agent.cli.language_findings.findings", lambda _audience: ["ru: a.b: missing"])
    assert {look.result for look in doctor.language_looks()} == {"finding"}


def test_without_a_site_file_the_machine_alone_is_looked_at(tmp_path: Path) -> None:
    looks = {look.check: look.result for look in doctor.examine(None, tmp_path, StoppedClock())}
    assert looks["python"] == "fine"
    assert looks["models"] == "finding"
    assert looks["keys"] == looks["bundles"] == looks["sockets"] == "not_looked_at"
