"""Slabs of one head on two dates, really registered: what one date does not show, from files to report and page."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from matplotlib.figure import Figure
from pydicom import Dataset, dcmread

from node.cli.timeline import _row
from node.timeline import as_data, timelines
from pipeline.contract import Earlier, Inputs, Runtime
from pipeline.core.study import Study
from pipeline.core.uid import derive_uid
from pipeline.datasets.nifti import Acquisition, write_volume
from pipeline.encode import Part, Stamp, encode, to_bytes
from pipeline.encode.page.change import change_sheets
from pipeline.encode.page.model import Text
from pipeline.encode.timeline import draw_timeline
from pipeline.findings import Findings, Lesion
from pipeline.followup.change import Change, Response, Status
from pipeline.followup.timeline import visits_of
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.imaging.regions import measure
from pipeline.phantom import t1c_phantom
from pipeline.recipes.srs import PIPELINE
from pipeline.recipes.srs.followup import follow
from pipeline.recipes.srs.lesions import Described
from pipeline.recipes.srs.recipe import BRAIN_METASTASIS
from tests.support.findings import STAMP
from tests.support.heads import THICK
from tests.support.peers import run_tool

HEAD = t1c_phantom(5, lesions=0, **THICK).image
LOW, MIDDLE, HIGH = slice(5, 8), slice(11, 15), slice(19, 22)
OPTIONS = {"plan": False, "fill_missing_slices": 1}


def drawn(series: hd.Volume, first: int, *places: slice) -> hd.Volume:
    """Boxes of 20 mm on these slices of the head, as far as the series, which begins with slice `first`, shows them."""
    array = np.zeros(series.spatial_shape, np.uint16)
    for number, place in enumerate(places, start=1):
        array[max(0, place.start - first) : max(0, place.stop - first), 90:106, 60:76] = number
    return series.with_array(array)


def findings(study: Study, first: int, *places: slice) -> Findings:
    """As a person would have drawn them, on images of the study."""
    series = read_volume(study.series[0], fill_missing=1)
    labels = drawn(series.volume, first, *places)
    lesions = tuple(
        Lesion(
            number=m.number,
            label=f"BM{m.number:02d}",
            tracking_uid=derive_uid(study.study_instance_uid, str(m.number)),
            centroid_mm=m.centroid_mm,
            volume_mm3=m.volume_mm3,
            long_axis_mm=m.long_axis_mm,
            short_axis_mm=m.short_axis_mm,
            max_diameter_3d_mm=m.max_diameter_3d_mm,
            probability=1.0,
        )
        for m in measure(labels)
    )
    return Findings("t1c", PIPELINE.algorithm, BRAIN_METASTASIS, labels, series.frames, lesions)


def written(folder: Path, date: str, shown: slice, *places: slice, without: int | None = None) -> Study:
    """A study of some slices of the head, perhaps without one in their midst, and the segmentation on it."""
    write_volume(HEAD[shown], folder / "t1c", Acquisition(date=date, study=date, seed=date))
    if without is not None:
        paths = {round(float(dcmread(p).ImagePositionPatient[2]), 1): p for p in (folder / "t1c").iterdir()}
        paths[sorted(paths)[without - shown.start]].unlink()
    (images,) = scan(folder)
    for encoded in encode(findings(images, shown.start, *places), Stamp(f"seed {date}", STAMP.made_at, "0.1.0")):
        (folder / f"{encoded.name}.dcm").write_bytes(to_bytes(encoded.dataset))
    (study,) = scan(folder)
    return study


def followed(prior: Study, now: Study, first: int, *places: slice) -> Findings:
    inputs = PIPELINE.select(now, OPTIONS)
    assert isinstance(inputs, Inputs)
    inputs = PIPELINE.recall(inputs, Earlier(None, (prior,)))
    images = Study(now.study_instance_uid, tuple(s for s in now.series if s.modality == "MR"))
    alone, today = findings(images, first, *places), read_volume(images.series[0], fill_missing=1)
    found = Described(alone.labels, alone.lesions, None, (), ())
    brain = np.asarray(today.volume.array) > 50
    done = follow(inputs, today, found, brain, Runtime(), OPTIONS)
    assert done.follow_up is not None, done.remarks
    assert alone.labels is not None
    return Findings(
        "t1c", alone.algorithm, BRAIN_METASTASIS, alone.labels, alone.frames, done.lesions, done.remarks,
        follow_up=done.follow_up,
    )  # fmt: skip


def changes(of: Findings) -> tuple[Change, ...]:
    assert of.follow_up is not None
    return (*of.follow_up.changes, *of.follow_up.gone)


@pytest.fixture(scope="module")
def slab_after_head(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Lesions low and in the middle on both dates; one that lies above the slab of today, one half in it."""
    folder = tmp_path_factory.mktemp("after")
    prior = written(folder / "1", "20260101", slice(0, 26), LOW, MIDDLE, HIGH)
    now = written(folder / "2", "20260301", slice(0, 13), LOW, MIDDLE)
    return followed(prior, now, 0, LOW, MIDDLE)


