"""Faults planted in what was encoded: each is caught, at the object it is in, with a sentence that says what it is."""

import re
from dataclasses import replace
from io import BytesIO

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from pipeline.encode import encode, to_bytes
from pipeline.findings import Extra, Findings
from pipeline.proof import Fault, prove
from pipeline.sessions.case import Wishes
from tests.support import planted as p
from tests.support.findings import STAMP, Grid, findings_on, planned, spheres, with_rejected, write_classic

GRID = Grid((14, 48, 48), (3.0, 0.9, 0.7), "oblique")
"""Square in pixels and not in millimetres, so that nothing hides behind a symmetry."""

SHIFT = np.array([[1, 0, 0, 3], [0, 1, 0, 4], [0, 0, 1, 2], [0, 0, 0, 1]], float)
"""From the box of the map of probability to the grid."""


def labels() -> np.ndarray:
    made = spheres(GRID, ((4, 14, 12), 12.0), ((9, 34, 30), 9.0))
    made[4, 13:16, 11:14] = 0  # a hole in the first
    return made


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    refs = write_classic(tmp_path_factory.mktemp("images"), GRID)
    plain = findings_on(refs, GRID, labels())
    rejected = with_rejected(plain, GRID, spheres(GRID, ((11, 12, 36), 6.0)), drawn=True)
    likely = np.where(labels() > 0, 0.83, 0.01).astype(np.float32)
    likely[:, :, :20] += np.linspace(0, 0.1, 20, dtype=np.float32)
    box = hd.Volume(likely[3:11, 4:40, 2:44], GRID.affine @ SHIFT, "PATIENT")
    extras = (Extra.DOSE_MAP, Extra.RT_DOSE, Extra.PROBABILITY_MAP)
    return replace(planned(rejected, Wishes(sessions=2), extras=extras), probability=box)


@pytest.fixture(scope="module")
def files(found: Findings) -> dict[str, bytes]:
    return {e.name: to_bytes(e.dataset) for e in encode(found, STAMP)}


def faults_of(files: dict[str, bytes], found: Findings, name: str, spoil: p.Spoil) -> list[str]:
    """The words for one object that was spoiled, among those that it refers to, which have none."""
    among = {"SR": [*files], "KO": [*files], "RTDOSE": ["RTSTRUCT"]}.get(name.partition("_")[0], [])
    made = {n: files[n] for n in among} | {name: p.spoiled(files[name], spoil)}
    said = prove(list(made.values()), found)
    assert {f.sop_instance_uid for f in said} == {str(dcmread(BytesIO(made[name])).SOPInstanceUID)}
    return [f.words for f in said]


def test_nothing_is_wrong_with_what_was_encoded(files: dict[str, bytes], found: Findings) -> None:
    assert {name.split("_")[0] for name in files} == {"SEG", "RTSTRUCT", "SR", "PM", "RTDOSE", "KO"}
    assert prove(list(files.values()), found) == ()


def _slice_mm(ds: Dataset) -> np.ndarray:
    return p.axes(ds)[0]


def _reversed(ds: Dataset) -> None:
    """Places and images of all frames in the opposite order."""
    places = [(f.PlanePositionSequence, f.DerivationImageSequence) for f in p.frames(ds)]
    for frame, (place, image) in zip(p.frames(ds), reversed(places), strict=True):
        frame.PlanePositionSequence, frame.DerivationImageSequence = place, image


def _next_slice(ds: Dataset) -> None:
    """One slice on, with the name of the image there: consistent in itself."""
    images = [str(i.ReferencedSOPInstanceUID) for i in ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence]
    p.move_frames(_slice_mm)(ds)
    for frame in p.frames(ds):
        image = frame.DerivationImageSequence[0].SourceImageSequence[0]
        image.ReferencedSOPInstanceUID = images[images.index(str(image.ReferencedSOPInstanceUID)) + 1]


def _swapped_spacing(ds: Dataset) -> None:
    measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = list(measures.PixelSpacing)[::-1]


def _measures(**values: object) -> p.Spoil:
    return p.each(lambda ds: [ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]], **values)


def _ras(ds: Dataset) -> None:
    """As if RAS were LPS: x and y of all places and directions negated."""
    orientation = ds.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    orientation.ImageOrientationPatient = [
        float(v) * s for v, s in zip(orientation.ImageOrientationPatient, (-1, -1, 1) * 2, strict=True)
    ]
    for frame in p.frames(ds):
        plane = frame.PlanePositionSequence[0]
        plane.ImagePositionPatient = p.written(np.array(plane.ImagePositionPatient, float) * (-1, -1, 1))


def _other_image(ds: Dataset) -> None:
    image = p.frames(ds)[0].DerivationImageSequence[0].SourceImageSequence[0]
    image.ReferencedSOPInstanceUID = (
        ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID
    )


