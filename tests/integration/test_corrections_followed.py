"""Contours that came back, on a patient with an earlier study: one lesion has one tracking UID in everything told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.contract import Earlier, Inputs, Runtime
from pipeline.core.study import Study
from pipeline.core.uid import derive_uid
from pipeline.datasets.mr_parts import Acquisition
from pipeline.datasets.mr_writer import write_volume
from pipeline.encode import Part, Stamp, encode, to_bytes
from pipeline.findings import Findings
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.phantom import Phantom, t1c_phantom
from pipeline.recipes.srs import PIPELINE
from tests.support.edited import add_square, edited
from tests.support.findings import STAMP, findings_on


def drawn(made: Phantom, folder: Path, date: str) -> tuple[Study, Findings]:
    """The head on a date, and its lesions as results of that date; tracking UIDs are that date's own."""
    write_volume(made.image, folder / "series", Acquisition(date=date, study=date))
    (study,) = scan(folder)
    read = read_volume(study.series[0])
    found = findings_on(read.frames, read.volume, np.asarray(made.truth.match_geometry(read.volume).array, np.uint16))  # type: ignore[arg-type]
    lesions = tuple(replace(n, tracking_uid=derive_uid(date, str(n.number))) for n in found.lesions)
    assert found.labels is not None
    frame = str(read.volume.frame_of_reference_uid)
    labels = read.volume.with_array(found.labels.array)
    assert labels.frame_of_reference_uid == frame
    return study, replace(found, labels=labels, lesions=lesions)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_corrections_tell_the_tracking_uids_that_the_earlier_study_gave_the_lesions(tmp_path: Path) -> None:
    made = t1c_phantom(11, lesions=2, diameters_mm=(12.0, 20.0), shape=(60, 112, 112), spacing_mm=(3.0, 2.0, 2.0))
    _, before = drawn(made, tmp_path / "before", "20260101")
    for e in encode(before, Stamp("before", STAMP.made_at, "0.1.0")):
        if e.part is Part.SEG:
            (tmp_path / "before" / "SEG.dcm").write_bytes(to_bytes(e.dataset))
    _, today = drawn(made, tmp_path / "now", "20260301")
    ours = {e.part: e.dataset for e in encode(today, STAMP)}[Part.RTSTRUCT]
    (tmp_path / "now" / "edited.dcm").write_bytes(to_bytes(edited(ours)))
    inputs = PIPELINE.select(scan(tmp_path / "now")[0], {"plan": False})
    assert isinstance(inputs, Inputs)
    assert inputs.corrects
    found = PIPELINE.run(PIPELINE.recall(inputs, Earlier(None, scan(tmp_path / "before"))), Runtime())
    assert isinstance(found, Findings), found
    assert found.corrections is not None
    assert found.unseen == ()
    uids = [n.tracking_uid for n in found.lesions]
    assert sorted(uids) == sorted(n.tracking_uid for n in before.lesions)
    assert [c.tracking_uid for c in found.corrections.changes] == uids


def beside(found: Findings) -> tuple[np.ndarray, np.ndarray]:
    """On a slice of a lesion a point of the brain far from all lesions, and one in the air, LPS mm."""
    assert found.labels is not None
    affine, shape = np.asarray(found.labels.affine), np.array(found.labels.spatial_shape)
    middle = (affine @ (*((shape - 1) / 2), 1))[:3]
    centres = np.array([n.centroid_mm for n in found.lesions])
    z = centres[np.abs(centres[:, 2] - middle[2]).argmin(), 2]
    around = [np.array([middle[0] + x, middle[1] + y, z]) for x, y in ((30, 0), (-30, 0), (0, 30), (0, -30))]
    inside = max(around, key=lambda p: float(np.linalg.norm(centres - p, axis=1).min()))
    air = (affine @ (0, 6, 6, 1))[:3]
    return inside, np.array([air[0], air[1], z])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_outline_without_a_type_that_was_added_in_the_head_is_planned_and_one_outside_is_said(
    tmp_path: Path,
) -> None:
    made = t1c_phantom(11, lesions=2, diameters_mm=(12.0, 20.0), shape=(28, 112, 112), spacing_mm=(3.0, 2.0, 2.0))
    _, found = drawn(made, tmp_path / "now", "20260301")
    (tmp_path / "own").mkdir()
    for e in encode(found, STAMP):
        (tmp_path / "own" / f"{e.name}.dcm").write_bytes(to_bytes(e.dataset))
    ours = next(e.dataset for e in encode(found, STAMP) if e.part is Part.RTSTRUCT)
    back = edited(ours)
    for name, at in zip(("neu links", "daneben"), beside(found), strict=True):
        add_square(back, name, at.tolist())
        back.RTROIObservationsSequence[-1].RTROIInterpretedType = ""
    (tmp_path / "now" / "edited.dcm").write_bytes(to_bytes(back))
    inputs = PIPELINE.select(scan(tmp_path / "now")[0], {})
    assert isinstance(inputs, Inputs)
    again = PIPELINE.run(PIPELINE.recall(inputs, Earlier(scan(tmp_path / "own")[0], ())), Runtime())
    assert isinstance(again, Findings), again
    assert again.unseen == ("The series covers only a part of the head; nothing is said about the rest.",)
    assert again.planned is not None
    assert again.planned.session_of("neu links")
    assert not again.planned.session_of("daneben")
    assert any(r.startswith("NOT PLANNED") and "daneben" in r for r in again.remarks)
