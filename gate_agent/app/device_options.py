"""The options that a device's driver is built with, the same in whichever process it is hosted."""

from __future__ import annotations

from drivers.contracts import DeviceClass
from drivers.registry import BUILT_IN
from gate_agent.settings import DeviceSettings, Settings


def options_of(settings: Settings, device: DeviceSettings) -> dict[str, object]:
    """Return a device's options; a camera that a lane reads codes from is told so, and a chip reader what the site wants."""
    reads = any(lane.camera == device.name and lane.read_barcode_from_camera for lane in settings.lane)
    built_in = BUILT_IN.get(device.driver)
    chip: dict[str, object] = {}
    if built_in is not None and built_in.device_class is DeviceClass.CHIP_READER:
        chip = {"basic_access": settings.document.basic_access, "read_timeout_s": settings.document.chip_timeout_s}
    return {**chip, **device.options, **({"read_barcodes": True} if reads else {})}
