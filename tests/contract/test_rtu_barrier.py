"""The barrier driver on a serial line: what a line without transaction numbers can do to a release, and a second party on the wire."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pymodbus.client import AsyncModbusSerialClient
from pymodbus.framer import FramerType
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.barrier.driver import build_rtu
from drivers.barrier.errors import ModbusNoReply, ModbusRefused, ReleaseNotMade
from drivers.barrier.modbus import Adu, Function, Request, response_pdu
from drivers.barrier.modbus_client import ModbusClient, serial_wire
from drivers.barrier.modbus_rtu import RtuCodec
from drivers.barrier.twin import ModbusRtuBarrierTwin
from drivers.contracts import DeviceState, Door, StateChanged
from drivers.errors import OptionsRefused
from drivers.link import SerialPort
from drivers.twin import PtyTwin
from gate_agent.clock import SystemClock
from tests.contract.barrier_bench import Asking, Gate


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


async def test_a_damaged_line_is_a_fault_and_releases_nothing(gate: Gate) -> None:
    gate.twin.corrupt()
    await gate.until(lambda: gate.driver.state is not DeviceState.READY)
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.released() == []
    gate.twin.corrupt(on=False)
    await gate.until(lambda: gate.driver.state is DeviceState.READY)


async def test_a_line_that_echoes_is_a_fault_for_it_confirms_everything(tmp_path: Path) -> None:
    class Echoing(ModbusRtuBarrierTwin):
        def heard(self, chunk: bytes) -> None:
            self.send(chunk)
            super().heard(chunk)

    twin = Echoing(tmp_path / "box")
    await twin.plug()
    gate = Gate(twin)
    await gate.until(lambda: gate.driver.state is DeviceState.FAULT)
    faults = [event.data.fault for event in gate.events if isinstance(event.data, StateChanged)]
    assert "DRV-MOD-003" in faults
    assert not gate.inputs()
    with pytest.raises(ReleaseNotMade):
        await gate.driver.release(Door.EXIT, 1, 5.0)
    assert gate.released() == []
    await gate.stop()
    await twin.stop()


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
        await asyncio.gather(*(gate.driver.release(Door.EXIT, 1, 5.0) for gate in gates))
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
            after_s = self._first_after_s if self._asked == 1 else 0.06
            asyncio.get_running_loop().call_later(after_s, self.send, reply)


async def test_a_late_reply_is_not_taken_for_the_next_answer(tmp_path: Path) -> None:
    unit = SlowUnit(tmp_path / "slow", first_after_s=0.15)
    await unit.plug()
    asking = Asking(await SerialPort(str(unit.path)).open(), ModbusClient(1, 0.1, serial_wire(115_200, settle_s=0.3)))
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
    asking = Asking(await SerialPort(cable[0]).open(), ModbusClient(1, 1.0, serial_wire(115_200, settle_s=1.0)))
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
