"""Tumours that a person drew or changed: structure sets and segmentations of any vendor, on the grid of an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom import Dataset
from pydicom.uid import RTStructureSetStorage, SegmentationStorage
from scipy import ndimage

from pipeline.core.errors import GeometryUnusable
from pipeline.imaging.references import frames_of_reference
from pipeline.imaging.segments import Segment, segments_on
from pipeline.imaging.solids import points_in, solid
from pipeline.imaging.structures import OFF_PLANE, Structure, is_tumour_named, structures
from pipeline.recipes.srs.organs import is_ptv, organ_named, tumours

Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]

TUMOUR_CODES = frozenset({"14799000", "108369006", "86049000", "4147007", "228791009", "126952004", "94225005"})
"""SCT codes of segments that are tumours: secondary and primary neoplasm, mass, GTV, of the brain."""

SAME_PLANE = 0.2
"""Contours nearer than this (in slices) lie in one plane."""

_HINT = "draw the contours on the images of the series itself, and send that series"


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Tumours as somebody drew them, in the order of the file. Label i + 1 of `labels` is names[i].

    tracking_uids: "" where the file has none. drawn_by: AUTOMATIC, SEMIAUTOMATIC, MANUAL or "" as the file says.
    remarks: what a reader must know of how they were read.
    """

    names: tuple[str, ...]
    tracking_uids: tuple[str, ...]
    drawn_by: tuple[str, ...]
    labels: hd.Volume
    remarks: tuple[str, ...] = ()


def drawn_on(ds: Dataset, image: hd.Volume) -> Drawn:
    """The tumours of a structure set or a segmentation on an image (slices, rows, columns), LPS mm.

    Raises GeometryUnusable for another frame of reference, contours off the images, and a file without tumours.
    """
    if ds.get("SOPClassUID") == SegmentationStorage:
        return _of_segments([s for s in segments_on(ds, image) if _is_tumour(s)], image)
    if ds.get("SOPClassUID") != RTStructureSetStorage:
        raise GeometryUnusable("neither a structure set nor a segmentation", "export contours as RTSTRUCT or SEG")
    drawn = tumours(structures(ds))
    frames = frames_of_reference(ds)
    if drawn and frames and image.frame_of_reference_uid not in frames:
        raise GeometryUnusable("the contours and the series have different frames of reference", _HINT)
    regions = [_region(s, image) for s in drawn]
    others = _unexplained(ds, drawn)
    thick = [s.name for s, (_, _, own) in zip(drawn, regions, strict=True) if not own]
    said = (f"Drawn on other planes than those of the series, and resampled: {', '.join(thick)}.",) if thick else ()
    if others:
        said = (*said, f"Not taken as tumours, for neither type nor name says so: {', '.join(others)}.")
    return _labelled(
        [s.name for s in drawn],
        [s.tracking_uid for s in drawn],
        [s.drawn_by for s in drawn],
        [(mask, box) for mask, box, _ in regions],
        image,
        said,
    )


def has_tumours(ds: Dataset) -> bool:
    """Whether a file names a tumour, from what it calls its ROIs or segments; contours and pixels need not be read."""
    if ds.get("SOPClassUID") == SegmentationStorage:
        return any(_is_named(str(s.get("SegmentLabel") or ""), _code(s)) for s in ds.get("SegmentSequence") or ())
    seen = ds.get("RTROIObservationsSequence") or ()
    kinds = {int(o.ReferencedROINumber): str(o.get("RTROIInterpretedType") or "").upper() for o in seen}
    rois = [(str(r.get("ROIName") or ""), kinds.get(int(r.ROINumber), "")) for r in ds.get("StructureSetROISequence")
            or ()]  # fmt: skip
    return any(kind == "GTV" or (kind == "" and is_tumour_named(name)) for name, kind in rois)


def _unexplained(ds: Dataset, drawn: Sequence[Structure]) -> list[str]:
    """ROIs that are neither tumours nor anything else that is known: a lesion may have been meant."""
    numbers = {s.number for s in drawn}
    return [
        s.name
        for s in structures(ds)
        if s.number not in numbers and not s.kind and not organ_named(s.name) and not is_ptv(s.name, s.kind)
    ]


def _code(segment: Dataset) -> str:
    codes = segment.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
    return str(codes[0].get("CodeValue") or "")


