"""What forms do to objects beyond what the integration tests read back: bounds, gaps, doses, mammograms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from pipeline.core.forms import DEFAULT_FORM, Coordinates, Form, Holes, Segments
from pipeline.core.result import Kind
from pipeline.core.uid import MOST_INSTANCES, is_ours
from pipeline.encode import Encoded, Part, encode, fitted, regions, to_bytes
from pipeline.findings import Extra, Findings
from pipeline.marks import MarkedStudy, Shown, View
from pipeline.sessions.case import Wishes
from tests.support.findings import STAMP, Grid, findings_on, planned, spheres, write_classic
from tests.support.forms import (
    GRID,
    items,
    labels_of_image_regions,
    labels_of_segmentations,
    read_back,
    referenced,
    small_findings,
    small_scene,
)
from tests.support.mammograms import marked, unmarked, write_study

FLAT = Form(coordinates=Coordinates.IMAGE)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return small_findings(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> tuple[View, ...]:
    return write_study(tmp_path_factory.mktemp("views"))


def made(of: Findings | MarkedStudy, form: Form) -> dict[str, Encoded]:
    return {e.name: e for e in encode(of, replace(STAMP, form=form))}


def uid(encoded: Encoded) -> str:
    return str(encoded.dataset.SOPInstanceUID)


def said(report: Dataset) -> str:
    return "\n".join(str(i.TextValue) for i in items(report) if i.get("ValueType") == "TEXT")


def left_out(*kinds: Kind, **more: object) -> Form:
    return replace(Form(left_out=frozenset(kinds)), **more)  # type: ignore[arg-type]


def with_gap(findings: Findings) -> Findings:
    """Slice 5 was interpolated: there is no such image."""
    frames = list(findings.frames)
    frames[5] = frames[4]
    return replace(findings, frames=tuple(frames))


def test_an_outline_on_an_interpolated_slice_names_no_image_and_the_report_says_so(found: Findings) -> None:
    report = made(with_gap(found), FLAT)["SR"].dataset
    assert "Slices that were interpolated are on no image, so outlines of BM01, BM02 are missing there" in said(report)
    expected = found.labels.array.copy()
    expected[5] = 0
    assert np.array_equal(labels_of_image_regions(read_back(to_bytes(report)), found), expected)
    assert "interpolated" not in said(made(found, FLAT)["SR"].dataset)
    assert "interpolated" not in said(made(with_gap(found), DEFAULT_FORM)["SR"].dataset)


def test_a_lesion_on_interpolated_slices_alone_has_a_group_without_a_place(tmp_path: Path) -> None:
    labels = np.zeros(GRID.shape, np.uint16)
    labels[5, 5:9, 5:9] = 1
    findings = with_gap(findings_on(write_classic(tmp_path, GRID), GRID, labels))
    report = read_back(to_bytes(made(findings, FLAT)["SR"].dataset))
    (group,) = [i for i in items(report) if i.ConceptNameCodeSequence[0].CodeMeaning == "Measurement Group"]
    assert "SCOORD" not in {i.ValueType for i in items(group)}
    assert "Volume" in {i.ConceptNameCodeSequence[0].CodeMeaning for i in items(group)}


def test_with_a_gap_every_form_of_segmentation_still_holds_the_mask(found: Findings) -> None:
    for form in (Form(all_frames=True), Form(segments=Segments.LABELMAP), Form(per_lesion=True, all_frames=True)):
        segs = [to_bytes(e.dataset) for e in made(with_gap(found), form).values() if e.part is Part.SEG]
        assert np.array_equal(labels_of_segmentations(segs, found), found.labels.array)
        images = found.frames[5].sop_instance_uid
        named = [referenced(g) for s in segs for g in read_back(s).PerFrameFunctionalGroupsSequence]
        assert not any(images in uids for uids in named)


def test_a_long_outline_is_cut_in_two_and_the_mask_stays_exact(
    found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = [i for i in items(made(found, FLAT)["SR"].dataset) if i.ValueType == "SCOORD"]
    monkeypatch.setattr(regions, "MOST_POINTS", 9)
    report = read_back(to_bytes(made(found, FLAT)["SR"].dataset))
    cut = [i for i in items(report) if i.ValueType == "SCOORD"]
    assert len(cut) > len(whole)
    assert max(len(i.GraphicData) for i in cut) <= 2 * 9
    assert np.array_equal(labels_of_image_regions(report, found), found.labels.array)


def test_graphic_data_of_any_report_fits_explicit_vr() -> None:
    assert (regions.MOST_POINTS + 1) * 3 * 4 <= 0xFFFE


def test_a_rejected_candidate_is_a_point_on_its_image(found: Findings) -> None:
    report = read_back(to_bytes(made(found, FLAT)["SR"].dataset))
    points = [i for i in items(report) if i.ValueType == "SCOORD" and i.GraphicType == "POINT"]
    assert len(points) == len(found.rejected) == 2
    for item, candidate in zip(points, found.rejected, strict=True):
        index = np.linalg.inv(np.asarray(found.labels.affine)) @ (*candidate.centroid_mm, 1)
        (image,) = item.ContentSequence
        plane = found.frames[round(index[0])].sop_instance_uid
        assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == plane
        assert np.allclose(item.GraphicData, (index[2] + 0.5, index[1] + 0.5), atol=1e-3)


def test_more_than_255_segments_are_a_label_map_of_16_bits(tmp_path: Path) -> None:
    grid = Grid((3, 60, 60))
    labels = np.zeros(grid.shape, np.uint16)
    labels[1, :39:3, ::3] = np.arange(1, 261).reshape(13, 20)
    findings = findings_on(write_classic(tmp_path, grid), grid, labels)
    (seg,) = made(findings, left_out(Kind.RTSTRUCT, Kind.KO, Kind.SR, segments=Segments.LABELMAP)).values()
    assert seg.dataset.BitsAllocated == 16
    assert np.array_equal(labels_of_segmentations([to_bytes(seg.dataset)], findings), labels)


def test_too_many_frames_become_those_with_a_lesion_and_the_report_says_so(
    found: Findings, monkeypatch: pytest.MonkeyPatch
) -> None:
    each, sparse = Form(per_lesion=True, all_frames=True), Form(per_lesion=True)
    full = made(found, each)
    frames = sum(e.dataset.NumberOfFrames for e in full.values() if e.kind is Kind.SEG)
    assert frames == 5 * len(found.frames)
    monkeypatch.setattr(fitted, "MOST_FRAMES", frames)
    assert {uid(e) for e in made(found, each).values()} == {uid(e) for e in full.values()}
    monkeypatch.setattr(fitted, "MOST_FRAMES", frames - 1)
    bounded, wanted = made(found, each), made(found, sparse)
    assert "frames only where a lesion is" in said(bounded["SR"].dataset)
    for name, encoded in bounded.items():
        assert (uid(encoded) == uid(wanted[name])) == (name not in ("KO", "SR"))
        assert (to_bytes(encoded.dataset) == to_bytes(wanted[name].dataset)) == (name not in ("KO", "SR"))
    assert len(found.frames) <= frames - 1  # a label map of all needs a frame a slice: it stays as it was asked for
    labelmap = made(found, Form(segments=Segments.LABELMAP, all_frames=True))["SEG"].dataset
    assert labelmap.NumberOfFrames == len(found.frames)


def test_too_many_pixels_are_too_many_frames(found: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitted, "MOST_FRAME_BYTES", 10)
    assert "frames only where a lesion is" in said(made(found, Form(all_frames=True))["SR"].dataset)


def test_objects_of_each_lesion_are_known_again_as_ours(found: Findings, monkeypatch: pytest.MonkeyPatch) -> None:
    for encoded in made(found, Form(per_lesion=True)).values():
        assert is_ours(uid(encoded), str(encoded.dataset.SeriesInstanceUID))
        assert encoded.dataset.InstanceNumber == (encoded.number or 1)
    assert is_ours(STAMP.instance(Part.SEG, MOST_INSTANCES - 1), STAMP.uid(Part.SEG, "series"))
    monkeypatch.setattr(fitted, "MOST_INSTANCES", 3)
    objects = made(found, Form(per_lesion=True))
    assert objects.keys() == {"SEG", "RTSTRUCT", "SEG_REJECTED", "KO", "SR"}
    assert "too many lesions for an object for each" in said(objects["SR"].dataset)


@pytest.fixture(scope="module")
def dosed(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    grid = Grid((12, 40, 36), (2.0, 1.0, 1.0))
    labels = spheres(grid, ((5, 12, 12), 9.0), ((8, 28, 24), 7.0))
    extras = {Extra.RT_DOSE, Extra.DOSE_MAP}
    findings = findings_on(write_classic(tmp_path_factory.mktemp("dosed"), grid), grid, labels)
    return planned(findings, Wishes(sessions=2), extras=extras)


def rois_of(doses: list[Dataset]) -> set[bool]:
    prescribed = [p for ds in doses for p in ds.PlanOverviewSequence[0].PrescriptionOverviewSequence]
    return {"ReferencedROINumber" in item for item in prescribed}


@pytest.mark.parametrize(
    "form", [DEFAULT_FORM, Form(holes=Holes.XOR), Form(per_lesion=True), left_out(Kind.RTSTRUCT), left_out(Kind.SEG)]
)
def test_a_dose_names_the_one_structure_set_that_there_is(dosed: Findings, form: Form) -> None:
    objects = made(dosed, form)
    doses = [e.dataset for e in objects.values() if e.part is Part.RT_DOSE]
    sets = [uid(e) for e in objects.values() if e.kind is Kind.RTSTRUCT]
    assert len(doses) == 2
    for dose in doses:
        assert referenced(dose) == (set(sets) if len(sets) == 1 else set())
    assert rois_of(doses) == {len(sets) == 1}
    maps = {uid(e) for e in objects.values() if e.part is Part.DOSE_MAP}
    assert maps == {uid(e) for e in made(dosed, DEFAULT_FORM).values() if e.part is Part.DOSE_MAP}


def test_doses_that_are_left_out_are_nowhere_in_the_report(dosed: Findings) -> None:
    both = frozenset({Kind.RTDOSE, Kind.PM})
    objects = made(dosed, Form(left_out=both))
    assert {e.kind for e in objects.values()} == {Kind.SEG, Kind.RTSTRUCT, Kind.KO, Kind.SR}
    report = objects["SR"].dataset
    assert "Dose Image" not in {i.ConceptNameCodeSequence[0].CodeMeaning for i in items(report)}
    assert "does not take it: Parametric Map, RT Dose." in said(report)
    assert uid(objects["SEG"]) == uid(made(dosed, DEFAULT_FORM)["SEG"])


def test_what_a_run_would_not_make_anyway_makes_no_other_objects(found: Findings) -> None:
    never = left_out(Kind.RTDOSE, Kind.CAD_SR, Kind.GSPS, Kind.SC, Kind.PM)
    assert {n: uid(e) for n, e in made(found, never).items()} == {n: uid(e) for n, e in made(found, Form()).items()}


def test_pages_are_made_where_a_form_has_them_and_are_those_that_are_made_when_asked_for(found: Findings) -> None:
    asked = replace(found, extras=frozenset({Extra.PAGE}))
    forms = made(found, Form(page=True))
    assert {n for n in forms if n.startswith("SC")} >= {"SC_1"}
    for name, encoded in made(asked, DEFAULT_FORM).items():
        if encoded.kind not in (Kind.SR, Kind.KO):
            assert to_bytes(encoded.dataset) == to_bytes(forms[name].dataset)
    assert {e.kind for e in made(asked, left_out(Kind.SC, page=True)).values()} == {
        Kind.SEG,
        Kind.RTSTRUCT,
        Kind.KO,
        Kind.SR,
    }
    assert uid(made(asked, Form(page=True))["SR"]) == uid(made(asked, DEFAULT_FORM)["SR"])


def test_without_lesions_only_coordinates_tell_forms_apart(tmp_path: Path) -> None:
    refs = write_classic(tmp_path, GRID)
    none = findings_on(refs, GRID, np.zeros(GRID.shape, np.uint16))
    forms = (Form(), Form(Segments.LABELMAP, True, True, Holes.XOR), left_out(Kind.SEG, Kind.RTSTRUCT))
    reports = [made(none, form)["SR"] for form in forms]
    assert len({uid(e) for e in reports}) == 1
    assert len({to_bytes(e.dataset) for e in reports}) == 1
    flat = made(none, FLAT)["SR"].dataset
    tracked = {str(i.UID) for ds in (flat, reports[0].dataset) for i in items(ds)
               if i.ConceptNameCodeSequence[0].CodeValue == "112040"}  # fmt: skip
    assert len(tracked) == 1


NO_PAGE = frozenset({Shown.CAD_SR, Shown.GSPS})
"""Pages take seconds to draw."""


def test_of_mammograms_what_is_left_out_is_not_made_not_referred_to_and_said(views: tuple[View, ...]) -> None:
    study = replace(marked(views), wanted=NO_PAGE)
    default = made(study, DEFAULT_FORM)
    images = {v.sop_instance_uid for v in study.views}
    by_uid = {uid(e): to_bytes(e.dataset) for e in default.values()}
    for kind in (Kind.CAD_SR, Kind.GSPS, Kind.SR):
        objects = made(study, left_out(kind))
        assert {e.kind for e in objects.values()} == {e.kind for e in default.values()} - {kind}
        uids = {uid(e) for e in objects.values()}
        for encoded in objects.values():
            data = to_bytes(encoded.dataset)
            assert referenced(read_back(data)) <= uids | images
            is_report = encoded.kind in (Kind.SR, Kind.CAD_SR)
            assert ("Not made for this destination" in said(encoded.dataset)) == is_report
            changed = is_report or encoded.kind is Kind.KO
            assert (uid(encoded) == uid(default[encoded.name])) == (not changed)
            assert by_uid.setdefault(uid(encoded), data) == data


def test_of_mammograms_pages_follow_the_form(views: tuple[View, ...]) -> None:
    study = replace(marked(views), wanted=frozenset({Shown.CAD_SR}))
    with_page = made(study, Form(page=True))
    assert {e.kind for e in with_page.values()} == {Kind.CAD_SR, Kind.SC, Kind.KO, Kind.SR}
    assert uid(with_page["SC_1"]) in referenced(with_page["SR"].dataset)
    assert uid(with_page["SR"]) != uid(made(study, DEFAULT_FORM)["SR"])
    without = made(replace(study, wanted=frozenset(Shown)), left_out(Kind.SC, page=True))
    assert {e.kind for e in without.values()} == {Kind.CAD_SR, Kind.GSPS, Kind.KO, Kind.SR}


def test_what_concerns_no_mammogram_makes_no_other_report(views: tuple[View, ...]) -> None:
    study = replace(unmarked(views), wanted=NO_PAGE)
    forms = (DEFAULT_FORM, left_out(Kind.GSPS, Kind.RTSTRUCT, Kind.SC, Kind.KO, coordinates=Coordinates.IMAGE))
    reports = [made(study, form)["SR"] for form in forms]
    assert len({uid(e) for e in reports}) == len({to_bytes(e.dataset) for e in reports}) == 1


def test_the_small_scene_has_a_hole_an_island_and_a_single_voxel() -> None:
    labels = small_scene()
    assert (labels == 3).sum() == 1
    assert labels[5, 15, 13] == 0
    assert labels[5, 16, 14] == 2
