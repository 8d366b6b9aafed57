"""The limit meter says what the gate will say: by the same rules, for as many travellers as stand on the declaration."""

from __future__ import annotations

import json
from datetime import date

from gate_agent.domain.declaration import DeclaredGoods, Direction, Relation, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.web.i18n import load_catalogue
from gate_agent.web.portal.issue import CompanionFields, DeclarationFields
from gate_agent.web.portal.meter import Luggage, preview
from gate_agent.web.portal.shell import LOCALE_FOLDER

ATLANTIS = parse_rulebook(json.loads(packaged_rulebook_bytes("atlantis")))
"""Its families put their allowances of 800 XTS together."""
WORDS = load_catalogue("portal", "en", LOCALE_FOLDER)
TODAY = date(2026, 6, 1)
THINGS = tuple(DeclaredGoods(name, Money(20_000, "USD"), 1_000) for name in ("lyre", "amphora"))  # 500 XTS each
SPOUSE = CompanionFields("ADA", Relation.SPOUSE, date(1990, 1, 1), "UTO", "P0000001")


def told(*companions: CompanionFields) -> tuple[str, bool]:
    fields = DeclarationFields(Direction.ENTRY, TravelMode.AIR, "UTO", "P0000002", companions, THINGS)
    found = preview(ATLANTIS, Luggage.of(Direction.ENTRY, TravelMode.AIR, fields), TODAY, WORDS)
    return " ".join(found.sentences), found.is_over


def test_who_travels_alone_is_over_and_a_family_that_shares_is_not() -> None:
    alone, is_over = told()
    assert is_over
    assert WORDS.text("meter.corridor_red") in alone
    together, is_over = told(SPOUSE)
    assert not is_over
    assert WORDS.text("meter.corridor_red") not in together
    assert "1,600" in together


def test_the_page_of_goods_counts_the_family_too() -> None:
    def is_over(travellers: int) -> bool:
        luggage = Luggage(Direction.ENTRY, TravelMode.AIR, THINGS, travellers=travellers)
        return preview(ATLANTIS, luggage, TODAY, WORDS).is_over

    assert [is_over(1), is_over(2)] == [True, False]