def _is_tumour(segment: Segment) -> bool:
    return _is_named(segment.label, segment.type_code[0])


def _is_named(label: str, code: str) -> bool:
    return code in TUMOUR_CODES or is_tumour_named(label)


def _of_segments(found: Sequence[Segment], image: hd.Volume) -> Drawn:
    return _labelled(
        [s.label for s in found],
        [s.tracking_uid for s in found],
        [s.drawn_by for s in found],
        [(s.mask, s.box) for s in found],
        image,
        (),
    )


def _region(structure: Structure, image: hd.Volume) -> tuple[Mask, Box, bool]:
    """Its voxels in a box of the image, and whether it was drawn on the image's own slices."""
    if _on_slices(structure, image):
        return (*structure.on(image), True)
    mask, box = _resampled(solid(structure), image)
    if not mask.any():
        raise GeometryUnusable(f"{structure.name} has no contour on the images of the series", _HINT)
    return mask, box, False


def _on_slices(structure: Structure, image: hd.Volume) -> bool:
    """Whether every contour lies in a slice, and none was left out in between as on thicker slices."""
    back = np.linalg.inv(image.affine)
    places = [c @ back[0, :3] + back[0, 3] for c in structure.contours if len(c) >= 3]
    middles = np.array([np.median(p) for p in places])
    flat = max(float(np.abs(p - round(float(m))).max()) for p, m in zip(places, middles, strict=True)) <= OFF_PLANE
    slices = np.unique(np.rint(middles))
    # Planes that share a slice would undo each other there: inner contours are holes.
    alone = len(np.unique(np.round(middles / SAME_PLANE))) == len(slices)
    steps = np.diff(slices)
    return flat and alone and (not len(steps) or float(np.median(steps)) == 1)


def _resampled(made: hd.Volume, image: hd.Volume) -> tuple[Mask, Box]:
    """The nearest voxels of a solid, in the box of the image that can hold it."""
    there = points_in(made) if made.array.any() else np.zeros((1, 3))
    back = np.linalg.inv(image.affine)
    index = there @ back[:3, :3].T + back[:3, 3]
    shape = np.array(image.spatial_shape)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + 2, low, shape)
    box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
    to = np.linalg.inv(made.affine) @ image.affine
    offset = to[:3, :3] @ low + to[:3, 3]
    array = np.asarray(made.array)
    return ndimage.affine_transform(array, to[:3, :3], offset, tuple(high - low), order=0, mode="constant") > 0, box


def _labelled(
    names: Sequence[str],
    uids: Sequence[str],
    drawn_by: Sequence[str],
    regions: Sequence[tuple[Mask, Box]],
    image: hd.Volume,
    said: tuple[str, ...],
) -> Drawn:
    """Labels 1...n in the order of the file. A voxel that two claim goes to the smaller, which is then said."""
    labels = np.zeros(image.spatial_shape, np.uint16)
    shared = []
    if not regions:
        raise GeometryUnusable("no tumour: no ROI is a GTV or named like a tumour", "name ROIs GTV_… or give the type")
    for k in sorted(range(len(regions)), key=lambda k: -int(regions[k][0].sum())):
        mask, box = regions[k]
        if not mask.any():
            raise GeometryUnusable(f"{names[k]} holds no voxel of the series", "draw it on the series itself")
        if (labels[box][mask] > 0).any():
            shared.append(names[k])
        labels[box][mask] = k + 1
    gone = [names[k] for k, (_, box) in enumerate(regions) if not (labels[box] == k + 1).any()]
    if gone:
        raise GeometryUnusable(f"{', '.join(gone)} lies within other ROIs", "give each tumour one ROI")
    if shared:
        said = (*said, f"ROIs overlap: what they share was counted with {', '.join(shared)}.")
    return Drawn(tuple(unique(names)), tuple(uids), tuple(drawn_by), image.with_array(labels), said)


def unique(names: Sequence[str], longest: int = 64) -> list[str]:
    """Names that differ, of at most so many characters: of those alike, the later ones get numbers."""
    made: list[str] = []
    for name in names:
        fresh, k = name[:longest].strip(), 1
        while fresh in made:
            k += 1
            fresh = f"{name[: longest - len(str(k)) - 1].strip()}~{k}"
        made.append(fresh)
    return made
