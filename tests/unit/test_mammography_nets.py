"""The networks for pairs of breasts and for calcifications, and how they are trained, on made-up breasts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.core.errors import WeightsCorrupt
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.marks import Density, Kind
from pipeline.phantom.mammogram import MammogramView, Manner, Shape, mammogram_study, pressed, stamp
from pipeline.recipes.mammography import pairs as pairs_recipe
from pipeline.recipes.mammography.looks import CELL, Look, look_from, look_of
from pipeline.recipes.mammography.pairs import PairNet, load_pairs, same_place
from pipeline.recipes.mammography.partner import Partner, warp
from pipeline.recipes.mammography.specks import SpeckNet, folded, load_specks, relief, searched
from pipeline.training.mammography import fitting, pair_batches, pairs, specks
from pipeline.training.mammography.fitting import Course, Fit, export, fits, learn
from pipeline.training.mammography.material import Example, Lesion
from pipeline.training.mammography.pair_batches import Shown, Turn
from pipeline.training.mammography.pair_sheets import Pair, Sheet, pairs_of, sheet, sheet_of

IDENTITY = Partner(((1.0, 0.0), (0.0, 1.0)), (0.0, 0.0))
SHIPPED = Path(pairs_recipe.__file__).parent


def quiet(*_: object) -> None:
    """Says nothing."""


def look_at(view: MammogramView) -> Look:
    pixels = prepare(view.picture, (view.spacing_mm, view.spacing_mm), view.laterality, view.view)
    assert isinstance(pixels, MammogramPixels)
    return look_of(pixels)


@pytest.fixture(scope="module")
def looks() -> dict[str, Look]:
    """Both breasts of one woman, oblique, film; with real detail of 0.1 mm."""
    study = mammogram_study(41, density=Density.B, manner=Manner.FILM, roles=["R-MLO", "L-MLO"])
    return {v.role: look_at(v) for v in study.views}


def example(name: str = "a", patient: str = "p", collection: str = "made", **more: Any) -> Example:
    given: dict[str, Any] = {"label": False, "malignant": False, "lesions": ()} | more
    return Example(name, collection, patient, patient, "R-MLO", **given, tissue="", folder=Path())


LESION = Lesion(200.0, 320.0, 30.0, Kind.MASS, True, True)


# What the networks answer ---------------------------------------------------------------------------------------------


def test_the_heat_of_calcifications_has_four_cells_for_one_and_none_in_air(looks: dict[str, Look]) -> None:
    look = looks["R-MLO"]
    heat = SpeckNet().heat(look)
    assert heat.shape == (2 * look.cells[0], 2 * look.cells[1])
    assert heat.dtype == np.float32
    air = ~look.breast.reshape(heat.shape[0], 8, heat.shape[1], 8).any(axis=(1, 3))
    assert air.any()
    assert np.isneginf(heat[air]).all()
    muscle = (look.muscle & searched(look)).reshape(heat.shape[0], 8, heat.shape[1], 8).all(axis=(1, 3))
    assert muscle.any()
    assert np.isfinite(heat[muscle]).all()


def test_the_heat_of_pairs_is_finite_where_there_is_tissue_and_nowhere_else(looks: dict[str, Look]) -> None:
    one, other = looks.values()
    heat = PairNet().heat(one, other, IDENTITY)
    assert heat.shape == (2, *one.cells)
    assert np.array_equal(np.isfinite(heat[0]), one.tissue >= 0.3)
    assert np.array_equal(np.isneginf(heat[1]), one.tissue < 0.3)


def test_the_other_breast_is_context_and_changes_the_answer(looks: dict[str, Look]) -> None:
    torch.manual_seed(0)
    network, (one, other) = PairNet(), looks.values()
    alone, beside, again = (network.heat(one, *given) for given in ((None, None), (other, IDENTITY), (None, None)))
    seen = np.isfinite(alone)
    assert np.array_equal(alone, again)
    assert np.abs(alone[seen] - beside[seen]).max() > 1e-3
    assert np.array_equal(network.heat(one, other, None), alone)


def test_one_look_at_a_time_is_a_batch_of_both(looks: dict[str, Look]) -> None:
    torch.manual_seed(1)
    network, shown = PairNet().eval(), [look_from(*_whole(v)) for v in looks.values()]
    x = torch.cat([pairs_recipe._input(v, "cpu") for v in shown])
    size = x.shape[-2] // 8, x.shape[-1] // 8
    grid = torch.from_numpy(np.stack([same_place(IDENTITY, size, size)] * 2))
    with torch.inference_mode():
        together = network(x, grid, torch.ones(2, 1, 1, 1)).numpy()
    for number in (0, 1):
        single = network.heat(shown[number], shown[1 - number], IDENTITY)
        seen = np.isfinite(single)
        rows, columns = single.shape[1:]
        assert np.allclose(single[seen], together[number, :, :rows, :columns][seen], atol=1e-4)


def _whole(look: Look) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut to one size, so that both fit into one batch."""
    rows, columns = 40 * CELL, 20 * CELL
    return look.fine[: 2 * rows, : 2 * columns], look.breast[:rows, :columns], look.muscle[:rows, :columns]


