"""The house stands as docs/architecture.md draws it: who imports whom, what is pure, where time and chance come from.

Every rule here is also shown a planted violation, so that a rule that stopped looking is found out.
"""

import ast
import graphlib
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path

import grimp
import pytest

PROJECT = Path(__file__).resolve().parents[2]
PACKAGES = ("gate_agent", "drivers", "models", "central_sync", "emrtd")
PURE = ("gate_agent/domain", "gate_agent/policy")
CONFIGURATION = tomllib.loads((PROJECT / "pyproject.toml").read_text())
LONGEST_MODULE_LINES = 400

# Modules that may be longer than LONGEST_MODULE_LINES, each with its reason.
LONG_MODULES: dict[str, str] = {}

# Where the time of day, or randomness that is no key, is taken from the machine itself, each with its reason.
CLOCK_PLACES = {
    "gate_agent/clock.py": "the clock that is handed to everybody else",
    "central_sync/centre/queries.py": "default of a parameter; the centre stands apart from the gate's clock",
    "central_sync/centre/service.py": "default of a parameter; the centre stands apart from the gate's clock",
    "central_sync/uplink.py": "default of a parameter: jitter between resends",
}
# Statements whose variable part cannot be bound as a parameter, each with its reason.
SQL_PLACES = {
    "gate_agent/store/database.py": "pragmas from a fixed tuple; SQLite binds no parameter there",
    "gate_agent/store/outbox.py": "one of two fixed conditions; every value is bound",
    "central_sync/centre/schema.py": "pragmas from a fixed tuple; SQLite binds no parameter there",
}

WALL_CLOCK = {
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "time": {"time", "time_ns", "localtime", "gmtime", "strftime", "ctime"},
    "uuid": {"uuid1"},
}
STATEMENT = re.compile(
    r"\s*(SELECT\s|INSERT\s+(OR\s+\w+\s+)?INTO\s|UPDATE\s+\w+\s+SET|DELETE\s+FROM|REPLACE\s+INTO|(CREATE|DROP|ALTER)\s+\w+|PRAGMA\s|ATTACH\s|SAVEPOINT\s)"
)


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (PROJECT / folder).rglob("*.py"))


def place(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


# ---- the rules, as functions over source text ---------------------------------------------------------------------------


def imported_top_levels(text: str) -> set[str]:
    """Every top-level package that the text imports, wherever the import stands."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0])
    return found


def impure_imports(text: str, own: Iterable[str] = ("gate_agent",)) -> set[str]:
    """Imports that a pure room may not have: anything outside the standard library, and the parts of it that do something."""
    doing = {
        "asyncio",
        "socket",
        "sqlite3",
        "subprocess",
        "threading",
        "time",
        "random",
        "os",
        "io",
        "http",
        "urllib",
        "ctypes",
        "select",
    }
    return {
        name
        for name in imported_top_levels(text)
        if name in doing or (name not in sys.stdlib_module_names and name not in own)
    }


def clock_and_chance(text: str) -> list[str]:
    """Calls and references that take the time of day, or unseeded randomness, from the machine."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
            if node.attr in WALL_CLOCK.get(owner, ()):
                found.append(f"{node.lineno}: {owner}.{node.attr}")
            if (
                isinstance(node.value, ast.Name)
                and owner == "random"
                and node.attr not in {"Random", "default_rng", "Generator"}
            ):
                found.append(f"{node.lineno}: random.{node.attr}")
        elif isinstance(node, ast.ImportFrom) and node.module in {"time", "random", "uuid"}:
            names = {"random": {"random", "randint", "choice", "choices", "shuffle", "uniform", "sample"}}
            banned = names.get(node.module, WALL_CLOCK.get(node.module, set()))
            found += [
                f"{node.lineno}: from {node.module} import {alias.name}" for alias in node.names if alias.name in banned
            ]
        elif isinstance(node, ast.Call) and not node.args and ast.unparse(node.func) in {"random.Random", "Random"}:
            found.append(f"{node.lineno}: unseeded Random")
    return found


def formatted_sql(text: str) -> list[str]:
    """Statements put together as text: f-string, %, format or +."""
    found = []
    for node in ast.walk(ast.parse(text)):
        start: ast.expr | None = None
        if isinstance(node, ast.JoinedStr) and any(isinstance(part, ast.FormattedValue) for part in node.values):
            start = node.values[0]
        elif (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Mod | ast.Add)
            and not isinstance(node.right, ast.Constant)
        ):
            start = node.left
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            start = node.func.value
        if isinstance(start, ast.Constant) and isinstance(start.value, str) and STATEMENT.match(start.value):
            found.append(f"{node.lineno}: {ast.unparse(node)[:80]}")
    return found


