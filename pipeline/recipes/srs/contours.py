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
from pipeline.imaging.structures import OFF_PLANE, Structure, is_margin_named, is_tumour_named, structures
from pipeline.recipes.srs.organs import is_ptv, organ_named, tumours

Mask = npt.NDArray[np.bool_]
Box = tuple[slice, slice, slice]
Window = tuple[slice, ...]

TUMOUR_CODES = frozenset({"14799000", "108369006", "86049000", "4147007", "228791009", "126952004", "94225005"})
"""SCT codes of segments that are tumours: secondary and primary neoplasm, mass, GTV, of the brain."""

SAME_PLANE = 0.2
"""Contours nearer than this (in slices) lie in one plane."""

SAME = 0.95
"""From this overlap (Dice) on an outline is the same: other systems write its points anew."""

_HINT = "draw the contours on the images of the series itself, and send that series"


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Tumours as somebody drew them, in the order of the file. Label i + 1 of `labels` is names[i].

    tracking_uids: "" where the file has none. drawn_by: AUTOMATIC, SEMIAUTOMATIC, MANUAL or "" as the file says;
    algorithms: what drew them, as the file calls it, or "". remarks: what a reader must know of how they were read.
    """

    names: tuple[str, ...]
    tracking_uids: tuple[str, ...]
    drawn_by: tuple[str, ...]
    algorithms: tuple[str, ...]
    labels: hd.Volume
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Region:
    """One tumour of a file. mask: its voxels in `box` of the image; place: what errors call it, "ROI 3"."""

    place: str
    source: Structure | Segment
    mask: Mask
    box: Box

    @property
    def name(self) -> str:
        return self.source.name if isinstance(self.source, Structure) else self.source.label

    @property
    def voxels(self) -> int:
        return int(self.mask.sum())

    def meets(self, other: _Region) -> tuple[Window, Window]:
        """Where the boxes of both overlap: within the mask of this one, and within that of the other."""
        low = [max(a.start, b.start) for a, b in zip(self.box, other.box, strict=True)]
        high = [min(a.stop, b.stop) for a, b in zip(self.box, other.box, strict=True)]
        here, there = (
            tuple(slice(a - s.start, max(a, b) - s.start) for a, b, s in zip(low, high, box, strict=True))
            for box in (self.box, other.box)
        )
        return here, there


def drawn_on(ds: Dataset, image: hd.Volume) -> Drawn:
    """The tumours of a structure set or a segmentation on an image (slices, rows, columns), LPS mm.

    ROIs that are what other ROIs are together, and those of another frame of reference than the image's, are left out
    and named in a remark.
    Raises GeometryUnusable where no tumour has the frame of reference of the image, for contours off the images, and
    for a file without tumours. Its words go to logs: they have the numbers of ROIs and segments, never their names.
    """
    if ds.get("SOPClassUID") == SegmentationStorage:
        found = [_Region(f"segment {s.number}", s, s.mask, s.box) for s in segments_on(ds, image) if _is_tumour(s)]
        return _labelled(found, image, ())
    if ds.get("SOPClassUID") != RTStructureSetStorage:
        raise GeometryUnusable("neither a structure set nor a segmentation", "export contours as RTSTRUCT or SEG")
    everything = structures(ds)
    targets = tumours(everything)
    drawn, elsewhere = _in_frame(ds, targets, image.frame_of_reference_uid)
    regions, thick = _regions(drawn, image)
    said = (
        ("Drawn on other planes than those of the series, and resampled", thick),
        ("Left out, for they are drawn in another frame of reference than the series'", elsewhere),
        ("Not taken as tumours, for neither type nor name says so", _unexplained(everything, targets)),
    )
    return _labelled(regions, image, tuple(f"{words}: {', '.join(names)}." for words, names in said if names))


def _in_frame(ds: Dataset, targets: Sequence[Structure], frame: str | None) -> tuple[list[Structure], list[str]]:
    """Those drawn in a frame of reference (a set of a planning system may have several), and the names of others.

    An ROI that names none is of the frame that the file names.
    """
    of_file = frames_of_reference(ds)

    def is_here(structure: Structure) -> bool:
        named = {structure.frame_of_reference_uid} - {""} or of_file
        return not named or frame in named

    here = [s for s in targets if is_here(s)]
    if targets and not here:
        raise GeometryUnusable("the contours and the series have different frames of reference", _HINT)
    return here, [s.name for s in targets if s not in here]


def has_tumours(ds: Dataset) -> bool:
    """Whether a file names a tumour, from what it calls its ROIs or segments; contours and pixels need not be read."""
    if ds.get("SOPClassUID") == SegmentationStorage:
        return any(_is_named(str(s.get("SegmentLabel") or ""), _code(s)) for s in ds.get("SegmentSequence") or ())
    seen = ds.get("RTROIObservationsSequence") or ()
    kinds = {int(o.ReferencedROINumber): str(o.get("RTROIInterpretedType") or "").upper() for o in seen}
    rois = [(str(r.get("ROIName") or ""), kinds.get(int(r.ROINumber), "")) for r in ds.get("StructureSetROISequence")
            or ()]  # fmt: skip
    return any(kind == "GTV" or (kind == "" and is_tumour_named(name)) for name, kind in rois)


def _unexplained(everything: Sequence[Structure], targets: Sequence[Structure]) -> list[str]:
    """ROIs that are neither tumours nor anything else that is known: a lesion may have been meant."""
    numbers = {s.number for s in targets}
    return [
        s.name
        for s in everything
        if s.number not in numbers and not s.kind and not organ_named(s.name) and not is_ptv(s.name, s.kind)
    ]


def _code(segment: Dataset) -> str:
    codes = segment.get("SegmentedPropertyTypeCodeSequence") or [Dataset()]
    return str(codes[0].get("CodeValue") or "")


def _is_tumour(segment: Segment) -> bool:
    return _is_named(segment.label, segment.type_code[0])


def _is_named(label: str, code: str) -> bool:
    return code in TUMOUR_CODES or is_tumour_named(label)


def _regions(drawn: Sequence[Structure], image: hd.Volume) -> tuple[list[_Region], list[str]]:
    """Their voxels, and the names of those that were not drawn on the image's own slices."""
    found, thick = [], []
    for structure in drawn:
        mask, box, own = _region(structure, image)
        found.append(_Region(f"ROI {structure.number}", structure, mask, box))
        if not own:
            thick.append(structure.name)
    return found, thick


