"""The board of a virtual gate: registers in the reference wiring over simulated doors, whatever line they are reached by."""

from __future__ import annotations

from drivers.barrier.doors import SimulatedDoors
from drivers.barrier.errors import ModbusRefused
from drivers.barrier.modbus import Function, Request, exception_pdu, parse_request, response_pdu
from drivers.barrier.signals import LIGHTS
from drivers.contracts import Door

_DOORS = (Door.ENTRANCE, Door.EXIT)
_ALARM_COIL, _ENABLED_COIL, _FIRST_LIGHT_COIL = 2, 3, 4
HEARTBEAT_ADDRESS = 2
WATCHDOG_ADDRESS = 3
WATCHDOG_UNIT_S = 0.1


class DoorBoard:
    """A mantrap. Doors lock by themselves after a passage or the time to live; a silent client means safe state.

    Addresses are those of the map `generic`; any other is refused with exception 2.
    """

    def __init__(
        self, *, transit_s: float = 0.1, open_s: float = 0.3, watchdog_s: float = 3.0, takes_ttl: bool = True
    ) -> None:
        """`transit_s`: from the door's opening until the passage counts; `open_s`: until it is closed again.

        `takes_ttl`: off for a board of plain outputs, which knows no end of a release but its watchdog's.
        """
        self._gate = SimulatedDoors(transit_s=transit_s, open_s=open_s, watchdog_s=watchdog_s, takes_ttl=takes_ttl)
        self._heartbeat = 0
        self._keeps_alarm = False
        self._lost_replies = 0
        self._lost_requests = 0

    @property
    def released_log(self) -> list[tuple[Door, float]]:
        """Every release pulse that a door got: which door, and when on the monotonic clock."""
        return self._gate.released_log

    @property
    def is_safe(self) -> bool:
        """True while the watchdog holds the gate in its safe state."""
        return self._gate.is_safe

    @property
    def heartbeat(self) -> int:
        """The last heartbeat that the client wrote."""
        return self._heartbeat

    @property
    def occupancy(self) -> int:
        """Persons in the cell."""
        return self._gate.occupancy

    @property
    def lights(self) -> frozenset[str]:
        """The lights that are on, and the sounder."""
        return frozenset(name for name, is_on in self._gate.lights.items() if is_on)

    def is_released(self, door: Door) -> bool:
        """Tell whether the door is unlocked now."""
        return self._gate.doors[door].is_released

    def walk_in(self, persons: int = 1) -> bool:
        """Let people through the entrance into the cell; False when it is locked."""
        return self._gate.walk(Door.ENTRANCE, persons)

    def walk_out(self, persons: int = 1) -> bool:
        """Let people leave the cell through the exit; False when it is locked."""
        return self._gate.walk(Door.EXIT, persons)

    def walk_back(self, door: Door) -> None:
        """Pass against the direction, as somebody does who comes in through the exit while it is open."""
        self._gate.doors[door].back_passages += 1

    def slip_through(self, door: Door, persons: int = 1) -> None:
        """Pass behind somebody, or over the door: it counts, and moves no contact."""
        self._gate.passed(door, persons)

    def set_occupancy(self, persons: int) -> None:
        """Set what the occupancy sensor sees."""
        self._gate.occupancy = persons

    def fire(self, on: bool = True) -> None:
        """Close or open the fire contact; the hardware opens both doors by itself."""
        self._gate.fire(on=on)

    def emergency_stop(self, on: bool = True) -> None:
        """Press or let go the emergency stop: the drives lose their power, and every release ends."""
        self._gate.emergency_stop(on=on)

    def tamper(self, on: bool = True) -> None:
        """Close or open the tamper contact."""
        self._gate.is_tampered = on

    def keeps_open(self, on: bool = True) -> None:
        """Stay unlocked after a passage until the time to live is over, as some boards do."""
        self._gate.keeps_open = on

    def watchdog_off(self) -> None:
        """Go on without anybody who commands, as a board whose watchdog was never enabled."""
        self._gate.has_watchdog = False

    def fire_watchdog(self, keeps_alarm: bool = False) -> None:
        """Go into the safe state as if nobody had spoken; `keeps_alarm`: nobody can clear the alarm over the wire."""
        self._keeps_alarm = keeps_alarm
        self._gate.safe_state()

    def lose_replies(self, count: int) -> None:
        """Carry out the next release commands without answering them."""
        self._lost_replies = count

    def lose_requests(self, count: int) -> None:
        """Neither carry out nor answer the next release commands."""
        self._lost_requests = count

    def force(self, door: Door) -> None:
        """Push a door open that nobody released."""
        self._gate.force(door)

    def stop_timers(self) -> None:
        """Stop the doors' timers, at the end of the board's life."""
        self._gate.stop()

    def answer(self, pdu: bytes) -> bytes | None:
        """Carry out a request; return the answer, None when it is lost."""
        self._gate.client_spoke()
        try:
            request = parse_request(pdu)
            is_release = request.function is Function.WRITE_COIL and request.address < len(_DOORS)
            is_pulse = is_release and request.values[0] == 1
            if is_pulse and self._lost_requests:
                self._lost_requests -= 1
                return None
            answer = response_pdu(request, self._execute(request))
        except ModbusRefused as refused:
            return exception_pdu(pdu[0], refused.exception)
        if is_pulse and self._lost_replies:
            self._lost_replies -= 1
            return None
        return answer

    def _execute(self, request: Request) -> tuple[int, ...]:
        function = request.function
        if function in {Function.WRITE_COIL, Function.WRITE_COILS}:
            self._addresses(request, _FIRST_LIGHT_COIL + len(LIGHTS))
            for offset, value in enumerate(request.values):
                self._write_coil(request, request.address + offset, value)
            return ()
        if function in {Function.WRITE_REGISTER, Function.WRITE_REGISTERS}:
            self._addresses(request, WATCHDOG_ADDRESS + 1)
            for offset, value in enumerate(request.values):
                self._write_register(request.address + offset, value)
            return ()
        return self.read(request)

    def read(self, request: Request) -> tuple[int, ...]:
        """Return what a read finds. Raises `ModbusRefused` for an address that is not there."""
        table = self._table(request.function)
        self._addresses(request, len(table))
        return table[request.address : request.address + request.count]

    @staticmethod
    def _addresses(request: Request, size: int) -> None:
        if request.address + max(request.count, len(request.values)) > size:
            raise ModbusRefused(request.function, 2)

    def _write_coil(self, request: Request, address: int, value: int) -> None:
        if address >= _FIRST_LIGHT_COIL:
            self._gate.lights[LIGHTS[address - _FIRST_LIGHT_COIL]] = bool(value)
        elif address == _ENABLED_COIL:
            raise ModbusRefused(request.function, 2)
        elif address == _ALARM_COIL:
            self._gate.has_fired = self._gate.has_fired and (bool(value) or self._keeps_alarm)
        elif not value:
            self._gate.end_release(_DOORS[address])
        elif not self._gate.release(_DOORS[address]):
            raise ModbusRefused(request.function, 3)

    def _write_register(self, address: int, value: int) -> None:
        if address == HEARTBEAT_ADDRESS:
            self._heartbeat = value
        elif address == WATCHDOG_ADDRESS:
            self._gate.watchdog_s = value * WATCHDOG_UNIT_S
        else:
            self._gate.doors[_DOORS[address]].ttl_units = value

    def _table(self, function: Function) -> tuple[int, ...]:
        entrance, exit_door = (self._gate.doors[door] for door in _DOORS)
        if function is Function.READ_COILS:
            coils = (entrance.is_released, exit_door.is_released, self._gate.has_fired, self._gate.has_watchdog)
            return tuple(int(coil) for coil in (*coils, *self._gate.lights.values()))
        if function is Function.READ_DISCRETE_INPUTS:
            flags = (
                entrance.is_open,
                exit_door.is_open,
                self._gate.is_fire,
                self._gate.is_tampered,
                self._gate.is_stopped,
            )
            return tuple(int(flag) for flag in flags)
        if function is Function.READ_HOLDING_REGISTERS:
            watchdog = round(self._gate.watchdog_s / WATCHDOG_UNIT_S)
            return (entrance.ttl_units, exit_door.ttl_units, self._heartbeat, watchdog)
        return (
            self._gate.occupancy,
            entrance.passages,
            exit_door.passages,
            entrance.releases,
            exit_door.releases,
            entrance.back_passages,
            exit_door.back_passages,
        )
