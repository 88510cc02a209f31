"""Candidates in an image -> a table of features, one row each, for any classifier and any recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from pipeline.core.errors import GeometryUnusable
from pipeline.radiomics import extractor, nearby, place
from pipeline.radiomics.params import RadiomicsParams
from pipeline.radiomics.patch import Box, Floats, Mask, cut
from pipeline.radiomics.place import Surroundings, ToAtlas, survey

COUNTED = (
    "volume_mm3", "voxels", "slices", "slice_thickness_mm",
    "probability_max", "probability_mean", "probability_entropy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Table:
    """Features of candidates.

    names:           the columns.
    rows:            (candidates, columns) float64; NaN where a feature does not exist for a candidate.
    numbers:         the label of each row, ascending.
    settings_sha256: of what it was measured with; a classifier refuses a table with another one.
    diagnostics:     per row, what pyradiomics says of its input, and versions.
    """

    names: tuple[str, ...]
    rows: Floats
    numbers: tuple[int, ...]
    settings_sha256: str
    diagnostics: tuple[Mapping[str, str], ...] = field(default=())

    def with_columns(self, columns: Mapping[str, Floats]) -> Table:
        """The same candidates with more features, (candidates,) each; it then belongs to models trained with these."""
        names = (*self.names, *columns)
        digest = hashlib.sha256("\n".join((self.settings_sha256, *columns)).encode()).hexdigest()
        return Table(names, np.column_stack([self.rows, *columns.values()]), self.numbers, digest, self.diagnostics)

    def where(self, chosen: Mask) -> Table:
        """Some of the candidates. chosen: (candidates,) bool."""
        at = np.flatnonzero(chosen)
        said = tuple(self.diagnostics[i] for i in at) if self.diagnostics else ()
        return Table(self.names, self.rows[at], tuple(self.numbers[i] for i in at), self.settings_sha256, said)

    def column(self, name: str) -> Floats:
        """(candidates,) one feature. Raises ValueError for a name the table does not have."""
        return self.rows[:, self.names.index(name)]


def feature_names(params: RadiomicsParams) -> tuple[str, ...]:
    """The columns of every table measured with these settings: the own features, then pyradiomics'."""
    return (*COUNTED, *nearby.NAMES, *place.NAMES, *extractor.names(params))


def measure(
    image: hd.Volume,
    labels: hd.Volume,
    params: RadiomicsParams,
    probability: NDArray[np.floating] | None = None,
    inside: Mask | None = None,
    atlas_mm: ToAtlas | None = None,
) -> Table:
    """Measure every label.

    image:       (slices, rows, columns) float32, signal in arbitrary units, any spacing.
    labels:      same grid, integer, 1...n; 0 is background.
    probability: same shape, 0...1, what the network said; its features are NaN without.
    inside:      same shape, bool, the organ: grey values are normalised over it and depth is from its surface. Without
                 it everything above a tenth of the brightest percent counts, and depth is NaN.
    atlas_mm:    (n, 3) LPS mm of the patient -> LPS mm of an atlas with its midline at x = 0; see `place`.
    Raises GeometryUnusable when the grids differ.
    """
    _check(image, labels, probability, inside)
    values = _normalised(np.asarray(image.array, np.float32), inside, params)
    where = survey(values, image, inside, atlas_mm, params.mirror)
    names = feature_names(params)
    boxes = ndimage.find_objects(np.asarray(labels.array).astype(np.int32, copy=False))
    numbers = tuple(n for n, box in enumerate(boxes, start=1) if box is not None)
    rows = np.full((len(numbers), len(names)), np.nan)
    diagnostics = []
    for row, number in zip(rows, numbers, strict=True):
        found, said = _measure_one(labels, number, boxes[number - 1], where, params, probability)
        row[:] = [found.get(name, np.nan) for name in names]
        diagnostics.append({**said, "settings_sha256": params.settings_sha256, "pyradiomics": version("pyradiomics")})
    rows[~np.isfinite(rows)] = np.nan
    return Table(names, rows, numbers, params.settings_sha256, tuple(diagnostics))


def _measure_one(
    labels: hd.Volume,
    number: int,
    box: Box,
    where: Surroundings,
    params: RadiomicsParams,
    probability: NDArray[np.floating] | None,
) -> tuple[dict[str, float], dict[str, str]]:
    full = np.asarray(labels.array[box] == number)
    counted = _counted(full, labels, None if probability is None else probability[box][full])
    start = (box[0].start, box[1].start, box[2].start)
    if params.dimensions == 2:
        most = int(full.sum(axis=(1, 2)).argmax())
        full, start = full[most : most + 1], (start[0] + most, start[1], start[2])
    patch = cut(where.values, full, start, labels.spacing, params)
    near = nearby.measure_nearby(patch, params)
    brightness = near["brightness"] * params.scale + params.offset
    placed = place.measure_place(where, patch.voxels(), brightness)
    placed["mirror_contrast"] /= params.scale
    radiomic, said = extractor.extract(patch, params)
    return {**counted, **near, **placed, **radiomic}, said


def _counted(inside: Mask, labels: hd.Volume, probability: NDArray[np.floating] | None) -> dict[str, float]:
    voxels = int(inside.sum())
    found = {
        "volume_mm3": voxels * float(np.prod(labels.spacing)),
        "voxels": float(voxels),
        "slices": float(inside.any(axis=(1, 2)).sum()),
        "slice_thickness_mm": float(labels.spacing_between_slices),
    }
    if probability is not None:
        p = np.clip(probability.astype(np.float64), 1e-6, 1 - 1e-6)
        found |= {
            "probability_max": float(probability.max()),
            "probability_mean": float(probability.mean(dtype=np.float64)),
            "probability_entropy": float(-(p * np.log2(p) + (1 - p) * np.log2(1 - p)).mean()),
        }
    return found


def _normalised(values: NDArray[np.float32], inside: Mask | None, params: RadiomicsParams) -> NDArray[np.float32]:
    """z inside the organ x scale + offset, so that fixed bins mean the same in every series."""
    organ = values[inside] if inside is not None and inside.any() else values[values > _a_tenth(values)]
    organ = organ if organ.size else values.ravel()
    mean, deviation = float(organ.mean(dtype=np.float64)), float(organ.std(dtype=np.float64))
    factor = params.scale / max(deviation, 1e-6)
    return values * np.float32(factor) + np.float32(params.offset - mean * factor)


def _a_tenth(values: NDArray[np.float32]) -> float:
    return 0.1 * float(np.percentile(values[:, ::2, ::2], 99))


def _check(image: hd.Volume, labels: hd.Volume, probability: NDArray[np.floating] | None, inside: Mask | None) -> None:
    same = image.spatial_shape == labels.spatial_shape and np.allclose(image.affine, labels.affine, atol=1e-3)
    others = [a for a in (probability, inside) if a is not None]
    if not same or any(a.shape != image.spatial_shape for a in others):
        raise GeometryUnusable(
            "candidates, probabilities or organ lie on another grid than the image",
            "resample them to the image before they are measured",
        )
