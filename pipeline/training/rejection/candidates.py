"""Tables of candidates whose truth is known: how they are kept, and how many become one training set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.core.errors import ConfigInvalid
from pipeline.radiomics.features import Table
from pipeline.radiomics.patch import Floats, Mask

_HINT = "make the tables again with one version and one set of settings"


@dataclass(frozen=True, slots=True)
class Samples:
    """Candidates of several volumes.

    names:           the f features.
    rows:            (n, f) float64, NaN allowed.
    is_lesion:       (n,) bool.
    diameter_mm:     (n,) of the true lesion, else of the candidate.
    group:           (n,) str, the patient or anatomy: never on both sides of a split.
    volume:          (n,) str.
    volumes:         names of all volumes, also of those without a candidate.
    settings_sha256: of what they were measured with.
    lesion:          (n,) str, which lesion of which volume; "" for a false positive. Several candidates may be parts of
                     one lesion, which is kept when any of them is. Left out, every candidate is a lesion of its own.
    """

    names: tuple[str, ...]
    rows: Floats
    is_lesion: Mask
    diameter_mm: Floats
    group: NDArray[np.str_]
    volume: NDArray[np.str_]
    volumes: tuple[str, ...]
    settings_sha256: str
    lesion: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, np.str_))

    def __post_init__(self) -> None:
        if not len(self.lesion):
            own = np.where(self.is_lesion, np.char.add("lesion ", np.arange(len(self.rows)).astype(np.str_)), "")
            object.__setattr__(self, "lesion", own)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything above."""
        digest = hashlib.sha256("\n".join([*self.names, *self.volumes, self.settings_sha256]).encode())
        for part in (self.rows, self.is_lesion, self.diameter_mm):
            digest.update(np.ascontiguousarray(part).tobytes())
        digest.update("\n".join([*self.group.tolist(), *self.volume.tolist(), *self.lesion.tolist()]).encode())
        return digest.hexdigest()

    def where(self, chosen: Mask) -> Samples:
        """Only the candidates at which `chosen`, (n,), is true; the volumes stay."""
        return replace(
            self,
            rows=self.rows[chosen],
            is_lesion=self.is_lesion[chosen],
            diameter_mm=self.diameter_mm[chosen],
            group=self.group[chosen],
            volume=self.volume[chosen],
            lesion=self.lesion[chosen],
        )

    def column(self, name: str) -> Floats:
        """(n,) one feature; all NaN for a name that was not measured."""
        return self.rows[:, self.names.index(name)] if name in self.names else np.full(len(self.rows), np.nan)


def save_candidates(
    path: Path,
    table: Table,
    lesion: Sequence[int] | NDArray[np.integer],
    diameter_mm: Sequence[float] | Floats,
    group: str,
    volume_name: str,
) -> None:
    """Keep the candidates of one volume as .npz without pickle; a volume without any is kept too, for the rates.

    lesion:      one per row of the table: the number of the true lesion that it is (a part of), 0 for a false positive.
    diameter_mm: one per row: the true lesion's, else the candidate's.
    group:       the patient or anatomy, as the splits must know it; volume_name: unique in the folder.
    """
    count = len(table.rows)
    if len(lesion) != count or len(diameter_mm) != count:
        raise ValueError("one truth and one diameter for each row of the table")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.npz")
    np.savez_compressed(
        part,
        names=np.array(table.names, np.str_),
        rows=table.rows,
        lesion=np.asarray(lesion, np.int64),
        diameter_mm=np.asarray(diameter_mm, np.float64),
        group=np.array(group, np.str_),
        volume=np.array(volume_name, np.str_),
        settings=np.array(table.settings_sha256, np.str_),
    )
    part.replace(path)


def load_candidates(folder: Path) -> Samples:
    """All .npz of a folder, in the order of their names, but for what is neither lesion nor false positive.

    Raises ConfigInvalid: none there, or not of one make.
    """
    paths = sorted(p for p in folder.glob("*.npz") if not p.name.endswith(".part.npz"))
    if not paths:
        raise ConfigInvalid(f"no candidates in {folder}", "save_candidates writes them, one file a volume")
    found = join_candidates(_read(path) for path in paths)
    return found.where(~neither(found))


ENGULFED = 19.0
"""A candidate of more than so many times the volume of its lesion overlaps it with a Dice below 0.1."""


def neither(samples: Samples) -> Mask:
    """(n,) candidates with a small lesion somewhere in a large false one: to learn from as either would be wrong."""
    true_mm3 = np.pi / 6 * samples.diameter_mm**3
    return np.asarray(samples.is_lesion & (samples.column("volume_mm3") > ENGULFED * true_mm3))


def join_candidates(parts: Iterable[Samples]) -> Samples:
    """Several volumes as one set. Raises ConfigInvalid when they were not measured alike or a volume comes twice."""
    every = list(parts)
    first = every[0]
    if any(p.names != first.names or p.settings_sha256 != first.settings_sha256 for p in every):
        raise ConfigInvalid("the candidates were not all measured with the same settings", _HINT)
    volumes = [name for p in every for name in p.volumes]
    if len(set(volumes)) != len(volumes):
        raise ConfigInvalid("a volume is there more than once", "give each volume a name of its own")
    return Samples(
        first.names,
        np.concatenate([p.rows for p in every]),
        np.concatenate([p.is_lesion for p in every]),
        np.concatenate([p.diameter_mm for p in every]),
        np.concatenate([p.group for p in every]),
        np.concatenate([p.volume for p in every]),
        tuple(volumes),
        first.settings_sha256,
        np.concatenate([p.lesion for p in every]),
    )


def _read(path: Path) -> Samples:
    with np.load(path, allow_pickle=False) as kept:
        count, volume = len(kept["rows"]), str(kept["volume"])
        return Samples(
            tuple(kept["names"].tolist()),
            kept["rows"],
            kept["lesion"] > 0,
            kept["diameter_mm"],
            np.full(count, str(kept["group"])),
            np.full(count, volume),
            (volume,),
            str(kept["settings"]),
            np.array([f"{volume}/{n}" if n else "" for n in kept["lesion"]], np.str_),
        )
