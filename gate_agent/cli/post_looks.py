"""What `egate check-config` and `egate doctor` look at for a border post: its devices, keys and certificates, and whether it answers."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from cryptography import x509

from central_sync.bundles import file_name, verify_bundle
from central_sync.errors import BundleRefused, IdentityFault
from central_sync.identity import read_verification_key
from central_sync.post.directory import FILE_NAME, PostDirectory, days_left, fingerprint, read_directory
from central_sync.post.tls import gate_context, post_context
from drivers.contracts import DeviceClass
from gate_agent.app.officer_roll import OfficerRoll, officer_records
from gate_agent.cli.findings import Finding
from gate_agent.clock import Clock
from gate_agent.errors import SettingsFault
from gate_agent.lane.authorisation import OfficerRole
from gate_agent.post_keys import FACTS_KEY
from gate_agent.settings import Settings

DAYS_OF_NOTICE = 30.0
_WAIT_S = 3.0
_PROVISION = "Run `egate provision` for this gate, and copy the files to the post and its gates."


def post_device_findings(settings: Settings) -> list[Finding]:
    """Find devices of the post that cannot be built, or are nothing that a post serves."""
    from drivers import registry  # brings the drivers' libraries, which only this look needs
    from drivers.errors import DriverFault
    from gate_agent.clock import SystemClock

    found = []
    names = [device.name for device in settings.post.device]
    found += [
        Finding(f"post device {name}", "stands twice", "Give each its own name.")
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    for device in settings.post.device:
        where = f"post device {device.name}"
        try:
            driver = registry.build(device.name, device.driver, device.options, lambda _event: None, SystemClock())
        except DriverFault as fault:
            found.append(Finding(where, f"{fault.code}: {fault}", fault.remedy))
            continue
        if driver.device_class is not DeviceClass.SEAL_TRACKER:
            remedy = "Move it to a [[device]] table of the gate that it belongs to."
            found.append(Finding(where, f"a {driver.device_class} is no device of a post", remedy))
    return found


def gate_post_findings(settings: Settings, clock: Clock) -> list[Finding]:
    """Find what keeps this gate from its post; nothing when it has none."""
    keys = settings.paths.keys
    if not settings.post.host or not keys.is_dir():
        return []
    found = [
        Finding(f"paths.keys/{name}", "is absent, and the gate has a post", _PROVISION)
        for name in ("gate.crt", FACTS_KEY)
        if not (keys / name).is_file()
    ]
    directory = _directory(keys)
    if isinstance(directory, Finding):
        return [*found, directory]
    source = settings.gate.source
    listed = directory.gates.get(source)
    if listed is None:
        found.append(Finding(f"paths.keys/{FILE_NAME}", f"{source} is not listed there", _PROVISION))
    elif not found:
        found += _certificate_findings(keys / "gate.crt", listed, clock)
    return found + _validity_findings("the post's certificate", directory.post, clock)


def own_post_findings(settings: Settings, clock: Clock) -> list[Finding]:
    """Find what keeps `egate post` from starting on this machine."""
    keys, state = settings.paths.keys, settings.post.state
    found = [
        Finding(f"paths.keys/{name}", "is absent", _PROVISION)
        for name in ("post.key", "post.crt")
        if not (keys / name).is_file()
    ]
    if (keys / FACTS_KEY).exists() and not (keys / "gate.key").exists():
        remedy = "Remove it here: only gates may know whom a mark stands for."
        found.append(Finding(f"paths.keys/{FACTS_KEY}", "lies on the post's machine", remedy))
    directory = _directory(keys)
    if isinstance(directory, Finding):
        found.append(directory)
    elif not found:
        found += _certificate_findings(keys / "post.crt", directory.post, clock)
        for source, certificate in directory.gates.items():
            found += _validity_findings(f"the certificate of {source}", certificate, clock)
        try:
            post_context(directory, keys / "post.crt", keys / "post.key")
        except IdentityFault as fault:
            found.append(Finding("paths.keys", f"{fault.code}: {fault}", _PROVISION))
    found += _officer_findings(settings, clock)
    if not state.is_dir():
        found.append(Finding("post.state", f"{state} does not exist", "Create it, or name the right one."))
    return found


def _officer_findings(settings: Settings, clock: Clock) -> list[Finding]:
    """Find why no officer's signature would be believed, where a device of the post may unlock seals."""
    if not any(device.options.get("allow_unlock") for device in settings.post.device):
        return []
    remedy = "Copy centre.pub and officers.bundle of the site to the post; without them it unlocks no seal."
    try:
        centre = read_verification_key(settings.paths.keys / "centre.pub")
    except IdentityFault as fault:
        return [Finding("paths.keys/centre.pub", f"{fault.code}: {fault}", remedy)]
    roll = OfficerRoll(settings.paths.bundles, settings.post.state, centre, clock)  # gates may have brought a newer one
    if any(record.role is OfficerRole.CUSTOMS_INSPECTOR for record in roll.officers().values()):
        return []
    where = "paths.bundles/officers.bundle"
    path = settings.paths.bundles / file_name("officers")
    try:
        bundle = verify_bundle(path.read_bytes(), [centre], clock.now(), "officers")
        officer_records(bundle)
    except OSError as error:
        return [Finding(where, f"cannot be read ({error.strerror})", remedy)]
    except (BundleRefused, SettingsFault) as refusal:
        return [Finding(where, f"{refusal.code}: {refusal}", remedy)]
    return [Finding(where, "names no customs inspector", remedy)]


