"""The peer of `bench_face`: `face_recognition` with dlib, one call per line of standard input, CPU and wall milliseconds per line out.

A process of its own, because importing the peer changes global settings and ends its process when its weights are missing.
Arguments: an npz with `picture` (RGB), `chip` (RGB 150 x 150), `box` (left, top, right, bottom) and `frames` (n, 720, 1280, 3, RGB).
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
import warnings

import numpy as np


def main() -> None:
    """Say `ready`, then answer every line until the input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # the peer prints
    warnings.simplefilter("ignore")
    import dlib
    import face_recognition
    from face_recognition import api

    arrays = dict(np.load(sys.argv[1]))
    picture, chip = arrays["picture"], arrays["chip"]
    left, top, right, bottom = arrays["box"].tolist()
    rectangle = dlib.rectangle(left, top, right, bottom)
    shape = api.pose_predictor_5_point(picture, rectangle)
    frames = itertools.cycle(arrays["frames"])

    def live() -> None:
        frame = next(frames)
        face_recognition.face_encodings(frame, face_recognition.face_locations(frame), model="small")

    work = {
        "embedder": lambda: api.face_encoder.compute_face_descriptor(chip),
        "detection": lambda: api.cnn_face_detector(picture, 0),
        "landmarks": lambda: api.pose_predictor_5_point(picture, rectangle),
        "chip": lambda: dlib.get_face_chip(picture, shape),
        "encoding": lambda: face_recognition.face_encodings(picture, [(top, right, bottom, left)], model="small"),
        "live": live,
    }
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        call = work[line.strip()]
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        call()
        figures = [(time.process_time() - cpu_s) * 1e3, (time.perf_counter() - wall_s) * 1e3]
        print(json.dumps(figures), file=answers, flush=True)


if __name__ == "__main__":
    main()
