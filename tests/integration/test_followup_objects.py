"""The comparison with an earlier study in the report: read back from the file, and by the validators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from node.timeline import timelines
from pipeline.encode import Part, encode, to_bytes
from pipeline.findings import Findings
from pipeline.followup.change import Response
from tests.support.findings import STAMP, Grid, findings_on, sited, spheres, write_classic
from tests.support.followed import PRIOR, with_follow_up
from tests.support.peers import run_tool

GRID = Grid((24, 100, 100), (1.5, 0.9, 0.7), "oblique")
PLACES = ((6, 20, 20), (12, 50, 50), (18, 80, 80))


def findings(folder: Path, lesions: int) -> Findings:
    drawn = spheres(GRID, *((place, 6.0 + 2 * k) for k, place in enumerate(PLACES[:lesions])))
    if not lesions:
        drawn = np.zeros(GRID.shape, np.uint16)
    return with_follow_up(sited(findings_on(write_classic(folder, GRID), GRID, drawn)))


def report(of: Findings) -> Dataset:
    return {e.part: e.dataset for e in encode(of, STAMP)}[Part.SR]


def walk(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence") or ():
        yield item
        yield from walk(item)


def name(item: Dataset) -> str:
    return str(item.ConceptNameCodeSequence[0].CodeValue)


@pytest.mark.real("dicom3tools")
@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("lesions", [0, 1, 3])
def test_dciodvfy_finds_no_error_in_a_report_with_a_comparison_and_dsrdump_reads_it(
    tmp_path: Path, lesions: int
) -> None:
    made = findings(tmp_path / "images", lesions)
    for encoded in encode(made, STAMP):
        path = tmp_path / f"{encoded.name}.dcm"
        path.write_bytes(to_bytes(encoded.dataset))
        done = run_tool("/usr/bin/dciodvfy", path)
        assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []
    dumped = run_tool("/usr/bin/dsrdump", "+Pl", tmp_path / "SR.dcm")
    assert dumped.returncode == 0, dumped.stderr
    assert dumped.stdout.count("Comparison with one earlier study") == 1


def test_the_report_names_the_study_what_became_of_each_and_what_is_gone(tmp_path: Path) -> None:
    made = findings(tmp_path, 3)
    items = list(walk(report(made)))
    (box,) = [i for i in items if name(i) == "FOLLOW_UP"]
    inside = list(walk(box))
    assert [i.UID for i in inside if name(i) == "110180"] == [PRIOR]
    assert [str(i.Date) for i in inside if name(i) == "111060"] == ["20260801"]
    kinds = [name(i) for i in inside]
    assert (kinds.count("GONE_LESION"), kinds.count("MERGED_LESION"), kinds.count("SPLIT_LESION")) == (1, 1, 1)
    assert "99LANTERN" not in {i.ConceptCodeSequence[0].CodingSchemeDesignator for i in inside if name(i) == "112048"}
    groups = [i for i in items if name(i) == "125007"]
    said = [
        next(c.ConceptCodeSequence[0].CodeMeaning for c in g.ContentSequence if name(c) == "442714003") for g in groups
    ]
    assert made.follow_up is not None
    assert len(said) == len(made.follow_up.changes) == 3
    assert said[2] == "New since the earlier study"
    before = [float(c.MeasuredValueSequence[0].NumericValue) for g in groups for c in g.ContentSequence
              if name(c) == "PRIOR_VOLUME"]  # fmt: skip
    assert before == [400.0]


def test_targets_that_shrink_are_not_coded_as_progressive_for_the_sake_of_a_new_lesion(tmp_path: Path) -> None:
    made = findings(tmp_path, 1)
    assert made.follow_up is not None
    told = replace(made.follow_up, response=Response.PD, of_targets=Response.PR)
    items = list(walk(report(replace(made, follow_up=told))))
    said = {name(i): i.ConceptCodeSequence[0] for i in items if name(i) in ("112048", "RESPONSE_ALL")}
    assert said["112048"].CodeMeaning == "Target Lesion Partial Response"
    assert (said["RESPONSE_ALL"].CodeValue, said["RESPONSE_ALL"].CodingSchemeDesignator) == ("RANO_PD", "99LANTERN")


def test_without_targets_nothing_is_coded_of_targets(tmp_path: Path) -> None:
    made = findings(tmp_path, 1)
    assert made.follow_up is not None
    for response in Response:
        told = replace(made.follow_up, response=response, of_targets=None)
        items = list(walk(report(replace(made, follow_up=told))))
        assert "112048" not in {name(i) for i in items}
        assert [i.ConceptCodeSequence[0].CodeMeaning for i in items if name(i) == "RESPONSE_ALL"]


def test_no_uid_stands_for_two_things_in_one_report(tmp_path: Path) -> None:
    tracked = [str(i.UID) for i in walk(report(findings(tmp_path, 3))) if name(i) == "112040"]
    split_too = 1  # named in its group, and where it is said what it split from
    assert len(set(tracked)) == len(tracked) - split_too


def test_timelines_read_links_and_doubts_back_from_the_report(tmp_path: Path) -> None:
    made = findings(tmp_path, 3)
    (found,) = timelines([report(made)])
    before, only = found.dates
    assert before.visit.study_instance_uid in found.unreported
    assert made.follow_up is not None
    assert set(only.visit.lesions) == {x.tracking_uid for x in made.lesions}
    (merged,) = made.follow_up.changes[0].merged_from
    split = made.follow_up.changes[1]
    assert only.visit.links == {
        merged.tracking_uid: made.lesions[0].tracking_uid, split.tracking_uid: made.lesions[0].tracking_uid
    }  # fmt: skip
    assert [s.doubtful for s in only.visit.lesions.values()] == [False, False, True]


def test_the_report_says_how_far_apart_the_slices_are_for_what_is_measurable_depends_on_it(tmp_path: Path) -> None:
    made = findings(tmp_path, 1)
    (apart,) = [i for i in walk(report(made)) if name(i) == "112226"]
    assert float(apart.MeasuredValueSequence[0].NumericValue) == pytest.approx(1.5, abs=1e-3)
    (found,) = timelines([report(made)])
    (seen,) = found.dates[-1].visit.lesions.values()
    assert seen.size.voxel_mm[0] == pytest.approx(1.5, abs=1e-3)


def test_a_report_without_an_earlier_study_says_nothing_of_one(tmp_path: Path) -> None:
    plain = findings_on(write_classic(tmp_path, GRID), GRID, spheres(GRID, ((12, 50, 50), 8.0)))
    assert not {"FOLLOW_UP", "PRIOR_VOLUME", "442714003"} & {name(i) for i in walk(report(plain))}


def test_equal_findings_make_equal_reports(tmp_path: Path) -> None:
    made = findings(tmp_path, 2)
    first, second = (to_bytes(report(made)) for _ in range(2))
    assert first == second
    (tmp_path / "sr.dcm").write_bytes(first)
    assert dcmread(tmp_path / "sr.dcm").SOPInstanceUID == report(made).SOPInstanceUID
