"""A head made of ellipsoids and noise, as a tissue map. Every seed is another person; none of them exists."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.phantom.noise import FloatArray, smooth_noise
from pipeline.phantom.tissue import Tissue, TissueMap

T = Tissue
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Space:
    """Patient coordinates of a grid in mm, brain centre at the origin: x left, y posterior, z head; and noise on it."""

    x: FloatArray
    y: FloatArray
    z: FloatArray
    spacing_mm: tuple[float, float, float]
    rng: np.random.Generator

    def noise(self, length_mm: float) -> FloatArray:
        """A smooth field on the grid, unit variance."""
        return smooth_noise(self.rng, self.x.shape, [length_mm / s for s in self.spacing_mm])

    def ellipsoid(self, centre: tuple[float, float, float], axes: tuple[float, float, float]) -> FloatArray:
        """About the depth in mm below the surface of an ellipsoid with those semi-axes; negative outside."""
        (cx, cy, cz), (a, b, c) = centre, axes
        rho = np.sqrt(((self.x - cx) / a) ** 2 + ((self.y - cy) / b) ** 2 + ((self.z - cz) / c) ** 2)
        return ((1 - rho) * (a * b * c) ** (1 / 3)).astype(np.float32)

    def pair(self, centre: tuple[float, float, float], axes: tuple[float, float, float]) -> FloatArray:
        """The same ellipsoid on both sides of the midline."""
        (cx, cy, cz), (a, b, c) = centre, axes
        rho = np.sqrt(((np.abs(self.x) - cx) / a) ** 2 + ((self.y - cy) / b) ** 2 + ((self.z - cz) / c) ** 2)
        return ((1 - rho) * (a * b * c) ** (1 / 3)).astype(np.float32)


def head(space: Space) -> TissueMap:
    """The tissue map of one head: outer layers first, then what lies deeper over them."""
    cerebrum, cerebellum, stem = _brain(space)
    inside = np.maximum(np.maximum(cerebrum, cerebellum), stem)
    tissues = _shell(space, inside)
    _cerebrum(space, tissues, cerebrum)
    _cerebellum(space, tissues, cerebellum)
    tissues[(stem > 0) & (tissues != T.DURA)] = T.BRAINSTEM
    # Below the foramen magnum it is spinal cord, where no brain metastasis is put.
    tissues[(tissues == T.BRAINSTEM) & (space.z < -58)] = T.CORD
    _deep(space, tissues, cerebrum)
    _midline(space, tissues, cerebrum)
    _vessels(space, tissues, inside)
    return tissues


def _brain(space: Space) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Depth in mm below the surfaces of cerebrum (with its subarachnoid space), cerebellum and brainstem."""
    size = space.rng.uniform(0.93, 1.05, 3)
    lumps = 1.5 * space.noise(25.0)
    upper = space.ellipsoid((0, 0, 0), (70 * size[0], 86 * size[1], 66 * size[2]))
    upper = np.minimum(upper, 0.8 * (space.z + 20 + 6 * (space.y / 80)))
    temporal = space.pair((38, -14, -24), (26 * size[0], 38 * size[1], 20))
    cerebrum = np.maximum(upper, temporal) + lumps
    cerebellum = (
        np.minimum(space.pair((24, 42, -44), (32 * size[0], 30 * size[1], 24)), 0.9 * (-space.z - 20)) + 0.5 * lumps
    )
    radius = np.sqrt(space.x**2 + ((space.y - 8 - 0.06 * (space.z + 20)) * 0.95) ** 2)
    width = np.where(space.z > -55, 14, 7)
    stem = np.minimum(width - radius, np.minimum(-space.z - 4, 200 + space.z))
    return cerebrum, cerebellum, stem.astype(np.float32)


def _shell(space: Space, inside: FloatArray) -> TissueMap:
    """Everything around the brain: skin, fat, muscle, bone with marrow, dura, and the face with its cavities."""
    rng = space.rng
    bone = float(rng.uniform(6, 9)) + 1.2 * space.noise(30.0)
    scalp = float(rng.uniform(5, 9)) + 1.0 * space.noise(40.0)
    # Bone and scalp follow the smooth outline of the head, not the fissures between the parts of the brain.
    outline = np.maximum(
        inside, np.minimum(space.ellipsoid((0, 4, -8), (72, 88, 74)), space.z + 30 + 2 * space.noise(15.0))
    )
    face = np.maximum(space.ellipsoid((0, -48, -70), (58, 48, 62)), 58 - np.hypot(space.x, (space.y - 18) * 0.9))
    face = np.where(space.z < -25, face, -20)
    tissues = np.zeros(space.x.shape, np.uint8)
    lumps = space.noise(11.0)
    surface = np.maximum(outline + bone + scalp, face)
    tissues[surface > 0] = T.SKIN
    tissues[surface > 2] = T.FAT
    tissues[(surface > 4.5) & (lumps > -0.4)] = T.MUSCLE
    skull = outline + bone
    tissues[skull > 0] = T.BONE
    marrow = (skull > 2) & (skull < bone - 2) & (lumps > -0.3)
    tissues[marrow] = T.MARROW
    deep_face = (space.z < -30) & (outline < 0) & (surface > 14)
    tissues[deep_face & (np.abs(lumps) < 0.35)] = T.BONE
    tissues[deep_face & (lumps > 0.9)] = T.MUCOSA
    nose = np.minimum(space.ellipsoid((0, -62, -62), (16, 30, 24)), 3 + 3 * lumps)
    tissues[(nose > -2) & (surface > 5)] = T.MUCOSA
    tissues[(nose > 0) & (surface > 5)] = T.AIR
    tissues[space.pair((32, -70, -36), (12.5, 12.5, 12.5)) > -4] = T.FAT
    tissues[space.pair((32, -70, -36), (12, 12, 12)) > 0] = T.EYE
    tissues[(inside > -1.2) & (skull > 0)] = T.DURA
    tissues[inside > 0] = T.CSF
    return tissues


