"""An unlock from the gate's agent to a padlock that speaks at the post: real post, mutual TLS, real links; whoever dies, sent at most once."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from central_sync.bundles import sign_bundle
from central_sync.errors import OrderRefused, PostFault
from central_sync.identity import read_signing_key, read_verification_key
from central_sync.post.client import PostClient
from central_sync.post.directory import FILE_NAME, read_directory
from central_sync.post.own_officers import OwnOfficers
from central_sync.post.tls import gate_context
from central_sync.post.unlocks import (
    ORDER_VALID,
    OfficerAuthorisation,
    UnlockEnd,
    UnlockOrder,
    open_answer,
    order_body,
    sign_order,
)
from drivers.seal_tracker.jt808_twin import Jt808SealTwin
from gate_agent.app.seal_unlocks import SealUnlocks
from gate_agent.app.seal_watch import SealWatch
from gate_agent.clock import SystemClock
from gate_agent.demo.site import free_ports
from gate_agent.lane.authorisation import OfficerRecord, OfficerRole, judge
from gate_agent.provisioning import provision
from gate_agent.web.lane_api_messages import ActionAnswer
from gate_agent.web.officer_keys import unlock_officer_key
from tests.scenario.border_post import Gate, PostProcess, make_site, running_post, two_gates, until
from tests.unit.unlock_authority import payload, signed

KEYS: dict[str, Ed25519PrivateKey] = {}
"""The officers' keys of the site that was made last."""

SEAL, OTHER_SEAL = "990000000007", "990000000008"
NOT_SENT, NO_ANSWER = "EG-LAN-005", "EG-LAN-007"


class UnlockingPost(PostProcess):
    allows = True

    def __init__(self, folder: Path, keys: Path) -> None:
        (self.seal_port,) = free_ports(1)
        models = '{ "99" = ["padlock", "vehicle_control"] }'
        options = (
            f'port = {self.seal_port}, protocol = "jt808", allow_unlock = {str(self.allows).lower()}, models = {models}'
        )
        device = f'[[post.device]]\nname = "seals"\ndriver = "seal_server"\noptions = {{ {options} }}\n'
        officers = {"customs-1": "customs_inspector", "guard-1": "guard"}
        site = {"country": "UTO", "site": "demo", "gate_id": "gate-1", "clock": SystemClock()}
        passwords = provision(keys.parent, officers=officers, **site).passwords
        for name, password in passwords.items():
            KEYS[name] = unlock_officer_key((keys / "officers" / f"{name}.json").read_bytes(), password)
        super().__init__(folder, keys, device)

    @contextlib.asynccontextmanager
    async def padlock(self, seal_id: str = SEAL) -> AsyncIterator[Jt808SealTwin]:
        twin = Jt808SealTwin(self.seal_port, SystemClock(), seal_id=seal_id, answer_s=20.0)
        await until(lambda: plugged(twin))
        try:
            await twin.tell(41.0, 69.0)
            yield twin
        finally:
            await twin.unplug()


async def plugged(twin: Jt808SealTwin) -> bool:
    """Plug a padlock in, once the post listens."""
    with contextlib.suppress(OSError):
        await twin.plug()
        return True
    await asyncio.sleep(0.05)
    return False


class StrictPost(UnlockingPost):
    allows = False


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[UnlockingPost]:
    async with running_post(tmp_path, UnlockingPost) as process:
        yield process


@pytest.fixture
async def gates(post: UnlockingPost, tmp_path: Path) -> AsyncIterator[tuple[Gate, Gate]]:
    async with two_gates(tmp_path, post) as pair:
        for gate in pair:
            await until(lambda gate=gate: may(gate))
        yield pair


async def may(gate: Gate) -> bool:
    return gate.orders.is_possible


def said(gate: Gate, seal_id: str = SEAL, officer_id: str = "customs-1", **changes) -> OfficerAuthorisation:
    """Return what an officer signed at the console of a gate just now."""
    changes = {"source": gate.store.source, "nonce": uuid.uuid4().hex} | changes
    return signed(payload(seal_id, datetime.now(UTC), **changes), officer_id, KEYS[officer_id])


