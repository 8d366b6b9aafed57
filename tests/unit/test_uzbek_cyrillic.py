"""Uzbek in Cyrillic letters, from the Latin."""

from __future__ import annotations

import re

import pytest

from gate_agent.web import i18n
from gate_agent.web.catalogue_findings import AUDIENCES
from tools.texts import UZBEK_CYRILLIC, UZBEK_LATIN, derived
from tools.uzbek_cyrillic import cyrillic

_CYRILLIC = re.compile(r"[А-Яа-яЁёЎўҚқҒғҲҳ]")


@pytest.mark.parametrize(
    ("latin", "expected"),
    [
        ("Oʻzbekiston gʻurur togʻ boʻlsin", "Ўзбекистон ғурур тоғ бўлсин"),
        ("yoʻlak yoʻq Yoʻl", "йўлак йўқ Йўл"),
        ("yo yu ya ye yer yosh yuk yaxshi", "ё ю я е ер ёш юк яхши"),
        ("eshik ekran kerak aeroport poyezd poema", "эшик экран керак аэропорт поезд поэма"),
        ("shahar chegara uchish Isʼhoq asʼhob", "шаҳар чегара учиш Исҳоқ асҳоб"),
        ("maʼlumot eʼlon sanʼat", "маълумот эълон санъат"),
        ("xalq haq qogʻoz jadval", "халқ ҳақ қоғоз жадвал"),
        ("deklaratsiyangiz tranzaksiya kvitansiya versiya", "декларациянгиз транзакция квитанция версия"),
        ("etsa ruxsatsiz", "этса рухсатсиз"),
        ("avtomobil avtomobili obyektiv filtr modulning", "автомобиль автомобили объектив фильтр модулнинг"),
        ("sentabr 2-sentabrda iyun", "сентябрь 2-сентябрда июнь"),
        ("{what} {days}-kun", "{what} {days}-кун"),
        ("QR kodi, USDda AQSH dollari, UZB, AA1234567, frozen_s, docs/rules.md", "QR коди, USDда АҚШ доллари, UZB, AA1234567, frozen_s, docs/rules.md"),
        ("qator/oʻrin — 50 %", "қатор/ўрин — 50 %"),
    ],
)  # fmt: skip
def test_spelling(latin: str, expected: str) -> None:
    assert cyrillic(latin) == expected


@pytest.mark.parametrize("audience", AUDIENCES.values(), ids=lambda one: one.name)
def test_catalogues_are_the_derived_ones(audience) -> None:
    latin = i18n.read_file(audience.path(UZBEK_LATIN))
    assert i18n.read_file(audience.path(UZBEK_CYRILLIC)) == derived(latin)


@pytest.mark.parametrize("audience", AUDIENCES.values(), ids=lambda one: one.name)
def test_no_latin_word_is_left_in_what_travellers_read(audience) -> None:
    left = set()
    for entry in derived(i18n.read_file(audience.path(UZBEK_LATIN))).entries:
        for form in entry.translations:
            words = re.findall(r"[^\W\d]+", re.sub(r"\{\w*\}", " ", form))
            left |= {word for word in words if not _CYRILLIC.search(word) and not word.isupper()}
            assert not [word for word in words if _CYRILLIC.search(word) and re.search(r"[A-Za-z]", word)], entry.key
    if audience.name != "guard":  # the guard reads names of settings and programs
        assert left <= {"Telegram"}
