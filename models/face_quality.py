"""A few honest quality values of one capture: components of ISO/IEC 29794-5 by name, computed by a non-conformant algorithm.

`sharpness_laplacian` is a stand-in and must never be called the standard's Sharpness. Head pose, eyes open, occlusions and the
unified score are not computed: five landmarks do not carry them.
"""

from __future__ import annotations

import cv2
import numpy as np

from models.face_landmarks import Landmarks
from models.results import FaceBox, Image


def face_quality(chip: Image, landmarks: Landmarks, box: FaceBox, scale: float) -> dict[str, float]:
    """Return the values of one face.

    `inter_eye_distance_px` between eye centres and `face_width_px`, both in pixels of the image handed in (`scale` is landmark
    pixels per image pixel); `luminance_mean` of the chip, 0-1; `sharpness_laplacian`, variance of the chip's Laplacian.
    """
    right_eye, left_eye = landmarks[[0, 1]].mean(axis=0), landmarks[[2, 3]].mean(axis=0)
    grey = cv2.cvtColor(chip, cv2.COLOR_BGR2GRAY)
    return {
        "inter_eye_distance_px": round(float(np.linalg.norm(right_eye - left_eye)) / scale, 1),
        "face_width_px": float(box.right_px - box.left_px + 1),
        "luminance_mean": round(float(grey.mean()) / 255, 4),
        "sharpness_laplacian": round(float(cv2.Laplacian(grey, cv2.CV_64F).var()), 1),
        "detection_score": round(box.score, 4),
    }
