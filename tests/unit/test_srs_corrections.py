"""Contours that come back: which are read, what of ours they were, and what a person changed."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import generate_uid

from node.receive.edited import give_own_uid
from pipeline.contract import Declined, Earlier, Inputs, Runtime
from pipeline.core.forms import Form
from pipeline.core.study import Study, group
from pipeline.encode import Part, encode
from pipeline.encode.corrections import said_of_corrections
from pipeline.findings import NOT_PLANNED, Edit, Origin
from pipeline.imaging.header import read_header, scan
from pipeline.imaging.structures import is_tumour_named
from pipeline.recipes.srs.contours import drawn_on, unique
from pipeline.recipes.srs.corrections import CONTOURS, KEPT_UID, OWN, corrected, edited_in, recall_own
from pipeline.recipes.srs.given import together
from pipeline.recipes.srs.lesions import Beside, see
from pipeline.recipes.srs.planning import _with_names
from pipeline.recipes.srs.recipe import PIPELINE
from tests.support.edited import add_square, edited
from tests.support.edited_room import Room, edits, made
from tests.support.findings import STAMP, Grid

MORNING = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Room:
    return Room(tmp_path_factory.mktemp("room"))


def test_contours_that_come_back_unchanged_are_unchanged_and_keep_their_tracking_uids(room: Room) -> None:
    answer = made(room.corrected(edited(room.ours())))
    assert set(edits(answer).values()) == {Edit.UNCHANGED}
    assert [n.tracking_uid for n in answer.lesions] == [n.tracking_uid for n in room.found.lesions]
    assert {n.origin for n in answer.lesions} == {Origin.AUTOMATIC}
    assert np.array_equal(answer.labels.array, room.found.labels.array)  # type: ignore[union-attr]


def test_moved_deleted_added_and_renamed_are_told_apart(room: Room) -> None:
    ds = edited(room.ours(), move=("BM01", (3.0, 0.0, 0.0)), delete="BM02", rename=("BM03", "GTV left"))
    centre = np.asarray(room.image.affine) @ (12, 45, 40, 1)
    add_square(ds, "GTV_new", centre[:3].tolist())
    answer = made(room.corrected(ds))
    assert edits(answer) == {
        "BM01": Edit.CHANGED, "GTV left": Edit.RENAMED, "GTV_new": Edit.ADDED, "BM02": Edit.DELETED,
    }  # fmt: skip
    before = {n.label: n.tracking_uid for n in room.found.lesions}
    assert [n.tracking_uid for n in answer.lesions[:2]] == [before["BM01"], before["BM03"]]
    assert answer.lesions[2].tracking_uid not in before.values()
    assert [n.origin for n in answer.lesions] == [Origin.SEMIAUTOMATIC, Origin.AUTOMATIC, Origin.MANUAL]
    words = next(c.words for c in answer.corrections.changes if c.label == "BM01")
    assert "moved by 3.0 mm" in words
    by_edit = [(n.name, n.probability is None) for n in answer.lesions]
    assert by_edit == [("BM01", True), ("GTV left", False), ("GTV_new", True)]


def test_of_sets_with_a_lesion_each_one_comes_back_and_the_others_stay(room: Room, tmp_path: Path) -> None:
    each = replace(STAMP, form=Form(per_lesion=True))
    sets = [e.dataset for e in encode(room.found, each) if e.part is Part.RTSTRUCT]
    assert len(sets) == len(room.found.lesions) == 3
    for k, ds in enumerate(sets):
        ds.save_as(tmp_path / f"{k}.dcm", enforce_file_format=True)
    own = together([read_header(tmp_path / f"{k}.dcm") for k in range(3)])
    moved = edited(dcmread(tmp_path / "1.dcm"), move=("BM02", (3.0, 0.0, 0.0)))
    moved.save_as(tmp_path / "edited.dcm")
    back = together([read_header(tmp_path / "edited.dcm")])
    answer = made(corrected(Inputs({"t1c": room.series, CONTOURS: back, OWN: own}), room.image))
    assert edits(answer) == {"BM02": Edit.CHANGED, "BM01": Edit.UNCHANGED, "BM03": Edit.UNCHANGED}
    before = {n.label: n for n in room.found.lesions}
    for lesion in answer.lesions:
        assert lesion.tracking_uid == before[lesion.name].tracking_uid
        assert lesion.volume_mm3 == pytest.approx(before[lesion.name].volume_mm3, rel=0.02)
    assert [r for r in answer.remarks if "BM01, BM03" in r and "stay as they were" in r]
    assert not answer.changes_nothing


def test_without_our_descriptions_names_and_places_tell_which_is_which(room: Room) -> None:
    ds = edited(room.ours(), rename=("BM03", "Met C"), move=("BM01", (2.0, 0, 0)), keep_descriptions=False)
    answer = made(room.corrected(ds))
    assert edits(answer) == {"BM01": Edit.CHANGED, "BM02": Edit.UNCHANGED, "Met C": Edit.RENAMED}
    assert [n.tracking_uid for n in answer.lesions] == [n.tracking_uid for n in room.found.lesions]


def test_a_name_of_ours_far_away_is_another_lesion(room: Room) -> None:
    ds = edited(room.ours(), move=("BM01", (33.0, 0.0, 0.0)), keep_descriptions=False)
    answer = made(room.corrected(ds))
    assert sorted(c.edit for c in answer.corrections.changes if c.label == "BM01") == [Edit.ADDED, Edit.DELETED]
    assert answer.lesions[0].tracking_uid != room.found.lesions[0].tracking_uid


def test_a_copied_contour_does_not_take_the_tracking_uid_of_the_first(room: Room) -> None:
    ds = edited(room.ours())
    centre = np.asarray(room.image.affine) @ (12, 45, 40, 1)
    add_square(ds, "BM01 copy", centre[:3].tolist())
    ds.StructureSetROISequence[-1].ROIDescription = ds.StructureSetROISequence[0].ROIDescription
    answer = made(room.corrected(ds))
    uids = [n.tracking_uid for n in answer.lesions]
    assert len(set(uids)) == 4
    assert uids[0] == room.found.lesions[0].tracking_uid


def test_without_anything_of_ours_all_is_added_by_a_person(room: Room) -> None:
    answer = made(room.corrected(edited(room.ours(), keep_descriptions=False), own=False))
    assert set(edits(answer).values()) == {Edit.ADDED}
    assert "Against" not in " ".join(said_of_corrections(answer.corrections))


def test_who_changed_it_is_told_and_what_was_changed_is_counted(room: Room) -> None:
    answer = made(room.corrected(edited(room.ours(), delete="BM02")))
    assert answer.corrections.by.startswith("Editor^Test, ACME Contour Desk")
    assert "2 unchanged, 1 deleted" in " ".join(said_of_corrections(answer.corrections))


def test_an_edited_segmentation_is_read_alike(room: Room) -> None:
    seg = room.ours(Part.SEG)
    seg.SOPInstanceUID = seg.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    pixels = seg.pixel_array.copy()
    segment_of = [
        int((f if "SegmentIdentificationSequence" in f else seg.SharedFunctionalGroupsSequence[0])
            .SegmentIdentificationSequence[0].ReferencedSegmentNumber) for f in seg.PerFrameFunctionalGroupsSequence
    ]  # fmt: skip
    for k, number in enumerate(segment_of):
        if number == 1:
            pixels[k] = np.roll(pixels[k], 3, axis=1)
    seg.PixelData = np.packbits(pixels.ravel(), bitorder="little").tobytes()
    answer = made(room.corrected(seg))
    assert edits(answer) == {"BM01": Edit.CHANGED, "BM02": Edit.UNCHANGED, "BM03": Edit.UNCHANGED}


def test_a_segmentation_of_organs_is_no_correction(room: Room, tmp_path: Path) -> None:
    seg = room.ours(Part.SEG)
    seg.SOPInstanceUID = seg.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    for k, s in enumerate(seg.SegmentSequence):
        s.SegmentLabel = f"Thalamus {k}"
        s.SegmentedPropertyTypeCodeSequence[0].CodeValue = "42695009"
    seg.save_as(tmp_path / "seg.dcm")
    assert edited_in(Study("1.2", scan(tmp_path)[0].series)) is None


@pytest.mark.parametrize("every", [2, 3])
def test_contours_on_thicker_slices_are_filled_between(tmp_path: Path, every: int) -> None:
    fine = Room(tmp_path, Grid((48, 60, 60), (0.75, 1.0, 1.0)))
    ds = edited(fine.ours())
    big = ds.ROIContourSequence[0]
    planes = sorted({c.ContourData[2] for c in big.ContourSequence})[::every]
    big.ContourSequence = [c for c in big.ContourSequence if c.ContourData[2] in planes]
    drawn = drawn_on(ds, fine.image)
    volume = float((drawn.labels.array == 1).sum()) * 0.75
    assert volume == pytest.approx(fine.found.lesions[0].volume_mm3, rel=0.25)
    assert "resampled: BM01" in " ".join(drawn.remarks)


def test_another_frame_of_reference_and_other_planes_are_declined_by_name(room: Room) -> None:
    ds = edited(room.ours())
    ds.FrameOfReferenceUID = "1.2.3"
    ds.ReferencedFrameOfReferenceSequence[0].FrameOfReferenceUID = "1.2.3"
    for roi in ds.StructureSetROISequence:
        roi.ReferencedFrameOfReferenceUID = "1.2.3"
    answer = room.corrected(ds)
    assert isinstance(answer, Declined)
    assert "different frames of reference" in answer.reason
    answer = room.corrected(edited(room.ours(), move=("BM01", (0.0, 400.0, 0.0))))
    assert isinstance(answer, Declined)
    assert "ROI 1 lies outside" in answer.reason


def test_rois_of_another_frame_of_reference_in_the_same_set_are_left_out_and_named(room: Room) -> None:
    ds = edited(room.ours(), rename=("BM02", "GTV_CT"))
    assert len(ds.StructureSetROISequence) == 3
    ds.StructureSetROISequence[1].ReferencedFrameOfReferenceUID = "1.2.3"
    other = Dataset()
    other.FrameOfReferenceUID = "1.2.3"
    ds.ReferencedFrameOfReferenceSequence.append(other)
    answer = made(room.corrected(ds, own=False))
    assert [n.name for n in answer.lesions] == ["BM01", "BM03"]
    assert any("another frame of reference" in r and "GTV_CT" in r for r in answer.remarks)


def with_union(ds: Dataset, name: str, of: int) -> Dataset:
    """And one GTV more, with the contours of the first `of` others."""
    add_square(ds, name, (0.0, 0.0, 0.0))
    ds.ROIContourSequence[-1].ContourSequence = [
        deepcopy(c) for item in ds.ROIContourSequence[:of] for c in item.ContourSequence
    ]
    return ds


@pytest.mark.parametrize(("name", "of"), [("GTV_total", 3), ("GTV_sum", 2), ("Met copy", 1)])
def test_a_roi_that_is_others_together_is_left_out_and_named(room: Room, name: str, of: int) -> None:
    ds = with_union(edited(room.ours()), name, of)
    for sequence in (ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence):
        if of > 1:  # of two alike the later one goes
            sequence.insert(0, sequence.pop(-1))
    answer = made(room.corrected(ds))
    assert [n.name for n in answer.lesions] == ["BM01", "BM02", "BM03"]
    assert set(edits(answer).values()) == {Edit.UNCHANGED}
    assert any("the same together" in r and name in r for r in answer.remarks)


def test_what_lies_in_a_lesion_without_filling_it_leaves_it_in_the_plan(room: Room) -> None:
    ds = edited(room.ours())
    add_square(ds, "GTV core", room.found.lesions[0].centroid_mm, half_mm=2.0, slices=2)
    answer = made(room.corrected(ds))
    assert [n.name for n in answer.lesions] == ["BM01", "BM02", "BM03", "GTV core"]


def far(ds: Dataset) -> None:
    for c in ds.ROIContourSequence[0].ContourSequence:
        c.ContourData = [float(v) + (400 if k % 3 == 0 else 0) for k, v in enumerate(c.ContourData)]


def high(ds: Dataset) -> None:
    for c in ds.ROIContourSequence[0].ContourSequence:
        c.ContourData = [float(v) + (400 if k % 3 == 2 else 0) for k, v in enumerate(c.ContourData)]


def crooked(ds: Dataset) -> None:
    contour = ds.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = [*map(float, contour.ContourData[:-1]), float(contour.ContourData[-1]) + 9.0]


def not_points(ds: Dataset) -> None:
    contour = ds.ROIContourSequence[0].ContourSequence[0]
    contour.ContourData = list(contour.ContourData)[:-2]


@pytest.mark.parametrize("spoil", [far, high, crooked, not_points])
def test_reasons_for_declining_have_numbers_of_rois_and_never_their_names(room: Room, spoil: Any) -> None:
    ds = edited(room.ours(), rename=("BM01", "GTV Mueller"))
    spoil(ds)
    answer = room.corrected(ds)
    assert isinstance(answer, Declined)
    assert "ROI 1" in answer.reason
    assert "Mueller" not in answer.reason
    assert _with_names(answer.reason, ds).count("ROI 1 (GTV Mueller)") == 1


def test_contours_of_another_patient_are_declined_without_a_word_of_who_that_is(room: Room) -> None:
    for keyword, value, said in (
        ("PatientID", "Someone 4711", "Patient ID"),
        ("PatientBirthDate", "19010203", "birth date"),
    ):
        ds = edited(room.ours())
        setattr(ds, keyword, value)
        answer = room.corrected(ds)
        assert isinstance(answer, Declined)
        assert f"of another patient than the images: they differ in {said}" in answer.reason
        assert value not in answer.reason


def test_contours_that_name_no_patient_are_used_with_a_remark(room: Room) -> None:
    ds = edited(room.ours())
    ds.PatientID = ""
    assert made(room.corrected(ds)).remarks == (
        "Whose contours these are was not checked: contours name no Patient ID.",
    )
    assert made(room.corrected(edited(room.ours()))).remarks == ()


def test_contours_that_were_cut_off_are_declined_without_the_path_of_the_archive(room: Room) -> None:
    edited(room.ours()).save_as(room.folder / "cut.dcm")
    header = read_header(room.folder / "cut.dcm")
    data = header.path.read_bytes()
    header.path.write_bytes(data[: int(0.9 * len(data))])
    series = {"t1c": room.series, CONTOURS: together([header])}
    assert corrected(Inputs(series), room.image) == Declined("the contours are damaged: export them again")


def test_corrections_that_cannot_be_used_are_said_to_leave_what_was_sent_before_as_it_is(room: Room) -> None:
    ds = edited(room.ours())
    not_points(ds)
    ds.save_as(room.folder / "bad.dcm")
    own = {OWN: together([read_header(room.folder / "RTSTRUCT.dcm")])}
    series = {"t1c": room.series, CONTOURS: together([read_header(room.folder / "bad.dcm")])}
    answer = see(Inputs(series | own), room.image, Runtime(), "", Beside())
    assert isinstance(answer, Declined)
    assert answer.reason.startswith("these corrections are not used, and the results sent before stand: ")
    assert "contours of ROI 1 cannot be read" in answer.reason


def by_software(ds: Dataset, algorithm: str = "DeepMet 2.0") -> Dataset:
    """As another vendor's program writes it: no person, no UIDs of ours."""
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = "ACME", "Contour AI", "7"
    for keyword in ("OperatorsName", "ContentCreatorName", "ReviewerName"):
        setattr(ds, keyword, "")
    for k, segment in enumerate(ds.get("SegmentSequence") or ()):
        segment.SegmentLabel, segment.TrackingUID, segment.TrackingID = f"Met {k}", generate_uid(), f"Met {k}"
        segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", algorithm
    for roi in ds.get("StructureSetROISequence") or ():
        roi.ROIName, roi.ROIDescription, roi.ROIGenerationAlgorithm = f"Met {roi.ROINumber}", "", "AUTOMATIC"
        roi.ROIGenerationDescription = algorithm
        if "ROIDerivationAlgorithmIdentificationSequence" in roi:
            del roi.ROIDerivationAlgorithmIdentificationSequence
    for seen in ds.get("RTROIObservationsSequence") or ():
        seen.ROIObservationDescription = seen.ROIObservationLabel = ""
    return ds


