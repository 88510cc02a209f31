"""Made-up cases: what registered pipelines may say, of images of nobody, so that the encoders can be watched at work.

Each kind comes at least twice with everything and at least once with next to nothing: what is the same in all is
fixed, what is missing in some is conditional.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, get_type_hints

from node.conformance.made_up_heads import LEAST, NOTHING, lesions
from node.conformance.made_up_marks import NO_MARK, marks
from pipeline.contract import Found
from pipeline.core.forms import DEFAULT_FORM, Form
from pipeline.core.uid import derive_uid
from pipeline.encode import Encoded, Stamp, encode
from pipeline.findings import Algorithm


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One run: the images it was about, and the objects that were made of it. name: of cases that differ in all."""

    name: str
    images: tuple[Path, ...]
    made: tuple[Encoded, ...]


def cases(folder: Path) -> Iterator[Case]:
    """All of them, made when they are asked for; their images lie in `folder`."""
    for number in range(1, NOTHING + 1):
        found, images = lesions(folder / f"lesions-{number}", number, algorithm(number))
        yield _case(f"lesions {number}", found, images, stamp(number, "lesions"))
    for number in range(1, NO_MARK + 1):
        study, images = marks(folder / f"marks-{number}", number, algorithm(number))
        yield _case(f"marks {number}", study, images, stamp(number, "marks"))
    yield from _in_other_forms(folder)


def _in_other_forms(folder: Path) -> Iterator[Case]:
    """The rich and the poor again, without plan and pages, in every form there is."""
    for number in range(1, LEAST + 1):
        found, images = lesions(folder / f"forms-{number}", number, algorithm(number), plain=True)
        for form in forms():
            yield _case(f"lesions {number}", found, images, replace(stamp(number, "form"), form=form))


def forms() -> tuple[Form, ...]:
    """As few as show all that a form can change: the other values of what has names, then all switches turned."""
    defaults: dict[str, Any] = {name: getattr(DEFAULT_FORM, name) for name in get_type_hints(Form)}
    named: dict[str, list[Any]] = {
        name: [v for v in type(d) if v is not d] for name, d in defaults.items() if isinstance(d, StrEnum)
    }
    turned: dict[str, Any] = {n: not d for n, d in defaults.items() if isinstance(d, bool) and n != "page"}
    most = max(map(len, named.values()), default=0)
    others = (Form(**{name: values[min(k, len(values) - 1)] for name, values in named.items()}) for k in range(most))
    return (*others, Form(**turned))


def _case(name: str, found: Found, images: tuple[Path, ...], stamped: Stamp) -> Case:
    return Case(name, images, encode(found, stamped))


def algorithm(number: int) -> Algorithm:
    """With other words for each number."""
    return Algorithm(
        f"made-up-{number}",
        f"{number}.0+{number:08x}",
        "" if number == 3 else f"{number:064x}",
        f"T{number % 2}",
        f"Nothing at all ({number}).",
        manufacturer=f"Maker {number}",
    )


def stamp(number: int, what: str) -> Stamp:
    """The first two supersede earlier results. what: so that objects of different cases have different UIDs."""
    made_at = datetime(2026, 1, number, 12, tzinfo=UTC) + timedelta(seconds=number)
    before = tuple(tuple(derive_uid("made up", which, str(number)) for which in "abc") for _ in range(number < 3))
    return Stamp(
        seed=derive_uid("made up", str(number), what),
        made_at=made_at,
        software_version=f"{number}.0",
        supersedes=_classed(before, "1.2.840.10008.5.1.4.1.1.88.34"),
        replaces=_classed(before, "1.2.840.10008.5.1.4.1.1.66.4"),
        cad_reports=_classed(before, "1.2.840.10008.5.1.4.1.1.88.50"),
        verified=number != 1,
    )


def _classed(uids: tuple[tuple[str, ...], ...], sop_class: str) -> tuple[tuple[str, str, str], ...]:
    return tuple((sop_class, instance, series) for _, instance, series in uids)
