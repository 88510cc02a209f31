"""What lantern.toml says of a user's model; README.md of this room has an example with every key."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.core.errors import ConfigInvalid, WeightsCorrupt
from pipeline.findings import Algorithm

MANIFEST = "lantern.toml"
NOT_STATED = "not stated by its owner"
KINDS = ("torchscript", "monai-bundle")
ACTIVATIONS = ("sigmoid", "softmax", "none")
NORMALISATIONS = ("zscore", "zscore-nonzero", "percentile", "minmax", "none")
CHANNELS = ("t1c",)
"""What Lantern can give to a model."""

_HINT = "pipeline/bundle/README.md has an example with every key"
_CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")


@dataclass(frozen=True, slots=True)
class Input:
    """What the network wants to see.

    channels:    what each of its channels shows, e.g. ("t1c",).
    orientation: where the three array axes lead, as in nibabel and MONAI: "RAS" leads to right, anterior, superior.
    spacing_mm:  voxel size along these axes, in this order.
    patch:       voxels along these axes that it sees at once.
    overlap:     0…<1, part of a patch that neighbouring patches share.
    percentiles: of the volume, that "percentile" maps to 0 and 1.
    """

    channels: tuple[str, ...]
    orientation: str
    spacing_mm: tuple[float, float, float]
    normalisation: str
    patch: tuple[int, int, int]
    overlap: float
    percentiles: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Output:
    """What the network says.

    channels:   how many it has; lesion: those (from 0) that mean lesion. Of several, "softmax" adds the probabilities,
                the others take the highest.
    activation: makes probabilities of what comes out; "none" where they are that already.
    threshold:  0…1, from which probability on a voxel belongs to a lesion.
    """

    channels: int
    lesion: tuple[int, ...]
    activation: str
    threshold: float


@dataclass(frozen=True, slots=True)
class Card:
    """A user's model as its owner describes it.

    file, sha256: the weights, relative to `folder`, and what they must be.
    network:      of a MONAI bundle, the file that describes the network; None for TorchScript.
    fingerprint:  SHA-256 hex over lantern.toml and `network`: changes with anything that may change a result.
    """

    folder: Path
    kind: str
    name: str
    version: str
    file: str
    sha256: str
    licence: str
    evidence: str
    training: str
    input: Input
    output: Output
    network: Path | None
    fingerprint: str

    def algorithm(self, recipe: Algorithm) -> Algorithm:
        """What results name: this model, run by `recipe`, whose own version and weights count as well."""
        made_by = "\n".join([self.fingerprint, recipe.name, recipe.version, recipe.weights_sha256])
        return replace(
            recipe,
            name=self.name,
            version=f"{self.version}+{hashlib.sha256(made_by.encode()).hexdigest()[:8]}",
            weights_sha256=self.sha256,
            evidence_tier=self.evidence,
            training=self.training,
        )


def describe(folder: Path) -> Card:
    """Read the manifest of a user's model; opens no weights. Raises ConfigInvalid with every problem, one a line."""
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        given = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigInvalid(f"bundle {folder}: no {MANIFEST} can be read: {error.strerror}", _HINT) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigInvalid(f"{path} is not TOML: {error}", _HINT) from error
    reader = _Reader(given)
    card = _card(reader, folder, raw)
    if reader.problems or card is None:
        raise ConfigInvalid("\n".join(f"{path}: {p}" for p in reader.problems), _HINT)
    return card


def checked_bytes(card: Card) -> bytes:
    """The weights, after their SHA-256 was compared with the one in lantern.toml. Raises WeightsCorrupt."""
    path = card.folder / card.file
    try:
        content = path.read_bytes()
    except OSError as error:
        hint = f"correct `file` in {card.folder / MANIFEST}, or put the file there"
        raise WeightsCorrupt(f"the model {path} cannot be read: {error.strerror}", hint) from error
    found = hashlib.sha256(content).hexdigest()
    if found != card.sha256:
        raise WeightsCorrupt(
            f"the model {path} has SHA-256 {found[:12]}…, {MANIFEST} names {card.sha256[:12]}…",
            f"restore the file; or, if it was changed on purpose, write what `sha256sum {card.file}` says "
            f"into {MANIFEST}, with a new version",
        )
    return content


def _card(reader: _Reader, folder: Path, raw: bytes) -> Card | None:
    kind = reader.take("kind", _one_of(KINDS))
    file = reader.take("file", _inside)
    name, version = reader.take("name", _line), reader.take("version", _line)
    sha256, licence = reader.take("sha256", _digest), reader.take("licence", _line)
    evidence = reader.take("evidence", _line, NOT_STATED)
    training = reader.take("training", _line, NOT_STATED)
    given, said = _input(reader.table("input")), _output(reader.table("output"))
    network = _network(reader, folder, given, said) if kind == "monai-bundle" else None
    reader.leftovers()
    if reader.problems:
        return None
    mapping = raw + (network.read_bytes() if network else b"")
    made = hashlib.sha256(mapping).hexdigest()
    return Card(
        folder, kind, name, version, file, sha256, licence, evidence, training, given, said, network, made
    )  # fmt: skip


