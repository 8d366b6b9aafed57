"""What a store holds after a fault, read without the software that wrote it: which records, how often, and whether the chain is whole."""

import hashlib
import json
import sqlite3
import uuid
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Census:
    """`keys`: how often each thing that could be accepted is there; `broken`: what is wrong with the file or the chain."""

    keys: Counter[str] = field(default_factory=Counter)
    broken: str = ""

    def lost(self, accepted: Iterable[str]) -> int:
        return sum(key not in self.keys for key in accepted)

    @property
    def doubled(self) -> int:
        return sum(number - 1 for number in self.keys.values())


def of_gate(folder: Path) -> Census:
    """Count decisions and crossings in a gate's journal, and follow its chain from the first place to its head."""
    path = folder / "store.db"
    if not path.exists():
        return Census()
    census = Census()
    try:
        with closing(sqlite3.connect(path)) as connection:
            is_made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox'").fetchone()
            if is_made is None:  # the cut came before anything was accepted
                return census
            if (told := connection.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
                return Census(broken=told)
            epoch, last_seq, head = connection.execute("SELECT epoch, last_seq, head FROM chain").fetchone()
            before, place = hashlib.sha256(uuid.UUID(epoch).bytes).digest(), 0
            for seq, prev_hash, own_hash, kind, body in connection.execute(
                "SELECT seq, prev_hash, hash, kind, body FROM outbox ORDER BY seq"
            ):
                place += 1
                is_next = seq == place and prev_hash == before
                if not is_next or hashlib.sha256(before + body).digest() != own_hash:
                    census.broken = f"the chain breaks at place {seq}"
                before = own_hash
                if kind in {"decision", "crossing"}:
                    census.keys[json.loads(body)["data"][f"{kind}_id"]] += 1
            if (last_seq, head) != (place, before):
                census.broken = "the chain's head is not its last record"
    except sqlite3.DatabaseError as error:
        return Census(broken=str(error))
    return census


def of_peer(folder: Path) -> Census:
    """Count messages in the peer's table."""
    path = folder / "data.db"
    census = Census()
    if not path.exists():
        return census
    try:
        with closing(sqlite3.connect(path)) as connection:
            if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'messages'").fetchone() is None:
                return census
            for (message,) in connection.execute("SELECT message FROM messages"):
                census.keys[json.loads(message)["key"]] += 1
    except sqlite3.DatabaseError as error:
        return Census(broken=str(error))
    return census
