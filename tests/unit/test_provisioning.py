"""Provisioning: keys nobody else can read, bundles the gates accept, nothing lost by a second run."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from central_sync.bundles import KINDS, file_name, verify_bundle
from central_sync.identity import read_opening_key, read_sealing_key, read_signing_key, read_verification_key
from gate_agent.inspection.watchlist import Watchlist
from gate_agent.policy.rulebook_format import parse_rulebook
from gate_agent.provisioning import Provisioned, ProvisioningRefused, provision
from gate_agent.web.officer_keys import unlock_officer_key

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class StandingClock:
    def now(self) -> datetime:
        return NOW

    def monotonic_s(self) -> float:
        return 0.0


def made(
    folder: Path, gate_id: str = "gate-1", officers: dict[str, str] | None = None, **options: object
) -> Provisioned:
    return provision(
        folder, country="UTO", site="demo", gate_id=gate_id, officers=officers or {}, clock=StandingClock(), **options  # type: ignore[arg-type]
    )  # fmt: skip


def body(site: Provisioned, kind: str) -> tuple[int, dict[str, object]]:
    key = read_verification_key(site.keys / ("rulebook.pub" if kind == "rulebook" else "centre.pub"))
    bundle = verify_bundle((site.bundles / file_name(kind)).read_bytes(), [key], NOW + timedelta(days=1), kind)
    return bundle.version, dict(bundle.body)


def test_everything_fits_together(tmp_path: Path) -> None:
    site = made(tmp_path / "site", officers={"guard-1": "guard", "supervisor-1": "supervisor"})
    for name in ("gate", "centre", "rulebook", "token_issuer", "post"):
        private = read_signing_key(site.keys / f"{name}.key")
        assert (
            private.public_key().public_bytes_raw()
            == read_verification_key(site.keys / f"{name}.pub").public_bytes_raw()
        )
    opening, sealing = read_opening_key(site.keys / "centre_seal.key"), read_sealing_key(site.keys / "centre_seal.pub")
    assert opening.public_key().public_bytes_raw() == sealing.public_bytes_raw()
    roll = body(site, "officers")[1]["officers"]
    assert isinstance(roll, list)
    assert [(one["officer_id"], one["role"]) for one in roll] == [("guard-1", "guard"), ("supervisor-1", "supervisor")]
    for one in roll:
        content = (site.keys / "officers" / f"{one['officer_id']}.json").read_bytes()
        key = unlock_officer_key(content, site.passwords[one["officer_id"]])
        assert key.public_key().public_bytes_raw().hex() == one["public_key_hex"]
    assert parse_rulebook(body(site, "rulebook")[1]).version >= 1
    Watchlist.from_bundle(body(site, "watchlist")[1])
    gates = json.loads(site.directory.read_text())["gates"]
    assert [(gate["country"], gate["site"], gate["gate_id"]) for gate in gates] == [("UTO", "demo", "gate-1")]
    assert gates[0]["public_key_pem"] == (site.keys / "gate.pub").read_text()


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    site = made(tmp_path / "site", officers={"guard-1": "guard"})
    secrets = [*site.keys.glob("*.key"), *(site.keys / "officers").iterdir()]
    assert len(secrets) == 14
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    everything = b"".join(path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file())
    assert site.passwords["guard-1"].encode() not in everything


def test_a_second_run_keeps_keys_and_lists_and_counts_on(tmp_path: Path) -> None:
    listed = {"lists": [{"name": "l", "entries": []}]}
    first = made(tmp_path, officers={"guard-1": "guard"}, watchlist_body=listed)
    keys = {path.name: path.read_bytes() for path in first.keys.glob("*.key")}
    second = made(tmp_path, "gate-2", officers={"guard-2": "guard"})
    assert {path.name: path.read_bytes() for path in second.keys.glob("*.key")} == keys
    version, officers = body(second, "officers")
    assert version == 2
    assert [one["officer_id"] for one in officers["officers"]] == ["guard-1", "guard-2"]  # type: ignore[attr-defined]
    assert body(second, "watchlist") == (1, listed)
    assert [gate["gate_id"] for gate in json.loads(second.directory.read_text())["gates"]] == ["gate-1", "gate-2"]
    assert made(tmp_path, watchlist_body={"lists": []}).passwords == {}
    assert body(second, "watchlist") == (2, {"lists": []})


@pytest.mark.parametrize("officers", [{"guard-1": "king"}, {"../x": "guard"}, {"": "guard"}, {"a b": "guard"}])
def test_bad_officers_are_refused_before_anything_is_written(tmp_path: Path, officers: dict[str, str]) -> None:
    with pytest.raises(ProvisioningRefused):
        made(tmp_path / "site", officers=officers)
    assert not (tmp_path / "site").exists()


def test_an_officer_is_replaced_only_by_force(tmp_path: Path) -> None:
    made(tmp_path, officers={"guard-1": "guard"})
    before = (tmp_path / "keys/gate.key").read_bytes()
    with pytest.raises(ProvisioningRefused, match="exists"):
        made(tmp_path, officers={"guard-1": "guard"})
    made(tmp_path, officers={"guard-1": "supervisor"}, force=True)
    assert (tmp_path / "keys/gate.key").read_bytes() != before
    assert set(KINDS) == {path.stem for path in (tmp_path / "bundles").glob("*.bundle")}


def egate(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", "-m", "gate_agent", *words],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_command_line_and_a_token(tmp_path: Path) -> None:
    """`egate provision` makes the key with which a token is issued, and `egate inspect token` knows it."""
    from gate_agent.domain.declaration import Direction, Relation, TravelMode
    from gate_agent.web.portal.issue import CompanionFields, DeclarationFields, issue

    folder = str(tmp_path / "site")
    provisioned = egate("provision", folder, "--development", "--json")
    assert provisioned.returncode == 0, provisioned.stderr
    assert json.loads(provisioned.stdout)["passwords"].keys() == {
        "guard-1",
        "supervisor-1",
        "customs-1",
        "health-1",
        "quarantine-1",
        "technician-1",
    }
    child = CompanionFields("ALI SPECIMEN", Relation.CHILD, date(2019, 2, 28), "UTO", "C00000001")
    fields = DeclarationFields(Direction.ENTRY, TravelMode.ROAD, "UTO", "L898902C3", companions=(child,))
    issued = issue(
        fields, read_signing_key(tmp_path / "site/keys/token_issuer.key"), datetime.now(UTC), timedelta(hours=1)
    )
    inspected = egate(
        "inspect", "token", "--keys", f"{folder}/keys", "--json", stdin=f"{issued.text}\nEG1:XX\n\n{'A' * 9000}\n"
    )
    assert inspected.returncode == 0, inspected.stderr
    answers = [json.loads(line) for line in inspected.stdout.splitlines()]
    assert [answer["result"] for answer in answers[:2]] == ["successful", "undetermined"]
    assert answers[0]["fields"]["reference"] == issued.reference
    (told,) = answers[0]["fields"]["companions"]
    assert (told["name"], told["relation"], told["date_of_birth"]) == ("ALI SPECIMEN", "child", "2019-02-28")
    assert {tuple(answer["reasons"]) for answer in answers[1:]} == {("token_malformed",)}
    refused = egate("provision", folder, "--officer", "guard-1:guard")
    assert (refused.returncode, refused.stderr.split(":")[1].strip()) == (3, "EG-PRO-001")
    assert egate("inspect", "token", "--keys", str(tmp_path)).returncode == 3
