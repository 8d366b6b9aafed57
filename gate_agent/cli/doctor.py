"""`egate doctor`: is this machine fit to run a gate? Each look ends in fine, a finding with its remedy, or not looked at with its reason."""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import shutil
import socket
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundle_shelf import coming_name
from central_sync.bundles import KINDS, file_name, verify_bundle
from central_sync.errors import BundleRefused, IdentityFault
from central_sync.identity import read_verification_key
from drivers.chip.errors import ChipFault
from drivers.chip.pcsc_service import reader_names
from gate_agent.cache import models_folder
from gate_agent.cli import machine_looks
from gate_agent.cli.barrier_network import barrier_network
from gate_agent.cli.device_probing import probe_findings
from gate_agent.cli.field_findings import field_socket_findings
from gate_agent.cli.findings import Finding, folder_findings, key_findings
from gate_agent.cli.kernel_routes import KernelNetwork, Network
from gate_agent.cli.language_findings import READ_THEM, language_findings, unreviewed
from gate_agent.cli.post_looks import answer_findings, gate_post_findings, own_post_findings, post_device_findings
from gate_agent.cli.speech_findings import speech_findings
from gate_agent.cli.trust_folders import TrustUnreadable, officers_in_office, open_trust
from gate_agent.clock import Clock, SystemClock
from gate_agent.inspection.trust_ceremony import TrustRefused
from gate_agent.runtime.face_choice import choice_of
from gate_agent.settings import SITE_FILE, FaceSettings, Settings, load, load_post
from models import verification
from models.errors import ModelsError

SUMMARY = "look at this machine: Python, packages, models, keys, bundles, trust, clock, disk, heat, sockets, the barrier's network, and each device"