class Officer:
    """What the console's button comes to at one gate, once the agent has verified the authorisation."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.watch = SealWatch(gate.clock, timedelta(hours=24))
        self.unlocks = SealUnlocks({}, self.watch, gate.store, timedelta(minutes=10), gate.orders)

    def orders(self, seal_id: str = SEAL) -> asyncio.Task[ActionAnswer]:
        signed_now = said(self.gate, seal_id)
        signatures = [(one.officer_id, one.signature_hex) for one in signed_now.signatures]
        records = {
            "customs-1": OfficerRecord(KEYS["customs-1"].public_key().public_bytes_raw(), OfficerRole.CUSTOMS_INSPECTOR)
        }
        verified = judge(signed_now.payload, signatures, self.gate.store.source, records, datetime.now(UTC))
        return asyncio.create_task(self.unlocks.unlock(verified))

    def is_by_leave(self, seal_id: str = SEAL) -> bool:
        """Return whether the last unlock of a seal gives leave to open it."""
        *_, mark = [mark for mark in self.watch.history(seal_id).marks if mark.kind == "unlock_seal"]
        return mark.until > datetime.now(UTC) + timedelta(minutes=5)


def wire(gate: Gate, **changes) -> bytes:
    """Return an order as `egate sync` of this gate would sign it."""
    values = {"order_id": uuid.uuid4(), "source": gate.store.source, "seal_id": SEAL, "authorisation": said(gate)}
    values["expires_at"] = datetime.now(UTC) + ORDER_VALID
    return sign_order(order_body(UnlockOrder(**(values | changes))), read_signing_key(gate.keys / "gate.key"))


def end_of(gate: Gate, answer: bytes) -> UnlockEnd:
    return open_answer(answer, read_directory(gate.keys / FILE_NAME).post_key).end


async def no_other_command(twin: Jt808SealTwin) -> None:
    """The padlock is heard once more, and all that the post sent it until then was no command."""
    waiting = asyncio.create_task(twin.command())
    done, _ = await asyncio.wait([waiting], timeout=0.5)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not done


async def test_an_officers_order_opens_the_padlock_and_its_answer_comes_back(post, gates):
    first, _ = gates
    officer = Officer(first)
    assert officer.unlocks.is_possible
    async with post.padlock() as twin:
        asked = officer.orders()
        twin.answer(await twin.command())
        answer = await asked
        assert (answer.accepted, answer.code) == (True, "accepted")
        assert officer.is_by_leave()
        asked = officer.orders()
        twin.answer(await twin.command(), is_locked=True)
        assert (await asked).code == "EG-LAN-006"
        assert (await officer.orders(OTHER_SEAL)).code == NOT_SENT, "no such seal speaks there"
        assert not officer.is_by_leave(OTHER_SEAL)


async def test_two_gates_at_once_and_one_seal_gets_one_command(post, gates):
    officers = [Officer(gate) for gate in gates]
    async with post.padlock() as twin, post.padlock(OTHER_SEAL) as other:
        asked = [officers[0].orders(SEAL), officers[1].orders(OTHER_SEAL)]
        for padlock in (twin, other):
            padlock.answer(await padlock.command())
        assert [(await one).accepted for one in asked] == [True, True]
        asked = [officer.orders(SEAL) for officer in officers]
        command = await twin.command()
        done, waiting = await asyncio.wait(asked, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert [one.result().code for one in done] == [NOT_SENT], "the other's order waits for its answer"
        twin.answer(command)
        assert [(await one).accepted for one in waiting] == [True]
        await no_other_command(twin)


async def test_what_is_forged_old_or_said_twice_moves_nothing(post, gates, tmp_path):
    first, second = gates
    async with post.padlock() as twin:
        once = wire(first)
        asked = asyncio.create_task(first.client.unlock(once))
        twin.answer(await twin.command())
        assert end_of(first, await asked) is UnlockEnd.CONFIRMED
        assert end_of(first, await first.client.unlock(once)) is UnlockEnd.CONFIRMED

        changed = once.replace(SEAL.encode(), OTHER_SEAL.encode())
        refused = [
            (second, once, "CS-ULK-002"),
            (second, wire(second, source=first.store.source), "CS-ULK-003"),
            (first, changed, "CS-ULK-002"),
            (first, wire(first, expires_at=datetime.now(UTC)), "CS-ULK-004"),
            (first, wire(first, expires_at=datetime.now(UTC) + timedelta(days=1)), "CS-ULK-004"),
            (first, b"open", "CS-ULK-001"),
        ]
        for gate, order, code in refused:
            with pytest.raises(OrderRefused) as refusal:
                await gate.client.unlock(order)
            assert refusal.value.code == code
        strange = make_site(tmp_path / "elsewhere")  # another site's gate, by the same name
        context = gate_context(read_directory(first.keys / FILE_NAME), strange / "gate.crt", strange / "gate.key")
        stranger = PostClient("127.0.0.1", post.port, context)
        with pytest.raises(PostFault):
            await stranger.unlock(once)
        await stranger.close()
        await no_other_command(twin)


async def test_a_gate_whose_officer_did_not_sign_unlocks_nothing(post, gates):
    """Whoever holds a gate's key and reaches the post's port still lacks the officer's."""
    first, second = gates
    own, now = said(first), datetime.now(UTC)
    forged = own.signatures[0].model_copy(update={"signature_hex": "0" * 128})
    other_name = own.signatures[0].model_copy(update={"officer_id": "guard-1"})
    refused = [
        (wire(first, authorisation=own.model_copy(update={"signatures": (forged,)})), "CS-ULK-007"),
        (wire(first, authorisation=own.model_copy(update={"signatures": (other_name,)})), "CS-ULK-007"),
        (wire(first, authorisation=said(first, officer_id="guard-1")), "CS-ULK-007"),
        (wire(first, authorisation=said(second)), "CS-ULK-007"),
        (wire(first, authorisation=said(first, expires_at=(now - timedelta(seconds=1)).isoformat())), "CS-ULK-007"),
        (wire(first, authorisation=said(first, OTHER_SEAL)), "CS-ULK-008"),
    ]
    async with post.padlock() as twin:
        for order, code in refused:
            with pytest.raises(OrderRefused) as refusal:
                await first.client.unlock(order)
            assert refusal.value.code == code
        await no_other_command(twin)
        asked = asyncio.create_task(first.client.unlock(wire(first, authorisation=own)))
        twin.answer(await twin.command())
        assert end_of(first, await asked) is UnlockEnd.CONFIRMED
        with pytest.raises(OrderRefused) as refusal:
            await first.client.unlock(wire(first, authorisation=own))
        assert refusal.value.code == "CS-ULK-009"
        await no_other_command(twin)
    log = (post.folder / "post.log").read_text()
    assert log.count("unlock_not_authorised") == len(refused) + 1


