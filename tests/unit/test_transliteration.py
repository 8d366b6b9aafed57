"""Written names in zones: every letter of the alphabets, every recommended spelling, and comparison that says how far names agree."""

import string
from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gate_agent.domain.mrz import read_mrz
from gate_agent.domain.name_comparison import NameAgreement, compare_full_name, compare_identifier, compare_name
from gate_agent.domain.transliteration import TABLES, Alphabet, WrittenName, read_name
from gate_agent.domain.travel_document import TravelDocument

EXACT, SAME, CUT, UNKNOWN, DIFFERENT = (
    NameAgreement.EXACT, NameAgreement.TRANSLITERATED, NameAgreement.TRUNCATED, NameAgreement.NOT_COMPARABLE, NameAgreement.DIFFERENT
)  # fmt: skip

# ICAO 9303-3 (8th edition) §6 A and B as printed, written out once more; not derived from the product.
TABLE_A = {
    "À": "A", "Á": "A", "Â": "A", "Ã": "A", "Ä": "AE or A", "Å": "AA or A", "Æ": "AE", "Ç": "C", "È": "E", "É": "E", "Ê": "E",
    "Ë": "E", "Ì": "I", "Í": "I", "Î": "I", "Ï": "I", "Ð": "D", "Ñ": "N or NXX", "Ò": "O", "Ó": "O", "Ô": "O", "Õ": "O",
    "Ö": "OE or O", "Ø": "OE", "Ù": "U", "Ú": "U", "Û": "U", "Ü": "UE or UXX or U", "Ý": "Y", "Þ": "TH", "Ā": "A", "Ă": "A",
    "Ą": "A", "Ć": "C", "Ĉ": "C", "Ċ": "C", "Č": "C", "Ď": "D", "Đ": "D", "Ē": "E", "Ĕ": "E", "Ė": "E", "Ę": "E", "Ě": "E",
    "Ĝ": "G", "Ğ": "G", "Ġ": "G", "Ģ": "G", "Ĥ": "H", "Ħ": "H", "Ĩ": "I", "Ī": "I", "Ĭ": "I", "Į": "I", "İ": "I", "ı": "I",
    "Ĳ": "IJ", "Ĵ": "J", "Ķ": "K", "Ĺ": "L", "Ļ": "L", "Ľ": "L", "Ŀ": "L", "Ł": "L", "Ń": "N", "Ņ": "N", "Ň": "N", "Ŋ": "N",
    "Ō": "O", "Ŏ": "O", "Ő": "O", "Œ": "OE", "Ŕ": "R", "Ŗ": "R", "Ř": "R", "Ś": "S", "Ŝ": "S", "Ş": "S", "Š": "S", "Ţ": "T",
    "Ť": "T", "Ŧ": "T", "Ũ": "U", "Ū": "U", "Ŭ": "U", "Ů": "U", "Ű": "U", "Ų": "U", "Ŵ": "W", "Ŷ": "Y", "Ÿ": "Y", "Ź": "Z",
    "Ż": "Z", "Ž": "Z", "ẞ": "SS",
}  # fmt: skip
RUSSIAN = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯ"
TABLE_B = "A B V G D E E ZH Z I I K L M N O P R S T U F KH TS CH SH SHCH IE Y - E IU IA"
UZBEK_CYRILLIC = "АБВГДЕЁЖЗИЙКЛМНОПРСТУФХЦЧШЪЬЭЮЯЎҚҒҲ"
UZBEK_LATIN = ["A", "B", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N", "O", "P", "Q", "R", "S", "T", "U", "V", "X", "Y",
               "Z", "Oʻ", "Gʻ", "Sh", "Ch", "Ng"]  # fmt: skip
EVERY_LETTER = {
    Alphabet.LATIN: [*string.ascii_uppercase, *TABLE_A],
    Alphabet.UZBEK_LATIN: [*UZBEK_LATIN, "Ö", "Ğ", "Ş", "Ç"],
    Alphabet.RUSSIAN_CYRILLIC: list(RUSSIAN),
    Alphabet.UZBEK_CYRILLIC: list(UZBEK_CYRILLIC),
}


def spelt(text: str, *alphabets: Alphabet) -> list[str]:
    name = read_name(text, alphabets or tuple(Alphabet))
    assert name is not None
    return list(dict.fromkeys(name.spellings()))


def recommended(text: str, alphabet: Alphabet) -> str:
    name = read_name(text, (alphabet,))
    assert name is not None
    return name.recommended


@pytest.mark.parametrize("alphabet", Alphabet)
def test_every_letter_of_every_alphabet_has_spellings_that_a_zone_can_hold(alphabet: Alphabet) -> None:
    for letter in EVERY_LETTER[alphabet]:
        for form in {letter, letter.lower()}:
            found = spelt(form, alphabet)
            assert found, form
            assert set("".join(found)) <= set(string.ascii_uppercase), form
    for spellings in TABLES[alphabet].values():
        assert spellings
        assert len(set(spellings)) == len(spellings)


