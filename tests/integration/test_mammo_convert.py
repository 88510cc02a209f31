"""Data sets of mammograms become valid DICOM, by the command line and by real peers' judgement."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames
from pydicom.pixels import pixel_array

from pipeline.datasets.mammo import Case, Collection, Drawn, cases, guess
from pipeline.datasets.mammo.convert import convert
from pipeline.datasets.mammo.film import scans
from pipeline.datasets.mammo.ljpeg import read_ljpeg
from pipeline.datasets.mg_breast import Edge, chest_wall
from pipeline.datasets.mg_writer import (
    Display,
    MgAcquisition,
    MgHabit,
    Modifier,
    Syntax,
    mammogram,
    write_mammogram,
)
from pipeline.marks import Laterality
from tests.support import mammo as m
from tests.support import node as n
from tests.support.peers import OrthancPeer, run_tool

DCIODVFY, DCENTVFY, DSRDUMP, DCMCJPEG = (f"/usr/bin/{t}" for t in ("dciodvfy", "dcentvfy", "dsrdump", "dcmcjpeg"))
SHAPE = (97, 80)


def errors(path: Path) -> list[str]:
    done = run_tool(DCIODVFY, path)
    return [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]


def ljpeg() -> bytes:
    acquisition = MgAcquisition(Laterality.LEFT, "CC", (1, 1), bits=12, syntax=Syntax.JPEG_LOSSLESS)
    return next(generate_frames(mammogram(m.breast(SHAPE), acquisition).PixelData, number_of_frames=1))


def made(collection: str, folder: Path) -> list[Case]:
    """The small data set of that name."""
    if collection == "ddsm":
        m.ddsm(folder, {"LEFT_CC": ljpeg(), "RIGHT_MLO": ljpeg()}, SHAPE)
    elif collection == "film":
        folder.mkdir()
        Image.fromarray(m.breast(m.FILM)).save(folder / "l_mlo.png")
        Image.fromarray((m.breast(m.FILM) // 16).astype(np.uint8)).save(folder / "b.jpg")
    else:
        getattr(m, collection)(folder)
    return list(cases(collection, folder))


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize("collection", Collection)
def test_every_object_of_every_data_set_is_valid(tmp_path: Path, collection: str):
    for number, case in enumerate(made(str(collection.value), tmp_path / "in"), 1):
        written = convert(case, tmp_path / "out", number=number)
        for path in (written.image, *written.truth):
            assert errors(path) == [], path.name
        together = run_tool(DCENTVFY, written.image, *written.truth)
        said = (together.stdout + together.stderr).splitlines()
        assert [line for line in said if line.startswith("Error")] == []


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize("habit", MgHabit)
@pytest.mark.parametrize("syntax", Syntax)
def test_mammograms_in_every_habit_and_syntax_are_valid(tmp_path: Path, habit: MgHabit, syntax: Syntax):
    acquisition = MgAcquisition(Laterality.RIGHT, "MLO", (0.07, 0.07), habit, syntax=syntax, date="20260115")
    write_mammogram(m.breast(wall="right"), tmp_path / "a.dcm", acquisition)
    assert errors(tmp_path / "a.dcm") == []


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize(
    "more",
    [
        {"for_processing": True, "inverted": True, "habit": MgHabit.GE},
        {"modifiers": tuple(Modifier), "magnification": 1.8, "implant": True, "partial": True},
        {"view": "XCCL", "display": Display.TABLE, "bits": 16},
        {"lossy": (8.0, "ISO_10918_1"), "burned_in": True, "bits": 8},
    ],
)
def test_unusual_mammograms_are_valid(tmp_path: Path, more: dict):
    asked = {"habit": MgHabit.HOLOGIC, "view": "MLO", **more}
    write_mammogram(m.breast(), tmp_path / "a.dcm", MgAcquisition(Laterality.LEFT, spacing_mm=(0.07, 0.07), **asked))
    assert errors(tmp_path / "a.dcm") == []


def noisy(bits: int) -> np.ndarray:
    picture = m.breast((131, 97), top=2**bits - 700)
    picture += np.random.default_rng(bits).integers(0, 50, picture.shape).astype(np.uint16)
    picture[3, 4:7] = 0, 2**bits - 1, 0
    return picture


def stream_of(picture: np.ndarray, predictor: int, folder: Path) -> Path:
    """As dcmcjpeg writes it; it gives every stream a precision of 16 bits."""
    write_mammogram(picture, folder / "a.dcm", MgAcquisition(Laterality.LEFT, "CC", (1, 1), bits=16))
    done = run_tool(DCMCJPEG, "+el", "+sv", str(predictor), folder / "a.dcm", folder / "b.dcm")
    assert done.returncode == 0, done.stderr
    stream = next(generate_frames(dcmread(folder / "b.dcm").PixelData, number_of_frames=1))
    (folder / "c.LJPEG").write_bytes(stream)
    return folder / "c.LJPEG"


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("bits", [12, 16])
def test_lossless_jpeg_of_dcmtk_is_read_with_every_predictor(tmp_path: Path, predictor: int, bits: int):
    assert np.array_equal(read_ljpeg(stream_of(noisy(bits), predictor, tmp_path)), noisy(bits))


def predicted(predictor: int, left: int, above: int, corner: int) -> int:
    """ISO 10918-1, table H.1."""
    return (
        left,
        above,
        corner,
        left + above - corner,
        left + ((above - corner) >> 1),
        above + ((left - corner) >> 1),
        (left + above) >> 1,
    )[predictor - 1]


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("predictor", range(1, 8))
def test_lossless_jpeg_of_the_program_that_ddsm_used_is_read_too(tmp_path: Path, predictor: int):
    """A decoder by the standard reads this picture from the steps that the program would have written."""
    picture, half = noisy(12).astype(int), 2**15
    rows, columns = picture.shape
    padded = np.pad(picture, ((1, 0), (1, 0)), constant_values=half)
    standard = np.zeros_like(picture)
    for r in range(rows):
        for c in range(columns):
            left, above, corner = padded[r + 1, c], padded[r, c + 1], padded[r, c]
            if c == 0:
                left = corner = above = padded[r, 1] if r else half
            step = int(picture[r, c]) - predicted(predictor, int(left), int(above), int(corner))
            if r == 0 and c == 0:
                guess = half
            elif r == 0:
                guess = int(standard[0, c - 1])
            elif c == 0:
                guess = int(standard[r - 1, 0])
            else:
                around = standard[r, c - 1], standard[r - 1, c], standard[r - 1, c - 1]
                guess = predicted(predictor, *(int(v) for v in around))
            standard[r, c] = (guess + step) & 0xFFFF
    path = stream_of(standard.astype(np.uint16), predictor, tmp_path)
    assert np.array_equal(read_ljpeg(path), picture)


def test_truth_comes_back_from_seg_and_sr_at_its_place(tmp_path: Path):
    (case, _) = made("ddsm", tmp_path / "in")
    written = convert(case, tmp_path / "out")
    seg, sr = written.truth
    image, findings = dcmread(written.image), case.findings()
    masks = hd.seg.segread(seg).get_pixels_by_source_instance([image.SOPInstanceUID])[0]
    for k, finding in enumerate(findings):
        assert np.array_equal(masks[..., k].astype(bool), finding.mask(SHAPE))
    report = hd.sr.srread(sr).content
    groups = report.get_planar_roi_measurement_groups()
    assert [g.finding_type.value for g in groups] == ["129788004", "129769006"]
    for group, finding in zip(groups, findings, strict=True):
        assert np.allclose(group.roi.value[:-1], finding.outline_px)
        assert np.array_equal(group.roi.value[0], group.roi.value[-1])
    assert groups[0].get_qualitative_evaluations()[0].value.meaning == "Malignant"
    assert float(groups[0].get_measurements()[0].value) == 3
    assert dcmread(seg).SegmentSequence[0].TrackingUID == groups[0].tracking_uid


@pytest.mark.real("dcmtk")
def test_truth_says_that_it_is_truth_and_of_no_algorithm(tmp_path: Path):
    (case, _) = made("ddsm", tmp_path / "in")
    written = convert(case, tmp_path / "out")
    for path in written.truth:
        ds = dcmread(path)
        assert ds.SeriesDescription == "TRUTH of DDSM, not an algorithm"
        assert "algorithm" not in str(ds.get("SegmentSequence", [{}])[0].get("SegmentAlgorithmType", "")).lower()
    dumped = run_tool(DSRDUMP, "+Pl", written.truth[1]).stdout
    assert "Ground truth of the data set DDSM as published, not the result of an algorithm." in dumped
    assert "Algorithm Name" not in dumped
    assert "Person" in dumped


def test_a_film_carries_the_names_of_the_data_set_and_says_that_it_is_film(tmp_path: Path):
    (case, _) = made("ddsm", tmp_path / "in")
    ds = dcmread(convert(case, tmp_path / "out").image)
    assert (ds.PatientID, str(ds.PatientName), ds.PatientBirthDate, ds.StudyDate) == (
        "C-0029-1",
        "DDSM^C-0029-1",
        "",
        "",
    )
    assert (ds.DetectorType, ds.PresentationIntentType, ds.BurnedInAnnotation) == ("FILM", "FOR PRESENTATION", "NO")
    assert list(ds.ImageType[:2]) == ["DERIVED", "PRIMARY"]
    assert ds.ContributingEquipmentSequence[0].Manufacturer == "LUMISYS"
    assert (ds.ImageLaterality, ds.ViewPosition, float(ds.ImagerPixelSpacing[0])) == ("L", "CC", 0.05)
    assert np.array_equal(pixel_array(ds), case.picture())


@pytest.mark.parametrize(("top", "bits"), [(255, 8), (4000, 12), (16000, 14), (65535, 16)])
def test_values_of_a_scan_are_stored_as_they_are(tmp_path: Path, top: int, bits: int):
    whole = m.breast(m.FILM)
    picture = (whole.astype(float) * top / whole.max()).astype(np.uint8 if top == 255 else np.uint16)
    Image.fromarray(picture).save(tmp_path / "l_cc.png")
    (case,) = scans([tmp_path / "l_cc.png"])
    ds = dcmread(convert(case, tmp_path / "out").image)
    assert ds.BitsStored == bits
    assert np.array_equal(pixel_array(ds), picture)


def test_digital_mammograms_keep_stored_values_polarity_and_windows(tmp_path: Path):
    (case, _) = made("vindr", tmp_path / "in")
    before, after = dcmread(case.path), dcmread(convert(case, tmp_path / "out").image)
    assert after.PhotometricInterpretation == "MONOCHROME1"
    assert np.array_equal(pixel_array(before), pixel_array(after))
    for keyword in ("WindowCenter", "WindowWidth", "Manufacturer", "BitsStored"):
        assert after[keyword].value == before[keyword].value
    assert after.PatientID == "study1"


def test_images_of_one_woman_lie_in_one_study_and_equal_input_makes_equal_files(tmp_path: Path):
    found = made("mias", tmp_path / "in")
    first = [convert(c, tmp_path / "a", number=k) for k, c in enumerate(found, 1)]
    again = [convert(c, tmp_path / "b", number=k) for k, c in enumerate(found, 1)]
    studies = [dcmread(w.image).StudyInstanceUID for w in first]
    assert studies[0] == studies[1] != studies[2] == studies[3]
    for one, other in zip(first, again, strict=True):
        for a, b in zip((one.image, *one.truth), (other.image, *other.truth), strict=True):
            assert a.read_bytes() == b.read_bytes()


def test_names_from_a_table_do_not_lead_out_of_the_folder(tmp_path: Path):
    (tmp_path / "l_mlo.png").write_bytes(b"")
    Image.fromarray(m.breast(m.FILM)).save(tmp_path / "l_mlo.png")
    (case,) = scans([tmp_path / "l_mlo.png"], patient="../../x")
    written = convert(case, tmp_path / "out")
    assert written.image.resolve().is_relative_to((tmp_path / "out").resolve())


@pytest.mark.real("orthanc")
def test_a_pacs_takes_a_case_with_its_truth_as_one_study(tmp_path: Path, orthanc: OrthancPeer):
    files = []
    for number, case in enumerate(made("ddsm", tmp_path / "in"), 1):
        written = convert(case, tmp_path / "out", number=number, syntax=Syntax.JPEG_LOSSLESS)
        files += [written.image, *written.truth]
    orthanc.upload(*files)
    assert len(orthanc.studies()) == 1
    modalities = Counter(s["MainDicomTags"]["Modality"] for s in orthanc.series())
    assert modalities == {"MG": 1, "SEG": 1, "SR": 2}


# The command line --------------------------------------------------------------------------------------------------


def test_lantern_convert_mias(tmp_path: Path):
    m.mias(tmp_path / "mias")
    done = n.lantern("convert", "mias", str(tmp_path / "mias"), "--out", str(tmp_path / "out"), "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [r["name"] for r in rows] == ["mdb001", "mdb002", "mdb003", "mdb004"]
    assert all(Path(p).exists() for r in rows for p in (r["image"], *r["truth"]))
    assert [len(r["truth"]) for r in rows] == [2, 1, 2, 1]


def test_lantern_convert_film_says_what_was_guessed(tmp_path: Path):
    Image.fromarray(m.breast(m.FILM, wall="right", pectoral=True)).save(tmp_path / "scan.png")
    files = (str(tmp_path / "scan.png"), "--out", str(tmp_path / "out"))
    done = n.lantern("convert", "film", *files)
    assert done.returncode == 0, done.stderr
    assert "The side was guessed from the pixels (R)" in done.stdout
    (path,) = (tmp_path / "out").rglob("*.dcm")
    ds = dcmread(path)
    assert "guessed" in ds.ImageComments
    assert ds.BurnedInAnnotation == "YES"
    given = n.lantern(
        "convert", "film", *files, "--side", "left", "--view", "cc", "--spacing", "0.05", "--patient", "A"
    )
    assert given.returncode == 0, given.stderr
    assert "guessed" not in given.stdout
    ds = dcmread(tmp_path / "out" / "A" / "scan01.dcm")
    assert (ds.ImageLaterality, ds.ViewPosition, ds.PatientOrientation) == ("L", "CC", ["P", "R"])


def test_films_of_two_days_are_two_studies_of_one_woman(tmp_path: Path):
    out = ("--patient", "A", "--out", str(tmp_path / "out"))
    for year, top in (("2025", 2500), ("2026", 3000)):
        Image.fromarray(m.breast(m.FILM, top=top)).save(tmp_path / "l_cc.png")
        done = n.lantern("convert", "film", str(tmp_path / "l_cc.png"), "--date", f"{year}-01-31", *out)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == f"1 mammogram is in {tmp_path / 'out'}"
    then, now = (dcmread(path) for path in sorted((tmp_path / "out").rglob("*.dcm")))
    assert (then.StudyDate, now.StudyDate) == ("20250131", "20260131")
    assert then.StudyInstanceUID != now.StudyInstanceUID
    assert then.PatientID == str(then.PatientName) == str(now.PatientName) == "A"


@pytest.mark.real("dcmtk")
def test_a_presentation_state_can_be_made_of_a_film(tmp_path: Path):
    case, *_ = made("film", tmp_path / "in")
    image = dcmread(convert(case, tmp_path / "out").image)
    state = hd.pr.GrayscaleSoftcopyPresentationState(
        [image], hd.UID(), 1, hd.UID(), 1, "M", "M", "1", "1", "MARKS", voi_lut_transformations=[
            hd.pr.SoftcopyVOILUTTransformation(float(image.WindowCenter), float(image.WindowWidth))
        ],
    )  # fmt: skip
    state.save_as(tmp_path / "state.dcm", enforce_file_format=True)
    done = run_tool("/usr/bin/dcmp2pgm", "--pstate", tmp_path / "state.dcm", image.filename, tmp_path / "shown.pgm")
    assert (tmp_path / "shown.pgm").exists(), done.stdout + done.stderr


def test_a_thumbnail_is_refused_by_analyze_as_well(tmp_path: Path):
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(tmp_path / "l_cc.png")
    done = n.lantern("analyze", str(tmp_path / "l_cc.png"), "--pipeline", "mammography", "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "too small: 10 x 10 pixels" in " ".join(done.stderr.split())
    assert not list(tmp_path.rglob("*.dcm"))


def test_pages_of_a_tiff_are_not_dropped_in_silence(tmp_path: Path):
    first, second = (Image.fromarray(m.breast() // k) for k in (1, 2))
    first.save(tmp_path / "two.tif", save_all=True, append_images=[second])
    done = n.lantern("convert", "film", str(tmp_path / "two.tif"), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "several pages" in done.stderr
    assert not list((tmp_path / "out").rglob("*.dcm"))


def test_pictures_beside_dicom_files_are_named(tmp_path: Path):
    write_mammogram(m.breast(SHAPE), tmp_path / "a.dcm", MgAcquisition(Laterality.LEFT, "CC", (1, 1), bits=12))
    Image.fromarray(m.breast()).save(tmp_path / "l_mlo.png")
    done = n.lantern("analyze", str(tmp_path), "--pipeline", "mammography", "--out", str(tmp_path / "out"))
    assert "l_mlo.png: not looked at" in done.stderr


def test_lantern_convert_goes_on_after_an_image_that_cannot_be_read(tmp_path: Path):
    m.mias(tmp_path / "mias")
    (tmp_path / "mias" / "mdb002.pgm").write_bytes(b"cut off")
    done = n.lantern("convert", "mias", str(tmp_path / "mias"), "--out", str(tmp_path / "out"))
    assert done.returncode == 1
    assert "mdb002" in done.stderr
    assert "3 mammograms and 5 objects with their truth are in" in done.stdout


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (("ddsm", "{empty}"), 1, "no .ics file"),
        (("mias", "{empty}/none"), 2, "does not exist"),
        (("film", "{scan}", "--view", "QQ"), 2, "not one of"),
        (("film", "{scan}", "--spacing", "50"), 2, "no pixel of a mammogram"),
        (("film", "{scan}", "--spacing", "-1"), 2, "no pixel of a mammogram"),
        (("film", "{scan}", "--spacing", "x"), 2, "not one or two numbers"),
        (("ddsm", "{empty}", "--spacing", "nan"), 2, "no pixel of a mammogram"),
        (("film", "{scan}", "--date", "31.1.2025"), 2, "formats '%Y-%m-%d'"),
        (("film", "{tiny}"), 1, "tiny.png is no film scan: it is too small: 10 x 10 pixels"),
    ],
)
def test_wrong_use_is_named_without_a_traceback(tmp_path: Path, command: tuple[str, ...], code: int, said: str):
    (tmp_path / "empty").mkdir()
    Image.fromarray(m.breast(m.FILM)).save(tmp_path / "scan.png")
    Image.fromarray(np.arange(100, dtype=np.uint8).reshape(10, 10)).save(tmp_path / "tiny.png")
    places = {name: tmp_path / f"{name}{end}" for name, end in (("empty", ""), ("scan", ".png"), ("tiny", ".png"))}
    done = n.lantern("convert", *(word.format(**places) for word in command), "--out", str(tmp_path / "out"))
    assert done.returncode == code
    assert said in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


# Real films --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_mias(shared_data: Path) -> list[Case]:
    return list(cases("mias", shared_data / "mammo" / "mini_mias"))


def test_real_mini_mias_is_whole(real_mias: list[Case]):
    assert len(real_mias) == 258
    assert len({c.patient for c in real_mias}) == 129
    assert Counter(c.pathology.value for c in real_mias) == {"normal": 167, "benign": 49, "malignant": 42}
    drawn = Counter(f.drawn for c in real_mias for f in c.findings())
    assert drawn == {Drawn.CIRCLE: 94, Drawn.NOWHERE: 3}


def test_real_findings_lie_on_the_breast_and_not_on_air(real_mias: list[Case]):
    """With y counted from the wrong end, several would lie on the dark background."""
    dark, dark_upside_down = 0, 0
    for case in real_mias:
        for finding in (f for f in case.findings() if f.drawn is Drawn.CIRCLE):
            picture, mask = case.picture(), finding.mask((1024, 1024))
            dark += picture[mask].mean() < 60
            dark_upside_down += picture[mask[::-1]].mean() < 60
    assert (dark, dark_upside_down) == (2, 8)
    assert [c.name for c in real_mias if c.remarks] == ["mdb212", "mdb214"]  # those two


def test_sides_and_views_of_real_films_are_guessed_right(real_mias: list[Case]):
    pictures = [(c, c.picture()) for c in real_mias]
    walls = {Laterality.RIGHT: Edge.RIGHT, Laterality.LEFT: Edge.LEFT}
    wrong = [c.name for c, p in pictures if chest_wall(p) is not walls[c.laterality]]
    assert wrong == ["mdb151", "mdb152"]  # a pair that lies the other way round, both of them
    assert sum(guess.view(p) == "MLO" for _, p in pictures) >= 0.94 * len(pictures)


@pytest.mark.real("dicom3tools")
def test_real_films_become_valid_mammograms(real_mias: list[Case], tmp_path: Path):
    for case in real_mias[:6]:
        written = convert(case, tmp_path, syntax=Syntax.JPEG_LOSSLESS)
        for path in (written.image, *written.truth):
            assert errors(path) == []
        assert np.array_equal(pixel_array(dcmread(written.image)), case.picture())
