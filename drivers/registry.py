"""The drivers there are: built-in ones in a plain dict, others through the entry-point group `egate.drivers`.

A driver module offers `build(name, options, sink, clock) -> Driver`; it is imported when a configured device needs it. Building opens
nothing: it is safe for checking a configuration. docs/drivers.md shows how a driver of another maker is written.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass

from drivers.contracts import Clock, DeviceClass, Driver, EventSink
from drivers.declaration import DriverDeclaration, FoundDriver, build_declared, find, found_drivers
from drivers.errors import DriverUnknown
from drivers.options import Options


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """Where a built-in driver is, what it is for, and the name of its options' model in the same module."""

    target: str
    device_class: DeviceClass
    summary: str
    options: str

    def options_model(self) -> type[Options]:
        """Return the model that validates the driver's options."""
        return self.declaration().options

    def declaration(self) -> DriverDeclaration:
        """Import the driver; return its declaration."""
        module, _, function = self.target.partition(":")
        imported = importlib.import_module(module)
        return DriverDeclaration(
            getattr(imported, function), self.device_class, self.summary, getattr(imported, self.options)
        )


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
        "V4L2, RTSP, MJPEG, file or folder camera in a child process",
        "CameraOptions",
    ),
    "seal_server": BuiltIn(
        "drivers.seal_tracker.driver:build",
        DeviceClass.SEAL_TRACKER,
        "server that seal trackers of one protocol call, Jointech by default",
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
        "telemetry of unmanned aircraft (MAVLink 1 and 2 over TCP or UDP), listened to only",
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
    "hwmon_enclosure": BuiltIn(
        "drivers.enclosure.driver:build",
        DeviceClass.ENCLOSURE,
        "temperature of an enclosure from a file of the kernel, and its heater behind Modbus TCP",
        "HwmonEnclosureOptions",
    ),
    "page_folder": BuiltIn(
        "drivers.document_reader.page_folder:build",
        DeviceClass.DOCUMENT_READER,
        "full-page reader whose program leaves pictures in a watched folder",
        "PageFolderOptions",
    ),
    "page_http": BuiltIn(
        "drivers.document_reader.page_http:build",
        DeviceClass.DOCUMENT_READER,
        "full-page reader behind its maker's service on HTTP",
        "PageHttpOptions",
    ),
    "sane_scanner": BuiltIn(
        "drivers.document_reader.sane_scanner:build",
        DeviceClass.DOCUMENT_READER,
        "flatbed scanner through the program scanimage, as a reader of white pictures",
        "SaneScannerOptions",
    ),
    "xray_http": BuiltIn(
        "drivers.xray_inbox.http_driver:build",
        DeviceClass.XRAY_INBOX,
        "results of X-ray screening that its machine posts over HTTP",
        "XrayHttpOptions",
    ),
    "osdp_reader": BuiltIn(
        "drivers.access_control.driver:build",
        DeviceClass.ACCESS_CONTROL,
        "badge reader, keypad and lock of a staff door over OSDP with a secure channel (extra `osdp`)",
        "OsdpReaderOptions",
    ),
    "espeak_speaker": BuiltIn(
        "drivers.speech.espeak:build",
        DeviceClass.SPEAKER,
        "loudspeaker with words made by the program eSpeak NG",
        "EspeakOptions",
    ),
    "recorded_speaker": BuiltIn(
        "drivers.speech.recorded:build",
        DeviceClass.SPEAKER,
        "loudspeaker with recorded instructions",
        "RecordedOptions",
    ),
    "modbus_camera_lift": BuiltIn(
        "drivers.camera_lift.driver:build",
        DeviceClass.CAMERA_LIFT,
        "lift that carries the camera, behind outputs and limit switches of a Modbus box",
        "LiftOptions",
    ),
    "modbus_help_point": BuiltIn(
        "drivers.help_point.driver:build",
        DeviceClass.HELP_POINT,
        "help button and intercom on contacts of a Modbus box",
        "HelpPointOptions",
    ),
    "hid_help_button": BuiltIn(
        "drivers.help_point.button:build",
        DeviceClass.HELP_POINT,
        "help button on USB that types a key, as a grabbed input device",
        "HelpButtonOptions",
    ),
}


def third_party() -> list[FoundDriver]:
    """Return what other packages bring, each usable or with its fault."""
    return found_drivers(BUILT_IN)


def driver_names() -> tuple[str, ...]:
    """Return the names that `build` can use, built-in ones first."""
    return (*BUILT_IN, *(found.name for found in third_party() if found.fault is None))


def declaration(driver: str) -> DriverDeclaration:
    """Return what a driver declares. Raises `DriverUnknown`, `DriverNameTaken` or `DriverBroken`; a built-in name cannot be taken."""
    if (built_in := BUILT_IN.get(driver)) is not None:
        return built_in.declaration()
    if (found := find(driver)) is not None:
        return found
    raise DriverUnknown(f"no driver is called {driver!r}; there are: {', '.join(driver_names())}")


def build(name: str, driver: str, options: Mapping[str, object], sink: EventSink, clock: Clock) -> Driver:
    """Return the driver of the device `name`, not yet running. Raises `OptionsRefused` or what `declaration` raises."""
    declared = declaration(driver)
    if driver in BUILT_IN:
        return declared.build(name, options, sink, clock)
    return build_declared(declared, driver, name, options, sink, clock)
