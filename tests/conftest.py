"""What every test may rely on: optional parts that skip with their reason, the shared folders, one hypothesis profile.

`EGATE_NO_SKIPS=1` (continuous integration) turns every skipped test into a failure, so that a green run there means that
everything ran.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from functools import cache
from pathlib import Path

import hypothesis
import pytest
import structlog

PROJECT = Path(__file__).resolve().parent.parent
SHARED_DATA = PROJECT.parent / "shared" / "data"
OCR_B_FOLDER = Path("/usr/share/fonts/opentype/ocr-b")
PORTRAIT_NAMES = ("obama.jpg", "obama2.jpg", "obama3.jpg", "biden.jpg")

# A plain `pytest` in the project finds what `make` fetched; the Makefile and the environment may name another folder.
os.environ.setdefault("EGATE_CACHE", str(PROJECT / ".cache"))
CACHE = Path(os.environ["EGATE_CACHE"])

hypothesis.settings.register_profile(
    "ci",
    derandomize=True,  # the same examples everywhere: a red run can be repeated
    deadline=None,  # shared machines stall
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.register_profile("search", deadline=None, max_examples=2000)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def _missing_library(name: str) -> str:
    try:
        ctypes.CDLL(name)
    except OSError:
        return f"{name} is not installed"
    return ""


def _missing_program(name: str, *places: str) -> str:
    found = shutil.which(name) or any(Path(place).exists() for place in places)
    return "" if found else f"{name} is not installed"


def _missing_files(folder: Path, *patterns: str, remedy: str = "`make test` fetches them") -> str:
    absent = [pattern for pattern in patterns if not any(folder.glob(pattern))]
    return f"{', '.join(absent)} not in {folder}; {remedy}" if absent else ""


def _missing_modules(*names: str, lock: str = "requirements-peer.lock") -> str:
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    return f"{', '.join(absent)} not installed ({lock})" if absent else ""


def _may_make_namespaces() -> bool:
    return (
        subprocess.run(["unshare", "--net", "--mount", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0
    )


def _missing_strace() -> str:
    if missing := _missing_program("strace"):
        return missing
    is_allowed = not subprocess.run(["strace", "-o", "/dev/null", "true"], check=False, capture_output=True).returncode
    return "" if is_allowed else "this machine lets nobody trace a process"


def _missing_pcsc() -> str:
    if os.geteuid() != 0:
        return "only root may make a namespace of its own for pcscd"
    missing = [
        _missing_program("pcscd", "/usr/sbin/pcscd"),
        "" if list(Path("/usr/lib/pcsc/drivers").rglob("libifdvpcd.so*")) else "vsmartcard-vpcd is not installed",
        "" if importlib.util.find_spec("smartcard") else "pyscard is not installed (`make pcsc-environment`)",
        "" if _may_make_namespaces() else "this machine gives nobody a network and mounts of their own (CAP_SYS_ADMIN)",
    ]
    return next(filter(None, missing), "")


def _missing_namespaces() -> str:
    if os.geteuid() != 0:
        return "only root may make a network namespace"
    missing = [
        _missing_program("unshare"),
        _missing_program("ip", "/usr/sbin/ip"),
        "" if _may_make_namespaces() else "this machine gives nobody a network of their own (CAP_SYS_ADMIN)",
    ]
    return next(filter(None, missing), "")


def _missing_gstreamer() -> str:
    looks = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst; Gst.init(None)"
    looks += "; raise SystemExit(not all(map(Gst.ElementFactory.find, ('openh264enc', 'rtph264pay', 'multipartmux'))))"
    python = Path("/usr/bin/python3")
    is_there = (
        python.exists() and not subprocess.run([python, "-c", looks], check=False, capture_output=True).returncode
    )
    return "" if is_there else "GStreamer with its RTSP server and its bindings for Debian's python3 is not installed"


# The reason why a marked test cannot run here; empty when it can.
OBSTACLES: dict[str, Callable[[], str]] = {
    "chromium": lambda: _missing_program("chromium", "/usr/bin/chromium"),
    "mosquitto": lambda: _missing_program("mosquitto", "/usr/sbin/mosquitto"),
    "libzbar": lambda: _missing_library("libzbar.so.0"),
    "shared_data": lambda: "" if SHARED_DATA.is_dir() else "the third-party test material is not beside the project",
    "portraits": lambda: _missing_files(CACHE / "portraits", *PORTRAIT_NAMES),
    "weights": lambda: _missing_files(CACHE / "models", "**/*.onnx"),
    "pcsc": _missing_pcsc,
    "ocr_b": lambda: _missing_files(OCR_B_FOLDER, "OCRB.otf", "OCRBS.otf", remedy="Debian's fonts-ocr-b has them"),
    "mrz_peer": lambda: (
        _missing_files(Path(sys.prefix) / "mrz-peer" / "bin", "python", remedy="`make mrz-peer` installs the peers")
        or _missing_program("tesseract")
    ),
    "gstreamer": _missing_gstreamer,
    "espeak": lambda: (
        _missing_program("espeak-ng", "/usr/bin/espeak-ng") or _missing_program("aplay", "/usr/bin/aplay")
    ),
    "peer": lambda: _missing_modules("face_recognition", "dlib"),
    "store_peer": lambda: _missing_modules("thingsboard_gateway", lock="requirements-store-peer.lock"),
    "strace": _missing_strace,
    "namespaces": _missing_namespaces,
    "osdp": lambda: _missing_modules("osdp_sys", lock="requirements-osdp.lock, `make osdp-environment`"),
    "atheris": lambda: _missing_modules("atheris", lock="requirements-fuzz.lock, `make fuzz-environment`"),
}


@cache
def obstacle(marker: str) -> str:
    """Return why tests with this marker cannot run on this machine; looked up once."""
    return OBSTACLES[marker]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for marker in OBSTACLES:
            if item.get_closest_marker(marker) and (reason := obstacle(marker)):
                item.add_marker(pytest.mark.skip(reason=reason))


def skips_are_forbidden() -> bool:
    return os.environ.get("EGATE_NO_SKIPS", "") not in {"", "0"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where nothing may be skipped, a skip is reported as the failure that it is."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and skips_are_forbidden():
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"EGATE_NO_SKIPS is set, and this test was skipped: {reason}"
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Catch what never became a test report: a module that skipped itself while it was collected."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    harmless = exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}
    if terminal is not None and terminal.stats.get("skipped") and skips_are_forbidden() and harmless:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The third-party test material, used in place; skips where it is absent."""
    if reason := obstacle("shared_data"):
        pytest.skip(reason)
    return SHARED_DATA


@pytest.fixture(scope="session")
def portraits() -> Path:
    """The folder of the photographs fetched at set-up; skips where they are absent."""
    if reason := obstacle("portraits"):
        pytest.skip(reason)
    return CACHE / "portraits"


@pytest.fixture(scope="session")
def models_folder() -> Path:
    """The folder of the converted models; skips where they were not built."""
    if reason := obstacle("weights"):
        pytest.skip(reason)
    return CACHE / "models"


@pytest.fixture(autouse=True)
def _log_as_at_the_start() -> Generator[None]:
    """Undo what a test did to the log of the whole process: a command run in it hides what the next test looks for."""
    yield
    structlog.reset_defaults()
