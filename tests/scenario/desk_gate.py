"""A gate whose desks are real: store, rulebook, signatures, lane API and console pages; travellers are committed as a lane commits them."""

from __future__ import annotations

import functools
import json
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from central_sync.messages import InspectionV1, read_record
from gate_agent.app.appeals import Appeals
from gate_agent.app.customs_desk import CustomsDesk, DeskKnowledge
from gate_agent.app.lane_source import GateSource
from gate_agent.app.receipts import Receipts
from gate_agent.app.seal_unlocks import SealUnlocks
from gate_agent.app.seal_watch import SealWatch
from gate_agent.app.surroundings_side import SurroundingsSide
from gate_agent.app.xray_results import XrayResults
from gate_agent.cli.console import console_app
from gate_agent.closing_order import ClosingOrder
from gate_agent.domain.crossing import Admission, Crossing, DecidedBy, Decision, PassageOutcome, PolicyAnswer
from gate_agent.domain.declaration import Declaration, DeclaredGoods, Direction, TravelMode
from gate_agent.domain.identifiers import uuid7
from gate_agent.domain.money import Money
from gate_agent.domain.reasons import Reason, ReasonCode
from gate_agent.domain.travel_document import TravelDocument
from gate_agent.lane.authorisation import ROLE_ACTIONS, AuthorisationVerifier, OfficerRecord, OfficerRole
from gate_agent.policy.agency_tasks import agency_tasks
from gate_agent.policy.corridor import corridor
from gate_agent.policy.rulebook import Rulebook
from gate_agent.policy.rulebook_format import packaged_rulebook_bytes, parse_rulebook
from gate_agent.settings import GateSettings, PathSettings, Settings
from gate_agent.store import Store
from gate_agent.store.facts import Post
from gate_agent.web import lane_api_messages as m
from gate_agent.web.appeal_api import add_appeal_routes
from gate_agent.web.auth import OfficerProfile, offered_actions
from gate_agent.web.desk_api import add_desk_routes
from gate_agent.web.i18n import TRAVELLER_LANGUAGES, load_catalogues
from gate_agent.web.lane_api import create_app
from gate_agent.web.officer_keys import create_officer_key, unlock_officer_key
from gate_agent.web.pages import serving
from tests.unit.hand_clock import HandClock
from tests.unit.utopian_documents import document

PASSWORD = "correct horse battery"
ROLES = {
    "guard-1": "guard",
    "supervisor-1": "supervisor",
    "customs-1": "customs_inspector",
    "health-1": "health_officer",
    "quarantine-1": "quarantine_officer",
    "technician-1": "technician",
}
NOW = datetime(2026, 6, 15, 9, 0, tzinfo=UTC)
RULES = parse_rulebook(json.loads(packaged_rulebook_bytes()))


@functools.cache
def officer_key(officer_id: str) -> tuple[bytes, Ed25519PrivateKey]:
    """Return an officer's key file and key, the same for all gates of a run: making one is slow on purpose."""
    content, _public = create_officer_key(officer_id, PASSWORD)
    return content, unlock_officer_key(content, PASSWORD)


class DeskClock(HandClock):
    """Stands on the day of these tests until it is turned."""

    def __init__(self, now: datetime = NOW) -> None:
        super().__init__(now)


def declaration(reference: str, *goods: DeclaredGoods, **changes: Any) -> Declaration:
    values = {
        "token_id": reference.encode(),
        "reference": reference,
        "issued_at": NOW,
        "expires_at": NOW + timedelta(hours=72),
        "direction": Direction.ENTRY,
        "mode": TravelMode.AIR,
        "goods": goods,
    }
    return Declaration(**(values | changes))


def goods(what: str, dollars: float, kg: float = 1.0, kind: str = "", quantity: int | None = None) -> DeclaredGoods:
    return DeclaredGoods(what, Money(round(dollars * 100), "USD"), round(kg * 1000), kind, quantity)


