"""The peer at work in a process of its own: `python -m tests.faults.peer_writer FOLDER RECORDS [BYTES]`, the SQLite storage of thingsboard-gateway.

It is asked as its gateway asks it, at a gate's pace; what it answers with True is accepted. At the end it has the time that its own thread asks for.
"""

import json
import logging
import sys
import threading
import time
import uuid
from pathlib import Path

from thingsboard_gateway.storage.sqlite.sqlite_event_storage import SQLiteEventStorage

from tests.faults.store_writer import say

_PACE_S = 0.02


class Log(logging.Logger):
    """The peer's own logger knows one level more."""

    def trace(self, *_args: object, **_more: object) -> None:
        """Say nothing."""


def work(folder: Path, number: int, size_bytes: int) -> None:
    log = Log("storage", logging.CRITICAL)
    logging.disable(logging.CRITICAL)
    folder.mkdir(exist_ok=True)
    storage = SQLiteEventStorage({"data_file_path": str(folder / "data.db")}, log, threading.Event())
    for _ in range(number):
        key = str(uuid.uuid4())
        if storage.put(json.dumps({"key": key, "body": "x" * size_bytes})):
            say(f"accepted {key}")
        time.sleep(_PACE_S)
    time.sleep(1)
    storage.stop()


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 600)
