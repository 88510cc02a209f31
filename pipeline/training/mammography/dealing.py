"""Which fold a woman is in: dealt once, written down, and never dealt anew while weights of folds lie about.

`runs/mammography/folds.json` is the dealing. Women who come later are dealt in; nobody moves, and nobody who left is
forgotten. Beside the weights of each stage lies another such page, `folds.json`: the women whom these weights were
made for, each with the fold whose weights have not seen her. The two must agree before any weights are used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.core.errors import ConfigInvalid
from pipeline.training.mammography.folds import ALL, STAGES, has_made, made_by
from pipeline.training.mammography.material import Example, folds, write_whole

PAGE = "folds.json"
COUNT = 5
FITTED = (*STAGES, "fuse", "judge")
"""The stages that keep something for each fold."""
NAMES = (*(f"fold{k}" for k in range(COUNT)), ALL)


def dealing(runs: Path, given: Sequence[Example]) -> dict[str, int]:
    """Fold by patient: those of folds.json, and new women dealt in; writes nothing.

    Weights from before the dealing was written down tell it by the maps that they made.
    Raises ConfigInvalid where weights of folds were made with another dealing, or nobody can tell with which.
    """
    folder = runs / "mammography"
    known = _page(folder)
    if known is None:
        return _unwritten(runs, given)
    for stage in FITTED:
        _check(runs, stage, known)
    return folds(given, count=COUNT, known=known)


def keep_dealing(runs: Path, given: Sequence[Example]) -> dict[str, int]:
    """The same, written down. Raises ConfigInvalid as `dealing` does."""
    which = dealing(runs, given)
    known = _page(runs / "mammography")
    if known is None:
        for stage in FITTED:
            if _any_made(runs, stage):
                _write(runs / "mammography" / stage, which)
    if known != which:
        _write(runs / "mammography", which)
    return which


def keep_learnt(runs: Path, stage: str, given: Sequence[Example], which: Mapping[str, int]) -> None:
    """Before a stage makes anything: the women it learns from, with those its older weights were made from.

    Nothing is written where a detector has all its weights: it is left as it is, and learns from nobody new.
    """
    if stage in STAGES and all(has_made(runs, stage, name) for name in NAMES):
        return
    folder = runs / "mammography" / stage
    folder.mkdir(parents=True, exist_ok=True)
    older = _page(folder) if _any_made(runs, stage) else None
    _write(folder, {**(older or {}), **{e.patient: which[e.patient] for e in given}})


def learnt(runs: Path, stage: str) -> dict[str, int] | None:
    """Women that what a stage made was made from, with their folds; None where that was not written down."""
    return _page(runs / "mammography" / stage)


def _unwritten(runs: Path, given: Sequence[Example]) -> dict[str, int]:
    """No dealing is kept: a new one, or that of the weights that are there already."""
    made = [stage for stage in FITTED if _any_made(runs, stage)]
    if not made:
        return folds(given, count=COUNT)
    pages = [learnt(runs, stage) for stage in made]
    which = {woman: fold for page in pages for woman, fold in (page or {}).items()} or _told_by_maps(runs, given)
    for stage in made:
        _check(runs, stage, which, must=False)
    if not all(pages) and not {e.patient for e in given} <= which.keys():
        raise _refusal(f"nobody wrote down how women were dealt out for the weights of {', '.join(made)} in {runs}")
    return folds(given, count=COUNT, known=which)


def _told_by_maps(runs: Path, given: Sequence[Example]) -> dict[str, int]:
    """By the maps that detectors as they are made of the women of their fold; empty where two disagree."""
    if not all(has_made(runs, stage, name) for stage in STAGES for name in NAMES):
        return {}
    patients, which = {e.name: e.patient for e in given}, dict[str, int]()
    for number in range(COUNT):
        folder = runs / "mammography" / "maps" / f"fold{number}-{made_by(runs, STAGES, f'fold{number}')}"
        for name in (p.stem for p in folder.glob("*.npz")):
            if name in patients and which.setdefault(patients[name], number) != number:
                return {}
    return which


def _check(runs: Path, stage: str, which: Mapping[str, int], *, must: bool = True) -> None:
    """must: weights without a page are refused too."""
    if not _any_made(runs, stage):
        return
    then = learnt(runs, stage)
    if then is None:
        if must:
            raise _refusal(f"nobody wrote down how women were dealt out for the weights of {stage} in {runs}")
        return
    moved = [woman for woman, fold in then.items() if which.get(woman) != fold]
    if moved:
        raise _refusal(
            f"the weights of {stage} in {runs} were made with another dealing: {len(moved)} of {len(then)} women "
            "would be read by weights that have seen them"
        )


def _any_made(runs: Path, stage: str) -> bool:
    return any(has_made(runs, stage, name) for name in NAMES)


def _refusal(why: str) -> ConfigInvalid:
    return ConfigInvalid(
        why, f"put back the {PAGE} that they were made with, or move these stages' folders away and train them anew"
    )


def _page(folder: Path) -> dict[str, int] | None:
    path = folder / PAGE
    if not path.is_file():
        return None
    try:
        read = json.loads(path.read_text("utf-8"))
        return {str(patient): int(fold) for patient, fold in read.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise _refusal(f"{path} cannot be read as fold by patient") from error


def _write(folder: Path, which: Mapping[str, int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / PAGE, (json.dumps(dict(which), indent=1, sort_keys=True) + "\n").encode())
