"""A user's own model: what it answers on volumes of every orientation, and what is refused, with which words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.bundle import describe, load_bundle
from pipeline.core.errors import ConfigInvalid, PipelineFailed, WeightsCorrupt
from pipeline.findings import Algorithm
from tests.support.bundles import UNET, Level, ball, monai_bundle, torchscript, with_manifest

KINDS = ("torchscript", "monai-bundle")
SHIPPED = Algorithm("Lantern SRS", "1.0+abc", "0" * 64, "T2", "much")


def bundle(folder: Path, kind: str = "torchscript", **changed: Any) -> Path:
    return torchscript(folder, Level(0.5), **changed) if kind == "torchscript" else monai_bundle(folder, **changed)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum()))


@pytest.mark.parametrize("kind", KINDS)
def test_on_the_models_own_grid_the_answer_is_the_networks_voxel_by_voxel(tmp_path: Path, kind: str):
    volume, inside = ball()
    folder = bundle(tmp_path, kind, input__orientation="SPL", input__spacing_mm=[2.0, 1.0, 1.0])
    found = load_bundle(folder).probability(volume)
    assert found.shape == inside.shape
    assert found.dtype == np.float32
    assert np.array_equal(found > 0.5, inside)
    assert found[inside].min() > 0.999
    assert found[~inside].max() < 0.001


@pytest.mark.parametrize("turn", ["HPL", "FAR", "LHA", "PRF"])
def test_every_orientation_gives_the_same_answer_in_the_same_place(tmp_path: Path, turn: str):
    volume, inside = ball(turn=turn)
    found = load_bundle(bundle(tmp_path, input__orientation="RAS")).probability(volume)
    assert dice(found > 0.5, inside) > 0.97


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "SPL", "IAR"])
def test_the_array_leads_where_the_manifest_says(tmp_path: Path, orientation: str):
    """A network that sees only the half towards the end of its first axis must see the half that the manifest names."""

    class Second(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            half = torch.zeros_like(image)
            half[:, :, image.shape[2] // 2 :] = 1.0
            return half

    volume, _ = ball(shape=(32, 32, 32), spacing_mm=(1.0, 1.0, 1.0))
    folder = torchscript(tmp_path, Second(), input__orientation=orientation, output__activation="none")
    found = load_bundle(folder).probability(volume) > 0.5
    seen = volume.affine @ np.append(np.argwhere(found).mean(0), 1)
    centre = volume.affine @ np.array([15.5, 15.5, 15.5, 1])
    axis, sign = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}[orientation[0]]
    assert (seen - centre)[axis] * sign == pytest.approx(8, abs=1e-4)
    assert np.abs(np.delete(seen - centre, axis)).max() < 1e-4


@pytest.mark.parametrize("spacing_mm", [(0.5, 0.5, 0.5), (6.0, 0.5, 0.5), (1.0, 1.3, 1.3)])
def test_other_voxels_are_brought_to_those_of_the_model_and_back(
    tmp_path: Path, spacing_mm: tuple[float, float, float]
):
    shape = tuple(round(48 / mm) for mm in spacing_mm)
    volume, inside = ball(shape=shape, spacing_mm=spacing_mm)  # type: ignore[arg-type]
    found = load_bundle(bundle(tmp_path)).probability(volume)
    assert found.shape == shape
    assert dice(found > 0.5, inside) > 0.9
    assert 0 <= found.min() <= found.max() <= 1


def test_a_volume_smaller_than_a_patch_and_smaller_tiles_give_the_same_answer(tmp_path: Path):
    volume, inside = ball(shape=(14, 30, 40))
    loaded = load_bundle(bundle(tmp_path, input__patch=[64, 64, 64]))
    whole, small = loaded.probability(volume), loaded.probability(volume, tile_scale=0.25)
    assert np.allclose(whole, small, atol=1e-5)
    assert dice(whole > 0.5, inside) > 0.97


@pytest.mark.parametrize(("activation", "channels"), [("softmax", 2), ("sigmoid", 2), ("sigmoid", 1)])
def test_the_lesion_channel_becomes_a_probability(tmp_path: Path, activation: str, channels: int):
    volume, inside = ball()
    folder = torchscript(
        tmp_path,
        Level(0.5, channels),
        output__channels=channels,
        output__lesion_channels=[channels - 1],
        output__activation=activation,
    )
    assert dice(load_bundle(folder).probability(volume) > 0.5, inside) > 0.97


@pytest.mark.parametrize("scale", [1.0, 40.0])
@pytest.mark.parametrize(
    ("normalisation", "level"), [("zscore", 3.0), ("zscore-nonzero", 3.0), ("percentile", 0.6), ("minmax", 0.5)]
)
def test_a_normalisation_takes_the_scale_of_the_signal_away(
    tmp_path: Path, normalisation: str, level: float, scale: float
):
    volume, inside = ball()
    scaled = volume.with_array(volume.array * scale)
    folder = torchscript(
        tmp_path, Level(level), input__normalisation=normalisation, input__percentiles=[0.0, 100.0]
    )  # fmt: skip
    assert dice(load_bundle(folder).probability(scaled) > 0.5, inside) > 0.95


def test_a_monai_bundle_may_be_written_in_yaml_and_ship_safetensors(tmp_path: Path):
    from safetensors.torch import save_file

    monai_bundle(tmp_path, config="inference.yaml")
    weights = torch.load(tmp_path / "models/model.pt", weights_only=True)
    save_file(weights, tmp_path / "models/model.safetensors")
    with_manifest(tmp_path, "monai-bundle", "models/model.safetensors")
    volume, inside = ball()
    assert dice(load_bundle(tmp_path).probability(volume) > 0.5, inside) > 0.97


def test_results_name_the_users_model_and_its_version_changes_with_all_that_counts(tmp_path: Path):
    card = describe(monai_bundle(tmp_path))
    made = card.algorithm(SHIPPED)
    assert (made.name, made.evidence_tier, made.training) == (
        "Level of ours",
        "T0: made in a test",
        "not stated by its owner",
    )
    assert made.weights_sha256 == card.sha256
    assert made.version.startswith("3.1+")
    other = {describe(monai_bundle(tmp_path, output__threshold=0.4)).algorithm(SHIPPED).version}
    other.add(describe(monai_bundle(tmp_path, definition={**UNET, "act": "relu"})).algorithm(SHIPPED).version)
    other.add(card.algorithm(Algorithm("Lantern SRS", "1.1+abc", "0" * 64, "T2", "much")).version)
    assert len(other | {made.version}) == 4


def test_a_bundle_is_loaded_once_and_again_when_its_manifest_changes(tmp_path: Path):
    folder = bundle(tmp_path)
    first = load_bundle(folder)
    assert load_bundle(folder) is first
    assert load_bundle(bundle(tmp_path, output__threshold=0.4)) is not first


# What is refused.


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_is_not_the_one_of_the_manifest_is_not_opened(tmp_path: Path, kind: str):
    folder = bundle(tmp_path, kind)
    file = folder / describe(folder).file
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(WeightsCorrupt, match="SHA-256") as error:
        load_bundle(folder)
    assert "sha256sum" in error.value.hint
    file.unlink()
    with pytest.raises(WeightsCorrupt, match="cannot be read"):
        load_bundle(folder)


def test_a_folder_without_manifest_is_refused_with_a_hint(tmp_path: Path):
    with pytest.raises(ConfigInvalid, match=r"no lantern\.toml") as error:
        load_bundle(tmp_path)
    assert "README" in error.value.hint


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"kind": "onnx"}, "kind must be"),
        ({"sha256": "12"}, "64 hexadecimal"),
        ({"name": "two\nlines"}, "one line"),
        ({"file": "../net.ts"}, "inside the folder"),
        ({"version": None}, "version is missing"),
        ({"colour": "red"}, "colour is no key"),
        ({"input__channels": ["t1c", "flair"]}, r"\[input\] channels must be 't1c' or 'mammogram'"),
        ({"input__orientation": "RAR"}, "three letters"),
        ({"input__spacing_mm": [1.0, 1.0]}, "array of 3"),
        ({"input__patch": [96, 96, 4]}, "whole number from 8"),
        ({"input__normalisation": "hopeful"}, r"\[input\] normalisation must be"),
        ({"output__lesion_channels": [1]}, "counted from 0"),
        ({"output__activation": "softmax"}, "always 1"),
        ({"output__threshold": 5}, "number from 0.001"),
    ],
)
def test_a_wrong_manifest_says_what_is_wrong(tmp_path: Path, changed: dict[str, Any], said: str):
    folder = bundle(tmp_path)
    with_manifest(folder, "torchscript", "net.ts", **changed)
    with pytest.raises(ConfigInvalid, match=said) as error:
        load_bundle(folder)
    assert error.value.hint


def test_every_problem_of_a_manifest_is_said_at_once(tmp_path: Path):
    folder = bundle(tmp_path)
    with_manifest(folder, "torchscript", "net.ts", name=None, input__overlap=2, output__channels="two")
    with pytest.raises(ConfigInvalid) as error:
        describe(folder)
    assert len(error.value.message.splitlines()) == 3


def test_a_bundle_whose_metadata_says_otherwise_is_refused(tmp_path: Path):
    folder = monai_bundle(tmp_path, output__channels=3, output__lesion_channels=[2])
    with pytest.raises(ConfigInvalid, match=r"metadata\.json of the bundle names 1 output channels"):
        load_bundle(folder)


@pytest.mark.parametrize(
    ("definition", "said"),
    [
        ({**UNET, "in_channels": "$__import__('os').system('touch ran')"}, "expression"),
        ({**UNET, "in_channels": "@network"}, "expression"),
        ({**UNET, "in_channels": "%other.json#x"}, "expression"),
        ({**UNET, "in_channels": "@nowhere"}, "not there"),
        ({**UNET, "channels": "@network_def::channels"}, "refers to itself"),
        ({"_target_": "os.system", "command": "touch ran"}, "does not run"),
        ({"_target_": "monai.bundle.run", "config_file": "x"}, "does not run"),
        ({"_target_": "monai.networks.nets.unet.UNet"}, "does not run"),
        ({"_target_": "FlexibleUNet", "pretrained": True}, "does not run"),
        (
            {**UNET, "act": {"_target_": "builtins.eval", "_args_": ["1"]}},
            "act.* changes how things are run|does not run",
        ),
        ({**UNET, "_mode_": "debug"}, "changes how things are run"),
        ({**UNET, "_requires_": "$print(1)"}, "expression"),
        ({"spatial_dims": 3}, "no `_target_`"),
        ({**UNET, "chanels": [1, 1]}, "cannot be made"),
    ],
)
def test_a_bundle_that_asks_for_code_is_refused_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, definition: dict[str, Any], said: str
):
    folder = monai_bundle(tmp_path / "b", definition=definition)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigInvalid, match=said) as error:
        load_bundle(folder)
    assert error.value.hint
    assert not (tmp_path / "ran").exists()


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch ran",)


@pytest.mark.parametrize("content", [{"x": Evil()}, Evil(), {"x": 3}])
def test_weights_that_are_more_than_numbers_are_refused_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any
):
    folder = monai_bundle(tmp_path / "b")
    torch.save(content, folder / "models/model.pt")
    with_manifest(folder, "monai-bundle", "models/model.pt")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsCorrupt, match=r"state_dict|no plain weights"):
        load_bundle(folder)
    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(tmp_path: Path):
    folder = monai_bundle(tmp_path, definition={**UNET, "channels": [2, 2]})
    with pytest.raises(WeightsCorrupt, match="are not of the network"):
        load_bundle(folder)


def test_a_file_that_is_no_torchscript_is_refused(tmp_path: Path):
    folder = monai_bundle(tmp_path)
    with_manifest(folder, "torchscript", "models/model.pt")
    with pytest.raises(WeightsCorrupt, match="no TorchScript"):
        load_bundle(folder)


class Shrinks(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image[:, :, :8]


class Pair(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return image, image


class Lost(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image / 0.0 * 0.0


class Loud(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image * 7.0


@pytest.mark.parametrize(
    ("network", "changed", "said"),
    [
        (torch.nn.Conv3d(2, 1, 1), {}, r"does not take 1 channel\(s\) of 32x32x32 voxels"),
        (torch.nn.Conv3d(1, 3, 1), {}, r"answers with the shape \(\d, 3, 32, 32, 32\)"),
        (Shrinks(), {}, "answers with the shape"),
        (Pair(), {}, "answers with a tuple"),
        (Lost(), {}, "no finite numbers"),
        (Loud(), {"output__activation": "none"}, "no probabilities"),
    ],
)
def test_a_model_that_does_not_keep_its_word_fails_with_a_hint(
    tmp_path: Path, network: torch.nn.Module, changed: dict[str, Any], said: str
):
    loaded = load_bundle(torchscript(tmp_path, network, **changed))
    with pytest.raises(PipelineFailed, match=said) as error:
        loaded.probability(ball()[0])
    assert error.value.hint
    assert "Level of ours" in error.value.message
