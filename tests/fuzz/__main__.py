"""Fuzz one target, or all of them one after another: `python -m tests.fuzz NAME… | all [--runs N] [--seed S]`.

With atheris (make fuzz) the parsers are instrumented, so that inputs grow towards code that was not reached yet; `--blind` does without it.
The corpus lies outside the tree and is used again by the next run. An input that breaks a promise is written beside it and its place is
printed; give it back with `--replay FILE`. Exit 1: a promise was broken, or an execution took too much time or memory.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import structlog

from tests.fuzz.target import Target

Run = Callable[[str, Target, argparse.Namespace], int]
INSTRUMENTED = ["emrtd", "gate_agent", "central_sync.strict_json", "drivers"]
LONGEST_EXECUTION_S = 1.0
MEMORY_LIMIT_MB = 512


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="+", metavar="NAME", help="targets, or `all`, or `list`")
    parser.add_argument("--runs", type=int, default=1_000_000, help="executions of each target (1000000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpus", type=Path, default=_corpus_folder(), help="folder outside the tree (%(default)s)")
    parser.add_argument("--blind", action="store_true", help="seeded mutations instead of atheris")
    parser.add_argument("--replay", type=Path, help="run one input that was found before")
    arguments = parser.parse_args()
    # What drivers log of nonsense would fill the disk and take most of the time.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    from tests.fuzz.targets import TARGETS

    if arguments.names == ["list"]:
        print("\n".join(TARGETS))
        return 0
    names = list(TARGETS) if arguments.names == ["all"] else arguments.names
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no such target: {', '.join(sorted(unknown))}; `list` names them")
    if arguments.blind or arguments.replay is not None:
        targets, one = {name: TARGETS[name]() for name in names}, _without_atheris
    else:
        targets, one = _instrumented(names), _guided
    if len(names) == 1:
        return one(names[0], targets[names[0]], arguments)
    return max([_forked(one, name, target, arguments) for name, target in targets.items()])


def _corpus_folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("EGATE_FUZZ_CORPUS") or Path(cache) / "egate-fuzz")


def _instrumented(names: list[str]) -> dict[str, Target]:
    """Import what is fuzzed with counters in it: it takes seconds, so several targets share it."""
    import atheris

    with atheris.instrument_imports(include=INSTRUMENTED, enable_loader_override=False):
        from tests.fuzz.targets import TARGETS

        targets = {name: TARGETS[name]() for name in names}
    if (signed := sys.modules.get("tests.fuzz.signed_objects")) is not None:
        signed.remember_certificates()
    return targets


def _forked(one: Run, name: str, target: Target, arguments: argparse.Namespace) -> int:
    """A process of its own per target: a fuzzer never returns."""
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        try:
            code = one(name, target, arguments)
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        os._exit(code)
    return int(os.waitpid(child, 0)[1] != 0)


def _guided(name: str, target: Target, arguments: argparse.Namespace) -> int:
    import atheris

    folder = arguments.corpus / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds):
        (folder / f"seed-{number:03d}").write_bytes(seed)
    count = _Count(name)

    def execute(content: bytes) -> None:
        count.execute(target.check, content)

    options = [
        f"-runs={arguments.runs}",
        f"-seed={arguments.seed}",
        f"-max_len={target.limit_bytes}",
        f"-rss_limit_mb={MEMORY_LIMIT_MB}",
        f"-artifact_prefix={folder.parent}/{name}-broken-",
        "-timeout=20",  # wall time, for a hang; what one execution may cost is told by the processor's time
        "-print_final_stats=1",
        "-verbosity=0",
    ]
    atheris.Setup([f"fuzz-{name}", *options, str(folder)], execute)
    count.runs = arguments.runs
    atheris.Fuzz()
    return 0


class _Count:
    """Counts executions and measures the slowest one in the processor's time, which a busy machine does not stretch."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.runs = 0
        self.executions = 0
        self.accepted = 0
        self.slowest_s = 0.0
        self._begun_s = time.process_time()

    def execute(self, check: object, content: bytes) -> None:
        begun_s = time.process_time()
        self.accepted += bool(check(content))
        took_s = time.process_time() - begun_s
        self.slowest_s = max(self.slowest_s, took_s)
        self.executions += 1
        if self.executions == self.runs:
            self.report()
        if took_s > LONGEST_EXECUTION_S:
            raise AssertionError(f"one execution took {took_s:.2f} s of processor time")

    def report(self) -> None:
        cpu_s = time.process_time() - self._begun_s
        print(
            f"fuzz {self.name}: {self.executions} executions, {self.accepted} accepted, slowest "
            f"{self.slowest_s * 1000:.0f} ms, {cpu_s:.0f} s of processor time",
            flush=True,
        )


def _without_atheris(name: str, target: Target, arguments: argparse.Namespace) -> int:
    from tests.fuzz.mutations import mutations

    count = _Count(name)
    if arguments.replay is not None:
        inputs = iter([arguments.replay.read_bytes()])
    else:
        inputs = mutations(target.seeds, arguments.runs, arguments.seed, target.limit_bytes)
    for content in inputs:
        try:
            count.execute(target.check, content)
        except BaseException:
            arguments.corpus.mkdir(parents=True, exist_ok=True)
            place = arguments.corpus / f"{name}-broken-blind"
            place.write_bytes(content)
            print(f"broken by {place}", file=sys.stderr)
            raise
    count.report()
    return 0


if __name__ == "__main__":
    sys.exit(main())
