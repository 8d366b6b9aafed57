"""Declaration codes at the gate: decode, verify and bind, without network, against the `cwt` package that only verifies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import base45
import cwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gate_agent.cli.bench import BenchRow
from gate_agent.domain.declaration import (
    Declaration,
    DeclaredGoods,
    Direction,
    TravelMode,
    UnaccompaniedGoods,
    Vehicle,
)
from gate_agent.domain.money import Money
from gate_agent.domain.travel_document import MrzFormat, TravelDocument
from gate_agent.inspection.declaration_token import bind, verify_token
from gate_agent.inspection.signed_code import key_identifier
from gate_agent.inspection.token_format import TokenClaims, document_binding, encode

NAME = "token"
ROUNDS = 300
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
TOKEN_ID = bytes(range(16))


def run() -> list[BenchRow]:
    """Measure both versions: nothing to declare, and ten lines with vehicle, phone and goods that follow."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    trusted = {key_identifier(key.public_key()): key.public_key()}
    document = TravelDocument(
        MrzFormat.TD3, "P", "UTO", "L898902C3", "UTO", "SPECIMEN", "ANNA", False, None, "740812", "F",
        date(2030, 4, 15), "", "", (),
    )  # fmt: skip
    bare = Declaration(TOKEN_ID, "7K3M-92QF", NOW, NOW + timedelta(hours=72), Direction.ENTRY, TravelMode.AIR)
    full = replace(
        bare,
        goods=tuple(
            DeclaredGoods(f"goods {n}", Money(12_000 + n, "USD"), 900, "alcohol", 1_000 + n) for n in range(10)
        ),
        cash=(Money(1_500_000, "USD"),),
        vehicles=(Vehicle("01A777AA", "UTO", "Lada"),),
        phone_imeis=("490154203237518",),
        unaccompanied=UnaccompaniedGoods("7K3M-92QF-U", ("books",), date(2026, 8, 28)),
    )
    public = cwt.COSEKey.new(
        {1: 1, -1: 6, 3: -8, 2: key_identifier(key.public_key()), -2: key.public_key().public_bytes_raw()}
    )
    cose = cwt.COSE.new()
    rows = []
    for name, declared in (("nothing to declare (EG1)", bare), ("ten lines and more (EG2)", full)):
        claims = TokenClaims("egate-portal", NOW, document_binding(TOKEN_ID, "UTO", "L898902C3"), declared)
        payload = encode(claims, key).encode()
        ours = _median_ms(
            lambda payload=payload: bind(verify_token(payload, trusted, NOW), document, already_used=False)
        )
        peer = _median_ms(lambda payload=payload: cose.decode(base45.b45decode(payload[4:]), public))
        rows.append(
            BenchRow(f"verify and bind, {name}, {len(payload)} bytes", ours, peer, ours / peer, "ms (less is better)")
        )
    return rows


def _median_ms(measured: Callable[[], object]) -> float:
    spent = []
    for _ in range(ROUNDS):
        started_s = time.process_time()
        measured()
        spent.append((time.process_time() - started_s) * 1000)
    return sorted(spent)[ROUNDS // 2]
