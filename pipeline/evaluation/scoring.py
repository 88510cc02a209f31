"""One scan and what a reader made of it -> rows of figures: the scan, its lesions, the candidates."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from pipeline.evaluation.cases.case import Case, Mask
from pipeline.evaluation.lesionwise import ScanScore, dice, dilated_once, lesionwise, numbers_on
from pipeline.evaluation.reading import Read, Subject
from pipeline.evaluation.surface import surfaces

PHASES = ("before", "after")
"""Before and after model 2."""


@dataclass(frozen=True, slots=True)
class Outline:
    """How well a lesion was drawn, by all candidates that overlap it (dilated once), against the tumour's volume.

    dice_drawn:   of the tissue that the expert drew (enhancing tissue or tumour).
    volume_error: (predicted - true) / true.
    """

    dice: float
    dice_drawn: float
    hd95_mm: float
    mean_surface_mm: float
    centre_shift_mm: float
    volume_error: float


@dataclass(frozen=True, slots=True)
class LesionRow:
    """One lesion of the truth. probability, score: the highest of the candidates on it, None without any.

    diameter_mm: of a sphere of its volume; before, after: None when missed.
    """

    number: int
    diameter_mm: float
    centroid_mm: tuple[float, float, float]
    probability: float | None
    score: float | None
    before: Outline | None
    after: Outline | None


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """One candidate. lesions: those it overlaps (dilated once).

    is_false: it touches no tumour at all; what touches only a part too small to count is neither hit nor false.
    """

    number: int
    diameter_mm: float
    centroid_mm: tuple[float, float, float]
    probability: float
    score: float
    kept: bool
    counted_before: bool
    lesions: tuple[int, ...]
    is_false: bool

    def counts(self, phase: str) -> bool:
        """Whether it is among the results of the phase."""
        return self.kept if phase == "after" else self.counted_before


@dataclass(frozen=True, slots=True)
class ScanRow:
    """BraTS-METS figures of one phase. `tumour` against the whole tumour; `drawn` against the tissue that was drawn."""

    tumour: ScanScore
    drawn: ScanScore
    dice: float
    dice_drawn: float


@dataclass(frozen=True, slots=True)
class CaseRow:
    """All about one case.

    headline:    no network was trained on its group; the others are kept out of the tier's figures.
    fingerprint: SHA-256 of image and truth, the first 16 digits.
    """

    name: str
    group: str
    tier: str
    headline: bool
    fingerprint: str
    declined: str
    remarks: tuple[str, ...]
    scan: dict[str, ScanRow]
    lesions: tuple[LesionRow, ...]
    candidates: tuple[CandidateRow, ...]


def score_case(case: Case, read: Read, subject: Subject) -> CaseRow:
    """Everything that is measured on one case. The grids of case and read are the same."""
    candidates = _candidates(case, read, subject.operating_point)
    return CaseRow(
        case.name,
        case.group,
        case.tier,
        case.group not in subject.seen,
        _fingerprint(case),
        read.declined,
        case.remarks,
        {phase: _scan(case, *_masks(read, candidates, phase)) for phase in PHASES},
        _lesions(case, read, candidates),
        candidates,
    )


def phase_mask(read: Read, candidates: tuple[CandidateRow, ...], phase: str) -> Mask:
    """The voxels of the candidates that count in a phase."""
    table = np.zeros(len(candidates) + 1, bool)
    table[[c.number for c in candidates if c.counts(phase)]] = True
    return np.asarray(table[read.candidates])


def _masks(read: Read, candidates: tuple[CandidateRow, ...], phase: str) -> tuple[Mask, Mask]:
    """Tumour, and its enhancing part (the whole of it when the reader does not tell)."""
    mask = phase_mask(read, candidates, phase)
    return mask, mask if read.enhancing is None else mask & read.enhancing


def _scan(case: Case, tumour: Mask, enhancing: Mask) -> ScanRow:
    drawn = enhancing if case.drawn == "enhancing" else tumour
    whole = lesionwise(case.whole, tumour, case.spacing_mm)
    same = drawn is tumour and np.array_equal(case.truth, case.whole)
    as_drawn = whole if same else lesionwise(case.truth, drawn, case.spacing_mm)
    return ScanRow(whole, as_drawn, dice(case.whole, tumour), dice(case.truth, drawn))


def _candidates(case: Case, read: Read, operating_point: float) -> tuple[CandidateRow, ...]:
    on = _candidates_on(case, read)
    tumour = dilated_once(case.whole)
    rows = []
    for number, box in enumerate(ndimage.find_objects(read.candidates), start=1):
        if box is None:
            raise ValueError(f"candidate {number} has no voxel")
        own = read.candidates[box] == number
        hits = tuple(k for k, numbers in on.items() if number in numbers)
        probability = float(read.probability[number - 1])
        rows.append(
            CandidateRow(
                number,
                equivalent_diameter_mm(own, case.spacing_mm),
                _centroid(case, own, box),
                probability,
                float(read.score[number - 1]),
                bool(read.kept[number - 1]),
                probability >= operating_point,
                hits,
                not hits and not bool((tumour[box] & own).any()),
            )
        )
    return tuple(rows)


def _candidates_on(case: Case, read: Read) -> dict[int, tuple[int, ...]]:
    boxes = enumerate(ndimage.find_objects(case.lesions), start=1)
    return {k: numbers_on(case.lesions == k, box, read.candidates) for k, box in boxes}


def _lesions(case: Case, read: Read, candidates: tuple[CandidateRow, ...]) -> tuple[LesionRow, ...]:
    rows = []
    for number, box in enumerate(ndimage.find_objects(case.lesions), start=1):
        hits = [c for c in candidates if number in c.lesions]
        rows.append(
            LesionRow(
                number,
                equivalent_diameter_mm(case.lesions[box] == number, case.spacing_mm),
                _centroid(case, case.lesions[box] == number, box),
                max((c.probability for c in hits), default=None),
                max((c.score for c in hits), default=None),
                _outline(case, read, number, [c for c in hits if c.counts("before")]),
                _outline(case, read, number, [c for c in hits if c.counts("after")]),
            )
        )
    return tuple(rows)


def _outline(case: Case, read: Read, number: int, hits: list[CandidateRow]) -> Outline | None:
    if not hits:
        return None
    lesion = case.lesions == number
    found = np.isin(read.candidates, [c.number for c in hits])
    tells = case.drawn == "enhancing" and read.enhancing is not None
    enhancing = found & np.asarray(read.enhancing) if tells else found
    between = surfaces(lesion, found, case.spacing_mm)
    centres = [np.array(_centroid(case, m)) for m in (lesion, found)]
    return Outline(
        dice(lesion, found),
        dice(lesion & case.truth, enhancing),
        between.percentile_mm(95),
        between.mean_mm,
        float(np.linalg.norm(centres[0] - centres[1])),
        float(found.sum() / lesion.sum() - 1),
    )


def equivalent_diameter_mm(mask: Mask, spacing_mm: tuple[float, float, float]) -> float:
    """Of the sphere that has the mask's volume."""
    return float((6 * int(mask.sum()) * np.prod(spacing_mm) / np.pi) ** (1 / 3))


def _centroid(case: Case, mask: Mask, box: tuple[slice, ...] | None = None) -> tuple[float, float, float]:
    start = np.array([b.start for b in box]) if box else np.zeros(3)
    index = np.argwhere(mask).mean(axis=0) + start
    x, y, z = (float(v) for v in (case.image.affine @ np.append(index, 1.0))[:3])
    return x, y, z


def _fingerprint(case: Case) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(case.image.array).tobytes())
    for mask in (case.truth, case.lesions):
        digest.update(np.ascontiguousarray(mask).tobytes())
    digest.update(np.round(case.image.affine, 4).tobytes())
    return digest.hexdigest()[:16]