@pytest.mark.parametrize("part", [Part.SEG, Part.RTSTRUCT])
def test_outlines_of_other_software_are_told_as_such_and_not_as_a_persons_or_our_own(room: Room, part: Part) -> None:
    answer = made(room.corrected(by_software(room.ours(part)), own=False))
    assert {n.origin for n in answer.lesions} == {Origin.AUTOMATIC}
    said = " ".join(said_of_corrections(answer.corrections))
    assert "sent by software, ACME Contour AI 7" in said
    findings = replace(
        room.found, labels=answer.labels, lesions=answer.lesions, corrections=answer.corrections, remarks=answer.remarks
    )
    objects = {e.part: e.dataset for e in encode(findings, STAMP)}
    assert {s.SegmentAlgorithmName for s in objects[Part.SEG].SegmentSequence} == {"DeepMet 2.0"}
    rois = objects[Part.RTSTRUCT].StructureSetROISequence
    assert {(r.ROIGenerationAlgorithm, r.ROIGenerationDescription) for r in rois} == {("AUTOMATIC", "DeepMet 2.0")}
    words = " ".join(str(e.value) for e in objects[Part.SR].iterall() if e.keyword in ("TextValue", "CodeMeaning"))
    assert "Outlined by other software (DeepMet 2.0)" in words
    assert "its object says AUTOMATIC, drawn with DeepMet 2.0" in words
    assert "by a person" not in words, words[max(0, words.find("by a person") - 90) :][:200]