async def test_a_post_that_does_not_know_the_officers_unlocks_nothing_and_says_so(post, gates):
    first, _ = gates
    roll = post.keys.parent / "bundles/officers.bundle"
    aside = roll.rename(roll.with_name("aside"))
    await post.kill()
    await post.start()
    await until(lambda: may_not(first))
    async with post.padlock() as twin:
        with pytest.raises(OrderRefused) as refusal:
            await first.client.unlock(wire(first))
        assert refusal.value.code == "CS-ULK-007"
        aside.rename(roll)  # put there while the post runs
        await until(lambda: may(first))
        asked = asyncio.create_task(first.client.unlock(wire(first)))
        twin.answer(await twin.command())
        assert end_of(first, await asked) is UnlockEnd.CONFIRMED


async def test_a_gate_tells_the_post_of_an_inspector_who_left(post, gates, tmp_path):
    first, _ = gates
    bundles = tmp_path / "newer"
    bundles.mkdir()
    now, key = datetime.now(UTC), read_signing_key(post.keys / "centre.key")
    body = {"officers": []}
    wired = sign_bundle("officers", 1000, now, now + timedelta(days=1), body, key)
    (bundles / "officers.bundle").write_bytes(wired)
    await first.disconnect()
    first.officers = OwnOfficers(bundles, read_verification_key(post.keys / "centre.pub"))
    first.connect()
    await until(lambda: holds(first, 1000))
    await until(lambda: may_not(first))
    async with post.padlock() as twin:
        with pytest.raises(OrderRefused) as refusal:
            await first.client.unlock(wire(first))
        assert refusal.value.code == "CS-ULK-007"
        await no_other_command(twin)
    await post.kill()
    await post.start()
    await until(lambda: holds(first, 1000))  # it outlives the post's process
    with pytest.raises(PostFault):
        await first.client.bring_officers((post.keys.parent / "bundles/officers.bundle").read_bytes())  # an older one


async def holds(gate: Gate, version: int) -> bool:
    with contextlib.suppress(PostFault):
        return (await gate.client.state()).officers_version == version
    return False


async def may_not(gate: Gate) -> bool:
    return not gate.orders.is_possible


async def test_a_post_that_dies_between_order_and_answer_leaves_it_undetermined_and_never_sends_again(post, gates):
    first, _ = gates
    officer = Officer(first)
    async with post.padlock() as twin:
        own = wire(first)
        direct = asyncio.create_task(first.client.unlock(own))
        await twin.command()
        # The same again through the agent, for another seal, so that both are under way.
        async with post.padlock(OTHER_SEAL) as other:
            asked = officer.orders(OTHER_SEAL)
            await other.command()
            await post.kill()
            assert (await asked).code == NO_ANSWER
            assert officer.is_by_leave(OTHER_SEAL), "it may have opened: nobody is accused of it"
        with pytest.raises(PostFault):
            await direct
    await post.start()
    async with post.padlock() as twin:
        assert end_of(first, await first.client.unlock(own)) is UnlockEnd.UNDETERMINED
        await no_other_command(twin)


async def test_a_link_cut_on_the_way_is_undetermined_and_one_that_was_away_before_sent_nothing(post, gates):
    first, _ = gates
    officer = Officer(first)
    async with post.padlock() as twin:
        asked = officer.orders()
        command = await twin.command()
        await first.disconnect()  # egate sync is killed while the padlock thinks
        twin.answer(command)
        assert (await asked).code == NO_ANSWER
        assert officer.is_by_leave()
        assert (await officer.orders()).code == NOT_SENT, "nobody fetched the order"
        assert not officer.is_by_leave()
        first.connect()
        await no_other_command(twin)
        await post.kill()
        assert (await officer.orders()).code == NOT_SENT, "no connection to the post stands"


async def test_a_post_that_does_not_allow_it_sends_nothing_even_when_ordered(tmp_path):
    async with (
        running_post(tmp_path, StrictPost) as post,
        two_gates(tmp_path, post) as (first, _),
        post.padlock() as twin,
    ):
        await until(lambda: hears(first))
        answer = await Officer(first).orders()
        assert (answer.code, first.orders.is_possible) == (NOT_SENT, False)
        assert end_of(first, await first.client.unlock(wire(first))) is UnlockEnd.NOT_SENT
        await no_other_command(twin)


async def hears(gate: Gate) -> bool:
    return "post/seals" in gate.statuses and gate.statuses["post/seals"].state == "ready"
