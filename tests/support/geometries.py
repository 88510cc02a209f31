"""Random series as scanners lay them, with lesions of odd shapes on them: read from files as the node reads them."""

from __future__ import annotations

import random
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread, dcmwrite
from scipy import ndimage
from scipy.spatial.transform import Rotation

from pipeline.core.uid import derive_uid
from pipeline.findings import Findings
from pipeline.imaging.header import scan
from pipeline.imaging.read import SeriesVolume, read_volume
from tests.support.findings import Grid, _ds, findings_on, with_rejected, write_classic, write_enhanced

PLANES = {
    "axial": ((1, 0, 0), (0, 1, 0)),
    "coronal": ((1, 0, 0), (0, 0, -1)),
    "sagittal": ((0, 1, 0), (0, 0, -1)),
    "feet first": ((-1, 0, 0), (0, 1, 0)),
}
"""Direction of increasing column index, and of increasing row index, before anything is turned or negated."""

JITTERS = (1e-7, 1e-6, 1e-5, 5e-5, 2e-4, 5e-4)
"""Rounding noise in direction cosines from one image of a series to the next."""


@dataclass(frozen=True)
class Turned(Grid):
    """A grid in any direction. digits: of its direction cosines, which are rounded in headers. off_mm: of each slice,
    along slice, row and column."""

    directions: tuple[tuple[float, float, float], tuple[float, float, float]] = ((1, 0, 0), (0, 1, 0))
    digits: int = 14
    off_mm: tuple[tuple[float, float, float], ...] = ()

    @property
    def cosines(self) -> list[float]:
        return [_ds(round(v, self.digits)) for direction in self.directions for v in direction]

    def position(self, slice_index: int) -> list[float]:
        across, down = (np.array(d, float) for d in self.directions)
        along = np.array([np.cross(across, down), down, across])
        off = np.array(self.off_mm[slice_index]) if self.off_mm else np.zeros(3)
        first = slice_index * self.spacing_mm[0]
        return [_ds(v) for v in np.array(self.corner_mm) + (off + np.array((first, 0, 0))) @ along]


@dataclass(frozen=True)
class Scene:
    """What a random series is like, for people: drawn from a seed, equal seeds give equal scenes.

    jitter: so much at most are the direction cosines of each image off those of the grid.
    """

    seed: int
    grid: Turned
    plane: str
    enhanced: bool = False
    traits: tuple[str, ...] = field(default=())
    jitter: float = 0.0

    @property
    def words(self) -> str:
        """For whoever looks for the one that failed."""
        spacing = " x ".join(f"{v:.2f}" for v in self.grid.spacing_mm)
        return f"seed {self.seed}: {self.plane}, {spacing} mm, {', '.join(self.traits) or 'plain'}"


def scene(seed: int) -> Scene:
    """A random one."""
    rng = random.Random(seed)
    plane = rng.choice([*PLANES, "oblique", "oblique"])
    directions, traits = PLANES.get(plane, PLANES["axial"]), []
    if plane == "oblique":
        turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
        directions = tuple(tuple(float(v) for v in turn @ d) for d in directions)
    signs = rng.choice([(1, 1), (1, 1), (-1, 1), (1, -1), (-1, -1)])
    if min(signs) < 0:
        traits.append("negated cosines")
        directions = tuple(tuple(s * v for v in d) for s, d in zip(signs, directions, strict=True))
    shape = (rng.randint(8, 18), rng.randint(20, 44), rng.randint(20, 44))
    square = rng.uniform(0.4, 1.6)
    spacing = (rng.uniform(0.5, 6.0), square, square if rng.random() < 0.5 else rng.uniform(0.4, 1.6))
    digits = rng.choice([14, 14, 6, 5])
    grid = Turned(shape, spacing, "axial", tuple(rng.uniform(-300, 300) for _ in range(3)), directions, digits)
    if digits < 14:
        traits.append(f"cosines of {digits} digits")
    enhanced = rng.random() < 0.25
    kinds = ["enhanced"] if enhanced else [t for t in ("unsorted", "duplicated", "one missing") if rng.random() < 0.3]
    if rng.random() < 0.35:
        traits.append("unequal spacing")
        grid = replace(grid, off_mm=_unequal(grid, rng, 0.008 if "one missing" in kinds else 0.02))
    jitter = rng.choice(JITTERS) if rng.random() < 0.4 else 0.0
    if jitter:
        traits.append("jittered cosines")
    return Scene(seed, grid, plane, enhanced, (*traits, *kinds), min(jitter, _most_jitter(grid)))


def _most_jitter(grid: Turned) -> float:
    """Farther off, the normal of one image leads sideways off the others, and the reader sees a tilted gantry."""
    return 0.05 * min(grid.spacing_mm[1:]) / (grid.spacing_mm[0] * grid.shape[0])


def _unequal(grid: Turned, rng: random.Random, share: float) -> tuple[tuple[float, float, float], ...]:
    """What the reader of series takes for one stack: so much of the distance, a tenth of a pixel."""
    steps = (share * grid.spacing_mm[0], *[0.07 * min(grid.spacing_mm[1:])] * 2)
    return tuple(tuple(rng.uniform(-s, s) for s in steps) for _ in range(grid.shape[0]))