def _numbers_swapped(ds: Dataset) -> None:
    for frame in p.frames(ds):
        item = frame.SegmentIdentificationSequence[0]
        item.ReferencedSegmentNumber = 3 - item.ReferencedSegmentNumber


def _tracking_swapped(ds: Dataset) -> None:
    first, second = ds.SegmentSequence
    first.TrackingUID, second.TrackingUID = second.TrackingUID, first.TrackingUID


def _without_segment(ds: Dataset) -> None:
    ds.SegmentSequence = ds.SegmentSequence[:1]


def _unnamed(ds: Dataset) -> None:
    p.frames(ds)[0].DerivationImageSequence = []


def _lost_hole(ds: Dataset) -> None:
    """The keyhole contour without its way in: the corners up to where it comes back to itself are its outline."""
    contour = max(p.contours(ds), key=lambda c: len(c.ContourData))
    corners = p.points(contour)
    hull = [c for c in corners if _on_hull(c, corners)]
    p.redraw(contour, np.array(hull))


def _on_hull(corner: np.ndarray, corners: np.ndarray) -> bool:
    """Farther from the middle than the hole reaches."""
    return bool(np.linalg.norm(corner - corners.mean(axis=0)) > 3.0)


def _one_contour_moved(ds: Dataset) -> None:
    contour = next(p.contours(ds))
    corners = p.points(contour)
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[1])
    p.redraw(contour, corners + normal / np.linalg.norm(normal) * GRID.spacing_mm[0])


def _one_contour_elsewhere(ds: Dataset) -> None:
    first, second, *_ = p.contours(ds)
    first.ContourImageSequence[0].ReferencedSOPInstanceUID = second.ContourImageSequence[0].ReferencedSOPInstanceUID


def _bent(ds: Dataset) -> None:
    contour = next(p.contours(ds))
    corners = p.points(contour)
    corners[0] += GRID.affine[:3, 0] / 10
    p.redraw(contour, corners)


def _rois_swapped(ds: Dataset) -> None:
    first, second = ds.ROIContourSequence
    first.ReferencedROINumber, second.ReferencedROINumber = second.ReferencedROINumber, first.ReferencedROINumber


def _other_segment(ds: Dataset) -> None:
    for item in p.named(ds, "121191")[:1]:
        item.ReferencedSOPSequence[0].ReferencedSegmentNumber = 2


def _number(code: str, value: str) -> p.Spoil:
    return lambda ds: setattr(p.named(ds, code)[0].MeasuredValueSequence[0], "NumericValue", value)


def _centre_moved(ds: Dataset) -> None:
    (item,) = (i for i in p.below(ds) if i.ValueType == "SCOORD3D")
    item.GraphicData = [float(v) + 2 for v in item.GraphicData]


def _group_lost(ds: Dataset) -> None:
    (box,) = p.named(ds, "126010")
    box.ContentSequence = box.ContentSequence[1:]


def _elsewhere(ds: Dataset) -> None:
    image = next(i for i in p.below(ds) if i.get("ValueType") == "IMAGE")
    image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3.4"


def _map_values(ds: Dataset) -> None:
    values = np.frombuffer(ds.FloatPixelData, "<f4")
    ds.FloatPixelData = (values * np.float32(1.1)).astype("<f4").tobytes()


def _half_as_likely(ds: Dataset) -> None:
    mapping = ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0]
    mapping.RealWorldValueSlope = mapping.RealWorldValueSlope / 2


def _map_rolled(ds: Dataset) -> None:
    values = np.frombuffer(ds.FloatPixelData, "<f4").reshape(-1, ds.Rows, ds.Columns)
    ds.FloatPixelData = np.roll(values, 2, axis=2).tobytes()


def _dose_moved(ds: Dataset) -> None:
    ds.ImagePositionPatient = p.written(np.array(ds.ImagePositionPatient, float) + GRID.affine[:3, 2])


def _with_voxel(array: np.ndarray) -> np.ndarray:
    made = array.copy()
    made[0, 0, 0] = 1
    return made


