"""Where EGATE_NO_SKIPS is set, a skipped test is a failure: in a test, in a fixture, at collection, and through xdist."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"
SKIPPING = """
import pytest

def test_in_a_test():
    pytest.skip("no device")

@pytest.mark.skip(reason="no device")
def test_by_a_mark(): ...

@pytest.fixture
def device():
    pytest.skip("no device")

def test_in_a_fixture(device): ...

@pytest.mark.shared_data
def test_by_a_marker_of_ours(): ...
"""
PASSING = """
import pytest

def test_passes(): ...

@pytest.mark.xfail(strict=True)
def test_fails_as_expected():
    assert False
"""
AT_COLLECTION = "import pytest\npytest.skip('no device', allow_module_level=True)\n"


def run(
    folder: Path, *texts: str, options: tuple[str, ...] = (), forbid: bool = True
) -> subprocess.CompletedProcess[str]:
    (folder / "tests").mkdir()
    shutil.copy(CONFTEST, folder / "tests")
    for number, text in enumerate(texts):
        (folder / "tests" / f"test_planted_{number}.py").write_text(text)
    (folder / "pytest.ini").write_text(
        "[pytest]\naddopts = --import-mode=importlib -p no:cacheprovider -p no:asyncio -ra\nmarkers =\n    shared_data: x\n"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "EGATE_", "COV_"))
    }
    environment |= {"EGATE_NO_SKIPS": "1"} if forbid else {}
    command = [sys.executable, "-m", "pytest", "tests", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_every_skip_fails_in_a_run_of_several_workers(tmp_path: Path) -> None:
    finished = run(tmp_path, SKIPPING, PASSING, options=("-n", "2"))
    assert finished.returncode == 1, finished.stdout
    assert "1 failed, 1 passed, 1 xfailed, 3 errors" in finished.stdout
    assert "no device" in finished.stdout


def test_a_module_that_skips_itself_fails_the_run(tmp_path: Path) -> None:
    finished = run(tmp_path, AT_COLLECTION, PASSING)
    assert "1 passed, 1 skipped, 1 xfailed" in finished.stdout
    assert finished.returncode == 1, finished.stdout


def test_elsewhere_a_skip_is_a_skip_with_its_reason(tmp_path: Path) -> None:
    finished = run(tmp_path, SKIPPING, PASSING, AT_COLLECTION, forbid=False)
    assert finished.returncode == 0, finished.stdout
    assert "1 passed, 5 skipped, 1 xfailed" in finished.stdout
    assert "no device" in finished.stdout
    assert "the third-party test material is not beside the project" in finished.stdout


def test_a_run_without_skips_stays_green(tmp_path: Path) -> None:
    assert run(tmp_path, PASSING).returncode == 0
