"""`egate trust` and `egate inspect sod`: a site's officers import, a gate answers whom it can prove."""

import json
from datetime import timedelta

import pytest

from gate_agent.cli import main
from gate_agent.cli.inspect_sod import inspect_sod
from gate_agent.clock import SystemClock
from gate_agent.inspection.trust_bundle import load_folder
from gate_agent.inspection.trust_coverage import CoverageSummary, TrafficMalformed, coverage, read_traffic, summary_of
from gate_agent.provisioning import DEVELOPMENT_OFFICERS, provision
from tests.unit import document_issuers as utopia

CSCA = utopia.certify(end=utopia.on(2049))
SIGNER = utopia.certify(common_name="DS", issuer=CSCA, is_authority=False, end=utopia.on(2049))
GROUPS = {1: b"\x61\x01\x00", 2: b"\x75\x01\x00"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    made = provision(
        folder, country="UTO", site="post", gate_id="g1", officers=DEVELOPMENT_OFFICERS, clock=SystemClock()
    )
    for officer, password in made.passwords.items():
        (folder / f"{officer}.password").write_text(password + "\n")
    return folder


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "csca.cer").write_bytes(CSCA.certificate)
    (folder / "good.crl").write_bytes(
        utopia.revocation_list(CSCA, [], this_update=utopia.on(2024), next_update=utopia.on(2049))
    )
    (folder / "sod.bin").write_bytes(utopia.sod(SIGNER, GROUPS))
    (folder / "dg1.bin").write_bytes(GROUPS[1])
    (folder / "dg2.bin").write_bytes(b"changed")
    return folder


def egate(capsys, *words):
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def officers(site, *names):
    for name in names:
        yield from (
            "--officer",
            site / "keys" / "officers" / f"{name}.json",
            "--password-file",
            site / f"{name}.password",
        )


def roll(site, trust):
    yield from ("--trust", trust, "--officers", site / "bundles" / "officers.bundle", "--centre-key", site / "keys" / "centre.pub")  # fmt: skip


def imported(capsys, site, trust, *paths, by=("supervisor-1", "technician-1"), how=()):
    return egate(capsys, "trust", "import", *roll(site, trust), *officers(site, *by), *how, *paths)


def test_two_officers_import_and_everybody_sees_it(capsys, site, files, tmp_path):
    trust = tmp_path / "trust"
    code, out, _ = imported(capsys, site, trust, files / "csca.cer", files / "good.crl", how=["--json"])
    assert code == 0
    table = json.loads(out)
    assert table["version"] == 1
    assert table["signed_by"] == ["supervisor-1", "technician-1"]
    assert len(table["added"]) == 1
    code, out, _ = egate(capsys, "trust", "list", "--trust", trust, "--json")
    assert [json.loads(line)["sources"] for line in out.splitlines()] == [["bilateral"]]
    code, out, _ = egate(capsys, "trust", "verify", *roll(site, trust), "--json")
    assert (code, json.loads(out)["findings"]) == (0, [])
    code, out, _ = egate(capsys, "trust", "verify", "--trust", trust)
    assert code == 1, "signatures that were not looked at are a finding"
    code, out, _ = egate(capsys, "trust", "diff", "--trust", trust, files, "--json")
    assert (code, out) == (0, "")
    gate = tmp_path / "gate"
    assert egate(capsys, "trust", "install", *roll(site, gate), trust / "versions" / "0000001")[0] == 0
    code, _, err = egate(capsys, "trust", "install", *roll(site, gate), trust / "versions" / "0000001")
    assert code == 3
    assert "EG-TRU-004" in err
    code, out, _ = egate(capsys, "inspect", "sod", files / "sod.bin", "--trust", gate, "--json")
    assert json.loads(out)["result"] == "successful"


@pytest.mark.parametrize(
    "by", [("supervisor-1",), ("supervisor-1", "supervisor-1"), ("supervisor-1", "guard-1"), ("guard-1", "customs-1")]
)
def test_fewer_or_other_officers_import_nothing(capsys, site, files, tmp_path, by):
    code, _, err = imported(capsys, site, tmp_path / "trust", files / "csca.cer", by=by)
    assert code == 3
    assert "EG-TRU-003" in err or "EG-TRU-002" in err
    assert not (tmp_path / "trust" / "current").exists()


def test_a_wrong_password_and_a_wrong_file_are_named(capsys, site, files, tmp_path):
    (tmp_path / "wrong").write_text("wrong")
    key = site / "keys" / "officers" / "supervisor-1.json"
    words = [
        "trust",
        "import",
        *roll(site, tmp_path / "trust"),
        "--officer",
        key,
        "--password-file",
        tmp_path / "wrong",
    ]
    code, _, err = egate(capsys, *words, files / "good.crl")
    assert code == 3
    code, _, err = egate(capsys, *words, files / "csca.cer")
    assert code == 3
    assert "EG-AUT-040" in err
    for bad, code_text in ((files / "sod.bin", "EG-TRU-001"), (files / "absent", "EG-TRU-010")):
        code, _, err = imported(capsys, site, tmp_path / "trust", bad)
        assert code == 3
        assert code_text in err


