from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from pipeline.core.errors import HeaderUnusable, NotFound, OurFault
from pipeline.core.result import Kind
from pipeline.core.uid import is_uid
from pipeline.encode import Stamp, encode, to_bytes
from pipeline.encode.common import colour, plain
from pipeline.findings import Correction, Corrections, Edit, Findings
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.sessions.case import Wishes
from tests.support.findings import (
    ALGORITHM,
    STAMP,
    Grid,
    findings_on,
    planned,
    spheres,
    write_classic,
    write_enhanced,
)

GRID = Grid((12, 24, 20))
LABELS = spheres(GRID, ((5, 10, 10), 6.0), ((8, 18, 5), 4.0))


def findings_in(folder: Path, **elements: Any) -> Findings:
    return findings_on(write_classic(folder, GRID, **elements), GRID, LABELS)


def read_back(findings: Findings, stamp: Stamp = STAMP) -> list[Dataset]:
    return [dcmread(BytesIO(to_bytes(e.dataset))) for e in encode(findings, stamp)]


def test_segmentation_structure_set_key_objects_and_report_come_in_this_order(tmp_path: Path) -> None:
    assert [e.kind for e in encode(findings_in(tmp_path), STAMP)] == [Kind.SEG, Kind.RTSTRUCT, Kind.KO, Kind.SR]


def test_equal_findings_and_stamps_make_the_same_bytes(tmp_path: Path) -> None:
    first = [to_bytes(e.dataset) for e in encode(findings_in(tmp_path), STAMP)]
    assert [to_bytes(e.dataset) for e in encode(findings_in(tmp_path), STAMP)] == first


def test_other_work_makes_other_objects(tmp_path: Path) -> None:
    findings = findings_in(tmp_path)
    ours = {e.dataset.SOPInstanceUID for e in encode(findings, STAMP)}
    theirs = {e.dataset.SOPInstanceUID for e in encode(findings, replace(STAMP, seed="b" * 64))}
    assert len(ours | theirs) == 8
    assert all(is_uid(uid) for uid in ours | theirs)


def test_each_object_is_in_a_series_of_its_own_that_sorts_after_the_images(tmp_path: Path) -> None:
    made = read_back(findings_in(tmp_path))
    assert len({ds.SeriesInstanceUID for ds in made}) == 4
    assert [ds.SeriesNumber for ds in made] == [90073, 90074, 90072, 90071]


@pytest.mark.parametrize(("kind", "title"), [(0, "SEG"), (1, "RTSTRUCT"), (2, "Key images,"), (3, "SR")])
def test_every_object_says_research_only_with_model_weights_and_tier(tmp_path: Path, kind: int, title: str) -> None:
    ds = read_back(findings_in(tmp_path))[kind]
    assert ds.SeriesDescription == f"{title} RESEARCH USE ONLY: srs 1.2.3"
    *_, processing = ds.ContributingEquipmentSequence
    assert processing.PurposeOfReferenceCodeSequence[0].CodeValue == "109102"
    for words in ("RESEARCH USE ONLY", "srs 1.2.3", ALGORITHM.weights_sha256, "Evidence tier T1", "Synthetic lesions"):
        assert words in processing.ContributionDescription
    assert ds.SoftwareVersions == ["Lantern 0.1.0", "srs 1.2.3"]