def test_calcifications_too_are_read_alike_one_by_one_and_together(looks: dict[str, Look]) -> None:
    network = SpeckNet().eval()
    x = torch.from_numpy(np.stack([relief(v)[:, 320:480, 80:240] for v in looks.values()]))
    with torch.inference_mode():
        assert torch.allclose(network(x), torch.cat([network(x[:1]), network(x[1:])]), atol=1e-5)


def test_a_place_is_sampled_where_the_partner_says_as_by_warp() -> None:
    partner = Partner(((1.05, 0.02), (-0.03, 0.96)), (21.0, -13.0))
    given = np.random.default_rng(0).random((24, 16), np.float32)
    grid = torch.from_numpy(same_place(partner, (20, 12), (24, 16)))[None]
    sampled = torch.nn.functional.grid_sample(
        torch.from_numpy(given)[None, None], grid, align_corners=False, padding_mode="border"
    )[0, 0].numpy()
    assert np.allclose(sampled, warp(given, partner, (20, 12), CELL), atol=1e-4)


def test_the_second_channel_of_relief_is_what_film_of_two_tenths_does_not_have(looks: dict[str, Look]) -> None:
    look = looks["L-MLO"]
    at = tuple(np.argwhere(look.tissue > 0.95)[40] * 2 * CELL + CELL)
    fine = look.fine.copy()
    fine[at] += 0.4  # one pixel of a tenth of a millimetre
    more = relief(look_from(fine, look.breast, look.muscle)) - relief(look)
    assert more[1].max() > 2 * more[0].max() > 0


def test_folded_keeps_the_mean_and_the_largest_of_four() -> None:
    fine = np.arange(16, dtype=np.float32).reshape(4, 4)
    mean, largest = folded(fine)
    assert mean.tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert largest.tolist() == [[5, 7], [13, 15]]


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    export(SpeckNet(), tmp_path / "specks.safetensors")
    content = (tmp_path / "specks.safetensors").read_bytes()
    load_specks(content)
    for load, given in ((load_pairs, content), (load_specks, b"nothing"), (load_pairs, content[:200])):
        with pytest.raises(WeightsCorrupt):
            load(given)


def test_exported_weights_answer_as_the_network_did(looks: dict[str, Look], tmp_path: Path) -> None:
    network = PairNet()
    export(network, tmp_path / "pairs.safetensors")
    content = (tmp_path / "pairs.safetensors").read_bytes()
    one, other = looks.values()
    before, after = (n.heat(one, other, IDENTITY) for n in (network, load_pairs(content)))
    seen = np.isfinite(before)
    assert len(content) < 4_000_000
    assert np.abs(before[seen] - after[seen]).max() < 0.05


# Training -------------------------------------------------------------------------------------------------------------