def _cerebrum(space: Space, tissues: TissueMap, depth: FloatArray) -> None:
    atrophy = float(space.rng.uniform(0.6, 1.5))
    folds = space.noise(float(space.rng.uniform(6, 9)))
    below = depth - float(space.rng.uniform(1.0, 2.5)) * atrophy
    sulcus = np.abs(folds) < 0.11 * atrophy * np.clip(1.2 - below / 22, 0, 1)
    ribbon = (below < 3) | (np.abs(folds) < np.clip(0.5 * (1.6 - below / 14), 0, 0.7))
    tissues[below > 0] = T.WHITE
    tissues[(below > 0) & ribbon] = T.CORTEX
    tissues[(below > 0) & sulcus] = T.CSF


def _cerebellum(space: Space, tissues: TissueMap, depth: FloatArray) -> None:
    folia = space.noise(5.0)
    tissues[depth > 1.5] = T.CEREBELLAR_CORTEX
    tissues[(depth > 1.5) & (np.abs(folia) < 0.1) & (depth < 12)] = T.CSF
    tissues[depth > 11 + 2 * folia] = T.CEREBELLAR_WHITE


def _deep(space: Space, tissues: TissueMap, cerebrum: FloatArray) -> None:
    grey = np.maximum.reduce(
        [
            space.pair((12, 10, 2), (9, 14, 9)),
            space.pair((27, -2, 2), (5, 17, 10)),
            space.pair((14, -18, 12), (5, 11, 8)),
        ]
    )
    tissues[(grey > 0) & (cerebrum > 8)] = T.DEEP_GREY
    wide = float(space.rng.uniform(0.6, 1.6))
    lumps = space.noise(10.0)
    ventricles = np.maximum.reduce(
        [
            space.pair((11, -4, 15), (6.5 * wide, 30, 8 * wide)),
            space.pair((19, 30, 6), (6.5 * wide, 18, 8 * wide)),
            space.pair((33, 6, -16), (4 * wide, 16, 4 * wide)),
            space.ellipsoid((0, 4, 0), (2.2 * wide, 13, 9)),
        ]
    )
    tissues[(ventricles + lumps > 0) & (cerebrum > 6)] = T.VENTRICLE
    tissues[space.ellipsoid((0, 27, -38), (7, 5, 9)) > 0] = T.VENTRICLE
    choroid = (np.abs(lumps) < 0.45) & (space.pair((20, 27, 7), (4, 11, 5)) > 0)
    tissues[choroid & (tissues == T.VENTRICLE)] = T.CHOROID


def _midline(space: Space, tissues: TissueMap, cerebrum: FloatArray) -> None:
    """Interhemispheric fissure, falx, tentorium and the sinuses that run in their edges."""
    bend = space.x + 0.8 * space.noise(40.0)
    above = (space.z > 24) | (space.y > 40) | (space.y < -42)
    fissure = (cerebrum > 0) & above & (space.z > -18)
    tissues[fissure & (np.abs(bend) < 1.6)] = T.CSF
    tissues[fissure & (np.abs(bend) < 0.7)] = T.DURA
    tentorium = (np.abs(space.z + 20) < 0.9) & (space.y > 14) & (np.hypot(space.x, space.y) > 22)
    inside_skull = tissues != T.BONE
    tissues[tentorium & inside_skull & (cerebrum > -8)] = T.DURA
    sagittal = (
        (cerebrum > -2) & (np.abs(bend) < 4.5 - 0.7 * cerebrum) & ((space.z > 25) | ((space.y > 40) & (space.z > -20)))
    )
    tissues[sagittal & (space.y > -70)] = T.SINUS
    straight = np.hypot(bend, space.z - 0.35 * (space.y - 72) + 20) < 2.2
    tissues[straight & (space.y > 28) & (cerebrum > -3)] = T.SINUS
    tissues[space.ellipsoid((0, -14, -38), (6.5, 4.5, 4)) > 0] = T.PITUITARY


def _vessels(space: Space, tissues: TissueMap, inside: FloatArray) -> None:
    side = float(space.rng.choice([-1, 1]))
    skew = 1 + 0.35 * side * np.sign(space.x)
    rim = (inside > -2.5) & (inside < 2.5 * skew)
    transverse = rim & (np.abs(space.z + 20) < 3 * skew) & (space.y > 15)
    sigmoid = rim & (np.abs(space.y - 22) < 3 * skew) & (space.z < -18) & (space.z > -58) & (np.abs(space.x) > 30)
    tissues[transverse | sigmoid] = T.SINUS
    carotid = (np.hypot(np.abs(space.x) - 11, space.y + 12) < 2.4) & (space.z < -26)
    basilar = (np.hypot(space.x, space.y + 7) < 2.0) & (space.z < -24) & (space.z > -60)
    middle = (np.hypot(space.y + 12 + 0.1 * np.abs(space.x), space.z + 22 - 0.15 * np.abs(space.x)) < 1.6) & (
        (np.abs(space.x) > 8) & (np.abs(space.x) < 40)
    )
    tissues[carotid | basilar | middle] = T.ARTERY
