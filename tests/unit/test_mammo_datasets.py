"""Each data set is read from its documented layout: sides, views, findings at their places, truth."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipeline.core.errors import HeaderUnusable, PixelsUnreadable
from pipeline.datasets.mammo import Case, Collection, Drawn, Pathology, cases
from pipeline.datasets.mammo.ddsm import optical_density
from pipeline.datasets.mg_writer import MgAcquisition, Syntax, mammogram
from pipeline.marks import Density, Kind, Laterality
from tests.support import mammo as m


def ljpeg(pixels: np.ndarray) -> bytes:
    """A stream as one fragment of a JPEG lossless object holds it."""
    from pydicom.encaps import generate_frames

    acquisition = MgAcquisition(Laterality.LEFT, "CC", (1, 1), bits=12, syntax=Syntax.JPEG_LOSSLESS)
    return next(generate_frames(mammogram(pixels, acquisition).PixelData, number_of_frames=1))


def by_name(found: list[Case]) -> dict[str, Case]:
    return {case.name: case for case in found}


def test_mias_origin_is_at_the_bottom_and_notes_have_no_centre(tmp_path: Path):
    found = by_name(list(cases("mias", m.mias(tmp_path / "mias"))))
    assert list(found) == ["mdb001", "mdb002", "mdb003", "mdb004"]
    (mass,) = found["mdb001"].findings()
    assert (mass.kind, mass.pathology, mass.drawn) == (Kind.MASS, Pathology.BENIGN, Drawn.CIRCLE)
    assert mass.center_px == pytest.approx((535.5, 1024 - 425 + 0.5))
    assert mass.mask((1024, 1024)).sum() == pytest.approx(np.pi * 197**2, rel=0.005)
    assert [f.drawn for f in found["mdb004"].findings()] == [Drawn.NOWHERE]
    assert found["mdb002"].findings() == ()


def test_mias_pairs_are_one_woman_and_odd_is_right(tmp_path: Path):
    found = list(cases("mias", m.mias(tmp_path / "mias")))
    assert [(c.patient, c.role) for c in found] == [
        ("mias001", "R-MLO"),
        ("mias001", "L-MLO"),
        ("mias002", "R-MLO"),
        ("mias002", "L-MLO"),
    ]
    assert [c.pathology for c in found] == [
        Pathology.BENIGN,
        Pathology.NORMAL,
        Pathology.MALIGNANT,
        Pathology.BENIGN,
    ]
    assert len(found[2].findings()) == 2
    assert [int(c.picture()[0, 0]) for c in found] == [1, 2, 3, 4]


@pytest.fixture
def film() -> np.ndarray:
    return m.breast((97, 80), top=3000)


def test_ddsm_findings_lie_where_their_chain_codes_go(tmp_path: Path, film: np.ndarray):
    folder = m.ddsm(tmp_path, {"LEFT_CC": ljpeg(film), "RIGHT_MLO": ljpeg(film)}, film.shape)
    found = by_name(list(cases(Collection.DDSM, folder)))
    assert list(found) == ["C_0029_1.LEFT_CC", "C_0029_1.RIGHT_MLO"]
    case = found["C_0029_1.LEFT_CC"]
    assert (case.patient, case.role, case.spacing_mm, case.density) == ("C-0029-1", "L-CC", (0.05, 0.05), Density.C)
    mass, cluster = case.findings()
    left, top, right, bottom = m.DDSM_BOX
    expected = np.zeros(film.shape, bool)
    expected[top : bottom + 1, left : right + 1] = True
    assert np.array_equal(mass.mask(film.shape), expected)
    assert (mass.kind, mass.pathology, mass.subtlety, mass.assessment) == (Kind.MASS, Pathology.MALIGNANT, 3, "5")
    rows, columns = np.ogrid[:97, :80]
    diamond = np.abs(rows - 25) + np.abs(columns - 60) <= 5
    assert np.array_equal(cluster.mask(film.shape), diamond)
    assert (cluster.kind, cluster.pathology, cluster.subtlety) == (Kind.CALCIFICATIONS, Pathology.BENIGN, 5)
    assert case.pathology is Pathology.MALIGNANT
    assert (found["C_0029_1.RIGHT_MLO"].findings(), found["C_0029_1.RIGHT_MLO"].pathology) == ((), Pathology.NORMAL)


def test_ddsm_sizes_come_from_the_sheet_where_the_stream_has_them_transposed(tmp_path: Path, film: np.ndarray):
    turned = film.reshape(film.shape[::-1])  # as DDSM has it: pixels in order, header transposed
    straight = m.ddsm(tmp_path / "a", {"LEFT_CC": ljpeg(film)}, film.shape)
    transposed = m.ddsm(tmp_path / "b", {"LEFT_CC": ljpeg(turned)}, film.shape)
    (a,), (b,) = cases("ddsm", straight), cases("ddsm", transposed)
    assert a.picture().shape == film.shape
    assert np.array_equal(a.picture(), b.picture())


def test_ddsm_grey_levels_become_optical_densities_and_bright_is_dense(tmp_path: Path):
    levels = np.array([[50, 1000], [2000, 4000]], np.uint16)
    (case,) = cases("ddsm", m.ddsm(tmp_path, {"LEFT_CC": ljpeg(levels)}, levels.shape))
    picture = case.picture().astype(float)
    density = 3.6 - picture / 4095 * 3.55
    assert density[1, 0] == pytest.approx((2000 - 4096.99) / -1009.01, abs=0.001)
    assert density[0, 0] == pytest.approx(3.6, abs=0.001)  # beyond what the digitiser measured
    assert picture[1, 1] > picture[1, 0] > picture[0, 1]


def test_each_digitiser_has_its_own_calibration():
    grey = np.array([2000], np.uint16)
    assert optical_density(grey, "HOWTEK", "A")[0] == pytest.approx(3.789 - 1.89136, abs=1e-4)
    assert optical_density(grey, "HOWTEK", "D")[0] == pytest.approx(3.96604 - 1.98112, abs=1e-4)
    assert optical_density(grey, "LUMISYS", "B")[0] == pytest.approx(2.07826, abs=1e-4)
    assert optical_density(grey, "DBA", "A")[0] == pytest.approx((np.log10(2000) - 4.80662) / -1.07553, abs=1e-4)
    assert np.isfinite(optical_density(np.array([0], np.uint16), "DBA", "A")).all()


def test_a_stream_that_is_cut_off_or_of_another_size_is_said_so(tmp_path: Path, film: np.ndarray):
    (cut,) = cases("ddsm", m.ddsm(tmp_path / "a", {"LEFT_CC": b"\xff\xd8\xff\xc4"}, film.shape))
    (other,) = cases("ddsm", m.ddsm(tmp_path / "b", {"LEFT_CC": ljpeg(film)}, (90, 80)))
    with pytest.raises(PixelsUnreadable, match="lossless JPEG"):
        cut.picture()
    with pytest.raises(PixelsUnreadable, match="90 x 80"):
        other.picture()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("mask_scale", [1, 2])
def test_cbis_masks_are_found_among_crops_and_brought_to_the_size_of_the_image(
    tmp_path: Path, swapped: bool, mask_scale: int
):
    (case,) = cases("cbis", m.cbis(tmp_path, swapped=swapped, mask_scale=mask_scale))
    assert (case.role, case.patient, case.split, case.density) == ("L-CC", "P_00001", "training", Density.B)
    assert np.array_equal(case.picture(), m.breast(m.CBIS_SHAPE))
    (mass,) = case.findings()
    assert (mass.kind, mass.pathology, mass.subtlety, mass.assessment) == (Kind.MASS, Pathology.MALIGNANT, 4, "4")
    assert m.overlap(mass.mask(m.CBIS_SHAPE), m.circle(m.CBIS_SHAPE, 80, 40, 12)) > 0.95


def test_cbis_without_its_mask_says_nothing_of_the_place(tmp_path: Path):
    folder = m.cbis(tmp_path)
    for path in (folder / "CBIS-DDSM" / "Mass-Training_P_00001_LEFT_CC_1").rglob("*.dcm"):
        path.unlink()
    (case,) = cases("cbis", folder)
    assert [f.drawn for f in case.findings()] == [Drawn.NOWHERE]


def test_a_film_in_both_tables_of_cbis_is_one_case_with_all_its_findings(tmp_path: Path):
    (case,) = cases("cbis", m.cbis_in_both_tables(tmp_path))
    assert (case.role, case.patient, case.pathology) == ("L-CC", "P_00001", Pathology.MALIGNANT)
    assert {f.kind: f.pathology for f in case.findings()} == {
        Kind.CALCIFICATIONS: Pathology.BENIGN,
        Kind.MASS: Pathology.MALIGNANT,
    }
    assert (case.split, len(case.remarks)) == ("training", 1)  # the other table says test


def test_a_film_whose_first_name_has_no_image_is_found_by_its_other_name(tmp_path: Path):
    folder = m.cbis_in_both_tables(tmp_path)
    shutil.rmtree(folder / "CBIS-DDSM" / "Calc-Test_P_00001_LEFT_CC")
    (case,) = cases("cbis", folder)
    assert (case.name, len(case.findings())) == ("Mass-Training_P_00001_LEFT_CC", 2)


@pytest.mark.parametrize("table", ["csv", "xlsx"])
def test_inbreast_contours_and_categories(tmp_path: Path, table: str):
    right, left = cases("inbreast", m.inbreast(tmp_path, table=table))
    assert (right.role, left.role, right.patient == left.patient) == ("R-CC", "L-MLO", True)
    assert (right.assessment, right.density, right.pathology) == ("4a", Density.C, Pathology.UNKNOWN)
    assert (left.assessment, left.pathology, left.findings()) == ("1", Pathology.NORMAL, ())
    mass, calcification, asymmetry = right.findings()
    assert (mass.kind, mass.center_px) == (Kind.MASS, (20.5, 35.5))
    assert mass.mask((120, 80)).sum() == 600
    assert (calcification.kind, calcification.drawn) == (Kind.CALCIFICATIONS, Drawn.POINT)
    assert np.argwhere(calcification.mask((120, 80))).tolist() == [[70, 61]]
    assert asymmetry.kind is Kind.ASYMMETRY
    assert not right.is_film


def test_vindr_boxes_and_inverted_images(tmp_path: Path):
    left, right = cases("vindr", m.vindr(tmp_path))
    assert np.array_equal(left.picture(), m.breast())
    assert (left.spacing_mm, left.density, left.assessment) == ((0.085, 0.085), Density.C, "5")
    mass, skin = left.findings()
    assert (mass.kind, mass.drawn, mass.center_px) == (Kind.MASS, Drawn.BOX, (20.5, 32.0))
    assert (skin.kind, skin.words) == (None, "Skin Thickening")
    assert (right.findings(), right.pathology, right.split) == ((), Pathology.NORMAL, "training")


def test_rsna_cancers_have_no_place(tmp_path: Path):
    cancer, benign, normal = cases("rsna", m.rsna(tmp_path))
    assert [c.pathology for c in (cancer, benign, normal)] == [
        Pathology.MALIGNANT,
        Pathology.BENIGN,
        Pathology.NORMAL,
    ]
    assert [f.drawn for f in cancer.findings()] == [Drawn.NOWHERE]
    assert benign.findings() == normal.findings() == ()
    assert (benign.implant, cancer.implant, normal.view) == (True, False, "AT")
    assert (cancer.spacing_mm, cancer.density, cancer.assessment) == (None, Density.B, "0")
    assert np.array_equal(cancer.picture(), m.breast())


def test_listing_reads_no_pixels(tmp_path: Path):
    folder = m.mias(tmp_path / "mias")
    (folder / "mdb002.pgm").write_bytes(b"cut off")
    found = by_name(list(cases("mias", folder)))
    with pytest.raises(PixelsUnreadable, match="mdb002"):
        found["mdb002"].picture()
    assert found["mdb001"].picture().shape == (1024, 1024)


def test_a_case_can_be_sent_to_another_process(tmp_path: Path):
    for case in cases("cbis", m.cbis(tmp_path)):
        again = pickle.loads(pickle.dumps(case))
        assert again.findings() == case.findings()


@pytest.mark.parametrize("name", ["Info.txt", "labels.csv"])
def test_mias_labels_without_a_row_are_said_to_be_empty_and_not_missing(tmp_path: Path, name: str):
    folder = m.mias(tmp_path / "mias")
    (folder / "Info.txt").unlink()
    head = "file,tissue_f_g_d,class,severity_b_m,x_px_left0,y_px_top0,radius_px"
    (folder / name).write_text(head if name == "labels.csv" else "MAMMOGRAPHIC IMAGE ANALYSIS SOCIETY")
    with pytest.raises(HeaderUnusable, match=rf"{name} in .* has no row"):
        list(cases("mias", folder))


@pytest.mark.parametrize("collection", [c for c in Collection if c is not Collection.FILM])
def test_a_folder_that_is_another_data_set_is_named_as_such(tmp_path: Path, collection: Collection):
    with pytest.raises(HeaderUnusable) as caught:
        list(cases(collection, tmp_path))
    assert caught.value.hint
    with pytest.raises(HeaderUnusable, match="no folder"):
        list(cases(collection, tmp_path / "not there"))


def test_a_table_with_nonsense_in_it_is_said_so(tmp_path: Path):
    folder = m.vindr(tmp_path)
    path = folder / "breast-level_annotations.csv"
    path.write_text(path.read_text().replace("s1,L,", "s1,Q,"))
    with pytest.raises(HeaderUnusable, match="VinDr-Mammo is not as documented"):
        list(cases("vindr", folder))


def test_a_chain_code_with_other_signs_is_said_so(tmp_path: Path, film: np.ndarray):
    (case,) = cases("ddsm", m.ddsm(tmp_path, {"LEFT_CC": ljpeg(film)}, film.shape))
    overlay = case.path.with_suffix(".OVERLAY")
    for code in ("30 50 2 2 9 #", "30 x 2 #", "#"):
        overlay.write_text(m.DDSM_OVERLAY.format(first=code, core="1 1 #", second="1 1 #"))
        with pytest.raises(HeaderUnusable, match="no overlay of DDSM"):
            case.findings()
