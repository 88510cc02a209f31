"""Writes a trained model into a recipe's weights.toml, beside the models that are there already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.weights import MANIFEST, DataEntry, ModelEntry, data, forget, manifest, models


def ship(
    folder: Path,
    entry: ModelEntry,
    content: bytes,
    sets: Sequence[DataEntry],
    *,
    evidence_tier: str | None = None,
    training: str | None = None,
) -> str:
    """Write a model's file and its place in weights.toml; returns the SHA-256 of `content`.

    A model of the same name is replaced, the others stay. `entry.sha256` is taken from `content` and `entry.data` from
    `sets`, whatever they say; sets that no model names any more are dropped.

    evidence_tier, training: said in every result; None leaves what is there ("" in a new weights.toml).
    """
    known = (folder / MANIFEST).is_file()
    digest = hashlib.sha256(content).hexdigest()
    new = ModelEntry(entry.name, entry.file, digest, entry.licence, entry.what, tuple(s.name for s in sets))
    entries = {m.name: m for m in (models(folder) if known else ())} | {new.name: new}
    named = {name for m in entries.values() for name in m.data}
    all_sets = {d.name: d for d in (*(data(folder) if known else ()), *sets) if d.name in named}
    about = manifest(folder) if known else {}
    head = {
        "evidence_tier": about.get("evidence_tier", "") if evidence_tier is None else evidence_tier,
        "training": about.get("training", "") if training is None else training,
    }
    _write(folder / entry.file, content)
    _write(folder / MANIFEST, _text(head, list(entries.values()), list(all_sets.values())).encode())
    forget()
    return digest


def say_tier(folder: Path, evidence_tier: str) -> None:
    """Another evidence tier in weights.toml; all else stays."""
    head = {**{k: v for k, v in manifest(folder).items() if isinstance(v, str)}, "evidence_tier": evidence_tier}
    _write(folder / MANIFEST, _text(head, models(folder), data(folder)).encode())
    forget()


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def _text(head: dict[str, str], entries: Sequence[ModelEntry], sets: Sequence[DataEntry]) -> str:
    lines = ["# Written by pipeline.training.", *(_pair(k, v) for k, v in head.items())]
    for model in entries:
        lines += ["", "[[model]]", *(_pair(k, v) for k, v in asdict(model).items())]
    for one in sets:
        lines += ["", "[[data]]", *(_pair(k, v) for k, v in asdict(one).items())]
    return "\n".join(lines) + "\n"


def _pair(key: str, value: str | Sequence[str]) -> str:
    # JSON's strings are TOML's; a surrogate pair would not be, hence the letters as they are.
    if isinstance(value, str):
        return f"{key} = {json.dumps(value, ensure_ascii=False)}"
    return "\n".join([f"{key} = [", *(f"  {json.dumps(v, ensure_ascii=False)}," for v in value), "]"])