def on_disk(folder: Path, made: Scene) -> SeriesVolume:
    """The series written, and read as the node reads it."""
    rng = random.Random(made.seed)
    if made.enhanced:
        write_enhanced(folder, made.grid, extra=0)
    else:
        paths = [ref.path for ref in write_classic(folder, made.grid)]
        if "one missing" in made.traits:
            paths.pop(rng.randrange(2, len(paths) - 2)).unlink()
        if "unsorted" in made.traits:
            _shuffle(paths, rng)
        if "duplicated" in made.traits:
            _duplicate(rng.choice(sorted(folder.glob("*.dcm"))))
    if made.jitter:
        jitter(folder, made.jitter, made.seed)
    (study,) = scan(folder)
    (series,) = study.series
    return read_volume(series, fill_missing=1)


def _shuffle(paths: list[Path], rng: random.Random) -> None:
    """Names and numbers say nothing of the order."""
    numbers = rng.sample(range(len(paths)), len(paths))
    for path, number in zip(paths, numbers, strict=True):
        ds = dcmread(path)
        ds.InstanceNumber = number + 1
        dcmwrite(path.with_name(f"x{number:03d}.dcm"), ds)
        path.unlink()


def jitter(folder: Path, most: float, seed: int) -> None:
    """The direction cosines of every image, or of every frame, are off by up to `most`, of each by something else."""
    rng = np.random.default_rng(seed)
    for path in sorted(folder.glob("*.dcm")):
        ds = dcmread(path)
        for plane in _planes(ds):
            off = rng.uniform(-most, most, 6)
            plane.ImageOrientationPatient = [_ds(v) for v in np.array(plane.ImageOrientationPatient, float) + off]
        dcmwrite(path, ds)


def _planes(ds: Dataset) -> list[Dataset]:
    """Where the orientation of each image stands."""
    if "SharedFunctionalGroupsSequence" not in ds:
        return [ds]
    (shared,) = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    del ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    for groups in ds.PerFrameFunctionalGroupsSequence:
        groups.PlaneOrientationSequence = [deepcopy(shared)]
    return [groups.PlaneOrientationSequence[0] for groups in ds.PerFrameFunctionalGroupsSequence]


def _duplicate(path: Path) -> None:
    ds = dcmread(path)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = derive_uid("again", str(ds.SOPInstanceUID))
    dcmwrite(path.with_name("again.dcm"), ds)


def findings_in(made: Scene, read: SeriesVolume) -> Findings:
    """One to five lesions, some hollow, some in pieces, some at the edge; rejected candidates in every third."""
    rng = np.random.default_rng(made.seed)
    grid = replace(made.grid, shape=tuple(read.volume.spatial_shape))
    findings = findings_on(read.frames, grid, blobs(rng, grid))
    if made.seed % 3 == 0:
        findings = with_rejected(findings, grid, blobs(rng, grid), drawn=True)
    return replace(
        findings,
        labels=_on(read.volume, findings.labels),
        rejected_labels=_on(read.volume, findings.rejected_labels),
        lesions=_measured(read.volume, findings.labels, findings.lesions),
        rejected=_measured(read.volume, findings.rejected_labels, findings.rejected),
    )


def _on(volume: hd.Volume, labels: hd.Volume | None) -> hd.Volume | None:
    """In the geometry that was read, which is not quite that which was written."""
    return None if labels is None else volume.with_array(labels.array)


def _measured(volume: hd.Volume, labels: hd.Volume | None, lesions: tuple) -> tuple:
    if labels is None:
        return lesions
    found = []
    for lesion in lesions:
        index = np.argwhere(labels.array == lesion.number).mean(axis=0)
        centre = np.asarray(volume.affine)[:3] @ (*index, 1)
        size = float(np.prod(volume.spacing)) * int((labels.array == lesion.number).sum())
        found.append(replace(lesion, centroid_mm=tuple(float(v) for v in centre), volume_mm3=size))
    return tuple(found)


def blobs(rng: np.random.Generator, grid: Grid) -> NDArray[np.uint16]:
    """Labels 1...n: ellipsoids, some hollow, one of them a single voxel now and then."""
    labels = np.zeros(grid.shape, np.uint16)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    number = 0
    for _ in range(int(rng.integers(1, 6))):
        centre = rng.uniform(0, np.array(grid.shape) - 1)
        radii = rng.uniform(0.8, 9.0) * rng.uniform(0.6, 1.6, 3) / np.array(grid.spacing_mm)
        away = np.linalg.norm((index - centre) / np.maximum(radii, 0.3), axis=-1)
        mine = (away <= 1) & ~((away < 0.55) & (rng.random() < 0.4))
        mine |= (away <= 1.2) & (rng.random(grid.shape) < 0.15)
        mine &= labels == 0
        if mine.any():
            number += 1
            labels[mine] = number
    if not number:
        labels[tuple(n // 2 for n in grid.shape)] = 1
    return labels


def holes(findings: Findings) -> int:
    """How many holes the lesions have in their slices, so that a run can say that there were some."""
    if findings.labels is None:
        return 0
    count = 0
    for plane in findings.labels.array:
        for number in np.unique(plane[plane > 0]):
            _, regions = ndimage.label(np.pad(plane != number, 1, constant_values=True), np.ones((3, 3)))
            count += regions - 1
    return count
