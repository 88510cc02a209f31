"""Pixels of mammograms: values, masks, muscle, nipple, checks against the header, quality, density."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import BreastTomosynthesisImageStorage
from scipy import ndimage

from pipeline.core.breast import Density, Laterality, Shortcoming
from pipeline.datasets.mg_writer import Display, MgHabit, Syntax
from pipeline.imaging.header import read_header, scan
from pipeline.imaging.mammogram.canonical import Edge, Turn
from pipeline.imaging.mammogram.density import density_of, of_breast
from pipeline.imaging.mammogram.read import MammogramPixels, prepare, read_view
from pipeline.imaging.mammogram.study import select_views
from pipeline.imaging.mammogram.values import open_image
from tests.support.breasts import NIPPLE_RISES_MM, SPACING, changed, drawn, hung, sent
from tests.support.mg_reading import WIDE_UM, described, edited, read, shortcomings, why

LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT


# Values ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("display", [Display.WINDOW, Display.WINDOW_EXACT])
def test_a_window_over_the_whole_range_shows_stored_values_as_they_are(tmp_path, display):
    picture = drawn("CC")
    opened = open_image(described(sent(tmp_path, picture, view="CC", display=display, bits=12)))
    assert np.abs(opened.shown - picture / 4095).max() < 1e-3


def test_a_sigmoid_is_that_of_the_standard(tmp_path):
    picture = drawn("CC")
    one = sent(tmp_path, picture, view="CC", display=Display.SIGMOID, bits=12)
    ds = dcmread(one.path)
    expected = 1 / (1 + np.exp(-4 * (picture - float(ds.WindowCenter)) / float(ds.WindowWidth)))
    assert np.abs(open_image(described(one)).shown - expected).max() < 1e-5


def test_a_voi_lut_called_normal_is_taken_and_scaled_to_what_it_holds(tmp_path):
    one = sent(tmp_path, drawn("CC"), view="CC", display=Display.TABLE)
    shown = open_image(described(one)).shown
    ds = dcmread(one.path)
    items = list(ds.VOILUTSequence)
    items[0].LUTDescriptor = [4096, 0, 16]  # claims 16 bits and holds 12: seen from several makers
    again = edited(one, VOILUTSequence=[items[1], items[2], items[0]])
    assert np.allclose(open_image(described(again)).shown, shown, atol=1e-3)
    assert float(shown.max()) > 0.5


@pytest.mark.parametrize("raw", [False, True])
def test_monochrome1_and_2_look_the_same(tmp_path, raw):
    picture = drawn("CC")
    made = [
        read(sent(tmp_path, picture, view="CC", habit=MgHabit.SIEMENS, inverted=i, for_processing=raw))
        for i in (False, True)
    ]
    assert made[0].picture.shape == made[1].picture.shape
    assert np.abs(made[0].picture - made[1].picture).max() < 0.02
    assert not any(m.notes for m in made)


@pytest.mark.parametrize("syntax", list(Syntax))
def test_every_transfer_syntax_gives_the_same_pixels(tmp_path, syntax):
    picture = drawn("CC")
    assert np.array_equal(open_image(described(sent(tmp_path, picture, view="CC", syntax=syntax))).tissue, picture)


@pytest.mark.parametrize("habit", list(MgHabit))
def test_raw_values_become_a_picture_like_the_one_for_presentation(tmp_path, habit):
    picture = drawn("MLO")
    raw, shown = (read(sent(tmp_path, picture, habit=habit, bits=12, for_processing=p)) for p in (True, False))
    rows, columns = (min(a, b) for a, b in zip(raw.picture.shape, shown.picture.shape, strict=True))
    both = raw.breast[:rows, :columns] & shown.breast[:rows, :columns]
    alike = np.corrcoef(raw.picture[:rows, :columns][both], shown.picture[:rows, :columns][both])[0, 1]
    assert alike > 0.85
    assert any("presentation of our own" in r for r in raw.remarks)
    low, high = np.percentile(raw.picture[raw.breast & ~raw.pectoral], [2, 98])
    assert low < 0.35
    assert high > 0.6


def test_padding_is_black_whatever_its_value(tmp_path):
    picture = drawn("CC")
    picture[picture == 0] = 4095
    one = sent(tmp_path, picture, view="CC", display=Display.WINDOW)
    ds = dcmread(one.path)
    ds.add_new("PixelPaddingValue", "US", 4095)
    ds.save_as(one.path)
    made = read(one)
    plain = read(sent(tmp_path, drawn("CC"), view="CC", display=Display.WINDOW))
    shapes = [m.canonical.on_image(m.breast) for m in (made, plain)]
    assert (shapes[0] & shapes[1]).sum() / (shapes[0] | shapes[1]).sum() > 0.97
    assert np.array_equal(open_image(described(one)).shown == 0, drawn("CC") == 0)
    assert not made.notes


def test_a_window_that_shows_nothing_is_not_used(tmp_path):
    one = edited(sent(tmp_path, drawn("CC"), view="CC", display=Display.WINDOW), WindowCenter="40000", WindowWidth="10")
    made = read(one)
    assert any("window" in r for r in made.remarks)
    assert float(made.picture[made.breast].std()) > 0.05


def test_truncated_pixels_are_an_unread_image_and_no_crash(tmp_path):
    one = sent(tmp_path, drawn("CC"), view="CC", syntax=Syntax.JPEG_2000)
    one.path.write_bytes(one.path.read_bytes()[:4000])
    assert "do not decode" in why(one)


# Shapes ------------------------------------------------------------------------------------------------------------


def test_the_breast_is_found_to_the_pixel_grid_and_labels_are_not(tmp_path):
    picture = drawn("CC")
    true = picture > 0
    picture[20:70, 440:520] = 4000  # a lead marker
    picture[0:800, 552:560] = 4000  # the film's edge
    made = read(sent(tmp_path, picture, view="CC"))
    found = made.canonical.on_image(made.breast)
    assert (found & true).sum() / (found | true).sum() > 0.96
    assert not found[20:70, 440:520].any()


def test_the_muscle_of_an_oblique_view_is_found_and_a_view_from_above_has_none(tmp_path):
    made = read(sent(tmp_path, drawn("MLO")))
    y, x = np.mgrid[0:800, 0:560] + 0.5
    true = x / (0.38 * 560) + y / (0.6 * 800) < 1
    found = made.canonical.on_image(made.pectoral)
    assert (found & true).sum() / (found | true).sum() > 0.85
    assert len(made.muscle_px) == 3
    assert not read(sent(tmp_path, drawn("CC"), view="CC")).pectoral.any()


@pytest.mark.parametrize("view", ["CC", "MLO", "ML"])
@pytest.mark.parametrize("laterality", Laterality)
def test_the_nipple_is_found(tmp_path, view, laterality):
    made = read(sent(tmp_path, drawn(view), laterality, view))
    turn = hung(laterality)
    middle = 0.55 * 800 if view != "CC" else 400
    true = (turn.matrix((800, 560)) @ [0.725 * 560 + NIPPLE_RISES_MM / SPACING[0], middle, 1])[:2]
    assert made.nipple_px is not None
    assert np.hypot(*(made.canonical.to_image([made.nipple_px])[0] - true)) * SPACING[0] < 4.0


@pytest.mark.parametrize("edge", list(Edge))
def test_the_edge_of_the_chest_wall_is_told(tmp_path, edge):
    turn = {
        Edge.LEFT: Turn(),
        Edge.RIGHT: Turn(flip_columns=True),
        Edge.TOP: Turn(transpose=True),
        Edge.BOTTOM: Turn(transpose=True, flip_rows=True),
    }[edge]
    assert read(sent(tmp_path, drawn("CC"), view="CC", turn=turn)).chest_wall is edge


def test_training_and_reading_prepare_alike(tmp_path):
    picture = drawn("MLO")
    read_in = read(sent(tmp_path, picture, habit=MgHabit.FILM, bits=12))
    prepared = prepare(picture, SPACING, LEFT, "MLO", WIDE_UM)
    assert isinstance(prepared, MammogramPixels)
    assert np.abs(read_in.normal - prepared.normal).max() < 0.01
    assert read_in.canonical == prepared.canonical


def test_brightness_and_contrast_of_the_maker_do_not_reach_the_normal_picture():
    picture = drawn("MLO").astype(np.float32) / 4095
    plain, other = (prepare(p, SPACING, LEFT, "MLO", WIDE_UM) for p in (picture, 0.05 + 0.6 * picture))
    assert isinstance(plain, MammogramPixels)
    assert isinstance(other, MammogramPixels)
    both = plain.breast & other.breast
    assert np.abs(plain.normal - other.normal)[both].mean() < 0.03


# Checks and quality --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["CC", "MLO", "ML"])
@pytest.mark.parametrize("laterality", Laterality)
def test_a_sound_image_has_no_notes(tmp_path, view, laterality):
    assert not read(sent(tmp_path, drawn(view), laterality, view)).notes


def test_an_image_inverted_without_the_tag_is_read_as_if_it_had_it(tmp_path):
    right, wrong = (
        read(sent(tmp_path, drawn("MLO"), habit=MgHabit.SIEMENS)),
        read(sent(tmp_path, 4095 - drawn("MLO"), habit=MgHabit.SIEMENS)),
    )
    assert np.abs(right.picture - wrong.picture).max() < 0.01
    assert shortcomings(wrong) == [Shortcoming.INVERTED]


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_pixels_flipped_behind_the_header_s_back_are_noticed(tmp_path, view):
    one = sent(tmp_path, drawn(view)[:, ::-1], LEFT, view)
    assert Shortcoming.SIDE_IN_DOUBT in shortcomings(read(one))


def test_a_right_breast_called_left_is_noticed_without_patient_orientation(tmp_path):
    one = edited(sent(tmp_path, drawn("CC"), RIGHT, "CC"), ImageLaterality="L", PatientOrientation=None)
    assert Shortcoming.SIDE_IN_DOUBT in shortcomings(read(one))


def test_a_flip_that_the_mammograph_declares_is_no_doubt(tmp_path):
    flip = {"FieldOfViewHorizontalFlip": "YES"}
    one = sent(tmp_path, drawn("CC"), RIGHT, "CC", Turn(), more=flip)
    assert not read(one).notes


def test_a_view_from_above_called_oblique_is_noticed(tmp_path):
    one = edited(sent(tmp_path, drawn("CC"), view="MLO"))
    assert Shortcoming.VIEW_IN_DOUBT in shortcomings(read(one))


def test_an_oblique_view_called_craniocaudal_is_noticed(tmp_path):
    assert Shortcoming.VIEW_IN_DOUBT in shortcomings(read(sent(tmp_path, drawn("MLO"), view="CC")))


def test_a_film_scanned_upside_down_is_righted(tmp_path):
    one = edited(sent(tmp_path, drawn("MLO")[::-1], habit=MgHabit.FILM), PatientOrientation=None)
    made = read(one)
    assert Shortcoming.VIEW_IN_DOUBT in shortcomings(made)
    assert made.pectoral[: made.pectoral.shape[0] // 3].sum() > made.pectoral[made.pectoral.shape[0] // 2 :].sum()


@pytest.mark.parametrize("view", ["CC", "MLO"])
def test_an_image_turned_by_90_degrees_without_patient_orientation_is_noticed(tmp_path, view):
    one = edited(sent(tmp_path, drawn(view).T, view=view, habit=MgHabit.FILM), PatientOrientation=None)
    assert "turned by 90 degrees" in next(
        n.words for n in read(one).notes if n.shortcoming is Shortcoming.VIEW_IN_DOUBT
    )


def test_side_and_view_that_only_a_description_says_are_named_as_such(tmp_path):
    one = sent(tmp_path, drawn("MLO"))
    nothing = {"ImageLaterality": "", "ViewPosition": "", "ViewCodeSequence": []}
    told = described(edited(one, SeriesDescription="L MLO", **nothing))
    assert told.side_and_view == "L-MLO"
    assert any("side and view stand in its description alone" in r for r in told.remarks)


def test_a_breast_that_ends_at_the_edge_has_no_nipple(tmp_path):
    assert Shortcoming.NO_NIPPLE in shortcomings(read(sent(tmp_path, drawn("CC")[:, :300], view="CC")))


def test_values_cut_off_in_the_breast_are_noticed(tmp_path):
    picture = np.where(drawn("CC") > 1900, 4095, drawn("CC")).astype(np.uint16)
    assert Shortcoming.CLIPPED in shortcomings(read(sent(tmp_path, picture, view="CC")))


def test_motion_along_one_direction_is_noticed(tmp_path):
    moved = ndimage.uniform_filter1d(drawn("CC").astype(float), 9, axis=0).astype(np.uint16)
    assert Shortcoming.MOTION in shortcomings(read(sent(tmp_path, moved, view="CC"), 100.0))


def test_eight_bits_in_a_digital_mammogram_are_noticed_and_in_a_film_are_not(tmp_path):
    picture = (drawn("CC") // 16).astype(np.uint8)
    digital = read(sent(tmp_path, picture, view="CC", habit=MgHabit.HOLOGIC, bits=8))
    film = read(sent(tmp_path, picture, view="CC", habit=MgHabit.FILM))
    assert shortcomings(digital) == [Shortcoming.FEW_GREYS]
    assert not film.notes


def test_size_unknown_is_said_and_the_image_is_read(tmp_path):
    one = edited(sent(tmp_path, drawn("CC"), view="CC"), ImagerPixelSpacing=None)
    made = read(one)
    assert made.spacing_mm is None
    assert any("nothing can be measured in mm" in r for r in made.remarks)


def test_density_grows_with_dense_tissue_and_gets_its_letter():
    y, x = np.mgrid[0:800, 0:560]
    shares = []
    for radius in (0, 60, 120, 200):
        picture = drawn("CC").astype(np.float32) / 4095
        glands = np.hypot(x - 180, y - 400) < radius
        made = prepare(np.where(glands, picture + 0.5, picture), SPACING, LEFT, "CC", WIDE_UM)
        assert isinstance(made, MammogramPixels)
        shares.append(made.dense_share)
        true = glands.sum() / (picture > 0).sum()
        assert abs(made.dense_share - true) < 0.12
    assert shares == sorted(shares)
    assert [density_of(s) for s in (0.0, 0.1, 0.3, 0.6)] == [Density.A, Density.B, Density.C, Density.D]
    assert of_breast([]) is None
    assert of_breast([0.2, 0.4]) == pytest.approx(0.3)


# Real images ---------------------------------------------------------------------------------------------------------


def test_a_real_biopsy_image_is_declined_and_its_pixels_lie_as_its_orientation_says(shared_data: Path):
    path = shared_data / "mammo" / "dicom" / "OutOfBoundsOverlay_siemens_mg.dcm"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    (study,) = scan(path)
    (unread,) = select_views(study).unread
    assert "biopsy" in unread.why
    one = changed(study.instances[0], ImageType=("DERIVED", "PRIMARY"))
    made = read(one, 100.0)
    assert made.chest_wall is Edge.BOTTOM  # Patient Orientation R\P
    assert made.spacing_mm == pytest.approx((0.085 / 1.0433,) * 2, rel=1e-3)


@pytest.mark.parametrize("name", ["mdb001", "mdb028", "mdb111", "mdb212", "mdb267"])
def test_real_films_are_read_with_breast_muscle_and_side(shared_data: Path, tmp_path: Path, name: str):
    from PIL import Image

    path = shared_data / "mammo" / "mini_mias" / f"{name}.png"
    if not path.is_file():
        pytest.skip(f"{path.name} is not there")
    side = RIGHT if int(name[3:]) % 2 else LEFT
    made = read(
        sent(
            tmp_path,
            np.array(Image.open(path).convert("L")),
            side,
            turn=Turn(),
            habit=MgHabit.FILM,
            spacing_mm=(0.2, 0.2),
            more={"PatientOrientation": None},
        ),
        200.0,
    )
    assert made.chest_wall is (Edge.RIGHT if side is RIGHT else Edge.LEFT)
    assert 0.3 < made.breast.mean() < 0.95
    assert 0.005 < made.pectoral.sum() / made.breast.sum() < 0.4
    assert not made.notes


def test_overlays_in_unused_bits_are_not_seen(tmp_path):
    picture = drawn("CC")
    one = sent(tmp_path, picture, view="CC", habit=MgHabit.SIEMENS)
    ds = dcmread(one.path)
    marked = picture.copy()
    marked[300:340, 100:140] |= 0x8000
    ds.PixelData = marked.tobytes()
    ds.save_as(one.path)
    assert np.array_equal(open_image(described(one)).tissue, picture)


def test_a_synthetic_view_in_a_tomosynthesis_object_is_read_from_its_functional_groups(tmp_path):
    picture = drawn("CC")
    one = sent(tmp_path, picture, view="CC", display=Display.NONE, bits=12)
    ds = dcmread(one.path)
    shared, window, measures, anatomy = Dataset(), Dataset(), Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = "2048", "4096"
    measures.PixelSpacing = [str(v) for v in SPACING]
    anatomy.FrameLaterality = "L"
    shared.FrameVOILUTSequence, shared.PixelMeasuresSequence = [window], [measures]
    shared.FrameAnatomySequence = [anatomy]
    del ds.ImageLaterality, ds.ImagerPixelSpacing
    ds.SharedFunctionalGroupsSequence, ds.NumberOfFrames = [shared], 1
    ds.SOPClassUID = BreastTomosynthesisImageStorage
    ds.ImageType = ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]
    ds.save_as(one.path)
    image = described(read_header(one.path))
    assert (image.side_and_view, image.spacing.mm) == ("L-CC", SPACING)
    assert np.abs(open_image(image).shown - picture / 4095).max() < 1e-3
    assert isinstance(read_view(image, WIDE_UM), MammogramPixels)
