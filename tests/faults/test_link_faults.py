"""The link between gate and broker suffers, one fault after another, while travellers pass: every record arrives once, in the centre's own count.

The gate's store, its link, mosquitto and the centre are the real ones; a proxy on the loopback does what networks do. The numbers stand in the
table of `make faults`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from central_sync.transports.mqtt import MqttTransport
from central_sync.uplink import UplinkSettings
from tests.faults.conftest import Told
from tests.faults.link_proxy import Fault, LinkProxy
from tests.scenario.test_sync_scenario import (
    FAST,
    MOSQUITTO,
    Mosquitto,
    Scene,
    alarm_kinds,
    eventually,
    free_port,
    ledger,
    let_through,
    running,
)
from tests.whole_sweeps import SWEEPS_ARE_WHOLE

pytestmark = [
    pytest.mark.mosquitto,
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed"),
]

TRAVELLERS = 300 if SWEEPS_ARE_WHOLE else 30
RECORDS_OF_ONE = 4
SUFFERS_S = 10.0 if SWEEPS_ARE_WHOLE else 2.5
ARRIVES_S = 120.0

FAULTS = (
    Fault("900 ms and 20 kbit/s, 5 % tried again", delay_s=0.9, bits_per_s=20_000, lost=0.05),
    Fault("stalled", is_stalled=True),
    Fault("half open", is_half_open=True),
    Fault("every second PUBACK left out", without=2),
    Fault("every PUBACK left out", without=1),
)


@asynccontextmanager
async def crossing_gate(
    tmp_path: Path, settings: UplinkSettings = FAST
) -> AsyncIterator[tuple[LinkProxy, Callable[..., Awaitable[None]]]]:
    """Yield the proxy before a gate, and what lets the travellers through and waits until all arrived, counted."""
    scene = Scene(tmp_path)
    broker = Mosquitto(free_port(), tmp_path)
    await broker.start()
    proxy = LinkProxy(broker.port)
    await proxy.start()
    store, centre = await scene.open_store(), scene.centre(broker.port)
    await centre.start()
    transport = MqttTransport("127.0.0.1", proxy.port, "egate-UTO-demo-gate-1", keepalive_s=2, answer_patience_s=2.0)

    async def all_arrive(travellers: int = TRAVELLERS) -> None:
        for number in range(travellers):
            await let_through(store, number)
        await eventually(lambda: set(scene.states()) == {"acked"}, ARRIVES_S)
        assert sorted(ledger(centre)) == sorted(scene.outbox())
        assert alarm_kinds(centre) == set()

    try:
        async with running(scene.link(store, transport, settings=settings)):
            await eventually(lambda: transport.protocol != "")
            yield proxy, all_arrive
    finally:
        await centre.stop()
        await store.close()
        await proxy.stop()
        await broker.kill()


@pytest.mark.parametrize("fault", [pytest.param(fault, id=fault.name) for fault in FAULTS])
async def test_a_suffering_link_costs_no_record_and_doubles_none(fault: Fault, told: Told, tmp_path: Path) -> None:
    async with crossing_gate(tmp_path) as (proxy, all_arrive):

        async def suffers() -> None:
            proxy.suffer(fault)
            await asyncio.sleep(SUFFERS_S)
            proxy.heal()

        await asyncio.gather(suffers(), all_arrive())
        assert not fault.without or proxy.dropped > 0
    told(f"link: {fault.name}", "eGate", runs=1, accepted=TRAVELLERS * RECORDS_OF_ONE)


async def test_connections_that_are_reset_in_the_middle_of_a_packet(told: Told, tmp_path: Path) -> None:
    resets = 20 if SWEEPS_ARE_WHOLE else 5
    async with crossing_gate(tmp_path) as (proxy, all_arrive):

        async def suffers() -> None:
            proxy.suffer(Fault("slow", bits_per_s=400_000))  # so that a packet is on its way when the connection goes
            for _ in range(resets):
                await asyncio.sleep(0.4)
                proxy.reset()
            proxy.heal()

        await asyncio.gather(suffers(), all_arrive())
    told("link: reset in the middle of a packet", "eGate", runs=resets, accepted=TRAVELLERS * RECORDS_OF_ONE)


async def test_answers_that_never_come_do_not_use_up_the_link(tmp_path: Path) -> None:
    """A broker that takes everything in and acknowledges nothing, for as long as the link lives: the centre's own word is what counts."""
    one_by_one = replace(FAST, batch_records=1)
    async with crossing_gate(tmp_path, one_by_one) as (proxy, all_arrive):
        proxy.suffer(Fault("every PUBACK left out", without=1))
        await all_arrive(60)  # more publications than paho leaves unanswered
        assert proxy.dropped > 100
