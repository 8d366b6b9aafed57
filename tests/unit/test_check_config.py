"""`egate check-config` says in plain words what is wrong with a site file, and where each merged value comes from."""

import json
from pathlib import Path

import pytest

from drivers import registry
from drivers.contracts import DeviceClass
from drivers.speech.sound import Sound
from gate_agent import cli
from gate_agent.cli import check_config
from gate_agent.clock import SystemClock
from gate_agent.provisioning import provision
from gate_agent.web.i18n import TRAVELLER_LANGUAGES
from gate_agent.web.languages import said_as
from gate_agent.web.traveller.spoken import phrase_keys

SITE = """
[gate]
site = "north-bridge"
[paths]
state = "state"
models = "models"
bundles = "bundles"
keys = "keys"
run = "run"
[console]
port = 9000
[field]
allow = ["127.0.0.1:502", "127.0.0.1:8000", "127.0.0.1:5760", "127.0.0.1:3493", "192.0.2.7:5084"]
listen = ["127.0.0.1:7000"]
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    for name in ("state", "models", "bundles", "keys", "run"):
        (tmp_path / name).mkdir()
    provision(
        tmp_path, country="UTO", site="north-bridge", gate_id="gate-1", officers={}, clock=SystemClock(), rulebook=b"{}"
    )
    (tmp_path / "gate.toml").write_text(SITE)
    return tmp_path


def findings(file: Path, **environment: str) -> dict[str, str]:
    return {found.where: f"{found.finding} {found.remedy}" for found in check_config.examine(file, environment)[1]}


def test_origins_of_merged_values(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGATE_CONSOLE__PORT", "9443")
    origins, _ = check_config.examine(site / "gate.toml", {"EGATE_CONSOLE__PORT": "9443"})
    by_key = {one.key: (one.value, one.origin) for one in origins}
    assert by_key["console.port"] == (9443, "environment")
    assert by_key["gate.site"] == ("north-bridge", "site file")
    assert by_key["gate.country"] == ("UTO", "default")
    assert by_key["paths.state"] == (str(site / "state"), "site file")


def test_a_gate_without_a_lane_is_a_finding(site: Path) -> None:
    assert set(findings(site / "gate.toml")) == {"lane"}


def test_misspelt_keys_get_a_suggestion(site: Path) -> None:
    (site / "gate.toml").write_text('[gate]\nsit = "x"\n[gaet]\nsite = "x"\n')
    found = findings(site / "gate.toml")
    assert "Did you mean `site`?" in found["gate.sit"]
    assert "Did you mean `gate`?" in found["gaet"]


def test_each_wrong_value_is_named(site: Path) -> None:
    (site / "gate.toml").write_text(
        '[console]\nport = 70000\nhost = 5\n[[lane]]\nlane_id = 1\ncamera = "c"\nbarrier = "b"\n'
    )
    found = findings(site / "gate.toml")
    assert "less than or equal to 65535" in found["console.port"]
    assert "valid string" in found["console.host"]
    assert "required" in found["lane.0.document_reader"]


def test_a_lane_that_names_no_device(site: Path) -> None:
    (site / "gate.toml").write_text(
        SITE + '[[lane]]\nlane_id = 1\ndocument_reader = "r"\ncamera = "c"\nbarrier = "b"\n'
    )
    assert any("names the device 'r'" in words for words in findings(site / "gate.toml").values())


@pytest.mark.parametrize(
    ("lane", "policy", "is_found"),
    [
        ("idle_timeout_s = 10\n", "", True),
        ("", "[policy]\npermit_wait_s = 20\n", True),
        ("", "", False),
        ('idle_timeout_s = 10\ndirection = "exit"\n', "", False),
        ("idle_timeout_s = 10\n", "[policy]\npermit_wait_s = 0\n", False),
    ],
    ids=["short", "long wait", "defaults", "exit", "no wait"],
)
def test_a_lane_that_gives_up_before_a_visa_is_missing(site: Path, lane: str, policy: str, *, is_found: bool) -> None:
    devices = "".join(f"[[device]]\n{device}\n" for device in (READER, BARRIER, CAMERA))
    (site / "gate.toml").write_text(SITE + policy + LANE + lane + devices)
    found = findings(site / "gate.toml").get("lane 1.idle_timeout_s", "")
    assert ("before it has waited for a visa" in found) is is_found
    assert ("lower policy.permit_wait_s" in found) is is_found


def site_with(site: Path, *devices: str, lanes: str = "") -> Path:
    file = site / "gate.toml"
    file.write_text(SITE + lanes + "".join(f"[[device]]\n{device}\n" for device in devices))
    return file


READER = 'name = "reader-1"\ndriver = "mrz_serial"\noptions = { path = "/dev/egate-reader" }'
BARRIER = 'name = "barrier-1"\ndriver = "modbus_barrier"\nhosted_by = "field"\noptions = { host = "127.0.0.1" }'
CAMERA = 'name = "camera-1"\ndriver = "opencv_camera"\nhosted_by = "field"\noptions = { source = "http://127.0.0.1:8000/stream" }'
AROUND = [
    'name = "uav"\ndriver = "mavlink_uav"\nhosted_by = "field"\noptions = { host = "127.0.0.1" }',
    'name = "power"\ndriver = "nut_ups"\nhosted_by = "field"\noptions = { host = "127.0.0.1" }',
    'name = "xray"\ndriver = "xray_folder"\noptions = { path = "/var/lib/xray" }',
    'name = "printer"\ndriver = "escpos_printer"\noptions = { path = "/dev/printer" }',
]
SEALS = 'name = "seals"\ndriver = "seal_server"\nhosted_by = "field"\noptions = { port = 7000 }'
LANE = '[[lane]]\nlane_id = 1\ndocument_reader = "reader-1"\ncamera = "camera-1"\nbarrier = "barrier-1"\n'


CHIP = 'name = "chip-1"\ndriver = "fake_chip"'
LANE_WITH_CHIP = LANE + 'chip_reader = "chip-1"\n'


@pytest.fixture
def chips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chip reader among the drivers, whatever it is made of."""

    class Chip:
        device_class = DeviceClass.CHIP_READER

    real = registry.build
    monkeypatch.setattr(
        registry, "build", lambda name, driver, *rest: Chip() if driver == "fake_chip" else real(name, driver, *rest)
    )