def test_software_that_gives_no_name_is_known_by_its_maker(room: Room) -> None:
    answer = made(room.corrected(by_software(room.ours(), algorithm=""), own=False))
    assert {n.drawn_with for n in answer.lesions} == {"ACME Contour AI 7"}


def test_another_programs_outline_of_our_lesion_is_no_persons_change(room: Room) -> None:
    ds = by_software(room.ours())
    for contour in ds.ROIContourSequence[0].ContourSequence:
        contour.ContourData = [float(v) + (2.0 if k % 3 == 0 else 0.0) for k, v in enumerate(contour.ContourData)]
    first = made(room.corrected(ds)).lesions[0]
    assert (first.origin, first.drawn_with) == (Origin.AUTOMATIC, "DeepMet 2.0")
    assert first.tracking_uid == room.found.lesions[0].tracking_uid
    moved = made(room.corrected(edited(room.ours(), move=("BM01", (2.0, 0.0, 0.0))))).lesions[0]
    assert moved.origin is Origin.SEMIAUTOMATIC


def test_the_newest_of_several_corrections_counts_and_what_is_ours_never(room: Room, tmp_path: Path) -> None:
    first, second = edited(room.ours()), edited(room.ours())
    first.StructureSetTime = "235959"
    for k, ds in enumerate((first, second, room.ours())):
        ds.save_as(tmp_path / f"{k}.dcm")
    found = edited_in(scan(tmp_path)[0])
    assert found is not None
    assert found.sop_instance_uid == first.SOPInstanceUID