def test_patient_and_study_are_copied_as_they_stand_and_an_empty_study_id_stays_empty(tmp_path: Path) -> None:
    findings = findings_in(tmp_path, PatientComments="bettlägerig", PatientWeight=71.5)
    source = dcmread(findings.frames[0].path)
    for ds in read_back(findings):
        for keyword in (
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "PatientAge",
            "PatientWeight",
            "PatientComments",
            "StudyInstanceUID",
            "StudyDate",
            "StudyTime",
            "StudyDescription",
            "AccessionNumber",
        ):
            assert ds.get(keyword) == source[keyword].value, keyword
        assert "StudyID" in ds
        assert not ds.StudyID
        assert ds.get("FrameOfReferenceUID") == (
            source.FrameOfReferenceUID if ds.Modality not in ("SR", "KO") else None
        )


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 144", "Люкceмбypг"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
        (None, "Doe^Jane"),
    ],
)
def test_names_in_any_alphabet_survive(tmp_path: Path, charset: Any, name: str) -> None:
    plain_words = {"StudyDescription": "MR head", "InstitutionName": "Clinic"}
    findings = findings_in(tmp_path, SpecificCharacterSet=charset, PatientName=name, **plain_words)
    findings = replace(findings, remarks=("Voxels of 1×1×1 mm³ — “µ” weiß 頭",))
    for ds in read_back(findings):
        assert str(ds.PatientName) == name
        assert ds.get("SpecificCharacterSet") == (charset if charset is not None else None)


def test_text_of_our_own_is_ascii_on_one_line_without_backslash() -> None:
    assert plain("1×1 mm³ – “µm”\n C:\\x é") == '1x1 mm3 - "um" C:/x e'


def test_a_malformed_weight_or_birth_date_is_no_reason_to_withhold_a_result(tmp_path: Path) -> None:
    refs = write_classic(tmp_path, GRID, PatientWeight="71.5", PregnancyStatus=4)
    for ref in refs:
        data = ref.path.read_bytes().replace(b"19570131", b"1957/1/3").replace(b"71.5", b"71kg")
        ref.path.write_bytes(data.replace(b"\x10\x00\xc0\x21US", b"\x10\x00\xc0\x21FD"))
    made = read_back(findings_on(refs, GRID, LABELS))
    assert len(made) == 4
    for ds in made:
        assert ds.PatientBirthDate == "1957/1/3"  # identifies: as it stands
        assert "PatientWeight" not in ds
        assert "PregnancyStatus" not in ds  # two bytes that claim to be a number of eight


def test_times_are_on_the_clock_of_the_images(tmp_path: Path) -> None:
    for ds in read_back(findings_in(tmp_path, TimezoneOffsetFromUTC="+0530")):
        assert (ds.SeriesDate, ds.SeriesTime) == ("20261123", "014530.123456")
        assert ds.TimezoneOffsetFromUTC == "+0530"
    for ds in read_back(findings_in(tmp_path)):
        assert (ds.InstanceCreationDate, ds.InstanceCreationTime) == ("20261122", "201530.123456")
        assert "TimezoneOffsetFromUTC" not in ds


def test_a_stamp_without_a_time_zone_is_refused() -> None:
    with pytest.raises(OurFault, match="time zone"):
        Stamp("a", datetime(2026, 11, 22), "0.1")  # noqa: DTZ001
    assert Stamp("a", datetime(2026, 11, 22, tzinfo=UTC), "0.1").verified


@pytest.mark.parametrize(
    "keyword",
    ["FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SeriesInstanceUID"],
)
def test_an_image_that_cannot_be_placed_is_refused_by_name_of_what_is_missing(tmp_path: Path, keyword: str) -> None:
    findings = findings_in(tmp_path, **{keyword: None})
    with pytest.raises(HeaderUnusable, match=keyword):
        encode(findings, STAMP)


def test_absent_optional_attributes_of_the_images_do_no_harm(tmp_path: Path) -> None:
    names = ("SliceThickness", "SeriesNumber", "PatientName", "PatientSex", "StudyID", "Manufacturer", "StudyDate")
    for ds in read_back(findings_in(tmp_path, **dict.fromkeys(names))):
        assert "PatientName" in ds
        assert len(ds.ContributingEquipmentSequence) == 1


def test_a_lost_image_is_named(tmp_path: Path) -> None:
    findings = findings_in(tmp_path)
    findings.frames[3].path.unlink()
    with pytest.raises(NotFound, match=findings.frames[3].sop_instance_uid):
        encode(findings, STAMP)