def test_the_standard_s_latin_table_letter_by_letter() -> None:
    for letter, printed in TABLE_A.items():
        assert spelt(letter, Alphabet.LATIN) == printed.split(" or "), letter
        assert spelt(letter.lower() if letter != "İ" else letter, Alphabet.LATIN) == printed.split(" or "), letter
    assert spelt("ß", Alphabet.LATIN) == ["SS"]


def test_the_standard_s_russian_table_letter_by_letter() -> None:
    for letter, printed in zip(RUSSIAN, TABLE_B.split(), strict=True):
        assert spelt(letter, Alphabet.RUSSIAN_CYRILLIC) == ["" if printed == "-" else printed], letter


@pytest.mark.parametrize(
    ("written", "alphabet", "zone"),
    [
        ("Oʻtkir Gʻulomov", Alphabet.UZBEK_LATIN, "OTKIR<GULOMOV"),
        ("O'tkir G`ulomov", Alphabet.UZBEK_LATIN, "OTKIR<GULOMOV"),
        ("Maʼruf", Alphabet.UZBEK_LATIN, "MARUF"),
        ("Isʼhoq", Alphabet.UZBEK_LATIN, "ISHOQ"),
        ("Ўткир Ғуломов", Alphabet.UZBEK_CYRILLIC, "OTKIR<GULOMOV"),
        ("Шоҳжаҳон Қодиров", Alphabet.UZBEK_CYRILLIC, "SHOHJAHON<QODIROV"),
        ("Ераслан Эшқуватов", Alphabet.UZBEK_CYRILLIC, "YERASLAN<ESHQUVATOV"),
        ("Мирзиёев", Alphabet.UZBEK_CYRILLIC, "MIRZIYOYEV"),
        ("Лицей", Alphabet.UZBEK_CYRILLIC, "LITSEY"),
        ("Щёлоков Юрий", Alphabet.RUSSIAN_CYRILLIC, "SHCHELOKOV<IURII"),
        ("Объедков Ильич", Alphabet.RUSSIAN_CYRILLIC, "OBIEEDKOV<ILICH"),
        ("d'Artagnan", Alphabet.LATIN, "DARTAGNAN"),
        ("Marie-Elise", Alphabet.LATIN, "MARIE<ELISE"),
        ("Anna, Maria", Alphabet.LATIN, "ANNA<MARIA"),
        ("J. R. Müller", Alphabet.LATIN, "J<R<MUELLER"),
        ("Nguyễn", Alphabet.LATIN, "NGUYEN"),
        ("ʻ - ʼ", Alphabet.LATIN, ""),
    ],
)
def test_names_as_documents_write_them(written: str, alphabet: Alphabet, zone: str) -> None:
    assert recommended(written, alphabet) == zone


def test_several_spellings_are_allowed_and_all_are_told() -> None:
    assert spelt("Müller", Alphabet.LATIN) == ["MUELLER", "MUXXLLER", "MULLER"]
    assert spelt("Хива", Alphabet.UZBEK_CYRILLIC) == ["XIVA", "KHIVA"]
    assert spelt("Gʻafforov Xoʻja", Alphabet.UZBEK_LATIN)[0] == "GAFFOROV<XOJA"
    assert "GHAFFOROV<KHOJA" in spelt("Gʻafforov Xoʻja", Alphabet.UZBEK_LATIN)


@pytest.mark.parametrize("text", ["李", "Παππάς", "محمد", "Anna2", "A" * 257])
def test_what_stands_in_no_table_cannot_be_compared(text: str) -> None:
    assert read_name(text) is None
    assert compare_identifier(text, "ANNA") is UNKNOWN


@pytest.mark.parametrize(
    ("written", "zone", "cut", "answer"),
    [
        ("MULLER", "MULLER", False, EXACT),
        ("van der Berg", "VAN<DER<BERG", False, EXACT),
        ("Müller", "MUELLER", False, SAME),
        ("Müller", "MULLER", False, SAME),
        ("Müller", "MUXXLLER", False, SAME),
        ("Müller", "MILLER", False, DIFFERENT),
        ("O'Brien", "OBRIEN", False, SAME),
        ("Ходжаев", "KHODZHAEV", False, SAME),
        ("Хўжаев", "XOJAYEV", False, SAME),
        ("Хўжаев", "KHOJAYEV", False, SAME),
        ("Хўжаев", "HOJAYEV", False, DIFFERENT),
        ("Oʻrinov", "ORINOV", False, SAME),
        ("Қодиров", "KODIROV", False, SAME),
        ("Warrandyte Warnambool", "WARRANDYTE<WARNAM", True, CUT),
        ("Bennelong Wooloomooloo Warrandyte", "BENNE<WOOLO<WARRA", True, CUT),
        ("Bennelong Wooloomooloo Warrandyte", "BENNELONG<WOOLOOMOOLOO", True, CUT),
        ("Bennelong Wooloomooloo", "BENNE<WOOLO<W", True, DIFFERENT),
        ("Bennelong Wooloomooloo", "BENNE<WOOLO", False, DIFFERENT),
        ("Щербаков", "SHC", True, CUT),
        ("Anna", "", True, CUT),
        ("Anna", "", False, DIFFERENT),
        ("", "ANNA", True, DIFFERENT),
        ("", "", False, EXACT),
    ],
)
def test_what_a_comparison_answers(written: str, zone: str, cut: bool, answer: NameAgreement) -> None:
    assert compare_identifier(written, zone, zone_may_be_cut=cut) is answer