def test_officers_of_another_centre_are_nobody(capsys, site, files, tmp_path):
    words = ["trust", "import", "--trust", tmp_path / "trust", "--officers", site / "bundles" / "officers.bundle"]
    words += ["--centre-key", site / "keys" / "gate.pub", *officers(site, "supervisor-1", "technician-1")]
    code, _, err = egate(capsys, *words, files / "csca.cer")
    assert code == 3
    assert "EG-TRU-010" in err


class TestSod:
    def answer(self, capsys, files, *words):
        code, out, _ = egate(capsys, "inspect", "sod", files / "sod.bin", "--trust", files, "--json", *words)
        assert code == 0
        return json.loads(out)

    def test_the_fields_of_an_answer(self, capsys, files):
        answer = self.answer(capsys, files, "--dg", f"1={files / 'dg1.bin'}")
        assert {name: answer[name] for name in ("result", "reasons", "country", "signature", "chain", "revocation", "data_groups")} == {
            "result": "successful",
            "reasons": [],
            "country": "UT",
            "signature": "successful",
            "chain": "successful",
            "revocation": "successful",
            "data_groups": {"DG1": "successful", "DG2": "not_given"},
        }  # fmt: skip

    def test_a_changed_data_group_fails(self, capsys, files):
        answer = self.answer(capsys, files, "--dg", f"1={files / 'dg1.bin'}", "--dg", f"DG2={files / 'dg2.bin'}")
        assert (answer["result"], answer["reasons"]) == ("failed", ["data_group_changed"])
        assert answer["data_groups"] == {"DG1": "successful", "DG2": "failed"}

    def test_a_group_that_nobody_vouches_for_is_undetermined(self, capsys, files):
        answer = self.answer(capsys, files, "--dg", f"15={files / 'dg2.bin'}")
        assert answer["result"] == "undetermined"
        assert answer["data_groups"]["DG15"] == "undetermined"

    def test_without_a_revocation_list_only_a_site_that_says_so_is_content(self, capsys, files):
        (files / "good.crl").unlink()
        answer = self.answer(capsys, files, "--revocation", "required")
        assert (answer["result"], answer["reasons"]) == ("undetermined", ["revocation_unknown"])
        assert self.answer(capsys, files, "--revocation", "advisory")["result"] == "successful"

    def test_a_revoked_signer_fails_whatever_a_site_says(self, capsys, files):
        (files / "good.crl").write_bytes(utopia.revocation_list(CSCA, [1]))
        for site in ("required", "advisory"):
            answer = self.answer(capsys, files, "--revocation", site)
            assert (answer["result"], answer["reasons"]) == ("failed", ["certificate_revoked"])

    def test_text_for_people(self, capsys, files):
        code, out, _ = egate(capsys, "inspect", "sod", files / "sod.bin", files / "dg1.bin", "--trust", files)
        assert code == 0
        assert "country UT, signature successful, chain successful" in out
        assert "sod_malformed" in out

    @pytest.mark.parametrize("word", ["1", "17=x", "x=y", "DG0=x"])
    def test_a_data_group_is_a_number_and_a_file(self, capsys, files, word):
        code, _, err = egate(capsys, "inspect", "sod", files / "sod.bin", "--trust", files, "--dg", word)
        assert code == 3
        assert "EG-TRU-010" in err

    def test_the_published_samples(self, shared_data):
        bundle = load_folder(shared_data / "documents" / "masterlists")
        folder = shared_data / "documents" / "chipfiles"
        for country in ("AU", "DE", "GB", "SG", "US"):
            answer = inspect_sod((folder / f"{country}_SOD.bin").read_bytes(), {}, bundle, utopia.NOW)
            assert (answer["country"], answer["signature"], answer["chain"]) == (country, "successful", "successful")
            assert (answer["result"], answer["reasons"]) == ("undetermined", ["revocation_unknown"])
        for number in (136, 137, 138, 139):
            answer = inspect_sod((folder / f"malformed_SOD_{number}.bin").read_bytes(), {}, bundle, utopia.NOW)
            assert (answer["result"], answer["reasons"]) == ("failed", ["sod_malformed"])
        groups = {"DG1": (folder / "DE_specimen_DG1.bin").read_bytes()}
        answer = inspect_sod((folder / "DE_specimen_SOD.bin").read_bytes(), groups, bundle, utopia.NOW)
        assert (answer["result"], answer["data_groups"]["DG1"]) == ("undetermined", "successful")
        assert "csca_unknown" in answer["reasons"]


