"""A3 Malaysia's uCustoms had two codes that could not read each other's: here the old and the new one pass the same gate in one run."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drivers import contracts as dc
from gate_agent.domain.crossing import Corridor, PassageOutcome
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode, Vehicle
from gate_agent.domain.money import Money
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.inspection.token_format import TokenClaims, document_binding, encode
from tests.unit.test_lane_controller import Lane, lane, specimen

KEY = Ed25519PrivateKey.generate()


def code(reference: str, person: object, **changes: object) -> str:
    """Return a signed declaration; the format is the lowest that holds it."""
    now = datetime.now(UTC).replace(microsecond=0)
    declared = Declaration(
        token_id=reference.encode().ljust(16, b"."), reference=reference, issued_at=now - timedelta(hours=1),
        expires_at=now + timedelta(hours=71), direction=Direction.ENTRY, mode=TravelMode.AIR,
        goods=(DeclaredGoods("camera", Money(150_000, "USD"), 2_000),),
    )  # fmt: skip
    binding = document_binding(declared.token_id, person.issuing_state, person.document_number)
    return encode(TokenClaims("egate-portal", declared.issued_at, binding, replace(declared, **changes)), KEY)


async def walks_with(walk: Lane, text: str) -> None:
    """A traveller lays down his document, shows his code, is looked at and passes."""
    await walk.present()
    walk.event("barcode-1", dc.BarcodeRead(text.encode()))
    await walk.settle()
    await walk.inputs(1)
    await walk.look()
    await walk.inputs(0, passed=True)


async def test_malaysia_ucustoms_old_and_new_codes_pass_the_same_gate_in_one_run() -> None:
    async with lane() as walk:
        known, keys = walk.house.current, {key_identifier(KEY.public_key()): KEY.public_key()}
        walk.house.current = lambda: replace(known(), token_keys=keys)
        person = specimen(1, walk.controller.today)
        old = code("UTO-OLD-01", person)
        new = code("UTO-NEW-01", person, vehicles=(Vehicle("01A777AA", "UTO", "Lada"),))
        assert (old[:4], new[:4]) == ("EG1:", "EG2:")
        for text in (old, new, old.replace("EG1:", "EG9:")):
            await walks_with(walk, text)
        first, second = walk.house.crossings[:2]
        assert [one.declaration.reference for one in (first, second)] == ["UTO-OLD-01", "UTO-NEW-01"]
        assert [one.passage for one in (first, second)] == [PassageOutcome.PASSED] * 2
        assert [one.corridor for one in (first, second)] == [Corridor.RED] * 2, "the same goods, the same corridor"
        assert second.declaration.vehicles[0].plate == "01A777AA"
        assert all(
            one.declaration is None or one.declaration.reference != "UTO-OLD-01" for one in walk.house.decisions[2:]
        )
