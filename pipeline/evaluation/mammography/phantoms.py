"""Tier T0: made-up women of `pipeline.phantom.mammogram`, from seeds that the training never drew."""

from __future__ import annotations

from functools import lru_cache, partial

from pipeline.datasets.mammo import Drawn, Finding, Pathology
from pipeline.evaluation.mammography.studies import StudyEntry, ViewEntry
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.marks import Density, Laterality
from pipeline.phantom.mammogram import MammogramView, Plan, Shape, mammogram_study

FIRST_SEED = 9001
SPACING_MM = 0.1
ROLES = ("R-CC", "L-CC", "R-MLO", "L-MLO")

MALIGNANT = (Shape.SPICULATED, Shape.ILL_DEFINED, Shape.DISTORTION)
"""What is called malignant here; nothing of a made-up finding has a pathology."""


def phantom_studies(count: int) -> list[StudyEntry]:
    """So many women: every second one has a finding in one breast; shapes and densities take turns."""
    return [_study(FIRST_SEED + k) for k in range(count)]


def _study(seed: int) -> StudyEntry:
    plan, density = _plan(seed), list(Density)[seed // 2 % len(Density)]
    views = []
    for role in ROLES:
        side = Laterality(role[0])
        here = plan is not None and plan.laterality is side
        views.append(
            ViewEntry(
                name=f"made-up-{seed}-{role}",
                role=role,
                laterality=side,
                view=role[2:],
                pathology=_pathology(plan.shape) if here and plan else Pathology.NORMAL,
                density=density.value,
                is_film=False,
                spacing_mm=(SPACING_MM, SPACING_MM),
                load=partial(_load, seed, role, density),
                finder=partial(_findings, seed, role, density),
            )
        )
    return StudyEntry(f"made-up-{seed}", f"made-up-{seed}", "T0", "made-up mammograms", tuple(views))


def _plan(seed: int) -> Plan | None:
    """Even seeds have a finding; the first seed is odd, so that the first woman has none."""
    if seed % 2:
        return None
    turn = (seed - FIRST_SEED) // 2
    shapes = list(Shape)
    side = Laterality.LEFT if turn % 2 else Laterality.RIGHT
    return Plan(shapes[turn % len(shapes)], side, diameter_mm=(9.0, 14.0, 24.0)[turn % 3], contrast=0.8)


def _pathology(shape: Shape) -> Pathology:
    return Pathology.MALIGNANT if shape in MALIGNANT else Pathology.BENIGN


@lru_cache(maxsize=8)
def _made(seed: int, role: str, density: Density) -> MammogramView:
    plan = _plan(seed)
    plans = () if plan is None else (plan,)
    return mammogram_study(seed, plans, density=density, spacing_mm=SPACING_MM, roles=(role,)).view(role)


def _load(seed: int, role: str, density: Density) -> MammogramPixels | str:
    view = _made(seed, role, density)
    return prepare(view.hung(), (SPACING_MM, SPACING_MM), view.laterality, view.view)


def _findings(seed: int, role: str, density: Density) -> tuple[Finding, ...]:
    view = _made(seed, role, density)
    return tuple(
        Finding(
            f.kind,
            f.shape.value,
            Drawn.OUTLINE,
            tuple(view.hung_px(p) for p in f.outline_px),
            _pathology(f.shape),
        )
        for f in view.findings
    )