def test_in_a_node_what_came_last_is_the_newest_whatever_its_dates_say(room: Room, tmp_path: Path) -> None:
    first, second = edited(room.ours()), edited(room.ours())
    first.StructureSetTime = "235959"
    for k, ds in enumerate((first, second)):
        ds.save_as(tmp_path / f"{k}.dcm")
    came = {first.SOPInstanceUID: MORNING, second.SOPInstanceUID: MORNING + timedelta(hours=1)}
    instances = [replace(i, arrived_at=came[i.sop_instance_uid]) for i in scan(tmp_path)[0].instances]
    found = edited_in(group(instances)[0])
    assert found is not None
    assert found.sop_instance_uid == second.SOPInstanceUID


def test_what_was_changed_under_our_uid_is_named_by_that_uid_and_told(room: Room, tmp_path: Path) -> None:
    ds, ours = edited(room.ours(), move=("BM01", (2.0, 0, 0))), room.ours()
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = ours.SOPInstanceUID
    ds.SeriesInstanceUID = ours.SeriesInstanceUID
    ds.save_as(tmp_path / "overwritten.dcm", enforce_file_format=True)
    assert edited_in(scan(tmp_path)[0]) is None
    give_own_uid(tmp_path / "overwritten.dcm", MORNING)
    assert edited_in(scan(tmp_path)[0]) is not None
    answer = made(room.corrected(dcmread(tmp_path / "overwritten.dcm")))
    assert answer.corrections.sop_instance_uid == ours.SOPInstanceUID
    assert KEPT_UID in answer.remarks
    assert edits(answer)["BM01"] is Edit.CHANGED
    assert KEPT_UID not in made(room.corrected(edited(room.ours()))).remarks