PLANTED = [
    ("SEG", "mirrored left and right", p.pixels(lambda a: a[:, :, ::-1]), "columns are mirrored"),
    ("SEG", "mirrored top and bottom", p.pixels(lambda a: a[:, ::-1]), "rows are mirrored"),
    ("SEG", "transposed", p.pixels(lambda a: a.swapaxes(1, 2)), "as if rows and columns were exchanged"),
    ("SEG", "slices in the opposite order", _reversed, r"lesion 1 is drawn 3\.2 voxels from where it was found"),
    ("SEG", "one slice on", _next_slice, r"lesion 1 is drawn 1\.0 voxels from where it was found, .* by 1 slice"),
    ("SEG", "one slice on, images not", p.move_frames(_slice_mm), "from the plane of the image that it names"),
    ("SEG", "row and column spacing swapped", _swapped_spacing, "voxels from where it was found"),
    ("SEG", "wrong spacing", _measures(PixelSpacing=[0.9, 0.77]), r"mm3 and was found with .* \(\+10 %\)"),
    ("SEG", "wrong slice spacing", _measures(SpacingBetweenSlices=1.5), r"\(-50 %\)"),
    ("SEG", "RAS for LPS", _ras, "as if RAS were taken for LPS"),
    ("SEG", "0.6 pixels aside", p.move_frames(lambda ds: 0.6 * p.axes(ds)[2]), "0.6 voxels from where it was found"),
    ("SEG", "wrong image", _other_image, "frame 1 lies .* from the plane of the image that it names"),
    ("SEG", "no image", _unnamed, "frame 1 does not name the image that it lies on"),
    ("SEG", "segment numbers exchanged", _numbers_swapped, "that is where lesion 2 was found"),
    ("SEG", "tracking UIDs exchanged", _tracking_swapped, "segment numbers are exchanged"),
    ("SEG", "a segment left out", _without_segment, "lesion 2 is drawn in no object of this kind"),
    ("SEG", "one voxel more", p.pixels(_with_voxel), "0 of its voxels are missing and 1 are drawn"),
    ("SEG", "frame of reference", p.each(lambda ds: [ds], FrameOfReferenceUID="1.2.3"), "another frame of reference"),
    ("SEG", "patient", p.each(lambda ds: [ds], PatientID="somebody"), "another Patient ID"),
    ("SEG", "study", p.each(lambda ds: [ds], StudyInstanceUID="1.2.3"), "another study"),
    ("SEG_REJECTED", "mirrored", p.pixels(lambda a: a[:, :, ::-1]), "rejected candidate 1 is drawn"),
    ("RTSTRUCT", "lost hole", _lost_hole, "9 are filled in"),
    ("RTSTRUCT", "RAS for LPS", p.move_contours(lambda c: c * (-1, -1, 1)), "as if RAS were taken for LPS"),
    ("RTSTRUCT", "0.6 pixels aside", p.move_contours(lambda c: c + 0.6 * GRID.affine[:3, 2]), "0.6 voxels from where"),
    ("RTSTRUCT", "a contour on another plane", _one_contour_moved, "contour 1 lies 3.00 mm from the plane"),
    ("RTSTRUCT", "a contour names another image", _one_contour_elsewhere, "contour 1 lies 3.00 mm from the plane"),
    ("RTSTRUCT", "a contour that is not flat", _bent, "contour 1 is not flat"),
    ("RTSTRUCT", "ROIs exchanged", _rois_swapped, "that is where lesion 2 was found"),
    ("RTSTRUCT", "a frame of reference",
     p.each(lambda ds: ds.StructureSetROISequence, ReferencedFrameOfReferenceUID="1.2"), "another frame of reference"),
    ("KO", "an image of another study", _elsewhere, "it refers to 1.2.3.4, which is no image of the findings"),
    ("SR", "another lesion's segment", _other_segment, "lesion 1 points at segment 2, which is lesion 2"),
    ("SR", "a volume", _number("118565006", "1234.5"), r"gives lesion 1 1234\.5 mm3"),
    ("SR", "a diameter", _number("103339001", "40"), r"gives lesion 1 a long axis of 40\.0 mm"),
    ("SR", "a candidate's centre", _centre_moved, "rejected candidate 1 is drawn"),
    ("SR", "a lesion left out", _group_lost, "lesion 1 has 0 measurement groups"),
    ("PM_1", "moved", p.move_frames(lambda ds: 0.5 * p.axes(ds)[1]), "the dose of session 1 lie up to 0.50 voxels off"),
    ("PM_1", "moved by points", _map_rolled, "as a whole it is off by"),
    ("PM_2", "values", _map_values, "dose of session 2 differs by up to"),
    ("PM_1", "another session's", p.each(lambda ds: [ds], InstanceNumber=2), "dose of session 2 differs"),
    ("PM_PROBABILITY", "one slice on", p.move_frames(_slice_mm), "the map of probability differs by up to 0.93 of"),
    ("PM_PROBABILITY", "half as likely", _half_as_likely, "the map of probability differs by up to 0.465"),
    ("RTDOSE_1", "moved", _dose_moved, "dose of session 1"),
    ("RTDOSE_2", "scaled", p.each(lambda ds: [ds], DoseGridScaling="0.00001"), "dose of session 2 differs by up to"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "spoil", "words"), [(n, s, w) for n, _, s, w in PLANTED], ids=[f"{n} {what}" for n, what, _, _ in PLANTED]
)
def test_a_planted_fault_is_caught_and_told(
    files: dict[str, bytes], found: Findings, name: str, spoil: p.Spoil, words: str
) -> None:
    said = faults_of(files, found, name, spoil)
    assert any(re.search(words, sentence, re.IGNORECASE) for sentence in said), said
    assert not any("cannot be decoded" in sentence for sentence in said), said


