"""A traveller's phone: fills in the portal's forms over HTTP and reads the code that it gets, as a barcode reader would."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from decimal import Decimal

import httpx

from drivers.barcode.frames import read_image
from gate_agent.demo.gate_view import NotReached
from gate_agent.web.portal.issue import CompanionFields

_FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
_REFERENCE = re.compile(r'class="reference" dir="ltr">([^<]+)<')
_READY_TIMEOUT_S = 30.0
_ATTEMPTS = 3

GoodsLine = tuple[str, str, str]
CashLine = tuple[str, str]


class PortalClient:
    """One traveller's browser at a time; cookies are dropped between declarations."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=10.0)
        self.reference = ""

    async def close(self) -> None:
        """Close the browser."""
        await self._client.aclose()

    async def ready(self, timeout_s: float = _READY_TIMEOUT_S) -> None:
        """Wait until the portal answers."""
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            try:
                if (await self._client.get("/en/")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)
        raise NotReached("the portal")

    async def declare(
        self,
        issuing_state: str,
        document_number: str,
        *,
        goods: Sequence[GoodsLine] = (),
        cash: Sequence[CashLine] = (),
        child: CompanionFields | None = None,
        seal: str = "",
    ) -> str:
        """Declare and return the text of the code, its `reference` beside it; starts over when the portal went away in between."""
        for _ in range(_ATTEMPTS):
            try:
                return await self._declare(issuing_state, document_number, goods, cash, child, seal)
            except httpx.TransportError:
                await self.ready()
        raise NotReached("a declaration code")

    async def _declare(
        self,
        issuing_state: str,
        document_number: str,
        goods: Sequence[GoodsLine],
        cash: Sequence[CashLine],
        child: CompanionFields | None,
        seal: str,
    ) -> str:
        self._client.cookies.clear()
        await self._answer("eligibility", who="private")
        await self._answer("trip", direction="entry", mode="air")
        await self._answer("document", issuing_state=issuing_state, document_number=document_number)
        await self._answer("companions", companions="alone" if child is None else "others")
        if child is not None:
            born = child.date_of_birth
            person = {"name": child.name, "relation": child.relation.value}
            day = {"born_day": str(born.day), "born_month": str(born.month), "born_year": str(born.year)}
            document = {"companion_state": child.issuing_state, "companion_number": child.document_number}
            await self._answer("persons", action="add", **person, **day, **document)
            await self._answer("persons", action="continue")
        kinds = [name for name, given in (("goods", goods), ("cash", cash), ("seals", seal)) if given] or ["nothing"]
        await self._answer("carry", carry=kinds)
        if goods:
            rows = {
                f"{name}_{number}": text
                for number, (description, value, _mass) in enumerate(goods, start=1)
                for name, text in (("description", description), ("value", value))
            }
            await self._answer("goods", **rows, mass=str(sum(Decimal(mass) for *_named, mass in goods)))
        for currency, amount in cash:
            await self._answer("cash", currency=currency, amount=amount, action="add")
        if cash:
            await self._answer("cash", action="continue")
        if seal:
            await self._answer("seals", seal=seal, action="add")
            await self._answer("seals", action="continue")
        await self._answer("check")
        picture = await self._client.get("/en/declare/code.png")
        shown = _REFERENCE.search((await self._client.get("/en/declare/receipt")).text)
        self.reference = shown.group(1) if shown is not None else ""
        symbols = await asyncio.to_thread(read_image, picture.raise_for_status().content)
        return symbols[0].text

    async def _answer(self, page: str, **fields: str | list[str]) -> None:
        """Load a page, take its form token, post the answer."""
        path = f"/en/declare/{page}"
        shown = await self._client.get(path)
        token = _FORM_TOKEN.search(shown.text)
        if token is not None:
            fields["form_token"] = token.group(1)
        answer = await self._client.post(path, data=fields)
        if answer.status_code not in {httpx.codes.SEE_OTHER, httpx.codes.OK}:
            raise NotReached(f"the portal page {page}: answered {answer.status_code}")
