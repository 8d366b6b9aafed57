"""The picture of a face that a guard sees: same crop and size for probe and reference, so that both stand side by side."""

from __future__ import annotations

import cv2

from models.results import FaceBox, Image

WIDTH_PX, HEIGHT_PX = 240, 320
_FACE_SHARE = 0.6  # of the portrait's width, as head width on a document portrait (0.5-0.75)
_JPEG_QUALITY = 88


def portrait_jpeg(image: Image, box: FaceBox) -> bytes | None:
    """Return a 240 x 320 JPEG around the face, edges repeated where the picture ends; None when the box misses the image."""
    face_px = box.right_px - box.left_px + 1
    width = max(round(face_px / _FACE_SHARE), 3)
    height = round(width * HEIGHT_PX / WIDTH_PX)
    left = (box.left_px + box.right_px + 1 - width) // 2
    top = (box.top_px + box.bottom_px + 1 - height) // 2 - face_px // 10
    rows, columns = image.shape[:2]
    inner = image[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    if inner.size == 0:
        return None
    margins = (max(-top, 0), max(top + height - rows, 0), max(-left, 0), max(left + width - columns, 0))
    framed = cv2.copyMakeBorder(inner, *margins, cv2.BORDER_REPLICATE) if any(margins) else inner
    small = cv2.resize(framed, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    is_written, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return encoded.tobytes() if is_written else None
