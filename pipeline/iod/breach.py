"""Breach: one thing about an object that the standard forbids, in words that quote no value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

IDENTIFYING = frozenset({
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "StudyTime",
    "ReferringPhysicianName", "StudyID", "AccessionNumber",
})  # fmt: skip
"""Types 1 and 2 of the Patient and General Study modules: in every object, if only empty (PS3.3 C.7.1.1, C.7.2.1)."""


@dataclass(frozen=True, slots=True)
class Breach:
    """What is wrong, where.

    what:   a sentence without the place; never a value of the object.
    where:  "ROIName (3006,0026) in StructureSetROISequence[1]"; "" when it is about the whole file.
    rule:   the section of the standard.
    copied: it stands like that in the images, from which it was copied: a reason to warn, none to hold the object back.
    times:  in how many places of the object.
    """

    what: str
    where: str = ""
    rule: str = ""
    copied: bool = False
    times: int = 1

    @property
    def words(self) -> str:
        """The whole sentence."""
        about = f"{self.where} " if self.where else "The file "
        more = f", like {self.times - 1} more" if self.times > 1 else ""
        images = ", as the images have it" if self.copied else ""
        rule = f" ({self.rule})" if self.rule else ""
        return f"{about}{self.what}{more}{images}{rule}."

    def __str__(self) -> str:
        return self.words


Found = Iterator[tuple[object, Breach]]
"""Breaches, each with a key: equal keys are one breach in several places."""


def gathered(found: Iterable[tuple[object, Breach]]) -> tuple[Breach, ...]:
    """Equal breaches in many places as one, which names the first."""
    first: dict[object, Breach] = {}
    times: dict[object, int] = {}
    for key, breach in found:
        first.setdefault(key, breach)
        times[key] = times.get(key, 0) + 1
    return tuple(replace(b, times=times[key]) if times[key] > 1 else b for key, b in first.items())
