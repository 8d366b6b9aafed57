"""Packages that bring checks, as an installer leaves them, and the command that starts a worker which finds them."""

import importlib.util
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parents[2] / "examples" / "check_template"
OTHERS = [Path(folder) for folder in os.environ.get("EGATE_RIGS", "").split(os.pathsep) if folder]


@dataclass(frozen=True)
class CheckRig:
    """A check of a package's folder: what it is shown, and the outcome that it has to come to."""

    name: str
    folder: Path
    cases: list[tuple[dict[str, Any], str]]


def load_check_rigs() -> dict[str, CheckRig]:
    """Return the rigs of the template and of the folders in EGATE_RIGS, by the name of the check."""
    rigs = {}
    for path in sorted(path for folder in [TEMPLATE, *OTHERS] for path in folder.glob("check_rig_*.py")):
        spec = importlib.util.spec_from_file_location(f"egate_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        rigs |= {name: CheckRig(name, path.parent, cases) for name, cases in module.CHECKS.items()}
    return rigs


def leave_a_distribution(package: Path, folder: Path) -> None:
    """Write what an installer writes of a package's own declaration."""
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    record = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    record.mkdir()
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [f"{name} = {target}" for name, target in project["entry-points"]["egate.checks"].items()]
    (record / "entry_points.txt").write_text("\n".join(["[egate.checks]", *lines, ""]))


def worker_of(*folders: Path) -> tuple[str, ...]:
    """Return the command of a worker that finds the packages of these folders; a site's own stand in its environment."""
    paths = [str(folder) for folder in folders]
    start = (
        f"import sys; sys.path[:0] = {paths!r}; from gate_agent.inspection.plugin_worker import main; sys.exit(main())"
    )
    return (sys.executable, "-I", "-c", start)
