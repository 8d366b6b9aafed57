"""How a driver declares itself, and how one of another maker is found: the entry-point group `egate.drivers`.

An entry `name = "package.module:DRIVER"` leads to a `DriverDeclaration`. A package that cannot be imported, declares something else or
takes a name that is taken is a fault of the devices that ask for that name, and of no others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from drivers.contracts import Clock, DeviceClass, Driver, EventSink
from drivers.errors import DriverBroken, DriverFault, DriverNameTaken
from drivers.options import Options

ENTRY_POINT_GROUP = "egate.drivers"

Factory = Callable[[str, Mapping[str, object], EventSink, Clock], Driver]


@dataclass(frozen=True, slots=True)
class DriverDeclaration:
    """A driver: `build(name, options, sink, clock)`, which opens nothing, what it is for, and the model of its options."""

    build: Factory
    device_class: DeviceClass
    summary: str
    options: type[Options]


@dataclass(frozen=True, slots=True)
class FoundDriver:
    """One entry of the group: its name, the distribution that brings it, and its declaration or the fault that keeps it from use."""

    name: str
    distribution: str
    declaration: DriverDeclaration | None
    fault: DriverFault | None = None


def found_drivers(built_in: Collection[str]) -> list[FoundDriver]:
    """Return every entry of the group by name; those that nobody can use carry their fault. Imports the packages that bring them."""
    entries = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: (entry.name, _bringer(entry)))
    names = [entry.name for entry in entries]
    found = []
    for entry in entries:
        others = [_bringer(other) for other in entries if other.name == entry.name and other is not entry]
        if entry.name in built_in or names.count(entry.name) > 1:
            rivals = "a driver of eGate itself" if entry.name in built_in else f"one that {', '.join(others)} brings"
            taken = DriverNameTaken(f"the driver {entry.name!r} of {_bringer(entry)} has the name of {rivals}")
            found.append(FoundDriver(entry.name, _bringer(entry), None, taken))
            continue
        try:
            found.append(FoundDriver(entry.name, _bringer(entry), declaration_of(entry)))
        except DriverBroken as fault:
            found.append(FoundDriver(entry.name, _bringer(entry), None, fault))
    return found


def find(name: str) -> DriverDeclaration | None:
    """Return the declaration of this name, None when no package brings one. Raises `DriverNameTaken` or `DriverBroken`."""
    entries = list(entry_points(group=ENTRY_POINT_GROUP, name=name))
    if len(entries) > 1:
        bringers = ", ".join(sorted(_bringer(entry) for entry in entries))
        raise DriverNameTaken(f"several packages bring a driver called {name!r}: {bringers}")
    return declaration_of(entries[0]) if entries else None


def declaration_of(entry: EntryPoint) -> DriverDeclaration:
    """Import what an entry names. Raises `DriverBroken` saying why it is no driver."""
    place = f"the driver {entry.name!r} of {_bringer(entry)}"
    try:
        declared = entry.load()
    except Exception as error:  # another maker's module may raise anything; it is told as this driver's fault
        raise DriverBroken(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(declared, DriverDeclaration):
        raise DriverBroken(f"{place}: {entry.value} is no drivers.declaration.DriverDeclaration")
    if not (isinstance(declared.options, type) and issubclass(declared.options, Options)):
        raise DriverBroken(f"{place}: its options are no model that derives from drivers.options.Options")
    return declared


def build_declared(
    declared: DriverDeclaration, driver: str, name: str, options: Mapping[str, object], sink: EventSink, clock: Clock
) -> Driver:
    """Build a device with another maker's driver. Raises `OptionsRefused` or `DriverBroken`, whatever the driver raises."""
    declared.options.read(name, options)
    try:
        built = declared.build(name, options, sink, clock)
    except DriverFault:
        raise
    except Exception as error:  # as above
        raise DriverBroken(f"device {name}: {driver} failed: {type(error).__name__}: {error}") from error
    device_class = getattr(built, "device_class", None)
    if device_class is not declared.device_class:
        raise DriverBroken(f"device {name}: {driver} built a {device_class} and is declared as {declared.device_class}")
    return built


def _bringer(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "an unknown package"
