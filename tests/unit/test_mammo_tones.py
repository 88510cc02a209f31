"""Pictures shown as other scanners would show them, and the looks that trainings start from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from pipeline.core.breast import Laterality
from pipeline.core.errors import ConfigInvalid
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.recipes.mammography.looks import FINE_UM, look_of
from pipeline.training.mammography.material import Reading, examples, folds, read_material
from pipeline.training.mammography.rows import owners
from pipeline.training.mammography.tones import Curve, Tones
from pipeline.training.mammography.tones import drawn as drawn_tones
from tests.support.breasts import SPACING, drawn
from tests.support.women import DOT, case, read_women, said


@pytest.mark.parametrize(
    "tones",
    [
        Tones(strength=0.6),
        Tones(strength=1.6),
        Tones(Curve.SIGMOID, 6.0),
        Tones(Curve.LOG, 8.0),
        Tones(blur_mm=0.2),
        Tones(local=0.6),
        Tones(sharpening=1.0),
        Tones(noise=0.01),
        Tones(sampling_mm=0.13),
    ],
)
def test_tones_change_the_breast_and_leave_air_and_place_alone(tones: Tones) -> None:
    picture = drawn(dots=(DOT,))
    shown, spacing = tones.applied(picture, SPACING)
    assert shown.dtype == np.uint16
    assert np.multiply(shown.shape, spacing) == pytest.approx(np.multiply(picture.shape, SPACING))
    assert not shown[:, -10:].any()
    same, _ = Tones().applied(picture, SPACING)
    assert shown.shape != same.shape or np.abs(shown.astype(int) - same).max() > 40
    row, column = (np.array([DOT[1], DOT[0]]) / picture.shape * shown.shape).astype(int)
    around = ndimage.gaussian_filter(shown[row - 30 : row + 31, column - 30 : column + 31].astype(float), 4)
    bright = np.unravel_index(np.argmax(around), around.shape)
    assert bright == pytest.approx((30, 30), abs=3)


def test_tones_do_nothing_by_themselves() -> None:
    picture = drawn()
    shown, spacing = Tones().applied(picture, SPACING)
    assert spacing == SPACING
    assert np.corrcoef(shown.ravel(), picture.ravel())[0, 1] > 0.9999


def test_a_wrong_scale_is_in_the_spacing_alone() -> None:
    shown, spacing = Tones(scale=1.1).applied(drawn(), SPACING)
    assert shown.shape == drawn().shape
    assert spacing == pytest.approx((1.1 * SPACING[0], 1.1 * SPACING[1]))


def test_one_seed_gives_one_way_of_showing() -> None:
    assert drawn_tones(np.random.default_rng(4)) == drawn_tones(np.random.default_rng(4))
    assert len({drawn_tones(np.random.default_rng(n)) for n in range(20)}) == 20


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the looks of `read_women` are."""
    return read_women(tmp_path_factory.mktemp("runs"))


def test_a_kept_look_is_the_look_but_for_a_step_of_brightness(runs: Path) -> None:
    read = prepare(drawn(dots=(DOT,)), SPACING, Laterality.LEFT, "MLO", FINE_UM)
    assert isinstance(read, MammogramPixels)
    there, kept = look_of(read), next(e for e in examples(runs) if e.name == "a2").look()
    assert np.abs(there.fine - kept.fine).max() <= 0.5 / 180 + 1e-6
    assert np.array_equal(there.breast, kept.breast)
    assert np.array_equal(there.tissue, kept.tissue)


@pytest.mark.parametrize("reading", list(Reading))
def test_a_lesion_is_where_its_brightness_is_in_every_reading(runs: Path, reading: Reading) -> None:
    example = next(e for e in examples(runs, reading) if e.name == "a1")
    (lesion,) = example.lesions
    level = example.look().level
    x, y = int(lesion.x), int(lesion.y)
    around = level[y - 20 : y + 21, x - 20 : x + 21]
    brightest = np.argwhere(around > around.max() - 0.05).mean(axis=0)
    assert brightest == pytest.approx([20, 20], abs=3)
    assert (owners(example, example.look().cells) == 0).any()


def test_both_breasts_of_a_study_are_partners_and_a_single_image_has_none(runs: Path) -> None:
    found = {e.name: e for e in examples(runs)}
    assert [found[n].partner for n in ("a1", "a2", "b1", "b2", "c1")] == ["a2", "a1", "b2", "b1", None]
    there, back = found["a1"].affine, found["a2"].affine
    assert there is not None
    assert back is not None
    assert back.there(there.there([100.0, 200.0]))[0] == pytest.approx([100, 200])


def test_labels_are_of_the_image_and_unplaced_lesions_are_told(runs: Path) -> None:
    found = {e.name: e for e in examples(runs)}
    assert [found[n].label for n in ("a1", "a2", "c1")] == [True, False, True]
    assert [found[n].malignant for n in ("a1", "a2", "c1")] == [True, False, False]
    assert [found[n].somewhere for n in ("a1", "a2", "c1")] == [False, False, True]


def test_folds_never_part_a_woman(runs: Path) -> None:
    dealt = folds(examples(runs), count=3)
    assert sorted(dealt) == ["mias-a", "mias-b", "mias-c"]
    assert sorted(dealt.values()) == [0, 1, 2]


def test_reading_goes_on_where_it_was_stopped(runs: Path) -> None:
    page = runs / "mammography" / "looks" / "a1.plain.json"
    before = page.stat().st_mtime_ns
    read_material([case("a1", "a", Laterality.RIGHT)], runs, said)
    assert page.stat().st_mtime_ns == before


def test_without_looks_the_reader_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match="no looks"):
        examples(tmp_path)
