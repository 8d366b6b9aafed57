"""`egate bench mrz` in a small form: the peers answer, ours is ahead, and what counts as exact is counted fairly."""

from __future__ import annotations

import pytest

from gate_agent.cli.bench import BenchFault
from tests.bench import bench_mrz
from tests.bench.mrz_peers import zone_of
from tests.whole_sweeps import SWEEPS_ARE_WHOLE

TD3 = ("P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10")


@pytest.mark.ocr_b
@pytest.mark.mrz_peer
def test_ours_and_both_peers_are_measured_in_one_run():
    clean, hard = (3, 5) if SWEEPS_ARE_WHOLE else (2, 3)
    rows = {row.name: row for row in bench_mrz.measured(clean=clean, hard=hard)}
    assert len(rows) == 16
    for peer in bench_mrz.PEERS:
        for kind in ("clean", "hard"):
            exact = rows[f"{kind}: exact, beside {peer}"]
            assert exact.ours >= max(exact.peer, 60)
            assert rows[f"{kind}: accepted but wrong, beside {peer}"].ours == 0
            cost = rows[f"{kind}: per 1280 px photograph, beside {peer}"]
            assert 0 < cost.ours < cost.peer
    assert any(row.peer for name, row in rows.items() if ": exact" in name), "peers that read nothing measure nothing"


def test_without_its_environment_the_bench_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(bench_mrz, "OCR_B", tmp_path / "font.otf")
    with pytest.raises(BenchFault, match="fonts-ocr-b"):
        bench_mrz.run()
    (tmp_path / "font.otf").touch()
    monkeypatch.setattr(bench_mrz, "PEER_PYTHON", tmp_path / "python")
    with pytest.raises(BenchFault, match="make mrz-peer"):
        bench_mrz.run()


def test_a_peers_lookalikes_are_settled_by_the_grammar_and_nothing_else_is():
    spoiled = (TD3[0].replace("O", "0"), TD3[1].replace("0", "O").replace("UTO", "UT0"))
    number = spoiled[1][:10]  # where letters and digits may stand, the peer's answer stands
    assert bench_mrz.settled(spoiled) == (TD3[0], number + TD3[1][10:])
    assert bench_mrz.settled(TD3) == TD3
    assert bench_mrz.settled(["P<UT0"]) == ("P<UT0",)


def test_right_digits_are_asked_of_the_peers_lines():
    assert bench_mrz.has_right_digits(TD3)
    assert not bench_mrz.has_right_digits((TD3[0], TD3[1][:-1] + "1"))
    assert not bench_mrz.has_right_digits([])


@pytest.mark.parametrize(
    ("texts", "lines"),
    [
        (["Surname", "ERIKSSON", TD3[0].lower(), "L898902C36 UTO7408122F1204159ZE184226B<<<<<10"], list(TD3)),
        (["UTOPIA", "A" * 30, "B" * 30, "C" * 30], ["A" * 30, "B" * 30, "C" * 30]),
        (["short"], []),
    ],
)
def test_the_zone_is_taken_from_all_texts_of_a_page(texts, lines):
    assert zone_of(texts) == lines
