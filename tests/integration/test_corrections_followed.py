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
from tests.support.edited import edited
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
    uids = [n.tracking_uid for n in found.lesions]
    assert sorted(uids) == sorted(n.tracking_uid for n in before.lesions)
    assert [c.tracking_uid for c in found.corrections.changes] == uids
