"""The rig that leads eGate's contract suite to this driver: `EGATE_RIGS=FOLDER pytest tests/contract/test_driver_contract.py`."""

from __future__ import annotations

from pathlib import Path

from egate_example_reader.twin import ExampleTwin

from drivers.contracts import BarcodeRead
from tests.contract.rig_core import Rig


async def example(folder: Path) -> Rig:
    """Return the twin, the options that lead to it, and what makes it tell something."""
    twin = ExampleTwin(folder / "reader")
    options = {"path": str(twin.path), "quiet_s": 0.15, "dead_s": 1.0}
    return Rig(
        driver="example_reader",
        twin=twin,
        options=lambda: options,
        stir=lambda: twin.scan(b"\x02 a symbol"),
        told=BarcodeRead,
        close=twin.unplug,
    )


RIGS = {"example_reader": example}
