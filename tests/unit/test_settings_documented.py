"""docs/settings.md and docs/errors.md say what the code says: every setting with its default, every fault code with its meaning."""

import ast
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from drivers.registry import BUILT_IN
from gate_agent.inspection_settings import CheckSettings
from gate_agent.settings import DeviceSettings, LaneSettings, Settings

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("gate_agent", "drivers", "models", "central_sync")
CODE = re.compile(r"\b[A-Z]{2,3}-[A-Z]{3}-[0-9]{3}\b")
SERIES = re.compile(r'f"([A-Z]{2,3}-[A-Z]{3}-)\{\w+:03d\}" for \w+ in range\((\d+), (\d+)\)')
CODE_ROW = re.compile(r"^\| `([A-Z]{2,3}-[A-Z]{3}-[0-9]{3})` \| (.+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_settings_page", PROJECT / "tools" / "write_settings_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_settings_page_is_current(writer: ModuleType) -> None:
    written = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == writer.page(), "run python tools/write_settings_page.py"


def test_the_devices_page_is_current_and_says_what_each_option_means(writer: ModuleType) -> None:
    written = (PROJECT / "docs" / "devices.md").read_text(encoding="utf-8")
    assert written == writer.devices_page(), "run python tools/write_settings_page.py"
    for name, driver in BUILT_IN.items():
        chapter = written.split(f"## `{name}`\n", 1)[1].split("\n## ", 1)[0]
        for key, field in driver.options_model().model_fields.items():
            assert field.description, f"{name}.{key} has no description"
            assert f"| `{key}` | {field.description} |" in chapter, f"{name}.{key}"


def sections() -> dict[str, type[BaseModel]]:
    tables = {name: field.annotation for name, field in Settings.model_fields.items()}
    return {name: table for name, table in tables.items() if isinstance(table, type)} | {
        "lane": LaneSettings,
        "device": DeviceSettings,
        "check": CheckSettings,
    }


def test_every_setting_stands_in_the_page_with_its_meaning_and_default(writer: ModuleType) -> None:
    text = (PROJECT / "docs" / "settings.md").read_text(encoding="utf-8")
    count = 0
    for name, section in sections().items():
        heading = f"[[{name}]]" if name in {"lane", "device", "check"} else f"[{name}]"
        chapter = text.split(f"## `{heading}`\n", 1)[1].split("\n## ", 1)[0]
        for key, field in section.model_fields.items():
            row = next((line for line in chapter.splitlines() if line.startswith(f"| `{key}` |")), "")
            assert field.description, f"{name}.{key} has no description"
            assert field.description in row, f"{name}.{key}"
            assert row.rstrip(" |").endswith(writer.default_of(field)), f"{name}.{key}"
            count += 1
    assert count >= 40


def codes_of(text: str) -> set[str]:
    """Fault codes in a module's strings (docstrings left out), series like `f"CS-BND-{number:03d}" for number in range(1, 7)` counted out."""
    tree = ast.parse(text)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            found |= set(CODE.findall(node.value))
    for prefix, first, end in SERIES.findall(text):
        found |= {f"{prefix}{number:03d}" for number in range(int(first), int(end))}
    return found


def codes_in_the_source() -> dict[str, str]:
    """Every fault code of the four packages, with one module where it stands."""
    found: dict[str, str] = {}
    for path in sorted(path for folder in PACKAGES for path in (PROJECT / folder).rglob("*.py")):
        for code in codes_of(path.read_text(encoding="utf-8")):
            found.setdefault(code, path.relative_to(PROJECT).as_posix())
    return found


def test_codes_are_found_however_they_are_written() -> None:
    text = '"""XX-DOC-001"""\ncode = "EG-STO-001"\nA, B = (f"CS-BND-{number:03d}" for number in range(1, 3))\nf"DRV-IMG-002: {1}"\n'
    assert codes_of(text) == {"EG-STO-001", "CS-BND-001", "CS-BND-002", "DRV-IMG-002"}


def test_every_fault_code_stands_in_the_page_once() -> None:
    rows = CODE_ROW.findall((PROJECT / "docs" / "errors.md").read_text(encoding="utf-8"))
    documented = [code for code, _ in rows]
    assert sorted(documented) == sorted(set(documented)), "a code stands twice"
    source = codes_in_the_source()
    assert {code: place for code, place in source.items() if code not in documented} == {}
    assert [code for code in documented if code not in source] == [], "a code that the source no longer knows"
    assert all(len(meaning) > 10 for _, meaning in rows)
