"""Maps of numbers (Parametric Map, PS3.3 A.75; RT Dose, A.18) -> values in the patient, against what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from pipeline.core.errors import LanternError
from pipeline.proof.fault import few
from pipeline.proof.images import Plane, group_value, numbers, plane_of, plane_of_frame
from pipeline.proof.lattice import Array, Lattice, way
from pipeline.proof.named import named_images, off_named
from pipeline.proof.truth import OFF_IMAGE, Truth

OFF_GRID = 0.05
"""Of a voxel: so far the points of a map may lie off those that the numbers were worked out for."""

OFF_VALUE = 1e-3
"""Of the largest value: what rounding may do."""

_MOVED = 0.1
"""Of a voxel: a map whose centre of gravity is farther off is told to have moved."""

_ABSORBED_DOSE, _PROBABILITY = "128513", "110854"
_GRAY, _NO_UNITS = "Gy", "1"


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """What a map is to show. values: (slices, rows, columns); lattice: where; name: for people."""

    values: NDArray[np.floating]
    lattice: Lattice
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What a map shows. values: (frames, rows, columns), real ones; planes[i] is where frame i lies.

    step: from one value that can be stored to the next; 0 where they are not rounded.
    """

    values: Array
    planes: list[Plane]
    step: float = 0.0


def check_map(ds: Dataset, truth: Truth) -> Iterator[str]:
    """What is wrong with a Parametric Map; each frame lies on the plane of the image that it names, if any."""
    expected, words = _expected(ds, truth)
    if expected is None:
        yield words
        return
    planes = [plane_of_frame(ds, i) for i in range(int(ds.NumberOfFrames))]
    step = abs(_scale(ds, 0)[0]) if "PixelData" in ds else 0.0
    yield from compared(Shown(_real_values(ds), planes, step), expected)
    yield from _beyond_depth(ds, planes, expected)
    yield from few(_off_images(ds, planes, truth))


def check_dose(ds: Dataset, truth: Truth) -> Iterator[str]:
    """What is wrong with an RT Dose."""
    expected, words = _dose(ds, truth)
    if expected is None:
        yield words
        return
    if ds.get("DoseUnits") != "GY":
        yield "its numbers are not in Gy"
    yield from compared(_shown_dose(ds), expected)


def compared(shown: Shown, expected: Expected) -> Iterator[str]:
    """Point for point; and beyond the map there is to be nothing."""
    rest = np.array(expected.values, float)
    scale = max(float(np.abs(rest).max(initial=0.0)), 1e-6)
    worst, read, taken = 0.0, np.zeros(rest.shape), np.zeros(rest.shape, bool)
    for values, plane in zip(shown.values, shown.planes, strict=True):
        index, off = _indices(plane, expected.lattice)
        if off > OFF_GRID:
            yield f"the points of {expected.name} lie up to {off:.2f} voxels off those that it was worked out for"
            return
        there = ((index >= 0) & (index < rest.shape)).all(axis=-1)
        worst = max(worst, float(np.abs(values[~there]).max(initial=0.0)))
        at = tuple(index[there].T)
        if taken[at].any():
            yield f"two frames of {expected.name} lie at the same place: viewers show one of them"
            return
        read[at], taken[at] = values[there], True
    worst = max(worst, float(np.abs(read - rest).max(initial=0.0)))
    if not worst <= OFF_VALUE * scale + shown.step / 2:
        by = f"{worst:.3g} of {scale:.3g}"
        yield f"{expected.name} differs by up to {by} from what was worked out{_moved(read, expected)}"


def _indices(plane: Plane, lattice: Lattice) -> tuple[NDArray[np.intp], float]:
    """(rows, columns, 3) indices of a frame's pixels on the lattice, and how far they are off whole ones."""
    back = np.linalg.inv(lattice.affine[:3, :3])
    first = back @ (plane.position - lattice.affine[:3, 3])
    down, across = back @ plane.down * plane.spacing_mm[0], back @ plane.across * plane.spacing_mm[1]
    corners = np.array(
        [first + r * down + c * across for r in (0, plane.shape[0] - 1) for c in (0, plane.shape[1] - 1)]
    )
    steps = np.abs(np.stack([down, across]) - np.rint(np.stack([down, across]))).max()
    off = float(max(np.abs(corners - np.rint(corners)).max(), steps))
    r, c = np.arange(plane.shape[0])[:, None, None], np.arange(plane.shape[1])[None, :, None]
    return np.rint(first + r * down + c * across).astype(np.intp), off


def _moved(read: Array, expected: Expected) -> str:
    if not read.sum() > 0 or not expected.values.sum() > 0:
        return ", for it shows nothing where something was found"
    ours, theirs = (_centre(v) for v in (read, np.asarray(expected.values, float)))
    off = expected.lattice.affine[:3, :3] @ (ours - theirs)
    if expected.lattice.in_voxels(off) <= _MOVED:
        return ""
    return f": as a whole it is off by {way(off)}"


