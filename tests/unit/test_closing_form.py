"""The form of a closing: what the page shows and nobody touches is what was declared, whatever a declaration can hold."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gate_agent.closing_order import LARGEST_AMOUNT_MINOR, LARGEST_MASS_G, MOST_QUANTITY, Amount, GoodsLine
from gate_agent.domain.agency import Agency
from gate_agent.inspection import token_members
from gate_agent.web.desk.closing import ClosingPages
from gate_agent.web.desk.closing_form import read_form
from gate_agent.web.desk.view import Words
from gate_agent.web.desk_messages import StopView
from gate_agent.web.i18n import load_catalogues
from gate_agent.web.number_entry import mass_g, typed_mass

WORDS = Words(load_catalogues("guard", ("en",))["en"], load_catalogues("desk", ("en",))["en"])
PAGES = ClosingPages(cast("Any", None))  # the first step asks nobody
KINDS = {"spirits": "ml", "gold": "g"}

LINES = st.builds(
    GoodsLine,
    description=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=60),
    value=st.builds(
        Amount,
        amount_minor=st.integers(0, LARGEST_AMOUNT_MINOR),
        currency=st.sampled_from(["USD", "UZS", "JPY", "KRW", "CHF", "XXX"]),
    ),
    mass_g=st.one_of(st.integers(0, LARGEST_MASS_G), st.integers(0, 9999)),
    kind=st.sampled_from(["", "spirits", "gold", "of_an_older_rulebook"]),
    quantity=st.none() | st.integers(0, MOST_QUANTITY),
    owner=st.integers(0, 9),
    is_temporary=st.booleans(),
)


def line(**changes: Any) -> GoodsLine:
    values = {"description": "camera", "value": Amount(amount_minor=150_000, currency="USD"), "mass_g": 2000}
    return GoodsLine.model_validate(values | changes)


def stop(*goods: GoodsLine) -> StopView:
    return StopView(
        stop_id=uuid.uuid4(), lane_id=1, direction="entry", mode="air", local_date=date(2026, 6, 15),
        opened_at=datetime(2026, 6, 15, 9, tzinfo=UTC), corridor="red", reference="UTO-1", rules=[], rulebook_version=1,
        identity=None, has_declaration=True, goods=list(goods), cash=[], seal_ids=[], small_children=0, duty=None,
        goods_kinds=KINDS, tasks=[],
    )  # fmt: skip


def as_a_browser_sends(declared: StopView, **typed: str) -> dict[str, str]:
    """Return what comes back of the page's form: a text field holds no line break, a list what it offers, a box only its tick."""
    form = PAGES.first_step(declared, Agency.CUSTOMS, WORDS)
    kinds, currencies = ["", *(kind for kind, _words in form["kinds"])], list(form["currencies"])
    sent = {"finding": "nothing_found", "act_number": "", "days_abroad": ""}
    for one in form["lines"]:
        for name in ("what", "amount", "mass", "quantity", "owner"):
            sent[f"{name}-{one['place']}"] = one[name].replace("\n", "").replace("\r", "")
        for name, offered in (("kind", kinds), ("currency", currencies)):
            sent[f"{name}-{one['place']}"] = one[name] if one[name] in offered else offered[0]
        if one["temporary"] == "yes":
            sent[f"temporary-{one['place']}"] = "yes"
    return sent | typed


@settings(max_examples=300, deadline=None)
@given(st.lists(LINES, max_size=2 * token_members.MAXIMUM_LINES))
def test_the_untouched_form_of_any_declared_goods_is_no_amendment(goods: list[GoodsLine]) -> None:
    declared = stop(*goods)
    form = read_form(as_a_browser_sends(declared), declared, with_goods=True)
    assert form.wrong == []
    assert form.goods is None, "nothing was amended"
    assert form.order().goods is None


@pytest.mark.parametrize(
    "declared",
    [
        line(mass_g=3333),
        line(mass_g=1_234_567),
        line(mass_g=0, is_temporary=True),
        line(value=Amount(amount_minor=0, currency="USD"), kind="gold"),
        line(kind="spirits", quantity=250_000),
    ],
    ids=["3333 g", "1234567 g", "no mass", "no value", "quantity"],
)
def test_one_touched_field_changes_that_field_alone(declared: GoodsLine) -> None:
    of = stop(line(), declared)
    sent = as_a_browser_sends(of, **{"finding": "amended", "act_number": "1", "what-1": "another camera"})
    form = read_form(sent, of, with_goods=True)
    assert form.wrong == []
    assert form.goods == (line(), declared.model_copy(update={"description": "another camera"}))


@given(st.integers(1, 10_000_000))
def test_a_mass_is_written_so_that_it_is_read_back(grams: int) -> None:
    assert mass_g(typed_mass(grams)) == grams


def test_what_an_officer_types_is_read_as_before() -> None:
    of = stop(line())
    typed = {"finding": "found", "act_number": "1", "mass-0": "3.333"}
    assert [one.key for one in read_form(as_a_browser_sends(of, **typed), of, with_goods=True).wrong] == [
        "number_unclear"
    ]
    for name, text, key in (
        ("mass-0", "0", "number_range"),
        ("amount-0", "0", "number_range"),
        ("days_abroad", "99999", "count"),
        ("quantity-0", "9" * 11, "count"),
    ):
        sent = as_a_browser_sends(of, **{"finding": "found", "act_number": "1", name: text})
        assert [one.key for one in read_form(sent, of, with_goods=True).wrong] == [key]
    gone = read_form(
        as_a_browser_sends(of, **{"finding": "amended", "act_number": "1", "what-0": "", "amount-0": "", "mass-0": ""}),
        of,
        with_goods=True,
    )
    assert (gone.wrong, gone.goods) == ([], ())


def test_an_order_holds_whatever_a_declaration_holds() -> None:
    assert LARGEST_AMOUNT_MINOR >= token_members.MAXIMUM_AMOUNT_MINOR
    assert LARGEST_MASS_G >= token_members.MAXIMUM_MASS_G
    assert MOST_QUANTITY >= token_members.MAXIMUM_QUANTITY
