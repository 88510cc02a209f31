"""A user's own model of mammograms: what it answers on one breast, and what is refused, with which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.bundle import describe, load_bundle
from pipeline.core.errors import ConfigInvalid, PipelineFailed, WeightsCorrupt
from pipeline.marks import Kind
from pipeline.recipes.srs.recipe import PIPELINE as SRS
from tests.support.bundles import Level, ball, planar, planar_monai_bundle, torchscript, with_manifest

SPACING_MM = 0.2


def breast(shape: tuple[int, int] = (300, 200)) -> tuple[np.ndarray, np.ndarray]:
    """A grey half disc at the left with a bright disc of 5 mm radius in its upper half, and where that is."""
    rows, columns = np.indices(shape)
    picture = np.where(np.hypot(rows - shape[0] / 2, columns) < 180, 0.3, 0.0).astype(np.float32)
    inside = np.hypot(rows - 90, columns - 60) < 25
    picture[inside] = 0.9
    return picture, inside


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


def script(folder: Path, network: torch.nn.Module | None = None, **changed: Any) -> Path:
    return torchscript(folder, network or Level(0.6), **planar(**changed))


@pytest.mark.parametrize("kind", ["torchscript", "monai-bundle"])
def test_on_the_models_own_grid_the_answer_is_the_networks_pixel_by_pixel(tmp_path: Path, kind: str):
    made = script if kind == "torchscript" else lambda f, **c: planar_monai_bundle(f, 0.6, **c)
    picture, inside = breast()
    found = load_bundle(made(tmp_path, input__spacing_mm=[0.2, 0.2])).heat(picture, SPACING_MM)
    assert found.lesion.shape == picture.shape
    assert found.lesion.dtype == np.float32
    assert np.array_equal(found.lesion > 0.5, inside)
    assert found.lesion[~inside].max() < 0.001
    assert found.kinds == {}


@pytest.mark.parametrize("spacing_mm", [[0.4, 0.4], [0.1, 0.1], [0.3, 0.5]])
@pytest.mark.parametrize("patch", ["whole", [64, 96]])
def test_other_pixels_are_brought_to_those_of_the_model_and_back(tmp_path: Path, spacing_mm: list[float], patch: Any):
    picture, inside = breast((333, 207))
    found = load_bundle(script(tmp_path, input__spacing_mm=spacing_mm, input__patch=patch)).heat(picture, SPACING_MM)
    assert dice(found.lesion > 0.5, inside) > 0.95


@pytest.mark.parametrize("patch", ["whole", [64, 64]])
def test_a_network_sees_the_chest_wall_where_the_manifest_says(tmp_path: Path, patch: Any):
    class Right(torch.nn.Module):
        """Marks what is bright within 20 columns of the right edge of a whole image; of a patch what is bright."""

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            columns = image.shape[3]
            bright = (image > 0.2).float()
            if columns > 64:
                bright[:, :, :, : columns - 20] = 0.0
            return bright

    picture, _ = breast((320, 192))
    changed: dict[str, Any] = {"input__spacing_mm": [0.2, 0.2], "output__activation": "none", "input__patch": patch}
    right = load_bundle(script(tmp_path / "r", Right(), input__chest_wall="right", **changed)).heat(picture, SPACING_MM)
    left = load_bundle(script(tmp_path / "l", Right(), input__chest_wall="left", **changed)).heat(picture, SPACING_MM)
    if patch == "whole":
        assert (right.lesion[150, :20] > 0.5).all()
        assert not (right.lesion[:, 20:] > 0.5).any()
        assert not (left.lesion[:, :20] > 0.5).any()
    else:
        assert np.allclose(right.lesion, left.lesion, atol=1e-5)


def test_whole_images_are_filled_up_to_what_the_network_takes(tmp_path: Path):
    class Strict(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            if image.shape[2] % 48 or image.shape[3] % 48:
                raise ValueError("48 only")
            return image

    folder = script(tmp_path, Strict(), input__multiple_of=48, input__spacing_mm=[0.2, 0.2], output__activation="none")
    picture, _ = breast((301, 199))
    assert np.allclose(load_bundle(folder).heat(picture, SPACING_MM).lesion, picture)
    load_bundle(folder).try_out()


def test_three_channels_are_the_same_picture_three_times(tmp_path: Path):
    class Same(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            assert image.shape[1] == 3
            assert bool((image[:, 0] == image[:, 2]).all())
            return image.mean(1, keepdim=True)

    folder = script(tmp_path, Same(), input__channels=["mammogram"] * 3, output__activation="none")
    picture, inside = breast()
    assert dice(load_bundle(folder).heat(picture, SPACING_MM).lesion > 0.6, inside) > 0.95
    load_bundle(folder).try_out()


class Kinds(torch.nn.Module):
    """Background; what is very bright; what is grey; nothing."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        bright, grey = (image > 0.6).float(), ((image > 0.2) & (image < 0.6)).float() * 0.4
        return torch.cat([1 - bright - grey, bright, grey, bright * 0.0], 1)


