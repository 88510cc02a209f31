from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import Comprehensive3DSRStorage, ComprehensiveSRStorage

from node.gate import judge
from pipeline.core.forms import DEFAULT_FORM, Coordinates, Form, Holes, Segments
from pipeline.core.result import Kind
from pipeline.encode import Encoded, Part, encode, to_bytes
from pipeline.findings import Findings
from tests.support.findings import STAMP, Grid
from tests.support.forms import (
    FORMS,
    GRID,
    LEFT_OUT,
    SEG_FORMS,
    items,
    labels_of_image_regions,
    labels_of_segmentations,
    labels_of_structure_sets,
    read_back,
    referenced,
    small_findings,
)
from tests.support.peers import run_tool

DCIODVFY, DCENTVFY, DSRDUMP = "/usr/bin/dciodvfy", "/usr/bin/dcentvfy", "/usr/bin/dsrdump"

UNKNOWN_TO_DCIODVFY = (
    "Unrecognized enumerated value <CLOSEDPLANAR_XOR>",
    "Shall not be present for Referenced SOP Class that is not segmentation - attribute <ReferencedSegmentNumber>",
)
"""Its 2022 edition is older than contours of that type (PS3.3 C.8.8.6.3) and than Label Map Segmentation Storage, which
it takes for an unknown object and a report that names a segment of one for wrong. So does dsrdump (DCMTK 3.6.7), which
reads such a report only when told to go on after an item that it does not understand."""


@dataclass(frozen=True)
class Made:
    """All that was made of the same findings, by form."""

    findings: Findings
    by_form: dict[Form, dict[str, tuple[Encoded, bytes]]]
    paths: dict[str, Path]

    def each(self) -> Iterator[tuple[Form, Encoded, bytes]]:
        for form, objects in self.by_form.items():
            for encoded, data in objects.values():
                yield form, encoded, data

    def of(self, form: Form, kind: Kind) -> list[bytes]:
        return [data for e, data in self.by_form[form].values() if e.kind is kind and e.part is not Part.REJECTED_SEG]

    def sr(self, form: Form) -> Dataset:
        (data,) = self.of(form, Kind.SR)
        return read_back(data)


SCENES = {
    "oblique": (GRID, False, (*FORMS, *LEFT_OUT)),
    "axial": (Grid((10, 26, 24)), False, SEG_FORMS),
    "enhanced": (GRID, True, tuple(replace(form, coordinates=Coordinates.IMAGE) for form in SEG_FORMS)),
}


