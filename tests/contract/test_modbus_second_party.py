"""Our Modbus client against the pymodbus server, and our twin against the pymodbus client: two authors, one wire."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from drivers.barrier.errors import ModbusNoReply, ModbusRefused
from drivers.barrier.modbus_client import ModbusClient
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.contracts import Door
from drivers.link import TcpPeer
from tests.contract.barrier_bench import Asking

REGISTERS = list(range(100, 140))
COILS = [index % 3 == 0 for index in range(32)]
INPUTS = [index % 5 == 0 for index in range(32)]


@pytest.fixture
async def server_port() -> AsyncIterator[int]:
    device = SimDevice(
        1,
        simdata=(
            [SimData(0, values=COILS, datatype=DataType.BITS)],
            [SimData(0, values=INPUTS, datatype=DataType.BITS)],
            [SimData(0, values=REGISTERS, datatype=DataType.REGISTERS)],
            [SimData(0, values=REGISTERS[::-1], datatype=DataType.REGISTERS)],
        ),
    )
    server = ModbusTcpServer(device, address=("127.0.0.1", 0))
    await server.serve_forever(background=True)
    yield server.transport.sockets[0].getsockname()[1]
    await server.shutdown()


async def test_our_client_reads_and_writes_a_foreign_server(server_port: int) -> None:
    asking = Asking(await TcpPeer("127.0.0.1", server_port).open(), ModbusClient(1, 1.0))
    try:
        assert await asking.ask(1, 0, 32) == tuple(int(bit) for bit in COILS)
        assert await asking.ask(2, 3, 20) == tuple(int(bit) for bit in INPUTS[3:23])
        assert await asking.ask(3, 0, 40) == tuple(REGISTERS)
        assert await asking.ask(4, 5, 3) == tuple(REGISTERS[::-1][5:8])
        assert await asking.ask(5, 1, values=(1,)) == ()
        assert await asking.ask(1, 1) == (1,)
        assert await asking.ask(6, 7, values=(0xBEEF,)) == ()
        assert await asking.ask(3, 7) == (0xBEEF,)
        await asking.ask(16, 8, 2, (1, 65_535))
        assert await asking.ask(3, 8, 2) == (1, 65_535)
        await asking.ask(15, 0, 9, (1, 0, 1, 1, 0, 0, 0, 0, 1))
        assert await asking.ask(1, 0, 9) == (1, 0, 1, 1, 0, 0, 0, 0, 1)
        with pytest.raises(ModbusRefused) as refused:
            await asking.ask(3, 9_000)
        assert refused.value.exception == 2
        assert refused.value.code == "DRV-MOD-002"
        answers = await asyncio.gather(*(asking.ask(3, address) for address in range(7)))
        assert answers == [(value,) for value in REGISTERS[:7]]  # many askers, one question at a time
    finally:
        await asking.close()


async def test_a_foreign_client_reads_and_commands_our_twin() -> None:
    twin = ModbusBarrierTwin(transit_s=0.01, open_s=0.02)
    await twin.plug()
    client = AsyncModbusTcpClient("127.0.0.1", port=twin.port, timeout=1, retries=0)
    try:
        assert await client.connect()
        twin.set_occupancy(2)
        twin.tamper(True)
        assert (await client.read_discrete_inputs(0, count=4)).bits[:4] == [False, False, False, True]
        assert (await client.read_input_registers(0, count=5)).registers == [2, 0, 0, 0, 0]
        assert (await client.write_coil(1, True)).isError()  # no time to live set: refused
        assert twin.released_log == []
        assert not (await client.write_register(1, 50)).isError()
        assert not (await client.write_coil(1, True)).isError()
        assert [door for door, _ in twin.released_log] == [Door.EXIT]
        assert (await client.read_coils(0, count=2)).bits[:2] == [False, True]
        assert twin.walk_out()
        async with asyncio.timeout(10):
            while twin.occupancy == 2:
                await asyncio.sleep(0.005)
        assert (await client.read_input_registers(0, count=5)).registers == [1, 0, 1, 0, 1]
        assert (await client.read_coils(0, count=2)).bits[:2] == [False, False]
        assert not (await client.write_registers(0, [3, 4, 9])).isError()
        assert (await client.read_holding_registers(0, count=3)).registers == [3, 4, 9]
        assert (await client.read_holding_registers(3, count=2)).exception_code == 2
        assert (await client.read_coils(0, count=1, device_id=9)).exception_code == 11
    finally:
        client.close()
        await twin.stop()


async def test_a_late_reply_is_not_taken_for_the_next_answer() -> None:
    hold = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(12)
        await hold.wait()
        writer.write(first[:5] + b"\x05" + first[6:7] + b"\x03\x02\x00\x01")  # the answer to a question given up
        second = await reader.readexactly(12)
        writer.write(second[:5] + b"\x05" + second[6:7] + b"\x03\x02\x00\x02")
        await writer.drain()
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    asking = Asking(await TcpPeer("127.0.0.1", server.sockets[0].getsockname()[1]).open(), ModbusClient(1, 0.1))
    try:
        with pytest.raises(ModbusNoReply) as lost:
            await asking.ask(3, 0)
        assert lost.value.code == "DRV-MOD-001"
        hold.set()
        assert await asking.ask(3, 0) == (2,)
        assert asking.client.late_replies == 1
    finally:
        await asking.close()
        server.close()
        await server.wait_closed()
