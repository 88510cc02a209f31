"""What is where in a patient's head: the brain, the name of a lesion's place, distances to organs at risk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from pipeline.findings import Site
from pipeline.recipes.srs.anatomy.atlas import GROUPS, Atlas, Lobe, load_atlas
from pipeline.recipes.srs.anatomy.network import Structure
from pipeline.recipes.srs.anatomy.parcels import UPRIGHT, Parcels, parcel, resized
from pipeline.recipes.srs.anatomy.registration import Placement, place
from pipeline.recipes.srs.anatomy.sites import site_of

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]

MIN_FIT = 0.72
"""With less overlap of the patient's structures and the atlas', places are not named."""

MIN_BRAIN_ML = 60.0
"""Less than this is no brain, but a few voxels that look like one."""

SIDE_MM, SURE_SHARE = 8.0, 0.95
"""A lesion has a side when its middle is so far from the atlas' midline, which in a tilted head was found 7 mm off;
half of that is enough where so much of it lies in structures of that side."""

FAR_MM = 15.0
"""What lies further from the brain is not in it, whatever the nearest structure is."""

SELLA_MM, SELLA_AXES_MM = (0.0, -2.0, -33.0), (9.0, 8.0, 7.0)
"""Centre and half axes of the pituitary gland, MNI in LPS axes."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One head.

    brain:  on the grid of the series, with ventricles and sulci, and with the tumours in it.
    brain_ml: volume of what the network found of it.
    fit:    0…1, overlap of the patient's structures with the atlas'.
    relief: contrast inside the brain on a scale of centimetres, as a share of its signal; a bottle has next to none.
    sides:  share of the cerebrum that is left; near one half in a whole head.
    """

    brain: BoolArray
    brain_ml: float
    fit: float
    relief: float
    sides: float
    parcels: Parcels
    placement: Placement
    nearest: npt.NDArray[np.uint8]
    depth_mm: npt.NDArray[np.float32]

    def site(self, labels: hd.Volume, number: int) -> Site | None:
        """Where lesion `number` of a label volume lies; None when the atlas does not fit, or outside the brain."""
        points = lesion_points_mm(labels, number)
        if self.fit < MIN_FIT or not len(points):
            return None
        in_atlas = self.placement.to_atlas(points)
        if (((in_atlas.mean(0) - SELLA_MM) / SELLA_AXES_MM) ** 2).sum() < 1 and self._outside_mm(points) > 0:
            return site_of("PITUITARY", left=False)
        if self._outside_mm(points) > FAR_MM:
            return None
        return self._named(points, in_atlas)

    def distances_mm(self, labels: hd.Volume, number: int) -> dict[str, float]:
        """From the surface of lesion `number` to organs at risk; 0.0 where it touches or overlaps them.

        The brainstem is the patient's own, if it is in the images; the others are the atlas', warped, and good to
        about 5 mm. Empty when the atlas does not fit.
        """
        points = lesion_points_mm(labels, number)
        if not len(points):
            return {}
        half_axes = np.asarray(labels.affine)[:3, :3] / 2
        return {name: _gap_mm(points, half_axes, organ) for name, organ in self.organs_mm().items()}

    def organs_mm(self) -> dict[str, FloatArray]:
        """Points (n, 3) in LPS mm that fill each organ at risk; see `distances_mm`. Empty when the atlas misfits."""
        if self.fit < MIN_FIT:
            return {}
        atlas = load_atlas()
        return {
            "brainstem": self._brainstem_mm(),
            "optic pathway": self.placement.to_patient(atlas.optic_mm),
            "left cochlea": self.placement.to_patient(atlas.left_cochlea_mm),
            "right cochlea": self.placement.to_patient(atlas.right_cochlea_mm),
        }

    def atlas_mm(self, points_lps_mm: npt.NDArray[np.floating]) -> FloatArray:
        """Patient points (n, 3) in LPS mm as MNI152 coordinates in LPS axes: x to the left of the midline, z up.

        Differs from the printed MNI coordinates, which are RAS, in the signs of x and y.
        """
        return self.placement.to_atlas(np.asarray(points_lps_mm, float))

    def _voxels(self, points: FloatArray) -> tuple[npt.NDArray[np.intp], ...]:
        affine = self.parcels.affine
        raw = np.rint((points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T).astype(np.intp)
        return tuple(np.clip(raw, 0, np.array(self.nearest.shape) - 1).T)

    def _outside_mm(self, points: FloatArray) -> float:
        """How far the nearest voxel of a lesion is from the brain."""
        return float(self.depth_mm[self._voxels(points)].min())

    def _named(self, points: FloatArray, in_atlas: FloatArray) -> Site:
        atlas = load_atlas()
        index, where = atlas.index(in_atlas), self._voxels(points)
        structures, near = self.nearest[where], self.depth_mm[where]
        # A tumour can look like a ventricle or like no brain at all: where the network says what the atlas thinks
        # impossible, or where it saw no brain, the atlas' own word is taken.
        doubted = ~np.array([_allowed(atlas.possible[index], s) for s in range(len(Structure))])[
            structures, np.arange(len(points))
        ]
        own = atlas.structures[index]
        structures = np.where(doubted & (own > Structure.CSF), own, structures)
        votes = np.bincount(structures, weights=1 / (1 + near), minlength=len(Structure))
        group = max(GROUPS, key=lambda g: float(votes[list(g)].sum()))
        return site_of(_place(group[0], atlas, index, in_atlas), left=_side(votes, group, float(in_atlas[:, 0].mean())))

    def _brainstem_mm(self) -> FloatArray:
        """Voxel centres of the patient's brainstem on a finer grid; the atlas' where the network found none."""
        share = self.parcels.share[Structure.BRAINSTEM]
        labels, n = ndimage.label(share > 0.5)
        if not n or np.bincount(labels.ravel())[1:].max() * self.parcels.voxel_ml < 5:
            atlas = load_atlas()
            stem = np.argwhere(atlas.structures == Structure.BRAINSTEM)
            return self.placement.to_patient(atlas.points_mm(stem))
        largest = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
        box = tuple(slice(max(0, s.start - 1), s.stop + 1) for s in ndimage.find_objects(largest.astype(np.uint8))[0])
        fine = 3
        grown = ndimage.binary_dilation(largest)[box]
        zoomed = ndimage.zoom(np.where(grown, share[box], 0), fine, order=1, grid_mode=True, mode="nearest")
        index = (np.argwhere(zoomed > 0.5) + 0.5) / fine - 0.5 + [s.start for s in box]
        return np.asarray(index @ self.parcels.affine[:3, :3].T + self.parcels.affine[:3, 3])


def anatomy_of(t1c: hd.Volume, device: str = "cpu", threads: int = 2) -> Anatomy | None:
    """Find the brain in a series and lay it over the atlas. t1c: any orientation and spacing, LPS mm.

    None when no brain is found in it. threads: of the processor, for the network.
    """
    upright = t1c.to_patient_orientation(UPRIGHT)
    parcels = parcel(upright, device, threads)
    found = parcels.brain()
    brain_ml = float(found.sum()) * parcels.voxel_ml
    if brain_ml < MIN_BRAIN_ML:
        return None
    placement = place(parcels, load_atlas())
    brain = _on_series(_mended(parcels, found, placement), upright, t1c)
    nearest, depth_mm = _nearest(parcels)
    cerebrum = [float((parcels.structures == s).sum()) for s in (Structure.L_CEREBRUM, Structure.R_CEREBRUM)]
    return Anatomy(
        brain=brain,
        brain_ml=brain_ml,
        fit=placement.fit,
        relief=_relief(parcels, found),
        sides=cerebrum[0] / max(1.0, sum(cerebrum)),
        parcels=parcels,
        placement=placement,
        nearest=nearest,
        depth_mm=depth_mm,
    )


def lesion_points_mm(labels: hd.Volume, number: int) -> FloatArray:
    """Voxel centres (n, 3) of one label in LPS mm; empty when it is not there."""
    index = np.argwhere(labels.array == number)
    affine = np.asarray(labels.affine)
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])


def _mended(parcels: Parcels, found: BoolArray, placement: Placement) -> BoolArray:
    """The brain with what a tumour made the network lose, where the atlas leaves no doubt that it is brain."""
    if placement.fit < MIN_FIT:
        return found
    index = np.indices(found.shape).reshape(3, -1).T
    points = placement.to_atlas(index @ parcels.affine[:3, :3].T + parcels.affine[:3, 3])
    atlas = load_atlas()
    core = (atlas.core()[atlas.index(points)] & atlas.holds(points)).reshape(found.shape)
    return np.asarray(ndimage.binary_fill_holes(found | core))


def _on_series(found: BoolArray, upright: hd.Volume, t1c: hd.Volume) -> BoolArray:
    import torch  # noqa: PLC0415

    fine = resized(torch.from_numpy(found.astype(np.float32)), upright.spatial_shape).numpy() >= 0.5
    back = upright.with_array(fine.astype(np.uint8)).to_patient_orientation(t1c.get_closest_patient_orientation())
    return np.ascontiguousarray(back.array > 0)


def _nearest(parcels: Parcels) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Of every voxel of the grid the nearest brain structure, and how far it is in mm."""
    structures = parcels.structures
    steps = np.linalg.norm(parcels.affine[:3, :3], axis=0)
    depth, index = ndimage.distance_transform_edt(structures <= Structure.CSF, sampling=steps, return_indices=True)
    return structures[tuple(index)], depth.astype(np.float32)


