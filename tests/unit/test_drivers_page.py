"""docs/drivers.md names what is there: classes, files, commands and codes."""

import importlib
import re
from pathlib import Path

import pytest

from gate_agent.cli import main

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "drivers.md").read_text(encoding="utf-8")
TEMPLATE = PROJECT / "examples" / "driver_template"


def test_every_class_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(drivers(?:\.[a-z_]+)+)\.([A-Z]\w+)`((?:, `[A-Z]\w+`)*)", PAGE)
    assert len(named) > 8
    for module, first, others in named:
        for name in [first, *re.findall(r"`(\w+)`", others)]:
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_every_file_that_the_page_names_is_there() -> None:
    files = set(re.findall(r"`([a-z_/]+\.(?:py|toml))`", PAGE))
    assert len(files) > 5
    assert [file for file in files if not (PROJECT / file).exists() and not (TEMPLATE / file).exists()] == []


def test_every_command_and_fault_code_that_the_page_names_is_there() -> None:
    known = (PROJECT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert all(f"`{code}`" in known for code in re.findall(r"DRV-[A-Z]{3}-\d{3}", PAGE))
    for action in set(re.findall(r"egate devices ([a-z]+)", PAGE)):
        with pytest.raises(SystemExit) as ended:
            main(["devices", action, "--help"])
        assert ended.value.code == 0, action


def test_every_option_of_the_template_says_what_it_means() -> None:
    options = importlib.import_module("egate_example_reader.driver").ExampleReaderOptions
    assert all(field.description for field in options.model_fields.values())
