"""Heads without lesions, and what tissue each of their voxels is: lesions are drawn into them anew for every sample."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.phantom.noise import FloatArray
from pipeline.phantom.paint import Look
from pipeline.phantom.phantom import axial_head, paint_head
from pipeline.phantom.tissue import Tissue, TissueMap
from pipeline.recipes.srs.network import normalise
from pipeline.training.anatomies import label_map_anatomy, load_canonical
from pipeline.training.stamp import stamp
from pipeline.training.volumes import GREY_PER_UNIT, ONE_MM

REAL_SCAN = "t1c"
"""The group of the scan t1c_no_lesion, in the training as in the evaluation."""


@dataclass(frozen=True, slots=True)
class BareHead:
    """image: bytes (slices, rows, columns), 1 mm, as in `volumes.Head`; tissues: the same shape; group: the anatomy."""

    image: npt.NDArray[np.uint8]
    tissues: TissueMap
    name: str
    group: str


class HeadPlan(Protocol):
    """How many heads of each kind, from which label maps: a table of srs.toml. "held" heads are for validation."""

    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def labelmap_heads(self) -> int: ...  # noqa: D102
    @property
    def procedural_heads(self) -> int: ...  # noqa: D102
    @property
    def real_heads(self) -> int: ...  # noqa: D102
    @property
    def validation_heads(self) -> int: ...  # noqa: D102
    @property
    def training_anatomies(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def validation_anatomies(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def random_contrast(self) -> float: ...  # noqa: D102


def prepare_bare(plan: HeadPlan, data: Path, folder: Path, done: Callable[[str], None]) -> None:
    """Make the heads that the folder does not hold yet, some of each kind early on."""
    stamp(folder, plan.seed, plan.training_anatomies, plan.validation_anatomies, plan.random_contrast)
    counts = {
        "labelmap": plan.labelmap_heads,
        "procedural": plan.procedural_heads,
        "real": plan.real_heads,
        "held": plan.validation_heads,
    }
    wanted = [(n / count, kind, n) for kind, count in counts.items() for n in range(count)]
    for _, kind, number in sorted(wanted):
        name = f"{kind}-{number:04d}"
        if not (folder / f"{name}.npz").exists():
            image, tissues = _make(plan, data, kind, number)
            stored = np.clip((normalise(image) + 1) * GREY_PER_UNIT, 0, 255).astype(np.uint8)
            with (folder / f"{name}.part").open("wb") as file:
                np.savez_compressed(file, image=stored, tissues=tissues, group=_group(plan, kind, number))
            (folder / f"{name}.part").rename(folder / f"{name}.npz")
        done(name)


def load_bare(folder: Path, kinds: tuple[str, ...]) -> list[BareHead]:
    """The heads of these kinds that are ready, in the order of their names."""
    heads = []
    for path in sorted(p for kind in kinds for p in folder.glob(f"{kind}-*.npz")):
        with np.load(path, allow_pickle=False) as kept:
            heads.append(BareHead(kept["image"], kept["tissues"], path.stem, str(kept["group"])))
    return heads


def scan_without_lesions(data: Path) -> BareHead:
    """The real contrast-enhanced scan t1c_no_lesion, 1 mm: vessels as they are. Its brain is all that is not bright."""
    image, spacing_mm = load_canonical(data / "brain" / "t1c_no_lesion" / "MR_Gd.nii.gz")
    image = np.asarray(ndimage.zoom(image, spacing_mm, order=1), np.float32)
    head = ndimage.binary_closing(image > 0, iterations=2)
    unit = float(np.median(image[head]))
    deep = ndimage.binary_erosion(head, iterations=3)
    plain = ndimage.uniform_filter(((image > 0.7 * unit) & (image < 1.25 * unit)).astype(np.float32), 3) > 0.99
    tissues = np.where(head, np.uint8(Tissue.CSF), np.uint8(Tissue.AIR))
    tissues[deep & plain] = Tissue.WHITE
    stored = np.clip((normalise(image) + 1) * GREY_PER_UNIT, 0, 255).astype(np.uint8)
    return BareHead(stored, tissues, "scan", REAL_SCAN)


def _make(plan: HeadPlan, data: Path, kind: str, number: int) -> tuple[FloatArray, TissueMap]:
    rng = np.random.default_rng((plan.seed, ("labelmap", "procedural", "real", "held").index(kind), number))
    if kind == "real":
        return _icbm(rng, data)
    if kind == "procedural":
        tissues = axial_head(rng, (170, 230, 190), ONE_MM)
    else:
        atlas = plan.validation_anatomies if kind == "held" else plan.training_anatomies
        path = data / "brain" / "synthseg_labelmaps" / f"training_seg_{atlas[number % len(atlas)]:02d}.nii.gz"
        tissues = label_map_anatomy(rng, path)
    look = Look(
        vessel_density=float(rng.uniform(0.5, 1.3)),
        texture=float(rng.uniform(0.005, 0.06)),
        random_contrast=bool(rng.random() < plan.random_contrast),
    )
    skull, noise = bool(rng.random() < 0.6), float(rng.uniform(0.003, 0.04))
    return paint_head(rng, tissues, ONE_MM, [], skull=skull, look=look, noise=noise)[0], tissues


def _group(plan: HeadPlan, kind: str, number: int) -> str:
    """The anatomy behind a head: paintings of one label map are one person."""
    if kind == "real":
        return "icbm152"
    if kind == "procedural":
        return f"procedural-{number}"
    atlas = plan.validation_anatomies if kind == "held" else plan.training_anatomies
    return f"labelmap-{atlas[number % len(atlas)]:02d}"


def _icbm(rng: np.random.Generator, data: Path) -> tuple[FloatArray, TissueMap]:
    """The ICBM152 average: real texture of many heads, mirrored at random; grey and white matter are told apart."""
    folder = data / "brain" / "icbm152_2009a"
    image = load_canonical(folder / "mni_icbm152_t1_tal_nlin_sym_09a.nii.gz")[0]
    grey, white = (load_canonical(folder / f"mni_icbm152_{p}_tal_nlin_sym_09a.nii.gz")[0] for p in ("gm", "wm"))
    tissues = np.where(image > 0, np.uint8(Tissue.OTHER), np.uint8(Tissue.AIR))
    brain = grey + white > 140
    tissues[ndimage.binary_closing(brain, iterations=4)] = Tissue.CSF
    tissues[brain] = np.where(white > grey, Tissue.WHITE, Tissue.CORTEX)[brain]
    image = image / np.median(image[tissues == Tissue.WHITE])
    if rng.random() < 0.5:
        image = np.where(ndimage.binary_closing(brain, iterations=4), image, 0)
    image += float(rng.uniform(0.005, 0.03)) * rng.standard_normal(image.shape, dtype=np.float32)
    if rng.random() < 0.5:
        image, tissues = image[:, :, ::-1], tissues[:, :, ::-1]
    return np.ascontiguousarray(np.abs(image), np.float32), np.ascontiguousarray(tissues)
