"""Made-up mammograms: their texture, the place of what is in them, and whether the reader of mammograms reads them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.marks import Density, Kind, Laterality
from pipeline.phantom.mammogram import MammogramView, Manner, Plan, Shape, mammogram_study, pressed, stamp
from pipeline.phantom.mammogram.fields import power_law

LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT
COARSE = 0.2


def slope(picture: np.ndarray, spacing_mm: float) -> float:
    """Exponent of the power's fall between 0.15 and 1.5 cycles per mm."""
    window = np.outer(*(np.hanning(n) for n in picture.shape))
    power = np.abs(np.fft.fft2((picture - picture.mean()) * window)) ** 2
    f = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n, spacing_mm) for n in picture.shape), indexing="ij"))
    bins = np.geomspace(0.15, 1.5, 12)
    means = [power[(f >= a) & (f < b)].mean() for a, b in itertools.pairwise(bins)]
    return float(-np.polyfit(np.log(np.sqrt(bins[1:] * bins[:-1])), np.log(means), 1)[0])


def read(view: MammogramView) -> MammogramPixels:
    made = prepare(view.hung(), (view.spacing_mm, view.spacing_mm), view.laterality, view.view)
    assert isinstance(made, MammogramPixels), made
    return made


def place(view: MammogramView, pixels: MammogramPixels, point: tuple[float, float]) -> np.ndarray:
    """A point of the view in the canonical picture."""
    return pixels.canonical.from_image([view.hung_px(point)])[0]


def test_a_field_falls_with_the_power_that_was_asked_for() -> None:
    for beta in (2.0, 3.0):
        assert slope(power_law((512, 512), 0.2, beta, np.random.default_rng(0)), 0.2) == pytest.approx(beta, abs=0.25)


def test_two_fields_of_one_source_are_alike_in_the_large_alone() -> None:
    one, other = (power_law((512, 512), 0.4, 3.0, np.random.default_rng(n), np.random.default_rng(9)) for n in (1, 2))
    fine = [f - np.roll(f, 1, axis=1) for f in (one, other)]
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.6
    assert np.corrcoef(fine[0].ravel(), fine[1].ravel())[0, 1] < 0.3


@pytest.mark.parametrize("manner", list(Manner))
def test_breast_tissue_has_the_spectrum_of_mammograms(manner: Manner) -> None:
    view = mammogram_study(5, density=Density.C, manner=manner, spacing_mm=COARSE, roles=["L-CC"]).views[0]
    row, column = (int(n) for n in np.argwhere(view.breast).mean(axis=0))
    middle = view.picture[row - 128 : row + 128, column - 128 : column + 128].astype(float)
    assert 2.3 < slope(middle, COARSE) < 3.7


@pytest.mark.parametrize("manner", list(Manner))
@pytest.mark.parametrize("density", list(Density))
def test_it_is_read_as_a_mammogram_with_nipple_and_muscle(density: Density, manner: Manner) -> None:
    study = mammogram_study(11, density=density, manner=manner, spacing_mm=COARSE, roles=["R-CC", "R-MLO"])
    for view in study.views:
        pixels = read(view)
        seen = pixels.breast.sum() * 0.01 / (view.breast.sum() * COARSE**2)
        assert 0.94 < seen < 1.06
        assert not pixels.inverted
        assert pixels.nipple_px is not None
        far = np.hypot(*(place(view, pixels, view.nipple_px) - pixels.nipple_px)) * 0.1
        assert far < 12
        share = pixels.pectoral.sum() * 0.01 / max(view.muscle.sum() * COARSE**2, 1)
        assert pixels.pectoral.sum() == 0 if view.view == "CC" else 0.6 < share < 1.5


def test_the_letters_of_density_are_in_order_for_the_reader_too() -> None:
    shares = [
        [(v.dense_share, read(v).dense_share) for v in mammogram_study(3, density=d, spacing_mm=COARSE).views]
        for d in Density
    ]
    true, measured = np.array(shares).mean(axis=1).T
    assert (np.diff(true) > 0.05).all()
    assert (np.diff(measured) > 0).all()


def test_one_finding_lies_as_far_from_the_nipple_in_both_views_of_its_breast_alone() -> None:
    plans = [Plan(Shape.SPICULATED, LEFT, distance_mm=40), Plan(Shape.CLUSTER, RIGHT, 10.0, distance_mm=30)]
    study = mammogram_study(2, plans, spacing_mm=COARSE)
    for number, (side, distance, kind) in enumerate([(LEFT, 40, Kind.MASS), (RIGHT, 30, Kind.CALCIFICATIONS)], 1):
        shown = [(v, f) for v in study.views for f in v.findings if f.number == number]
        assert {v.role for v, _ in shown} == {f"{side.value}-CC", f"{side.value}-MLO"}
        for view, finding in shown:
            away = np.hypot(*np.subtract(finding.center_px, view.nipple_px)) * COARSE
            assert away == pytest.approx(distance, abs=0.5)
            assert finding.kind is kind
            column, row = (int(v) for v in finding.center_px)
            assert view.breast[row, column]
            assert not view.muscle[row, column]


