"""All twins of the demo: two lanes of document reader, chip reader, barcode reader, camera and barrier, a seal on the road, what is around."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import cv2
import numpy as np

from drivers.barcode.twin import BarcodeReaderTwin
from drivers.barrier.twin import ModbusBarrierTwin
from drivers.camera.rtsp_twin import RtspCameraTwin
from drivers.camera.twin import CameraTwin
from drivers.chip.twin.chip_twin import ChipTwin
from drivers.document_reader.twin import MrzReaderTwin
from drivers.endpoints import endpoints_of
from drivers.seal_tracker.twin import JointechSealTwin
from gate_agent.clock import Clock
from gate_agent.demo.around import AroundTwins
from gate_agent.demo.stage import LaneTwins
from gate_agent.demo.travellers import SEAL_ID
from gate_agent.errors import SettingsFault

LANES = (1, 2)
CAMERAS = {1: CameraTwin, 2: RtspCameraTwin}
"""One lane's camera sends MJPEG over HTTP, the other one's RTSP."""
LIVE = ("obama2", "obama3", "biden")
REFERENCES = ("obama", "biden")
_REFERENCE_HEIGHT_PX = 600
_REFERENCE_QUALITY = 85


class TwinSet:
    """Owns the twins. Their settings for the agent's site file are in `device_tables`."""

    def __init__(
        self, folder: Path, seal_port: int, chip_ports: Mapping[int, int], clock: Clock, portraits: Path
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._seal_port = seal_port
        self.lanes = {
            lane_id: LaneTwins(
                MrzReaderTwin(folder / f"reader-{lane_id}"),
                ChipTwin(chip_ports[lane_id], seed=lane_id),
                BarcodeReaderTwin(folder / f"barcode-{lane_id}"),
                CAMERAS[lane_id](fps=10.0, seed=lane_id),
                ModbusBarrierTwin(),
            )
            for lane_id in LANES
        }
        self.around = AroundTwins(folder, clock)
        self.seal = JointechSealTwin(seal_port, clock, seal_id=SEAL_ID)
        self.portraits = {name: _read(portraits, name) for name in LIVE}
        self.references = {name: _as_document_image(_read(portraits, name)) for name in REFERENCES}

    async def __aenter__(self) -> Self:
        for lane in self.lanes.values():
            await lane.reader.plug()
            await lane.chip.plug()
            await lane.barcode.plug()
            await lane.camera.start()
            await asyncio.to_thread(lane.camera.show_empty)
            await lane.barrier.plug()
        await self.around.__aenter__()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.around.__aexit__()
        await self.seal.unplug()
        for lane in self.lanes.values():
            await lane.reader.unplug()
            await lane.chip.unplug()
            await lane.barcode.unplug()
            await lane.camera.stop()
            await lane.barrier.stop()

    def device_tables(self, *, has_post: bool = True) -> str:
        """Return the tables that lead an agent and its post to these twins; without a post the gate hears the seals itself."""
        seals = _post_table if has_post else _table
        tables = [seals("seals", "seal_server", port=self._seal_port)]
        for lane_id, lane in self.lanes.items():
            tables += [
                _table(f"reader-{lane_id}", "mrz_serial", path=str(self._folder / f"reader-{lane_id}")),
                _table(f"chip-{lane_id}", "socket_chip", port=lane.chip.port),
                _table(f"barcode-{lane_id}", "barcode_serial", path=str(self._folder / f"barcode-{lane_id}")),
                _table(f"camera-{lane_id}", "opencv_camera", source=lane.camera.url),
                _table(f"barrier-{lane_id}", "modbus_barrier", host="127.0.0.1", port=lane.barrier.port),
            ]
        tables += [_table(name, driver, **options) for name, driver, options in self.around.devices()]
        return "".join(tables)


def _table(name: str, driver: str, **options: str | int) -> str:
    lines = "".join(f"{key} = {value if isinstance(value, int) else repr(value)}\n" for key, value in options.items())
    host = "field" if endpoints_of(driver, options) else "agent"  # the demo's agent has no network
    return f'\n[[device]]\nname = "{name}"\ndriver = "{driver}"\nhosted_by = "{host}"\n[device.options]\n{lines}'


def _post_table(name: str, driver: str, *, port: int) -> str:
    return f'\n[[post.device]]\nname = "{name}"\ndriver = "{driver}"\noptions = {{ port = {port} }}\n'


def _read(portraits: Path, name: str) -> bytes:
    try:
        return (portraits / f"{name}.jpg").read_bytes()
    except OSError as error:
        raise SettingsFault(
            f"{portraits / name}.jpg: {error.strerror}; `make demo` fetches it", code="EG-DEM-002"
        ) from error


def _as_document_image(content: bytes) -> bytes:
    """Return a portrait as a document carries it: smaller, and compressed once more."""
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise SettingsFault("a portrait cannot be decoded; `make portraits` fetches it anew", code="EG-DEM-002")
    scale = _REFERENCE_HEIGHT_PX / picture.shape[0]
    smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", smaller, [cv2.IMWRITE_JPEG_QUALITY, _REFERENCE_QUALITY])
    return bytes(encoded.tobytes())