@pytest.mark.usefixtures("chips")
def test_a_whole_site_has_no_findings(site: Path) -> None:
    assert findings(site_with(site, READER, BARRIER, CAMERA, SEALS, CHIP, *AROUND, lanes=LANE_WITH_CHIP)) == {}


def test_a_lane_that_proves_no_chip_is_said_to(site: Path) -> None:
    found = findings(site_with(site, READER, BARRIER, CAMERA, lanes=LANE))
    assert set(found) == {"lane 1"}
    assert "no chip is proven" in found["lane 1"]


@pytest.mark.usefixtures("chips")
def test_a_tag_reader_that_nothing_listens_to_is_said_to(site: Path) -> None:
    tags = 'name = "tags-1"\ndriver = "llrp_rfid"\nhosted_by = "field"\noptions = { host = "192.0.2.7" }'
    found = findings(site_with(site, READER, BARRIER, CAMERA, CHIP, tags, lanes=LANE_WITH_CHIP))
    assert set(found) == {"device tags-1"}
    assert "no check of a lane uses them" in found["device tags-1"]


@pytest.mark.usefixtures("chips")
def test_pictures_that_prove_nothing_are_said_to(site: Path) -> None:
    for pictures, is_found in (("infrared", True), ("infrared', 'white", False), ("white", False)):
        lane = f"{LANE_WITH_CHIP}page_pictures = ['{pictures}']\n"
        found = findings(site_with(site, READER, BARRIER, CAMERA, CHIP, lanes=lane))
        assert ("compared with nothing" in found.get("lane 1", "")) is is_found
    lane = f"{LANE_WITH_CHIP}zone_from_pictures = true\n"
    found = findings(site_with(site, READER, BARRIER, CAMERA, CHIP, lanes=lane))
    assert "needs `white`" in " ".join(found.values())


@pytest.mark.usefixtures("chips")
@pytest.mark.parametrize("driver", ["page_folder", "sane_scanner"])
def test_a_reader_whose_lines_nobody_reads_is_said_to(site: Path, driver: str) -> None:
    option = 'path = "/var/lib/pages"' if driver == "page_folder" else 'device = "test:0"'
    reader = f'name = "reader-1"\ndriver = "{driver}"\noptions = {{ {option} }}'
    for zone, is_found in (("", True), ("page_pictures = ['white']\nzone_from_pictures = true\n", False)):
        found = findings(site_with(site, reader, BARRIER, CAMERA, CHIP, lanes=LANE_WITH_CHIP + zone))
        assert ("nobody reads them" in found.get("lane 1", "")) is is_found
    lines = f'name = "reader-1"\ndriver = "page_folder"\noptions = {{ {option}, lines = "{{document}}.txt" }}'
    if driver == "page_folder":
        assert findings(site_with(site, lines, BARRIER, CAMERA, CHIP, lanes=LANE_WITH_CHIP)) == {}


