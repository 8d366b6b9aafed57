"""Where a value stands in a service's answer: a JSON pointer (RFC 6901) whose steps may also choose a member of a list.

    /ContainerList/List/{result_type=37}/Images/fieldList/{fieldType=207}/valueList/{lightIndex=6}/value

`{key=value,…}` stands for the members of a list whose keys have these values, `{}` for every member; the first one that leads to the end
of the pointer is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Step = str | Mapping[str, str]

STEPS_LIMIT = 16
_CHOICE = re.compile(r"\{(.*)\}", re.DOTALL)
_MISSING = object()


def compiled(pointer: str) -> tuple[Step, ...]:
    """Return the steps of a pointer. Raises ValueError."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r}: a pointer is empty or begins with /")
    steps = tuple(_step(part) for part in pointer.split("/")[1:])
    if len(steps) > STEPS_LIMIT:
        raise ValueError(f"{pointer!r}: more than {STEPS_LIMIT} steps")
    return steps


def value_at(document: Any, steps: tuple[Step, ...]) -> Any:
    """Return the first value that the steps lead to, None when there is none."""
    found = next(_values(document, steps), _MISSING)
    return None if found is _MISSING else found


def as_text(value: Any) -> str:
    """Return how a value that is no list and no object is written in a choice or an option: `true`, `6`, its text."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value) if isinstance(value, str | int | float) else ""


def _step(part: str) -> Step:
    choice = _CHOICE.fullmatch(part)
    if choice is None:
        if re.search(r"~(?![01])", part):
            raise ValueError(f"{part!r}: ~ is written ~0, / is written ~1")
        return part.replace("~1", "/").replace("~0", "~")
    wanted = {}
    for pair in filter(None, choice[1].split(",")):
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise ValueError(f"{part!r}: a choice is {{key=value,…}}")
        wanted[key.strip()] = value.strip()
    return wanted


def _values(value: Any, steps: tuple[Step, ...]) -> Iterator[Any]:
    if not steps:
        yield value
        return
    step, rest = steps[0], steps[1:]
    if isinstance(step, str):
        inner = _member(value, step)
        if inner is not _MISSING:
            yield from _values(inner, rest)
    elif isinstance(value, list):
        for member in value:
            if not step or (
                isinstance(member, dict)
                and all(key in member and as_text(member[key]) == text for key, text in step.items())
            ):
                yield from _values(member, rest)


def _member(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step, _MISSING)
    if isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 7 and int(step) < len(value):
        return value[int(step)]
    return _MISSING