@pytest.fixture(scope="module")
def head_after_slab(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    folder = tmp_path_factory.mktemp("before")
    prior = written(folder / "1", "20260101", slice(0, 13), LOW, MIDDLE)
    now = written(folder / "2", "20260301", slice(0, 26), LOW, MIDDLE, HIGH)
    return followed(prior, now, 0, LOW, MIDDLE, HIGH)


def test_above_the_slab_of_today_nothing_is_gone_and_half_in_it_nothing_shrank(slab_after_head: Findings) -> None:
    low, middle, high = changes(slab_after_head)
    assert [c.status for c in (low, middle, high)] == [Status.STABLE, Status.NOT_IMAGED, Status.NOT_IMAGED]
    assert [c.cut_now for c in (low, middle, high)] == [False, True, True]
    assert not any(c.cut_then for c in (low, middle, high))
    assert (middle.volume_percent, high.volume_percent) == (None, None)
    assert middle.tracking_uid == derive_uid(middle_study(slab_after_head), "2")
    assert slab_after_head.follow_up is not None
    assert slab_after_head.follow_up.response is Response.UNSAID
    assert any(r.startswith("Not compared: BM02") and "BM03" in r for r in slab_after_head.remarks)


def middle_study(of: Findings) -> str:
    assert of.follow_up is not None
    return of.follow_up.prior_study_instance_uid


def test_above_the_slab_of_the_earlier_date_nothing_is_new_and_half_in_it_nothing_grew(
    head_after_slab: Findings,
) -> None:
    low, middle, high = changes(head_after_slab)
    assert [c.status for c in (low, middle, high)] == [Status.STABLE, Status.NOT_IMAGED, Status.NOT_IMAGED]
    assert [c.cut_then for c in (low, middle, high)] == [False, True, True]
    assert middle.then is not None
    assert high.then is None
    assert head_after_slab.follow_up is not None
    assert head_after_slab.follow_up.response is Response.UNSAID


def test_a_slice_that_was_made_up_shows_nothing(tmp_path: Path) -> None:
    prior = written(tmp_path / "1", "20260101", slice(0, 26), LOW, MIDDLE)
    now = written(tmp_path / "2", "20260301", slice(0, 26), LOW, without=12)
    low, middle = changes(followed(prior, now, 0, LOW))
    assert (low.status, middle.status) == (Status.STABLE, Status.NOT_IMAGED)
    assert middle.cut_now


def walk(ds: Dataset) -> list[Dataset]:
    items = list(ds.get("ContentSequence") or ())
    return items + [below for item in items for below in walk(item)]


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize("which", ["slab_after_head", "head_after_slab"])
def test_all_objects_are_valid_and_none_says_gone_or_new(
    which: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    made: Findings = request.getfixturevalue(which)
    for encoded in encode(made, STAMP):
        path = tmp_path / f"{encoded.name}.dcm"
        path.write_bytes(to_bytes(encoded.dataset))
        done = run_tool("/usr/bin/dciodvfy", path)
        assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []
    report = {e.part: e.dataset for e in encode(made, STAMP)}[Part.SR]
    codes = [str(i.ConceptCodeSequence[0].CodeValue) for i in walk(report) if "ConceptCodeSequence" in i]
    names = [str(i.ConceptNameCodeSequence[0].CodeValue) for i in walk(report) if "ConceptNameCodeSequence" in i]
    assert not {"GONE_LESION", "NEW_LESION"} & {*codes, *names}
    assert "RANO_UNSAID" in codes
    # Of targets nothing is said where one of them is not imaged; what the first date shows in part is none.
    assert ("112044" in codes) == (which == "head_after_slab")
    assert ("112048" in names) == (which == "head_after_slab")
    assert codes.count("NOT_IMAGED") == (1 if which == "slab_after_head" else 2)
    assert names.count("NOT_IMAGED_ONE") == (1 if which == "slab_after_head" else 0)


@pytest.mark.parametrize("which", ["slab_after_head", "head_after_slab"])
def test_the_page_and_the_picture_of_volumes_show_it(which: str, request: pytest.FixtureRequest) -> None:
    made: Findings = request.getfixturevalue(which)
    assert made.follow_up is not None
    (sheet,) = change_sheets(made.follow_up, "1.2.3", "20260301")
    said = " ".join(shape.words for shape in sheet.blocks if isinstance(shape, Text))
    assert said.count("not imaged") >= 2
    visits = visits_of(made.follow_up, "1.2.3", "20260301")
    axis = Figure().subplots()
    draw_timeline(axis, visits)
    styles = [line.get_linestyle() for line in axis.get_lines() if len(line.get_xdata()) == 2]
    marks = [(line.get_marker(), line.get_fillstyle()) for line in axis.get_lines() if line.get_marker() != "None"]
    assert styles == ["-", ":"]  # and no line to a date that does not show the third
    assert set(marks) == {("o", "full")}


@pytest.mark.parametrize("which", ["slab_after_head", "head_after_slab"])
def test_the_timeline_reads_it_back_from_the_report(which: str, request: pytest.FixtureRequest) -> None:
    made: Findings = request.getfixturevalue(which)
    (told,) = timelines([{e.part: e.dataset for e in encode(made, STAMP)}[Part.SR]])
    _, only = told.dates  # the first has no report here, and is told of by this one
    _, middle, high = changes(made)
    if which == "slab_after_head":
        assert only.visit.cut == {middle.tracking_uid, high.tracking_uid}
        assert only.lost == {high.tracking_uid}
        row = next(x for x in as_data(told)["lesions"] if x["tracking_uid"] == middle.tracking_uid)
        assert "(not whole)" in _row(row, ["before", "today"])["today"]
    else:
        assert only.visit.cut == set()
        assert [uid for uid, seen in only.visit.lesions.items() if seen.hidden_before] == [high.tracking_uid]
