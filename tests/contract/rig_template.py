"""The driver that strangers copy, found as they will have it: as an installed package with an entry point."""

import dataclasses
import importlib.util
import sys
import tomllib
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parents[2] / "examples" / "driver_template"


def leave_a_distribution(folder: Path) -> None:
    """Write what an installer writes of the template's own declaration."""
    project = tomllib.loads((TEMPLATE / "pyproject.toml").read_text())["project"]
    record = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {target}" for name, target in project["entry-points"]["egate.drivers"].items()]
    (record / "entry_points.txt").write_text("\n".join(["[egate.drivers]", *lines, ""]))


async def template(folder: Path) -> Any:
    spec = importlib.util.spec_from_file_location("egate_rig_example_reader", TEMPLATE / "rig_example_reader.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rig = await module.RIGS["example_reader"](folder)
    leave_a_distribution(folder)
    sys.path.append(str(folder))

    async def close() -> None:
        sys.path.remove(str(folder))
        await rig.twin.unplug()

    return dataclasses.replace(rig, close=close)


RIGS = {"example_reader": template}
