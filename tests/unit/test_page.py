"""The summary to look at: what its pages say, what they draw, and what object they are."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from pipeline.core.errors import PixelsUnreadable
from pipeline.core.uid import is_ours
from pipeline.encode import Encoded, Part, encode, to_bytes
from pipeline.encode.page import Page, draw, pages
from pipeline.encode.page.flow import Flow, width, wrapped
from pipeline.encode.page.model import HEIGHT, MARGIN, WIDTH, Box, Course, Curve, Map, Outline, Picture, Text
from pipeline.encode.page.slices import slices_of
from pipeline.encode.proposal import colours
from pipeline.encode.source import read_source
from pipeline.findings import Findings, Origin
from pipeline.imaging.read import read_frame
from pipeline.sessions.case import Wishes
from tests.support.findings import (
    STAMP,
    Grid,
    planned,
    spheres,
    with_rejected,
    write_classic,
    write_enhanced,
)
from tests.support.followed import with_follow_up
from tests.support.pages import GRID, THICK, Writer, found, pages_of, said, texts_of


def objects(findings: Findings) -> list[Dataset]:
    return [dcmread(BytesIO(to_bytes(e.dataset))) for e in encode(findings, STAMP) if e.part is Part.PAGE]


def test_a_page_is_a_secondary_capture_in_the_study_of_its_images(tmp_path: Path) -> None:
    findings = planned(found(tmp_path), Wishes(sessions=2))
    made = objects(findings)
    image = dcmread(findings.frames[0].path)
    assert [int(ds.InstanceNumber) for ds in made] == [1, 2]
    assert len({ds.SOPInstanceUID for ds in made}) == 2
    for ds in made:
        assert ds.SOPClassUID == SecondaryCaptureImageStorage
        assert ds.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
        assert (ds.Modality, ds.ConversionType, ds.BurnedInAnnotation) == ("OT", "WSD", "YES")
        assert (ds.PhotometricInterpretation, ds.SamplesPerPixel, ds.PlanarConfiguration) == ("RGB", 3, 0)
        assert (ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation) == (8, 8, 7, 0)
        assert (ds.Rows, ds.Columns, ds.pixel_array.shape) == (HEIGHT, WIDTH, (HEIGHT, WIDTH, 3))
        assert (ds.StudyInstanceUID, ds.PatientID) == (image.StudyInstanceUID, image.PatientID)
        assert ds.SeriesInstanceUID == made[0].SeriesInstanceUID != image.SeriesInstanceUID
        assert is_ours(ds.SOPInstanceUID, ds.SeriesInstanceUID)
        assert "RESEARCH USE ONLY" in ds.SeriesDescription
        assert "NOT FOR TREATMENT" in ds.ImageComments


def test_the_report_has_pages_as_evidence(tmp_path: Path) -> None:
    made = encode(found(tmp_path), STAMP)
    page, report = (next(e.dataset for e in made if e.part is part) for part in (Part.PAGE, Part.SR))
    named = {str(e.value) for e in report.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    assert page.SOPInstanceUID in named


def test_equal_findings_make_the_same_bytes_whatever_a_user_has_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib

    findings = with_follow_up(planned(found(tmp_path), Wishes(sessions=2)))

    def made(each: tuple[Encoded, ...]) -> list[bytes]:
        return [to_bytes(e.dataset) for e in each if e.part is Part.PAGE]

    first = made(encode(findings, STAMP))
    assert len(first) == 3
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 30.0)
    monkeypatch.setitem(matplotlib.rcParams, "lines.linestyle", ":")
    assert made(encode(findings, STAMP)) == first


def test_every_lesion_is_in_the_table_with_its_numbers(tmp_path: Path) -> None:
    findings = planned(found(tmp_path), Wishes(sessions=2))
    assert findings.planned is not None
    (text,) = (said(page) for page in pages_of(findings)[:1])
    assert "RESEARCH USE ONLY - not a medical device" in text
    assert "srs 1.2.3, evidence tier T1. Lantern" in text
    assert "Evidence tier T1: tried on synthetic lesions in real images." in text
    assert "Lesions found: 3" in text
    assert "One duplicate image was left out." in text
    for lesion in findings.lesions:
        assert lesion.short_label in text
        assert f"{lesion.volume_mm3 / 1000:.2f}" in text
        assert f"{lesion.long_axis_mm:.1f} x {lesion.short_axis_mm:.1f} mm, prob. {lesion.probability:.0%}" in text
        assert f"session {findings.planned.session_of(lesion.short_label)[0]} of 2" in text
    assert "20 Gy in 1" in text


def test_a_probability_that_is_not_calibrated_says_so(tmp_path: Path) -> None:
    findings = found(tmp_path, 2)
    assert "not calibrated" not in said(pages_of(findings)[0])
    bare = tuple(replace(n, verdict=None) for n in findings.lesions)
    text = said(pages_of(replace(findings, lesions=bare))[0])
    assert f"{bare[0].probability:.0%} *" in text
    assert "* not calibrated" in text


def test_no_name_and_no_id_of_the_patient_is_drawn(tmp_path: Path) -> None:
    findings = with_follow_up(planned(found(tmp_path), Wishes(sessions=2)))
    image = dcmread(findings.frames[0].path)
    words = "\n".join(said(page) for page in pages_of(findings))
    for keyword in ("PatientID", "PatientBirthDate", "AccessionNumber", "InstitutionName"):
        assert str(image[keyword].value) not in words
    for part in ("Müller", "Muller", "Jürgen", "Jurgen"):
        assert part not in words


def test_rejected_candidates_and_outlines_of_people_are_told(tmp_path: Path) -> None:
    findings = with_rejected(found(tmp_path), GRID, spheres(GRID, ((5, 50, 50), 4.0), ((9, 50, 50), 3.0)))
    first = replace(findings.lesions[0], origin=Origin.MANUAL, probability=None)
    findings = replace(findings, lesions=(first, *findings.lesions[1:]))
    text = " ".join(pages_of(findings)[0].said)
    assert "Candidates that the false-positive step rejected: 2." in text
    assert "mm, by a person" in text
    assert f"Outlined by a person: {first.short_label}." in text


def test_without_a_lesion_the_page_says_that_this_excludes_none(tmp_path: Path) -> None:
    findings = found(tmp_path, 0)
    (page,) = pages_of(findings)
    assert "No lesion found by the algorithm" in page.said
    assert "This does not exclude a lesion." in page.said
    (picture,) = page.pictures
    assert np.array_equal(picture.image, read_frame(findings.frames[12]))


@pytest.mark.parametrize(
    ("grid", "write"),
    [(GRID, write_classic), (THICK, write_classic), (replace(GRID, orientation="sagittal"), write_classic),
     (GRID, write_enhanced)],
    ids=["axial", "thick", "sagittal", "enhanced"],
)  # fmt: skip
def test_each_lesion_is_outlined_in_its_colour_on_the_image_where_it_is_largest(
    tmp_path: Path, grid: Grid, write: Writer
) -> None:
    findings = planned(found(tmp_path, 3, grid, write), Wishes(sessions=2))
    assert findings.labels is not None
    labels, rgb = findings.labels.array, colours(findings)
    shown = {}
    for picture in pages_of(findings)[0].pictures:
        (main,) = (o for o in picture.outlines if o.thick)
        shown[main.rgb] = (picture, main)
    for lesion in findings.lesions:
        picture, outline = shown[rgb[lesion.number]]
        areas = (labels == lesion.number).sum(axis=(1, 2))
        at = int(areas.argmax())
        assert np.array_equal(picture.image, read_frame(findings.frames[at]))
        rows, columns = np.nonzero(labels[at] == lesion.number)
        (left, top), (right, bottom) = outline.points.min(axis=0), outline.points.max(axis=0)
        assert (left, right) == (columns.min() - 0.5, columns.max() + 0.5)
        assert (top, bottom) == (rows.min() - 0.5, rows.max() + 0.5)


def test_marks_and_aspect_are_those_of_the_patient(tmp_path: Path) -> None:
    axial = pages_of(found(tmp_path / "a"))[0].pictures[0]
    assert axial.marks == ("R", "L", "A", "P")
    sagittal = pages_of(found(tmp_path / "s", grid=replace(THICK, orientation="sagittal")))[0].pictures[0]
    assert sagittal.marks == ("A", "P", "H", "F")
    assert sagittal.aspect == pytest.approx(0.9 / 0.8)


def test_the_outline_is_drawn_where_the_lesion_is() -> None:
    square = np.array([(20, 30), (60, 30), (60, 50), (20, 50)], float)
    image = np.zeros((100, 100), np.float32)
    picture = Picture(Box(200, 300, 500, 500), image, 1.0, ("R", "L", "A", "P"), (Outline(square, (0, 255, 0)),))
    pixels = draw(Page((picture,))).astype(int)
    green = np.argwhere((pixels[..., 1] > 150) & (pixels[..., 0] < 80) & (pixels[..., 2] < 80))
    (top, left), (bottom, right) = green.min(axis=0), green.max(axis=0)
    expected = [300 + 30.5 * 5, 200 + 20.5 * 5, 300 + 50.5 * 5, 200 + 60.5 * 5]
    assert [top, left, bottom, right] == pytest.approx(expected, abs=2)


def test_bright_is_high_in_images_that_are_stored_inverted(tmp_path: Path) -> None:
    plain, inverted = (
        write_classic(tmp_path / kind, GRID, PhotometricInterpretation=kind) for kind in ("MONOCHROME2", "MONOCHROME1")
    )
    assert np.array_equal(read_frame(plain[3]), -read_frame(inverted[3]))


def test_an_image_that_does_not_decode_is_told_by_name(tmp_path: Path) -> None:
    ref = write_classic(tmp_path, GRID)[0]
    ref.path.write_bytes(ref.path.read_bytes()[:-4000])
    with pytest.raises(PixelsUnreadable, match=ref.sop_instance_uid):
        read_frame(ref)


def test_a_page_that_cannot_be_drawn_costs_no_results_and_the_report_says_why(tmp_path: Path) -> None:
    findings = found(tmp_path)
    for ref in findings.frames:
        ref.path.write_bytes(ref.path.read_bytes()[:-4000])
    *others, report = encode(findings, STAMP)
    assert [e.part for e in others] == [Part.SEG, Part.RTSTRUCT, Part.KEY_OBJECTS]
    words = texts_of(report)
    assert "The summary page could not be drawn (the pixels of image" in words
    assert str(tmp_path) not in words


def test_a_fault_in_drawing_is_told_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("matplotlib.rcParamsDefault", {"font.size": "of Müller"})
    *_, report = encode(found(tmp_path), STAMP)
    assert "The summary page could not be drawn (ValueError)" in texts_of(report)
    assert "no summary page: ValueError at" in caplog.text
    assert "Müller" not in caplog.text + texts_of(report)


def test_a_slice_that_was_interpolated_is_no_key_slice_where_another_shows_the_lesion(tmp_path: Path) -> None:
    findings = found(tmp_path, 1)
    frames = list(findings.frames)
    frames[4] = frames[3]  # the slice through the middle of the lesion
    findings = replace(findings, frames=tuple(frames))
    source = read_source(findings)
    assert [k for k, s in enumerate(slices_of(findings, source)) if not s.seen] == [4]
    text = " ".join(pages(findings, source, STAMP)[0].said)
    assert "image 5 of 24" not in text
    assert "interpolated" not in text


def test_the_page_of_the_plan_shows_sessions_doses_curve_and_reasons(tmp_path: Path) -> None:
    findings = planned(found(tmp_path, 4), Wishes(sessions=2))
    assert findings.planned is not None
    plan = findings.planned.plan
    page = pages_of(findings)[1]
    text = said(page)
    assert "Proposed treatment sessions: ESTIMATE - NOT FOR TREATMENT" in text
    for session in plan.sessions:
        assert f"Session {session.number}, day {session.day}: V12 {session.v12_ml:.1f} ml" in text
        assert ", ".join(session.lesions) in text
    assert {c.name for c in plan.compared} <= set(page.said)
    assert any(f"not in session {w.session}: " in line for w in plan.why for line in page.said)
    (curve,) = (b for b in page.blocks if isinstance(b, Curve))
    assert (curve.chosen, curve.most_ml, curve.warn_ml) == (2, 10.0, 5.0)
    assert [(c, v) for c, v, _ in curve.points] == [(o.sessions, o.v12_ml[0]) for o in plan.curve]
    for shown in (b for b in page.blocks if isinstance(b, Map)):
        assert {d.rgb for d in shown.discs} == set(colours(findings).values())
    for picture, gy in zip(page.pictures, findings.planned.maps_gy(), strict=True):
        assert picture.wash is not None
        assert picture.wash.gy.shape == picture.image.shape
        assert picture.wash.gy.max() == pytest.approx(gy.max(), rel=0.1)


def test_doses_lie_on_the_lesions_of_their_session_alone(tmp_path: Path) -> None:
    findings = planned(found(tmp_path, 2), Wishes(sessions=2), step_mm=1.0)
    assert findings.planned is not None
    assert findings.labels is not None
    by_name = {n.short_label: n.number for n in findings.lesions}
    for session, picture in zip(findings.planned.plan.sessions, pages_of(findings)[1].pictures, strict=True):
        assert picture.wash is not None
        row, column = np.unravel_index(int(picture.wash.gy.argmax()), picture.wash.gy.shape)
        at = next(k for k, f in enumerate(findings.frames) if np.array_equal(read_frame(f), picture.image))
        assert findings.labels.array[at, row, column] == by_name[session.lesions[0]]


def test_limits_that_are_exceeded_stand_out(tmp_path: Path) -> None:
    findings = planned(found(tmp_path, 4), Wishes(sessions=1), gy=dict.fromkeys(["BM01_L_CEREB"], (90.0, 1)))
    assert findings.planned is not None
    option = replace(findings.planned.plan.option, broken=("V12 of a session is too much.",))
    plan = replace(findings.planned.plan, curve=(option,))
    findings = replace(findings, planned=replace(findings.planned, plan=plan))
    (line,) = (b for b in pages_of(findings)[1].blocks if isinstance(b, Text) and "LIMIT EXCEEDED" in b.words)
    assert line.words == "LIMIT EXCEEDED: V12 of a session is too much."
    assert line.rgb[0] > 200 > line.rgb[1]


def test_an_excluded_lesion_is_named_as_such(tmp_path: Path) -> None:
    bare = found(tmp_path, 3)
    name = bare.lesions[2].short_label
    first, second = pages_of(planned(bare, Wishes(sessions=2, excluded=frozenset({name}))))
    assert "excluded" in first.said
    assert f"Excluded from the proposed sessions: {name}." in second.said


def test_a_comparison_has_a_page_with_what_became_of_each(tmp_path: Path) -> None:
    findings = with_follow_up(found(tmp_path, 4))
    assert findings.follow_up is not None
    page = pages_of(findings)[-1]
    assert any(isinstance(b, Course) for b in page.blocks)
    for change in (*findings.follow_up.changes, *findings.follow_up.gone):
        assert {change.label, change.status.value} <= set(page.said)
    assert "no assessment" in " ".join(page.said)
    undated = replace(findings, follow_up=replace(findings.follow_up, prior_date=""))
    assert not any(isinstance(b, Course) for b in pages_of(undated)[-1].blocks)


def test_of_forty_lesions_none_is_lost_and_nothing_leaves_the_page(tmp_path: Path) -> None:
    findings = planned(found(tmp_path, 40), Wishes(sessions=5))
    long = " ".join(f"word{k}" for k in range(900))
    made = pages_of(replace(findings, remarks=(long,)))
    assert len(made[0].pictures) == 12
    words = " ".join(" ".join(page.said) for page in made)
    for lesion in findings.lesions:
        assert words.count(lesion.short_label) >= 2
    assert "Without a picture, the smallest: " in words
    assert [w for w in words.split() if w.startswith("word")] == long.split()
    for k, page in enumerate(made, start=1):
        assert f"page {k} of {len(made)}" in page.said
        assert "RESEARCH USE ONLY - not a medical device" in page.said
        for text in (b for b in page.blocks if isinstance(b, Text)):
            assert text.px >= 14
            assert text.left + width(text.words, text.px, bold=text.bold) <= WIDTH, text.words
            assert text.top + text.px <= HEIGHT, text.words


def test_lines_fit_their_room_and_no_letter_is_lost() -> None:
    words = "A UID of 2.25.104250376676837843840293487840100916377817 is longer than the room that there is"
    lines = wrapped(words, 200)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    assert max(width(line) for line in lines) <= 200


def test_what_does_not_fit_goes_on_on_another_sheet() -> None:
    flow = Flow("Title")
    for k in range(120):
        flow.say(f"Sentence {k}.")
    texts = [[b.words for b in sheet.blocks if isinstance(b, Text)] for sheet in flow.sheets]
    assert [w for sheet in texts for w in sheet] == [f"Sentence {k}." for k in range(120)]
    assert [s.title for s in flow.sheets] == ["Title", "Title (continued)", "Title (continued)"]


def test_the_letters_that_were_measured_are_as_wide_when_drawn() -> None:
    words = "BM12_L_CEREBELLUM: V12 of a session reaches 12.3 ml, above 10 ml"
    for bold in (False, True):
        pixels = draw(Page((Text(MARGIN, 100, words, 16, bold=bold),)))
        columns = np.flatnonzero(pixels.max(axis=(0, 2)) > 60)
        assert columns[0] >= MARGIN - 2
        assert columns[-1] - MARGIN <= width(words, 16, bold=bold)


def test_matplotlib_is_not_imported_before_a_page_is_made() -> None:
    code = "import sys, pipeline.encode; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