def _relief(parcels: Parcels, brain: BoolArray) -> float:
    inner = ndimage.binary_erosion(brain)
    if inner.sum() < 20:
        return 0.0
    weight = ndimage.gaussian_filter(inner.astype(np.float32), 2.0)
    smooth = ndimage.gaussian_filter(np.where(inner, parcels.image, 0), 2.0) / np.maximum(weight, 1e-3)
    return float((parcels.image - smooth)[inner].std() / max(float(np.median(parcels.image[inner])), 1e-3))


def _allowed(possible: npt.NDArray[np.uint8], structure: int) -> BoolArray:
    for bit, group in enumerate(GROUPS):
        if structure in group:
            return np.asarray(possible >> bit & 1, np.bool_)
    return np.zeros(possible.shape, bool)


def _side(votes: npt.NDArray[Any], group: tuple[Structure, ...], from_midline_mm: float) -> bool | None:
    """Whether a lesion is on the left; None unless the atlas and the patient's own structures leave no doubt.

    votes: by structure; group: the structures of both sides, or the one of both. from_midline_mm: of the atlas, + left.
    """
    left = from_midline_mm > 0
    if len(group) == 2:
        both = float(votes[list(group)].sum())
        own = float(votes[group[0]]) / both if both else 0.5
        if (own > 0.5) != left:
            return None
        if max(own, 1 - own) >= SURE_SHARE and abs(from_midline_mm) >= SIDE_MM / 2:
            return left
    return left if abs(from_midline_mm) >= SIDE_MM else None


