"""`egate check-config` and `egate doctor` on a site with a post: what is missing, listed elsewhere, or not answering."""

import shutil
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gate_agent.cli import check_config, doctor, post_looks
from gate_agent.clock import SystemClock
from gate_agent.provisioning import provision
from gate_agent.settings import Settings, load, load_post

SITE = """
[gate]
site = "demo"
[paths]
keys = "keys"
bundles = "bundles"
[post]
host = "127.0.0.1"
port = {port}
state = "post-state"
"""
SEALS = '[[post.device]]\nname = "seals"\ndriver = "seal_server"\noptions = {{ port = 0, {more} }}\n'


class LaterClock(SystemClock):
    def __init__(self, days: float) -> None:
        self._days = days

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self._days)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    provision(tmp_path, country="UTO", site="demo", gate_id="gate-1", officers={}, clock=SystemClock())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (tmp_path / "gate.toml").write_text(SITE.format(port=free.getsockname()[1]))
    (tmp_path / "post-state").mkdir()
    return tmp_path


def gate_words(site: Path, days: float = 0) -> dict[str, str]:
    found = post_looks.gate_post_findings(load(site / "gate.toml"), LaterClock(days))
    return {one.where: one.finding for one in found}


def test_a_provisioned_gate_and_post_are_fine(site: Path) -> None:
    assert gate_words(site) == {}
    (site / "keys/facts.key").unlink()
    assert post_looks.own_post_findings(load_post(site / "gate.toml"), SystemClock()) == []


def test_a_gate_without_a_post_is_not_looked_at(tmp_path: Path) -> None:
    assert post_looks.gate_post_findings(Settings(), SystemClock()) == []


def test_what_is_absent_is_named(site: Path) -> None:
    for name in ("gate.crt", "facts.key", "post_directory.json"):
        (site / "keys" / name).unlink()
    assert set(gate_words(site)) == {f"paths.keys/{name}" for name in ("gate.crt", "facts.key", "post_directory.json")}


def test_a_gate_that_is_not_listed_is_told_so(site: Path) -> None:
    text = (site / "gate.toml").read_text().replace('site = "demo"', 'site = "demo"\ngate_id = "gate-9"')
    (site / "gate.toml").write_text(text)
    assert "not listed" in gate_words(site)["paths.keys/post_directory.json"]


def test_a_certificate_of_another_run_is_found(site: Path, tmp_path: Path) -> None:
    shutil.copy(site / "keys/post.crt", site / "keys/gate.crt")
    assert "another certificate" in gate_words(site)["paths.keys/gate.crt"]


def test_certificates_that_end_soon_or_are_not_valid_are_found(site: Path) -> None:
    assert "ends in" in gate_words(site, 1810)["paths.keys/gate.crt"]
    assert "not valid" in gate_words(site, 1900)["the post's certificate"]
    assert "not valid" in gate_words(site, -400)["paths.keys/gate.crt"]


def test_the_key_of_marks_does_not_belong_on_the_post(site: Path) -> None:
    (site / "keys/gate.key").unlink()
    (found,) = post_looks.own_post_findings(load_post(site / "gate.toml"), SystemClock())
    assert found.where == "paths.keys/facts.key"


def test_devices_of_the_post_are_looked_at_with_their_line(site: Path) -> None:
    file = site / "gate.toml"
    file.write_text(file.read_text() + SEALS.format(more='protocol = "morse"') + SEALS.format(more='host = "::1"'))
    found = {one.where: one for one in check_config.examine(file, {})[1] if one.where.startswith("post device")}
    assert found["post device seals"].line is not None
    file.write_text(
        SITE.format(port=1) + '[[post.device]]\nname = "r"\ndriver = "mrz_serial"\noptions = { path = "/dev/x" }\n'
    )
    (one,) = post_looks.post_device_findings(load_post(file))
    assert "no device of a post" in one.finding


def test_a_post_that_may_unlock_needs_to_know_the_inspectors(site: Path) -> None:
    file = site / "gate.toml"
    file.write_text(file.read_text() + SEALS.format(more="allow_unlock = true"))
    (site / "keys/facts.key").unlink()

    def words() -> dict[str, str]:
        return {one.where: one.finding for one in post_looks.own_post_findings(load_post(file), SystemClock())}

    assert words() == {"paths.bundles/officers.bundle": "names no customs inspector"}
    inspector = {"customs-1": "customs_inspector"}
    provision(site, country="UTO", site="demo", gate_id="gate-1", officers=inspector, clock=SystemClock())
    (site / "keys/facts.key").unlink()
    assert words() == {}
    (site / "bundles/officers.bundle").write_bytes(b"a list")
    assert "CS-BND-001" in words()["paths.bundles/officers.bundle"]
    (site / "bundles/officers.bundle").unlink()
    assert "cannot be read" in words()["paths.bundles/officers.bundle"]
    (site / "keys/centre.pub").unlink()
    assert set(words()) == {"paths.keys/centre.pub"}


def test_a_post_that_does_not_answer_is_found(site: Path) -> None:
    (found,) = post_looks.answer_findings(load(site / "gate.toml"))
    assert "does not answer" in found.finding


def test_the_doctor_looks_at_a_post(site: Path) -> None:
    (site / "keys/facts.key").unlink()
    looks = {look.check: look.result for look in doctor.examine_post(load_post(site / "gate.toml"), SystemClock())}
    assert looks["keys"] == looks["devices"] == "fine"


def test_the_post_reads_what_several_gates_share(site: Path) -> None:
    file = site / "gates.toml"
    file.write_text(SITE.format(port=7) + "[gates.gate-1]\n[gates.gate-2.console]\nport = 9\n")
    settings = load_post(file)
    assert (settings.post.port, settings.console.port) == (7, 8443)
    assert settings.post.state == site / "post-state"
