"""The limit meter: what the gate's own rule engine says about goods and cash, in the traveller's words.

It answers from the rulebook bundle that the gates hold (verified against the pinned key), and prints its version and the date of
the exchange rates beside the sums. It keeps nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from central_sync.bundles import file_name, verify_bundle
from central_sync.errors import BundleRefused
from gate_agent.clock import Clock
from gate_agent.domain.crossing import Corridor
from gate_agent.domain.declaration import (
    Companion,
    Declaration,
    DeclaredGoods,
    Direction,
    TravelMode,
    UnaccompaniedGoods,
)
from gate_agent.domain.money import Money
from gate_agent.policy.cash import CashAnswer, cash
from gate_agent.policy.corridor import corridor
from gate_agent.policy.duty import DutyAnswer, duty
from gate_agent.policy.errors import RulebookRefused
from gate_agent.policy.rulebook import Rule, Rulebook, RuleNotFound
from gate_agent.policy.rulebook_format import parse_rulebook
from gate_agent.web.formats import day_text, digits_text, money_text
from gate_agent.web.i18n import Catalogue
from gate_agent.web.portal.issue import DeclarationFields
from gate_agent.web.portal.showing import kind_text

_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # a declaration that has not been issued has none
_log = structlog.get_logger()


class RulebookFile:
    """The newest acceptable rulebook of a bundle file; read again when the file changes, the last good one stays in force."""

    def __init__(self, path: Path, trusted: Ed25519PublicKey, clock: Clock) -> None:
        self._path = path
        self._trusted = trusted
        self._clock = clock
        self._stamp_ns = 0
        self._version = 0
        self._rulebook: Rulebook | None = None

    @classmethod
    def in_folder(cls, bundles: Path, trusted: Ed25519PublicKey, clock: Clock) -> RulebookFile:
        """Watch the rulebook bundle of a bundles folder."""
        return cls(bundles / file_name("rulebook"), trusted, clock)

    def current(self) -> Rulebook | None:
        """Return the rulebook in force, None while there is none."""
        try:
            stamp_ns = self._path.stat().st_mtime_ns
            if stamp_ns != self._stamp_ns:
                self._stamp_ns = stamp_ns
                bundle = verify_bundle(
                    self._path.read_bytes(), [self._trusted], self._clock.now(), "rulebook", self._version
                )
                self._rulebook = parse_rulebook(bundle.body)
                self._version = bundle.version
        except OSError as error:
            _log.warning("rulebook_missing", reason=type(error).__name__)
        except (BundleRefused, RulebookRefused) as error:
            _log.error("rulebook_refused", code=error.code)
        return self._rulebook


@dataclass(frozen=True, slots=True)
class Preview:
    """Sentences for the page; `filled_ratio` is value over allowance (None where no bar makes sense). Empty: nothing to say."""

    sentences: tuple[str, ...] = ()
    source: str = ""
    is_over: bool = False
    filled_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Luggage:
    """What is asked about.

    `declared` is a whole declaration of which a corridor can be told; `on` the day of crossing, None for today; `travellers` how many
    persons stand on the declaration, whose allowances the rulebook may put together.
    """

    direction: Direction
    mode: TravelMode
    goods: Sequence[DeclaredGoods] = ()
    cash: Sequence[Money] = ()
    days_abroad: int | None = None
    on: date | None = None
    declared: Declaration | None = None
    travellers: int = 1

    @classmethod
    def of(cls, direction: Direction, mode: TravelMode, fields: DeclarationFields) -> Luggage:
        """Return what a complete declaration says, before it is issued."""
        declared = Declaration(
            token_id=b"",
            reference="",
            issued_at=_NO_TIME,
            expires_at=_NO_TIME,
            direction=direction,
            mode=mode,
            goods=fields.goods,
            cash=fields.cash,
            companions=tuple(Companion(one.name, one.relation, one.date_of_birth, b"") for one in fields.companions),
            seal_ids=fields.seal_ids,
            vehicles=fields.vehicles,
            phone_imeis=fields.phone_imeis,
            unaccompanied=UnaccompaniedGoods("", fields.unaccompanied) if fields.unaccompanied else None,
        )
        return cls(direction, mode, fields.goods, fields.cash, declared=declared, travellers=declared.travellers)


def preview(rulebook: Rulebook | None, luggage: Luggage, today: date, words: Catalogue) -> Preview:
    """Return what the rules say about `luggage` on its day of crossing, a local date; `today` where none was named."""
    on = luggage.on or today
    is_bare = luggage.declared is None or luggage.declared.nothing_to_declare
    if not (luggage.goods or luggage.cash) and is_bare:
        return Preview()
    if rulebook is None:
        return Preview((words.text("meter.no_rule"),))
    sentences: list[str] = []
    rules: list[Rule] = []
    is_over = False
    filled_ratio = None
    if luggage.goods:
        charge = duty(
            rulebook,
            luggage.direction,
            luggage.mode,
            on,
            luggage.goods,
            luggage.days_abroad,
            travellers=luggage.travellers,
        )
        sentences += _goods_sentences(charge, words)
        rules += charge.rules
        is_over = charge.is_for_an_officer or charge.excess.amount_minor > 0
        if not charge.missing:
            filled_ratio = charge.value.amount_minor / max(1, charge.allowance.amount_minor)
    rate_days: list[date] = []
    if luggage.cash:
        sums = cash(rulebook, luggage.direction, on, luggage.cash)
        sentences += _cash_sentences(sums, words)
        rate_days = [rate.on for rate in sums.rates]
        rules += [sums.limit] if isinstance(sums.limit, Rule) else []
        is_over = is_over or sums.is_over or bool(sums.currencies_without_rate) or isinstance(sums.limit, RuleNotFound)
    if luggage.declared is not None:
        answer = corridor(rulebook, luggage.direction, luggage.mode, on, luggage.declared)
        sentences.append(words.text(f"meter.corridor_{answer.corridor}"))
        is_over = is_over or answer.corridor is Corridor.RED
    if any(rule.certainty != "high" for rule in rules):
        sentences.append(words.text("meter.uncertain"))
    version = digits_text(str(rulebook.version), words.language)
    source = (
        words.text("meter.source", version=version, rate_date=day_text(min(rate_days), words.language))
        if rate_days
        else words.text("meter.source_no_rates", version=version)
    )
    return Preview(tuple(sentences), source, is_over, filled_ratio)


def _goods_sentences(charge: DutyAnswer, words: Catalogue) -> list[str]:
    if charge.missing:
        return [words.text("meter.no_rule")]
    value, allowance = (money_text(money, words.language) for money in (charge.value, charge.allowance))
    unsaid = [words.text("meter.no_quantity", kind=kind_text(kind, words)) for kind in charge.without_quantity]
    if charge.excess.amount_minor == 0:
        return [words.text("meter.within", value=value, allowance=allowance), *unsaid]
    return [
        words.text(
            "meter.over" if charge.is_over_value else "meter.over_quantity",
            value=value,
            allowance=allowance,
            excess=money_text(charge.excess, words.language),
        ),
        words.text("meter.due", due=money_text(charge.due, words.language)),
        *unsaid,
    ]


def _cash_sentences(sums: CashAnswer, words: Catalogue) -> list[str]:
    if isinstance(sums.limit, RuleNotFound):
        return [words.text("meter.no_rule")]
    without_rate = [words.text("meter.cash_no_rate", currency=currency) for currency in sums.currencies_without_rate]
    if without_rate and not sums.is_over:
        return without_rate
    key = "meter.cash_over" if sums.is_over else "meter.cash_within"
    total = money_text(sums.total, words.language)
    return [
        words.text(
            key, value=total, threshold=money_text(Money(sums.limit.value, sums.total.currency), words.language)
        ),
        *without_rate,
    ]