def answer_findings(settings: Settings) -> list[Finding]:
    """Find a post that does not answer this gate, or that answers with another certificate."""
    post, keys = settings.post, settings.paths.keys
    where = "post.host"
    try:
        context = gate_context(read_directory(keys / FILE_NAME), keys / "gate.crt", keys / "gate.key")
    except IdentityFault:
        return []  # gate_post_findings says so
    try:
        with (
            socket.create_connection((post.host, post.port), timeout=_WAIT_S) as plain,
            context.wrap_socket(plain) as connection,
        ):
            connection.sendall(b"GET /v1/state HTTP/1.1\r\nhost: post\r\nconnection: close\r\n\r\n")
            answer = connection.recv(64)
    except ssl.SSLError as error:
        remedy = (
            f"Compare {FILE_NAME} and gate.crt of both machines, and their clocks; restart egate-post after a change."
        )
        return [Finding(where, f"certificates are not believed ({error.reason or error})", remedy)]
    except OSError as error:
        reason = error.strerror or "no answer in time"
        return [
            Finding(
                where,
                f"{post.host}:{post.port} does not answer ({reason})",
                "Start egate-post there; mend the network.",
            )
        ]
    if answer.startswith(b"HTTP/1.1 200"):
        return []
    return [
        Finding(
            where, "the post cut the connection", f"List this gate in the post's {FILE_NAME} and restart egate-post."
        )
    ]


def _directory(keys: Path) -> PostDirectory | Finding:
    try:
        return read_directory(keys / FILE_NAME)
    except IdentityFault as fault:
        return Finding(f"paths.keys/{FILE_NAME}", f"{fault.code}: {fault}", _PROVISION)


def _certificate_findings(path: Path, listed: x509.Certificate, clock: Clock) -> list[Finding]:
    where = f"paths.keys/{path.name}"
    try:
        own = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return [Finding(where, f"cannot be read ({type(error).__name__})", _PROVISION)]
    if fingerprint(own) != fingerprint(listed):
        remedy = f"Copy the {FILE_NAME} that was made last to the post and to every gate."
        return [Finding(where, f"is another certificate than the one in {FILE_NAME}", remedy)]
    return _validity_findings(where, own, clock)


def _validity_findings(where: str, certificate: x509.Certificate, clock: Clock) -> list[Finding]:
    left = days_left(certificate, clock.now())
    if left > DAYS_OF_NOTICE:
        return []
    remedy = "Run `egate provision` again, and copy certificates and directory to the post and its gates; look at the clock, too."
    words = "is not valid now" if left <= 0 else f"ends in {left:.0f} days"
    return [Finding(where, words, remedy)]
