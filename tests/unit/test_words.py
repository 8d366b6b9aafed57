"""Names come from the field: the words that say nothing, and those that the standards replaced, are not used as identifiers.

Checked are the names that a module gives (its own file name, functions, classes, parameters, variables, attributes), not those
that a library gave. An exception stands in `ALLOWED` with its reason.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = ("gate_agent", "drivers", "models", "central_sync", "tools")

# Refused as a word inside any name.
EMPTY_WORDS = frozenset(
    {"manager", "managers", "helper", "helpers", "util", "utils", "misc", "common", "handler", "handlers"}
)
# Refused as a whole name: they say nothing alone, and something in `data_group`.
EMPTY_NAMES = frozenset({"data", "info", "stuff", "thing", "things", "tmp", "foo", "obj"})
# Refused as the first word of a function: a verb for "do something". An operating system's process is a noun and fine.
EMPTY_VERBS = frozenset({"process", "handle", "manage"})
# The field's word for each of these stands beside it (ISO/IEC 2382-37, ISO/IEC 30107-3, ICAO Doc 9303).
REPLACED = {
    "similarity": "comparison_score",
    "match_score": "comparison_score",
    "genuine": "mated",
    "impostor": "non_mated",
    "imposter": "non_mated",
    "liveness": "presentation_attack_detection",
    "spoof": "presentation_attack",
    "antispoof": "presentation_attack_detection",
    "surname": "primary_identifier",
    "first_name": "secondary_identifier",
    "last_name": "primary_identifier",
    "given_name": "secondary_identifier",
    "passport_no": "document_number",
    "passport_number": "document_number",
    "expiry_date": "date_of_expiry",
    "birth_date": "date_of_birth",
    "false_acceptance_rate": "false_match_rate",
    "false_rejection_rate": "false_non_match_rate",
}

# (file, name) -> reason.
ALLOWED: dict[tuple[str, str], str] = {
    ("drivers/contracts.py", "data"): "the payload of a device event, the contract's own word",
    ("central_sync/messages.py", "data"): "the attribute of that name in CloudEvents 1.0",
    ("central_sync/sealing.py", "_info"): "the parameter of that name in HPKE (RFC 9180, 5.1)",
    ("gate_agent/inspection/declaration_token.py", "genuine"): "of a signature, not of a comparison",
    ("models/similarity.py", "similarity"): "the similarity transform of geometry",
    ("gate_agent/demo/inspector.py", "handle_starttag"): "the hook of that name in html.parser",
}


def words_of(name: str) -> list[str]:
    """Split snake_case and CamelCase into lower-case words."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name)]


def given_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name that the syntax tree gives, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield 0, node.asname


def objection(name: str) -> str:
    """Say what is wrong with a name; empty when nothing is."""
    words = words_of(name)
    empty = EMPTY_WORDS.intersection(words)
    if empty:
        return f"{name}: {', '.join(sorted(empty))} says nothing"
    plain = name.strip("_").lower()
    if plain in EMPTY_NAMES:
        return f"{name} says nothing"
    joined = "_".join(words)
    replaced = [
        f"{word} is called {better}" for word, better in REPLACED.items() if re.search(rf"(^|_){word}(_|$)", joined)
    ]
    return f"{name}: {'; '.join(replaced)}" if replaced else ""


def verb_objection(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Say what is wrong with a function's verb; empty when nothing is. A property is a noun."""
    words = words_of(node.name)
    is_property = any("property" in ast.unparse(decorator) for decorator in node.decorator_list)
    if words and words[0] in EMPTY_VERBS and not is_property:
        return f"{node.name}: {words[0]} is a verb for anything"
    return ""


def objections(path: Path) -> list[tuple[int, str, str]]:
    """Every objection in one file: line, name, words."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [(line, name, words) for line, name in [(0, path.stem), *given_names(tree)] if (words := objection(name))]
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return found + [(node.lineno, node.name, words) for node in functions if (words := verb_objection(node))]


def test_names_come_from_the_field() -> None:
    found, used = [], set()
    for path in sorted(path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py")):
        place = path.relative_to(PROJECT).as_posix()
        for line, name, words in objections(path):
            if (place, name) in ALLOWED:
                used.add((place, name))
            else:
                found.append(f"{place}:{line} {words}")
    assert found == []
    assert set(ALLOWED) - used == set(), "an exception that is no longer needed"


def test_rooms_have_names_that_say_something() -> None:
    folders = {path.name for folder in FOLDERS for path in (PROJECT / folder).rglob("*") if path.is_dir()}
    assert [name for name in folders if objection(name)] == []


@pytest.mark.parametrize(
    "name",
    [
        "DeviceManager",
        "mrz_utils",
        "handle_common",
        "_info",
        "data",
        "SurnameField",
        "face_similarity",
        "passport_no",
        "HelperMixin",
    ],
)
def test_planted_names_are_refused(name: str) -> None:
    assert objection(name)


@pytest.mark.parametrize(
    "name",
    [
        "data_group",
        "handle",
        "commonwealth",
        "process_id",
        "database",
        "comparison_score",
        "liveliness",
        "utility_vehicle",
    ],
)
def test_good_names_pass(name: str) -> None:
    assert objection(name) == ""


def test_a_planted_file_is_refused(tmp_path: Path) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        "class A:\n    def process_it(self, info):\n        self.helper = info\nfor tmp in ():\n    pass\nimport re as utils\n"
    )
    assert sorted((line, name) for line, name, _ in objections(planted)) == [
        (0, "utils"),
        (2, "info"),
        (2, "process_it"),
        (3, "helper"),
        (4, "tmp"),
    ]