def test_select_takes_contours_with_the_series_they_are_drawn_on(room: Room, tmp_path: Path) -> None:
    edited(room.ours()).save_as(tmp_path / "edited.dcm")
    images = scan(room.folder / "images")[0]
    study = replace(images, series=(*images.series, *scan(tmp_path)[0].series))
    chosen = PIPELINE.select(study, {})
    assert isinstance(chosen, Inputs)
    assert chosen.corrects
    assert set(chosen.series) == {"t1c", CONTOURS}
    without = PIPELINE.select(study, {"contours": False})
    assert not isinstance(without, Inputs) or not without.corrects


def test_our_own_structure_set_is_recalled_only_where_contours_came_back(room: Room) -> None:
    ours = scan(room.folder / "RTSTRUCT.dcm")[0]
    plain = Inputs({"t1c": room.series})
    assert recall_own(plain, Earlier(ours)) is plain
    back = Inputs({"t1c": room.series, CONTOURS: ours.series[0]})
    assert OWN in recall_own(back, Earlier(ours)).series
    assert OWN not in recall_own(back, Earlier(None)).series


def test_names_that_planning_systems_would_cut_to_the_same_stay_apart() -> None:
    names = unique(["GTV_frontal_left_1", "GTV_frontal_left_2", "GTV_frontal_left_2"], 16)
    assert len(set(names)) == 3
    assert max(map(len, names)) <= 16


