"""Maps of every image by detectors that have not seen its woman; kept, for fusion and judging start from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from pipeline.recipes.mammography.fuse import Maps
from pipeline.recipes.mammography.looks import LEVEL_MM
from pipeline.recipes.mammography.models import Models
from pipeline.training.mammography.folds import STAGES, made_by, models_of
from pipeline.training.mammography.fuse import EMPTY, Seen, Target
from pipeline.training.mammography.material import Example, Tell


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
            models = models_of(runs, f"fold{number}", device, fusion=EMPTY, classifier=None)
            _read_fold(todo, own, models, folder, partial(tell, f"maps, fold{number}"), device)
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


def _read_fold(
    todo: Sequence[Example],
    own: Sequence[Example],
    models: Models,
    folder: Path,
    tell: Callable[[int, int], None],
    device: str = "cpu",
) -> None:
    """Keep the maps of some images of a fold, each read beside the other breast, whose maps may be there already.

    own: all images of the fold; tell: how many are done, of how many.
    """
    by_name, left = {e.name: e for e in own}, {e.name: e for e in todo}
    while left:
        one = left.pop(next(iter(left)))
        other = by_name.get(one.partner or "")
        pair = [one, other] if other else [one]
        looks = {e.name: e.look() for e in pair}
        others = {e.name: e.partner if e.partner in looks else None for e in pair}
        for image, maps in models.maps(looks, others, device).items():
            left.pop(image, None)
            keep_maps(folder / f"{image}.npz", maps)
        tell(len(todo) - len(left), len(todo))