def test_channels_of_kinds_are_told_apart_and_the_heat_is_of_all(tmp_path: Path):
    out = {"output__channels": 4, "output__lesion_channels": [1, 2, 3], "output__activation": "none"}
    said = ["mass", "asymmetry", "mass"]
    folder = script(tmp_path, Kinds(), input__spacing_mm=[0.2, 0.2], output__kinds=said, **out)
    picture, inside = breast()
    found = load_bundle(folder).heat(picture, SPACING_MM)
    assert list(found.kinds) == [Kind.MASS, Kind.ASYMMETRY]
    assert np.array_equal(found.kinds[Kind.MASS] > 0.5, inside)
    assert np.allclose(found.kinds[Kind.ASYMMETRY], np.where((picture > 0.2) & ~inside, 0.4, 0), atol=1e-6)
    assert np.allclose(found.lesion, np.maximum(*found.kinds.values()), atol=1e-6)


@pytest.mark.parametrize(("normalisation", "level"), [("zscore", 2.0), ("percentile", 0.6), ("minmax", 0.6)])
def test_a_normalisation_takes_the_scale_of_the_picture_away(tmp_path: Path, normalisation: str, level: float):
    picture, inside = breast()
    folder = script(
        tmp_path, Level(level), input__normalisation=normalisation, input__percentiles=[0.0, 100.0]
    )  # fmt: skip
    for scale in (1.0, 0.4):
        assert dice(load_bundle(folder).heat(picture * scale, SPACING_MM).lesion > 0.5, inside) > 0.95


# What is refused.


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"input__channels": ["mammogram", "t1c"]}, "in each place"),
        ({"input__chest_wall": "up"}, "'left' or 'right'"),
        ({"input__chest_wall": None}, "chest_wall is missing"),
        ({"input__orientation": "RAS"}, "orientation is no key"),
        ({"input__spacing_mm": [0.1, 0.1, 0.1]}, "array of 2"),
        ({"input__spacing_mm": [0.1, 9]}, "number from 0.02 to 5"),
        ({"input__patch": "half"}, '"whole"'),
        ({"input__patch": [512]}, "array of 2"),
        ({"input__multiple_of": 0}, "whole number from 1"),
        ({"output__kinds": ["mass", "mass"]}, "one for each of lesion_channels"),
        ({"output__kinds": ["cyst"]}, "'mass' or 'calcifications'"),
        ({"output__lesion_channels": [1]}, "counted from 0"),
    ],
)
def test_a_wrong_manifest_says_what_is_wrong(tmp_path: Path, changed: dict[str, Any], said: str):
    folder = script(tmp_path)
    with_manifest(folder, "torchscript", "net.ts", **planar(**changed))
    with pytest.raises(ConfigInvalid, match=said) as error:
        load_bundle(folder)
    assert error.value.hint


def test_a_volume_has_no_chest_wall_and_no_kinds(tmp_path: Path):
    folder = torchscript(tmp_path, Level(0.5), input__chest_wall="left", output__kinds=["mass"])
    with pytest.raises(ConfigInvalid) as error:
        describe(folder)
    assert "[input] chest_wall is no key" in error.value.message
    assert "[output] kinds is no key" in error.value.message


def test_a_model_of_mammograms_is_refused_by_srs_and_the_other_way_round(tmp_path: Path):
    flat, solid = script(tmp_path / "flat"), torchscript(tmp_path / "solid", Level(0.5))
    with pytest.raises(ConfigInvalid, match="'mammogram'; this pipeline gives 't1c'") as error:
        SRS.algorithm_with({"bundle": str(flat)})
    assert error.value.hint
    with pytest.raises(ConfigInvalid, match="'t1c'; this pipeline gives 'mammogram'"):
        load_bundle(solid, reads="mammogram")
    with pytest.raises(ConfigInvalid, match="reads 'mammogram', not 't1c'"):
        load_bundle(flat).probability(ball()[0])
    with pytest.raises(ConfigInvalid, match="reads 't1c', not 'mammogram'"):
        load_bundle(solid).heat(breast()[0], SPACING_MM)


def test_other_bytes_and_expressions_are_refused_as_for_volumes(tmp_path: Path):
    folder = planar_monai_bundle(tmp_path)
    config = folder / "configs" / "inference.json"
    config.write_text(config.read_text().replace('"@dims"', "\"$__import__('os').getpid()\""))
    with pytest.raises(ConfigInvalid, match="expression"):
        load_bundle(folder)
    planar_monai_bundle(folder)
    (folder / "models" / "model.pt").write_bytes(b"other")
    with pytest.raises(WeightsCorrupt, match="SHA-256"):
        load_bundle(folder)


class Shrinks(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :, ::2, ::2]


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (torch.nn.Conv2d(3, 1, 1), r"does not take 1 channel\(s\) of 160x128 pixels"),
        (torch.nn.Conv2d(1, 3, 1), r"answers with the shape \(1, 3, 160, 128\), not \(1, 1, 160, 128\)"),
        (Shrinks(), "answers with the shape"),
    ],
)
def test_a_model_that_does_not_keep_its_word_fails_with_a_hint(tmp_path: Path, network: torch.nn.Module, said: str):
    loaded = load_bundle(script(tmp_path, network))
    with pytest.raises(PipelineFailed, match=said) as error:
        loaded.heat(breast()[0], SPACING_MM)
    assert error.value.hint
