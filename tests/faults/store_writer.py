"""A gate's store at work in a process of its own, to be killed, cut and refused: `python -m tests.faults.store_writer FOLDER TRAVELLERS [SYNCHRONOUS]`.

The real store, with its thread, its schema and its pragmas; SYNCHRONOUS puts another value for its own, to show that these tests can see a loss.
A line on standard output says what was answered as committed, as a lane would act on it: the decision before the door, the crossing after it.
What the disk refuses is told as refused, and the next traveller comes.
"""

import asyncio
import os
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gate_agent.clock import SystemClock
from gate_agent.domain.crossing import Admission, Corridor, Crossing, DecidedBy, Decision, PassageOutcome, PolicyAnswer
from gate_agent.domain.declaration import Direction
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.errors import StoreFault
from gate_agent.store import Store, database
from tests.unit.utopian_documents import document

SEALING = X25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
CENTRE = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
GATE = SimpleNamespace(country="UTO", site="demo", gate_id="gate-1")
LIMITS = SimpleNamespace(keep_acknowledged_days=30, keep_receipts_days=1096, ballast_bytes=0)


def say(line: str) -> None:
    """One write of one line: whoever traces or reads this process sees it whole, after what it speaks of."""
    os.write(1, f"{line}\n".encode())


async def open_store(folder: Path) -> Store:
    return await Store.open(folder, SystemClock(), GATE, SEALING, LIMITS, centre_public_key=CENTRE)


def decided(number: int) -> Decision:
    now = SystemClock().now()
    return Decision(
        decision_id=uuid.uuid4(),
        transaction_id=uuid.uuid4(),
        lane_id=1,
        direction=Direction.ENTRY,
        decided_at=now,
        local_date=now.date(),
        decided_by=DecidedBy.MACHINE,
        answer=PolicyAnswer(Admission.RELEASE, (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),), Corridor.GREEN, ()),
        checks=(),
        document=document(10_000_000 + number),
        declaration=None,
    )


def crossed(decision: Decision) -> Crossing:
    now = SystemClock().now()
    return Crossing(
        crossing_id=uuid.uuid4(),
        transaction_id=decision.transaction_id,
        decision_id=decision.decision_id,
        lane_id=1,
        direction=decision.direction,
        occurred_at=now,
        local_date=now.date(),
        passage=PassageOutcome.PASSED,
        document=decision.document,
        declaration=None,
        corridor=Corridor.GREEN,
    )


async def pass_through(store: Store, number: int) -> None:
    decision = decided(number)
    await store.commit_decision(decision)
    say(f"accepted {decision.decision_id}")
    crossing = crossed(decision)
    await store.commit_crossing(crossing)
    say(f"accepted {crossing.crossing_id}")


async def work(folder: Path, travellers: int) -> None:
    store = None
    for number in range(travellers):
        try:
            store = store or await open_store(folder)
            await pass_through(store, number)
        except StoreFault as fault:
            say(f"refused {fault.code}")
    if store is not None:
        await store.close()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # standard output is for `say`
    if len(sys.argv) > 3:
        own = database._PRAGMAS
        assert "synchronous=FULL" in own
        database._PRAGMAS = tuple(
            f"synchronous={sys.argv[3]}" if one.startswith("synchronous=") else one for one in own
        )
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
