"""Pictures shown as other scanners would show them, and the looks that trainings start from."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from pipeline.core.breast import Laterality
from pipeline.core.errors import ConfigInvalid
from pipeline.datasets.mammo import Case, Collection, Drawn, Finding, Pathology
from pipeline.datasets.mammo.case import circle, given, worst
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.marks import Kind
from pipeline.recipes.mammography.looks import FINE_UM, look_of
from pipeline.training.mammography.material import Reading, examples, folds, read_material
from pipeline.training.mammography.rows import owners
from pipeline.training.mammography.tones import Curve, Tones
from pipeline.training.mammography.tones import drawn as drawn_tones
from tests.support.breasts import SPACING, drawn

DOT = (150.0, 500.0)
"""Column and row of a disc in the drawn picture."""


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


def case(name: str, woman: str, side: Laterality, findings: tuple[Finding, ...] = ()) -> Case:
    def picture() -> np.ndarray:
        made = drawn(dots=(DOT,))
        return np.ascontiguousarray(made[:, ::-1]) if side is Laterality.RIGHT else made

    pathology = worst([f.pathology for f in findings])
    return Case(
        Collection.MIAS, name, woman, woman, side, "MLO", Path(name), picture, partial(given, findings), pathology,
        spacing_mm=SPACING,
    )  # fmt: skip


def at(side: Laterality) -> Finding:
    """The disc."""
    column = DOT[0] if side is Laterality.LEFT else drawn().shape[1] - DOT[0]
    return Finding(Kind.MASS, "disc", Drawn.CIRCLE, circle(column, DOT[1], 40.0), Pathology.MALIGNANT)


def said(_what: str, _done: int, _of: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three women: one with a disc on her right side, one normal, one with a single image and something unplaced."""
    folder = tmp_path_factory.mktemp("runs")
    nowhere = Finding(Kind.CALCIFICATIONS, "all over", Drawn.NOWHERE, pathology=Pathology.BENIGN)
    given_cases = [
        case("a1", "a", Laterality.RIGHT, (at(Laterality.RIGHT),)),
        case("a2", "a", Laterality.LEFT),
        case("b1", "b", Laterality.RIGHT),
        case("b2", "b", Laterality.LEFT),
        case("c1", "c", Laterality.LEFT, (nowhere,)),
    ]
    read_material(given_cases, folder, said)
    return folder


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
