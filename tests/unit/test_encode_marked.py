"""Marks on mammograms as DICOM objects: what stands in them, where, and what never does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.sr.coding import Code
from pydicom.uid import MammographyCADSRStorage

from pipeline.core.errors import HeaderUnusable, NotFound, OurFault
from pipeline.core.result import Kind as ObjectKind
from pipeline.encode import Encoded, Part, encode, to_bytes
from pipeline.encode.codes import code_item
from pipeline.encode.mammo.source import drawn_px, read_marked_source
from pipeline.findings import Reason, Verdict
from pipeline.marks import Attempt, Composite, Kind, Laterality, Mark, MarkedStudy, Outcome, Shown, View
from tests.support.findings import STAMP
from tests.support.mammograms import ROLES, mark, marked, unmarked, write_study, write_view

PRECISION_PX = 5e-4
"""Half a step of a 32-bit float at 8192 pixels."""


@pytest.fixture(scope="module")
def views(tmp_path_factory: pytest.TempPathFactory) -> tuple[View, ...]:
    return write_study(tmp_path_factory.mktemp("views"))


@pytest.fixture(scope="module")
def made(views: tuple[View, ...]) -> tuple[Encoded, ...]:
    return encode(marked(views), STAMP)


def _of(made: tuple[Encoded, ...], part: Part) -> list[Dataset]:
    """As they are read from their files."""
    return [dcmread(BytesIO(to_bytes(e.dataset))) for e in made if e.part is part]


def _walk(ds: Dataset) -> Iterator[Dataset]:
    for item in ds.get("ContentSequence") or []:
        yield item
        yield from _walk(item)


def _named(ds: Dataset, name: str) -> list[Dataset]:
    return [i for i in _walk(ds) if i.get("ConceptNameCodeSequence") and i.ConceptNameCodeSequence[0].CodeValue == name]


def _texts(ds: Dataset) -> str:
    return "\n".join(str(i.TextValue) for i in _walk(ds) if "TextValue" in i)


def _points(values: list[float]) -> np.ndarray:
    return np.array(values, float).reshape(-1, 2)


def test_the_objects_of_a_run_are_a_cad_sr_an_overlay_for_each_view_with_a_mark_pages_and_the_report(
    made: tuple[Encoded, ...],
) -> None:
    assert [e.name for e in made] == ["CADSR", "GSPS_1", "GSPS_2", "GSPS_3", "SC_1", "KO", "SR"]
    assert {e.kind for e in made} == {ObjectKind.CAD_SR, ObjectKind.GSPS, ObjectKind.SC, ObjectKind.KO, ObjectKind.SR}
    assert [e.dataset.Modality for e in made] == ["SR", "PR", "PR", "PR", "OT", "KO", "SR"]
    assert [e.dataset.SeriesNumber for e in made] == [90033, 90034, 90034, 90034, 90038, 90032, 90031]
    assert len({e.dataset.SeriesInstanceUID for e in made}) == 5


def test_equal_marks_make_equal_bytes(views: tuple[View, ...], made: tuple[Encoded, ...]) -> None:
    again = encode(marked(views), STAMP)
    assert [to_bytes(e.dataset) for e in again] == [to_bytes(e.dataset) for e in made]


def test_patient_and_study_are_those_of_the_images(views: tuple[View, ...], made: tuple[Encoded, ...]) -> None:
    image = dcmread(views[0].path)
    for e in made:
        for keyword in ("PatientID", "PatientName", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "StudyID"):
            assert e.dataset[keyword] == image[keyword]


@pytest.mark.parametrize("count", [0, 3])
def test_every_object_says_research_model_version_and_tier(views: tuple[View, ...], count: int) -> None:
    study = marked(views) if count else unmarked(views)
    for e in encode(study, STAMP):
        assert "RESEARCH USE ONLY" in e.dataset.SeriesDescription
        assert e.dataset.ManufacturerModelName == "mammography"
        assert "mammography 0.2.0+abcdef" in e.dataset.SoftwareVersions
        said = str(e.dataset.ContributingEquipmentSequence[-1].ContributionDescription)
        assert said.startswith("RESEARCH USE ONLY")
        assert "Evidence tier T2" in said
    for part in (Part.CAD_SR, Part.SR):
        (ds,) = _of(encode(study, STAMP), part)
        assert "RESEARCH USE ONLY - not a medical device" in _texts(ds)
        assert "Evidence tier T2: tried on real images with expert labels" in _texts(ds)


@settings(deadline=None, max_examples=25)
@given(
    columns=st.integers(64, 8000),
    rows=st.integers(64, 8000),
    role=st.sampled_from(ROLES),
    at=st.tuples(st.floats(0.05, 0.95), st.floats(0.05, 0.95)),
    size=st.floats(1.5, 30),
    corners=st.integers(3, 40),
)
def test_coordinates_survive_to_the_files_within_a_rounding(
    tmp_path_factory: pytest.TempPathFactory, columns: int, rows: int, role: str, at: tuple[float, float], size: float,
    corners: int,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("one")
    view = write_view(folder, role, Rows=rows, Columns=columns, PixelData=None)
    center = (at[0] * columns, at[1] * rows)
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    reach = min(size, *center, columns - center[0], rows - center[1])
    outline = tuple((center[0] + reach * float(np.cos(a)), center[1] + reach * float(np.sin(a))) for a in angles)
    study = _alone((view,), mark(1, role, center=center, outline_px=outline))
    made = encode(study, STAMP)
    (cad,), (report,), (overlay,) = (_of(made, part) for part in (Part.CAD_SR, Part.SR, Part.OVERLAY))
    closed = _points([v for point in (*outline, outline[0]) for v in point])
    (found,), (drawn,), (region,) = _named(cad, "111010"), _named(cad, "111041"), _named(report, "111030")
    graphic = overlay.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    assert np.abs(_points(found.GraphicData) - center).max() < PRECISION_PX
    for data in (drawn.GraphicData, region.GraphicData, graphic.GraphicData):
        assert np.abs(_points(data) - closed).max() < PRECISION_PX
    assert graphic.GraphicAnnotationUnits == "PIXEL"


def _alone(views: tuple[View, ...], *marks: Mark, **more: object) -> MarkedStudy:
    roles = tuple(v.role for v in views)
    attempts = tuple(Attempt(kind, Outcome.SUCCEEDED, roles) for kind in Kind)
    return unmarked(views, marks=marks, attempts=attempts, heat={}, **more)


def test_each_mark_is_on_its_own_image_in_every_object(views: tuple[View, ...], made: tuple[Encoded, ...]) -> None:
    by_role = {v.role: v.sop_instance_uid for v in views}
    (cad,), (report,) = _of(made, Part.CAD_SR), _of(made, Part.SR)
    library = _named(cad, "111028")[0].ContentSequence
    for center in _named(cad, "111010"):
        root, box, number = center.ContentSequence[0].ReferencedContentItemIdentifier
        assert (root, box) == (1, 2)
        uid = library[number - 1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        wanted = next(m for m in (*marked(views).marks, *marked(views).rejected)
                      if np.allclose(m.center_px, center.GraphicData, atol=1e-3))  # fmt: skip
        assert uid == by_role[wanted.role]
    regions = _named(report, "111030")
    shown = [r.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID for r in regions]
    assert shown == [by_role[m.role] for m in marked(views).marks]
    overlays = _of(made, Part.OVERLAY)
    for ds, role in zip(overlays, ("R-CC", "R-MLO", "L-MLO"), strict=True):
        (image,) = ds.ReferencedSeriesSequence[0].ReferencedImageSequence
        assert image.ReferencedSOPInstanceUID == by_role[role]


def test_tracking_uids_are_the_same_in_all_objects(views: tuple[View, ...], made: tuple[Encoded, ...]) -> None:
    uids = {m.tracking_uid for m in marked(views).marks}
    (cad,), (report,) = _of(made, Part.CAD_SR), _of(made, Part.SR)
    said = {t.removeprefix("tracking_uid=") for t in _texts(cad).splitlines() if t.startswith("tracking_uid=")}
    assert uids <= said
    assert uids <= {i.UID for i in _named(report, "112040")}
    assert uids == {
        g.TrackingUID for ds in _of(made, Part.OVERLAY) for g in ds.GraphicAnnotationSequence[0].GraphicObjectSequence
    }


def test_a_composite_is_one_feature_of_two_findings(made: tuple[Encoded, ...]) -> None:
    (cad,) = _of(made, Part.CAD_SR)
    (feature,) = _named(cad, "111015")
    assert feature.ConceptCodeSequence[0].CodeMeaning == "Mammographic breast mass"
    inside = [i for i in feature.ContentSequence if i.RelationshipType == "INFERRED FROM"]
    assert len(inside) == 2
    assert len(_named(cad, "111059")) == 4  # two of the composite, one alone, one rejected
    (report,) = _of(made, Part.SR)
    (group,) = [g for g in _named(report, "125007") if len(_named(g, "COMPOSITE_OF")) == 2]
    assert _named(group, "121071")[0].ConceptCodeSequence[0].CodeMeaning == "Mammographic breast mass"


def test_rejected_marks_are_optional_to_present_and_no_finding_of_the_report(made: tuple[Encoded, ...]) -> None:
    (cad,), (report,) = _of(made, Part.CAD_SR), _of(made, Part.SR)
    intents = [i.ConceptCodeSequence[0].CodeValue for i in _named(cad, "111056")]
    assert intents.count("111151") == 2  # of the impression and of its finding
    assert intents.count("111150") == 6  # two impressions, one feature, three findings
    assert len(_named(report, "121071")) == 4  # Finding: three marks and a composite
    (box,) = _named(report, "REJECTED_ALL")
    assert "lies on the skin" in _texts(box)


SLENDER = Reason("slenderness", 0.9, "straighter in one direction, as vessels are", 0.4)
BELOW, DOWN = "below that from which marks are shown", "turned down as a false positive"


@pytest.mark.parametrize(
    ("score", "verdict", "said"),
    [
        (0.05, Verdict(0.9, 0.3, (SLENDER,)), {BELOW}),
        (0.99, Verdict(0.1, 0.3, (SLENDER,)), {DOWN, SLENDER.words}),
        (0.05, Verdict(0.1, 0.3, (SLENDER,)), {BELOW, DOWN, SLENDER.words}),
        (0.05, None, {BELOW}),
        (0.99, Verdict(0.9, 0.3, (SLENDER,), barred="lies on the skin"), {"lies on the skin", SLENDER.words}),
    ],
)
def test_a_rejected_mark_says_why_and_nothing_that_was_no_reason(
    views: tuple[View, ...], score: float, verdict: Verdict | None, said: set[str]
) -> None:
    one = mark(1, "L-CC", label="C1", score=score, verdict=verdict)
    made = encode(replace(unmarked(views), rejected=(one,), threshold=0.3), STAMP)
    (cad,), (report,) = _of(made, Part.CAD_SR), _of(made, Part.SR)
    (box,) = _named(report, "REJECTED_ALL")
    (line,) = [t for t in _texts(cad).splitlines() if "Not counted as a finding" in t]
    for text in (_texts(box), line):
        assert {words for words in (BELOW, DOWN, SLENDER.words, "lies on the skin") if words in text} == said


@pytest.mark.parametrize("score", [0.0, 0.0049, 0.631, 1.0])
def test_scores_are_percent_and_never_certain(views: tuple[View, ...], score: float) -> None:
    study = _alone(views, mark(1, "R-CC", score=score))
    (cad,), (report,) = (_of(encode(study, STAMP), part) for part in (Part.CAD_SR, Part.SR))
    for ds in (cad, report):
        (certain,) = _named(ds, "111012")
        measured = certain.MeasuredValueSequence[0]
        assert float(measured.NumericValue) == pytest.approx(min(100 * score, 99), abs=0.051)
        assert measured.MeasurementUnitsCodeSequence[0].CodeValue == "%"


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_is_a_bi_rads_assessment_or_a_probability_of_cancer(views: tuple[View, ...], count: int) -> None:
    made = encode(marked(views) if count else unmarked(views), STAMP)
    categories = {"397138000", "397140005", "397141009", "397143007", "397144001", "397145000", "6111009"}
    for part in (Part.CAD_SR, Part.SR):
        (ds,) = _of(made, part)
        assert not _named(ds, "111005") + _named(ds, "111047") + _named(ds, "111053")
        assert not [i for i in _walk(ds) if "ConceptCodeSequence" in i
                    and i.ConceptCodeSequence[0].CodeValue in categories]  # fmt: skip
        assert "nor a BI-RADS assessment" in _texts(ds)


def test_density_is_coded_and_called_an_estimate(made: tuple[Encoded, ...]) -> None:
    (report,), (cad,) = _of(made, Part.SR), _of(made, Part.CAD_SR)
    found = [i.ConceptCodeSequence[0].CodeMeaning for i in _named(report, "129715009")]
    assert found == ["Heterogeneously dense", "Scattered fibroglandular densities"]
    how = [i.ContentSequence[0] for i in _named(report, "129715009")]
    assert [(i.RelationshipType, i.ConceptCodeSequence[0].CodeMeaning) for i in how] == [
        ("HAS CONCEPT MOD", "Estimated")
    ] * 2
    shares = [float(i.MeasuredValueSequence[0].NumericValue) for i in _named(report, "111046")]
    assert shares == [34.0, 18.3]
    for ds in (report, cad):
        assert "a measured, non-clinical estimate" in _texts(ds)


def test_quality_is_coded_and_points_at_its_image(views: tuple[View, ...], made: tuple[Encoded, ...]) -> None:
    (report,) = _of(made, Part.SR)
    groups = [g for g in _named(report, "125007") if _named(g, "111052")]
    assert [_named(g, "111052")[0].ConceptCodeSequence[0].CodeValue for g in groups] == ["111210", "MISSING_VIEW"]
    (image,) = [i for i in groups[0].ContentSequence if i.ValueType == "IMAGE"]
    assert image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == views[1].sop_instance_uid
    assert not [i for i in groups[1].ContentSequence if i.ValueType == "IMAGE"]
    assert "Edges are blurred over 0.4 mm." in _texts(report)


def test_what_failed_and_what_was_not_attempted_is_said_with_the_reason(made: tuple[Encoded, ...]) -> None:
    (cad,), (report,) = _of(made, Part.CAD_SR), _of(made, Part.SR)
    for ds in (cad, report):
        assert "Detection of cluster of calcifications, R-CC: failed: out of memory." in _texts(ds)
        assert "Detection of architectural distortion, R-CC, L-CC, R-MLO, L-MLO: not attempted" in _texts(ds)
        assert "was not read: tomosynthesis slices are not read." in _texts(ds)
    assert _named(cad, "111017")[0].ConceptCodeSequence[0].CodeValue == "111244"
    assert _named(cad, "111064")[0].ConceptCodeSequence[0].CodeMeaning == "Partially Succeeded"
    assert _named(cad, "111065")[0].ConceptCodeSequence[0].CodeMeaning == "Succeeded"
    (failed,) = _named(cad, "111025")
    assert [i.ConceptCodeSequence[0].CodeMeaning for i in failed.ContentSequence] == ["Calcification Cluster"]
    performed = [i.ConceptCodeSequence[0].CodeMeaning for i in _named(cad, "111022")]
    assert "Architectural distortion of breast" not in performed


def test_no_finding_is_an_answer_and_makes_no_overlay(views: tuple[View, ...]) -> None:
    made = encode(unmarked(views), STAMP)
    assert [e.name for e in made] == ["CADSR", "SC_1", "SR"]
    (cad,), (report,) = _of(made, Part.CAD_SR), _of(made, Part.SR)
    for ds in (cad, report):
        assert _named(ds, "111017")[0].ConceptCodeSequence[0].CodeValue == "111241"
        assert "This does not exclude a cancer." in _texts(ds)
    assert not _named(cad, "111034") + _named(report, "121071")
    answers = [i for i in _walk(report) if "ConceptCodeSequence" in i
               and i.ConceptCodeSequence[0].CodeMeaning == "Not detected"]  # fmt: skip
    assert [i.ConceptNameCodeSequence[0].CodeMeaning for i in answers] == [
        "Mammographic breast mass",
        "Calcification Cluster",
    ]


def test_where_no_algorithm_succeeded_nothing_is_called_not_detected(views: tuple[View, ...]) -> None:
    failed = tuple(Attempt(kind, Outcome.FAILED, ROLES, "no memory") for kind in Kind)
    made = encode(unmarked(views, attempts=failed), STAMP)
    (cad,), (report,) = _of(made, Part.CAD_SR), _of(made, Part.SR)
    assert _named(cad, "111017")[0].ConceptCodeSequence[0].CodeValue == "111245"
    assert "260415000" not in str(report)


@pytest.mark.parametrize(("monochrome1", "shape"), [(False, "IDENTITY"), (True, "INVERSE")])
def test_an_overlay_shows_the_image_as_it_is(tmp_path: Path, monochrome1: bool, shape: str) -> None:
    view = write_view(tmp_path, "L-CC", monochrome1=monochrome1)
    (overlay,) = _of(encode(_alone((view,), mark(1, "L-CC")), STAMP), Part.OVERLAY)
    assert overlay.PresentationLUTShape == shape
    assert float(overlay.SoftcopyVOILUTSequence[0].WindowCenter) == 2048
    texts = [t.UnformattedTextValue for t in overlay.GraphicAnnotationSequence[0].TextObjectSequence]
    assert texts == ["RESEARCH USE ONLY - not a medical device", "M1 mass 63"]


def test_the_image_library_says_what_the_images_say(views: tuple[View, ...], made: tuple[Encoded, ...]) -> None:
    (cad,) = _of(made, Part.CAD_SR)
    entries = _named(cad, "111028")[0].ContentSequence
    assert [e.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for e in entries] == [v.sop_instance_uid for v in views]
    sides = [_named(e, "111027")[0].ConceptCodeSequence[0].CodeMeaning for e in entries]
    assert sides == ["Right breast", "Left breast", "Right breast", "Left breast"]
    seen = [_named(e, "111031")[0].ConceptCodeSequence[0].CodeMeaning for e in entries]
    assert seen == ["cranio-caudal", "cranio-caudal", "medio-lateral oblique", "medio-lateral oblique"]
    assert [_named(e, "111026")[0].MeasuredValueSequence[0].NumericValue for e in entries] == [0.1] * 4


def test_an_outline_at_the_edge_is_cut_back_to_the_image(views: tuple[View, ...]) -> None:
    edge = mark(1, "L-CC", center=(1.0, 1.0), outline_px=((-0.6, -0.2), (4.0, 0.0), (0.0, 5.0)))
    assert drawn_px(edge, views[1]) == ((0.0, 0.0), (4.0, 0.0), (0.0, 5.0), (0.0, 0.0))
    (cad,) = _of(encode(_alone(views, edge), STAMP), Part.CAD_SR)
    assert min(_named(cad, "111041")[0].GraphicData) == 0.0


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (mark(1, "R-CC", center=(64.5, 10.0)), "centre of M1 lies outside of R-CC"),
        (mark(1, "R-CC", outline_px=((1.0, 1.0), (70.0, 1.0), (1.0, 9.0))), "outline of M1 lies outside of R-CC"),
        (mark(1, "R-CC", outline_px=((1.0, 1.0), (7.0, 1.0))), "outline of M1 has 2 corners"),
        (mark(1, "R-LM"), "no view has that role"),
        (mark(2, "R-CC"), "have gaps"),
    ],
)
def test_marks_that_contradict_their_images_are_our_fault(views: tuple[View, ...], bad: Mark, said: str) -> None:
    with pytest.raises(OurFault, match=said):
        encode(_alone(views, bad), STAMP)


def test_composites_that_share_a_mark_are_our_fault(views: tuple[View, ...]) -> None:
    study = marked(views)
    twice = replace(study, composites=(*study.composites, Composite(2, "C2", Laterality.RIGHT, Kind.MASS, (2, 3), 0.5,
                                                                    "2.25.1")))  # fmt: skip
    with pytest.raises(OurFault, match="share marks"):
        encode(twice, STAMP)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"attempts": (Attempt(Kind.MASS, Outcome.FAILED, ROLES, "no memory"),)}, "no detection succeeded"),
        ({"composites": (Composite(1, "C1", Laterality.RIGHT, Kind.MASS, (1,), 0.5, "2.25.1"),)}, "not of two marks"),
        ({"composites": (Composite(1, "C1", Laterality.LEFT, Kind.MASS, (1, 2), 0.5, "2.25.1"),)}, "of its breast"),
        ({"composites": (Composite(1, "C1", Laterality.LEFT, Kind.MASS, (3, 9), 0.5, "2.25.1"),)}, "not there"),
        ({"views": ()}, "marks without views"),
    ],
)
def test_a_study_that_contradicts_itself_is_our_fault(
    views: tuple[View, ...], changed: dict[str, object], said: str
) -> None:
    with pytest.raises(OurFault, match=said):
        encode(replace(marked(views), **changed), STAMP)


def test_older_codes_of_view_modifiers_stand_in_sct_and_unknown_ones_as_they_were_sent(tmp_path: Path) -> None:
    view = write_view(tmp_path, "R-MLO")
    ds = dcmread(view.path)
    sent = [Code("R-102D6", "SNM3", "Magnification"), Code("X1", "99UNIT", "Own")]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = [code_item(code) for code in sent]
    ds.save_as(view.path)
    (cad,) = _of(encode(_alone((view,)), STAMP), Part.CAD_SR)
    found = [i.ConceptCodeSequence[0] for i in _named(cad, "111032")]
    assert [(c.CodeValue, c.CodingSchemeDesignator) for c in found] == [("399163009", "SCT"), ("X1", "99UNIT")]


def test_an_image_that_is_gone_or_another_is_named(tmp_path: Path) -> None:
    here = write_study(tmp_path, ("R-CC", "L-CC"))
    with pytest.raises(HeaderUnusable, match="is not of 96 x 65 pixels"):
        read_marked_source(_alone((replace(here[0], columns=65),)))
    with pytest.raises(OurFault, match="holds another image"):
        read_marked_source(_alone((replace(here[0], path=here[1].path),)))
    here[1].path.unlink()
    with pytest.raises(NotFound, match="no longer there"):
        encode(_alone(here), STAMP)


def test_pages_that_cannot_be_drawn_cost_no_results(tmp_path: Path) -> None:
    view = write_view(tmp_path, "R-MLO", PixelData=None)
    made = encode(_alone((view,), mark(1, "R-MLO")), STAMP)
    assert [e.name for e in made] == ["CADSR", "GSPS_1", "KO", "SR"]
    for part in (Part.CAD_SR, Part.SR):
        (ds,) = _of(made, part)
        assert "The summary page could not be drawn" in _texts(ds)


def test_a_cad_report_names_those_that_it_supersedes_and_all_objects_their_revision(views: tuple[View, ...]) -> None:
    cads = tuple((str(MammographyCADSRStorage), f"2.25.{n}", f"2.25.{n}0") for n in (1, 2))
    reports = tuple(("1.2.840.10008.5.1.4.1.1.88.33", f"2.25.{n}", f"2.25.{n}0") for n in (3, 4))
    stamp = replace(STAMP, supersedes=reports, cad_reports=cads)
    made = {e.name: e.dataset for e in encode(marked(views), stamp)}
    (before,) = made["CADSR"].PredecessorDocumentsSequence
    assert before.StudyInstanceUID == made["CADSR"].StudyInstanceUID
    named = [(s.SeriesInstanceUID, s.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
             for s in before.ReferencedSeriesSequence]  # fmt: skip
    assert named == [(series, uid) for _, uid, series in cads]
    of_reports = made["SR"].PredecessorDocumentsSequence[0].ReferencedSeriesSequence
    assert {s.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for s in of_reports} == {"2.25.3", "2.25.4"}
    assert all("rev 3" in ds.SeriesDescription for ds in made.values())
    first = {e.name: e.dataset for e in encode(marked(views), STAMP)}
    assert "PredecessorDocumentsSequence" not in first["CADSR"]
    assert not any("rev" in ds.SeriesDescription for ds in first.values())


def test_with_marks_every_imaging_measurement_has_a_place_and_the_others_stand_apart(
    views: tuple[View, ...], made: tuple[Encoded, ...]
) -> None:
    (report,) = _of(made, Part.SR)
    (drawn,), (apart,) = _named(report, "126010"), _named(report, "WITHOUT_PLACE")
    assert all([i for i in g.ContentSequence if i.ValueType == "SCOORD"] for g in drawn.ContentSequence)
    assert len(drawn.ContentSequence) == len(marked(views).marks)
    assert not _walk_has(apart, "SCOORD")
    assert {g.ConceptNameCodeSequence[0].CodeValue for g in apart.ContentSequence} == {"125007"}
    (without,) = _of(encode(unmarked(views), STAMP), Part.SR)
    assert not _named(without, "WITHOUT_PLACE")
    assert _named(without, "126010")[0].ContentSequence


def _walk_has(ds: Dataset, value_type: str) -> bool:
    return any(i.ValueType == value_type for i in _walk(ds))


@pytest.mark.parametrize("wanted", [set(), {Shown.CAD_SR}, {Shown.GSPS}, {Shown.PAGE}, set(Shown)])
def test_objects_that_are_not_wanted_are_not_made_and_the_report_always_is(views: tuple[View, ...], wanted: set[Shown]):
    made = encode(replace(marked(views), wanted=frozenset(wanted)), STAMP)
    part_of = {Part.CAD_SR: Shown.CAD_SR, Part.OVERLAY: Shown.GSPS, Part.PAGE: Shown.PAGE}
    assert {part_of[e.part] for e in made if e.part in part_of} == wanted
    assert made[-1].part is Part.SR
