"""Made-up women as a data set: from above and oblique, film and digital, with what is to be found in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.core.breast import Laterality
from pipeline.core.errors import ConfigInvalid
from pipeline.datasets.mammo.case import Case, Collection, Drawn, Finding, circle
from pipeline.marks import Density
from pipeline.phantom.mammogram import MammogramView, Manner, Plan, mammogram_study
from pipeline.training.mammography.lesions import DIAMETERS_MM, MASSES_MM, SHARES
from pipeline.training.mammography.material import Example, Reading, Tell, examples, read_material

WOMEN = 32
MADE = Collection.FILM
"""The set that they are counted to; films of one's own have no truth, and are not trained on."""
ROLES = ("R-CC", "L-CC", "R-MLO", "L-MLO")
LETTERS = {Density.A: 0.15, Density.B: 0.35, Density.C: 0.35, Density.D: 0.15}
SICK = 0.6
"""Share of women with a finding, or two."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a study is made from."""

    seed: int
    density: Density
    manner: Manner
    plans: tuple[Plan, ...]


def made_up(women: int = WOMEN) -> Iterator[Case]:
    """Four images of each; the same ones every time."""
    for number in range(women):
        wish = _wish(number)
        for role in ROLES:
            side, view = role.split("-")
            name = f"made{number:03d}.{role}"
            yield Case(
                collection=MADE,
                name=name,
                patient=f"made{number:03d}",
                study=f"made{number:03d}",
                laterality=Laterality(side),
                view=view,
                path=Path(name),
                reader=partial(_picture, wish, role),
                finder=partial(_findings, wish, role),
                spacing_mm=(0.1, 0.1),
                density=wish.density,
                is_film=wish.manner is Manner.FILM,
            )


def _wish(number: int) -> Wish:
    rng = np.random.default_rng((77, number))
    density = list(LETTERS)[rng.choice(len(LETTERS), p=list(LETTERS.values()))]
    plans = [_plan(rng) for _ in range(int(rng.integers(1, 3)))] if rng.random() < SICK else []
    return Wish(7000 + number, density, list(Manner)[number % 2], tuple(plans))


def _plan(rng: np.random.Generator) -> Plan:
    shape = list(SHARES)[rng.choice(len(SHARES), p=list(SHARES.values()))]
    diameter = float(np.exp(rng.uniform(*np.log(DIAMETERS_MM.get(shape, MASSES_MM)))))
    return Plan(shape, list(Laterality)[int(rng.integers(2))], diameter, float(rng.uniform(0.4, 1.2)))


@lru_cache(maxsize=2)
def _view(wish: Wish, role: str) -> MammogramView:
    return mammogram_study(wish.seed, wish.plans, density=wish.density, manner=wish.manner, roles=[role]).views[0]


def _picture(wish: Wish, role: str) -> NDArray[Any]:
    return _view(wish, role).hung()


def _findings(wish: Wish, role: str) -> tuple[Finding, ...]:
    view = _view(wish, role)
    return tuple(
        Finding(f.kind, f.shape.value, Drawn.CIRCLE, circle(*view.hung_px(f.center_px), f.radius_px))
        for f in view.findings
    )


def made_folder(runs: Path) -> Path:
    """Stands in the place of `runs` for what is made up."""
    return runs / "mammography" / "made"


def make_women(runs: Path, tell: Tell, women: int = WOMEN, workers: int = 1) -> None:
    """Draw and read them, in every reading; goes on where it was stopped."""
    read_material(made_up(women), made_folder(runs), tell, workers)


def made_examples(runs: Path, tell: Tell) -> tuple[Example, ...]:
    """In every reading; drawn first, where they are not there yet."""
    make_women(runs, tell)
    return tuple(e for reading in Reading for e in examples(made_folder(runs), reading))


def also(given: Sequence[Example], runs: Path) -> list[Example]:
    """The same images in their changed readings, as far as there are any."""
    names = {e.name for e in given}
    try:
        return [e for e in examples(runs, Reading.CHANGED) if e.name in names]
    except ConfigInvalid:
        return []


def is_made(example: Example) -> bool:
    """It shows a woman who never was."""
    return example.collection == MADE.value
