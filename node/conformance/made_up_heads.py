"""Made-up findings in space, on made-up MR images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.sr.coding import Code

from node.conformance.headers import empty, fill
from pipeline.core.uid import derive_uid
from pipeline.datasets.mr_writer import Acquisition, Habit, write_volume
from pipeline.findings import (
    Algorithm,
    Correction,
    Corrections,
    Edit,
    Extra,
    Findings,
    Lesion,
    Origin,
    Reason,
    Site,
    Sought,
    Verdict,
)
from pipeline.followup.change import Before, FollowUp, Size
from pipeline.followup.compare import Now, compare
from pipeline.followup.match import Matched
from pipeline.imaging.read import FrameRef
from pipeline.imaging.regions import measure
from pipeline.sessions.case import Case, Wishes
from pipeline.sessions.case import Lesion as Target
from pipeline.sessions.choose import plan
from pipeline.sessions.dosemap import brain_grid, target_of
from pipeline.sessions.planned import Planned
from pipeline.sessions.tables import Prescription

SOUGHT = Sought(Code("14799000", "SCT", "Neoplasm, Secondary"), Code("12738006", "SCT", "Brain"), "GTV")
SIDES = (Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right"))
DISTANCES_MM = {"brainstem": 12.3, "optic pathway": 31.0, "left cochlea": 8.2, "made-up organ": 5.0}
EDITED = "1.2.840.10008.5.1.4.1.1.481.3"
LEAST, UNPLANNED, NOTHING = 3, 4, 5
"""From these numbers on cases say as little as they may, have no plan, and no lesion."""


def lesions(
    folder: Path, number: int, algorithm: Algorithm, *, plain: bool = False
) -> tuple[Findings, tuple[Path, ...]]:
    """Case `number`: 1 on MR images and 2 on Enhanced MR, with all there is to say; the others with ever less.

    plain: without a plan and pages.
    """
    grid = _grid(number)
    frames = _images(folder, grid, number)
    labels = grid.with_array(_boxes(grid.spatial_shape, number)) if number < NOTHING else None
    found = Findings("t1c", algorithm, SOUGHT, labels, frames, _lesions(labels) if labels is not None else ())
    if number < LEAST:
        found = _all_said(found, number)
    if number < UNPLANNED and not plain:
        found = replace(found, planned=_planned(found), extras=frozenset(Extra) - {Extra.PAGE})
    if number == UNPLANNED:  # pages take long to draw, and those without a plan are few
        found = replace(found, extras=frozenset({Extra.PAGE}))
    return found, tuple(dict.fromkeys(f.path for f in frames))


def _grid(number: int) -> hd.Volume:
    """An empty volume; each number has another shape, spacing and place."""
    shape = (6, 24 + 2 * number, 20 + 2 * number)
    spacing_mm = (2.0 + 0.1 * number, 1.0 + 0.1 * number, 1.0 + 0.1 * number, 1.0)
    # Axial, and coronal for even numbers.
    affine = np.diag(spacing_mm)[[2, 1, 0, 3] if number % 2 else [2, 0, 1, 3]] * (1, -1 if number % 2 == 0 else 1, 1, 1)
    affine[:3, 3] = (-10.5 * number, 20.25, 5.0 - number)
    values = np.zeros(shape, np.uint16)
    return hd.Volume(values, affine, "PATIENT", frame_of_reference_uid=derive_uid("made up frame", str(number)))


def _images(folder: Path, grid: hd.Volume, number: int) -> tuple[FrameRef, ...]:
    z, y, x = np.indices(grid.spatial_shape)
    shown = grid.with_array(((z + y + x) * 20).astype(np.uint16))
    habit = Habit.ENHANCED if number == 2 else Habit.SIEMENS
    more = {"FrameOfReferenceUID": grid.frame_of_reference_uid}
    files = write_volume(shown, folder, Acquisition(habit, study=f"made up {number}", series_number=number, more=more))
    frames = [_named(file, number) for file in files]
    if habit is Habit.ENHANCED:
        return tuple(replace(frames[0], frame_number=k + 1) for k in range(grid.spatial_shape[0]))
    return tuple(frames)


def _named(file: Path, number: int) -> FrameRef:
    image = dcmread(file)
    (fill if number < LEAST else empty)(image, number)
    image.save_as(file, enforce_file_format=True)
    return FrameRef(str(image.SOPInstanceUID), None, file)


def _boxes(shape: tuple[int, ...], number: int) -> NDArray[np.uint16]:
    """Two boxes, one with a hole; in the case with little to say one."""
    labels = np.zeros(shape, np.uint16)
    labels[1:4, 3:9, 3:9] = 1
    labels[2, 5:7, 5:7] = 0
    if number < LEAST:
        labels[3:5, 14:18, 12 : 14 + number] = 2
    return labels


def _lesions(labels: hd.Volume) -> tuple[Lesion, ...]:
    return tuple(
        Lesion(
            number=m.number,
            label=f"BM{m.number:02d}",
            tracking_uid=derive_uid("made up lesion", str(m.number), str(m.volume_mm3)),
            centroid_mm=m.centroid_mm,
            volume_mm3=m.volume_mm3,
            long_axis_mm=m.long_axis_mm,
            short_axis_mm=m.short_axis_mm,
            max_diameter_3d_mm=m.max_diameter_3d_mm,
            probability=0.5 + 0.1 * m.number,
        )
        for m in measure(labels)
    )


def _all_said(found: Findings, number: int) -> Findings:
    """With all that atlas, repeated readings, false-positive step, people and an earlier study add."""
    first, second = (_told(n, number) for n in found.lesions)
    second = replace(second, origin=Origin.MANUAL if number == 1 else Origin.SEMIAUTOMATIC, verdict=None)
    second = replace(second, probability=None if number == 1 else 0.5, drawn_with="" if number == 1 else "Planner 1")
    assert found.labels is not None
    turned_down = found.labels.with_array((found.labels.array == 2).astype(np.uint16))
    rejected = tuple(replace(_told(n, number), label="FP01", verdict=_verdict(0.1)) for n in _lesions(turned_down))
    found = replace(
        found,
        lesions=(first, second),
        rejected=rejected,
        rejected_labels=turned_down,
        remarks=(f"Made up, {number}.",),
        timings_s={"made up": 1.0 * number},
    )
    return _followed(replace(found, corrections=_corrections(found, number)), number)


def _told(lesion: Lesion, number: int) -> Lesion:
    side = SIDES[(lesion.number + number) % 2]
    site = Site(Code("113305005", "SCT", "Cerebellum"), side, f"{side.meaning.lower()} cerebellum", "CEREB", "CEREB")
    return replace(
        lesion,
        label=f"BM{lesion.number:02d}_CEREB",
        site=site,
        distances_mm=DISTANCES_MM,
        agreement=0.6 + 0.2 * lesion.number,
        enhancing_volume_mm3=0.5 * lesion.volume_mm3,
        verdict=_verdict(0.6),
    )


def _verdict(score: float) -> Verdict:
    against = (Reason("shape_Elongation", score, "drawn out like a vessel", 1.9),)
    return Verdict(score, 0.35, against if score < 0.35 else ())


def _corrections(found: Findings, number: int) -> Corrections:
    edits = (Edit.CHANGED, Edit.ADDED) if number == 1 else (Edit.RENAMED, Edit.UNCHANGED)
    changes = tuple(
        Correction(edit, n.label, n.tracking_uid, n.origin, f"made up, {number}")
        for edit, n in zip(edits, found.lesions, strict=True)
    )
    gone = Correction(Edit.DELETED, "BM09", derive_uid("made up", "gone"), Origin.AUTOMATIC, "deleted")
    instance, series = (derive_uid("made up edited", what, str(number)) for what in ("instance", "series"))
    return Corrections(f"Editor {number}", EDITED, instance, series, (*changes, gone), compared=number == 1)


def _followed(found: Findings, number: int) -> Findings:
    """Lesion 1 took in another; lesion 2 fell off it in case 1, and is new and doubtful in case 2; one is gone."""
    then = {k: Before(derive_uid("made up before", str(k)), f"BM{k:02d}", _size(400 / k, 14 - k)) for k in (1, 2, 3)}
    now = {
        n.number: Now(n.tracking_uid, n.label, _size(n.volume_mm3, n.long_axis_mm), number == 2 and n.number == 2)
        for n in found.lesions
    }
    split, new = ({2: 1}, ()) if number == 1 else ({}, (2,))
    c = compare(Matched({1: 1}, {2: 1}, split, (3,), new), then, now)
    study, series = (derive_uid("made up prior", what, str(number)) for what in ("study", "series"))
    told = FollowUp(study, series, f"2025120{number}", 30 + number, c.changes, c.gone, 0.8 + 0.01 * number,
                    "as made up", c.sum_then_mm, c.sum_now_mm, c.response, c.of_targets)  # fmt: skip
    return replace(found, follow_up=told)


def _size(mm3: float, long_mm: float) -> Size:
    return Size(mm3, long_mm, 0.8 * long_mm, 4, (2.0, 1.0, 1.0), 0.8 * mm3)


def _planned(found: Findings) -> Planned:
    """Two sessions for two lesions, in a brain that fills the images but for their rim."""
    labels = found.labels
    assert labels is not None
    brain = np.zeros(labels.spatial_shape, bool)
    brain[1:-1, 2:-2, 2:-2] = True
    grid = brain_grid(brain | (labels.array > 0), labels.affine, 3.0)
    boxes = ((slice(1, 4), slice(3, 9), slice(3, 9)), (slice(3, 5), slice(14, 18), slice(12, 18)))
    targets = tuple(
        Target(n.short_label, target_of(labels, n.number, box), Prescription(99, 20.0 + n.number, 1, "made up"))
        for n, box in zip(found.lesions, boxes, strict=False)
    )
    organs = {"brainstem": grid.points_mm[:10], "left cochlea": grid.points_mm[-3:]}
    case = Case(targets, grid.points_mm, grid.voxel_ml, organs, grid=grid)
    return Planned(plan(case, Wishes(sessions=len(targets))), case)
