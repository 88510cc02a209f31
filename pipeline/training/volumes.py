"""The training heads: made once, kept as bytes in a folder, opened by memory map."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.phantom.lesions import Drawn, Labels, Recipe, draw_lesions
from pipeline.phantom.noise import FloatArray
from pipeline.phantom.paint import Look, degrade
from pipeline.phantom.phantom import axial_head, paint_head
from pipeline.recipes.srs.network import normalise
from pipeline.training.anatomies import label_map_anatomy, load_canonical
from pipeline.training.config import Config
from pipeline.training.stamp import stamp

GREY_PER_UNIT = 51.0
"""Stored byte = (normalised signal + 1) * this: the range -1…4 fills 0…255."""

ONE_MM = (1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Head:
    """One training volume, 1 mm. image: bytes (slices, rows, columns); labels: 0 background, 1…n; centres by index."""

    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    centres: tuple[tuple[float, float, float], ...]
    name: str


Made = tuple[FloatArray, Labels, tuple[Drawn, ...]]


def plan(config: Config) -> dict[str, list[tuple[str, int]]]:
    """Which heads there shall be, as (kind, number), for "train" and "validation"."""
    labels = [("labelmap", n) for n in range(config.labelmap_heads)]
    procedural = [("procedural", n) for n in range(config.procedural_heads)]
    real = [("real", n) for n in range(config.real_heads)]
    # Taken in turn, so that a folder that is not yet full holds some of each.
    mixed = sorted(labels + procedural + real, key=lambda k: (k[1] / max(1, getattr(config, f"{k[0]}_heads")), k[0]))
    held = [("held", n) for n in range(config.validation_heads)]
    return {"train": mixed, "validation": held}


def prepare(config: Config, data: Path, folder: Path, done: Callable[[str], None]) -> None:
    """Make the heads of the plan that the folder does not hold yet. `done` is called with the name of each."""
    stamp(folder, config.seed, config.training_anatomies, config.validation_anatomies, config.random_contrast)
    for group, heads in plan(config).items():
        for kind, number in heads:
            name = f"{group}-{kind}-{number:04d}"
            if not (folder / f"{name}.json").exists():
                _keep(folder, name, _make(config, data, kind, number))
            done(name)


def load(folder: Path, group: str) -> list[Head]:
    """The heads of a group that are ready, in the order of their names."""
    heads = []
    for path in sorted(folder.glob(f"{group}-*.json")):
        meta = json.loads(path.read_text())
        image = np.load(path.with_suffix(".image.npy"), mmap_mode="r")
        labels = np.load(path.with_suffix(".labels.npy"), mmap_mode="r")
        heads.append(Head(image, labels, tuple(tuple(c) for c in meta["centres"]), path.stem))
    return heads


def _keep(folder: Path, name: str, made: Made) -> None:
    image, labels, drawn = made
    stored = np.clip((normalise(image) + 1) * GREY_PER_UNIT, 0, 255).astype(np.uint8)
    np.save(folder / f"{name}.image.npy", stored)
    np.save(folder / f"{name}.labels.npy", labels.astype(np.uint8))
    # Written last: its presence says that the other two are whole.
    (folder / f"{name}.json").write_text(json.dumps({"centres": [d.centre_index for d in drawn]}))


def _make(config: Config, data: Path, kind: str, number: int) -> Made:
    kinds = ("labelmap", "procedural", "real", "held")
    rng = np.random.default_rng((config.seed, kinds.index(kind), number))
    if kind == "real":
        return _real(rng, data, number)
    if kind == "procedural":
        tissues = axial_head(rng, (170, 230, 190), ONE_MM)
    else:
        atlas = config.validation_anatomies if kind == "held" else config.training_anatomies
        path = data / "brain" / "synthseg_labelmaps" / f"training_seg_{atlas[number % len(atlas)]:02d}.nii.gz"
        tissues = label_map_anatomy(rng, path)
    look = Look(
        vessel_density=float(rng.uniform(0.6, 1.2)),
        texture=float(rng.uniform(0.01, 0.06)),
        random_contrast=bool(rng.random() < config.random_contrast),
    )
    skull = bool(rng.random() < 0.65)
    noise = float(rng.uniform(0.01, 0.07))
    return paint_head(rng, tissues, ONE_MM, sizes(rng), skull=skull, look=look, recipe=_recipe(rng), noise=noise)


def sizes(rng: np.random.Generator) -> list[float]:
    """Lesion diameters of one head in mm: log-uniform, most of them small, none in one head of eight."""
    if rng.random() < 0.12:
        return []
    small = np.exp(rng.uniform(np.log(2.0), np.log(8.0), rng.poisson(5)))
    large = np.exp(rng.uniform(np.log(8.0), np.log(45.0), rng.poisson(2.5)))
    return [float(d) for d in (*small, *large)]


def _recipe(rng: np.random.Generator) -> Recipe:
    return Recipe(contrast=(0.25, 1.6), rim_fraction=0.45, rough=float(rng.uniform(0.08, 0.4)), halo_fraction=0.6)


def _real(rng: np.random.Generator, data: Path, number: int) -> Made:
    """The ICBM152 average with lesions drawn into most of its copies. The scans of tier T1 must not be used here."""
    folder = data / "brain" / "icbm152_2009a"
    image = load_canonical(folder / "mni_icbm152_t1_tal_nlin_sym_09a.nii.gz")[0]
    parts = [load_canonical(folder / f"mni_icbm152_{p}_tal_nlin_sym_09a.nii.gz")[0] for p in ("gm", "wm")]
    inside = parts[0] + parts[1] > 140
    image = (image / np.median(image[inside])).astype(np.float32)
    if rng.random() < 0.5:
        image, inside = image[:, :, ::-1].copy(), inside[:, :, ::-1].copy()
    wanted = sizes(rng) if number % 8 else []
    around = ndimage.binary_dilation(inside, iterations=3)
    labels, drawn = draw_lesions(rng, image, inside, around, ONE_MM, wanted, _recipe(rng))
    # The image has its own blur and noise; only a little is added, so that lesions are not the only thing without.
    blur, bias = float(rng.uniform(0.3, 0.6)), float(rng.uniform(0, 0.25))
    image = degrade(rng, image, ONE_MM, blur_mm=blur, bias=bias, noise=0.015)
    return image, labels, drawn
