"""Synthetic candidates: bright blobs and bright tubes in noise, alone in the middle of small volumes or many in one."""

from __future__ import annotations

import highdicom as hd
import numpy as np
from scipy import ndimage

from pipeline.radiomics.features import Table, measure
from pipeline.radiomics.params import RadiomicsParams

AXIAL = np.array([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]])
"""(slice, row, column) -> (x, y, z) LPS."""


def volume(array, spacing_mm=(1.0, 1.0, 1.0), origin_mm=(-40.0, -40.0, -40.0)):
    affine = np.eye(4)
    affine[:3, :3] = AXIAL * np.array(spacing_mm)
    affine[:3, 3] = origin_mm
    return hd.Volume(array, affine, "PATIENT")


def background(shape, seed=0, smooth=1.0):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), smooth)
    return (100 + 12 * noise / noise.std()).astype(np.float32)


def coordinates(shape, spacing_mm, centre_mm):
    grid = np.moveaxis(np.indices(shape).astype(float), 0, -1) * spacing_mm
    return grid - np.asarray(centre_mm, float)


def ball(shape, centre_mm, diameter_mm, spacing_mm=(1.0, 1.0, 1.0)):
    return (coordinates(shape, spacing_mm, centre_mm) ** 2).sum(axis=-1) <= (diameter_mm / 2) ** 2


def tube(shape, centre_mm, direction, diameter_mm, length_mm, spacing_mm=(1.0, 1.0, 1.0)):
    direction = np.asarray(direction, float) / np.linalg.norm(direction)
    away = coordinates(shape, spacing_mm, centre_mm)
    along = away @ direction
    across = ((away - along[..., None] * direction) ** 2).sum(axis=-1)
    return (across <= (diameter_mm / 2) ** 2) & (np.abs(along) <= length_mm / 2)


def one_ball(diameter_mm=6.0, spacing_mm=(1.0, 1.0, 1.0), size_mm=48.0, seed=1):
    """A smooth bright ball in the middle of noise: image and labels."""
    shape = tuple(round(size_mm / s) for s in spacing_mm)
    centre = (np.array(shape) - 1) / 2 * spacing_mm
    mask = ball(shape, centre, diameter_mm, spacing_mm)
    image = background(shape, seed) + 80 * ndimage.gaussian_filter(mask.astype(np.float32), 0.6)
    return volume(image.astype(np.float32), spacing_mm), volume(mask.astype(np.uint16), spacing_mm)


def head(seed, each=4):
    """Image, labels, truth: `each` balls and as many pieces of longer tubes, in one volume of 40 x 80 x 80 mm."""
    random = np.random.default_rng(seed)
    shape = (40, 80, 80)
    image, labels, truth = background(shape, seed), np.zeros(shape, np.uint16), []
    places = [(z, y, x) for z in (10, 29) for y in (14, 40, 66) for x in (14, 40, 66)]
    for number, at in enumerate(random.permutation(places)[: 2 * each], start=1):
        centre = at + random.uniform(-1.5, 1.5, 3)
        lesion = number % 2 == 1
        size = random.uniform(3, 7) if lesion else random.uniform(2, 3.5)
        direction = random.normal(size=3)
        seen = ball(shape, centre, size) if lesion else tube(shape, centre, direction, size, 24)
        marked = seen if lesion else tube(shape, centre, direction, size, random.uniform(4, 9))
        image += (random.uniform(60, 110) * ndimage.gaussian_filter(seen.astype(np.float32), 0.6)).astype(np.float32)
        labels[marked & (labels == 0)] = number
        truth.append(lesion)
    return volume(image), volume(labels), np.array(truth)


def measured_head(seed, each=4) -> tuple[Table, np.ndarray]:
    image, labels, truth = head(seed, each)
    probability = (labels.array > 0) * np.float32(0.6)
    return measure(image, labels, RadiomicsParams(), probability), truth
