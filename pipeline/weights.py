"""The models beside a recipe: what its weights.toml says of them, and whether they are those very bytes.

::

    evidence_tier = "T2, limited: …"     said in every result
    training = "…"                       one sentence, said in every result

    [[model]]
    name = "slices"                      what the recipe calls it
    file = "slices.safetensors"          beside weights.toml
    sha256 = "…"
    licence = "Apache-2.0"
    what = "…"                           one line
    data = ["…"]                         names of [[data]]

    [[data]]
    name = "…"
    origin = "…"
    licence = "…"
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.core.errors import WeightsCorrupt

MANIFEST = "weights.toml"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One file of weights. data: names of the sets it was made from, each described by a DataEntry."""

    name: str
    file: str
    sha256: str
    licence: str
    what: str
    data: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DataEntry:
    """What a model was made from, where that came from, and under which licence."""

    name: str
    origin: str
    licence: str


@cache
def manifest(folder: Path) -> dict[str, Any]:
    """What weights.toml in the recipe's folder says. Raises WeightsCorrupt when it is missing or lacks something."""
    try:
        about = tomllib.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise WeightsCorrupt(f"weights.toml of the pipeline {folder.name} cannot be read: {error}") from error
    if fault := _fault(about):
        raise WeightsCorrupt(f"weights.toml of the pipeline {folder.name} {fault}")
    return about


@cache
def models(folder: Path) -> tuple[ModelEntry, ...]:
    """Every model of the recipe, in the order of the file. Raises WeightsCorrupt."""
    return tuple(ModelEntry(**{**m, "data": tuple(m.get("data", ()))}) for m in manifest(folder)["model"])


@cache
def data(folder: Path) -> tuple[DataEntry, ...]:
    """Everything the recipe's models were made from. Raises WeightsCorrupt."""
    return tuple(DataEntry(**d) for d in manifest(folder).get("data", ()))


def model(folder: Path, name: str) -> ModelEntry:
    """The model of that name. Raises WeightsCorrupt when weights.toml names none such."""
    for entry in models(folder):
        if entry.name == name:
            return entry
    known = ", ".join(m.name for m in models(folder))
    raise WeightsCorrupt(f"weights.toml of the pipeline {folder.name} has no model {name!r}; it has: {known}")


def checked_bytes(folder: Path, name: str) -> bytes:
    """The file of a model, after its SHA-256 was compared with the one in weights.toml. Raises WeightsCorrupt."""
    entry = model(folder, name)
    try:
        content = (folder / entry.file).read_bytes()
    except OSError as error:
        raise WeightsCorrupt(f"the weights {entry.file} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != entry.sha256:
        raise WeightsCorrupt(
            f"the weights {entry.file} have SHA-256 {found[:12]}…, weights.toml names {entry.sha256[:12]}…"
        )
    return content


def fingerprint(folder: Path) -> str:
    """SHA-256 hex over the sorted SHA-256s of all models: it changes when any of them does, and with nothing else."""
    return hashlib.sha256("\n".join(sorted(m.sha256 for m in models(folder))).encode()).hexdigest()


def verify(folder: Path) -> None:
    """Compare every model of the recipe with weights.toml. Raises WeightsCorrupt at the first that differs."""
    for entry in models(folder):
        checked_bytes(folder, entry.name)


def forget() -> None:
    """Read weights.toml anew when next asked: for whoever has just written one."""
    for kept in (manifest, models, data):
        kept.cache_clear()


_SHA256 = re.compile(r"[0-9a-f]{64}")


def _fault(about: dict[str, Any]) -> str:
    """What is wrong with a manifest, to complete "weights.toml …"; empty when nothing."""
    tables = {key: about.get(key, []) for key in ("model", "data")}
    if not all(isinstance(t, list) and all(isinstance(row, dict) for row in t) for t in tables.values()):
        return "must have [[model]] and [[data]] tables"
    if not tables["model"]:
        return "names no [[model]]"
    if missing := [k for k in ("evidence_tier", "training") if not isinstance(about.get(k), str)]:
        return f"lacks {', '.join(missing)}"
    known = {row.get("name") for row in tables["data"]}
    faults = (*(_model_fault(m, known) for m in tables["model"]), *(_data_fault(d) for d in tables["data"]))
    return next((f for f in faults if f), _same_name([m["name"] for m in tables["model"]]))


def _model_fault(row: dict[str, Any], known: set[Any]) -> str:
    texts = ("name", "file", "sha256", "licence", "what")
    if wrong := _not_texts(row, texts, (*texts, "data")):
        return f"[[model]] {row.get('name', '')!r}: {wrong}"
    if not _SHA256.fullmatch(row["sha256"]):
        return f"[[model]] {row['name']!r}: sha256 is no SHA-256 in hexadecimal"
    unknown = [d for d in row.get("data", []) if d not in known]
    return f"[[model]] {row['name']!r}: no [[data]] is called {unknown[0]!r}" if unknown else ""


def _data_fault(row: dict[str, Any]) -> str:
    texts = ("name", "origin", "licence")
    wrong = _not_texts(row, texts, texts)
    return f"[[data]] {row.get('name', '')!r}: {wrong}" if wrong else ""


def _not_texts(row: dict[str, Any], texts: tuple[str, ...], known: tuple[str, ...]) -> str:
    missing = [k for k in texts if not isinstance(row.get(k), str)]
    unknown = sorted(row.keys() - set(known))
    if missing:
        return f"lacks {', '.join(missing)}"
    return f"has the unknown key {', '.join(unknown)}" if unknown else ""


def _same_name(names: list[str]) -> str:
    twice = [n for n in names if names.count(n) > 1]
    return f"has two models called {twice[0]!r}" if twice else ""