def test_what_an_editor_adds_without_a_type_counts_by_its_name_and_the_rest_is_named(room: Room) -> None:
    ds = edited(room.ours(), move=("BM02", (2.0, 0.0, 0.0)))
    centre = np.asarray(room.image.affine) @ (12, 45, 40, 1)
    add_square(ds, "BM04", centre[:3].tolist())
    add_square(ds, "ROI_7", (np.asarray(room.image.affine) @ (12, 10, 48, 1))[:3].tolist())
    for seen in ds.RTROIObservationsSequence[1:]:
        seen.RTROIInterpretedType = ""
    answer = made(room.corrected(ds))
    assert [n.name for n in answer.lesions] == ["BM01", "BM02", "BM03", "BM04"]
    assert Edit.DELETED not in edits(answer).values()
    assert any(r.startswith(NOT_PLANNED) and "ROI_7" in r for r in answer.remarks)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("GTV_1", True), ("gtvp", True), ("Met 3", True), ("BrainMet2", True), ("BM01_L_FRONTAL", True), ("lesion", True),
     ("Metastasis left", True), ("Tumor", True), ("PTV_Met1", False), ("Symmetry", False), ("Geometry", False),
     ("Metal clip", False), ("Ring_GTV1", False), ("GTV_total", False), ("Brainstem", False), ("CTV1", False)],
)  # fmt: skip
def test_names_of_tumours_are_told_from_others(name: str, is_one: bool) -> None:
    assert is_tumour_named(name) is is_one


def test_margins_and_organs_alone_are_no_correction(room: Room, tmp_path: Path) -> None:
    ds = edited(room.ours())
    for k, (roi, seen) in enumerate(zip(ds.StructureSetROISequence, ds.RTROIObservationsSequence, strict=True)):
        roi.ROIName, seen.RTROIInterpretedType = f"PTV_Met{k}", "PTV"
    ds.save_as(tmp_path / "ptv.dcm")
    assert edited_in(scan(tmp_path)[0]) is None


def test_planes_that_share_a_slice_do_not_undo_each_other(room: Room) -> None:
    ds = edited(room.ours())
    item = ds.ROIContourSequence[0]
    for contour in list(item.ContourSequence):
        twin = deepcopy(contour)
        twin.ContourData = [v + (0.4 if k % 3 == 2 else 0) for k, v in enumerate(map(float, contour.ContourData))]
        item.ContourSequence.append(twin)
    drawn = drawn_on(ds, room.image)
    volume = float((drawn.labels.array == 1).sum()) * 1.5
    assert volume == pytest.approx(room.found.lesions[0].volume_mm3, rel=0.2)


def test_a_new_contour_beside_an_old_one_does_not_take_its_tracking_uid(room: Room) -> None:
    ds = edited(room.ours())
    where = room.found.lesions[2].centroid_mm
    add_square(ds, "GTV_new", where, half_mm=1.0, slices=1)
    for sequence in (ds.StructureSetROISequence, ds.ROIContourSequence, ds.RTROIObservationsSequence):
        sequence.insert(0, sequence.pop(-1))
    answer = made(room.corrected(ds))
    uids = {n.name: n.tracking_uid for n in answer.lesions}
    assert uids["BM03"] == room.found.lesions[2].tracking_uid
    assert uids["GTV_new"] != uids["BM03"]


def test_only_what_was_changed_is_planned_anew(room: Room) -> None:
    assert made(room.corrected(edited(room.ours()))).changes_nothing
    assert not made(room.corrected(edited(room.ours(), delete="BM02"))).changes_nothing
    assert not made(room.corrected(edited(room.ours()), own=False)).changes_nothing