OWN_DISTRIBUTION = "egate"
OWN_PACKAGES = ("gate_agent", "drivers", "models", "central_sync", "emrtd")
LEAST_FREE_BYTES = 2_000_000_000
PROBE_S = 3.0
_SOCKET_WAIT_S = 2.0
_LARGEST_BUNDLE_BYTES = 134_217_728


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that was looked at: `result` is `fine`, `finding`, `warning` (fit all the same) or `not_looked_at`."""

    check: str
    result: str
    finding: str = ""
    remedy: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--config", type=Path, metavar="FILE", help=f"site file ({SITE_FILE} when it is there)")
    parser.add_argument(
        "--models", type=Path, metavar="FOLDER", help="folder of built models (from the site file, else the cache)"
    )
    parser.add_argument(
        "--seconds", type=float, default=PROBE_S, help="how long each device has to show that it is well"
    )
    parser.add_argument("--post", action="store_true", help="look at this machine as one that runs `egate post`")
    parser.add_argument("--json", action="store_true", help="one JSON object per look")


def run(arguments: argparse.Namespace) -> int:
    """Print every look and return 0, or 1 when something was found. Raises `SettingsFault` for a site file that cannot be used."""
    file = arguments.config or (SITE_FILE if SITE_FILE.exists() else None)
    if arguments.post:
        looks = list(examine_post(load_post(file or SITE_FILE), SystemClock()))
    else:
        settings = load(file) if file else None
        looks = list(examine(settings, arguments.models, SystemClock(), arguments.seconds))
    for look in looks:
        if arguments.json:
            print(
                json.dumps(
                    {name: getattr(look, name) for name in ("check", "result", "finding", "remedy")}, ensure_ascii=False
                )
            )
        else:
            sign = {"fine": "ok", "finding": "!!", "warning": " !", "not_looked_at": "--"}[look.result]
            print(f"{sign} {look.check:<12} {look.finding}" + (f" → {look.remedy}" if look.remedy else ""))
    return 1 if any(look.result == "finding" for look in looks) else 0


def examine(settings: Settings | None, models: Path | None, clock: Clock, probe_s: float = PROBE_S) -> Iterator[Look]:
    """Yield the looks in a fixed order; without settings those that need a site file are not looked at."""
    yield from _looks("python", python_findings(sys.version_info[:2]))
    yield from _looks("packages", package_findings(packages_distributions(), locate))
    yield from _looks("sqlite", sqlite_findings(sqlite3.sqlite_version_info))
    yield from _looks("libzbar", library_findings())
    yield from _looks(
        "models", model_findings(models or default_models_folder(settings), settings.face if settings else None)
    )
    site: tuple[tuple[str, Callable[[Settings], list[Finding]]], ...] = (
        ("folders", folder_findings),
        ("keys", key_findings),
        ("bundles", lambda given: bundle_findings(given, clock)),
        ("trust", lambda given: trust_findings(given, clock)),
        ("readers", reader_findings),
        ("speech", speech_findings),
        ("disk", disk_findings),
        ("sockets", socket_findings),
    )
    for check, look_at in site:
        if settings is None:
            yield Look(check, "not_looked_at", f"no site file given and no {SITE_FILE}")
        else:
            yield from _looks(check, look_at(settings))
    yield from language_looks()
    yield from _looks("clock", machine_looks.clock_findings(machine_looks.clock_discipline()))
    yield from _looks("battery", machine_looks.battery_findings(machine_looks.RTC_FOLDER, clock.now()))
    heat = machine_looks.sensors(machine_looks.HWMON_FOLDER)
    yield from _looks("temperature", machine_looks.temperature_findings(heat), heat_words(heat))
    if settings is not None:
        yield from barrier_network_looks(settings, KernelNetwork())
        yield flush_look(settings)
        if settings.post.host:
            found = gate_post_findings(settings, clock)
            yield from _looks("post", found or answer_findings(settings))
        yield from device_looks(settings, probe_s)


def language_looks() -> Iterator[Look]:
    """Yield whether the texts are whole, and which of them nobody has reviewed."""
    found = list(language_findings())
    told = "" if found else unreviewed()
    if told:
        yield Look("languages", "warning", told, READ_THEM)
    else:
        yield from _looks("languages", found)


def heat_words(heat: Sequence[machine_looks.Sensor]) -> str:
    """Return the hottest place of the machine."""
    if not heat:
        return "the kernel knows no temperature"
    hottest = max(heat, key=lambda sensor: sensor.temperature_c)
    return f"{hottest.name} {hottest.temperature_c:.0f} °C"


def flush_look(settings: Settings) -> Look:
    """Measure whether the store's disk keeps what it says; a folder that cannot be written is not looked at."""
    folder = settings.paths.state
    try:
        mounts = machine_looks.MOUNTS_FILE.read_text(encoding="utf-8", errors="replace")
        disk = machine_looks.disk_of(folder.resolve(), mounts, machine_looks.BLOCK_FOLDER)
        rate = machine_looks.flush_rate(folder)
    except OSError as error:
        return Look("flush", "not_looked_at", f"paths.state: {error.strerror}; run as the unit's user")
    return next(_looks("flush", machine_looks.flush_findings(disk, rate), machine_looks.flush_words(disk, rate)))


def examine_post(settings: Settings, clock: Clock) -> Iterator[Look]:
    """Yield the looks at a machine that runs `egate post`."""
    yield from _looks("python", python_findings(sys.version_info[:2]))
    yield from _looks("packages", package_findings(packages_distributions(), locate))
    yield from _looks("sqlite", sqlite_findings(sqlite3.sqlite_version_info))
    yield from _looks("keys", own_post_findings(settings, clock))
    yield from _looks("devices", post_device_findings(settings))


def device_looks(settings: Settings, probe_s: float) -> Iterator[Look]:
    """Open each device for a moment, all at once; a running agent holds them, and says itself how they are."""
    if all(finding.where != "paths.run/lane.sock" for finding in socket_findings(settings)):
        for device in settings.device:
            yield Look(
                f"device {device.name}", "not_looked_at", "the agent runs and holds it; the console shows its state"
            )
        return
    for name, findings in probe_findings(settings.device, probe_s).items():
        yield from _looks(f"device {name}", findings)