def _place(structure: Structure, atlas: Atlas, index: tuple[npt.NDArray[np.intp], ...], in_atlas: FloatArray) -> str:
    """The name in PLACES of a lesion in that structure (of either side), by the majority of its voxels."""
    if structure == Structure.L_CEREBRUM:
        return Lobe(int(np.bincount(atlas.lobes[index]).argmax())).name
    if structure == Structure.L_DEEP_GREY:
        return "THALAMUS" if (atlas.deep[index] == 1).mean() >= 0.5 else "BASAL_GANGLIA"
    if structure == Structure.VENTRICLE:
        x, y, z = in_atlas.mean(0)
        if z < -10 and abs(x) < 14 and y > 18:
            return "FOURTH_VENTRICLE"
        return "THIRD_VENTRICLE" if abs(x) < 4 and z < 8 else "LATERAL_VENTRICLE"
    return "CEREBELLUM" if structure == Structure.L_CEREBELLUM else "BRAINSTEM"


def _gap_mm(points: FloatArray, half_axes: FloatArray, organ: FloatArray) -> float:
    """Between the voxels around `points` (half_axes: columns, LPS) and an organ given as points about 1 mm apart."""
    distances, nearest = cKDTree(organ).query(points)
    best = int(np.argmin(distances))
    way = organ[nearest[best]] - points[best]
    # How far the voxel reaches towards the organ: along the way, until the first of its faces.
    parts = np.abs(np.linalg.solve(half_axes, way)) if distances[best] > 0 else np.ones(3)
    reach = float(distances[best]) / max(float(parts.max()), 1e-9)
    return max(0.0, float(distances[best]) - reach - 0.5)