def _region(structure: Structure, image: hd.Volume) -> tuple[Mask, Box, bool]:
    """Its voxels in a box of the image, and whether it was drawn on the image's own slices."""
    if _on_slices(structure, image):
        return (*structure.on(image), True)
    mask, box = _resampled(solid(structure), image)
    if not mask.any():
        raise GeometryUnusable(f"ROI {structure.number} has no contour on the images of the series", _HINT)
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


def _labelled(found: Sequence[_Region], image: hd.Volume, said: tuple[str, ...]) -> Drawn:
    """Labels 1...n in the order of the file. A voxel that two claim goes to the smaller, which is then said."""
    if not found:
        raise GeometryUnusable("no tumour: no ROI is a GTV or named like a tumour", "name ROIs GTV_… or give the type")
    empty = [r.place for r in found if not r.mask.any()]
    if empty:
        raise GeometryUnusable(f"{empty[0]} holds no voxel of the series", "draw it on the series itself")
    regions, sums = _without_sums(found)
    if sums:
        said = (*said, f"Left out, for other ROIs are the same together: {', '.join(sums)}.")
    labels = np.zeros(image.spatial_shape, np.uint16)
    shared = []
    for k in sorted(range(len(regions)), key=lambda k: -regions[k].voxels):
        part = labels[regions[k].box]
        if (part[regions[k].mask] > 0).any():
            shared.append(regions[k].name)
        part[regions[k].mask] = k + 1
    gone = [r.place for k, r in enumerate(regions) if not (labels[r.box] == k + 1).any()]
    if gone:
        raise GeometryUnusable(f"{', '.join(gone)} lies within others", "give each tumour one ROI")
    if shared:
        said = (*said, f"ROIs overlap: what they share was counted with {', '.join(shared)}.")
    sources = [r.source for r in regions]
    return Drawn(
        names=tuple(unique([r.name for r in regions])),
        tracking_uids=tuple(s.tracking_uid for s in sources),
        drawn_by=tuple(s.drawn_by for s in sources),
        algorithms=tuple(s.algorithm for s in sources),
        labels=image.with_array(labels),
        remarks=said,
    )


def _without_sums(found: Sequence[_Region]) -> tuple[list[_Region], list[str]]:
    """Without the ROIs that are the union of others ("GTV_total"), of two alike the later; and the names of those."""
    kept, sums = list(found), []
    order = sorted(range(len(found)), key=lambda k: (-found[k].voxels, not is_margin_named(found[k].name), -k))
    for region in (found[k] for k in order):
        if _is_sum(region, [other for other in kept if other is not region]):
            kept.remove(region)
            sums.append(region.name)
    return kept, sums


def _is_sum(region: _Region, others: Sequence[_Region]) -> bool:
    """Whether those of the others that lie in it fill it (Dice of SAME)."""
    union, beyond = np.zeros(region.mask.shape, bool), 0
    for other in others:
        here, there = region.meets(other)
        shared = region.mask[here] & other.mask[there]
        outside = other.voxels - int(shared.sum())
        if outside <= (1 - SAME) * other.voxels:
            union[here] |= shared
            beyond += outside
    both = int(union.sum())
    return 2 * both >= SAME * (region.voxels + both + beyond)


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