def test_a_report_that_points_at_a_segmentation_that_is_not_sent_is_told(
    files: dict[str, bytes], found: Findings
) -> None:
    said = prove([data for name, data in files.items() if name != "SEG"], found)
    uid = dcmread(BytesIO(files["SEG"])).SOPInstanceUID
    (words,) = {fault.words for fault in said}
    assert words == f"It refers to {uid}, which is no image of the findings and no object of this set."


def test_bytes_that_are_no_object_or_a_part_of_one_are_a_fault_and_no_exception(
    files: dict[str, bytes], found: Findings
) -> None:
    assert [f.sop_instance_uid for f in prove([b"no DICOM", b""], found)] == ["", ""]
    uid = str(dcmread(BytesIO(files["SEG"])).SOPInstanceUID)
    for cut in (500, len(files["SEG"]) // 2, len(files["SEG"]) - 40):
        said = prove([files["SEG"][:cut]], found)
        assert {f.sop_instance_uid for f in said} == {uid}
    assert prove([p.spoiled(files["SEG"], lambda ds: delattr(ds, "SegmentSequence"))], found)


def test_a_kind_of_object_that_nothing_can_prove_is_a_fault(files: dict[str, bytes], found: Findings) -> None:
    def plan(ds: Dataset) -> None:
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.481.5"

    (fault,) = prove([p.spoiled(files["RTDOSE_1"], plan), files["RTSTRUCT"]], found)
    assert "Nothing here can prove an object of this kind" in fault.words


def test_a_source_image_that_is_gone_is_told_of_every_object(files: dict[str, bytes], found: Findings) -> None:
    gone = replace(found.frames[3], path=found.frames[3].path.with_name("gone.dcm"))
    said = prove(list(files.values()), replace(found, frames=(*found.frames[:3], gone, *found.frames[4:])))
    assert len(said) == len(files)
    assert {f.words for f in said} == {
        f"Source image {gone.sop_instance_uid} is no longer there, so nothing can be compared with it; "
        "send the study again."
    }


MIRRORED = np.diag([1.0, 1.0, -1.0, 1.0])
SWAPPED = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: np.diag([-1.0, -1.0, 1.0, 1.0]) @ a, "an axis is swapped or negated"),
        (lambda a: a @ MIRRORED, "an axis is swapped or negated"),
        (lambda a: a @ SWAPPED, "an axis is swapped or negated"),
        (lambda a: np.c_[a[:, :3], a[:, 3] + a[:, 0]], "slice 1 of the labels is off its image by"),
        (lambda a: a * [1.05, 1, 1, 1], r"slice \d+ of the labels is off its image by"),
        (lambda a: a * [1, 1.05, 1, 1], "slice 1 of the labels has other pixels than its image"),
    ],
    ids=["RAS for LPS", "mirrored", "swapped axes", "one slice on", "slice spacing", "row spacing"],
)
def test_labels_that_do_not_lie_on_their_images_make_every_object_wrong(
    files: dict[str, bytes], found: Findings, change: object, words: str
) -> None:
    assert found.labels is not None
    moved = type(found.labels)(
        found.labels.array,
        change(np.asarray(found.labels.affine)),  # type: ignore[operator]
        "PATIENT",
        frame_of_reference_uid=found.labels.frame_of_reference_uid,
    )
    said = prove(list(files.values()), replace(found, labels=moved))
    wrong = {f.sop_instance_uid for f in said if re.search(words, f.words, re.IGNORECASE)}
    assert len(wrong) == len(files), said


def test_a_centre_or_volume_that_its_voxels_do_not_bear_out_is_told(files: dict[str, bytes], found: Findings) -> None:
    first, second = found.lesions
    wrong = replace(first, centroid_mm=tuple(v + 2 for v in first.centroid_mm)), replace(second, volume_mm3=1.0)
    said = {f.words for f in prove([files["RTSTRUCT"]], replace(found, lesions=wrong))}
    assert any(s.startswith("The centre that is told of lesion 1 is off its voxels by") for s in said)
    assert any(s.startswith("Lesion 2 is told to have 1.0 mm3") for s in said)


def test_no_sentence_quotes_a_patient_or_what_people_typed(files: dict[str, bytes], found: Findings) -> None:
    wrong = {name: p.spoiled(data, p.each(lambda ds: [ds], PatientID="somebody")) for name, data in files.items()}
    said: tuple[Fault, ...] = prove(list(wrong.values()), found)
    assert len(said) >= len(files)
    for word in ("somebody", "LAN 0042", "Müller", *(n.label for n in found.lesions)):
        assert not any(word in fault.words for fault in said)
