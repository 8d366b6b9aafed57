"""A store is a training gate's or a real one's, and stays what it was made as: a mark beside it says so."""

from __future__ import annotations

from pathlib import Path

from gate_agent.errors import StoreFault

MARK, STORE = "training", "store.db"
MIXED_UP = "EG-STO-006"


def keep_apart(folder: Path, *, is_training: bool) -> None:
    """Mark the folder of a new training store, and refuse one that was made as the other kind. Raises `StoreFault`."""
    mark = folder / MARK
    is_marked = mark.exists()
    if is_marked != is_training and (is_marked or (folder / STORE).exists()):
        was, wants = ("a training gate", "real") if is_marked else ("a real gate", "for training")
        raise StoreFault(f"{folder}: this store is {was}'s, and the gate is {wants}", code=MIXED_UP)
    if is_training and not is_marked:
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            mark.touch(mode=0o600)
        except OSError as error:
            raise StoreFault(f"{mark}: {error.strerror}") from error
