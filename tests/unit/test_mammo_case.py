"""Outlines and masks of findings, and guesses about film scans."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from pipeline.core.errors import HeaderUnusable, PixelsUnreadable
from pipeline.datasets.mammo import Drawn, Finding, guess
from pipeline.datasets.mammo.birads import category, density
from pipeline.datasets.mammo.case import around, box, circle, filled
from pipeline.datasets.mammo.film import of_name, scans
from pipeline.datasets.mammo.pictures import read_picture, resolution_mm
from pipeline.datasets.mammo.tables import read_table
from pipeline.imaging.structures import inside
from pipeline.marks import Density, Laterality
from tests.support import mammo as m


@given(st.integers(0, 10_000), st.integers(3, 12))
def test_a_polygon_is_filled_as_by_the_even_odd_rule(seed: int, corners: int):
    points = np.random.default_rng(seed).uniform(-5, 45, (corners, 2))
    expected = inside(points[:, ::-1] - 0.5, (40, 30))
    assert np.array_equal(filled([tuple(p) for p in points], (40, 30)), expected)


@given(st.integers(0, 10_000))
def test_an_outline_around_a_mask_gives_the_largest_region_of_the_mask_back(seed: int):
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).random((40, 30)), 2)
    mask = noise > np.median(noise)
    regions, _ = ndimage.label(mask)
    largest = max(ndimage.sum_labels(mask, regions, np.arange(1, regions.max() + 1)))
    back = filled(around(mask), mask.shape)
    assert back.sum() == largest
    assert not (back & ~mask).any()


def test_circle_and_box_cover_what_they_say():
    assert filled(circle(50, 40, 20), (100, 100)).sum() == pytest.approx(np.pi * 400, rel=0.01)
    assert filled(box(2, 3, 12, 8), (20, 20))[3:8, 2:12].all()
    assert filled(box(2, 3, 12, 8), (20, 20)).sum() == 50


def test_a_point_is_the_pixel_that_it_lies_in_and_nowhere_is_none():
    assert np.argwhere(Finding(None, "", Drawn.POINT, ((3.9, 1.0),)).mask((5, 5))).tolist() == [[1, 3]]
    nowhere = Finding(None, "", Drawn.NOWHERE)
    assert not nowhere.mask((5, 5)).any()
    assert nowhere.center_px is None


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("L_MLO", (Laterality.LEFT, "MLO")),
        ("patient 7 right-cc 2", (Laterality.RIGHT, "CC")),
        ("rcc", (Laterality.RIGHT, "CC")),
        ("leftmlo001", (Laterality.LEFT, "MLO")),
        ("left_right_cc", (None, "CC")),
        ("scan", (None, "")),
        ("Schmidt", (None, "")),
    ],
)
def test_names_of_files_say_side_and_view(stem: str, expected: tuple[Laterality | None, str]):
    assert of_name(stem) == expected


def test_side_and_view_are_guessed_and_that_is_said(tmp_path: Path):
    Image.fromarray(m.breast(m.FILM, wall="right", pectoral=True)).save(tmp_path / "a.png")
    Image.fromarray(m.breast(m.FILM, wall="left")).save(tmp_path / "b.png")
    first, second = scans([tmp_path / "a.png", tmp_path / "b.png"])
    assert (first.role, second.role) == ("R-MLO", "L-CC")
    assert sum("guessed" in r for r in first.remarks) == 3
    assert first.patient == second.patient
    assert first.spacing_mm == guess.spacing_mm(m.FILM) == (0.4, 0.4)


def test_what_is_given_or_named_is_not_guessed(tmp_path: Path):
    Image.fromarray(m.breast(m.FILM)).save(tmp_path / "Mueller_R_ML.png")
    (case,) = scans([tmp_path / "Mueller_R_ML.png"], view="CC", spacing_mm=(0.05, 0.05), patient="A1")
    assert (case.role, case.spacing_mm, case.patient, case.remarks) == ("R-CC", (0.05, 0.05), "A1", ())
    assert "Mueller" not in case.name


def test_an_inverted_scan_is_remarked_and_turned_over_when_asked(tmp_path: Path):
    picture = (m.breast(m.FILM) // 16).astype(np.uint8)
    Image.fromarray(255 - picture).save(tmp_path / "l_cc.png")
    (as_it_is,) = scans([tmp_path / "l_cc.png"])
    (turned,) = scans([tmp_path / "l_cc.png"], inverted=True)
    assert any("inverted" in r for r in as_it_is.remarks)
    assert np.array_equal(turned.picture(), picture)
    assert not any("inverted" in r for r in turned.remarks)


def test_sixteen_bits_are_kept_in_png_and_tiff(tmp_path: Path):
    for name in ("a.png", "a.tif"):
        Image.fromarray(m.breast(top=60000)).save(tmp_path / name)
        assert np.array_equal(read_picture(tmp_path / name), m.breast(top=60000))


def test_a_resolution_that_no_film_scanner_has_is_not_believed(tmp_path: Path):
    for dpi, expected in ((72, None), (96, None), (508, 0.05)):
        Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / f"{dpi}.tif", dpi=(dpi, dpi))
        found = resolution_mm(tmp_path / f"{dpi}.tif")
        assert (found and found[0]) == (pytest.approx(expected) if expected else None)


def test_what_is_no_picture_is_said_so(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(PixelsUnreadable, match=r"a\.png"):
        list(scans([tmp_path / "a.png"]))
    with pytest.raises(HeaderUnusable, match="no PNG"):
        list(scans([]))


def test_tables_are_read_with_any_separator_and_miss_no_column_in_silence(tmp_path: Path):
    for text in ("A b;C\n1;2\n", "A  B,c\n1,2\n", "a b\tc\n1\t2\n\n"):
        (tmp_path / "t.csv").write_text(text)
        assert read_table(tmp_path / "t.csv", ["a b", "c"]) == [{"a b": "1", "c": "2"}]
    with pytest.raises(HeaderUnusable, match="no column d"):
        read_table(tmp_path / "t.csv", ["d"])


def test_a_spreadsheet_keeps_its_columns_where_cells_are_empty(tmp_path: Path):
    m.xlsx(tmp_path / "t.xlsx", [["a", "b", "c"], ["x", "", "3"]])
    assert read_table(tmp_path / "t.xlsx", ["a"]) == [{"a": "x", "b": "", "c": "3"}]


def test_what_is_no_spreadsheet_is_said_so(tmp_path: Path):
    (tmp_path / "t.xlsx").write_bytes(b"PK no zip")
    with pytest.raises(HeaderUnusable, match="no XLSX"):
        read_table(tmp_path / "t.xlsx", ["a"])


def test_categories_and_densities_in_any_words():
    assert [category(t) for t in ("BI-RADS 4", "4C", "0.0", "", "none")] == ["4", "4c", "0", "", ""]
    found = [density(t) for t in ("DENSITY C", "a", "3", "2.0", "", "fatty")]
    assert found == [Density.C, Density.A, Density.C, Density.B, None, None]


@pytest.mark.parametrize("shape", [(10, 10), (120, 80), (500, 400)])
def test_a_thumbnail_is_no_film_scan(tmp_path: Path, shape: tuple[int, int]):
    Image.fromarray(m.breast(shape)).save(tmp_path / "l_cc.png")
    with pytest.raises(PixelsUnreadable, match=rf"no film scan: it is too small: {shape[1]} x {shape[0]} pixels"):
        list(scans([tmp_path / "l_cc.png"]))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_a_picture_in_black_and_white_is_no_scan(tmp_path: Path, name: str):
    dithered = Image.fromarray((m.breast(m.FILM) // 16).astype(np.uint8)).convert("1")
    dithered.save(tmp_path / name)
    with pytest.raises(PixelsUnreadable, match="2 grey values"):
        list(scans([tmp_path / name]))
    assert len(np.unique(read_picture(tmp_path / name))) == 2  # a data set may hold a blank film
    few = (m.breast(m.FILM) // 256).astype(np.uint8) % 16
    few.ravel()[:16] = np.arange(16)
    Image.fromarray(few).save(tmp_path / name)
    assert len(np.unique(read_picture(tmp_path / name))) == 16
    assert len(list(scans([tmp_path / name]))) == 1


def test_the_study_of_films_hangs_on_patient_date_and_pixels_alone(tmp_path: Path):
    one, two, other = (tmp_path / f"{n}_l_cc.png" for n in "abc")
    for top, path in ((2000, one), (2500, two), (3000, other)):
        Image.fromarray(m.breast(m.FILM, top=top)).save(path)

    def studies(*files: Path, patient: str = "P", date: str = "") -> set[str]:
        return {case.study for case in scans(files, patient=patient, date=date)}

    (study,) = studies(one, two)
    one.rename(tmp_path / "r_mlo.png")
    assert studies(two, tmp_path / "r_mlo.png") == {study}  # neither names nor order count
    (tmp_path / "r_mlo.png").rename(one)
    for changed in (studies(one, other), studies(one), studies(one, two, patient="Q")):
        assert study not in changed
    assert study not in studies(one, two, date="20250131")


@pytest.mark.parametrize("reference", ["CCCCCC1", "XFE1", "ZZZZ1", "A" * 5000, "7"])
def test_a_reference_beyond_the_last_column_of_a_spreadsheet_is_refused_at_once(tmp_path: Path, reference: str):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as book:
        space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        row = f'<row><c r="{reference}"><v>1</v></c></row>'
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{row}</sheetData></worksheet>")
    with pytest.raises(HeaderUnusable, match="no XLSX"):
        read_table(tmp_path / "t.xlsx", ["a"])


def test_many_rows_of_empty_cells_before_the_last_column_are_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as book:
        space = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
        rows = '<row><c r="XFD1"><v>1</v></c></row>' * 1000
        book.writestr("xl/worksheets/sheet1.xml", f"<worksheet {space}><sheetData>{rows}</sheetData></worksheet>")
    with pytest.raises(HeaderUnusable, match="no XLSX"):
        read_table(tmp_path / "t.xlsx", ["a"])
