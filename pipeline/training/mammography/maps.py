"""Maps of every image by detectors that have not seen its woman; kept, for fusion and judging start from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pipeline.recipes.mammography.fuse import Maps
from pipeline.recipes.mammography.looks import CELL, LEVEL_MM
from pipeline.training.mammography.folds import STAGES, made_by, models_of
from pipeline.training.mammography.fuse import EMPTY, Seen, Target
from pipeline.training.mammography.material import Example, Tell

CELLS_PER_MM = 1 / (CELL * LEVEL_MM)


def seen_by_folds(
    given: Sequence[Example], which: dict[str, int], runs: Path, tell: Tell, device: str = "cpu"
) -> list[Seen]:
    """Every image, its truth, and what the detectors of its woman's fold say; goes on where it was stopped.

    Maps of detectors that were trained anew are made anew.
    """
    seen: dict[str, Seen] = {}
    for number in sorted(set(which.values())):
        own, folder = [e for e in given if which[e.patient] == number], maps_folder(runs, f"fold{number}")
        todo = [e for e in own if not (folder / f"{e.name}.npz").exists()]
        if todo:
            folder.mkdir(parents=True, exist_ok=True)
            _read_fold(todo, f"fold{number}", folder, runs, tell, device)
        seen |= {e.name: as_seen(e, load_maps(folder / f"{e.name}.npz")) for e in own}
    return [seen[e.name] for e in given]


def maps_folder(runs: Path, name: str) -> Path:
    """Of the detectors of a fold as they are now. Raises NotFound before there are any."""
    return runs / "mammography" / "maps" / f"{name}-{made_by(runs, STAGES, name)}"


def as_seen(example: Example, maps: Maps) -> Seen:
    """With the truth, in mm from the top left corner of the maps."""
    targets = tuple(
        Target(s.x * LEVEL_MM, s.y * LEVEL_MM, s.radius * LEVEL_MM, s.kind.value if s.kind else "", s.malignant)
        for s in example.lesions
        if s.placed
    )
    placed = not example.somewhere
    return Seen(example.name, example.patient, example.label, example.malignant, targets, placed, maps, example.partner)


def load_maps(path: Path) -> Maps:
    """What `keep_maps` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        return Maps(kept["dense"], kept["pairs"], kept["specks"])


def keep_maps(path: Path, maps: Maps) -> None:
    """Whole or not at all."""
    part = path.with_suffix(".part.npz")
    np.savez_compressed(part, dense=maps.dense, pairs=maps.pairs, specks=maps.specks)
    part.replace(path)


def _read_fold(todo: Sequence[Example], name: str, folder: Path, runs: Path, tell: Tell, device: str) -> None:
    models, by_name = models_of(runs, name, device, fusion=EMPTY, classifier=None), {e.name: e for e in todo}
    left = list(todo)
    while left:
        one = left.pop(0)
        pair = [one, *(e for e in left if e.name == one.partner)]
        left = [e for e in left if e.name != one.partner]
        looks = {e.name: e.look() for e in pair}
        others = {e.name: e.partner if e.partner in by_name and e.partner in looks else None for e in pair}
        for image, maps in models.maps(looks, others, device).items():
            keep_maps(folder / f"{image}.npz", maps)
        tell(f"maps, {name}", len(todo) - len(left), len(todo))