class DeskGate:
    """One gate. `open` with a folder, or with that of a gate that ended before: its store is found again.

    `roles`: the officers; making the key of one takes a while.
    """

    def __init__(
        self,
        folder: Path,
        clock: Any,
        *,
        gate_id: str = "gate-1",
        rulebook: Rulebook = RULES,
        post: Post | None = None,
        overdue_min: float = 20.0,
        roles: Mapping[str, str] = ROLES,
    ) -> None:
        self.folder, self.clock, self.rulebook, self.post = folder, clock, rulebook, post
        self.roles = roles
        self.gate = GateSettings(country="UTO", site="demo", gate_id=gate_id)
        self.settings = Settings(
            gate=self.gate, paths=PathSettings(run=folder, keys=folder / "keys", state=folder / "state")
        )
        self.overdue = timedelta(minutes=overdue_min)
        self.stack = AsyncExitStack()
        self.keys: dict[str, Ed25519PrivateKey] = {}
        self.seal_servers: dict[str, Any] = {}
        """None at first: an unlock that is allowed gets as far as that."""
        self.sealing = X25519PrivateKey.generate()
        self.centre = Ed25519PrivateKey.generate()

    async def open(self) -> DeskGate:
        officers = self.folder / "keys" / "officers"
        officers.mkdir(parents=True, exist_ok=True)
        records = {}
        for officer_id, role in self.roles.items():
            content, key = officer_key(officer_id)
            (officers / f"{officer_id}.json").write_bytes(content)
            self.keys[officer_id] = key
            records[officer_id] = OfficerRecord(key.public_key().public_bytes_raw(), OfficerRole(role), officer_id)
        limits = SimpleNamespace(keep_acknowledged_days=30, keep_receipts_days=30, ballast_bytes=0)
        self.store = await Store.open(
            self.folder / "state", self.clock, self.gate, self.sealing.public_key(), limits,
            centre_public_key=self.centre.public_key(), post=self.post, time_zone=ZoneInfo(self.gate.time_zone),
        )  # fmt: skip
        self.xray = XrayResults(timedelta(minutes=30))
        receipts = Receipts({}, {}, {}, load_catalogues("traveller", TRAVELLER_LANGUAGES), self._changed, self.store)
        self.around = SurroundingsSide(self.settings, {}, self.store, receipts, self.xray, self.clock, self._changed)
        self.desk = CustomsDesk(
            self.store.desk,
            DeskKnowledge(
                lambda: self.rulebook,
                self.settings.gate.mode_for,
                self.overdue,
                SealWatch(self.clock, timedelta(hours=24)),
            ),
            self.clock,
            self.around.tasks,
            self.around.tell,
        )
        await self.desk.refresh()
        knowledge = SimpleNamespace(
            current=lambda: SimpleNamespace(rulebook=self.rulebook, watchlist_version=1), seals=None, seals_arrived=None
        )
        verifier = AuthorisationVerifier(self.gate.source, records, self.clock, self.store.remember_nonce)
        self.appeals = Appeals(self.store.selection, lambda: self.rulebook, self.clock, "UTC")
        unlocks = SealUnlocks(
            self.seal_servers, SealWatch(self.clock, timedelta(hours=24)), self.store, timedelta(minutes=10)
        )
        self.source = GateSource(
            self.settings,
            {},
            {},
            verifier,
            knowledge,
            self.desk,
            self.clock,
            self.around,
            unlocks=unlocks,
            appeals=self.appeals,
        )
        return self

    async def serve(self) -> str:
        """Serve lane API and console; return the console's address."""
        api = create_app(self.source)
        add_desk_routes(api, self.desk)
        add_appeal_routes(api, self.appeals)
        await self.stack.enter_async_context(serving(api, uds=self.folder / "lane.sock"))

        def profile(officer_id: str) -> OfficerProfile | None:
            role = self.roles.get(officer_id)
            return role and OfficerProfile(officer_id, role, officer_id, offered_actions(role, ROLE_ACTIONS))

        app = console_app(self.settings, profile=profile, unlock=unlock_officer_key, clock=self.clock)
        self.address = await self.stack.enter_async_context(serving(app))
        return self.address

    async def close(self) -> None:
        self.source.changes.close()
        await self.stack.aclose()
        await self.store.close()

    def _changed(self) -> None:
        if hasattr(self, "source"):
            self.source.changed()

    async def pass_through(
        self,
        declared: Declaration | None = None,
        holder: TravelDocument | None = None,
        *,
        direction: Direction = Direction.ENTRY,
        lane_id: int = 1,
        passed: bool = True,
        receipt: str = "",
    ) -> uuid.UUID:
        """Let a traveller be judged by the rulebook, decided and passed, as a lane does it; return the transaction."""
        at, today = self.clock.now(), self.clock.now().date()
        mode = declared.mode if declared else TravelMode.AIR
        judged = corridor(self.rulebook, direction, mode, today, declared)
        answer = PolicyAnswer(
            Admission.RELEASE, (Reason(ReasonCode.ALL_CHECKS_SUCCESSFUL),), judged.corridor, judged.reasons, judged.rules,
            self.rulebook.version, agency_tasks(self.rulebook, today, judged.corridor, judged.found),
        )  # fmt: skip
        transaction = uuid7(int(at.timestamp() * 1000))
        decision = Decision(
            decision_id=uuid.uuid4(), transaction_id=transaction, lane_id=lane_id, direction=direction, decided_at=at,
            local_date=today, decided_by=DecidedBy.MACHINE, answer=answer, checks=(), document=holder, declaration=declared,
        )  # fmt: skip
        await self.store.commit_decision(decision)
        if passed:
            await self.store.commit_crossing(
                Crossing(
                    crossing_id=uuid.uuid4(), transaction_id=transaction, decision_id=decision.decision_id,
                    lane_id=lane_id, direction=direction, occurred_at=at, local_date=today,
                    passage=PassageOutcome.PASSED, document=holder, declaration=declared, corridor=judged.corridor,
                    receipt=receipt,
                )
            )  # fmt: skip
        await self.desk.refresh()
        self.source.changed()
        return transaction

    async def close_task(self, task_id: uuid.UUID, order: ClosingOrder, *officers: str) -> m.ActionAnswer:
        """Sign a closing as a console does, with the keys of these officers."""
        now = self.clock.now()
        payload = m.Authorisation(
            authorisation_id=uuid.uuid4(), source=self.gate.source, lane_id=1, action=m.GuardAction.CLOSE_CUSTOMS_TASK,
            subject_id=task_id, reason_code=order.finding.value, closing=order, session_id="session-1234",
            nonce=uuid.uuid4().hex, issued_at=now, expires_at=now + timedelta(seconds=30),
        ).model_dump_json()  # fmt: skip
        signatures = [
            m.OfficerSignature(officer_id=one, signature_hex=self.keys[one].sign(payload.encode()).hex())
            for one in officers
        ]
        return await self.source.act(m.SignedAuthorisation(payload=payload, authorisers=signatures))

    def tasks(self, stop: uuid.UUID) -> dict[str, Any]:
        """Return a stop's tasks by agency, as the console hears of them."""
        return {one.agency: one for one in self.source.snapshot().customs_tasks if one.transaction_id == stop}

    async def records(self, kind: str) -> list[Any]:
        """Return the contents of this gate's records of a kind, in order."""
        bodies = []
        for lane in ("live", "backlog"):
            after = 0
            while (page := await self.store.next_batch(lane, 50, after)).rows:
                bodies += page.bodies()
                after = page.bodies()[-1].seq
        found = [read_record(row.body) for row in sorted(bodies, key=lambda row: row.seq)]
        return [record.content() for record in found if record.kind == kind]

    async def inspections(self) -> list[InspectionV1]:
        return await self.records("inspection")


def person(number: int, **changes: Any) -> TravelDocument:
    """Return a Utopian traveller's document."""
    return replace(document(number), **changes)


def sign_in(address: str, officer_id: str) -> httpx.Client:
    """Return a client that is signed in as a person's browser is; `csrf` stands in its headers."""
    client = httpx.Client(base_url=address, timeout=20.0)
    answer = client.post(
        "/guard/login", json={"officer_id": officer_id, "password": PASSWORD}, headers={"Accept": "application/json"}
    )
    assert answer.status_code == 200, answer.text
    client.headers["x-csrf-token"] = answer.json()["csrf"]
    return client
