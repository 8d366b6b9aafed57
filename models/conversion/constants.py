"""Numbers that the conversion and the run-time share; importing them must not load ONNX."""

from __future__ import annotations

RGB_MEANS = (122.782, 117.001, 104.298)
CONVERTER_VERSION = "1"
