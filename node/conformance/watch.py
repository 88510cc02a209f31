"""Watching created objects: which attributes they have, how often, with which values, and where those come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue

Path = tuple[str, ...]
"""Keywords from the top level down; of content items only the innermost ContentSequence."""

CODE = frozenset({"CodeValue", "CodingSchemeDesignator", "CodeMeaning"})
MOST_VALUES = 12
LONGEST = 64


@dataclass(slots=True)
class Seen:
    """What was seen of one attribute. cases: names of those that have it with a value; copied: values of the images."""

    element: DataElement
    present: int = 0
    filled: int = 0
    copied: int = 0
    values: dict[str, None] = field(default_factory=dict)
    cases: set[str] = field(default_factory=set)

    def add(self, other: Seen) -> None:
        """What was seen of it elsewhere."""
        self.present += other.present
        self.filled += other.filled
        self.copied += other.copied
        self.values |= other.values
        self.cases |= other.cases


@dataclass(slots=True)
class Watch:
    """All objects of one SOP Class. items: how many data sets there were at a path, the objects themselves at ()."""

    seen: dict[Path, Seen] = field(default_factory=dict)
    items: dict[Path, int] = field(default_factory=dict)

    def look(self, dataset: Dataset, case: str, images: Images, path: Path = ()) -> None:
        """Take in one object."""
        self.items[path] = self.items.get(path, 0) + 1
        for element in dataset:
            here = beneath(path, element.keyword or str(element.tag))
            seen = self.seen.setdefault(here, Seen(element))
            seen.present += 1
            if element.is_empty:
                continue
            seen.filled += 1
            seen.cases.add(case)
            if element.VR == "SQ":
                for item in element.value:
                    self.look(item, case, images, here)
            self._note(seen, element, images)

    def _note(self, seen: Seen, element: DataElement, images: Images) -> None:
        text = shown(element)
        if len(seen.values) <= MOST_VALUES:
            seen.values[text] = None
        seen.copied += images.have(element, text)


def together(watches: Iterable[Watch]) -> Watch:
    """What was seen of several SOP Classes, as if they were one."""
    made = Watch()
    for watch in watches:
        for path, count in watch.items.items():
            made.items[path] = made.items.get(path, 0) + count
        for path, seen in watch.seen.items():
            made.seen.setdefault(path, Seen(seen.element)).add(seen)
    return made


class Images:
    """The values that the images of a case have, by keyword, at any depth."""

    def __init__(self, headers: Iterable[Dataset]) -> None:
        self._values: dict[str, set[str]] = {}
        self._uids: set[str] = set()
        for element in (e for header in headers for e in elements(header)):
            self._values.setdefault(element.keyword, set()).add(shown(element))
            if element.VR == "UI":
                self._uids.add(shown(element))

    def have(self, element: DataElement, text: str) -> bool:
        """Whether an image has that value under that keyword; UIDs under any, since references have other names."""
        return text in (self._uids if element.VR == "UI" else self._values.get(element.keyword, ()))


def elements(dataset: Dataset) -> Iterator[DataElement]:
    """Of a data set and all that lies in it."""
    for element in dataset:
        yield element
        for item in element.value if element.VR == "SQ" else ():
            yield from elements(item)


def beneath(path: Path, keyword: str) -> Path:
    """The path of an element there; content items inside content items stand where they would at the top."""
    if keyword == "ContentSequence" and keyword in path:
        return path[: path.index(keyword) + 1]
    return (*path, keyword)


def shown(element: DataElement) -> str:
    """A value as text: several separated by backslashes; codes as (value, scheme, "meaning"); pixels not at all."""
    if element.VR == "SQ":
        return ", ".join(code_text(item) for item in element.value if "CodeValue" in item)
    if element.VR in ("OB", "OW", "OF", "OD", "OL", "OV", "UN"):
        return ""
    value = element.value
    return "\\".join(map(str, value)) if isinstance(value, MultiValue | list) else str(value)


def code_text(item: Dataset) -> str:
    """(value, scheme, "meaning")."""
    return f'({item.CodeValue}, {item.get("CodingSchemeDesignator", "")}, "{item.get("CodeMeaning", "")}")'
