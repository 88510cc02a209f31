"""Tables that a physicist may edit: prescriptions by diameter, and limits of healthy tissue, each with its source."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from pipeline.core.errors import ConfigInvalid

FOLDER = Path(__file__).parent
LIMITS, PRESCRIPTIONS = FOLDER / "limits.toml", FOLDER / "prescriptions.toml"
FRACTIONS = (1, 3, 5)
ORGANS = ("brain", "brainstem", "optic pathway", "cochlea")
"""What a row may be of; "left cochlea" is a cochlea. A limit of another organ would never be looked at."""

V12_GY = 12.0
"""What every session is reported with; how many ml of it there may be is the table's."""


@dataclass(frozen=True, slots=True)
class Prescription:
    """dose_gy in all, in `fractions` sessions, for lesions whose largest diameter is `up_to_mm` or less."""

    up_to_mm: float
    dose_gy: float
    fractions: int
    source: str

    @property
    def per_session_gy(self) -> float:
        """The dose of one fraction."""
        return self.dose_gy / self.fractions


@dataclass(frozen=True, slots=True)
class VolumeLimit:
    """The volume of an organ that may get `dose_gy` or more in a course of `fractions`."""

    organ: str
    fractions: int
    dose_gy: float
    warn_ml: float
    most_ml: float
    source: str


@dataclass(frozen=True, slots=True)
class DoseLimit:
    """The largest dose to any point of an organ in a course of `fractions`."""

    organ: str
    fractions: int
    most_gy: float
    source: str


@dataclass(frozen=True, slots=True)
class Limits:
    """All rows of the table."""

    volumes: tuple[VolumeLimit, ...]
    doses: tuple[DoseLimit, ...]

    def brain(self, sessions: int = 1) -> VolumeLimit:
        """That of the brain for a course of so many sessions. Raises KeyError when the table has none."""
        return next(v for v in self.volumes if v.organ == "brain" and v.fractions == course(sessions))

    def organ(self, name: str, sessions: int = 1) -> DoseLimit | None:
        """That of an organ, or of its kind ("left cochlea": "cochlea"); None for one without a limit."""
        rows = [d for d in self.doses if d.fractions == course(sessions) and name.endswith(d.organ)]
        return rows[0] if rows else None


def course(sessions: int) -> int:
    """Which rows of the table hold for so many sessions: 1; 3 for two and three; 5 for more."""
    return next((f for f in FRACTIONS if sessions <= f), FRACTIONS[-1])


def read_limits(path: Path = LIMITS) -> Limits:
    """Raises ConfigInvalid, naming the row."""
    content = _read(path)
    _expect_only(path, content, "volume", "dose")
    limits = Limits(_rows(path, content, "volume", VolumeLimit), _rows(path, content, "dose", DoseLimit))
    courses = [(v.organ, v.fractions) for v in limits.volumes] + [(d.organ, d.fractions) for d in limits.doses]
    for organ, fractions in courses:
        if not organ.endswith(ORGANS):
            raise ConfigInvalid(
                f"{path}: {organ} is no organ that doses are known of", f"there are: {', '.join(ORGANS)}"
            )
        if fractions not in FRACTIONS:
            raise ConfigInvalid(f"{path}: fractions of {organ} must be 1, 3 or 5, not {fractions}", _HINT)
    if any(v.fractions == 1 and v.dose_gy != V12_GY for v in limits.volumes if v.organ == "brain"):
        raise ConfigInvalid(f"{path}: the volume of a single session is V12: its dose_gy must be {V12_GY:g}", _HINT)
    if {v.fractions for v in limits.volumes if v.organ == "brain"} != set(FRACTIONS):
        raise ConfigInvalid(f"{path}: [[volume]] of the brain needs rows for 1, 3 and 5 fractions", _HINT)
    return limits


def read_prescriptions(path: Path = PRESCRIPTIONS) -> tuple[Prescription, ...]:
    """From the smallest lesions to the largest. Raises ConfigInvalid, naming the row."""
    content = _read(path)
    _expect_only(path, content, "prescription")
    rows = _rows(path, content, "prescription", Prescription)
    if not rows:
        raise ConfigInvalid(f"{path} has no [[prescription]]", _HINT)
    for row in rows:
        if not 1 <= row.fractions <= 5:
            raise ConfigInvalid(f"{path}: up_to_mm = {row.up_to_mm}: fractions must be 1 to 5", _HINT)
    return tuple(sorted(rows, key=lambda r: r.up_to_mm))


def prescribe(rows: tuple[Prescription, ...], diameter_mm: float) -> Prescription:
    """The row for that diameter; the last for what is larger than all."""
    return next((r for r in rows if diameter_mm <= r.up_to_mm), rows[-1])


_HINT = "compare with the table that ships beside pipeline/sessions/tables.py"
Row = TypeVar("Row", Prescription, VolumeLimit, DoseLimit)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}", "give a file that the node may read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigInvalid(f"{path}: {error}", _HINT) from error


def _expect_only(path: Path, content: Mapping[str, Any], *tables: str) -> None:
    """A table of another name would be passed over: limits that nobody is held to."""
    if odd := sorted(content.keys() - set(tables)):
        there = " and ".join(f"[[{name}]]" for name in tables)
        raise ConfigInvalid(f"{path}: unknown: {', '.join(odd)}; there are {there}", _HINT)


def _rows(path: Path, content: Mapping[str, Any], name: str, kind: type[Row]) -> tuple[Row, ...]:
    wanted = {f.name: f.type for f in fields(kind)}
    made, given = [], content.get(name, [])
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise ConfigInvalid(f"{path}: {name} must be rows, each headed [[{name}]]", _HINT)
    for number, row in enumerate(given, start=1):
        if row.keys() != wanted.keys():
            odd = ", ".join(sorted(row.keys() ^ wanted.keys()))
            raise ConfigInvalid(f"{path}: [[{name}]] number {number}: missing or unknown: {odd}", _HINT)
        for key, of in wanted.items():
            good = isinstance(row[key], str) if of == "str" else _is_number(row[key], whole=of == "int")
            if not good:
                raise ConfigInvalid(f"{path}: [[{name}]] number {number}: {key} = {row[key]!r}", _HINT)
        made.append(kind(**row))
    return tuple(made)


def _is_number(value: object, *, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        return False
    return 0 < value < 1e6
