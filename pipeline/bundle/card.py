"""What lantern.toml says of a user's model; README.md of this room has an example with every key."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.bundle.keys import (
    MANIFEST,
    Reader,
    digest,
    inside,
    line,
    many,
    number,
    one_of,
    orientation,
    patch_or_whole,
    whole,
)
from pipeline.core.errors import ConfigInvalid, WeightsCorrupt
from pipeline.findings import Algorithm
from pipeline.marks import Kind

NOT_STATED = "not stated by its owner"
KINDS = ("torchscript", "monai-bundle")
ACTIVATIONS = ("sigmoid", "softmax", "none")
NORMALISATIONS = ("zscore", "zscore-nonzero", "percentile", "minmax", "none")
T1C, MAMMOGRAM = "t1c", "mammogram"
CHANNELS = (T1C, MAMMOGRAM)
"""What Lantern can give to a model: a volume, or one image."""
SIDES = ("left", "right")

_HINT = "pipeline/bundle/README.md has an example with every key"
_CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")


@dataclass(frozen=True, slots=True)
class Input:
    """What a network of volumes wants to see.

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
class PlaneInput:
    """What a network of mammograms wants to see: one breast as displayed, 0…1, dense is bright, 0 beyond the breast.

    channels:    ("mammogram",), or several times the same, for networks made for colour pictures.
    chest_wall:  the side of the array where it lies, "left" or "right", of either breast; head or lateral side up.
    spacing_mm:  of a pixel: down, across.
    patch:       (rows, columns) that it sees at once; None for the whole image.
    multiple_of: of whole images rows and columns are filled up to a multiple of this.
    overlap, normalisation, percentiles: as for volumes.
    """

    channels: tuple[str, ...]
    chest_wall: str
    spacing_mm: tuple[float, float]
    normalisation: str
    patch: tuple[int, int] | None
    multiple_of: int
    overlap: float
    percentiles: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Output:
    """What the network says.

    channels:   how many it has; lesion: those (from 0) that mean lesion. Of several, "softmax" adds the probabilities,
                the others take the highest.
    activation: makes probabilities of what comes out; "none" where they are that already.
    threshold:  0…1, from which probability on a voxel belongs to a lesion.
    kinds:      of mammograms, what each lesion channel shows; empty where the owner does not say.
    """

    channels: int
    lesion: tuple[int, ...]
    activation: str
    threshold: float
    kinds: tuple[Kind, ...] = ()


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
    input: Input | PlaneInput
    output: Output
    network: Path | None
    fingerprint: str

    @property
    def reads(self) -> str:
        """What it is given: one of CHANNELS."""
        return self.input.channels[0]

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


def describe(folder: Path, reads: str = "") -> Card:
    """Read the manifest of a user's model; opens no weights. Raises ConfigInvalid with every problem, one a line.

    reads: what it will be given, one of CHANNELS: a model of anything else is refused.
    """
    path = folder / MANIFEST
    try:
        raw = path.read_bytes()
        given = tomllib.loads(raw.decode("utf-8"))
    except OSError as error:
        raise ConfigInvalid(f"bundle {folder}: no {MANIFEST} can be read: {error.strerror}", _HINT) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigInvalid(f"{path} is not TOML: {error}", _HINT) from error
    reader = Reader(given)
    card = _card(reader, folder, raw)
    if reader.problems or card is None:
        raise ConfigInvalid("\n".join(f"{path}: {p}" for p in reader.problems), _HINT)
    if reads and card.reads != reads:
        raise ConfigInvalid(
            f"{path}: [input] channels names {card.reads!r}; this pipeline gives {reads!r}",
            "name another bundle, or give this one to the pipeline that it was made for",
        )
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


def _card(reader: Reader, folder: Path, raw: bytes) -> Card | None:
    kind = reader.take("kind", one_of(KINDS))
    file = reader.take("file", inside)
    name, version = reader.take("name", line), reader.take("version", line)
    sha256, licence = reader.take("sha256", digest), reader.take("licence", line)
    evidence = reader.take("evidence", line, NOT_STATED)
    training = reader.take("training", line, NOT_STATED)
    given = _input(reader.table("input"))
    said = _output(reader.table("output"), given)
    network = _network(reader, folder, given, said) if kind == "monai-bundle" else None
    reader.leftovers()
    if reader.problems:
        return None
    mapping = raw + (network.read_bytes() if network else b"")
    made = hashlib.sha256(mapping).hexdigest()
    return Card(
        folder, kind, name, version, file, sha256, licence, evidence, training, given, said, network, made
    )  # fmt: skip


def _input(reader: Reader) -> Input | PlaneInput:
    channels = reader.take("channels", many(one_of(CHANNELS)))
    if channels and channels[0] == MAMMOGRAM:
        return _plane(reader, channels)
    if channels and len(channels) != 1:
        reader.say("channels", "must be an array of 1")
    return Input(
        channels=channels,
        orientation=reader.take("orientation", orientation),
        spacing_mm=reader.take("spacing_mm", many(number(0.05, 20), 3)),
        normalisation=reader.take("normalisation", one_of(NORMALISATIONS)),
        patch=reader.take("patch", many(whole(8, 1024), 3)),
        overlap=reader.take("overlap", number(0, 0.95), 0.5),
        percentiles=reader.take("percentiles", many(number(0, 100), 2), (0.5, 99.5)),
    )


def _plane(reader: Reader, channels: tuple[str, ...]) -> PlaneInput:
    if set(channels) != {MAMMOGRAM}:
        reader.say("channels", f"must be {MAMMOGRAM!r} in each place, or {T1C!r} alone")
    return PlaneInput(
        channels=channels,
        chest_wall=reader.take("chest_wall", one_of(SIDES)),
        spacing_mm=reader.take("spacing_mm", many(number(0.02, 5), 2)),
        normalisation=reader.take("normalisation", one_of(NORMALISATIONS)),
        patch=(reader.take("patch", patch_or_whole) or None),
        multiple_of=reader.take("multiple_of", whole(1, 1024), 32),
        overlap=reader.take("overlap", number(0, 0.95), 0.25),
        percentiles=reader.take("percentiles", many(number(0, 100), 2), (0.5, 99.5)),
    )


def _output(reader: Reader, given: Input | PlaneInput) -> Output:
    channels = reader.take("channels", whole(1, 1000))
    lesion = reader.take("lesion_channels", many(whole(0, 999)))
    if isinstance(channels, int) and lesion and max(lesion) >= channels:
        reader.say("lesion_channels", f"must be below {channels}, the number of channels: they are counted from 0")
    activation = reader.take("activation", one_of(ACTIVATIONS))
    if activation == "softmax" and channels == 1:
        reader.say("activation", "softmax over one channel is always 1; a model with one channel has a sigmoid")
    threshold = reader.take("threshold", number(0.001, 0.999), 0.5)
    if not isinstance(given, PlaneInput):
        return Output(channels, lesion, activation, threshold)
    kinds = reader.take("kinds", many(one_of(tuple(k.value for k in Kind))), ()) or ()
    if kinds and lesion and len(kinds) != len(lesion):
        reader.say("kinds", f"must be an array of {len(lesion)}: one for each of lesion_channels")
    return Output(channels, lesion, activation, threshold, tuple(Kind(k) for k in kinds))


def _network(reader: Reader, folder: Path, given: Input | PlaneInput, said: Output) -> Path | None:
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
