"""One woman's study with its truth, from wherever it comes; and what it comes down to on one view."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from pipeline.datasets.mammo import Case, Finding, Pathology
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.imaging.mammogram.spacing import LONG_SIDE_MM
from pipeline.marks import Laterality

Tier = Literal["T0", "T2"]


@dataclass(frozen=True, slots=True)
class ViewEntry:
    """One image that can be loaded when its turn comes.

    role:    unique in its study: "R-MLO", "R-MLO-2".
    density: the data set's letter or word; "" where it has none.
    load:    the canonical view, or a reason why it shows no breast. Raises PixelsUnreadable, HeaderUnusable.
    finder:  its findings, in pixels of the image as sent.
    spacing_mm: (down, across), where known.
    """

    name: str
    role: str
    laterality: Laterality
    view: str
    pathology: Pathology
    density: str
    is_film: bool
    spacing_mm: tuple[float, float] | None
    load: Callable[[], MammogramPixels | str]
    finder: Callable[[], tuple[Finding, ...]]


@dataclass(frozen=True, slots=True)
class StudyEntry:
    """Images that were taken together. woman: all studies with the same word are of one woman; never a name.

    source: where it comes from, in words.
    """

    name: str
    woman: str
    tier: Tier
    source: str
    views: tuple[ViewEntry, ...]


def studies_of(cases: Iterable[Case], tier: Tier = "T2") -> Iterator[StudyEntry]:
    """The images of a data set, put together by study, in the order of the data set."""
    together: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        together.setdefault((case.patient, case.study), []).append(case)
    for (woman, study), images in together.items():
        roles = numbered([c.role for c in images])
        views = tuple(_view(case, role) for case, role in zip(images, roles, strict=True))
        yield StudyEntry(study, woman, tier, images[0].collection.words, views)


def numbered(roles: Iterable[str]) -> list[str]:
    """ "R-CC", "R-CC" -> "R-CC", "R-CC-2"."""
    seen: dict[str, int] = {}
    out = []
    for role in roles:
        seen[role] = seen.get(role, 0) + 1
        out.append(role if seen[role] == 1 else f"{role}-{seen[role]}")
    return out


def _view(case: Case, role: str) -> ViewEntry:
    def load() -> MammogramPixels | str:
        picture = case.picture()
        spacing = case.spacing_mm or (LONG_SIDE_MM / max(picture.shape),) * 2  # as the recipe takes it
        return prepare(picture, spacing, case.laterality, case.view)

    return ViewEntry(
        name=case.name,
        role=role,
        laterality=case.laterality,
        view=case.view,
        pathology=case.pathology,
        density=density_words(case.density.value if case.density else "", case.density_words),
        is_film=case.is_film,
        spacing_mm=case.spacing_mm,
        load=load,
        finder=case.findings,
    )


def density_words(letter: str, words: str) -> str:
    """The letter of the atlas, else the data set's own word."""
    return letter or words


def is_abnormal(pathology: Pathology, findings: tuple[Finding, ...]) -> bool | None:
    """Benign or malignant; of unknown pathology with a finding of one of our kinds; None where nobody knows."""
    if pathology is Pathology.UNKNOWN:
        return True if any(f.kind for f in findings) else None
    return pathology is not Pathology.NORMAL


def is_malignant(pathology: Pathology) -> bool | None:
    """None where nobody knows."""
    return None if pathology is Pathology.UNKNOWN else pathology is Pathology.MALIGNANT


def any_true(values: Iterable[bool | None]) -> bool | None:
    """True if one is; None if that hangs on one that nobody knows."""
    known = list(values)
    return True if True in known else None if None in known else False
