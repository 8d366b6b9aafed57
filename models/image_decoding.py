"""Decoding of untrusted images: header gate first, then a disposable child under memory, time and descriptor limits.

The child is forked from the warm caller (a worker with one thread), decodes into shared memory and ends; whatever a hostile image
does to the decoder dies with it, and it dies with its caller. It holds no descriptor of the caller: neither what the caller is
asked through nor anybody's picture. The caller gets pixels or `ImageRefused`, never a crash.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import select
import signal
import struct
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from models.errors import ImageRefused
from models.image_header import MAXIMUM_CONTENT_BYTES, MAXIMUM_PIXELS, ImageHeader, read_header
from models.results import Image

_DECODED, _UNDECODABLE, _OUT_OF_MEMORY = 0, 3, 4
_SHAPE = struct.Struct("<II")
_DESCRIPTORS = 8
_GRACE_S = 0.5
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one decode may use: pixels by the header, encoded bytes, memory beyond the caller's own size, and time by the clock."""

    maximum_pixels: int = MAXIMUM_PIXELS
    memory_bytes: int = 128 * 1024 * 1024
    time_s: float = 1.0
    maximum_bytes: int = MAXIMUM_CONTENT_BYTES


def decode_image(content: bytes, limits: DecodeLimits | None = None) -> Image:
    """Return the image as BGR uint8. Raises `ImageRefused` with the reason when it is unknown, too large, broken or too costly.

    `MemoryError`: not the image, but the caller's own address-space limit left the decoder less than `limits` allow.
    """
    limits = limits or DecodeLimits()
    header = read_header(content, limits.maximum_pixels, limits.maximum_bytes)
    size_bytes = header.width_px * header.height_px * 3
    descriptor = os.memfd_create("decoded", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, _SHAPE.size + size_bytes)
        with mmap.mmap(descriptor, _SHAPE.size + size_bytes) as shared:
            _decode_in_child(content, header, limits, shared)
            height, width = _SHAPE.unpack_from(shared)
            if not height or not width or height * width * 3 != size_bytes:
                raise ImageRefused("the decoded image has another size than its header states", code="MD-IMG-004")
            pixels = np.frombuffer(shared[_SHAPE.size :], dtype=np.uint8)
    finally:
        os.close(descriptor)
    return pixels.reshape(height, width, 3)


def _decode_in_child(content: bytes, header: ImageHeader, limits: DecodeLimits, shared: mmap.mmap) -> None:
    """Run the decoder in a forked child and wait for it, at most the time limit and a grace."""
    wanted = _own_size_bytes() + limits.memory_bytes
    own_limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    memory = wanted if own_limit == resource.RLIM_INFINITY else min(wanted, own_limit)
    caller = os.getpid()
    cv2.setNumThreads(
        1
    )  # a pool of threads would not survive the fork: the child would wait for it until its time is up
    with warnings.catch_warnings():
        # the child only decodes, single-threaded, and leaves by os._exit: threads of the caller do not concern it
        warnings.filterwarnings("ignore", category=DeprecationWarning, message=".*fork.*")
        child = os.fork()
    if child == 0:
        status = _UNDECODABLE
        try:
            if _dies_with(caller):
                status = _child(content, header, limits, memory, shared)
        finally:
            os._exit(status)
    status = _ended(child, limits.time_s + _GRACE_S)
    if status < 0:
        name = signal.Signals(-status).name
        raise ImageRefused(f"the decoder was ended by {name}: the image exceeds its limits", code="MD-IMG-005")
    if status == _OUT_OF_MEMORY and memory < wanted:
        raise MemoryError("this process's own limit leaves the decoder too little")
    if status == _OUT_OF_MEMORY:
        raise ImageRefused("the image needs more memory than the decoder may use", code="MD-IMG-005")
    if status != _DECODED:
        raise ImageRefused(f"the {header.format} image is broken", code="MD-IMG-004")


def _dies_with(caller: int) -> bool:
    """Have this process killed when its parent ends; False when that has ended already."""
    if _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    return os.getppid() == caller


def _child(content: bytes, header: ImageHeader, limits: DecodeLimits, memory_bytes: int, shared: mmap.mmap) -> int:
    """Restrict this process, decode, write shape and pixels; return the exit status."""
    for ending in (signal.SIGALRM, signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE):
        signal.signal(ending, signal.SIG_DFL)  # the caller's handlers must not run here
    signal.setitimer(signal.ITIMER_REAL, limits.time_s)
    silence = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(silence, standard)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.closerange(3, most if most != resource.RLIM_INFINITY else 1 << 20)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        image = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
        if image is None or image.size != header.width_px * header.height_px * 3:
            return _UNDECODABLE
        _SHAPE.pack_into(shared, 0, image.shape[0], image.shape[1])
        shared[_SHAPE.size :] = image.tobytes()
    except MemoryError:
        return _OUT_OF_MEMORY
    except cv2.error as error:
        return _OUT_OF_MEMORY if error.code == cv2.Error.STS_NO_MEM else _UNDECODABLE
    return _DECODED


def _own_size_bytes() -> int:
    """Return the size of this process's address space."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def _ended(child: int, time_s: float) -> int:
    """Wait for the child, ending it when it takes too long; return its exit status, negative for a signal."""
    descriptor = os.pidfd_open(child)
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        if not waiting.poll(time_s * 1000):
            os.kill(child, signal.SIGKILL)
    finally:
        os.close(descriptor)
        _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)
