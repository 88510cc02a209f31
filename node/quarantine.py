"""Where objects go that the gate holds back, when there is no node: a folder beside those that are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.gate import Judged

FOLDER = "quarantine"


@dataclass(frozen=True, slots=True)
class Kept:
    """An object that was written, and the verdict on it. path: in `quarantine` when it has a fault."""

    judged: Judged
    path: Path

    @property
    def is_held_back(self) -> bool:
        """Whether it is wrong, and lies in quarantine."""
        return bool(self.judged.fault)


def keep(judged: Sequence[Judged], out: Path) -> tuple[Kept, ...]:
    """Write every object to `out`; what has a fault to `out/quarantine`, with the reasons beside it as text."""
    kept = []
    for one in judged:
        folder = out / FOLDER if one.fault else out
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{one.encoded.name}.dcm"
        path.write_bytes(one.data)
        if one.fault:
            path.with_suffix(".txt").write_text("\n".join(reasons(one)) + "\n")
        kept.append(Kept(one, path))
    return tuple(kept)


def reasons(judged: Judged) -> tuple[str, ...]:
    """All that is wrong with an object, the fault first."""
    return tuple(words for words in (judged.fault, *judged.doubts, *judged.copied) if words)


def clear(out: Path, names: Sequence[str]) -> None:
    """Remove what an earlier run left there. names: patterns of files, without suffix."""
    for name in names:
        for suffix in (".dcm", ".txt"):
            for path in (out / FOLDER).glob(f"{name}{suffix}"):
                path.unlink()
    if (out / FOLDER).is_dir() and not any((out / FOLDER).iterdir()):
        (out / FOLDER).rmdir()
