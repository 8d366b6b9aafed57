"""Drafts of declarations being filled in: in this process's memory, behind a signed cookie, gone after an hour or at the traveller's word.

Only what the traveller saves on purpose goes to the disk (`saved`).
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, fields

from gate_agent.domain.declaration import DeclaredGoods, Direction, TravelMode, Vehicle
from gate_agent.domain.money import Money
from gate_agent.web.portal.issue import CompanionFields, DeclarationFields, IssuedToken

COOKIE = "egate_declaration"
LIFE_S = 3600.0
MOST_DRAFTS = 20_000


QUESTIONS = (
    "trip", "document", "companions", "persons", "carry", "goods", "limited", "cash", "restricted", "vehicles", "phones", "temporary",
    "unaccompanied", "seals",
)  # fmt: skip
"""The pages of a declaration in their order."""

CARRIED = QUESTIONS[5:]
"""What may be carried; each has a page of its own, which is asked only when it was chosen."""

WITH_LINES = ("persons", *CARRIED)
"""Pages that come again after a line was added or taken out."""


@dataclass(slots=True)
class Draft:
    """One declaration being filled in. `None` means not answered yet.

    `page_s` counts the seconds spent on each page; `saved_code` names the copy that the traveller saved, "" when there is none.
    """

    direction: Direction | None = None
    mode: TravelMode | None = None
    issuing_state: str = ""
    document_number: str = ""
    has_companions: bool | None = None
    persons: list[CompanionFields] = field(default_factory=list)
    carries: frozenset[str] | None = None
    goods: list[DeclaredGoods] = field(default_factory=list)
    limited: list[DeclaredGoods] = field(default_factory=list)
    cash: list[Money] = field(default_factory=list)
    restricted: list[DeclaredGoods] = field(default_factory=list)
    vehicles: list[Vehicle] = field(default_factory=list)
    phones: list[str] = field(default_factory=list)
    temporary: list[DeclaredGoods] = field(default_factory=list)
    unaccompanied: list[str] = field(default_factory=list)
    seals: list[str] = field(default_factory=list)
    page_s: dict[str, float] = field(default_factory=dict)
    shown_at_s: dict[str, float] = field(default_factory=dict)
    saved_code: str = ""
    issued: IssuedToken | None = None

    def lines(self, question: str) -> list[object]:
        """Return the list that a page with lines fills."""
        lines: list[object] = getattr(self, question)
        return lines

    def unanswered(self) -> str | None:
        """Return the first question without an answer, None when all are answered."""
        answered = {
            "trip": self.direction is not None and self.mode is not None,
            "document": bool(self.document_number),
            "companions": self.has_companions is not None,
            "persons": not self.has_companions or bool(self.persons),
            "carry": self.carries is not None,
        }
        answered |= {kind: kind not in (self.carries or ()) or bool(self.lines(kind)) for kind in CARRIED}
        return next((question for question, is_answered in answered.items() if not is_answered), None)

    def all_goods(self) -> tuple[DeclaredGoods, ...]:
        """Return every line of goods that is with the traveller, in the order of the pages."""
        return (*self.goods, *self.limited, *self.restricted, *self.temporary)

    def fields(self) -> DeclarationFields:
        """Return the complete declaration. Raises `ValueError` when a question is unanswered."""
        if self.unanswered() is not None or self.direction is None or self.mode is None:
            raise ValueError("the declaration is not complete")
        return DeclarationFields(
            direction=self.direction,
            mode=self.mode,
            issuing_state=self.issuing_state,
            document_number=self.document_number,
            companions=tuple(self.persons),
            goods=self.all_goods(),
            cash=tuple(self.cash),
            seal_ids=tuple(self.seals),
            vehicles=tuple(self.vehicles),
            phone_imeis=tuple(self.phones),
            unaccompanied=tuple(self.unaccompanied),
            filled_in_s=round(sum(self.page_s.values())) if self.page_s else None,
        )

    def shown(self, question: str, now_s: float) -> None:
        """Note that a page came on screen; the first time counts until it is answered."""
        self.shown_at_s.setdefault(question, now_s)

    def answered(self, question: str, now_s: float) -> float | None:
        """Note that a page was answered and return the seconds it took, None when it was not on screen."""
        shown_at_s = self.shown_at_s.pop(question, None)
        if shown_at_s is None:
            return None
        self.page_s[question] = self.page_s.get(question, 0.0) + now_s - shown_at_s
        return now_s - shown_at_s

    def forget_answers(self) -> None:
        """Keep nothing but the issued code: the answers have done their work."""
        blank = Draft()
        for each in fields(Draft):
            if each.name != "issued":
                setattr(self, each.name, getattr(blank, each.name))


@dataclass(slots=True)
class _Held:
    draft: Draft
    ends_s: float


class Drafts:
    """All drafts of this process. The secret is made anew at each start: a restart forgets every draft."""

    def __init__(self, monotonic_s: Callable[[], float], *, life_s: float = LIFE_S, most: int = MOST_DRAFTS) -> None:
        self._monotonic_s = monotonic_s
        self._most = most
        self.life_s = life_s
        self._secret = secrets.token_bytes(32)
        self._held: OrderedDict[str, _Held] = OrderedDict()

    def open(self, draft: Draft | None = None) -> str:
        """Begin a draft, or go on with one, and return the value of its cookie. The oldest makes room when there are too many."""
        self._drop_ended()
        while len(self._held) >= self._most:
            self._held.popitem(last=False)
        name = secrets.token_urlsafe(24)
        self._held[name] = _Held(draft or Draft(), self._monotonic_s() + self.life_s)
        return f"{name}.{self._signed('cookie', name)}"

    def draft(self, cookie: str) -> Draft | None:
        """Return the draft of a cookie and prolong its life; None when it ended, or the cookie is not ours."""
        name = self._name(cookie)
        held = self._held.get(name)
        now_s = self._monotonic_s()
        if held is None or held.ends_s <= now_s:
            self._held.pop(name, None)
            return None
        held.ends_s = now_s + self.life_s
        self._held.move_to_end(name)
        return held.draft

    def close(self, cookie: str) -> None:
        """Forget a draft at once."""
        self._held.pop(self._name(cookie), None)

    def form_token(self, cookie: str) -> str:
        """Return the token that every form of this draft carries (against forged requests from other pages)."""
        return self._signed("form", self._name(cookie))

    def is_form_token(self, cookie: str, token: str) -> bool:
        """Say whether a form was made by a page of this draft."""
        name = self._name(cookie)
        return bool(name) and hmac.compare_digest(self._signed("form", name).encode(), token.encode("utf-8", "replace"))

    def __len__(self) -> int:
        return len(self._held)

    def _name(self, cookie: str) -> str:
        name, _dot, signature = cookie.partition(".")
        is_ours = hmac.compare_digest(self._signed("cookie", name).encode(), signature.encode("utf-8", "replace"))
        return name if is_ours else ""

    def _signed(self, purpose: str, name: str) -> str:
        return hmac.digest(self._secret, f"{purpose}\x00{name}".encode("utf-8", "replace"), "sha256").hex()[:32]

    def _drop_ended(self) -> None:
        now_s = self._monotonic_s()
        while self._held:
            name, held = next(iter(self._held.items()))
            if held.ends_s > now_s:
                return
            del self._held[name]


class RequestAllowance:
    """A bucket of requests per address: `burst` at once, refilled with `per_second`. Remembers at most `most` addresses."""

    def __init__(
        self, monotonic_s: Callable[[], float], *, burst: float = 600, per_second: float = 10, most: int = 20_000
    ) -> None:
        self._monotonic_s = monotonic_s
        self._burst = burst
        self._per_second = per_second
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def takes(self, address: str) -> bool:
        """Take one request from the bucket of an address; False when it is empty."""
        now_s = self._monotonic_s()
        left, seen_s = self._buckets.pop(address, (self._burst, now_s))
        left = min(self._burst, left + (now_s - seen_s) * self._per_second)
        is_allowed = left >= 1
        self._buckets[address] = (left - 1 if is_allowed else left, now_s)
        if len(self._buckets) > self._most:
            self._buckets.popitem(last=False)
        return is_allowed
