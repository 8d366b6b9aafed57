"""Rendered scenes for the tests of attack detection: a head with relief, the same texture on paper, and on a screen.

Drawn faces, a pinhole camera, a ray met with a height field per pixel. The scenes show what each cue reacts to; they prove no error rate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from models.results import FaceBox, Image

TEXELS_PER_MM = 4
HALF_WIDTH_MM, HALF_HEIGHT_MM = 120, 160  # what the texture covers
HEAD_AXES_MM = (78.0, 108.0, 85.0)
# dlib's order: outer, inner corner of the eye on the image's right; outer, inner of the other; nose base
POINTS_MM = np.array([(48.0, -25.0), (16.0, -25.0), (-48.0, -25.0), (-16.0, -25.0), (0.0, 28.0)])
BOX_MM = (-75.0, -80.0, 75.0, 70.0)
PAPER_MM = (105.0, 148.0)
TABLET_MM = (85.0, 125.0)
BEZEL_MM = 12.0


@dataclass(frozen=True)
class Pose:
    yaw_deg: float = 0.0
    pitch_deg: float = 0.0
    roll_deg: float = 0.0
    x_mm: float = 0.0
    y_mm: float = 0.0
    z_mm: float = 650.0

    @property
    def rotation(self) -> NDArray[np.float64]:
        yaw, pitch, roll = np.radians([self.yaw_deg, self.pitch_deg, self.roll_deg])
        about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        about_x = np.array([[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]])
        about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        return np.asarray(about_z @ about_x @ about_y)

    @property
    def place(self) -> NDArray[np.float64]:
        return np.array([self.x_mm, self.y_mm, self.z_mm])


@dataclass(frozen=True)
class Frame:
    image: Image
    box: FaceBox
    points: NDArray[np.int64]
    t_mono_s: float
    depth: NDArray[np.float32]


@dataclass
class Camera:
    width_px: int = 1280
    height_px: int = 720
    focal_px: float = 1100.0

    def rays(self) -> NDArray[np.float64]:
        v, u = np.mgrid[0 : self.height_px, 0 : self.width_px].astype(np.float64)
        x, y = (u - self.width_px / 2) / self.focal_px, (v - self.height_px / 2) / self.focal_px
        return np.stack([x, y, np.ones_like(x)])

    def seen(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        centre = np.array([self.width_px / 2, self.height_px / 2])
        return points_mm[:, :2] / points_mm[:, 2:] * self.focal_px + centre


def _noise(rng: np.random.Generator, rows: int, columns: int, blur: float, depth: float) -> NDArray[np.float32]:
    field_ = cv2.GaussianBlur(rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), blur)
    return np.asarray(field_ / field_.std() * depth, dtype=np.float32)


@lru_cache(maxsize=8)
def face_texture(seed: int) -> Image:
    """A drawn face, 240 mm x 320 mm, on a plain studio background."""
    rng = np.random.default_rng(seed)
    columns, rows = 2 * HALF_WIDTH_MM * TEXELS_PER_MM, 2 * HALF_HEIGHT_MM * TEXELS_PER_MM
    canvas = np.empty((rows, columns, 3), np.float32)
    canvas[:] = rng.uniform(120, 200, 3)
    canvas += _noise(rng, rows, columns, 30, 8)[..., None]

    def at(x: float, y: float) -> tuple[int, int]:
        return round((x + HALF_WIDTH_MM) * TEXELS_PER_MM), round((y + HALF_HEIGHT_MM) * TEXELS_PER_MM)

    def oval(x: float, y: float, a: float, b: float, colour: tuple[float, float, float]) -> None:
        size = (round(a * TEXELS_PER_MM), round(b * TEXELS_PER_MM))
        cv2.ellipse(canvas, at(x, y), size, 0, 0, 360, colour, -1, cv2.LINE_AA)

    hair = tuple(float(value) for value in rng.uniform(20, 80, 3))
    skin = (float(rng.uniform(105, 140)), float(rng.uniform(140, 170)), float(rng.uniform(185, 215)))
    oval(0, -20, 92, 122, (hair[0], hair[1], hair[2]))
    oval(0, 5, 72, 98, skin)
    for side in (-1, 1):
        oval(side * 32, -25, 16, 7, (225, 228, 230))
        oval(side * 32, -25, 6, 6, (60, 50, 40))
        oval(side * 32, -42, 20, 4, (hair[0], hair[1], hair[2]))
        oval(side * 9, 26, 4, 3, (60, 60, 90))
    oval(0, 55, 25, 8, (95, 95, 170))
    cv2.line(canvas, at(-24, 55), at(24, 55), (60, 60, 110), 5, cv2.LINE_AA)
    for _ in range(60):  # moles, creases, pores that a tracker can hold on to
        x, y = rng.uniform(-65, 65), rng.uniform(-85, 90)
        oval(float(x), float(y), float(rng.uniform(0.8, 2.4)), float(rng.uniform(0.8, 2.4)), (80, 105, 150))
    canvas += _noise(rng, rows, columns, 3, 4)[..., None]
    return np.clip(canvas, 0, 255).astype(np.uint8)


def head_height_mm(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = HEAD_AXES_MM
    dome = c * np.sqrt(np.clip(1 - (x / a) ** 2 - (y / b) ** 2, 0, None))
    nose = 22 * np.exp(-((x / 11) ** 2) - ((y - 15) / 20) ** 2)
    sockets = sum(6 * np.exp(-(((x - side * 32) / 14) ** 2) - ((y + 25) / 9) ** 2) for side in (-1, 1))
    return np.asarray(dome + nose - sockets)


def _flat(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    del y
    return np.zeros_like(x)


@dataclass
class Scene:
    """One presentation: `kind` is head, print, screen, or full_view (paper that fills the view)."""

    kind: str
    seed: int
    camera: Camera = field(default_factory=Camera)
    blur_px: float = 0.7
    noise: float = 2.0

    def __post_init__(self) -> None:
        rng = np.random.default_rng(self.seed + 1000)
        camera = self.camera
        room = np.empty((camera.height_px, camera.width_px, 3), np.float32)
        room[:] = rng.uniform(90, 170, 3)
        room += _noise(rng, camera.height_px, camera.width_px, 40, 12)[..., None]
        for _ in range(6):  # door frames, posters: straight edges that stand still
            left, top = int(rng.integers(0, camera.width_px)), int(rng.integers(0, camera.height_px))
            right, bottom = left + int(rng.integers(60, 400)), top + int(rng.integers(60, 400))
            cv2.rectangle(room, (left, top), (right, bottom), tuple(rng.uniform(30, 230, 3)), int(rng.integers(2, 12)))
        self._room = room
        self._body = np.clip(_noise(rng, 600, 800, 6, 25) + np.float32(rng.uniform(40, 160)), 0, 255)
        self._rng = rng
        self._rays = camera.rays().astype(np.float32)

    def frame(self, pose: Pose, t_mono_s: float = 0.0) -> Frame:
        height = head_height_mm if self.kind == "head" else _flat
        image = self._room.copy()
        depth = np.full(image.shape[:2], 3000.0, np.float32)
        if self.kind == "head":
            self._draw_body(image, depth, pose)
        rows, columns = self._reach(pose)
        rays = self._rays[:, rows, columns]
        rotation, place = pose.rotation, pose.place
        origin = (-rotation.T @ place).astype(np.float32)
        local = np.einsum("ij,jhw->ihw", rotation.T.astype(np.float32), rays)
        h = np.zeros(rays.shape[1:], np.float32)
        for _ in range(10 if self.kind == "head" else 1):
            scale = (-h - origin[2]) / local[2]
            x, y = origin[0] + scale * local[0], origin[1] + scale * local[1]
            h = 0.5 * (h + height(x, y)) if self.kind == "head" else h
        inside = self._inside(x, y)
        image[rows, columns][inside] = self._colour(x, y)[inside]
        depth[rows, columns][inside] = scale[inside]
        image = cv2.GaussianBlur(image, (0, 0), self.blur_px) if self.blur_px > 0 else image
        image += self._rng.standard_normal(image.shape, dtype=np.float32) * self.noise
        box, points = self._face(pose, height)
        return Frame(np.clip(image, 0, 255).astype(np.uint8), box, points, t_mono_s, depth)

    def _reach(self, pose: Pose) -> tuple[slice, slice]:
        """The rows and columns that the object can cover."""
        if self.kind == "full_view":
            return slice(None), slice(None)
        half = (110.0, 160.0)
        corners = np.array([(x, y, z) for x in (-half[0], half[0]) for y in (-half[1], half[1]) for z in (0, -110)])
        seen = self.camera.seen(corners @ pose.rotation.T + pose.place)
        (left, top), (right, bottom) = np.maximum(seen.min(axis=0).astype(int), 0), np.maximum(seen.max(axis=0) + 1, 1)
        return slice(top, int(bottom)), slice(left, int(right))

    def _inside(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.kind == "head":
            return np.asarray((x / HEAD_AXES_MM[0]) ** 2 + (y / HEAD_AXES_MM[1]) ** 2 < 0.985)
        half = {"print": PAPER_MM, "full_view": (2000.0, 2000.0)}.get(
            self.kind, (TABLET_MM[0] + BEZEL_MM, TABLET_MM[1] + BEZEL_MM)
        )
        return np.asarray((abs(x) < half[0]) & (abs(y) < half[1]))

    def _colour(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float32]:
        u = ((x + HALF_WIDTH_MM) * TEXELS_PER_MM).astype(np.float32)
        v = ((y + HALF_HEIGHT_MM) * TEXELS_PER_MM).astype(np.float32)
        texture = face_texture(self.seed).astype(np.float32)
        colour = cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        if self.kind == "screen":
            grid = 1 + 0.10 * np.sin(2 * np.pi * x / 0.9) + 0.10 * np.sin(2 * np.pi * y / 0.9)
            colour = colour * grid[..., None].astype(np.float32)
            bezel = (abs(x) > TABLET_MM[0]) | (abs(y) > TABLET_MM[1])
            colour[bezel] = 18
        return np.asarray(colour, dtype=np.float32)

    def _draw_body(self, image: NDArray[np.float32], depth: NDArray[np.float32], pose: Pose) -> None:
        """Neck and shoulders: a textured board 50 mm behind the face's plane that moves along and does not turn."""
        rays, distance = self._rays, pose.z_mm + 50
        x, y = rays[0] * distance - pose.x_mm, rays[1] * distance - pose.y_mm
        body = ((abs(x) < 50) & (y > 60)) | ((x / 230) ** 2 + ((y - 260) / 140) ** 2 < 1)
        u, v = ((x + 250) * 1.5).astype(np.float32), (y * 1.5).astype(np.float32)
        grey = cv2.remap(self._body, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        image[body] = grey[body][:, None]
        depth[body] = distance

    def _face(self, pose: Pose, height: object) -> tuple[FaceBox, NDArray[np.int64]]:
        assert callable(height)

        def seen(flat: NDArray[np.float64]) -> NDArray[np.float64]:
            local = np.column_stack([flat, -height(flat[:, 0], flat[:, 1])])
            return self.camera.seen(local @ pose.rotation.T + pose.place)

        # like a landmark model: whole pixels, a little unsteady
        points = np.floor(seen(POINTS_MM) + self._rng.normal(0, 0.7, (5, 2)) + 0.5).astype(np.int64)
        left, top, right, bottom = BOX_MM
        corners = seen(np.array([(left, top), (right, bottom)]) * 0.9)
        edges = np.round(corners + self._rng.normal(0, 2, (2, 2))).astype(int)
        return FaceBox(int(edges[0, 0]), int(edges[0, 1]), int(edges[1, 0]), int(edges[1, 1]), 1.0), points


def trajectory(seed: int, frames: int, motion: str = "sway", base: Pose | None = None) -> list[Pose]:
    """Poses of a presentation: still, walk (towards and sideways), turn (the head's yaw and pitch), sway (both, smaller), or approach:
    a walk with the face kept to the camera, which shows no other side of it."""
    rng = np.random.default_rng(seed + 500)
    start = base or Pose(x_mm=float(rng.uniform(-30, 30)), y_mm=float(rng.uniform(-20, 20)))
    reach = {
        "still": (0.0, 0.0),
        "walk": (80.0, 3.0),
        "turn": (10.0, 14.0),
        "sway": (50.0, 7.0),
        "approach": (110.0, 0.0),
    }[motion]
    side = rng.choice([-1.0, 1.0], 5)
    poses = []
    for index in range(frames):
        share = index / max(frames - 1, 1)
        swing = np.sin(np.pi / 2 * share)
        pose = replace(
            start,
            yaw_deg=side[0] * reach[1] * swing,
            pitch_deg=side[1] * 0.5 * reach[1] * swing,
            roll_deg=side[2] * 2 * swing,
            x_mm=start.x_mm + side[3] * reach[0] * share,
            y_mm=start.y_mm + side[4] * 0.2 * reach[0] * share,
            z_mm=start.z_mm - 0.8 * reach[0] * share,
        )
        if motion == "approach":
            yaw, pitch = np.degrees(np.arctan2([pose.x_mm, -pose.y_mm], pose.z_mm))
            pose = replace(pose, yaw_deg=float(yaw), pitch_deg=float(pitch))
        poses.append(pose)
    return poses


def presentation(kind: str, seed: int, frames: int = 16, motion: str = "sway", **scene: object) -> list[Frame]:
    """The frames of a presentation at 15 frames a second."""
    stage = Scene(kind, seed, **scene)  # type: ignore[arg-type]
    return [stage.frame(pose, index / 15) for index, pose in enumerate(trajectory(seed, frames, motion))]
