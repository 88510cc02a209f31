"""Model 3 in a head: lesions, brain and organs at risk -> which lesion in which session."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import highdicom as hd
import numpy as np
from pydicom.uid import RTStructureSetStorage
from scipy import ndimage

from pipeline.contract import Declined, Runtime
from pipeline.core.errors import ConfigInvalid, GeometryUnusable
from pipeline.core.patient import patient_of
from pipeline.core.study import Series
from pipeline.findings import Lesion as Finding
from pipeline.imaging.header import MALFORMED
from pipeline.imaging.read import read_volume
from pipeline.imaging.regions import measure
from pipeline.recipes.srs.contours import drawn_on, whose
from pipeline.recipes.srs.doses import with_doses
from pipeline.recipes.srs.given import NOTHING, Given, read_given
from pipeline.recipes.srs.organs import brain_of, organs_of, targets_of
from pipeline.sessions.case import Case, Lesion, Tables, Wishes
from pipeline.sessions.choose import plan
from pipeline.sessions.dosemap import Points, brain_grid, target_of
from pipeline.sessions.escalate import escalated
from pipeline.sessions.parts import meant
from pipeline.sessions.plan import Plan
from pipeline.sessions.planned import Planned
from pipeline.sessions.tables import prescribe, read_limits, read_prescriptions

if TYPE_CHECKING:
    from pydicom import Dataset

    from pipeline.recipes.srs.anatomy import Anatomy

GRID_MM = 2.0
"""Between the points of the brain that doses are summed at."""

LIKELY = 0.5
"""A lesion that is less probable than this is named in the plan."""

FEW = 20
"""Up to so many lesions, the sessions that improbable ones ask for are counted."""

ORGAN_STEP_MM = 3.0
"""Between the points of an organ that limits are looked at."""


def case_of(
    names: Sequence[str],
    diameters_mm: Sequence[float],
    labels: hd.Volume,
    anatomy: Anatomy,
    tables: Tables,
    given: Given = NOTHING,
) -> Case:
    """What is to be planned. Label i + 1 is called names[i] and measures diameters_mm[i] where it is longest.

    given: what a hospital has sent takes the place of the kernel, the atlas and the outline; the case's remarks say so.
    """
    limits, rows, kernel = read_limits(tables.limits), read_prescriptions(tables.prescriptions), tables.kernel()
    boxes = ndimage.find_objects(np.asarray(labels.array))
    inside = [_points_of(labels, number, box) for number, box in enumerate(boxes, start=1)]
    brain, of_brain = brain_of(given.drawn, anatomy.brain, labels)
    organs, of_organs = organs_of(given.drawn, anatomy.organs_mm())
    ptvs, of_targets = targets_of(given.drawn, names, inside)
    grid = brain_grid(brain | (np.asarray(labels.array) > 0), np.asarray(labels.affine), GRID_MM)
    points, voxel_ml = grid.points_mm, grid.voxel_ml
    lesions = []
    for k, (name, diameter_mm) in enumerate(zip(names, diameters_mm, strict=True)):
        target = ptvs.get(k) or target_of(labels, k + 1, boxes[k])
        lesions.append(Lesion(name, target, prescribe(rows, diameter_mm), diameter_mm))
    thinned = {name: _thinned(there) for name, there in organs.items()}
    said = (*given.remarks, *of_brain, *of_organs, *of_targets)
    case = Case(tuple(lesions), points, voxel_ml, thinned, kernel, limits, grid=grid, remarks=said)
    return escalated(with_doses(case, inside, given.doses, given.plans), rows)


def plan_lesions(
    lesions: Sequence[Finding],
    labels: hd.Volume,
    anatomy: Anatomy,
    wishes: Wishes,
    tables: Tables,
    runtime: Runtime,
    given: Given = NOTHING,
) -> tuple[Planned | None, tuple[str, ...]]:
    """A plan for the lesions of a label volume, or None where none keeps the wishes; and what is to be said of that."""
    names = [lesion.short_label for lesion in lesions]
    case = case_of(names, [lesion.max_diameter_3d_mm for lesion in lesions], labels, anatomy, tables, given)
    try:
        made = plan(case, wishes, seed=runtime.seed)
    except ConfigInvalid as error:  # the contours are worth sending without a plan
        return None, (f"No treatment sessions are proposed: {error.message}.",)
    return Planned(made, case, _improbable(lesions, case, made, wishes, runtime)), ()


def _improbable(
    lesions: Sequence[Finding], case: Case, made: Plan, wishes: Wishes, runtime: Runtime
) -> tuple[str, ...]:
    """What rests on lesions that are more likely none."""
    doubtful = {n.short_label: n.probability for n in lesions if n.probability is not None and n.probability < LIKELY}
    if not doubtful:
        return ()
    named = ", ".join(f"{name} ({probability:.0%})" for name, probability in doubtful.items())
    without = ""
    if len(doubtful) < len(lesions) <= FEW and wishes.sessions is None:
        others = plan(case, replace(wishes, excluded=wishes.excluded | doubtful.keys()), seed=runtime.seed)
        fewer = others.chosen < made.chosen
        without = (
            f": without them {others.chosen} session(s) would do"
            if fewer
            else ": without them as many sessions are needed"
        )
    return (f"Planned like the others though more likely no lesions: {named}{without}.",)


def plan_contours(
    series: Series,
    rtstruct: Dataset,
    wishes: Wishes,
    tables: Tables,
    runtime: Runtime,
    sent: Mapping[str, Series] | None = None,
) -> Planned | Declined:
    """A plan for the tumours of a structure set or segmentation of any vendor, drawn on that series.

    sent: doses and structure sets, by role (see `given.read_given`); organs and PTVs of `rtstruct` count as well.
    This is for whoever sits before the machine: unlike elsewhere, reasons for declining have the names of ROIs.
    Declines contours on other images than MR, of another patient or frame of reference, off the slices, that cannot be
    read, without tumours, or on what is no head.
    Raises ConfigInvalid for wishes that cannot be met, and another Permanent for what was sent and cannot be used.
    """
    from pipeline.recipes.srs.examine import head_in  # noqa: PLC0415  (brings torch)

    if series.modality != "MR":
        return Declined(f"the contours lie on {series.modality} images: brain and organs are known on T1 MR alone")
    try:
        unsure = whose(rtstruct, series)
        t1c = read_volume(series)
        drawn = drawn_on(rtstruct, t1c.volume)
    except GeometryUnusable as error:
        return Declined(_with_names(str(error), rtstruct))
    except MALFORMED as error:
        return Declined(f"the contours cannot be read ({type(error).__name__}): export them again")
    meant(drawn.names, wishes)  # a typing error must not cost the minute that the head takes
    frame, of = t1c.volume.frame_of_reference_uid or "", patient_of(series.first)
    beside = rtstruct if rtstruct.get("SOPClassUID") == RTStructureSetStorage else None
    given = read_given(sent or {}, frame, of=of, beside=beside, strict=True)
    anatomy = head_in(t1c.volume, runtime)
    if isinstance(anatomy, Declined):
        return anatomy
    diameters_mm = [region.max_diameter_3d_mm for region in measure(drawn.labels)]
    case = case_of(drawn.names, diameters_mm, drawn.labels, anatomy, tables, given)
    return Planned(plan(case, wishes, seed=runtime.seed), case, (*t1c.remarks, *drawn.remarks, *unsure))


def _with_names(reason: str, contours: Dataset) -> str:
    """ "ROI 3" -> "ROI 3 (GTV left)"; segments likewise."""
    rois, segments = (contours.get(f"{of}Sequence") or () for of in ("StructureSetROI", "Segment"))
    names = {f"ROI {r.get('ROINumber')}": str(r.get("ROIName") or "") for r in rois}
    names |= {f"segment {s.get('SegmentNumber')}": str(s.get("SegmentLabel") or "") for s in segments}
    return re.sub(r"\b(ROI|segment) \d+", lambda m: f"{m[0]} ({names[m[0]]})" if names.get(m[0]) else m[0], reason)


def _points_of(labels: hd.Volume, number: int, box: tuple[slice, slice, slice]) -> np.ndarray:
    """(n, 3) LPS mm of the voxel centres of one label, found in `box`."""
    index = np.argwhere(labels.array[box] == number) + [s.start for s in box]
    affine = np.asarray(labels.affine)
    return np.asarray(index @ affine[:3, :3].T + affine[:3, 3])


def _thinned(points: np.ndarray) -> Points:
    """One point of each cube of ORGAN_STEP_MM, the outermost in any case to within that."""
    cells = np.floor(points / ORGAN_STEP_MM).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    return np.asarray(points[np.sort(first)], np.float32)
