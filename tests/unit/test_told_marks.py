"""What is read back from the content tree of a Mammography CAD SR."""

from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from node.told_marks import marks_told
from pipeline.encode import Part, encode, to_bytes
from pipeline.marks import MarkedStudy
from tests.support.findings import STAMP
from tests.support.mammograms import marked, unmarked, write_study


def _told(study: MarkedStudy):
    report = next(e.dataset for e in encode(study, STAMP) if e.part is Part.CAD_SR)
    return marks_told(dcmread(BytesIO(to_bytes(report))))


def test_marks_and_rejected_marks_come_back_with_image_place_and_certainty(tmp_path: Path) -> None:
    study = marked(write_study(tmp_path))
    images = {view.role: view.sop_instance_uid for view in study.views}
    found = {(t.sop_instance_uid, t.center_px): t for t in _told(study)}
    for mark, presented in (*((m, True) for m in study.marks), *((m, False) for m in study.rejected)):
        told = found.pop((images[mark.role], mark.center_px))
        assert told.presented is presented
        assert told.certainty == pytest.approx(100 * mark.score, abs=0.06)
    assert not found
    assert study.marks


def test_the_kind_is_said_in_the_words_of_the_page_not_in_those_of_the_code(tmp_path: Path) -> None:
    """On one image the code of a mass is that of a density (CID 6014), which reads like the density of the breast."""
    kinds = [t.kind for t in _told(marked(write_study(tmp_path)))]
    assert sorted(kinds) == ["architectural distortion", "cluster of calcifications", "mass", "mass"]


def test_a_report_that_names_no_kind_is_told_by_its_codes(tmp_path: Path) -> None:
    report = next(e.dataset for e in encode(marked(write_study(tmp_path)), STAMP) if e.part is Part.CAD_SR)
    for item in report.iterall():
        if item.keyword == "TextValue" and str(item.value).startswith("kind="):
            item.value = "other=1"
    assert {t.kind for t in marks_told(report)} >= {"Mammography breast density", "Calcification Cluster"}


def test_a_report_without_marks_tells_of_none(tmp_path: Path) -> None:
    assert [t for t in _told(unmarked(write_study(tmp_path))) if t.presented] == []