def test_images_of_two_series_are_refused(tmp_path: Path) -> None:
    findings = findings_in(tmp_path)
    ds = dcmread(findings.frames[2].path)
    ds.SeriesInstanceUID = "1.2.3.4.5"
    ds.save_as(findings.frames[2].path)
    with pytest.raises(HeaderUnusable, match="SeriesInstanceUID"):
        encode(findings, STAMP)


def test_a_slice_as_far_off_the_grid_as_the_reader_allows_is_drawn_where_its_image_lies(tmp_path: Path) -> None:
    grid = Grid((12, 24, 20), (6.0, 0.5, 0.5))
    refs = write_classic(tmp_path, grid)
    ds = dcmread(refs[5].path)
    ds.ImagePositionPatient = [v + off for v, off in zip(grid.position(5), (0.1, 0.0, 0.28), strict=True)]
    ds.save_as(refs[5].path)
    (study,) = scan(tmp_path)
    read = read_volume(study.series[0])
    assert np.abs(read.volume.affine - grid.affine).max() < 1e-6
    _, rtstruct, *_ = read_back(findings_on(read.frames, grid, spheres(grid, ((5, 10, 10), 8.0))))
    drawn = [float(z) for c in rtstruct.ROIContourSequence[0].ContourSequence for z in c.ContourData[2::3]]
    assert set(drawn) == {float(ds.ImagePositionPatient[2])}


