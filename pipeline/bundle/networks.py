"""Loads a user's network, running none of its owner's code but that of a TorchScript file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

from pipeline.bundle.card import Card, checked_bytes
from pipeline.bundle.keys import MANIFEST
from pipeline.core.errors import ConfigInvalid, WeightsCorrupt

if TYPE_CHECKING:
    import torch

NETS = "monai.networks.nets."

ALLOWED = frozenset({
    "AttentionUnet", "BasicUNet", "BasicUNetPlusPlus", "DynUNet", "HighResNet", "MedNeXt", "RegUNet", "SegResNet",
    "SegResNetDS", "SegResNetDS2", "SegResNetVAE", "SwinUNETR", "UNet", "UNETR", "VNet",
})  # fmt: skip
"""Classes of monai.networks.nets that a bundle may name: segmenters that read and fetch nothing when they are made."""

_ITEM = "network_def"


def load_network(card: Card, device: str) -> torch.nn.Module:
    """The network with its weights on `device`, ready to read.

    Raises WeightsCorrupt (missing, other bytes, not of this network) or ConfigInvalid (a bundle that asks for code).
    """
    content = checked_bytes(card)
    network = _torchscript(card, content) if card.network is None else _monai(card, card.network, content)
    return network.to(device).eval()


def _torchscript(card: Card, content: bytes) -> torch.nn.Module:
    import torch  # noqa: PLC0415

    try:
        return torch.jit.load(io.BytesIO(content), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise WeightsCorrupt(
            f"{card.folder / card.file} is no TorchScript file that this PyTorch reads",
            'save it with torch.jit.save, or give a MONAI bundle and kind = "monai-bundle"',
        ) from error


def _monai(card: Card, config: Path, content: bytes) -> torch.nn.Module:
    network = build(config)
    try:
        network.load_state_dict(_state(card, content))
    except RuntimeError as error:
        words = str(error).strip().splitlines()
        raise WeightsCorrupt(
            f"the weights {card.file} are not of the network in {config}: {' '.join(words[1:3]).strip()}",
            f"`file` in {MANIFEST} and network_def must belong together",
        ) from error
    return network


def _state(card: Card, content: bytes) -> dict[str, torch.Tensor]:
    import torch  # noqa: PLC0415
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.torch import load  # noqa: PLC0415

    hint = "save the state_dict alone: torch.save(network.state_dict(), FILE), or a safetensors file"
    try:
        if card.file.endswith(".safetensors"):
            kept: Any = load(content)
        else:
            kept = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    # What is no file of weights, or wants code to be run, comes out in many forms.
    except (RuntimeError, ValueError, EOFError, KeyError, UnpicklingError, SafetensorError) as error:
        raise WeightsCorrupt(
            f"{card.folder / card.file} holds no plain weights ({type(error).__name__})", hint
        ) from error
    for key in ("state_dict", "model", "network", "net"):
        if isinstance(kept, Mapping) and isinstance(kept.get(key), Mapping):
            kept = kept[key]
    if not isinstance(kept, Mapping) or not all(isinstance(v, torch.Tensor) for v in kept.values()):
        raise WeightsCorrupt(f"{card.folder / card.file} holds no state_dict", hint)
    return {str(k).removeprefix("module."): v for k, v in kept.items()}


def build(config: Path) -> torch.nn.Module:
    """The network that `network_def` of a bundle's inference configuration describes, without weights.

    Raises ConfigInvalid for anything but a network of `ALLOWED` and plain values.
    """
    from monai.bundle import ConfigParser  # noqa: PLC0415

    plain = definition(config)
    try:
        made = ConfigParser({_ITEM: plain}).get_parsed_content(_ITEM)
    except (RuntimeError, ValueError, TypeError) as error:  # MONAI wraps what a network says of its arguments
        said = str(error.__cause__ or error).strip().partition("\n")[0]
        raise ConfigInvalid(
            f"{config}: {_ITEM} cannot be made: {said}",
            f"the arguments must be those of {plain['_target_']} in the MONAI that is installed",
        ) from error
    network: torch.nn.Module = made
    return network


def definition(config: Path) -> dict[str, Any]:
    """`network_def` with its references followed: an allowed target and plain values, nothing to be evaluated."""
    from monai.bundle import ConfigParser  # noqa: PLC0415
    from yaml import YAMLError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        whole = ConfigParser.load_config_file(config)
    except (OSError, ValueError, YAMLError) as error:
        raise ConfigInvalid(f"{config} cannot be read: {type(error).__name__}", "it must be JSON or YAML") from error
    if not isinstance(whole, dict) or not isinstance(whole.get(_ITEM), dict):
        raise ConfigInvalid(f"{config} has no table {_ITEM!r}", "name the network there: {'_target_': 'UNet', …}")
    plain = _Plain(config, whole).of(whole[_ITEM], _ITEM)
    if "_target_" not in plain:
        raise ConfigInvalid(f"{config}: {_ITEM} has no `_target_`", _hint())
    made: dict[str, Any] = plain
    return made


class _Plain:
    """Copies a part of a configuration, following references, refusing all that would run or import something."""

    def __init__(self, config: Path, whole: Mapping[str, Any]) -> None:
        self._config, self._whole = config, whole

    def of(self, value: Any, at: str, depth: int = 0) -> Any:
        if depth > 20:
            raise self._refused(at, "refers to itself")
        match value:
            case dict():
                return self._table(value, at, depth)
            case list():
                return [self.of(v, f"{at}[{n}]", depth + 1) for n, v in enumerate(value)]
            case str():
                return self._text(value, at, depth)
            case None | bool() | int() | float():
                return value
        raise self._refused(at, f"is a {type(value).__name__}")

    def _table(self, table: dict[Any, Any], at: str, depth: int) -> dict[str, Any]:
        copy = {str(k): self.of(v, f"{at}.{k}", depth + 1) for k, v in table.items() if k not in ("_target_", "_desc_")}
        if wrong := [k for k in copy if k.startswith(("_", "$", "@", "%"))]:
            raise self._refused(f"{at}.{wrong[0]}", "is a key that changes how things are run")
        if "_target_" in table:
            copy["_target_"] = self._target(table["_target_"], at)
        return copy

    def _target(self, target: Any, at: str) -> str:
        name = str(target).removeprefix(NETS)
        if name not in ALLOWED:
            raise self._refused(f"{at}._target_", f"is {target!r}, which Lantern does not run")
        return f"{NETS}{name}"

    def _text(self, text: str, at: str, depth: int) -> Any:
        if text.startswith("@"):
            return self.of(self._referred(text[1:], at), at, depth + 1)
        if text.startswith(("$", "%")) or "$@" in text:
            raise self._refused(at, f"is an expression ({text[:40]!r})")
        return text

    def _referred(self, name: str, at: str) -> Any:
        found: Any = self._whole
        for part in name.replace("#", "::").split("::"):
            if isinstance(found, dict) and part in found:
                found = found[part]
            elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            else:
                raise self._refused(at, f"refers to {name!r}, which is not there")
        return found

    def _refused(self, at: str, what: str) -> ConfigInvalid:
        return ConfigInvalid(f"{self._config}: {at} {what}; a bundle may not bring code", _hint())


def _hint() -> str:
    return f"allowed are plain values and the networks {', '.join(sorted(ALLOWED))}; or export the model as TorchScript"
