"""One file for the gates of a post, and the line of every key."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.errors import SettingsFault
from gate_agent.settings import load
from gate_agent.site_file import document_of, gate_ids, line_of, lines_of

POST = """\
[gate]
site = "north-bridge"

[console]
port = 9000

[[device]]
name = "reader"
driver = "mrz_serial"
options = { path = "/dev/reader", baud = 9600 }

[[device]]
name = "camera"
driver = "opencv_camera"
options = { source = "/dev/camera" }

[[device]]
name = "barrier"
driver = "modbus_barrier"
options = { host = "127.0.0.1" }

[[lane]]
lane_id = 1
document_reader = "reader"
camera = "camera"
barrier = "barrier"

[gates.gate-1]

[gates.gate-2]
gate.travel_mode = "road"
console.port = 9002

[[gates.gate-2.device]]
name = "reader"
options.path = "/dev/other"

[[gates.gate-2.device]]
name = "scanner"
driver = "barcode_serial"
options = { path = "/dev/scanner" }

[[gates.gate-2.lane]]
lane_id = 1
direction = "exit"
barcode = ["scanner"]
"""


@pytest.fixture
def post(tmp_path: Path) -> Path:
    file = tmp_path / "post.toml"
    file.write_text(POST)
    return file


def test_a_gate_without_differences_reads_what_is_shared(post: Path) -> None:
    settings = load(post, "gate-1")
    assert (settings.gate.gate_id, settings.gate.site, settings.console.port) == ("gate-1", "north-bridge", 9000)
    assert settings.device[0].options == {"path": "/dev/reader", "baud": 9600}


def test_what_a_gate_writes_of_its_own_wins_and_the_rest_stays(post: Path) -> None:
    settings = load(post, "gate-2")
    assert (settings.gate.gate_id, settings.gate.travel_mode, settings.console.port) == ("gate-2", "road", 9002)
    assert [device.name for device in settings.device] == ["reader", "camera", "barrier", "scanner"]
    assert settings.device[0].options == {"path": "/dev/other", "baud": 9600}
    assert (settings.lane[0].direction, settings.lane[0].camera, settings.lane[0].barcode) == (
        "exit",
        "camera",
        ("scanner",),
    )
    assert load(post, "gate-1").lane[0].barcode == ()


def test_the_environment_says_which_gate_this_is(post: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGATE_GATE__GATE_ID", "gate-2")
    assert load(post).console.port == 9002


@pytest.mark.parametrize("gate_id", [None, "gate-3"])
def test_a_gate_that_nobody_named_or_knows_is_a_fault(post: Path, gate_id: str | None) -> None:
    with pytest.raises(SettingsFault, match=r"The file holds gate-1, gate-2; EGATE_GATE__GATE_ID"):
        load(post, gate_id)


def test_a_file_of_one_gate_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "gate.toml"
    file.write_text('[gate]\ngate_id = "gate-7"\n')
    assert load(file).gate.gate_id == "gate-7"
    with pytest.raises(SettingsFault, match="gate-7"):
        load(file, "gate-8")


@pytest.mark.parametrize("text", ["gates = 1", "[gates]\ngate-1 = 5", '[gates.a.gate]\ngate_id = "b"'])
def test_gates_written_wrongly_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="gate"):
        document_of(tomllib.loads(text), "a")


def test_the_shared_part_is_not_changed_by_a_gate() -> None:
    document = tomllib.loads(POST)
    before = tomllib.loads(POST)
    assert gate_ids(document) == ("gate-1", "gate-2")
    document_of(document, "gate-2")
    assert document == before


def test_every_value_knows_where_it_was_written() -> None:
    lines = lines_of(POST)
    read = document_of(tomllib.loads(POST), "gate-2")

    def line(*place: str | int) -> str:
        number = line_of(read.source_of(place), lines)
        return POST.splitlines()[number - 1] if number else ""

    assert line("gate", "site") == 'site = "north-bridge"'
    assert line("gate", "travel_mode") == 'gate.travel_mode = "road"'
    assert line("console", "port") == "console.port = 9002"
    assert line("device", 0, "options", "path") == 'options.path = "/dev/other"'
    assert line("device", 0, "options", "baud").startswith("options = { path")
    assert line("device", 3, "driver") == 'driver = "barcode_serial"'
    assert line("lane", 0, "direction") == 'direction = "exit"'
    assert line("lane", 0, "camera") == 'camera = "camera"'
    assert line("lane", 0, "absent") == "[[lane]]"


def all_places(value: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place, *(deeper for key, child in children for deeper in all_places(child, (*place, key)))]


@given(st.text(st.sampled_from("ab.=[]{}\"'# \n\\1")))
def test_no_text_makes_it_raise_and_every_line_is_one_of_the_text(text: str) -> None:
    assert all(1 <= line <= text.count("\n") + 1 for line in lines_of(text).values())
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    written = set(all_places(document))
    assert {place for place in written if len(place) == 1} <= set(lines_of(text)) <= written


HARD = '''\
# [not.a.table]
title = "[x] = # no comment" # one
text = """
key = "inside"
[inside.too]
"""
list = [
  "a", # ] no end
  "[b]",
  { inner = 1 },
]
raw = \'\'\'
no = 1 \'\'\'
"quoted key" = 1
a . b = 2
[ spaced . out ]
x = 1
["dot.ted"]
y = \'#\'
[[rows]]
n = 1
[rows.sub]
m = 1
[[rows]]
n = 2
[[rows.inner]]
k = 1
[rows.sub]
m = 2
'''


def test_hard_texts_are_followed() -> None:
    lines = lines_of(HARD)
    document = tomllib.loads(HARD)
    assert set(lines) <= set(all_places(document))
    written = HARD.splitlines()
    found = {place: written[number - 1] for place, number in lines.items()}
    assert found["quoted key",] == '"quoted key" = 1'
    assert found["a", "b"] == "a . b = 2"
    assert found["spaced", "out", "x"] == "x = 1"
    assert found["dot.ted", "y"] == "y = '#'"
    assert (lines["rows", 0, "sub", "m"], lines["rows", 1, "sub", "m"]) == (23, 29)
    assert lines["rows", 1, "inner", 0, "k"] == 27
    assert line_of(("list", 2, "inner"), lines) == 7
    assert line_of(("nowhere",), lines) is None