def barrier_network_looks(settings: Settings, network: Network) -> Iterator[Look]:
    """Look at who else can reach a barrier that is reached by an address."""
    try:
        found = barrier_network(settings, network)
    except OSError as error:
        yield Look("network", "not_looked_at", f"the kernel does not tell its routes ({error})")
        return
    if found.findings or not found.warnings:
        yield from _looks("network", found.findings)
    for warning in found.warnings:
        yield Look("network", "warning", f"{warning.where}: {warning.finding}", warning.remedy)


def _looks(check: str, findings: Sequence[Finding], when_fine: str = "") -> Iterator[Look]:
    if not findings:
        yield Look(check, "fine", when_fine)
    for finding in findings:
        yield Look(check, "finding", f"{finding.where}: {finding.finding}", finding.remedy)


# ---- the program itself -------------------------------------------------------------------------------------------------


def python_findings(version: tuple[int, ...]) -> list[Finding]:
    """Find an interpreter that is too old."""
    if version >= (3, 11):
        return []
    return [
        Finding(
            "python",
            f"this is {'.'.join(map(str, version))}",
            "Install Python 3.11 or newer and build the environment again.",
        )
    ]


def locate(package: str) -> Path | None:
    """Return the folder from which a package would be imported."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent.parent if spec is not None and spec.origin else None


def package_findings(
    distributions: Mapping[str, Sequence[str]], locator: Callable[[str], Path | None]
) -> list[Finding]:
    """Find other distributions that bring one of our names, and names that are found beside ours.

    Another distribution with a package called `models` or `drivers` overwrites files of ours without a word.
    """
    findings = []
    for package in OWN_PACKAGES:
        others = sorted({name for name in distributions.get(package, ()) if name != OWN_DISTRIBUTION})
        if others:
            remedy = f"Remove it, then install {OWN_DISTRIBUTION} again: files of ours may be overwritten or deleted."
            findings.append(Finding(package, f"{', '.join(others)} brings a package of the same name", remedy))
    home = locator("gate_agent")
    for package in OWN_PACKAGES[1:]:
        place = locator(package)
        if place != home:
            remedy = "Start with `python -I`, in another working directory, or install again."
            findings.append(Finding(package, f"would be imported from {place}, the agent from {home}", remedy))
    return findings


def sqlite_findings(version: tuple[int, ...]) -> list[Finding]:
    """Find a library without what the store needs (strict tables and RETURNING)."""
    if version >= (3, 37, 0):
        return []
    return [Finding("sqlite", f"the library is {'.'.join(map(str, version))}", "The store needs SQLite 3.37 or newer.")]


def library_findings() -> list[Finding]:
    """Find the second barcode engine absent. The first one works without it."""
    try:
        ctypes.CDLL("libzbar.so.0")
    except OSError:
        return [
            Finding("libzbar.so.0", "is not installed, so barcodes have one engine only", "apt-get install libzbar0")
        ]
    return []


def default_models_folder(settings: Settings | None) -> Path:
    """Return the folder of the site file, else that of the cache."""
    if settings is not None:
        return settings.paths.models
    return models_folder()


def model_findings(folder: Path, face: FaceSettings | None = None) -> list[Finding]:
    """Find whatever would keep the gate from comparing faces: models not built or altered, no calibration record, unsigned files."""
    remedy = f"Run `egate models build --models {folder}`; docs/biometrics.md says what a calibration record is."
    choice = choice_of(face or FaceSettings(), folder)
    try:
        found = verification.findings(folder, choice.operator_folder(), choice.embedder or None)
    except ModelsError as error:
        found = [f"{error.code}: {error}"]
    return [Finding(str(folder), text, remedy) for text in found]


# ---- the site -----------------------------------------------------------------------------------------------------------


def trusted_keys(folder: Path, kind: str) -> list[Ed25519PublicKey]:
    """Return the keys that may sign a bundle of this kind: the rulebook has its own, the centre signs the others."""
    try:
        return [read_verification_key(folder / ("rulebook.pub" if kind == "rulebook" else "centre.pub"))]
    except IdentityFault:
        return []  # key_findings says so, and every bundle is then signed by nobody


def bundle_findings(settings: Settings, clock: Clock) -> list[Finding]:
    """Find bundles that are absent, unsigned, out of date, or of another kind than their name says."""
    findings = []
    for kind in KINDS:
        path = settings.paths.bundles / file_name(kind)
        trusted = trusted_keys(settings.paths.keys, kind)
        where = f"paths.bundles/{path.name}"
        try:
            with path.open("rb") as stream:
                verify_bundle(stream.read(_LARGEST_BUNDLE_BYTES + 1), trusted, clock.now(), kind)
        except FileNotFoundError:
            findings.append(Finding(where, "is absent", "Start `egate sync`, or copy the signed file there."))
        except OSError as error:
            findings.append(
                Finding(where, f"cannot be read ({error.strerror})", "Run as the unit's user, or mend its owner.")
            )
        except BundleRefused as error:
            findings.append(
                Finding(where, f"{error.code}: {error}", "Fetch a fresh bundle from the centre; look at the clock too.")
            )
        if (settings.paths.bundles / coming_name(kind)).exists():
            remedy = "See the log of `egate sync`; the file has to lie where the post's `blobs_upstream` leads, named by its SHA-256."
            findings.append(Finding(f"paths.bundles/{coming_name(kind)}", "still waits for its file", remedy))
    return findings


def trust_findings(settings: Settings, clock: Clock) -> list[Finding]:
    """Find a trust bundle that is absent, not believed, or too old to prove a chip; a gate that reads no chips needs none."""
    if not any(lane.chip_reader for lane in settings.lane):
        return []
    paths, limit_days = settings.paths, settings.document.trust_age_limit_days
    remedy = "Load certificates and master lists with `egate trust import`; docs/documents.md says how."
    try:
        officers = officers_in_office(paths.bundles / file_name("officers"), paths.keys / "centre.pub")
        bundle = open_trust(paths.trust, officers)
    except (TrustUnreadable, TrustRefused) as error:
        return [Finding("paths.trust", f"{error.code}: {error}", remedy)]
    if bundle.is_stale(clock.now(), limit_days):
        old = f"version {bundle.version} is older than {limit_days:g} days: no chip is proven with it"
        return [Finding("paths.trust", old, remedy)]
    return []


def reader_findings(settings: Settings) -> list[Finding]:
    """Find a PC/SC chip reader that is not there, or that nothing on this machine can speak to."""
    names = [device.name for device in settings.device if device.driver == "pcsc_chip"]
    if not names:
        return []
    try:
        present = reader_names()
    except ChipFault as fault:
        return [Finding(f"device {name}", f"{fault.code}: {fault}", fault.remedy) for name in names]
    wanted = {device.name: str(device.options.get("reader", "")) for device in settings.device if device.name in names}
    remedy = f"Correct the option `reader`; there are: {', '.join(present) or 'none'}."
    return [
        Finding(f"device {name}", f"no reader is called {reader!r}", remedy)
        for name, reader in wanted.items()
        if not any(reader in one for one in present)
    ]


def disk_findings(settings: Settings) -> list[Finding]:
    """Find a disk that will be full soon."""
    folder = settings.paths.state
    if not folder.is_dir():
        return []  # folder_findings says so
    usage = shutil.disk_usage(folder)
    least = min(LEAST_FREE_BYTES, usage.total // 5)
    if usage.free >= least:
        return []
    finding = f"{usage.free // 1_000_000} MB are free, {least // 1_000_000} MB are wanted"
    return [
        Finding(
            "paths.state", finding, "Free the disk; records that wait for the centre are never deleted to make room."
        )
    ]


def socket_findings(settings: Settings) -> list[Finding]:
    """Find sockets of the agent, and of the host of its network devices, that nobody answers."""
    findings = []
    for name in ("lane.sock", "sync.sock"):
        path = settings.paths.run / name
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_SOCKET_WAIT_S)
            try:
                probe.connect(str(path))
            except OSError as error:
                reason = error.strerror or "no answer"
                findings.append(
                    Finding(
                        f"paths.run/{name}",
                        f"does not answer ({reason})",
                        "Start the agent: systemctl start egate-agent",
                    )
                )
    return findings + field_socket_findings(settings, _SOCKET_WAIT_S)
