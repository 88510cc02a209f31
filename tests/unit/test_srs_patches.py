"""Cubes for the volume network: vessels are thin and stay in the head, and places of errors are visited."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

from pipeline.phantom.tissue import Tissue
from pipeline.training.bare_heads import BareHead
from pipeline.training.mining import mine
from pipeline.training.patches import PatchSource
from pipeline.training.vessels import draw_vessels
from pipeline.training.volumes import GREY_PER_UNIT

SIDE = 48


def head(name: str = "one", marked: tuple[int, int, int] | None = None) -> BareHead:
    """White matter in air, with one bright voxel if wanted."""
    tissues = np.zeros((80, 80, 80), np.uint8)
    tissues[8:72, 8:72, 8:72] = Tissue.WHITE
    image = np.where(tissues > 0, np.uint8(GREY_PER_UNIT), np.uint8(0))
    if marked is not None:
        image[marked] = 250
    return BareHead(image, tissues, name, name)


@pytest.mark.parametrize("seed", range(4))
def test_vessels_are_bright_and_thin_and_stay_in_the_head(seed: int) -> None:
    image = np.ones((SIDE, SIDE, SIDE), np.float32)
    image[:10] = 0  # air
    before = image.copy()
    tissues = np.full(image.shape, np.uint8(Tissue.WHITE))
    draw_vessels(np.random.default_rng(seed), image, tissues)
    drawn = np.abs(image - before) > 0.2
    assert drawn.any()
    assert not drawn[:10].any()
    assert ndimage.distance_transform_edt(drawn).max() < 6  # nothing as thick as a lesion of 12 mm


def test_a_batch_of_cubes_depends_on_its_number_alone() -> None:
    source = PatchSource([head()], SIDE, 2, seed=5)
    first, again, other = source.batch(3), source.batch(3), source.batch(4)
    assert torch.equal(first.image, again.image)
    assert torch.equal(first.weight, again.weight)
    assert not torch.equal(first.image, other.image)
    assert first.image.shape == (2, 1, SIDE, SIDE, SIDE)
    assert float(first.image.min()) >= -1
    assert float(first.image.max()) <= 4


def test_voxels_of_small_lesions_weigh_most_and_background_one() -> None:
    batch = PatchSource([head()], SIDE, 6, seed=1).batch(0)
    assert set(batch.weight[batch.mask == 0].unique().tolist()) == {1.0}
    assert float(batch.weight[batch.mask > 0].min()) > 1


def test_places_where_the_network_was_wrong_are_found_kept_and_visited(tmp_path: Path) -> None:
    """The "network" calls lesion whatever is very bright: one voxel of one head, nothing of the other."""

    class Bright(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return 20 * (image - 2)

    heads, said = [head("marked", (20, 60, 30)), head("plain")], []
    spots = mine(heads, Bright(), "cpu", tmp_path, said.append)
    assert spots["marked"].tolist() == [[20, 60, 30]]
    assert spots["plain"].shape == (0, 3)
    assert len(said) == 2
    mine(heads, Bright(), "cpu", tmp_path, said.append)  # kept: not sought again
    assert len(said) == 2

    source = PatchSource(heads[:1], 32, 1, seed=2, spots=spots, share_spots=1.0)
    corners = [source._focus(np.random.default_rng(n), heads[0]) for n in range(20)]
    assert all(np.abs(c - (20, 60, 30)).max() <= 8 for c in corners)


def test_real_scans_are_taken_as_often_as_asked() -> None:
    scan = head("scan")
    source = PatchSource([head()], 32, 1, seed=3, scans=(scan,), share_scans=1.0)
    seen: list[str] = []

    class Watching(PatchSource):
        def _focus(self, rng: np.random.Generator, which: BareHead) -> np.ndarray:
            seen.append(which.name)
            return super()._focus(rng, which)

    watching = Watching(source.heads, 32, 1, 3, source.scans, 1.0)
    for n in range(5):
        watching.batch(n)
    assert seen == ["scan"] * 5