def with_cluster(look: Look, seed: int) -> tuple[Look, tuple[int, int]]:
    """A strong one in the middle of the tissue; (row, column) in level pixels."""
    cells = np.argwhere(look.tissue > 0.95)
    row, column = cells[len(cells) // 2] * CELL + CELL // 2
    made = stamp(np.random.default_rng(seed), Shape.CLUSTER, 9.0, 0.1)
    fine = pressed(look.fine, made, (int(2 * column), int(2 * row)), 0.7)
    return look_from(fine, look.breast, look.muscle), (int(row), int(column))


def test_a_strong_cluster_is_the_hottest_place_after_a_short_training(
    looks: dict[str, Look], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = _shipped_specks() or _short_training(looks["L-MLO"], tmp_path, monkeypatch)
    plain = looks["R-MLO"]
    changed, (row, column) = with_cluster(plain, 3)
    before, after = network.heat(plain), network.heat(changed)
    hottest = np.array(np.unravel_index(int(np.argmax(after)), after.shape)) * 8 + 4
    assert np.hypot(*(hottest - (row, column))) < 40
    far = np.hypot(*(np.indices(after.shape) * 8 + 4 - np.array([row, column])[:, None, None])) > 160
    same = far & np.isfinite(before)
    assert np.median(np.abs(after[same] - before[same])) < 0.2
    assert after.max() > before.max()


def _shipped_specks() -> SpeckNet | None:
    path = SHIPPED / "specks.safetensors"
    return load_specks(path.read_bytes()) if path.exists() else None


def _short_training(look: Look, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SpeckNet:
    monkeypatch.setattr(specks, "BATCH", 6)
    torch.manual_seed(0)
    path = folder / "specks" / "all.safetensors"
    specks.fit_specks(Fit(None, {}), [specks.ground(example(), look)], [], path, quiet, steps=60)
    return load_specks(path.read_bytes())


def test_patches_show_drawn_clusters_where_they_want_heat(looks: dict[str, Look]) -> None:
    base = specks.ground(example(), looks["L-MLO"])
    grounds = specks.Grounds([base], [], [])
    hot = cold = 0.0
    for seed in range(30):
        x, heat, weight = specks.one(grounds, np.random.default_rng(seed))
        assert x.shape == (2, 160, 160)
        assert heat.shape == weight.shape == (20, 20)
        if heat.max() > 0.9:
            peak = x[1].reshape(20, 8, 20, 8).max(axis=(1, 3))
            hot, cold = hot + peak[heat > 0.7].mean(), cold + peak[(heat < 0.05) & weight].mean()
    assert hot > 1.5 * cold


def test_real_clusters_are_wanted_where_the_truth_has_them(looks: dict[str, Look]) -> None:
    changed, (row, column) = with_cluster(looks["L-MLO"], 5)
    lesion = Lesion(column, row, 22.0, Kind.CALCIFICATIONS, False, True)
    base = specks.ground(example(label=True, lesions=(lesion,)), changed)
    assert base.clusters == (lesion,)
    assert not base.free
    at = specks.patch(base, column + 20, row - 10)
    (x, y, radius) = specks._within(lesion, at)[0]
    assert (x, y, radius) == (60, 90, 22.0)
    bright = folded(at.fine)[1]
    assert bright[70:110, 40:80].max() == bright.max()


def test_a_fold_learns_nothing_of_its_women(
    looks: dict[str, Look], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, seen = looks["R-MLO"], dict[str, Any]()
    both = [example(n, p, label=True, lesions=(LESION,)) for n, p in (("a", "her"), ("b", "other"))]
    monkeypatch.setattr(pairs, "learn", lambda network, course, path, tell: seen.update(draw=course.loss.__self__))
    monkeypatch.setattr(specks, "learn", lambda network, course, path, tell: seen.update(grounds=course.loss.args[0]))
    fit = Fit(1, {"her": 1, "other": 0})
    pairs.fit_pairs(fit, [sheet_of(e, look) for e in both * 2], [], tmp_path / "none", quiet)
    specks.fit_specks(fit, [specks.ground(e, look) for e in both], [], tmp_path / "none", quiet)
    draw = seen["draw"]
    assert {s.example.patient for p in draw.real for s in (p.one, p.other)} == {"other"}
    assert {s.example.patient for s, _ in draw.donors} == {"other"}
    assert {g.example.patient for g in seen["grounds"].free} == {"other"}
    assert [f.name for f in fits({"her": 1, "other": 0})] == ["fold0", "fold1", "all"]
    assert Fit(None, {"her": 1}).learns(both[0])


def test_training_goes_on_where_it_was_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "CHECKPOINT_EVERY", 2)

    def run(path: Path, tell: Any) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = torch.nn.Linear(3, 1)
        inputs = [torch.from_numpy(np.random.default_rng(n).random((4, 3), np.float32)) for n in range(5)]
        course = Course(
            5,
            [{"params": list(network.parameters()), "lr": 0.1}],
            lambda s: 1 - s / 5,
            lambda n, s: n(inputs[s]).sum(),
            0.9,
        )
        learn(network, course, path, tell)
        from safetensors.torch import load_file

        return load_file(path)

    def stop(_: str, done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    whole = run(tmp_path / "whole.safetensors", quiet)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "two.safetensors", stop)
    assert not (tmp_path / "two.safetensors").exists()
    twice = run(tmp_path / "two.safetensors", quiet)
    assert all(torch.equal(whole[name], twice[name]) for name in whole)
    assert not list(tmp_path.glob("*.checkpoint"))


def sheet_with_dot(row: int, column: int, partner: str | None = None, name: str = "a") -> Sheet:
    """Grey, with a bright dot at a lesion; channel pixels."""
    picture = np.full((3, 320, 192), 80, np.uint8)
    picture[:, row - 3 : row + 4, column - 3 : column + 4] = 240
    lesion = Lesion(column * 2 + 1.0, row * 2 + 1.0, 14.0, Kind.MASS, True, True)
    given = example(name, label=True, malignant=True, lesions=(lesion,), partner=partner, affine=IDENTITY)
    return Sheet(given, (picture,), ((lesion,),), np.ones((40, 24), np.float32))


def test_turned_images_and_what_is_wanted_of_them_turn_together() -> None:
    pair = Pair(sheet_with_dot(150, 90), sheet_with_dot(80, 60), None)
    for seed in range(8):
        given = pair_batches.batch([pair], np.random.default_rng(seed), [])
        for number in (0, 1):
            dot = given.x[number, 2].numpy().copy()
            at = np.array(np.unravel_index(int(np.argmax(dot)), dot.shape)) / 8
            peak = np.array(np.unravel_index(int(given.heat[number, 1].argmax()), given.heat.shape[2:])) + 0.5
            assert np.hypot(*(at - peak)) < 1.6
        assert given.use.sum() == 0
        assert given.label.tolist() == given.malignant.tolist() == [1, 1]


def test_partners_meet_whatever_their_turns() -> None:
    pair = Pair(sheet_with_dot(150, 90, "b"), sheet_with_dot(150, 90, "a", "b"), IDENTITY)
    rng = np.random.default_rng(3)
    turns = [pair_batches.turned(rng, 320, 192) for _ in range(2)]
    laid = [
        pair_batches._laid(s.pictures[0].astype(np.float32), t, 320, 192)
        for s, t in zip((pair.one, pair.other), turns, strict=True)
    ]
    cells = [torch.nn.functional.avg_pool2d(p[None], 8) for p in laid]
    grids = pair_batches._grids([pair], turns, 320, 192)
    for number in (0, 1):
        grid = torch.from_numpy(grids[number])[None]
        met = torch.nn.functional.grid_sample(cells[1 - number], grid, align_corners=False)
        a, b = (np.array(np.unravel_index(int(v[0, 0].argmax()), (40, 24))) for v in (met, cells[number]))
        assert np.abs(a - b).max() <= 1


def test_a_lesion_moves_to_another_woman_with_its_truth() -> None:
    donor = sheet_with_dot(150, 90)
    normal = Sheet(example("n"), (np.full((3, 320, 192), 90, np.uint8),), ((),), np.ones((40, 24), np.float32))
    donors = [(donor, donor.lesions[0][0])]
    tried = (pair_batches.transplanted(normal, np.random.default_rng(seed), donors) for seed in range(20))
    given = next(g for g in tried if g)
    (lesion,) = given.lesions
    assert given.picture[2, int(lesion.y / 2), int(lesion.x / 2)] == pytest.approx(1.2, abs=0.01)
    assert (given.label, given.malignant) == (1.0, 1.0)
    large = Lesion(180.0, 300.0, 150.0, Kind.MASS, True, True)
    assert pair_batches.transplanted(normal, np.random.default_rng(0), [(donor, large)]) is None


def test_images_without_a_partner_are_paired_but_not_compared() -> None:
    lone = [sheet_with_dot(100, 80, None, n) for n in "xyz"]
    both = [sheet_with_dot(100, 80, "b"), sheet_with_dot(100, 80, "a", "b")]
    found = pairs_of([*lone, *both])
    assert [p.affine for p in found] == [IDENTITY, None]
    assert (found[0].one.example.name, found[0].other.example.name) == ("a", "b")


def test_sheets_are_kept_and_normal_breasts_get_drawn_lesions(looks: dict[str, Look], tmp_path: Path) -> None:
    made = sheet_of(example("n"), looks["R-MLO"])
    assert len(made.pictures) == 3
    assert all(made.lesions[1:])
    sick = sheet_of(example("s", label=True, lesions=(LESION,)), looks["R-MLO"])
    assert (len(sick.pictures), sick.lesions) == (1, ((LESION,),))
    from pipeline.training.mammography.pair_sheets import _keep

    _keep(tmp_path / "n.plain.npz", made)
    kept = sheet(example("n"), tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(kept.pictures, made.pictures, strict=True))
    assert [(v.x, v.y) for v in kept.lesions[1]] == [(v.x, v.y) for v in made.lesions[1]]


def test_an_image_of_which_nobody_said_where_teaches_its_label_alone() -> None:
    nowhere = Lesion(0, 0, 0, Kind.CALCIFICATIONS, True, False)
    given = Sheet(
        example("u", label=True, malignant=True, lesions=(nowhere,)),
        (np.full((3, 320, 192), 90, np.uint8),),
        ((),),
        np.ones((40, 24), np.float32),
    )
    made = pair_batches.batch([Pair(given, sheet_with_dot(100, 80), None)], np.random.default_rng(0), [])
    assert made.weight[0].sum() == 0
    assert made.weight[1].sum() > 0
    assert made.label.tolist() == [1, 1]


def test_turns_are_undone_by_their_inverse() -> None:
    turn = pair_batches.turned(np.random.default_rng(0), 100, 60)
    point = np.array([20.0, 70.0])
    assert np.allclose(turn.matrix @ (turn.back @ (point - turn.offset)) + turn.offset, point)
    assert Turn(np.eye(2) / 2, np.zeros(2)).scale == pytest.approx(2)
    assert Shown(sheet_with_dot(100, 80), np.zeros((3, 8, 8), np.float32), (), 0.0, 0.0).somewhere is False