def _centre(values: Array) -> Array:
    sums = [values.sum(axis=tuple({0, 1, 2} - {axis})) for axis in range(3)]
    return np.array([float(np.arange(len(s)) @ s / s.sum()) for s in sums])


def _real_values(ds: Dataset) -> Array:
    """(frames, rows, columns): stored values through the map of real world values (PS3.3 C.7.6.16.2.11)."""
    stored = np.asarray(ds.pixel_array, float).reshape(-1, int(ds.Rows), int(ds.Columns))
    scales = [_scale(ds, i) for i in range(len(stored))]
    return np.stack([s * slope + intercept for s, (slope, intercept) in zip(stored, scales, strict=True)])


def _scale(ds: Dataset, frame: int) -> tuple[float, float]:
    slope, intercept = (
        group_value(ds, frame, "RealWorldValueMappingSequence", f"RealWorldValue{name}")
        for name in ("Slope", "Intercept")
    )
    return float(slope), float(intercept)


def _expected(ds: Dataset, truth: Truth) -> tuple[Expected | None, str]:
    quantity, unit = _quantity(ds)
    if quantity == _ABSORBED_DOSE:
        return _dose(ds, truth) if unit == _GRAY else (None, "its doses are not in Gy")
    if quantity == _PROBABILITY:
        return _probability(truth) if unit == _NO_UNITS else (None, "its probabilities are not from 0 to 1")
    return None, "it is a map of something that the findings do not hold"


def _probability(truth: Truth) -> tuple[Expected | None, str]:
    """A box of the grid of the images."""
    box = truth.findings.probability
    if box is None:
        return None, "it shows probabilities, and the findings have none"
    lattice = Lattice(np.asarray(box.affine, float))
    first = truth.lattice.to_index(lattice.to_mm(np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])))
    if np.abs(first - np.rint(first)).max() > OFF_IMAGE:
        return None, "the probabilities of the findings are not on the grid of the images"
    return Expected(np.clip(box.array, 0, 1), lattice, "the map of probability"), ""


def _quantity(ds: Dataset) -> tuple[str, str]:
    """Codes of what is mapped and of its unit."""
    unit = group_value(ds, 0, "RealWorldValueMappingSequence", "MeasurementUnitsCodeSequence") or [Dataset()]
    said = group_value(ds, 0, "RealWorldValueMappingSequence", "QuantityDefinitionSequence") or []
    concepts = [item.ConceptCodeSequence[0] for item in said if item.get("ConceptCodeSequence")]
    return str(concepts[0].CodeValue) if concepts else "", str(unit[0].get("CodeValue") or "")


def _dose(ds: Dataset, truth: Truth) -> tuple[Expected | None, str]:
    """Of the session whose number the object has."""
    planned, number = truth.findings.planned, int(ds.get("InstanceNumber") or 0)
    if planned is None or planned.case.grid is None:
        return None, "it shows doses, and the findings have no plan"
    try:
        maps = planned.maps_gy()
    except LanternError as error:
        return None, f"its doses cannot be worked out again: {error.message}"
    if not 1 <= number <= len(maps):
        return None, f"it shows the dose of session {number}, and the plan has {len(maps)}"
    lattice = Lattice(np.asarray(planned.case.grid.affine, float))
    return Expected(maps[number - 1], lattice, f"the dose of session {number}"), ""


def _shown_dose(ds: Dataset) -> Shown:
    """Frames lie above the first by their offsets (PS3.3 C.8.8.3.2)."""
    gray = np.asarray(ds.pixel_array, float).reshape(-1, int(ds.Rows), int(ds.Columns)) * float(ds.DoseGridScaling)
    first = plane_of(ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing, gray.shape[1:])
    offsets = numbers(ds.GridFrameOffsetVector, len(gray)) if len(gray) > 1 else np.zeros(1)
    if offsets[0] != 0:
        raise ValueError("offsets that do not begin with the first frame")
    planes = [
        Plane(np.asarray(first.position + d * first.normal), first.across, first.down, first.spacing_mm, first.shape)
        for d in offsets
    ]
    return Shown(gray, planes)


def _beyond_depth(ds: Dataset, planes: Sequence[Plane], expected: Expected) -> Iterator[str]:
    """The distance of its slices that an object tells is that of its frames."""
    told = group_value(ds, 0, "PixelMeasuresSequence", "SpacingBetweenSlices")
    true = float(expected.lattice.spacing_mm[0])
    if told and len(planes) > 1 and abs(float(told) / true - 1) > 0.01:
        yield f"it tells a distance of {float(told):.2f} mm between its slices, and they lie {true:.2f} mm apart"


def _off_images(ds: Dataset, planes: Sequence[Plane], truth: Truth) -> Iterator[str]:
    """Frames of a map lie between images where its grid is coarser; those that name one say which is beneath."""
    apart = float(truth.lattice.spacing_mm[0])
    for i, plane in enumerate(planes):
        names = named_images(ds.PerFrameFunctionalGroupsSequence[i], "DerivationImageSequence")
        if names:
            yield from off_named(f"frame {i + 1}", names, plane.position, truth, within_mm=apart / 2)