def import_cycles(graph: grimp.ImportGraph) -> list[str]:
    """One cycle among modules, or nothing."""
    own = {module for module in graph.modules if module.partition(".")[0] in PACKAGES}
    order = graphlib.TopologicalSorter(
        {module: graph.find_modules_directly_imported_by(module) & own for module in own}
    )
    try:
        order.prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def foreign_addresses(text: str) -> list[str]:
    """Addresses of package indexes and paths of one machine, which no committed file may name."""
    hosts = (
        "py" + "pi.org",
        "python" + "hosted.org",
        "npm" + "js.org",
        "npm" + "js.com",
        "deb." + "debian.org",
        "--index" + "-url",
    )
    paths = tuple("/" + top + "/" for top in ("wo" + "rk", "fa" + "rm"))
    return [word for word in hosts if word in text] + [
        path for path in paths if re.search(rf"(^|[^A-Za-z0-9_.$-]){path}", text)
    ]


def committed_files() -> list[Path]:
    """Files that git would commit; every file outside hidden folders where there is no git."""
    if shutil.which("git") and (PROJECT / ".git").exists():
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=PROJECT,
            capture_output=True,
            check=True,
            text=True,
        )
        return [PROJECT / name for name in listing.stdout.split("\0") if name and (PROJECT / name).is_file()]
    return [
        path for path in PROJECT.rglob("*") if path.is_file() and not any(part.startswith(".") for part in path.parts)
    ]


# ---- the house under the rules ------------------------------------------------------------------------------------------


def test_import_contracts_hold() -> None:
    finished = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
            "--no-logo",
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-3000:] + finished.stderr[-1000:]
    assert "0 broken" in finished.stdout


def test_every_room_of_the_contracts_is_there() -> None:
    """A contract over a module that does not exist guards nothing; rooms in brackets would be optional, and none is."""
    contracts = CONFIGURATION["tool"]["importlinter"]["contracts"]
    named = {name for contract in contracts for layer in contract.get("layers", ()) for name in layer.split(" | ")}
    named |= {
        name
        for contract in contracts
        for key in ("source_modules", "forbidden_modules")
        for name in contract.get(key, ())
    }
    own = {name for name in named if name.partition(".")[0] in PACKAGES}
    absent = {
        name
        for name in own
        if not (PROJECT / Path(*name.split("."))).is_dir()
        and not (PROJECT / Path(*name.split("."))).with_suffix(".py").is_file()
    }
    assert absent == set()


