"""The peers of `bench_mrz`: PassportEye (with Tesseract) and RapidOCR, run by the Python of their own environment, never imported by ours.

Arguments: the peer's name, then picture files. Answers a JSON line `ready`, then one for each file: the lines that the peer takes for the zone and
the CPU milliseconds of this process and its children. One thread.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import warnings
from collections.abc import Callable, Iterable

Read = Callable[[str], list[str]]

ALPHABET = set("<0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_FILLERS = str.maketrans(dict.fromkeys("‹〈＜«《≤", "<") | {" ": None})
_SHORTEST = 24


def main() -> None:
    """Load the peer, say `ready`, read every file."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the peers print
    warnings.simplefilter("ignore")
    read = {"PassportEye": _passporteye, "RapidOCR": _rapidocr}[sys.argv[1]]()
    print(json.dumps("ready"), file=answers, flush=True)
    for path in sys.argv[2:]:
        before_ms = _cpu_ms()
        lines = read(path)
        print(json.dumps({"lines": lines, "cpu_ms": _cpu_ms() - before_ms}), file=answers, flush=True)


def _cpu_ms() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used) * 1000


def _passporteye() -> Read:
    from passporteye import read_mrz
    from passporteye.mrz.text import MRZOCRCleaner

    def read(path: str) -> list[str]:
        found = read_mrz(path)
        return [] if found is None else list(MRZOCRCleaner.apply(found.aux["text"]))

    return read


def _rapidocr() -> Read:
    from rapidocr import RapidOCR

    logging.disable(logging.CRITICAL)
    one_thread = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    engine = RapidOCR(params={f"EngineConfig.onnxruntime.{name}": value for name, value in one_thread.items()})

    def read(path: str) -> list[str]:
        return zone_of(engine(path).txts or ())

    return read


def zone_of(texts: Iterable[str]) -> list[str]:
    """Return the lines of the zone among all texts of a page: the lowest that are long enough and hold nothing else.

    Generous to the peer: spaces go, what looks like a filler becomes one.
    """
    plain = [text.translate(_FILLERS).upper() for text in texts]
    long = [text for text in plain if len(text) >= _SHORTEST and set(text) <= ALPHABET]
    return long[-3:] if len(long) >= 3 and all(len(text) < 33 for text in long[-3:]) else long[-2:]


if __name__ == "__main__":
    main()
