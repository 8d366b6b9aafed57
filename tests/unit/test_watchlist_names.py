"""Names: part D of the border rules as a table, Jaro-Winkler's reference values, and what holds for every name."""

from __future__ import annotations

import random
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_agent.inspection.watchlist_entries import Action, Entry
from gate_agent.inspection.watchlist_index import built
from gate_agent.inspection.watchlist_matching import SCORES, MatchKind, Sought, born_of, matches
from gate_agent.inspection.watchlist_names import LONGEST_FOLDED, folded_names, folded_spelling
from gate_agent.inspection.watchlist_scores import close_to, jaro_winkler

# One name, four spellings: Uzbek Cyrillic, Uzbek Latin, usual Russian-based Latin, machine readable zone.
ONE_NAME = [
    ("Ўктам", "Oʻktam", "O'ktam", "O`ktam", "UKTAM", "OKTAM"),
    ("Ғайрат", "Gʻayrat", "G’ayrat", "GAIRAT", "GAYRAT"),
    ("Қодир", "Qodir", "KADYR", "KODIR"),
    ("Ҳасан", "Hasan", "KHASAN", "HASAN"),
    ("Хуршид", "Xurshid", "KHURSHID", "HURSHID", "XURSHID"),
    ("Жасур", "Jasur", "ZHASUR", "DZHASUR", "JASUR"),
    ("Йўлдошев", "Yoʻldoshev", "YULDASHEV", "YOLDOSHEV"),
    ("Юсупов", "Yusupov", "IUSUPOV", "Юсуфов", "Yusufov"),
    ("Шухрат", "Shuhrat", "Şuhrat", "SHUKHRAT"),
    ("Чўлпон", "Choʻlpon", "Çoʻlpon", "CHULPAN"),
    ("Исҳоқ", "Isʼhoq", "ISKHAK", "ISHOQ"),
    ("Алиев", "Aliyev", "ALIEV", "ALIYEV"),
    ("Яҳё", "Yahyo", "YAKHYO", "IAKHIO"),
]
OTHER_NAMES = [
    ("KARIMOV", "RAHIMOV"), ("JASUR", "MANSUR"), ("YUSUPOV", "YAKUBOV"), ("GAYRAT", "GULRUX"), ("HASAN", "HAMID"),
    ("DIXON", "DICKSONX"), ("DWAYNE", "DUANE"), ("QODIR", "QAHHOR"), ("OKTAM", "OLIM"), ("XURSHID", "RASHID"),
]  # fmt: skip


def entry(*names, born=19850302, sex="M", entry_id="e"):
    return Entry("list", entry_id, Action.REFER, names, born, sex, "UTO", (), "", None, None)


def kind(listed, presented, born=19850302, sex="M"):
    """Return how a traveller (primary, secondary) matches one entry."""
    index, _ = built(["list"], [listed])
    found = matches(index, Sought(folded_names(*presented), born, sex))
    return found[0][0] if found else None


@pytest.mark.parametrize(
    ("listed", "presented"),
    [(one, other) for names in ONE_NAME for one in names for other in names],
)
def test_every_spelling_of_one_name_finds_every_other(listed, presented):
    assert kind(entry(listed, born=19860101), (presented, "")) is MatchKind.SOUND
    assert kind(entry(listed), (presented, "")) in (MatchKind.EXACT, MatchKind.SOUND)


@pytest.mark.parametrize(("listed", "presented"), OTHER_NAMES + [pair[::-1] for pair in OTHER_NAMES])
def test_other_names_do_not(listed, presented):
    assert kind(entry(f"{listed}, ANVAR", born=19860101), (presented, "ANVAR")) is None


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("MARTHA", "MARHTA", 0.9611), ("DIXON", "DICKSONX", 0.8133), ("DWAYNE", "DUANE", 0.84),
        ("QODIR", "KADYR", 0.60), ("XURSHID", "KHURSHID", 0.76), ("JASUR", "ZHASUR", 0.82), ("OKTAM", "UKTAM", 0.87),
        ("GAYRAT", "GAIRAT", 0.91), ("HASAN", "KHASAN", 0.94), ("", "", 1.0), ("", "A", 0.0), ("A", "B", 0.0),
    ],
)  # fmt: skip
def test_jaro_winkler_has_the_reference_values(one, other, score):
    digits = 4 if one in ("MARTHA", "DIXON", "DWAYNE") else 2
    assert round(jaro_winkler(one, other), digits) == score


