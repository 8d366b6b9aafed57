"""Whose documents can be proven with a trust bundle, weighted by who travels: what an operator must know before gates open.

Traffic is what the operator counts, as CSV with a header: `state,travellers`, the state by its ICAO code (three letters, `D` for Germany).
Lines that begin with `#` are comments. This program comes with no such figures.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gate_agent.domain.states import STATE_CODES, three_letter, two_letter
from gate_agent.inspection.certificate_reading import Certificate
from gate_agent.inspection.trust_bundle import TrustBundle

_TRAFFIC_LIMIT_BYTES = 1_048_576
REVOCATION_UNKNOWN = "revocation_unknown"


class TrafficMalformed(ValueError):
    """A file that is no list of travellers by state."""


@dataclass(frozen=True, slots=True)
class StateCoverage:
    """One nationality. `share` of all traffic, None without figures; `cumulative_share`: covered with this and all rows before it.

    `certificates`: issuers' and signers' certificates held; `is_revocation_current`: a revocation list that holds now. `obstacles` say why
    nobody of this state can reach green; empty when one can.
    """

    state: str
    countries: tuple[str, ...]
    certificates: int
    is_revocation_current: bool
    share: float | None
    cumulative_share: float | None
    obstacles: tuple[str, ...]

    @property
    def reaches_green(self) -> bool:
        """Whether a sound document of this state passes the checks that need certificates."""
        return not self.obstacles

    @property
    def is_held_back_by_revocation(self) -> bool:
        """Whether nothing but a current revocation list is missing."""
        return self.obstacles == (REVOCATION_UNKNOWN,)


@dataclass(frozen=True, slots=True)
class CoverageSummary:
    """All rows in a few numbers. `held_back_by_revocation`: states that lack a current revocation list and nothing else."""

    states: int
    reach_green: int
    held_back_by_revocation: int
    revocation_lists: int

    @property
    def text(self) -> str:
        """One sentence on what revocation lists keep from green; empty where they keep nobody."""
        if not self.held_back_by_revocation:
            return ""
        held = (
            "no revocation list is held"
            if not self.revocation_lists
            else f"{self.revocation_lists} revocation lists are held"
        )
        states = f"{self.held_back_by_revocation} state{'' if self.held_back_by_revocation == 1 else 's'}"
        return f"{held}: {states} would reach green with `--revocation advisory`"


def summary_of(rows: Sequence[StateCoverage], revocation_lists: int) -> CoverageSummary:
    """Count rows; `revocation_lists`: how many lists the bundle holds, current or not."""
    return CoverageSummary(
        len(rows),
        sum(row.reaches_green for row in rows),
        sum(row.is_held_back_by_revocation for row in rows),
        revocation_lists,
    )


def read_traffic(content: bytes) -> dict[str, float]:
    """Return travellers by ICAO state code. Raises `TrafficMalformed`."""
    if len(content) > _TRAFFIC_LIMIT_BYTES:
        raise TrafficMalformed(f"{len(content)} bytes of traffic")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TrafficMalformed("not UTF-8") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = csv.DictReader(lines)
    if not rows.fieldnames or not {"state", "travellers"} <= set(rows.fieldnames):
        raise TrafficMalformed("the first line must name the columns state and travellers")
    traffic: dict[str, float] = {}
    for row in rows:
        state = (row["state"] or "").strip().upper().rstrip("<")
        try:
            travellers = float(row["travellers"] or "")
        except ValueError as error:
            raise TrafficMalformed(f"{state}: {row['travellers']!r} is no number of travellers") from error
        if state in traffic or not 0 <= travellers < 1e12:
            raise TrafficMalformed(f"{state} stands twice, or with an impossible number")
        traffic[state] = travellers
    return traffic


def coverage(
    bundle: TrustBundle,
    traffic: Mapping[str, float] | None,
    now: datetime,
    *,
    needs_revocation: bool = True,
    age_limit_days: float,
) -> tuple[StateCoverage, ...]:
    """Return every state with traffic or certificates, the greatest share first."""
    weights = {} if traffic is None else dict(traffic)
    states = set(weights) | {state for country in bundle.store.countries for state in three_letter(country)}
    total = sum(weights.values())
    is_stale = bundle.is_stale(now, age_limit_days)
    rows, covered = [], 0.0
    for state in sorted(states, key=lambda code: (-weights.get(code, 0.0), code)):
        countries = tuple(sorted(two_letter(state)))
        certificates = [one for country in countries for one in _held_of(bundle, country)]
        is_current = any(_is_cleared(bundle, country, now) for country in countries)
        obstacles = []
        if state not in STATE_CODES:
            obstacles.append("state_code_unknown")
        elif not certificates:
            obstacles.append("issuer_not_covered")
        elif needs_revocation and not is_current:
            obstacles.append(REVOCATION_UNKNOWN)
        if is_stale and certificates:
            obstacles.append("trust_bundle_stale")
        share = weights.get(state, 0.0) / total if total else None
        if share is not None and not obstacles:
            covered += share
        cumulative = None if share is None else round(covered, 6)
        rows.append(
            StateCoverage(
                state,
                countries,
                len(certificates),
                is_current,
                None if share is None else round(share, 6),
                cumulative,
                tuple(obstacles),
            )
        )
    return tuple(rows)


def _held_of(bundle: TrustBundle, country: str) -> list[Certificate]:
    return [entry.certificate for entry in bundle.store.held if entry.certificate.country == country]


def _is_cleared(bundle: TrustBundle, country: str, now: datetime) -> bool:
    return any(one.country == country and one.is_current(now) for one in bundle.store.revocation_lists)