class TestCoverage:
    def rows(self, files, traffic, **how):
        found = coverage(load_folder(files), traffic, SystemClock().now(), age_limit_days=28.0, **how)
        return {row.state: row for row in found}, [row.state for row in found]

    def test_the_greatest_share_comes_first_and_says_why_not(self, files):
        rows, order = self.rows(files, {"KGZ": 30.0, "UTO": 60.0, "QQQ": 10.0})
        assert order == ["UTO", "KGZ", "QQQ"]
        assert (rows["UTO"].share, rows["UTO"].reaches_green, rows["UTO"].certificates) == (0.6, True, 1)
        assert rows["KGZ"].obstacles == ("issuer_not_covered",)
        assert rows["QQQ"].obstacles == ("state_code_unknown",)
        assert [row.cumulative_share for row in rows.values()] == [0.6, 0.6, 0.6]

    def test_without_current_revocation_nobody_reaches_green_where_it_is_required(self, files):
        (files / "good.crl").unlink()
        assert self.rows(files, None)[0]["UTO"].obstacles == ("revocation_unknown",)
        assert self.rows(files, None, needs_revocation=False)[0]["UTO"].reaches_green
        assert self.rows(files, None)[0]["UTO"].share is None

    def test_what_missing_revocation_lists_keep_from_green_is_said_at_a_glance(self, capsys, files):
        (files / "good.crl").unlink()
        told = "no revocation list is held: 1 state would reach green with `--revocation advisory`"
        _, out, _ = egate(capsys, "trust", "coverage", "--trust", files)
        assert out.splitlines()[-2:] == ["0 of 1 states", told]
        _, out, _ = egate(capsys, "trust", "coverage", "--trust", files, "--json")
        (row,) = map(json.loads, out.splitlines())
        assert (row["reaches_green"], row["would_reach_green_with_advisory"], row["revocation_lists_held"]) == (False, True, 0)  # fmt: skip
        _, out, _ = egate(capsys, "trust", "coverage", "--trust", files, "--revocation", "advisory")
        assert out.splitlines()[-1] == "1 of 1 states"

    def test_a_summary_counts_only_what_a_list_would_mend(self, files):
        found, _ = self.rows(files, {"KGZ": 30.0, "UTO": 60.0})
        assert summary_of(tuple(found.values()), 1) == CoverageSummary(2, 1, 0, 1)
        (files / "good.crl").unlink()
        found, _ = self.rows(files, {"KGZ": 30.0, "UTO": 60.0})
        assert summary_of(tuple(found.values()), 0).held_back_by_revocation == 1
        assert summary_of(tuple(found.values()), 3).text.startswith("3 revocation lists are held: 1 state would")

    def test_the_german_list_has_no_neighbours_of_uzbekistan(self, shared_data):
        rows, _ = self.rows(shared_data / "documents" / "masterlists", {"KGZ": 1.0, "KAZ": 1.0, "AFG": 1.0, "DEU": 1.0}, needs_revocation=False)  # fmt: skip
        assert [rows[state].reaches_green for state in ("KGZ", "KAZ", "AFG", "DEU")] == [False, False, False, True]

    def test_one_object_per_state(self, capsys, files, tmp_path):
        (tmp_path / "traffic.csv").write_text("# counted by the operator\nstate,travellers\nUTO,3\nD<<,1\n")
        code, out, _ = egate(
            capsys, "trust", "coverage", "--trust", files, "--traffic", tmp_path / "traffic.csv", "--json"
        )
        assert code == 0
        rows = [json.loads(line) for line in out.splitlines()]
        assert [(row["state"], row["share"], row["reaches_green"]) for row in rows] == [
            ("UTO", 0.75, True),
            ("D", 0.25, False),
        ]
        code, out, _ = egate(capsys, "trust", "coverage", "--trust", files, "--traffic", tmp_path / "traffic.csv")
        assert "1 of 2 states, 75.0% of travellers" in out

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"a,b\n1,2", b"state,travellers\nUTO,x", b"state,travellers\nUTO,1\nUTO,2", b"state,travellers\nUTO,-1", b"state,travellers\nUTO,nan"])  # fmt: skip
    def test_traffic_in_another_form_is_refused(self, content):
        with pytest.raises(TrafficMalformed):
            read_traffic(content)


def test_a_bundle_past_its_age_covers_nobody(files, tmp_path):
    from dataclasses import replace

    old = replace(load_folder(files), issued_at=SystemClock().now() - timedelta(days=29), version=1)
    (row,) = coverage(old, None, SystemClock().now(), age_limit_days=28.0)
    assert row.obstacles == ("trust_bundle_stale",)
