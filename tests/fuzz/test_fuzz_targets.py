"""The fuzz targets hold what they promise: everywhere with blind mutations, and guided by coverage where atheris is installed."""

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.fuzz.mutations import mutations
from tests.fuzz.targets import TARGETS

PROJECT = Path(__file__).resolve().parents[2]
EVERY_TARGET = pytest.mark.parametrize("name", TARGETS)
STREAMS = {
    *("barcode_line", "document_reader", "honeywell", "llrp", "mavlink", "mjpeg_stream", "modbus", "power_supply"),
    *("receipt", "rtsp_answer", "seal_frames", "turnstile", "typed_barcode", "xray_request", "zebra_ssi"),
}
"""The targets which say that a stream means the same however it is cut."""
BLIND_RUNS, GUIDED_RUNS, PARTS = 400, 2_000, 4


@EVERY_TARGET
def test_seeds_and_mutations_of_them_break_no_promise(name: str) -> None:
    target = TARGETS[name]()
    for number, content in enumerate(mutations(target.seeds, BLIND_RUNS, 2, target.limit_bytes)):
        try:
            target.check(content)
        except BaseException as error:
            error.add_note(f"input {number} of seed 2: {content.hex()}")
            raise


@EVERY_TARGET
def test_what_our_encoders_wrote_is_accepted_and_noise_is_not(name: str) -> None:
    """A target whose parser takes nothing, or everything, would prove nothing."""
    target = TARGETS[name]()
    assert any(target.check(seed) for seed in target.seeds)
    assert not target.check(b"")
    assert not all(target.check(content) for content in mutations(target.seeds, 200, 3, target.limit_bytes))
    assert max(map(len, target.seeds)) <= target.limit_bytes


@EVERY_TARGET
def test_every_seed_of_a_stream_means_the_same_cut_at_every_place_and_into_single_bytes(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cut` makes a few pieces of a long input; here each seed comes in all the ways that are two pieces, and in bytes."""
    target, longest_bytes = TARGETS[name](), 0

    def checked(seed: bytes, wanted: Callable[[int], Iterable[int]]) -> int:
        """Let a seed be cut at the places wanted of its length; return the length, 0 where nothing is cut."""
        cut_bytes = [0]

        def places(content: bytes) -> Iterable[int]:
            cut_bytes.append(len(content))
            return wanted(len(content))

        monkeypatch.setattr("tests.fuzz.target.places", places)
        target.check(seed)
        return max(cut_bytes)

    for seed in target.seeds:
        length = checked(seed, lambda length: range(1, length))
        longest_bytes = max(longest_bytes, length)
        for place in range(1, length):
            checked(seed, lambda _length, place=place: (place,))
    assert (longest_bytes > 0) is (name in STREAMS)


@pytest.mark.atheris
@pytest.mark.parametrize("part", range(PARTS))
def test_a_short_guided_run_finds_nothing(part: int, tmp_path: Path) -> None:
    names = list(TARGETS)[part::PARTS]
    command = [sys.executable, "-m", "tests.fuzz", *names, f"--runs={GUIDED_RUNS}", f"--corpus={tmp_path}"]
    # Through a shell: what this process has held of memory would count as that of a child of its own (ru_maxrss).
    command = ["/bin/sh", "-c", '"$@" & wait "$!"', "sh", *command]
    finished = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)
    assert finished.returncode == 0, finished.stderr[-3000:]
    for name in names:
        assert f"fuzz {name}: {GUIDED_RUNS} executions" in finished.stdout
    assert not list(tmp_path.glob("*-broken-*"))


def test_a_broken_promise_is_found_and_can_be_replayed(tmp_path: Path) -> None:
    """A planted fault ends a run with exit 1, and its input breaks the same promise again."""
    planted = (
        "import runpy, sys\n"
        "from tests.fuzz import targets\n"
        "from tests.fuzz.target import Target\n"
        "def check(content):\n"
        "    assert b'\\x80' not in content, 'planted'\n"
        "    return True\n"
        "targets.TARGETS = {'planted': lambda: Target((bytes(8),), check)}\n"
        "runpy.run_module('tests.fuzz', run_name='__main__', alter_sys=True)\n"
    )
    command = [sys.executable, "-c", planted, "planted", "--blind", "--runs=5000", f"--corpus={tmp_path}"]
    found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (found.returncode, "planted" in found.stderr) == (1, True), found.stderr
    (content,) = tmp_path.glob("planted-broken-*")
    assert b"\x80" in content.read_bytes()
    again = subprocess.run([*command, f"--replay={content}"], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert (again.returncode, "planted" in again.stderr) == (1, True)