@pytest.mark.usefixtures("chips")
def test_a_chip_reader_that_is_none_or_nobody_knows(site: Path) -> None:
    lane = LANE + 'chip_reader = "camera-1"\n'
    found = check_config.examine(site_with(site, READER, BARRIER, CAMERA, lanes=lane), {})[1]
    words = " ".join(f"{one.where} {one.finding}" for one in found)
    assert "camera-1 is a camera and stands where a chip_reader is wanted" in words
    assert "device camera-1 two lanes or roles share" in words
    unknown = findings(site_with(site, READER, BARRIER, CAMERA, lanes=LANE_WITH_CHIP))
    assert any("names the device 'chip-1'" in text for text in unknown.values())


def test_unknown_drivers_and_refused_options(site: Path) -> None:
    odd = 'name = "odd"\ndriver = "mrz_telepathy"'
    camera = 'name = "camera-1"\ndriver = "opencv_camera"\noptions = { sauce = "x" }'
    found = findings(site_with(site, odd, camera))
    assert "no driver is called 'mrz_telepathy'" in found["device odd"]
    assert "egate devices list --drivers" in found["device odd"]
    assert "no such option" in found["device camera-1.options.sauce"]
    assert "required" in found["device camera-1.options.source"]


def test_devices_in_the_wrong_role_shared_or_idle(site: Path) -> None:
    lane = LANE.replace('"barrier-1"', '"camera-1"')
    found = check_config.examine(site_with(site, READER, BARRIER, CAMERA, lanes=lane), {})[1]
    words = " ".join(f"{one.where} {one.finding}" for one in found)
    assert "camera-1 is a camera and stands where a barrier is wanted" in words
    assert "device camera-1 two lanes or roles share" in words
    assert "device barrier-1 no lane uses" in words


@pytest.mark.parametrize("text", ["[gate\n", "gate = ", "\x00"])
def test_broken_files_are_findings(site: Path, text: str) -> None:
    (site / "gate.toml").write_text(text)
    assert len(findings(site / "gate.toml")) == 1


def test_absent_and_binary_files_are_findings(site: Path) -> None:
    assert "No such file" in findings(site / "none.toml")[str(site / "none.toml")]
    (site / "gate.toml").write_bytes(b"\xff\xfe\x00")
    assert len(findings(site / "gate.toml")) == 1


def test_variables_that_name_no_setting(site: Path) -> None:
    found = findings(site / "gate.toml", EGATE_CONSOLE__PROT="1", EGATE_CACHE="x", PATH="/bin", EGATE_GATE__SITE="x")
    assert "EGATE_CONSOLE__PORT" in found["EGATE_CONSOLE__PROT"]
    assert "EGATE_CACHE" not in found
    assert "EGATE_GATE__SITE" not in found


def test_folders_and_keys(site: Path) -> None:
    (site / "run").rmdir()
    (site / "bundles").rename(site / "elsewhere")
    (site / "bundles").write_text("")
    (site / "keys" / "rulebook.pub").unlink()
    (site / "keys" / "gate.key").chmod(0o640)
    found = findings(site / "gate.toml")
    assert "does not exist" in found["paths.run"]
    assert "is not a folder" in found["paths.bundles"]
    assert "open to others (mode 0640)" in found["paths.keys/gate.key"]
    assert "is absent" in found["paths.keys/rulebook.pub"]
    for path in (site / "keys").rglob("*.*"):
        path.unlink()
    assert "egate provision" in findings(site / "gate.toml")["paths.keys"]


@pytest.mark.parametrize(
    ("host", "flagged"), [("0.0.0.0", True), ("10.0.0.5", True), ("::1", False), ("localhost", False), ("pages", True)]
)
def test_listening_beyond_this_machine_is_flagged(site: Path, host: str, flagged: bool) -> None:
    (site / "gate.toml").write_text(SITE + f'[portal]\nhost = "{host}"\n')
    assert ("portal.host" in findings(site / "gate.toml")) is flagged


def test_unknown_time_zone(site: Path) -> None:
    (site / "gate.toml").write_text(SITE.replace("[paths]", 'time_zone = "Utopia/Capital"\n[paths]'))
    found = findings(site / "gate.toml")
    assert "unknown on this machine" in found["gate.time_zone"]


