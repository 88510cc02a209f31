"""What the pipeline found, worked out again from the labels and the images alone: places and volumes in mm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from numpy.typing import NDArray

from pipeline.findings import Findings, Lesion
from pipeline.proof.images import Images, Plane, read_images
from pipeline.proof.lattice import HALF, VOLUME, Array, Lattice, way

OFF_IMAGE = 0.3
"""Of a voxel along each of its edges: so far slices of the labels may lie off their images. Stacks are regular grids,
images lie up to a quarter of a pixel and a twentieth of their distance off them."""

OFF_AXES = 0.02
"""Direction cosines may differ so much: headers are rounded, and a flipped axis is off by 2."""

OFF_SCALE = 0.01
"""Spacings may differ by this share."""


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """One lesion or rejected candidate.

    name:        "lesion 3", "rejected candidate 1": for people.
    centroid_mm: (3,) LPS. box: slices, rows, columns that hold it; inside: what of the box it is.
    """

    name: str
    number: int
    lesion: Lesion
    centroid_mm: Array
    volume_mm3: float
    box: tuple[slice, slice, slice]
    inside: NDArray[np.bool_]

    def on(self, k: int, window: tuple[slice, slice]) -> NDArray[np.bool_]:
        """What a window (rows, columns) of slice k shows of it."""
        made = np.zeros([w.stop - w.start for w in window], bool)
        if self.box[0].start <= k < self.box[0].stop:
            plane = self.inside[k - self.box[0].start]
            here = [(max(w.start, b.start), min(w.stop, b.stop)) for w, b in zip(window, self.box[1:], strict=True)]
            if all(low < high for low, high in here):
                to = tuple(slice(low - w.start, high - w.start) for (low, high), w in zip(here, window, strict=True))
                of = tuple(
                    slice(low - b.start, high - b.start) for (low, high), b in zip(here, self.box[1:], strict=True)
                )
                made[to] = plane[of]
        return made

    @property
    def slices(self) -> list[int]:
        """Those that show it."""
        return [self.box[0].start + int(k) for k in np.flatnonzero(self.inside.any(axis=(1, 2)))]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """All that objects are compared with.

    lattice:          of the labels; where there are none, of the images.
    solids, rejected: by tracking UID; those of rejected candidates only where there are labels of them.
    """

    findings: Findings
    images: Images
    lattice: Lattice
    shape: tuple[int, ...]
    solids: dict[str, Solid]
    rejected: dict[str, Solid]

    @property
    def all(self) -> dict[str, Solid]:
        """Lesions and rejected candidates."""
        return self.solids | self.rejected

    def plane(self, k: int) -> Plane | None:
        """The image of slice k; None where there is none, and beyond the stack."""
        return self.images.planes[k] if 0 <= k < len(self.images.planes) else None


def read_truth(findings: Findings) -> Truth:
    """From the findings and the headers of their images. Raises Unprovable where an image is gone."""
    grid = findings.labels if findings.labels is not None else findings.rejected_labels
    images = read_images(findings)
    return Truth(
        findings,
        images,
        _of_images(images) if grid is None else Lattice(np.asarray(grid.affine, float)),
        (len(images.planes), *_first(images).shape) if grid is None else tuple(grid.spatial_shape),
        _solids(findings.labels, findings.lesions, "lesion"),
        _solids(findings.rejected_labels, findings.rejected, "rejected candidate"),
    )


def _first(images: Images) -> Plane:
    return next(plane for plane in images.planes if plane is not None)


def _of_images(images: Images) -> Lattice:
    """Where nothing is drawn, to measure places in voxels with: from the first image to the last."""
    first, count = _first(images), len(images.planes)
    last = next(plane for plane in reversed(images.planes) if plane is not None)
    along = (last.position - first.position) / max(count - 1, 1)
    affine = np.eye(4)
    affine[:3, 0] = along if np.linalg.norm(along) > 0 else first.normal
    affine[:3, 1], affine[:3, 2] = first.down * first.spacing_mm[0], first.across * first.spacing_mm[1]
    affine[:3, 3] = first.position
    return Lattice(affine)


def _solids(labels: hd.Volume | None, lesions: Sequence[Lesion], word: str) -> dict[str, Solid]:
    if labels is None:
        return {}
    flat = np.flatnonzero(labels.array)
    numbers = labels.array.ravel()[flat]
    index = np.stack(np.unravel_index(flat, labels.spatial_shape), axis=1)
    lattice = Lattice(np.asarray(labels.affine, float))
    found = {}
    for lesion in lesions:
        mine = index[numbers == lesion.number]
        if len(mine):
            found[lesion.tracking_uid] = _solid(f"{word} {lesion.number}", lesion, mine, lattice)
    return found


def _solid(name: str, lesion: Lesion, index: NDArray[np.intp], lattice: Lattice) -> Solid:
    low, high = index.min(axis=0), index.max(axis=0) + 1
    inside = np.zeros(high - low, bool)
    inside[tuple((index - low).T)] = True
    first, second, third = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    centroid = lattice.to_mm(index.mean(axis=0)[None])[0]
    return Solid(name, lesion.number, lesion, centroid, len(index) * lattice.voxel_mm3, (first, second, third), inside)


def contradictions(truth: Truth) -> Iterator[str]:
    """What the findings say that their own labels or the headers of their images do not bear out."""
    for labels, solids, lesions in (
        (truth.findings.labels, truth.solids, truth.findings.lesions),
        (truth.findings.rejected_labels, truth.rejected, truth.findings.rejected),
    ):
        if labels is not None:
            yield from _off_images(labels, truth.images)
            yield from (
                f"no voxel has the number of lesion {n.number}" for n in lesions if n.tracking_uid not in solids
            )
    for solid in truth.all.values():
        yield from _off_labels(solid, truth.lattice)
    if truth.findings.labels is None and truth.findings.lesions:
        yield "there are lesions, and no labels that they could be compared with"


def _off_labels(solid: Solid, lattice: Lattice) -> Iterator[str]:
    said = solid.lesion
    off = np.array(said.centroid_mm) - solid.centroid_mm
    if lattice.in_voxels(off) > HALF:
        yield f"the centre that is told of {solid.name} is off its voxels by {way(off)}"
    if abs(said.volume_mm3 - solid.volume_mm3) > VOLUME * solid.volume_mm3:
        yield f"{solid.name} is told to have {said.volume_mm3:.1f} mm3, and its voxels have {solid.volume_mm3:.1f} mm3"


def _off_images(labels: hd.Volume, images: Images) -> Iterator[str]:
    """The first slice that does not lie on its image, in words; slices of a shifted stack are all wrong alike."""
    if labels.spatial_shape[0] != len(images.planes):
        yield f"the labels have {labels.spatial_shape[0]} slices and there are {len(images.planes)} images"
        return
    uid = str(labels.frame_of_reference_uid or "")
    if uid and images.identity.frame_of_reference_uid not in ("", uid):
        yield "the labels are in another frame of reference than the images"
    lattice = Lattice(np.asarray(labels.affine, float))
    for k, plane in enumerate(images.planes):
        words = "" if plane is None else _off_image(k, lattice, labels.spatial_shape, plane)
        if words:
            yield words
            return


def _off_image(k: int, lattice: Lattice, shape: tuple[int, ...], plane: Plane) -> str:
    axes = lattice.axes
    if max(np.abs(axes[:, 2] - plane.across).max(), np.abs(axes[:, 1] - plane.down).max()) > OFF_AXES:
        return (
            f"slice {k + 1} of the labels is turned or mirrored against its image: "
            "an axis is swapped or negated (RAS for LPS?)"
        )
    if np.abs(lattice.spacing_mm[1:] / plane.spacing_mm - 1).max() > OFF_SCALE or shape[1:] != plane.shape:
        return f"slice {k + 1} of the labels has other pixels than its image: {shape[1:]}, {lattice.spacing_mm[1:]} mm"
    off = lattice.to_mm(np.array([[k, 0, 0]]))[0] - plane.position
    if np.abs(np.linalg.solve(lattice.affine[:3, :3], off)).max() > OFF_IMAGE:
        return f"slice {k + 1} of the labels is off its image by {way(off)}"
    return ""