QUICKMATCH = [
    # listed spelling, listed birth date, presented name, birth date, kind
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19850302, MatchKind.EXACT),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19850303, MatchKind.SOUND),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19881231, MatchKind.SOUND),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19820101, MatchKind.SOUND),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19890101, None),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19811231, None),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHEK"), 19850302, MatchKind.SPELLING),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHEK"), 19850303, None),
    ("KARIMOV, ALISHER", 19850302, ("KERIMOV", "ALISHAR"), 19850302, MatchKind.SOUND_AND_DATE),
    ("KARIMOV, ALISHER", 19850302, ("KERIMOV", "ALISHAR"), 19850303, None),
    # partial and missing dates compare what both sides have
    ("KARIMOV, ALISHER", 19850000, ("KARIMOV", "ALISHER"), 19850302, MatchKind.SOUND),
    ("KARIMOV, ALISHER", 19850000, ("KARIMOV", "ALISHEK"), 19850302, MatchKind.SPELLING),
    ("KARIMOV, ALISHER", 19850300, ("KARIMOV", "ALISHEK"), 19850302, MatchKind.SPELLING),
    ("KARIMOV, ALISHER", 19850400, ("KARIMOV", "ALISHEK"), 19850302, None),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHEK"), 19850000, MatchKind.SPELLING),
    ("KARIMOV, ALISHER", 20000502, ("KARIMOV", "ALISHEK"), 20000503, None),
    ("KARIMOV, ALISHER", 0, ("KARIMOV", "ALISHER"), 19850302, MatchKind.SOUND),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER"), 0, MatchKind.SOUND),
    ("KARIMOV, ALISHER", 0, ("KARIMOV", "ALISHER"), 0, MatchKind.SOUND),
    ("KARIMOV, ALISHER", 0, ("KARIMOV", "ALISHEK"), 19850302, None),
    # family endings, patronymics, order, unknown parts
    ("Каримова, Зулфия", 19850302, ("KARIMOVA", "ZULFIYA"), 19850302, MatchKind.EXACT),
    ("KARIMOV, ALISHER BAXTIYOROVICH", 19850302, ("KARIMOV", "ALISHER"), 19850302, MatchKind.EXACT),
    ("KARIMOV, ALISHER", 19850302, ("KARIMOV", "ALISHER BAKHTIYOR OGLI"), 19850302, MatchKind.EXACT),
    ("Каримов, Алишер Бахтиёр ўғли", 19850302, ("KARIMOV", "ALISHER"), 19850302, MatchKind.EXACT),
    ("KARIMOVA, NODIRA RUSTAM QIZI", 19850302, ("KARIMOVA", "NODIRA"), 19850302, MatchKind.EXACT),
    ("ALISHER KARIMOV", 19850302, ("KARIMOV", "ALISHER"), 19850302, MatchKind.EXACT),
    ("KARIMOV ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19850302, MatchKind.EXACT),
    ("KARIMOV<<ALISHER", 19850302, ("KARIMOV", "ALISHER"), 19850302, MatchKind.EXACT),
    ("KARIMOV, UNKNOWN", 19850302, ("KARIMOV", ""), 19850302, MatchKind.EXACT),
    ("NUR MUHAMMAD, ALI", 19850302, ("NURMUHAMMAD", "ALI"), 19850302, MatchKind.EXACT),
]  # fmt: skip


@pytest.mark.parametrize(("listed", "listed_born", "presented", "born", "expected"), QUICKMATCH)
def test_quickmatch_order(listed, listed_born, presented, born, expected):
    assert kind(entry(listed, born=listed_born, sex=""), presented, born) is expected