@pytest.fixture(scope="module", params=SCENES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    grid, enhanced, forms = SCENES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    findings = small_findings(folder / "images", grid, enhanced=enhanced)
    made = Made(findings, {}, {})
    for form in forms:
        objects = encode(findings, replace(STAMP, form=form))
        made.by_form[form] = {e.name: (e, to_bytes(e.dataset)) for e in objects}
        assert len(made.by_form[form]) == len(objects)
    for _, encoded, data in made.each():
        path = folder / f"{encoded.dataset.SOPInstanceUID}.dcm"
        path.write_bytes(data)
        made.paths[str(encoded.dataset.SOPInstanceUID)] = path
    return made


def errors(tool: str, *paths: Path) -> list[str]:
    done = run_tool(tool, *paths)
    said = (done.stdout + done.stderr).splitlines()
    return [line for line in said if line.startswith("Error") and not any(w in line for w in UNKNOWN_TO_DCIODVFY)]


@pytest.mark.real("dicom3tools")
def test_dciodvfy_and_dcentvfy_find_no_errors_in_any_form(made: Made) -> None:
    labelmaps = {str(e.dataset.SOPInstanceUID) for _, e, _ in made.each() if e.dataset.get("BitsAllocated") == 8}
    assert labelmaps
    for uid, path in made.paths.items():
        if uid not in labelmaps:
            assert errors(DCIODVFY, path) == []
    assert errors(DCENTVFY, *{f.path for f in made.findings.frames}, *made.paths.values()) == []


@pytest.mark.real("dcmtk")
def test_dsrdump_reads_every_report(made: Made) -> None:
    reports = {str(e.dataset.SOPInstanceUID): form for form, e, _ in made.each() if e.kind is Kind.SR}
    for uid, form in reports.items():
        more = ["-Ee"] if form.segments is Segments.LABELMAP else []
        done = run_tool(DSRDUMP, "+Pl", *more, made.paths[uid])
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("Measurement Group") == made.findings.count


def test_equal_uids_are_equal_bytes_in_all_forms(made: Made) -> None:
    by_uid: dict[str, bytes] = {}
    for _, encoded, data in made.each():
        assert by_uid.setdefault(str(encoded.dataset.SOPInstanceUID), data) == data
    assert len(by_uid) == len(set(by_uid.values()))


def test_forms_that_do_not_concern_an_object_give_the_same_object(made: Made) -> None:
    uids: dict[Part, dict[str, set[str]]] = {}
    for form, encoded, _ in made.each():
        parts = uids.setdefault(encoded.part, {})
        parts.setdefault(form.token(encoded.kind), set()).add(str(encoded.dataset.SOPInstanceUID))
    for part, by_token in uids.items():
        alone = [len(found) for token, found in by_token.items() if "per lesion" not in token or part is Part.SR]
        assert set(alone) == {1}


def test_highdicom_gives_back_the_mask_of_every_segmentation(made: Made) -> None:
    labels = made.findings.labels
    assert labels is not None
    for form in made.by_form:
        segs = made.of(form, Kind.SEG)
        assert len(segs) == (0 if Kind.SEG in form.left_out else 3 if form.per_lesion else 1)
        if segs:
            assert np.array_equal(labels_of_segmentations(segs, made.findings), labels.array)


def test_segmentations_have_the_frames_and_the_type_of_their_form(made: Made) -> None:
    slices = len(made.findings.frames)
    for form in SEG_FORMS:
        found = next(f for f in made.by_form if (f.segments, f.all_frames, f.per_lesion) == (
            form.segments, form.all_frames, form.per_lesion))  # fmt: skip
        for seg in map(read_back, made.of(found, Kind.SEG)):
            is_labelmap = form.segments is Segments.LABELMAP
            assert seg.SegmentationType == form.segments.value.upper()
            assert seg.file_meta.TransferSyntaxUID.is_compressed == is_labelmap
            segments = 1 if form.per_lesion else 3
            assert len(seg.SegmentSequence) == segments + is_labelmap
            if form.all_frames:
                assert seg.NumberOfFrames == slices * (1 if is_labelmap else segments)
            else:
                assert seg.NumberOfFrames < slices * segments


def test_every_measurement_group_points_at_the_segment_of_its_own_lesion(made: Made) -> None:
    segments: dict[tuple[str, int], str] = {}
    for _, encoded, data in made.each():
        if encoded.part is Part.SEG:
            seg = read_back(data)
            for item in seg.SegmentSequence:
                segments[seg.SOPInstanceUID, item.SegmentNumber] = str(item.get("TrackingUID"))
    for form in made.by_form:
        if form.coordinates is Coordinates.IMAGE or {Kind.SEG, Kind.SR} & form.left_out:
            continue
        groups = 0
        for group in items(made.sr(form)):
            if group.ConceptNameCodeSequence[0].CodeMeaning == "Measurement Group":
                groups += 1
                names = {i.ConceptNameCodeSequence[0].CodeMeaning: i for i in group.ContentSequence}
                named = names["Referenced Segment"].ReferencedSOPSequence[0]
                key = (named.ReferencedSOPInstanceUID, named.ReferencedSegmentNumber)
                assert segments[key] == names["Tracking Unique Identifier"].UID
        assert groups == made.findings.count


def test_outlines_in_pixels_are_the_masks_and_nothing_is_in_space(made: Made) -> None:
    labels = made.findings.labels
    assert labels is not None
    forms = [f for f in made.by_form if f.coordinates is Coordinates.IMAGE and Kind.SR not in f.left_out]
    for form in forms:
        sr = made.sr(form)
        assert sr.SOPClassUID == ComprehensiveSRStorage
        assert "SCOORD3D" not in {item.ValueType for item in items(sr)}
        assert np.array_equal(labels_of_image_regions(sr, made.findings), labels.array)


def test_the_gate_lets_every_form_pass(made: Made) -> None:
    for form in [*made.by_form][-6:]:  # of the oblique scene some that leave something out
        objects = made.by_form[form]
        judged = judge([encoded for encoded, _ in objects.values()], made.findings)
        assert [(j.fault, j.doubts) for j in judged] == [("", ())] * len(objects)


def test_nothing_refers_to_what_is_not_made(made: Made) -> None:
    images = {f.sop_instance_uid for f in made.findings.frames}
    for form, objects in made.by_form.items():
        kinds = {e.kind for e, _ in objects.values()}
        assert kinds == {Kind.SEG, Kind.RTSTRUCT, Kind.KO, Kind.SR} - form.left_out
        uids = {str(e.dataset.SOPInstanceUID) for e, _ in objects.values()}
        study = {str(e.dataset.StudyInstanceUID) for e, _ in objects.values()}
        for encoded, data in objects.values():
            named = referenced(read_back(data))
            assert named <= images | uids | study
            if encoded.kind is Kind.SR:
                assert uids - {str(encoded.dataset.SOPInstanceUID)} <= named


def test_the_report_says_what_is_not_made_for_a_destination(made: Made) -> None:
    for form in made.by_form:
        if Kind.SR in form.left_out:
            continue
        said = " ".join(str(i.TextValue) for i in items(made.sr(form)) if i.ValueType == "TEXT")
        assert ("Not made for this destination" in said) == bool(form.left_out)
        assert ("Segmentation, RT Structure Set." in said) == ({Kind.SEG, Kind.RTSTRUCT} <= form.left_out)


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize("made", ["oblique"], indirect=True)
def test_the_gate_and_dciodvfy_take_xor_contours(made: Made) -> None:
    objects = made.by_form[replace(DEFAULT_FORM, holes=Holes.XOR)]
    judged = judge([encoded for encoded, _ in objects.values()], made.findings, dciodvfy=DCIODVFY)
    assert [(j.fault, j.doubts) for j in judged] == [("", ())] * len(objects)


@pytest.mark.parametrize("made", ["oblique"], indirect=True)
def test_contours_of_every_form_enclose_the_mask(made: Made) -> None:
    labels = made.findings.labels
    assert labels is not None
    for form in FORMS:
        sets = [read_back(data) for data in made.of(form, Kind.RTSTRUCT)]
        assert len(sets) == (3 if form.per_lesion else 1)
        assert len({ds.StructureSetLabel for ds in sets}) == len(sets)
        assert np.array_equal(labels_of_structure_sets(sets, made.findings), labels.array)
        types = {r.ReferencedROINumber: {c.ContourGeometricType for c in r.ContourSequence}
                 for ds in sets for r in ds.ROIContourSequence}  # fmt: skip
        holed = {"CLOSEDPLANAR_XOR"} if form.holes.value == "xor" else {"CLOSED_PLANAR"}
        assert types == {1: {"CLOSED_PLANAR"}, 2: holed, 3: {"CLOSED_PLANAR"}}


@pytest.mark.parametrize("made", ["oblique"], indirect=True)
def test_without_a_segmentation_outlines_in_space_are_those_of_the_structure_set(made: Made) -> None:
    form = Form(left_out=frozenset({Kind.SEG}))
    sr = made.sr(form)
    assert sr.SOPClassUID == Comprehensive3DSRStorage
    (structures,) = map(read_back, made.of(form, Kind.RTSTRUCT))
    for roi, group in zip(
        structures.ROIContourSequence,
        (i for i in items(sr) if i.ConceptNameCodeSequence[0].CodeMeaning == "Measurement Group"),
        strict=True,
    ):
        drawn = [np.array(i.GraphicData).reshape(-1, 3) for i in group.ContentSequence if i.ValueType == "SCOORD3D"]
        assert [len(polygon) - 1 for polygon in drawn] == [c.NumberOfContourPoints for c in roi.ContourSequence]
        for polygon, contour in zip(drawn, roi.ContourSequence, strict=True):
            points = np.array([float(v) for v in contour.ContourData]).reshape(-1, 3)
            assert np.abs(polygon[:-1] - points).max() < 1e-4
            assert (polygon[0] == polygon[-1]).all()


@pytest.mark.parametrize("made", ["oblique"], indirect=True)
def test_the_default_form_is_what_is_made_when_nobody_asks(made: Made) -> None:
    asked = {name: data for name, (_, data) in made.by_form[DEFAULT_FORM].items()}
    assert asked == {e.name: to_bytes(e.dataset) for e in encode(made.findings, STAMP)}
    assert asked.keys() == {"SEG", "RTSTRUCT", "SEG_REJECTED", "KO", "SR"}
