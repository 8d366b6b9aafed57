"""Rigs of bar code and document readers with a protocol of their own."""

from __future__ import annotations

from pathlib import Path

from drivers.barcode.honeywell_twin import HoneywellTwin
from drivers.barcode.ssi_twin import ZebraSsiTwin
from drivers.barcode.wedge_twin import HidWedgeTwin
from drivers.contracts import BarcodeRead, MrzRead
from drivers.document_reader.elyctis_twin import ElyctisTwin
from tests.contract.rig_core import LINES, Rig


async def zebra(folder: Path) -> Rig:
    twin = ZebraSsiTwin(folder / "scanner", retry_s=0.1)
    options = {"path": str(twin.path), "quiet_s": 0.15, "dead_s": 1.0}
    return Rig("zebra_ssi", twin, lambda: options, lambda: twin.scan(b"HC1:" + b"UTO" * 200), BarcodeRead, twin.unplug)


async def honeywell(folder: Path) -> Rig:
    twin = HoneywellTwin(folder / "scanner")
    options = {"path": str(twin.path), "quiet_s": 0.15, "dead_s": 1.0}
    return Rig("honeywell_serial", twin, lambda: options, lambda: twin.scan(b"HC1:\r\nUTO"), BarcodeRead, twin.unplug)


async def wedge(folder: Path) -> Rig:
    twin = HidWedgeTwin(folder / "scanner")
    options = {"path": str(twin.path), "is_exclusive": False}
    return Rig(
        "hid_wedge",
        twin,
        lambda: options,
        lambda: twin.scan(b"HC1:Uto%PIA"),
        BarcodeRead,
        twin.unplug,
        speaks_only_when_used=True,
    )


async def elyctis(folder: Path) -> Rig:
    twin = ElyctisTwin(folder / "reader")
    options = {"path": str(twin.path), "quiet_s": 0.15, "dead_s": 1.0, "reply_timeout_s": 0.1, "frame_gap_s": 0.1}
    return Rig("elyctis_tlv", twin, lambda: options, lambda: twin.present(LINES), MrzRead, twin.unplug)


RIGS = {
    "elyctis_tlv": elyctis,
    "zebra_ssi": zebra,
    "honeywell_serial": honeywell,
    "hid_wedge": wedge,
}