def test_every_room_of_the_agent_stands_on_a_floor() -> None:
    floors = next(
        contract
        for contract in CONFIGURATION["tool"]["importlinter"]["contracts"]
        if contract["name"] == "floors of gate_agent"
    )
    placed = {room for layer in floors["layers"] for room in layer.split(" | ")}
    rooms = {
        f"gate_agent.{path.stem}"
        for path in (PROJECT / "gate_agent").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    assert rooms - placed == {"gate_agent.__init__"}


def test_no_import_cycles() -> None:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    assert import_cycles(graph) == []


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_use_the_standard_library_only(room: str) -> None:
    pure_secrets = {"gate_agent/domain/identifiers.py": "randomness is a parameter with a default"}
    found = {place(path): impure_imports(path.read_text()) for path in sources(room) if place(path) not in pure_secrets}
    assert {name: what for name, what in found.items() if what} == {}


def test_time_and_chance_are_handed_in() -> None:
    found = {place(path): clock_and_chance(path.read_text()) for path in sources(*PACKAGES)}
    assert {name: what for name, what in found.items() if what and name not in CLOCK_PLACES} == {}
    assert [name for name in CLOCK_PLACES if not found.get(name)] == [], "an exception that is no longer needed"


def test_no_statement_is_put_together_as_text() -> None:
    found = {place(path): formatted_sql(path.read_text()) for path in sources(*PACKAGES)}
    assert {name: what for name, what in found.items() if what and name not in SQL_PLACES} == {}
    assert [name for name in SQL_PLACES if not found.get(name)] == [], "an exception that is no longer needed"


def test_modules_are_one_idea() -> None:
    lines = {place(path): len(path.read_text().splitlines()) for path in sources(*PACKAGES, "tools")}
    assert {
        name: count for name, count in lines.items() if count > LONGEST_MODULE_LINES and name not in LONG_MODULES
    } == {}


def test_wheel_holds_exactly_the_four_packages() -> None:
    assert CONFIGURATION["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(PACKAGES)
    top_levels = {path.parent.name for path in PROJECT.glob("*/__init__.py")}
    assert top_levels == set(PACKAGES)
    without_init = {place(path.parent) for path in sources(*PACKAGES) if not (path.parent / "__init__.py").exists()}
    assert without_init == set()


def test_no_committed_file_names_an_index_or_a_machine() -> None:
    found = {}
    for path in committed_files():
        try:
            words = foreign_addresses(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue
        if words:
            found[place(path)] = words
    assert found == {}


def test_nothing_is_too_large_to_commit() -> None:
    assert [place(path) for path in committed_files() if path.stat().st_size > 3_000_000] == []


# ---- the rules under planted violations ---------------------------------------------------------------------------------


def test_a_planted_import_breaks_its_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PACKAGES:
        shutil.copytree(
            PROJECT / package,
            tmp_path / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.onnx", "static", "templates"),
        )
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    plants = {
        "gate_agent/policy/planted.py": "import numpy\n",
        "gate_agent/domain/planted.py": "import gate_agent.lane\n",
        "models/planted.py": "import drivers.contracts\n",
        "gate_agent/lane/planted.py": "import central_sync.transports\n",
    }
    for name, text in plants.items():
        (tmp_path / name).write_text(text)
    run = (
        "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    finished = subprocess.run(
        [sys.executable, "-c", run, "--no-cache", "--no-logo"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1, finished.stdout + finished.stderr
    for words in (
        "gate_agent.policy.planted -> numpy",
        "gate_agent.domain.planted -> gate_agent.lane",
        "models.planted -> drivers",
        "gate_agent.lane.planted -> central_sync.transports",
    ):
        assert words in finished.stdout, finished.stdout[-4000:]


def test_a_planted_cycle_is_found() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (
        ("drivers.one", "drivers.two"),
        ("drivers.two", "drivers.three"),
        ("drivers.three", "drivers.one"),
    ):
        graph.add_import(importer=importer, imported=imported)
    assert set(import_cycles(graph)) == {"drivers.one", "drivers.two", "drivers.three"}


def test_planted_impurities_are_found() -> None:
    assert impure_imports("from numpy import array\nimport os\nimport gate_agent.domain.check\nimport re") == {
        "numpy",
        "os",
    }
    assert impure_imports("def late():\n    import drivers.contracts\n") == {"drivers"}


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import datetime\nx = datetime.now()",
        "import datetime\nx = datetime.datetime.utcnow()",
        "import time\nx = time.time()",
        "from time import time",
        "import random\nx = random.random()",
        "from random import choice",
        "import random\nx = random.Random()",
        "import uuid\nx = uuid.uuid1()",
        "def f(now=__import__('datetime').datetime.now): ...",
    ],
)
def test_planted_clocks_are_found(text: str) -> None:
    assert clock_and_chance(text)


def test_timers_and_seeded_chance_are_no_findings() -> None:
    assert (
        clock_and_chance("import time, random\nx = time.monotonic()\ny = random.Random(7).random()\nclock.now()") == []
    )


@pytest.mark.parametrize(
    "text",
    [
        "x = f'SELECT * FROM officer WHERE name = {name}'",
        "x = 'SELECT * FROM officer WHERE name = %s' % name",
        "x = 'DELETE FROM officer WHERE name = ' + name",
        "x = 'UPDATE officer SET role = {}'.format(role)",
    ],
)
def test_planted_statements_are_found(text: str) -> None:
    assert formatted_sql(text)


def test_bound_statements_are_no_findings() -> None:
    assert (
        formatted_sql("c.execute('SELECT * FROM officer WHERE name = ?', (name,))\nx = f'Update {y} of the list'") == []
    )


def test_planted_addresses_are_found() -> None:
    assert foreign_addresses("https://" + "py" + "pi.org/sim" + "ple")
    assert foreign_addresses("see /wo" + "rk/shared")
    assert not foreign_addresses("tests/frame" + "work/x and ../shared/data")
