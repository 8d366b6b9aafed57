"""The driver contract once more, with every driver hosted on a Unix socket: nothing of it may be lost on the way."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from drivers import contracts
from drivers.contracts import DeviceState, FrameCaptured, Payload
from drivers.hosted.barrier_client import HostedBarrier
from drivers.hosted.clients import HostedCamera, HostedChipReader, HostedPrinter, HostedReader
from drivers.hosted.messages import ToldPayload
from tests.contract.hosted_here import HostedHere
from tests.contract.test_driver_contract import (  # noqa: F401 - the suite itself
    CLOCK,
    RIGS,
    Bench,
    test_absent_until_the_first_plug_then_ready,
    test_an_unforeseen_exception_becomes_a_fault_and_it_recovers,
    test_cancel_leaves_no_task_and_no_descriptor,
    test_damaged_bytes_never_escape_and_it_recovers,
    test_it_tells_only_what_it_declared,
    test_mute_becomes_a_fault_after_dead_s_and_is_cleared,
    test_seq_has_no_gaps_and_time_runs_forward,
    test_unplug_is_detected_and_replug_is_ready_again,
)

HOSTED = sorted(set(RIGS) - {"example_reader"})


class HostedBench(Bench):
    """The bench with the driver on a host; what the suite does to the driver itself is done there."""

    def start(self) -> None:
        self.driver = _Both(HostedHere(self.rig.driver, "device", self.rig.options(), self.events.append, CLOCK))
        self.task = asyncio.create_task(self.driver.run())

    async def stir(self) -> Any:
        """Stir only when what the device told before has arrived: it would be taken for the answer to the stir."""
        await asyncio.sleep(0.06)
        return await super().stir()


class _Both:
    """The agent's side, but for `received`, which is the driver's."""

    def __init__(self, here: HostedHere) -> None:
        object.__setattr__(self, "here", here)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.here.driver if name == "received" else self.here, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.here.driver, name, value)


@pytest.fixture(params=HOSTED)
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    rig = await RIGS[request.param](tmp_path)
    running = HostedBench(rig)
    yield running
    await running.stop()
    await rig.close()


async def test_the_host_loses_no_number_and_keeps_the_stamps(bench: Bench) -> None:
    await bench.ready()
    for _ in range(10):
        await bench.stir()
    stamps = [event.t_mono_s for event in bench.events if isinstance(event.data, bench.rig.told)]
    assert [event.seq for event in bench.events] == list(range(1, len(bench.events) + 1))
    assert bench.driver.state is DeviceState.READY
    assert all(stamp <= CLOCK.monotonic_s() for stamp in stamps)


def test_every_payload_of_the_contract_travels() -> None:
    assert set(ToldPayload.__args__) | {FrameCaptured} == set(Payload.__args__)


CLIENTS = {
    contracts.BarrierDriver: HostedBarrier,
    contracts.CameraDriver: HostedCamera,
    contracts.ReaderDriver: HostedReader,
    contracts.ChipDriver: HostedChipReader,
    contracts.PrinterDriver: HostedPrinter,
}


def test_every_command_of_the_contract_can_be_given_to_a_hosted_device() -> None:
    """A new command needs a message, a line in `carrying` and a method of the agent's driver."""
    protocols = {
        one for one in vars(contracts).values() if isinstance(one, type) and contracts.Driver in one.__mro__[1:]
    }
    assert protocols == CLIENTS.keys()
    for protocol, client in CLIENTS.items():
        methods = {name for name, one in vars(protocol).items() if callable(one) and not name.startswith("_")}
        assert methods <= {name for name in dir(client) if not name.startswith("_")}, protocol
        for name in methods:
            ours, asked = (
                list(inspect.signature(getattr(one, name)).parameters.values()) for one in (client, protocol)
            )
            assert [(one.name, one.kind, one.default) for one in ours] == [
                (one.name, one.kind, one.default) for one in asked
            ]
