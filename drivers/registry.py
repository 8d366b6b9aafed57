"""The drivers there are: built-in ones in a plain dict, others through the entry-point group `egate.drivers`.

A driver module offers `build(name, options, sink, clock) -> Driver`; it is imported when a configured device needs it. Building opens
nothing: it is safe for checking a configuration.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import cast

from pydantic import BaseModel

from drivers.contracts import Clock, DeviceClass, Driver, EventSink
from drivers.errors import DriverUnknown

ENTRY_POINT_GROUP = "egate.drivers"

Factory = Callable[[str, Mapping[str, object], EventSink, Clock], Driver]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """Where a built-in driver is, what it is for, and the name of its options' model in the same module."""

    target: str
    device_class: DeviceClass
    summary: str
    options: str

    def options_model(self) -> type[BaseModel]:
        """Return the model that validates the driver's options."""
        model: type[BaseModel] = getattr(importlib.import_module(self.target.partition(":")[0]), self.options)
        return model


BUILT_IN: dict[str, BuiltIn] = {
    "mrz_serial": BuiltIn(
        "drivers.document_reader.driver:build",
        DeviceClass.DOCUMENT_READER,
        "MRZ and image reader on a serial port",
        "MrzSerialOptions",
    ),
    "elyctis_tlv": BuiltIn(
        "drivers.document_reader.elyctis:build",
        DeviceClass.DOCUMENT_READER,
        "Elyctis ID BOX, MRZ reader with a slot, on a serial port",
        "ElyctisOptions",
    ),
    "barcode_serial": BuiltIn(
        "drivers.barcode.serial_line:build",
        DeviceClass.BARCODE,
        "bar code reader on a serial port, one line per symbol",
        "BarcodeSerialOptions",
    ),
    "zebra_ssi": BuiltIn(
        "drivers.barcode.zebra_ssi:build",
        DeviceClass.BARCODE,
        "bar code reader that speaks Zebra's SSI on a serial port",
        "ZebraSsiOptions",
    ),
    "honeywell_serial": BuiltIn(
        "drivers.barcode.honeywell_serial:build",
        DeviceClass.BARCODE,
        "Honeywell bar code reader in packet mode on a serial port, with menu commands",
        "HoneywellOptions",
    ),
    "hid_wedge": BuiltIn(
        "drivers.barcode.hid_wedge:build",
        DeviceClass.BARCODE,
        "bar code reader that types, as a grabbed input device",
        "HidWedgeOptions",
    ),
    "modbus_barrier": BuiltIn(
        "drivers.barrier.driver:build",
        DeviceClass.BARRIER,
        "doors behind a Modbus TCP input/output box",
        "ModbusBarrierOptions",
    ),
    "modbus_rtu_barrier": BuiltIn(
        "drivers.barrier.driver:build_rtu",
        DeviceClass.BARRIER,
        "doors behind a Modbus RTU input/output box on a serial line",
        "ModbusRtuBarrierOptions",
    ),
    "turnstile_serial": BuiltIn(
        "drivers.barrier.turnstile:build",
        DeviceClass.BARRIER,
        "turnstile on a serial line, its words written down by the site",
        "TurnstileOptions",
    ),
    "opencv_camera": BuiltIn(
        "drivers.camera.driver:build",
        DeviceClass.CAMERA,
        "V4L2, RTSP, MJPEG or file camera in a child process",
        "CameraOptions",
    ),
    "jointech_seal": BuiltIn(
        "drivers.seal_tracker.driver:build",
        DeviceClass.SEAL_TRACKER,
        "server for seal trackers, Jointech by default",
        "SealServerOptions",
    ),
    "llrp_rfid": BuiltIn(
        "drivers.rfid.llrp_reader:build",
        DeviceClass.RFID_READER,
        "reader of EPC Gen2 tags that speaks LLRP over TCP",
        "LlrpOptions",
    ),
    "pcsc_chip": BuiltIn(
        "drivers.chip.driver:build_pcsc",
        DeviceClass.CHIP_READER,
        "contactless chip reader behind PC/SC (egate[pcsc])",
        "PcscOptions",
    ),
    "socket_chip": BuiltIn(
        "drivers.chip.driver:build_socket",
        DeviceClass.CHIP_READER,
        "port on this machine that virtual chips connect to",
        "SocketOptions",
    ),
    "mavlink_uav": BuiltIn(
        "drivers.uav.driver:build",
        DeviceClass.UAV,
        "telemetry of unmanned aircraft (MAVLink 1 and 2 over TCP), listened to only",
        "MavlinkUavOptions",
    ),
    "nut_ups": BuiltIn(
        "drivers.power.driver:build",
        DeviceClass.POWER,
        "power supply with a battery, through Network UPS Tools",
        "NutUpsOptions",
    ),
    "xray_folder": BuiltIn(
        "drivers.xray_inbox.driver:build",
        DeviceClass.XRAY_INBOX,
        "results of X-ray screening from a watched folder",
        "XrayFolderOptions",
    ),
    "escpos_printer": BuiltIn(
        "drivers.printer.driver:build",
        DeviceClass.PRINTER,
        "receipt printer that speaks ESC/POS on a serial port or over TCP",
        "EscposOptions",
    ),
}


def driver_names() -> tuple[str, ...]:
    """Return the names that `build` knows, built-in ones first."""
    third_party = sorted(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))
    return (*BUILT_IN, *(name for name in third_party if name not in BUILT_IN))


def factory(driver: str) -> Factory:
    """Return the `build` of a driver. Raises `DriverUnknown`; a built-in name cannot be taken by an entry point."""
    if (built_in := BUILT_IN.get(driver)) is not None:
        module, _, function = built_in.target.partition(":")
        return cast("Factory", getattr(importlib.import_module(module), function))
    for entry in entry_points(group=ENTRY_POINT_GROUP, name=driver):
        return cast("Factory", entry.load())
    raise DriverUnknown(f"no driver is called {driver!r}; there are: {', '.join(driver_names())}")


def build(name: str, driver: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> Driver:
    """Return the driver of the device `name`, not yet running. Raises `DriverUnknown` or `OptionsRefused`."""
    return factory(driver)(name, options, sink, clock)