def test_a_mass_is_bright_where_the_truth_says_and_nowhere_else() -> None:
    plan = Plan(Shape.CIRCUMSCRIBED, LEFT, 16.0, contrast=1.5)
    roles = ["L-CC", "R-CC"]
    plain = mammogram_study(8, spacing_mm=COARSE, roles=roles)
    study = mammogram_study(8, [plan], spacing_mm=COARSE, roles=roles)
    assert np.array_equal(study.view("R-CC").picture, plain.view("R-CC").picture)
    more = study.view("L-CC").picture.astype(float) - plain.view("L-CC").picture
    (finding,) = study.view("L-CC").findings
    y, x = np.mgrid[0 : more.shape[0], 0 : more.shape[1]]
    away = np.hypot(x - finding.center_px[0], y - finding.center_px[1])
    assert more[away < 0.5 * finding.radius_px].mean() > 150
    assert np.abs(more[away > 3 * finding.radius_px]).max() <= 60  # unsharp masking reaches a little further


def test_the_same_seed_draws_the_same_and_a_view_does_not_depend_on_the_others() -> None:
    one = mammogram_study(4, spacing_mm=0.4).view("R-MLO")
    same = mammogram_study(4, spacing_mm=0.4, roles=["R-MLO"]).view("R-MLO")
    other = mammogram_study(5, spacing_mm=0.4, roles=["R-MLO"]).view("R-MLO")
    assert np.array_equal(one.picture, same.picture)
    assert one.picture.shape != other.picture.shape or not np.array_equal(one.picture, other.picture)


def test_left_and_right_are_more_alike_than_two_women() -> None:
    a, b = (mammogram_study(n, density=Density.C, spacing_mm=0.4) for n in (21, 22))

    def alike(one: MammogramView, two: MammogramView) -> float:
        rows, columns = (min(p) for p in zip(one.picture.shape, two.picture.shape, strict=True))
        both = (one.breast[:rows, :columns] & two.breast[:rows, :columns]).astype(bool)
        pair = [v.picture[:rows, :columns][both].astype(float) for v in (one, two)]
        return float(np.corrcoef(*pair)[0, 1])

    assert alike(a.view("R-CC"), a.view("L-CC")) > alike(a.view("R-CC"), b.view("L-CC")) + 0.1


def test_digital_pictures_are_sharper_and_their_periphery_is_not_dark() -> None:
    film, digital = (
        mammogram_study(6, manner=m, spacing_mm=COARSE, roles=["L-CC"], density=Density.A).views[0] for m in Manner
    )

    def rim(view: MammogramView) -> float:
        rows = np.flatnonzero(view.breast[:, 20])
        values = view.picture[rows[0] + 25 : rows[0] + 40, 20], view.picture[rows[len(rows) // 2], 10:60]
        return float(np.median(values[0]) / np.median(values[1]))

    assert rim(digital) > rim(film) + 0.1
    assert (digital.picture[~digital.breast] == 0).all()


@pytest.mark.parametrize("shape", list(Shape))
def test_a_stamp_stays_within_its_square_and_its_outline_holds_most_of_it(shape: Shape) -> None:
    made = stamp(np.random.default_rng(1), shape, 12.0, 0.1)
    side = 2 * made.reach + 1
    assert made.added.shape == (side, side)
    assert made.added.min() >= 0
    assert made.added.max() > 0.2
    radius = np.hypot(*made.outline_px.T)
    assert 40 < radius.mean() < 80
    y, x = np.mgrid[-made.reach : made.reach + 1, -made.reach : made.reach + 1]
    near = made.added[np.hypot(x, y) < 1.25 * radius.max()].sum()
    assert near > 0.6 * made.added.sum()


def test_a_stamp_at_the_border_is_cut_off_and_one_beyond_changes_nothing() -> None:
    flat = np.full((200, 150), 0.3, np.float32)
    made = stamp(np.random.default_rng(2), Shape.DISTORTION, 8.0, 0.2)
    corner = pressed(flat, made, (0, 0), 0.2)
    assert corner.shape == flat.shape
    assert corner[0:10, 0:10].max() > 0.3
    assert np.array_equal(pressed(flat, made, (-500, -500), 0.2), flat)


def test_specks_below_two_tenths_of_a_millimetre_are_finer_than_a_film_at_that_spacing_shows() -> None:
    fine = stamp(np.random.default_rng(3), Shape.CLUSTER, 10.0, 0.1).added
    rows, columns = (n // 2 * 2 for n in fine.shape)
    halved = fine[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2)
    assert (halved.max(axis=(1, 3)) - halved.mean(axis=(1, 3))).max() > 0.2 * fine.max()
