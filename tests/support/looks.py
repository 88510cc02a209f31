"""Looks of made-up women in a folder of trainings, and maps of stand-ins for the detectors, as trainings keep them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
from scipy import ndimage

from pipeline.core.breast import Laterality
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.marks import Kind
from pipeline.recipes.mammography.fuse import Maps
from pipeline.recipes.mammography.looks import FINE_UM, LEVEL_MM, Look, look_of
from pipeline.training.mammography.folds import STAGES
from pipeline.training.mammography.maps import keep_maps, maps_folder
from pipeline.training.mammography.material import Lesion, _keep, examples, folds, looks_folder
from tests.support import breasts
from tests.support.detectors import bright_models

WOMEN = 16
RADIUS_MM = 6.0


def written_looks(runs: Path) -> None:
    """Two oblique views of each woman; every other has a bright mass in her right breast."""
    folder, maps = looks_folder(runs), dict[str, Maps]()
    folder.mkdir(parents=True)
    pictures = {ill: breasts.drawn("MLO", dots=_disc(230.0, 430.0) if ill else ()) for ill in (True, False)}
    read = {ill: prepare(p, breasts.SPACING, Laterality.LEFT, "MLO", FINE_UM) for ill, p in pictures.items()}
    models = bright_models()
    for woman in range(WOMEN):
        for side in "RL":
            ill, name = side == "R" and woman % 2 == 0, f"w{woman:02d}{side}"
            pixels = read[ill]
            assert isinstance(pixels, MammogramPixels)
            look = _grainy(look_of(pixels), 2 * woman + (side == "R"))
            _keep(folder / f"{name}.plain.npz", look)
            x, y = pixels.canonical.from_image([(230.0, 430.0)])[0] * FINE_UM / 1000 / LEVEL_MM
            lesion = Lesion(float(x), float(y), RADIUS_MM / LEVEL_MM, Kind.MASS, woman % 4 == 0, True)
            (folder / f"{name}.plain.json").write_text(json.dumps(_page(name, woman, side, [lesion] if ill else [])))
            maps |= models.maps({name: look}, {name: None}, "cpu")
    _keep_maps(runs, maps)


def _keep_maps(runs: Path, maps: Mapping[str, Maps]) -> None:
    """As if the detectors of the folds had been trained, and asked."""
    for stage in STAGES:
        for name in (*(f"fold{k}" for k in range(5)), "all"):
            path = runs / "mammography" / stage / f"{name}.safetensors"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(f"{stage} {name}".encode())
    given = examples(runs)
    which = folds(given)
    for example in given:
        place = maps_folder(runs, f"fold{which[example.patient]}")
        place.mkdir(parents=True, exist_ok=True)
        keep_maps(place / f"{example.name}.npz", maps[example.name])


def _disc(x: float, y: float) -> tuple[tuple[float, float], ...]:
    return tuple((x + a, y + b) for a in range(-20, 21, 5) for b in range(-20, 21, 5) if a * a + b * b <= 400)


def _grainy(look: Look, seed: int) -> Look:
    """Another breast: other glands on the same outline."""
    rng = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(rng.normal(size=look.level.shape), 15) * 15
    level = look.level + 0.15 * coarse.astype(np.float32) * look.breast
    fine = level.repeat(2, 0).repeat(2, 1).clip(-0.2, 1.2)
    return Look(fine.astype(np.float32), level.astype(np.float32), look.breast, look.muscle, look.tissue)


def _page(name: str, woman: int, side: str, lesions: list[Lesion]) -> dict[str, object]:
    return {
        "name": name,
        "collection": "mias",
        "patient": f"mias-w{woman:02d}",
        "study": f"mias-w{woman:02d}",
        "role": f"{side}-MLO",
        "label": bool(lesions),
        "malignant": any(lesion.malignant for lesion in lesions),
        "tissue": "",
        "lesions": [asdict(lesion) for lesion in lesions],
    }
