"""Which picture is compared with which: a list of pairs, all against all, or probes of several pictures of a person.

A person is the folder a picture lies in (`s1/7.pgm` is of `s1`), or, for pictures that lie loose, the file name up to its last
number (`Abel_Pacheco_0004.jpg` is of `Abel_Pacheco`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.error_rates import EvaluationFault

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".jp2", ".pgm", ".ppm", ".bmp", ".tif", ".tiff", ".webp"})
SETS_PER_PERSON = 10
LARGEST_COMPARISONS = 60_000_000
"""Above this a list of comparisons takes more than a gigabyte; refused by name instead of failing half-way."""
_NUMBERED = re.compile(r"(.+?)[_-]?\d+")

Index = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Trials:
    """Comparisons to make: each a probe (one or more pictures, by number) and a reference (one picture).

    `first` and `second` give probe and reference of every comparison, probes ascending; `probe_people` and `reference_people`
    number the person of each probe and reference.
    """

    probes: tuple[tuple[int, ...], ...]
    references: tuple[int, ...]
    probe_people: Index
    reference_people: Index
    first: Index
    second: Index
    is_mated: NDArray[np.bool_]


def person_of(name: str) -> str:
    """Return whom a picture shows, from its path relative to the folder of pictures (rule in the module's first lines)."""
    path = PurePosixPath(name)
    if path.parent != PurePosixPath("."):
        return str(path.parent)
    numbered = _NUMBERED.fullmatch(path.stem)
    return numbered[1] if numbered else path.stem


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that sorts `s2` before `s10`."""
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def pictures_in(folder: Path) -> list[str]:
    """Return the pictures below a folder, as paths relative to it, in natural order. Raises `EvaluationFault` when there is none."""
    if not folder.is_dir():
        raise EvaluationFault(f"{folder} is no folder", code="MD-EVA-003")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES]
    if not names:
        raise EvaluationFault(f"there is no picture in {folder}", code="MD-EVA-003")
    return sorted(names, key=_natural)


def pairs_of(text: str, source: str, folder: Path) -> list[tuple[str, str, bool]]:
    """Return the pairs of a list: `fileA fileB 1` (mated) or `0`, one per line, with tabs between when names hold spaces.

    Empty lines and lines that begin with # say nothing. Raises `EvaluationFault` naming the line.
    """
    pairs: list[tuple[str, str, bool]] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = [word.strip() for word in line.split("\t")] if "\t" in line.strip() else line.split()
        if len(words) != 3 or words[2] not in {"0", "1"}:
            raise EvaluationFault(f"{source}, line {number}: not `fileA fileB 0-or-1`", code="MD-EVA-004")
        for name in words[:2]:
            if not (folder / name).is_file():
                raise EvaluationFault(
                    f"{source}, line {number}: there is no picture {folder / name}", code="MD-EVA-005"
                )
        if words[0] == words[1]:
            raise EvaluationFault(f"{source}, line {number}: {words[0]} with itself", code="MD-EVA-004")
        pairs.append((words[0], words[1], words[2] == "1"))
    if not pairs:
        raise EvaluationFault(f"{source} lists no pair", code="MD-EVA-004")
    return pairs


def _numbered(people: Sequence[str]) -> Index:
    known: dict[str, int] = {}
    return np.array([known.setdefault(person, len(known)) for person in people], dtype=np.int32)


def _bounded(comparisons: int) -> None:
    if comparisons > LARGEST_COMPARISONS:
        raise EvaluationFault(
            f"{comparisons} comparisons are more than {LARGEST_COMPARISONS}; evaluate a part of the people",
            code="MD-EVA-006",
        )


def listed_pairs(names: Sequence[str], pairs: Sequence[tuple[str, str, bool]]) -> Trials:
    """Return the comparisons of a list; `names` number the pictures. A person is who `person_of` says, whatever the list claims."""
    place = {name: number for number, name in enumerate(names)}
    people = _numbered([person_of(name) for name in names])
    ordered = sorted((place[one], place[other], mated) for one, other, mated in pairs)
    table = np.array(ordered, dtype=np.int32).reshape(-1, 3)
    singles = tuple((number,) for number in range(len(names)))
    return Trials(
        singles, tuple(range(len(names))), people, people, table[:, 0].copy(), table[:, 1].copy(), table[:, 2] == 1
    )


def all_against_all(names: Sequence[str]) -> Trials:
    """Return every picture against every later one."""
    count = len(names)
    _bounded(count * (count - 1) // 2)
    people = _numbered([person_of(name) for name in names])
    first, second = (half.astype(np.int32) for half in np.triu_indices(count, 1))
    singles = tuple((number,) for number in range(count))
    return Trials(singles, tuple(range(count)), people, people, first, second, people[first] == people[second])


def frame_sets(names: Sequence[str], frames: int, seed: int, sets_per_person: int = SETS_PER_PERSON) -> Trials:
    """Return probes of several pictures of a person against every single picture of the person not in it, and of all others.

    People with more than `frames` pictures give up to `sets_per_person` probes, drawn with the seed; all people are references.
    Raises `EvaluationFault` when nobody has enough pictures.
    """
    people = _numbered([person_of(name) for name in names])
    generator = np.random.default_rng(seed)
    probes: list[tuple[int, ...]] = []
    for person in range(int(people.max()) + 1 if len(people) else 0):
        own = np.flatnonzero(people == person).tolist()
        if len(own) > frames:
            probes += _drawn(own, frames, sets_per_person, generator)
    if not probes:
        raise EvaluationFault(f"nobody has more than {frames} pictures", code="MD-EVA-002")
    count = len(names)
    _bounded(len(probes) * count)
    probe_people = people[[probe[0] for probe in probes]]
    first = np.repeat(np.arange(len(probes), dtype=np.int32), count)
    second = np.tile(np.arange(count, dtype=np.int32), len(probes))
    is_inside = np.zeros((len(probes), count), dtype=bool)
    for row, probe in enumerate(probes):
        is_inside[row, list(probe)] = True
    kept = ~is_inside.ravel()
    first, second = first[kept], second[kept]
    return Trials(
        tuple(probes), tuple(range(count)), probe_people, people, first, second, probe_people[first] == people[second]
    )


def _drawn(own: list[int], frames: int, count: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    """Return up to `count` different sets of a person's pictures."""
    possible = math.comb(len(own), frames)
    if possible <= count:
        return list(combinations(own, frames))
    chosen: dict[tuple[int, ...], Any] = {}
    while len(chosen) < count:
        drawn = generator.choice(own, frames, replace=False).tolist()
        chosen.setdefault(tuple(sorted(drawn)), None)
    return list(chosen)