def test_scores_are_those_of_quickmatch_and_ours_below():
    assert [SCORES[one] for one in MatchKind] == [1.0, 1.0, 0.9, 0.8, 0.7]


@pytest.mark.parametrize(
    ("listed_sex", "sex", "born", "expected"),
    [
        ("M", "F", 19850303, None), ("F", "M", 19850303, None), ("M", "F", 19850302, MatchKind.EXACT),
        ("", "F", 19850303, MatchKind.SOUND), ("M", "", 19850303, MatchKind.SOUND), ("X", "F", 19850303, MatchKind.SOUND),
    ],
)  # fmt: skip
def test_a_man_and_a_woman_of_one_family_are_not_taken_for_each_other(listed_sex, sex, born, expected):
    assert kind(entry("KARIMOV, ALISHER", sex=listed_sex), ("KARIMOVA", "ALISHER"), born, sex) is expected


def test_twins_are_a_lead_for_each_other_and_never_more():
    """Hasan and Husan differ in a vowel that spellings of one name differ in, too: a guard tells them apart."""
    assert kind(entry("KARIMOV, HASAN"), ("KARIMOV", "HUSAN")) is MatchKind.SOUND


def test_the_best_of_several_spellings_counts():
    listed = entry("SOMEBODY, ELSE", "Каримов, Алишер", "KARIMOV, ALISHER")
    assert kind(listed, ("KARIMOV", "ALISHER")) is MatchKind.EXACT


@pytest.mark.parametrize(
    ("known", "six", "expected"),
    [
        (date(1985, 3, 2), "850302", 19850302), (None, "85<<<<", 19850000), (None, "8503<<", 19850300),
        (None, "<<<<<<", 0), (None, "<<0302", 0), (None, "2605<<", 20260500), (None, "2705<<", 19270500),
        (None, "8513<<", 19850000), (None, "", 0),
    ],
)  # fmt: skip
def test_birth_dates_of_the_zone(known, six, expected):
    assert born_of(known, six, date(2026, 6, 1)) == expected


LATIN = st.from_regex(r"[A-Z]{1,20}(<[A-Z]{1,15})?", fullmatch=True)


@given(LATIN, LATIN)
def test_a_name_is_exactly_itself(primary, secondary):
    ways = folded_names(primary, secondary)
    if ways:
        assert kind(entry(f"{primary}<<{secondary}"), (primary, secondary)) is MatchKind.EXACT
        assert all(len(way.strong) <= LONGEST_FOLDED and len(way.weak) == len(way.strong) for way in ways)


@given(st.text(max_size=60))
def test_no_text_breaks_folding(text):
    for way in folded_spelling(text):
        assert way.strong.isascii()
        assert 0 < len(way.strong) <= LONGEST_FOLDED


TEXT = st.text("ABC ", max_size=24)


@settings(max_examples=200)
@given(TEXT, st.lists(TEXT, min_size=1, max_size=20), st.floats(0.5, 1.0))
def test_many_at_once_say_what_one_by_one_says(asked, others, threshold):
    longest = max(1, *map(len, others))
    letters = np.zeros((len(others), longest), dtype=np.uint8)
    for row, other in enumerate(others):
        letters[row, : len(other)] = np.frombuffer(other.encode(), dtype=np.uint8)
    lengths = np.array([len(other) for other in others], dtype=np.uint8)
    expected = {row: jaro_winkler(asked, other) for row, other in enumerate(others)}
    expected = {row: score for row, score in expected.items() if asked and score >= threshold}
    assert close_to(asked.encode(), letters, lengths, threshold) == expected


def test_jaro_winkler_is_that_of_another_library():
    distance = pytest.importorskip("rapidfuzz.distance")
    draw = random.Random(3)
    for _ in range(3000):
        one, other = ("".join(draw.choices("ABCDE ", k=draw.randrange(16))) for _ in range(2))
        assert jaro_winkler(one, other) == pytest.approx(distance.JaroWinkler.similarity(one, other))
