"""One breast onto the grid that a network of mammograms wants, and its answer back onto the picture."""

from __future__ import annotations

import numpy as np

from pipeline.bundle.card import PlaneInput
from pipeline.bundle.sliding import FloatArray, resampled


def on_plane(picture: FloatArray, spacing_mm: float, wanted: PlaneInput) -> FloatArray:
    """(rows, columns) with the chest wall left -> with pixels of about the size, and the chest wall where, wanted."""
    size = (max(1, round(n * spacing_mm / to)) for n, to in zip(picture.shape, wanted.spacing_mm, strict=True))
    made = resampled(np.asarray(picture, np.float32)[None], (1, *size))[0]
    return np.ascontiguousarray(made[:, ::-1] if wanted.chest_wall == "right" else made)


def filled_up(image: FloatArray, wanted: PlaneInput) -> FloatArray:
    """A whole image with zeros below and to the right, to a multiple that the network takes; patches as they are."""
    if wanted.patch is not None:
        return image
    return np.pad(image, [(0, -n % wanted.multiple_of) for n in image.shape])


def back_on_picture(answer: FloatArray, shape: tuple[int, ...], wanted: PlaneInput) -> FloatArray:
    """What `on_plane` did, undone for an array of its size: (rows, columns) of the picture, 0…1."""
    turned = np.ascontiguousarray(answer[:, ::-1] if wanted.chest_wall == "right" else answer)
    return np.clip(resampled(turned[None], (1, *shape))[0], 0, 1)
