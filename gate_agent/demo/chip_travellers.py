"""The travellers whose chips are the point: a copy, changed, signed by a stranger, revoked, of a state not covered, and lifted too early."""

from __future__ import annotations

import asyncio
import time

from gate_agent.demo.cast import Cast, Expected, Traveller, refer
from gate_agent.demo.stage import ENTRY, Observed

UNCOVERED_STATE = "XXZ"
"""Two letters X begin no state's code: of the range that ISO 3166 leaves to its users."""
_LIFTED_AT_APDU = 12  # in the middle of the files, after the chip was opened


async def _clone(cast: Cast) -> Observed:
    return await refer(cast, cast.person(19, chip="clone ca"), "document_doubt")


async def _changed_portrait(cast: Cast) -> Observed:
    return await refer(cast, cast.person(20, chip="wrong hash of portrait"), "document_doubt")


async def _unknown_signer(cast: Cast) -> Observed:
    return await refer(cast, cast.person(21, chip="unknown authority"), "document_doubt")


async def _revoked_signer(cast: Cast) -> Observed:
    return await refer(cast, cast.person(22, chip="revoked signer"), "document_doubt")


async def _uncovered_state(cast: Cast) -> Observed:
    return await refer(cast, cast.person(23, issuing_state=UNCOVERED_STATE), "traveller_request")


async def _lifted_too_early(cast: Cast) -> Observed:
    """Lift the document in the middle of the read, lay it down again as the screen asks, and walk on."""
    stage, person = cast.stage, cast.person(24)
    await stage.ready(ENTRY)
    begun_s = time.monotonic()
    await stage.present(ENTRY, person, lifted_at_apdu=_LIFTED_AT_APDU)
    twins = stage.twins(ENTRY)
    async with asyncio.timeout(10.0):
        await twins.chip.until_gone()
    twins.take_away()
    await stage.view.until(
        lambda snapshot: next((e for e in snapshot.lanes if e.lane_id == ENTRY and e.chip == "awaited"), None),
        10.0,
        "the broken read to be noticed",
    )
    observed = await stage.cross(person, is_in_lane=True)
    observed.seconds = time.monotonic() - begun_s
    return observed


CHIP_TRAVELLERS: tuple[Traveller, ...] = (
    Traveller(19, "copied chip", Expected("referred", reason="chip_authentication_failed"), _clone),
    Traveller(20, "portrait changed on the chip", Expected("referred", reason="data_group_changed"), _changed_portrait),
    Traveller(21, "chip signed by a stranger", Expected("referred", reason="csca_unknown"), _unknown_signer),
    Traveller(22, "chip's signer revoked", Expected("referred", reason="certificate_revoked"), _revoked_signer),
    Traveller(23, "state without certificates", Expected("referred", reason="issuer_not_covered"), _uncovered_state),
    Traveller(24, "document lifted too early", Expected("released", corridor="green"), _lifted_too_early),
)
