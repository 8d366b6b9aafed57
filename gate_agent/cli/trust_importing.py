"""`egate trust import`: the ceremony in which officers take files into the next version of the trust bundle."""

from __future__ import annotations

import argparse
import getpass
import json
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.cli.trust_folders import TrustUnreadable
from gate_agent.clock import SystemClock
from gate_agent.inspection.trust_import import draft, sign_and_publish
from gate_agent.inspection.trust_lists import LIST_LIMIT_BYTES
from gate_agent.inspection.trust_versions import current_version
from gate_agent.web.officer_keys import MAXIMUM_FILE_BYTES, unlock_officer_key


def add_import_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `egate trust import`."""
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="what is taken in; none renews the signatures"
    )
    parser.add_argument("--root", action="store_true", help="the certificates are roots that master lists may be under")
    parser.add_argument(
        "--officer",
        action="append",
        required=True,
        type=Path,
        metavar="KEY",
        help="key file of an officer (keys/officers/ID.json); twice for certificates, roots and defects",
    )
    parser.add_argument(
        "--password-file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="the officer's password, one file per --officer in the same order; asked for where left out",
    )
    parser.add_argument(
        "--remove", action="append", default=[], metavar="SHA256", help="leave a file of the bundle out"
    )
    parser.add_argument("--accept-gone", action="store_true", help="accept that certificates are gone afterwards")


def run_import(arguments: argparse.Namespace, officers: Mapping[str, bytes]) -> int:
    """Put the next version in force and print what changed. Returns 0."""
    held = current_version(arguments.trust, None)
    prepared = draft(
        held,
        [(path.name, _content(path)) for path in arguments.files],
        SystemClock().now(),
        officers,
        as_roots=arguments.root,
        removed=arguments.remove,
        accept_gone=arguments.accept_gone,
    )
    change = prepared.difference
    if not arguments.json:
        for sign, certificates in (("+", change.added), ("-", change.gone)):
            for certificate in certificates:
                print(f"{sign} {certificate.title}")
        if prepared.ceremony is not None:
            print(
                "two officers sign that these certificates, roots and defects were compared with what their issuers published"
            )
    signers = [_signer(path, index, arguments.password_file) for index, path in enumerate(arguments.officer)]
    version = sign_and_publish(arguments.trust, prepared, signers, officers)
    if arguments.json:
        table = {
            "version": version.number,
            "added": [one.sha256 for one in change.added],
            "gone": [one.sha256 for one in change.gone],
            "signed_by": [name for name, _ in signers],
        }
        print(json.dumps(table))
    else:
        print(f"version {version.number} is in force: {len(change.added)} added, {len(change.gone)} gone")
    return 0


def _signer(path: Path, index: int, password_files: list[Path]) -> tuple[str, Ed25519PrivateKey]:
    content = _content(path)[: MAXIMUM_FILE_BYTES + 1]
    try:
        officer_id = str(json.loads(content)["officer_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise TrustUnreadable(f"{path} is no officer's key file") from error
    if index < len(password_files):
        password = _content(password_files[index]).decode("utf-8", "replace").rstrip("\r\n")
    else:
        password = getpass.getpass(f"password of {officer_id}: ")
    return officer_id, unlock_officer_key(content, password)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(LIST_LIMIT_BYTES + 1)
    except OSError as error:
        raise TrustUnreadable(f"{path}: {error.strerror or error}") from error
    if len(content) > LIST_LIMIT_BYTES:
        raise TrustUnreadable(f"{path} has more than {LIST_LIMIT_BYTES} bytes")
    return content