@pytest.mark.parametrize("fault", ["mirrored", "shifted", "turned", "scaled", "swapped"])
def test_labels_that_do_not_lie_on_their_images_never_become_objects(tmp_path: Path, fault: str) -> None:
    findings = findings_in(tmp_path)
    affine = GRID.affine
    change = {
        "mirrored": affine @ np.diag([1.0, 1.0, -1.0, 1.0]),
        "shifted": affine @ np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
        "turned": affine[:, [0, 2, 1, 3]],
        "scaled": affine @ np.diag([1.0, 1.1, 1.1, 1.0]),
        "swapped": affine @ np.array([[-1, 0, 0, 11], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
    }[fault]
    moved = hd.Volume(LABELS, change, "PATIENT", frame_of_reference_uid=findings.labels.frame_of_reference_uid)
    with pytest.raises(OurFault, match="labels"):
        encode(replace(findings, labels=moved), STAMP)


def test_lesions_and_labels_that_differ_in_number_are_refused(tmp_path: Path) -> None:
    findings = findings_in(tmp_path)
    with pytest.raises(OurFault, match="do not match"):
        encode(replace(findings, lesions=findings.lesions[:1]), STAMP)
    with pytest.raises(OurFault, match="frames"):
        encode(replace(findings, frames=()), STAMP)


def test_a_filled_slice_has_its_own_place_and_names_no_image(tmp_path: Path) -> None:
    findings = findings_in(tmp_path)
    frames = list(findings.frames)
    frames[5] = frames[4]
    seg, rtstruct, _, sr = read_back(replace(findings, frames=tuple(frames)))
    unnamed = [g for g in seg.PerFrameFunctionalGroupsSequence if not g.DerivationImageSequence]
    assert [float(v) for v in unnamed[0].PlanePositionSequence[0].ImagePositionPatient] == GRID.position(5)
    loose = [c for c in rtstruct.ROIContourSequence[0].ContourSequence if "ContourImageSequence" not in c]
    assert {float(z) for z in loose[0].ContourData[2::3]} == {GRID.position(5)[2]}
    assert f"Images analysed: {GRID.shape[0] - 1} ".encode() in to_bytes(sr)


def test_images_that_were_left_out_of_the_volume_are_not_referenced(tmp_path: Path) -> None:
    every = write_classic(tmp_path, Grid((14, 24, 20)))
    seg, *_ = read_back(findings_on(every[:12], GRID, LABELS))
    assert [i.ReferencedSOPInstanceUID for i in seg.SourceImageSequence] == [r.sop_instance_uid for r in every[:12]]


def test_a_multi_frame_source_is_opened_and_described_like_a_series(tmp_path: Path) -> None:
    classic = read_back(findings_in(tmp_path / "classic"))
    refs = write_enhanced(tmp_path / "enhanced", GRID)
    enhanced = read_back(findings_on(refs, GRID, LABELS))
    assert enhanced[0].PixelData == classic[0].PixelData
    points = [
        [list(c.ContourData) for roi in made[1].ROIContourSequence for c in roi.ContourSequence]
        for made in (classic, enhanced)
    ]
    assert points[0] == points[1]


def test_colours_of_forty_lesions_are_distinct() -> None:
    assert len({colour(n) for n in range(1, 41)}) == 40


OLD = ("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.4", "1.2.3")
OLD_SEG = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.3.6", "1.2.3.5")


def test_what_supersedes_says_so_where_lists_show_it_within_the_lengths_of_its_vrs(tmp_path: Path) -> None:
    findings = findings_in(tmp_path)
    stamp = replace(STAMP, supersedes=(OLD, OLD), replaces=(OLD_SEG,))
    seg, structures, keys, report = read_back(findings, stamp)
    assert keys.SeriesDescription.startswith("Key images, rev 3, RESEARCH USE ONLY")
    for ds in (seg, structures, report):
        assert f"{ds.Modality} rev 3 RESEARCH USE ONLY" in ds.SeriesDescription
    assert structures.StructureSetLabel == "RESEARCH rev 3"
    assert structures.StructureSetName == "RESEARCH USE ONLY, rev 3: srs 1.2.3"
    assert "rev 3" in seg.ContentDescription
    (related,) = seg.RelatedSeriesSequence
    assert (related.StudyInstanceUID, related.SeriesInstanceUID) == (seg.StudyInstanceUID, OLD_SEG[2])
    changes = tuple(Correction(Edit.UNCHANGED, n.label, n.tracking_uid, n.origin, "") for n in findings.lesions)
    made = replace(findings, corrections=Corrections("Editor", OLD[0], "1.3", "1.4", changes, True))
    _, structures, _, report = read_back(made, replace(stamp, supersedes=(OLD,)))
    assert "rev 2, corrected" in report.SeriesDescription
    assert "rev 2, corrected" in structures.StructureSetName


def test_however_often_it_was_corrected_every_text_fits_and_both_warnings_stay(tmp_path: Path) -> None:
    grid = Grid((24, 64, 60))
    labels = spheres(grid, ((5, 10, 10), 6.0), ((15, 50, 40), 8.0))
    findings = planned(findings_on(write_classic(tmp_path, grid), grid, labels), Wishes(sessions=2))
    changes = tuple(Correction(Edit.UNCHANGED, n.label, n.tracking_uid, n.origin, "") for n in findings.lesions)
    made = replace(findings, corrections=Corrections("Editor", OLD[0], "1.3", "1.4", changes, True))
    for ds in read_back(made, replace(STAMP, supersedes=(OLD,) * 998)):
        assert len(ds.SeriesDescription) <= 64
        assert "rev 999" in ds.SeriesDescription
        assert "RESEARCH USE ONLY" in ds.SeriesDescription
        if ds.Modality == "RTSTRUCT":
            assert len(ds.StructureSetLabel) <= 16
            assert len(ds.StructureSetName) <= 64
        if ds.Modality == "RTDOSE":
            assert ds.SeriesDescription.startswith("ESTIMATE - NOT FOR TREATMENT")


def test_a_first_result_says_nothing_of_revisions(tmp_path: Path) -> None:
    seg, structures, keys, report = read_back(findings_in(tmp_path))
    assert not any("rev" in ds.SeriesDescription for ds in (seg, structures, keys, report))
    assert structures.StructureSetLabel == "LANTERN RESEARCH"
    assert "RelatedSeriesSequence" not in seg
