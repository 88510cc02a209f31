"""Every form that objects can be written in for a destination is read again where it was found."""

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from pipeline.core.forms import Coordinates, Form, Holes, Segments
from pipeline.core.result import Kind
from pipeline.encode import encode, to_bytes
from pipeline.findings import Findings
from pipeline.imaging.read import FrameRef
from pipeline.proof import agreements, prove
from tests.support import planted as p
from tests.support.findings import STAMP, Grid, findings_on, spheres, with_rejected, write_classic, write_enhanced

GRID = Grid((14, 41, 45), (3.0, 0.9, 0.7), "oblique")
"""Odd numbers of rows and columns: gdcm's RLE encoder would abort at them."""

SEG, RTSTRUCT = frozenset({Kind.SEG}), frozenset({Kind.RTSTRUCT})
FORMS = {
    "label map": Form(segments=Segments.LABELMAP),
    "all frames": Form(all_frames=True),
    "label map, all frames": Form(segments=Segments.LABELMAP, all_frames=True),
    "one object for each lesion": Form(per_lesion=True),
    "label maps for each lesion, all frames": Form(segments=Segments.LABELMAP, per_lesion=True, all_frames=True),
    "XOR": Form(holes=Holes.XOR),
    "outlines in pixels": Form(coordinates=Coordinates.IMAGE),
    "outlines in pixels, no SEG": Form(coordinates=Coordinates.IMAGE, left_out=SEG),
    "outlines in space": Form(left_out=SEG),
    "no RTSTRUCT": Form(left_out=RTSTRUCT),
    "report alone": Form(left_out=SEG | RTSTRUCT),
}

Writer = Callable[[Path, Grid], tuple[FrameRef, ...]]


def found(folder: Path, write: Writer = write_classic) -> Findings:
    labels = spheres(GRID, ((4, 14, 12), 12.0), ((9, 28, 30), 9.0), ((12, 8, 36), 3.0))
    labels[4, 13:16, 11:14] = 0
    findings = findings_on(write(folder, GRID), GRID, labels)
    return with_rejected(findings, GRID, spheres(GRID, ((11, 12, 20), 6.0)), drawn=True)


def written(findings: Findings, form: Form) -> dict[str, bytes]:
    return {e.name: to_bytes(e.dataset) for e in encode(findings, replace(STAMP, form=form))}


@pytest.mark.parametrize("write", [write_classic, write_enhanced], ids=["classic", "enhanced"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_form_is_read_again_where_it_was_found(tmp_path: Path, form: Form, write: Writer) -> None:
    findings = found(tmp_path, write)
    files = list(written(findings, form).values())
    assert prove(files, findings) == ()
    for agreement in agreements(files, findings):
        assert agreement.off_voxels < 1e-3
        assert agreement.volume_ratio == pytest.approx(1, abs=1e-4)


def test_outlines_of_slices_that_were_made_up_are_not_missed_in_pixels(tmp_path: Path) -> None:
    findings = found(tmp_path)
    frames = (*findings.frames[:4], findings.frames[3], *findings.frames[5:])
    findings = replace(findings, frames=frames)
    for form in (Form(), Form(coordinates=Coordinates.IMAGE), Form(left_out=SEG)):
        assert prove(list(written(findings, form).values()), findings) == ()


def _moved(value_type: str, axis: int, by: float) -> p.Spoil:
    def spoil(ds: p.Dataset) -> None:
        for item in (i for i in p.below(ds) if i.get("ValueType") == value_type):
            values = np.array(item.GraphicData, float).reshape(-1, 2 if value_type == "SCOORD" else 3)
            values[:, axis] += by
            item.GraphicData = values.ravel().tolist()

    return spoil


def _first_only(ds: p.Dataset) -> None:
    """Only the first outline of each lesion is left."""
    for group in p.named(ds, "125007"):
        outlines = [i for i in group.ContentSequence if i.get("ValueType") == "SCOORD"]
        group.ContentSequence = [i for i in group.ContentSequence if i not in outlines[2:]]


SPOILED = [
    ("outlines in pixels", "SR", _moved("SCOORD", 0, 0.8), "Lesion 1 is drawn 0.8 voxels from where it was found"),
    ("outlines in pixels", "SR", _first_only, "Lesion 1 is drawn with"),
    ("outlines in space", "SR", _moved("SCOORD3D", 0, 2.0), "from where it was found, 2.0 mm to the patient's left"),
    (
        "one object for each lesion",
        "SEG_1",
        p.each(lambda ds: ds.SegmentSequence, TrackingUID="1.2"),
        "no lesion of the",
    ),
    (
        "one object for each lesion",
        "RTSTRUCT_2",
        p.move_contours(lambda c: c + np.array((3, 0, 0))),
        "Lesion 2 is drawn",
    ),
    ("XOR", "RTSTRUCT", p.move_contours(lambda c: c + GRID.affine[:3, 2]), "Lesion 1 is drawn 1.0 voxels"),
    ("label map", "SEG", p.move_frames(lambda ds: p.axes(ds)[1]), "Lesion 1 is drawn 1.0 voxels"),
]


@pytest.mark.parametrize(("form", "name", "spoil", "words"), SPOILED, ids=[f"{f}: {n}" for f, n, *_ in SPOILED])
def test_a_fault_in_a_form_is_caught(tmp_path: Path, form: str, name: str, spoil: p.Spoil, words: str) -> None:
    findings = found(tmp_path)
    files = written(findings, FORMS[form])
    wrong = files | {name: p.spoiled(files[name], spoil)}
    uid = str(dcmread(BytesIO(files[name])).SOPInstanceUID)
    assert any(words in f.words for f in prove(list(wrong.values()), findings) if f.sop_instance_uid == uid)


def test_a_lesion_without_an_object_of_its_own_is_told(tmp_path: Path) -> None:
    findings = found(tmp_path)
    files = written(findings, Form(per_lesion=True, left_out=RTSTRUCT))
    del files["SEG_2"], files["SR"], files["KO"]
    assert {f.words for f in prove(list(files.values()), findings)} == {"Lesion 2 is drawn in no object of this kind."}
