"""Faults of the models.

ModelsError
├── ConversionFault     MD-CON-…  a weight file is not the pinned one or does not have the expected layout
├── CatalogueFault      MD-CAT-…  the models folder lacks a model or holds an altered one
├── CalibrationRefused  MD-CAL-…  no calibration record proves a threshold for exactly these models (MD-COH-…: a cohort is refused)
├── GalleryFault        MD-GAL-…  the gallery of a 1:N search refuses a request, or its sealed file an opening
├── ImageRefused        MD-IMG-…  an encoded image is of unknown format, too large, broken or exceeded the decoder's limits
└── WorkerFault         MD-WRK-…  a request to a worker was malformed

Expected outcomes (no face, several faces) are values of `models.results`; these are raised for faults and refusals only.
"""

from __future__ import annotations


class ModelsError(Exception):
    """A fault with a stable code."""

    code = "MD-000"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class ConversionFault(ModelsError):
    """A weight file is absent, not the pinned one, truncated, or laid out unlike the network it should hold."""

    code = "MD-CON-001"


class CatalogueFault(ModelsError):
    """The models folder lacks a built model, or a file in it is not the one that was built."""

    code = "MD-CAT-001"


class CalibrationRefused(ModelsError):
    """No calibration record covers exactly these models, this fusion, this precision and the wanted false match rate."""

    code = "MD-CAL-001"


class ImageRefused(ModelsError):
    """An encoded image was refused before or by the decoder; the message says why in plain words."""

    code = "MD-IMG-001"


class WorkerFault(ModelsError):
    """A request to a worker was malformed: unknown operation, no descriptor, or a frame smaller than stated."""

    code = "MD-WRK-001"
