"""Labelled presentations on disk: which there are, and their frames in order. Everything that does not fit is refused by its path."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from gate_agent.cli.evaluation_report import EvaluateFault
from models.attack_presentations import FRAMES_PER_S, LONGEST_S
from models.results import Image

_VIDEOS = frozenset({".mp4", ".avi", ".mjpeg", ".mjpg", ".mov", ".mkv"})
_WITHOUT_CLOCK = frozenset({".mjpeg", ".mjpg"})
_PICTURES = frozenset({".jpg", ".jpeg", ".png"})
_FASTEST_HZ = 240.0
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FolderPresentation:
    """A presentation's label and place; `species` is empty for bona fide."""

    species: str
    source: str
    path: Path


def presentations_in(folder: Path) -> list[FolderPresentation]:
    """Return the presentations of a folder, in the order of their names. Raises `EvaluateFault` naming what does not fit."""
    if not folder.is_dir():
        raise EvaluateFault(f"{folder} is no folder")
    strange = [entry.name for entry in _entries(folder) if entry.name not in {"bona_fide", "attacks"}]
    if strange:
        raise EvaluateFault(f"{folder} holds {strange[0]}; expected are bona_fide and attacks, nothing else")
    listed = [
        FolderPresentation("", subject.name, path)
        for subject in _folders(folder / "bona_fide", "a folder per subject")
        for path in _presentations(subject)
    ]
    for species in _folders(folder / "attacks", "a folder per species"):
        for artefact in _folders(species, "a folder per artefact"):
            listed += [FolderPresentation(species.name, artefact.name, path) for path in _presentations(artefact)]
    if not listed:
        raise EvaluateFault(f"{folder} holds no presentation under bona_fide/SUBJECT or attacks/SPECIES/ARTEFACT")
    return listed


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise EvaluateFault(f"{folder} cannot be read: {error.strerror}") from error


def _folders(folder: Path, expected: str) -> list[Path]:
    if not folder.exists():
        return []
    entries = _entries(folder)
    for entry in entries:
        if not entry.is_dir():
            raise EvaluateFault(f"{entry} is a file; {folder} should hold {expected}")
    return entries


def _presentations(folder: Path) -> list[Path]:
    entries = _entries(folder)
    if not entries:
        raise EvaluateFault(f"{folder} is empty")
    for entry in entries:
        if entry.is_dir():
            _pictures(entry)
        elif entry.suffix.lower() not in _VIDEOS:
            raise EvaluateFault(f"{entry} is neither a video ({', '.join(sorted(_VIDEOS))}) nor a folder of frames")
    return entries


def _pictures(folder: Path) -> list[Path]:
    pictures = _entries(folder)
    if not pictures:
        raise EvaluateFault(f"{folder} holds no frames")
    for picture in pictures:
        if picture.suffix.lower() not in _PICTURES:
            raise EvaluateFault(f"{picture} is no frame ({', '.join(sorted(_PICTURES))})")
    return pictures


def frames_of(path: Path, frame_rate_hz: float) -> Iterator[tuple[Image, float]]:
    """Yield the BGR frames of a presentation with their times in seconds, at most as many a second as the gate looks at.

    `frame_rate_hz` is that of folders and of raw MJPEG, which know no time. Raises `EvaluateFault` for a frame that cannot be read.
    """
    source = _folder_frames(path, frame_rate_hz) if path.is_dir() else _video_frames(path, frame_rate_hz)
    due_s = 0.0
    for image, t_s in source:
        if t_s > LONGEST_S:
            return
        if t_s + 1e-6 >= due_s:
            due_s = max(due_s + 1 / FRAMES_PER_S, t_s)
            yield image, t_s


def _folder_frames(folder: Path, frame_rate_hz: float) -> Iterator[tuple[Image, float]]:
    for index, picture in enumerate(_pictures(folder)):
        image = cv2.imread(str(picture), cv2.IMREAD_COLOR)
        if image is None:
            raise EvaluateFault(f"{picture} cannot be decoded")
        yield np.asarray(image, dtype=np.uint8), index / frame_rate_hz


def _video_frames(path: Path, frame_rate_hz: float) -> Iterator[tuple[Image, float]]:
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise EvaluateFault(f"{path} cannot be read as a video")
        stated = capture.get(cv2.CAP_PROP_FPS)
        is_stated = path.suffix.lower() not in _WITHOUT_CLOCK and 0 < stated <= _FASTEST_HZ
        rate_hz = stated if is_stated else frame_rate_hz
        index = 0
        while True:
            is_read, image = capture.read()
            if not is_read:
                return
            yield np.asarray(image, dtype=np.uint8), index / rate_hz
            index += 1
    finally:
        capture.release()


def digest_of(path: Path, folder: Path) -> str:
    """Return name and SHA-256 of a presentation's files, a line each: what a record's set is recognised by."""
    files = _pictures(path) if path.is_dir() else [path]
    lines = []
    for file in files:
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
        lines.append(f"{file.relative_to(folder).as_posix()} {digest.hexdigest()}\n")
    return "".join(lines)
