"""The pages without a draft: start, "am I over the limit?" and "do I need to declare at all?". They keep nothing."""

from __future__ import annotations

from datetime import date

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from gate_agent.domain.declaration import Direction, TravelMode
from gate_agent.domain.money import Money
from gate_agent.policy.rulebook import Rule, Rulebook
from gate_agent.web.formats import day_text, digits_text, money_text
from gate_agent.web.i18n import Catalogue
from gate_agent.web.number_entry import CURRENCIES
from gate_agent.web.portal import asked
from gate_agent.web.portal.draft import COOKIE
from gate_agent.web.portal.forms import Form, Reading
from gate_agent.web.portal.kinds import kinds_asked
from gate_agent.web.portal.shell import Shell, preferred
from gate_agent.web.portal.showing import kind_text, quantity_text


class Asking:
    """Pages that keep nothing."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._portal = shell.portal

    async def choose_language(self, request: Request) -> Response:
        """Send the browser to the start page in its language."""
        return RedirectResponse(f"{self._portal.prefix}/{preferred(request)}/", status_code=303)

    async def start(self, request: Request, slug: str) -> Response:
        """Say what these pages are for. At a kiosk whoever was here before is gone: so is the draft."""
        if self._portal.kiosk is not None:
            self._portal.drafts.close(request.cookies.get(COOKIE, ""))
        return self._shell.page(slug, "start.html", "start.title", "", has_book=self._portal.book is not None)

    async def cannot(self, slug: str, reason: str) -> Response:
        """Tell those whom these pages are not for where to go."""
        if reason not in {"under_16", "official"}:
            raise HTTPException(404)
        return self._shell.notice(
            slug, f"cannot.{reason}_title", f"cannot.{reason}", f"cannot/{reason}",
            "declare/eligibility", "cannot.again",
        )  # fmt: skip

    async def limit(self, request: Request, slug: str) -> Response:
        """Answer "am I over the limit?" for several kinds of goods and currencies, on any day of crossing."""
        form = await self._shell.form(request) if request.method == "POST" else Form({})
        rulebook, today = self._portal.rulebook(), self._portal.today()
        found, wrongs = asked.luggage(form, rulebook, today) if request.method == "POST" else (None, [])
        words = self._shell.words(slug)
        kinds = sorted(((kind, kind_text(kind, words)) for kind in (rulebook.goods_kinds if rulebook else {})),
                       key=lambda pair: pair[1])  # fmt: skip
        return self._shell.page(
            slug, "limit.html", "limit.title", "limit", wrongs,
            back="", values={name: form.one(name) for name in asked.LIMIT_FIELDS}, form_token="",
            currencies=CURRENCIES, goods_kinds=kinds, goods_rows=range(1, asked.GOODS_ROWS + 1),
            cash_rows=range(1, asked.CASH_ROWS + 1), preview=self._shell.preview(slug, found),
        )  # fmt: skip

    async def need(self, request: Request, slug: str) -> Response:
        """Answer "do I need to declare at all?": the trip, then the exceptions that the rulebook makes for it."""
        form = await self._shell.form(request) if request.method == "POST" else Form({})
        reading = Reading(form)
        direction, mode = reading.chosen("direction", Direction), reading.chosen("mode", TravelMode)
        wrongs = reading.wrongs if request.method == "POST" else []
        values = {name: form.one(name) for name in ("direction", "mode")}
        if direction is None or mode is None:
            return self._shell.page(
                slug, "need.html", "need.title", "need", wrongs, back="", values=values, form_token="", step="trip"
            )
        rulebook, words = self._portal.rulebook(), self._shell.words(slug)
        if rulebook is None:
            return self._shell.notice(
                slug, "need.unknown_title", "need.unknown", "need", "declare/eligibility", "limit.declare"
            )
        offered = exceptions_of(rulebook, direction, mode, self._portal.today(), words)
        chosen, wrongs = asked.exceptions(form) if form.one("step") == "exceptions" else (None, [])

        def page(title: str, step: str) -> Response:
            return self._shell.page(
                slug, "need.html", title, "need", wrongs, back="need", values=values, form_token="", step=step,
                offered=offered, chosen=chosen or frozenset(), applies=set(form.every("applies")),
                version=digits_text(str(rulebook.version), words.language),
                day=day_text(self._portal.today(), words.language),
            )  # fmt: skip

        if chosen is None:
            return page("need.exceptions_title", "exceptions")
        return page("need.yes_title", "yes") if chosen else page("need.no_title", "no")


def exceptions_of(
    rulebook: Rulebook, direction: Direction, mode: TravelMode, on: date, words: Catalogue
) -> list[tuple[str, str]]:
    """Return what makes a declaration necessary on this trip, by name and sentence, with the figures of the rules in force."""
    kinds = kinds_asked(rulebook, direction, mode, on)
    where = {"direction": direction.value, "mode": mode.value}
    allowance = rulebook.find("value_allowance", on, **where)
    cash = rulebook.find("cash_declaration", on, direction=direction.value)
    absence = rulebook.find("minimum_absence", on, **where)
    found: list[tuple[str, str]] = []
    if isinstance(allowance, Rule):
        most = money_text(Money(allowance.value, rulebook.valuation_currency), words.language)
        found.append(("goods", words.text("need.goods", allowance=most)))
    else:
        found.append(("goods", words.text("need.goods_any")))
    if isinstance(absence, Rule):
        found.append(("absence", words.text("need.absence", days=digits_text(str(absence.value), words.language))))
    if kinds.limited:
        listed = ", ".join(
            f"{kind_text(kind, words)} {quantity_text(rule.value, rule.unit, words)}"
            for kind, rule in kinds.limited.items()
        )
        found.append(("limited", words.text("need.limited", list=listed)))
    if isinstance(cash, Rule):
        most = money_text(Money(cash.value, rulebook.national_currency), words.language)
        found.append(("cash", words.text("need.cash", threshold=most)))
    else:
        found.append(("cash", words.text("need.cash_any")))
    if kinds.restricted:
        listed = ", ".join(kind_text(kind, words) for kind in kinds.restricted)
        found.append(("restricted", words.text("need.restricted", list=listed)))
    if kinds.is_vehicle_declared:
        found.append(("vehicles", words.text("need.vehicles")))
    if kinds.is_phone_declared:
        found.append(("phones", words.text("need.phones")))
    found += [(name, words.text(f"need.{name}")) for name in ("temporary", "unaccompanied", "seals")]
    return found
