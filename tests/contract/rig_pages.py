"""Rigs of full-page readers."""

from __future__ import annotations

from pathlib import Path

from drivers.contracts import DocumentImage
from drivers.document_reader.page_folder_twin import ALIVE, PageFolderTwin
from drivers.document_reader.page_http_twin import PRESENCE_PATH, PageHttpTwin
from drivers.document_reader.scanimage_twin import BUTTON, DEVICE, ScanimageTwin
from tests.contract.rig_around import choose_port
from tests.contract.rig_core import Rig

PICTURE = b"\xff\xd8\xff\xe0" + bytes(500) + b"\xff\xda" + bytes(500) + b"\xff\xd9"


async def page_folder(folder: Path) -> Rig:
    twin = PageFolderTwin(folder / "pages")
    options = {
        "path": str(twin.path),
        "pictures": {"white": "{document}-white.*"},
        "alive": ALIVE,
        "poll_s": 0.01,
        "settle_s": 0.02,
        "quiet_s": 0.2,
        "dead_s": 1.0,
    }
    return Rig(
        "page_folder", twin, lambda: options, lambda: twin.present({"white": PICTURE}), DocumentImage, twin.unplug
    )


async def page_http(_folder: Path) -> Rig:
    twin = PageHttpTwin()
    await choose_port(twin)

    def options() -> dict[str, object]:
        return {
            "source": f"http://127.0.0.1:{twin.port}",
            "presence_path": PRESENCE_PATH,
            "poll_s": 0.01,
            "reply_timeout_s": 0.2,
            "quiet_s": 0.2,
            "dead_s": 1.0,
        }

    return Rig("page_http", twin, options, lambda: twin.present({"white": PICTURE}), DocumentImage, twin.unplug)


async def sane_scanner(folder: Path) -> Rig:
    twin = ScanimageTwin(folder / "scanner")
    options = {
        "device": DEVICE,
        "program": str(twin.program),
        "button": BUTTON,
        "poll_s": 0.01,
        "options_timeout_s": 2.0,
        "scan_timeout_s": 0.9,
        "quiet_s": 0.2,
        "dead_s": 1.0,
    }
    return Rig(
        "sane_scanner", twin, lambda: options, lambda: twin.present({"white": PICTURE}), DocumentImage, twin.unplug
    )


RIGS = {"page_folder": page_folder, "page_http": page_http, "sane_scanner": sane_scanner}