def zone_of(names: str) -> TravelDocument:
    document = read_mrz(("P<UTO" + names.ljust(39, "<"), "L898902C36UTO7408122F1204159ZE184226B<<<<<10"), date(2026, 6, 1)).document  # fmt: skip
    assert document is not None
    return document


@pytest.mark.parametrize(
    ("written", "names", "answer"),
    [
        ("ERIKSSON<<ANNA<MARIA", "ERIKSSON<<ANNA<MARIA", EXACT),
        ("Eriksson, Anna-Maria", "ERIKSSON<<ANNA<MARIA", SAME),
        ("Anna Maria Eriksson", "ERIKSSON<<ANNA<MARIA", EXACT),
        ("Eriksson Anna Maria", "ERIKSSON<<ANNA<MARIA", EXACT),
        ("Эрикссон  Анна Мария", "ERIKSSON<<ANNA<MARIIA", SAME),
        ("Eriksson  Anna", "ERIKSSON<<ANNA<MARIA", DIFFERENT),
        ("Anna  Eriksson", "ERIKSSON<<ANNA", DIFFERENT),
        ("Arfoud", "ARFOUD", EXACT),
        ("Eriksson  李", "ERIKSSON<<ANNA", UNKNOWN),
        ("Erikson  李", "ERIKSSON<<ANNA", DIFFERENT),
        ("Nilavadhanananda  Arnpol Petch Charonguang Krasuang", "NILAVADHANANANDA<<ARNPOL<PETCH<CHARONGU", CUT),
        ("Nilavadhanananda  Arnpol Patch Charonguang Krasuang", "NILAVADHANANANDA<<ARNPOL<PETCH<CHARONGU", DIFFERENT),
    ],
)
def test_full_names_against_a_zone(written: str, names: str, answer: NameAgreement) -> None:
    assert compare_full_name(written, zone_of(names)) is answer


def test_a_written_name_that_was_cut() -> None:
    document = zone_of("ERIKSSON<<ANNA<MARIA")
    assert compare_name("Eriksson", "Anna Ma", document, written_may_be_cut=True) is CUT
    assert compare_name("Eriks", "", document, written_may_be_cut=True) is CUT
    assert compare_name("Eriks", "Anna Maria", document, written_may_be_cut=True) is DIFFERENT
    assert compare_name("Eriksson", "Anna Mo", document, written_may_be_cut=True) is DIFFERENT
    assert compare_name("Eriksson", "Anna Ma", document) is DIFFERENT


LETTERS = st.sampled_from([*string.ascii_letters, *TABLE_A, *UZBEK_CYRILLIC, *RUSSIAN.lower(), "ʻ", "'", "-", " "])
NAMES = st.text(LETTERS, min_size=1, max_size=12)


@given(NAMES)
def test_every_spelling_is_recognised_and_so_is_every_cut_of_it(text: str) -> None:
    name = read_name(text)
    assert name is not None
    for _, spelling in zip(range(40), name.spellings(), strict=False):
        assert name.is_spelt(spelling)
        assert compare_identifier(text, spelling) in {EXACT, SAME}
        assert not name.is_spelt(spelling + "Q")
        for length in range(len(spelling)):
            assert name.is_cut_to(spelling[:length])
        assert name.begins(spelling + "<REST")


@given(NAMES, st.text(string.ascii_uppercase + "<", max_size=14))
def test_matching_agrees_with_the_written_out_set(text: str, zone: str) -> None:
    name = read_name(text)
    assert name is not None
    if len(list(product(*name.letters))) > 2000:
        return
    everything = set(name.spellings())
    assert name.is_spelt(zone) == (zone in everything)
    assert name.is_cut_to(zone) == any(spelling.startswith(zone) for spelling in everything)
    assert name.begins(zone) == any(zone.startswith(spelling) for spelling in everything)


@given(st.text(max_size=300), st.text(max_size=60), st.booleans(), st.booleans())
def test_any_text_is_answered(written: str, zone: str, cut: bool, written_cut: bool) -> None:
    assert compare_identifier(written, zone, zone_may_be_cut=cut, written_may_be_cut=written_cut) in set(NameAgreement)
    name = read_name(written)
    assert name is None or isinstance(name, WrittenName)
    if name is not None:
        assert set(name.recommended) <= {*string.ascii_uppercase, "<"}
