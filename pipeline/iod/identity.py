"""Who an object is: its UIDs against its File Meta Information, and against the other objects of its set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pipeline.iod.breach import IDENTIFYING, Breach, Found
from pipeline.iod.read import File, Item, named

_META = (
    ("MediaStorageSOPClassUID", "SOPClassUID"),
    ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
)
_OF_ALL = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_OF_SERIES = ("Modality", "SeriesNumber", "SeriesDate", "SeriesTime", "SeriesDescription", "FrameOfReferenceUID")
"""What all instances of a series have in common (PS3.3 A.1.2.3, C.7.3.1)."""


def breaches(file: File) -> Found:
    """The File Meta Information says what the data set says, and no UID stands for two things."""
    for keyword in ("TransferSyntaxUID", "ImplementationClassUID", *(m for m, _ in _META)):
        if not file.meta.filled(keyword):
            yield keyword, Breach("is missing, and its type is 1", named(keyword), "PS3.10 7.1")
    for meta, keyword in _META:
        if file.meta.filled(meta) and file.meta.text(meta) != file.root.text(keyword):
            words = f"is not that of {named(keyword)} in the data set"
            yield meta, Breach(words, named(meta), "PS3.10 7.1")
    seen: dict[str, str] = {}
    for keyword in _OF_ALL:
        uid = file.root.text(keyword)
        if uid and uid in seen:
            yield keyword, Breach(f"is also the {seen[uid]}", named(keyword), "PS3.5 9")
        seen.setdefault(uid, keyword)


def differing(roots: Sequence[Item]) -> tuple[tuple[Breach, ...], ...]:
    """Of objects that are sent together, what is wrong with each: one UID for two, two patients in one study."""
    found: list[list[Breach]] = [[] for _ in roots]
    instances: set[str] = set()
    for number, root in enumerate(roots):
        uid = root.text("SOPInstanceUID")
        if uid in instances:
            found[number].append(Breach("is that of another object of the set", named("SOPInstanceUID"), "PS3.5 9"))
        instances.add(uid)
    for what, uid_of, shared in (
        ("series", "SeriesInstanceUID", _OF_SERIES),
        ("study", "StudyInstanceUID", sorted(IDENTIFYING)),
    ):
        together: dict[str, list[int]] = {}
        for number, root in enumerate(roots):
            together.setdefault(root.text(uid_of), []).append(number)
        for numbers in together.values():
            for keyword in shared:
                for number in _outvoted(numbers, [_bytes(roots[n], keyword) for n in numbers]):
                    words = f"is another than in the other objects of the {what}"
                    found[number].append(Breach(words, named(keyword), "PS3.3 A.1.2"))
    return tuple(tuple(breaches) for breaches in found)


def _outvoted(numbers: Sequence[int], values: Sequence[bytes | None]) -> list[int]:
    """Those whose value is not what most have; of two alike in number the first counts."""
    usual, _ = Counter(values).most_common(1)[0]
    return [number for number, value in zip(numbers, values, strict=True) if value != usual]


def _bytes(item: Item, keyword: str) -> bytes | None:
    element = item.element(keyword)
    return None if element is None else element.raw
