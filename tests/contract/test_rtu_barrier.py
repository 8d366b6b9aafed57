"""The barrier driver on a serial line: what a line without transaction numbers can do to a release, and a second party on the wire."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.barrier.driver import ModbusBarrier, build_rtu
from drivers.barrier.errors import ModbusNoReply, ModbusRefused, ReleaseNotMade
from drivers.barrier.modbus import Adu, Function, Request, response_pdu
from drivers.barrier.modbus_client import ModbusClient, serial_wire
from drivers.barrier.modbus_rtu import RtuCodec
from drivers.barrier.twin import ModbusRtuBarrierTwin
from drivers.contracts import BarrierInputs, DeviceEvent, DeviceState, Door
from drivers.errors import OptionsRefused
from drivers.link import Link, SerialPort
from drivers.twin import PtyTwin
from gate_agent.clock import SystemClock


class Gate:
    def __init__(self, twin: ModbusRtuBarrierTwin, **options: object) -> None:
        self.twin = twin
        self.events: list[DeviceEvent] = []
        # A pty knows no parity, and a second opening that asks for it is refused by the C library.
        defaults: dict[str, object] = {"path": str(twin.path), "parity": "N", "poll_ms": 10, "reply_timeout_s": 0.1}
        self.driver: ModbusBarrier = build_rtu("barrier-1", defaults | options, self.events.append, SystemClock())
        self.task = asyncio.create_task(self.driver.run())

    def inputs(self) -> list[BarrierInputs]:
        return [event.data for event in self.events if isinstance(event.data, BarrierInputs)]

    def released(self) -> list[Door]:
        return [door for door, _ in self.twin.released_log]

    async def until(self, is_met: Callable[[], object], seconds: float = 3.0) -> None:
        async with asyncio.timeout(seconds):
            while not is_met():
                await asyncio.sleep(0.002)

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest.fixture
async def twin(tmp_path: Path) -> AsyncIterator[ModbusRtuBarrierTwin]:
    made = ModbusRtuBarrierTwin(tmp_path / "box", transit_s=0.03, open_s=0.06, watchdog_s=0.6)
    await made.plug()
    yield made
    await made.stop()


@pytest.fixture
async def gate(twin: ModbusRtuBarrierTwin) -> AsyncIterator[Gate]:
    running = Gate(twin)
    await running.until(running.inputs)
    yield running
    await running.stop()


async def test_a_passage_over_a_serial_line(gate: Gate) -> None:
    assert not gate.twin.walk_in()
    await gate.driver.release(Door.ENTRANCE, 5.0)
    assert gate.released() == [Door.ENTRANCE]
    assert gate.twin.walk_in()
    await gate.until(lambda: gate.inputs()[-1].entrance_passages == 1 and gate.inputs()[-1].occupancy == 1)
    await gate.driver.release(Door.EXIT, 5.0)
    assert gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1 and gate.inputs()[-1].occupancy == 0)


async def test_a_lost_reply_is_read_back_and_never_pulses_twice(gate: Gate) -> None:
    gate.twin.lose_replies(1)
    await gate.driver.release(Door.EXIT, 5.0)
    assert gate.released() == [Door.EXIT]


async def test_a_lost_request_is_proven_and_sent_again(gate: Gate) -> None:
    gate.twin.lose_requests(1)
    await gate.driver.release(Door.EXIT, 5.0)
    assert gate.released() == [Door.EXIT]


async def test_a_request_lost_twice_is_told_as_not_made(gate: Gate) -> None:
    gate.twin.lose_requests(2)
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 5.0)
    assert gate.released() == []


async def test_the_board_ends_a_release_and_its_watchdog_another(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 0.2)
    assert gate.twin.is_released(Door.EXIT)
    await gate.until(lambda: not gate.twin.is_released(Door.EXIT), 0.5)
    await gate.driver.release(Door.EXIT, 30.0)
    await gate.stop()
    await gate.until(lambda: gate.twin.is_safe, 1.5)
    assert not gate.twin.walk_out()


async def test_a_damaged_line_is_a_fault_and_releases_nothing(gate: Gate) -> None:
    gate.twin.corrupt()
    await gate.until(lambda: gate.driver.state is not DeviceState.READY)
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 5.0)
    assert gate.released() == []
    gate.twin.corrupt(on=False)
    await gate.until(lambda: gate.driver.state is DeviceState.READY)


@pytest.mark.parametrize("door", list(Door), ids=lambda door: door.value)
async def test_a_door_that_moves_without_our_release_is_told_within_a_second(gate: Gate, door: Door) -> None:
    forced_s = SystemClock().monotonic_s()
    gate.twin.force(door)
    await gate.until(lambda: gate.inputs()[-1].tamper)
    told = next(event for event in gate.events if isinstance(event.data, BarrierInputs) and event.data.tamper)
    assert told.t_mono_s - forced_s < 1.0
    assert (await gate.driver.read_inputs()).tamper
    await gate.until(lambda: not gate.inputs()[-1].tamper)  # shut again, and told long enough


async def test_releases_and_fire_are_no_tampering(gate: Gate) -> None:
    await gate.driver.release(Door.ENTRANCE, 5.0)
    gate.twin.walk_in()
    gate.twin.lose_replies(1)
    await gate.driver.release(Door.EXIT, 5.0)
    gate.twin.walk_out()
    await gate.until(lambda: gate.inputs()[-1].exit_passages == 1 and not gate.inputs()[-1].exit_open)
    gate.twin.fire(True)
    await gate.until(lambda: gate.inputs()[-1].entrance_open)
    await asyncio.sleep(0.1)
    gate.twin.fire(False)
    await gate.until(lambda: not gate.inputs()[-1].entrance_open)
    await asyncio.sleep(0.1)
    assert not any(inputs.tamper for inputs in gate.inputs())


async def test_a_release_that_was_ended_permits_no_opening(gate: Gate) -> None:
    await gate.driver.release(Door.EXIT, 30.0)
    await gate.driver.secure()
    await asyncio.sleep(0.6)
    gate.twin.force(Door.EXIT)
    await gate.until(lambda: gate.inputs()[-1].tamper)


async def test_a_release_of_one_door_permits_nothing_to_the_other(gate: Gate) -> None:
    await gate.driver.release(Door.ENTRANCE, 30.0)
    gate.twin.force(Door.EXIT)
    await gate.until(lambda: gate.inputs()[-1].tamper)


async def test_two_boxes_share_one_line(tmp_path: Path) -> None:
    """Both units hang on one pty: each hears everything and answers only what is asked of it."""

    class TwoBoxes(ModbusRtuBarrierTwin):
        def __init__(self, path: Path) -> None:
            super().__init__(path, unit=1)
            self.second = ModbusRtuBarrierTwin(path, unit=2)
            self.second.send = self.send  # type: ignore[method-assign] # one line

        def heard(self, chunk: bytes) -> None:
            super().heard(chunk)
            self.second.heard(chunk)

    twin = TwoBoxes(tmp_path / "line")
    await twin.plug()
    gates = [Gate(twin, is_shared=True, unit=unit) for unit in (1, 2)]
    try:
        for gate in gates:
            await gate.until(gate.inputs)
        await asyncio.gather(*(gate.driver.release(Door.EXIT, 5.0) for gate in gates))
        assert [door for door, _ in twin.released_log] == [Door.EXIT]
        assert [door for door, _ in twin.second.released_log] == [Door.EXIT]
        twin.second.set_occupancy(7)
        await gates[1].until(lambda: gates[1].inputs()[-1].occupancy == 7)
        assert gates[0].inputs()[-1].occupancy == 0
    finally:
        for gate in gates:
            await gate.stop()
        await twin.stop()
        twin.second.stop_timers()


@pytest.mark.parametrize("unit", [0, 248])
def test_a_unit_that_no_serial_line_has_is_refused(unit: int) -> None:
    with pytest.raises(OptionsRefused, match="unit"):
        build_rtu("barrier-1", {"path": "/dev/null", "unit": unit}, lambda _event: None, SystemClock())


# ---- the client, and pymodbus at the other end


class Asking:
    def __init__(self, link: Link, timeout_s: float) -> None:
        self.client = ModbusClient(1, timeout_s, serial_wire(115_200, settle_s=timeout_s))
        self.link = link
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            self.client.feed(await self.link.read())

    async def ask(self, function: int, address: int, count: int = 1, values: tuple[int, ...] = ()) -> tuple[int, ...]:
        return await self.client.ask(self.link, Request(Function(function), address, count, values))

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.link.close()


class SlowUnit(PtyTwin):
    """Answers every read of one register, the first too late; the value is the number of the question."""

    def __init__(self, path: Path, first_after_s: float) -> None:
        super().__init__(path)
        self._codec = RtuCodec("requests")
        self._first_after_s = first_after_s
        self._asked = 0

    def heard(self, chunk: bytes) -> None:
        for _ in self._codec.feed(chunk):
            self._asked += 1
            pdu = response_pdu(Request(Function.READ_HOLDING_REGISTERS, 0), (self._asked,))
            reply = self._codec.encode(Adu(0, 1, pdu))
            after_s = self._first_after_s if self._asked == 1 else 0.0
            asyncio.get_running_loop().call_later(after_s, self.send, reply)


async def test_a_late_reply_is_not_taken_for_the_next_answer(tmp_path: Path) -> None:
    unit = SlowUnit(tmp_path / "slow", first_after_s=0.15)
    await unit.plug()
    asking = Asking(await SerialPort(str(unit.path)).open(), timeout_s=0.1)
    try:
        with pytest.raises(ModbusNoReply):
            await asking.ask(3, 0)
        assert await asking.ask(3, 0) == (2,)
        assert asking.client.late_replies == 1
    finally:
        await asking.close()
        await unit.unplug()


class Cable(PtyTwin):
    """One end of a null modem; the other end is `far`."""

    far: "Cable"

    def heard(self, chunk: bytes) -> None:
        self.far.send(chunk)


@pytest.fixture
async def cable(tmp_path: Path) -> AsyncIterator[tuple[str, str]]:
    near, far = Cable(tmp_path / "near"), Cable(tmp_path / "far")
    near.far, far.far = far, near
    await near.plug()
    await far.plug()
    yield str(near.path), str(far.path)
    await near.unplug()
    await far.unplug()


async def test_our_client_reads_and_writes_a_foreign_serial_server(cable: tuple[str, str]) -> None:
    registers = list(range(100, 140))
    bits = [index % 3 == 0 for index in range(32)]
    device = SimDevice(
        1,
        simdata=(
            [SimData(0, values=bits, datatype=DataType.BITS)],
            [SimData(0, values=bits, datatype=DataType.BITS)],
            [SimData(0, values=registers, datatype=DataType.REGISTERS)],
            [SimData(0, values=registers, datatype=DataType.REGISTERS)],
        ),
    )
    server = ModbusSerialServer(device, framer=FramerType.RTU, port=cable[1], baudrate=115_200)
    await server.serve_forever(background=True)
    asking = Asking(await SerialPort(cable[0]).open(), timeout_s=1.0)
    try:
        assert await asking.ask(1, 0, 32) == tuple(int(bit) for bit in bits)
        assert await asking.ask(2, 3, 20) == tuple(int(bit) for bit in bits[3:23])
        assert await asking.ask(3, 0, 40) == tuple(registers)
        assert await asking.ask(4, 5, 3) == tuple(registers[5:8])
        assert await asking.ask(5, 1, values=(1,)) == ()
        assert await asking.ask(1, 1) == (1,)
        await asking.ask(16, 8, 2, (1, 65_535))
        assert await asking.ask(3, 8, 2) == (1, 65_535)
        with pytest.raises(ModbusRefused) as refused:
            await asking.ask(3, 9_000)
        assert refused.value.exception == 2
    finally:
        await asking.close()
        await server.shutdown()


async def test_a_foreign_client_reads_and_commands_our_twin(twin: ModbusRtuBarrierTwin) -> None:
    client = AsyncModbusSerialClient(str(twin.path), framer=FramerType.RTU, baudrate=115_200, timeout=1, retries=0)
    try:
        assert await client.connect()
        twin.tamper(True)
        assert (await client.read_discrete_inputs(0, count=4)).bits[:4] == [False, False, False, True]
        assert (await client.write_coil(1, True)).isError()  # no time to live set: refused
        assert not (await client.write_register(1, 50)).isError()
        assert not (await client.write_coil(1, True)).isError()
        assert [door for door, _ in twin.released_log] == [Door.EXIT]
    finally:
        client.close()