def _input(reader: _Reader) -> Input:
    return Input(
        channels=reader.take("channels", _many(_one_of(CHANNELS), 1)),
        orientation=reader.take("orientation", _orientation),
        spacing_mm=reader.take("spacing_mm", _many(_number(0.05, 20), 3)),
        normalisation=reader.take("normalisation", _one_of(NORMALISATIONS)),
        patch=reader.take("patch", _many(_whole(8, 1024), 3)),
        overlap=reader.take("overlap", _number(0, 0.95), 0.5),
        percentiles=reader.take("percentiles", _many(_number(0, 100), 2), (0.5, 99.5)),
    )


def _output(reader: _Reader) -> Output:
    channels = reader.take("channels", _whole(1, 1000))
    lesion = reader.take("lesion_channels", _many(_whole(0, 999)))
    if isinstance(channels, int) and lesion and max(lesion) >= channels:
        reader.say("lesion_channels", f"must be below {channels}, the number of channels: they are counted from 0")
    activation = reader.take("activation", _one_of(ACTIVATIONS))
    if activation == "softmax" and channels == 1:
        reader.say("activation", "softmax over one channel is always 1; a model with one channel has a sigmoid")
    return Output(channels, lesion, activation, reader.take("threshold", _number(0.001, 0.999), 0.5))


def _network(reader: _Reader, folder: Path, given: Input, said: Output) -> Path | None:
    """The configuration file of a MONAI bundle; what its metadata.json says of channels must not differ."""
    found = next((folder / name for name in _CONFIGS if (folder / name).is_file()), None)
    if found is None:
        reader.say("kind", f"a MONAI bundle needs {_CONFIGS[0]} or {_CONFIGS[1]} in {folder}")
    stated = _channels_in_metadata(folder / "configs" / "metadata.json")
    here = (len(given.channels) if given.channels else None, said.channels)
    for where, there, mine in zip(("input", "output"), stated, here, strict=True):
        if there is not None and mine is not None and there != mine:
            reader.say("kind", f"metadata.json of the bundle names {there} {where} channels, {MANIFEST} {mine}")
    return found


def _channels_in_metadata(path: Path) -> tuple[int | None, int | None]:
    """Input and output channels as a MONAI bundle's metadata states them; None where it does not."""
    try:
        about = json.loads(path.read_text("utf-8"))["network_data_format"]
        return _count(about["inputs"]["image"]), _count(about["outputs"]["pred"])
    except (OSError, ValueError, LookupError, TypeError):
        return None, None  # metadata is for people: a bundle runs without it


def _count(format_: Mapping[str, Any]) -> int | None:
    number = format_.get("num_channels")
    return number if type(number) is int else None


class _Reader:
    """Takes keys out of a table and gathers what is wrong with them."""

    def __init__(self, table: Mapping[str, Any], problems: list[str] | None = None, name: str = "") -> None:
        self._table, self._name = table, name
        self._taken: set[str] = set()
        self._inner: list[_Reader] = []
        self.problems = [] if problems is None else problems

    def table(self, key: str) -> _Reader:
        self._taken.add(key)
        value = self._table.get(key)
        if not isinstance(value, dict):
            self.say(key, f"must be a table, [{key}]")
        self._inner.append(_Reader(value if isinstance(value, dict) else {}, self.problems, f"[{key}] "))
        return self._inner[-1]

    def take(self, key: str, check: Callable[[Any], Any], default: Any = None) -> Any:
        """The checked value; None when it is missing or wrong, which is then among the problems."""
        self._taken.add(key)
        if key not in self._table:
            if default is None and (self._table or not self._name):
                self.say(key, "is missing")
            return default
        try:
            return check(self._table[key])
        except ValueError as error:
            self.say(key, str(error))
            return None

    def say(self, key: str, what: str) -> None:
        self.problems.append(f"{self._name}{key} {what}")

    def leftovers(self) -> None:
        for key in sorted(self._table.keys() - self._taken):
            self.say(key, "is no key that Lantern knows")
        for reader in self._inner:
            reader.leftovers()


def _line(value: Any) -> str:
    """One line of text that fits a DICOM value: no backslash, no control character (PS3.5 6.2)."""
    if not isinstance(value, str) or not value.strip() or not value.isprintable() or "\\" in value:
        raise ValueError("must be one line of text without a backslash")
    return value.strip()


def _inside(value: Any) -> str:
    text = _line(value)
    if Path(text).is_absolute() or ".." in Path(text).parts:
        raise ValueError(f"must be a path inside the folder of {MANIFEST}")
    return text


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", value):
        raise ValueError("must be the 64 hexadecimal digits that `sha256sum` prints")
    return value.lower()


def _one_of(known: tuple[str, ...]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in known:
            raise ValueError(f"must be {' or '.join(map(repr, known))}, not {value!r}")
        return str(value)

    return check


def _orientation(value: Any) -> str:
    wanted = ({"L", "R"}, {"A", "P"}, {"S", "I"})
    letters = value.upper() if isinstance(value, str) else ""
    if len(letters) != 3 or sorted(sum(c in pair for c in letters) for pair in wanted) != [1, 1, 1]:
        raise ValueError('must be three letters, one each of L/R, A/P and S/I, such as "RAS": where array axes lead')
    return letters


def _number(low: float, high: float) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a number from {low:g} to {high:g}, not {value!r}")
        return float(value)

    return check


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    return check


def _many(check: Callable[[Any], Any], count: int = 0) -> Callable[[Any], tuple[Any, ...]]:
    def check_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list) or not value or (count and len(value) != count):
            raise ValueError(f"must be an array of {count or 'one or more'}")
        return tuple(check(v) for v in value)

    return check_all