def test_logins_are_not_printed(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = '[[device]]\nname = "c"\ndriver = "opencv_camera"\noptions = { source = "rtsp://guard:hunter2@10.0.0.9/1", password = "hunter2" }\n'
    (site / "gate.toml").write_text(SITE + device)
    for words in (["check-config", str(site / "gate.toml")], ["check-config", str(site / "gate.toml"), "--json"]):
        assert cli.main(words) == 1
        printed = capsys.readouterr().out
        assert "10.0.0.9/1" in printed
        assert "hunter2" not in printed


def test_json_and_exit_code(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", str(site / "gate.toml"), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert set(report) == {"file", "settings", "findings"}
    assert {"key", "value", "origin"} == set(report["settings"][0])
    assert {"where", "finding", "remedy", "line"} == set(report["findings"][0])


@pytest.mark.parametrize(("country", "is_found"), [("UTO", False), ("UZB", True)])
def test_specimens_pass_no_gate_of_a_real_country_unnoticed(site: Path, country: str, is_found: bool) -> None:
    text = SITE.replace("[gate]", f'[gate]\ncountry = "{country}"') + "[document]\naccept_specimens = true\n"
    (site / "gate.toml").write_text(text)
    assert ("document.accept_specimens" in findings(site / "gate.toml")) is is_found


def lined(file: Path, gate_id: str | None = None) -> dict[str, str]:
    """Return what was found with the text of the line that it names."""
    text = file.read_text().splitlines()
    found = check_config.examine(file, {}, gate_id)[1]
    return {one.where: text[one.line - 1] if one.line else "" for one in found}


def test_every_mistake_is_named_with_its_line(site: Path) -> None:
    file = site / "gate.toml"
    file.write_text('[gate]\nsit = "x"\n[console]\nport = 70000\n[[lane]]\nlane_id = 1\ncamera = "c"\nbarrier = "b"\n')
    assert lined(file) == {
        "gate.sit": 'sit = "x"',
        "console.port": "port = 70000",
        "lane.0.document_reader": "[[lane]]",
    }
    lanes = LANE.replace('"reader-1"', '"reader-9"').replace('"camera-1"', '"camera-9"')
    found = lined(site_with(site, READER, READER, BARRIER, lanes=lanes))
    assert found["lane 1.document_reader"] == 'document_reader = "reader-9"'
    assert found["lane 1.camera"] == 'camera = "camera-9"'
    assert found["device reader-1"] == "[[device]]"
    bad = 'name = "reader-1"\ndriver = "mrz_serial"\n[device.options]\npath = "/dev/x"\nbaud = 1\ncolour = "red"'
    found = lined(site_with(site, bad, BARRIER, CAMERA, lanes=LANE))
    assert found["device reader-1.options.baud"] == "baud = 1"
    assert found["device reader-1.options.colour"] == 'colour = "red"'
    assert found["lane 1"] == "[[lane]]"
    file.write_text('[gate]\nsite = "a"\nsite =\n')
    assert set(lined(file).values()) == {"site ="}


POST = (
    SITE
    + LANE
    + "".join(f"[[device]]\n{device}\n" for device in (READER, BARRIER, CAMERA))
    + "".join(f"[gates.gate-{number}]\nconsole.port = {9000 + number}\n" for number in range(1, 21))
)


def test_twenty_gates_are_one_file(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = site / "gate.toml"
    file.write_text(POST)
    origins, found = check_config.examine(file, {})
    assert [one.where for one in found] == ["gate gate-1, lane 1"]  # no chip is proven: said once for all of them
    ports = {one.key: one.value for one in origins if one.key.endswith("console.port")}
    assert len(ports) == 20
    assert ports["gate-7: console.port"] == 9007
    assert cli.main(["check-config", str(file), "--gate", "gate-20", "--json"]) == 1
    settings = {one["key"]: one["value"] for one in json.loads(capsys.readouterr().out)["settings"]}
    assert (settings["gate.gate_id"], settings["console.port"]) == ("gate-20", 9020)


def test_the_mistake_of_one_gate_is_found_at_its_line(site: Path) -> None:
    file = site / "gate.toml"
    for gate in ("gate-3", "gate-4"):
        text = (file.read_text() if gate == "gate-4" else POST) + f"[[gates.{gate}.device]]\n"
        file.write_text(text + 'name = "reader-1"\noptions.baud = 5\n')
    found = lined(file)
    assert found["gate gate-3, device reader-1.options.baud"] == "options.baud = 5"
    assert "gate gate-4, device reader-1.options.baud" in found
    assert not any("gate-5" in where for where in found)
    assert lined(file, "gate-5").keys() == {"lane 1"}


def test_a_gate_that_the_file_does_not_hold(site: Path) -> None:
    file = site / "gate.toml"
    file.write_text(POST)
    assert "there is no gate 'gate-99'" in " ".join(one.finding for one in check_config.examine(file, {}, "gate-99")[1])
    assert check_config.examine(file, {"EGATE_GATE__GATE_ID": "gate-98"})[1][0].where == str(file)
    file.write_text(SITE)
    found = check_config.examine(file, {}, "gate-99")[1]
    assert "not of gate-99" in found[0].finding


def test_a_network_device_of_the_agent_is_said_to_have_no_network(site: Path) -> None:
    own = BARRIER.replace('hosted_by = "field"\n', "")
    found = findings(site_with(site, READER, own, CAMERA, lanes=LANE))
    assert "the agent, which hosts it, has none" in found["device barrier-1.hosted_by"]
    assert 'hosted_by = "field"' in found["device barrier-1.hosted_by"]
    seals = SEALS.replace('hosted_by = "field"\n', "")
    assert "127.0.0.1:7000" in findings(site_with(site, seals))["device seals.hosted_by"]


def test_a_serial_device_of_the_field_service_is_said_to_be_out_of_its_reach(site: Path) -> None:
    found = findings(site_with(site, READER + '\nhosted_by = "field"', BARRIER, CAMERA, lanes=LANE))
    assert "opens no device files" in found["device reader-1.hosted_by"]


def test_an_address_that_the_field_service_may_not_use_is_named(site: Path) -> None:
    file = site_with(site, READER, BARRIER.replace("127.0.0.1", "Box.local"), CAMERA, SEALS, lanes=LANE)
    file.write_text(file.read_text().replace('listen = ["127.0.0.1:7000"]', "listen = []"))
    found = findings(file)
    assert 'Add "Box.local:502" to `allow`' in found["device barrier-1"]
    assert 'Add "127.0.0.1:7000" to `listen`' in found["device seals"]
    assert "device camera-1" not in found
    file.write_text(file.read_text().replace('"127.0.0.1:502"', '"box.local:502"'))
    assert "device barrier-1" not in findings(file)


@pytest.mark.parametrize("entry", ["10.0.0.1", "10.0.0.1:70000", "10.0.0.0/8:502", "box:", ":502", "a b:1", "x:1/2"])
def test_what_is_no_address_with_a_port_is_refused(site: Path, entry: str) -> None:
    (site / "gate.toml").write_text(SITE.replace("127.0.0.1:502", entry))
    assert "pattern" in findings(site / "gate.toml")["field.allow.0"]


SPEAKER = 'name = "speaker-1"\ndriver = "{driver}"\noptions = {{ recordings = "{folder}"{more} }}'


@pytest.mark.usefixtures("chips")
def test_recordings_are_compared_with_all_that_the_screen_can_show(site: Path, tmp_path: Path) -> None:
    def found(driver: str, folder: Path | str, more: str = "") -> list[str]:
        speaker = SPEAKER.format(driver=driver, folder=folder, more=more)
        lane = LANE_WITH_CHIP + 'speaker = "speaker-1"\n'
        file = site_with(site, READER, BARRIER, CAMERA, CHIP, speaker, lanes=lane)
        return [one.finding for one in check_config.examine(file, {})[1] if one.where == "device speaker-1"]

    folder = tmp_path / "recordings"
    keys = list(phrase_keys())
    assert len(found("recorded_speaker", folder)) == 6, "five by name, the rest as a number"
    needed = [language for language in TRAVELLER_LANGUAGES if not said_as(language)]
    assert f"{len(needed) * len(keys) - 5} more recordings" in found("recorded_speaker", folder)[-1]
    for language in needed:
        (folder / language).mkdir(parents=True)
        for key in keys:
            (folder / language / f"{key}.wav").write_bytes(Sound(16_000, 1, bytes(640)).wav())
    assert found("recorded_speaker", folder) == []
    (folder / "ru" / "cue.nod.wav").unlink()
    (folder / "uz-Latn" / "instruction.enter.wav").write_bytes(b"ID3")
    one, other = found("recorded_speaker", folder)
    assert "uz-Latn/instruction.enter.wav: this is no WAV file" in one
    assert "ru/cue.nod.wav cannot be read" in other
    assert found("espeak_speaker", "") == []
    assert "silent" in found("espeak_speaker", "", ', voices = { en = "en-gb" }')[0]
    assert len(found("espeak_speaker", folder, ', voices = { en = "en-gb", ru = "ru" }')) == 1
