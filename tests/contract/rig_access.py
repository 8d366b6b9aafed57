"""Rig of `osdp_reader` for the driver contract; none where its library is not installed."""

import importlib.util
import itertools
import secrets
from pathlib import Path

from drivers.access import BadgeRead
from drivers.access_control.twin import OsdpReaderTwin
from tests.contract.rig_core import Rig


async def osdp_reader(folder: Path) -> Rig:
    key = secrets.token_bytes(16)
    file = folder / "channel.key"
    file.write_text(key.hex())
    file.chmod(0o600)
    twin = OsdpReaderTwin(folder / "reader", key=key)
    numbers = itertools.count(1)
    return Rig(
        "osdp_reader",
        twin,
        lambda: {"path": str(twin.path), "key_file": str(file), "dead_s": 1.0, "secure_timeout_s": 1.0},
        lambda: twin.badge(next(numbers).to_bytes(4, "big")),
        BadgeRead,
        twin.stop,
        is_taped=False,  # the channel's keys are new each time
    )


RIGS = {"osdp_reader": osdp_reader} if importlib.util.find_spec("osdp_sys") else {}
