"""The models there are: those the pipelines ship, and the users' own that the configuration names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from pipeline import registry, weights
from pipeline.bundle import MANIFEST, describe, load_bundle
from pipeline.contract import algorithm_of
from pipeline.core.errors import LanternError, NotFound

CARD = "README.md"

_MISSING = "put the file there, readable by the node's user, or correct its name in the manifest"
_REINSTALL = "reinstall Lantern, or restore the file that weights.toml names"


@dataclass(frozen=True, slots=True)
class Model:
    """One file of weights, as its owner describes it.

    used_by: the pipelines and routes that it serves. shipped: False for a user's own.
    sha256:  what the file must have; "" when a manifest could not be read, which `fault` then says.
    hint:    what to do when the file has another.
    """

    pipeline: str
    name: str
    what: str
    file: Path
    sha256: str
    licence: str
    evidence: str
    data: tuple[weights.DataEntry, ...]
    card: Path
    used_by: str
    shipped: bool
    hint: str
    fault: str = ""

    @property
    def size_bytes(self) -> int | None:
        """None when the file is not there."""
        return self.file.stat().st_size if self.file.is_file() else None


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether a model is the one that its manifest names, and a user's own runs; `said` is why not, `do` what helps."""

    model: Model
    right: bool
    said: str
    do: str = ""


def catalogue(settings: Settings | None) -> list[Model]:
    """All models of the registered pipelines, then the bundles of the configuration. Never raises for what is wrong."""
    named = [r.pipeline for r in settings.routes] if settings else []
    pipelines = dict.fromkeys([*registry.names(), *named])
    return [*(m for name in pipelines for m in _shipped(name)), *(_bundles(settings) if settings else ())]


def find(settings: Settings | None, name: str) -> list[Model]:
    """The models of a pipeline, or those of that name. Raises NotFound."""
    there = catalogue(settings)
    found = [m for m in there if m.pipeline == name and m.shipped] or [m for m in there if m.name == name]
    if not found:
        known = ", ".join(dict.fromkeys(n for m in there for n in (m.pipeline, m.name)))
        raise NotFound(f"no pipeline or model is called {name!r}", f"there are: {known or 'none'}")
    return found


def verify(model: Model) -> Verified:
    """Compare a model's file with its manifest; a user's own model is also given one empty patch to read."""
    if model.fault:
        return Verified(model, False, model.fault, model.hint)
    try:
        with model.file.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return Verified(model, False, f"{model.file} cannot be read: {error.strerror}", _MISSING)
    if found != model.sha256:
        said = f"has SHA-256 {found[:12]}…, its manifest names {model.sha256[:12]}…"
        return Verified(model, False, said, model.hint)
    return Verified(model, True, "as its manifest names it") if model.shipped else _tried(model)


def _tried(model: Model) -> Verified:
    try:
        load_bundle(model.card.parent).try_out()
    except LanternError as error:
        return Verified(model, False, error.message, error.hint)
    return Verified(model, True, "as its manifest names it, and reads a patch")


def _shipped(pipeline: str) -> Iterator[Model]:
    try:
        folder, entries = registry.folder(pipeline), registry.models_of(pipeline)
        if not entries:
            return
        evidence = weights.manifest(folder)["evidence_tier"]
        sets = {d.name: d for d in weights.data(folder)}
    except LanternError as error:
        nothing = Path(weights.MANIFEST)
        yield Model(pipeline, "?", "", nothing, "", "", "", (), nothing, pipeline, True, error.hint, error.message)
        return
    for m in entries:
        data = tuple(sets[name] for name in m.data)
        yield Model(
            pipeline, m.name, m.what, folder / m.file, m.sha256, m.licence, evidence, data, folder / CARD, pipeline,
            True, _REINSTALL,
        )  # fmt: skip


def _bundles(settings: Settings) -> Iterator[Model]:
    users: dict[tuple[str, str], list[str]] = {}
    for name in settings.pipelines.names():
        if path := settings.pipelines.options(name).get("bundle"):
            users.setdefault((name, str(path)), []).append(f"[pipelines.{name}]")
    for route in settings.routes:
        if path := route.options.get("bundle"):
            users.setdefault((route.pipeline, str(path)), []).append(f"route {route.name}")
    for (pipeline, path), used_by in users.items():
        yield _bundle(pipeline, Path(path), ", ".join(used_by))


def _bundle(pipeline: str, folder: Path, used_by: str) -> Model:
    manifest = folder / MANIFEST
    try:
        card = describe(folder)
        algorithm_of(registry.get(pipeline), {"bundle": str(folder)})  # one of volumes is none for mammograms
    except LanternError as error:
        return Model(
            pipeline, folder.name, "", manifest, "", "", "", (), manifest, used_by, False, error.hint, error.message
        )  # fmt: skip
    hint = f"restore {card.file}; or, if changed on purpose, write its `sha256sum` and a new version into {manifest}"
    readme = folder / CARD
    return Model(
        pipeline, card.name, f"{card.kind}, version {card.version}; trained on: {card.training}", folder / card.file,
        card.sha256, card.licence, card.evidence, (), readme if readme.is_file() else manifest, used_by, False, hint,
    )  # fmt: skip
