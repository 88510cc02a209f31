"""What a structured report says of each tracked thing: numbers, segments, points and outlines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.proof.lattice import Array
from pipeline.proof.named import Name, names_of
from pipeline.templates.items import Item, Term

TRACKING = Term("112040", "DCM")
GROUP = Term("125007", "DCM")
MEASUREMENTS = Term("126010", "DCM")
FINDING = Term("121071", "DCM")
CENTER = Term("111010", "DCM")
OUTLINE = Term("111041", "DCM")
FINDING_SITE = Term("363698007", "SCT")
LATERALITY = Term("272741003", "SCT")

SHIFT_PX = 0.5
"""SCOORD counts from the corner of the first pixel, indices from its centre (PS3.3 C.18.6.1.2)."""


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A container with the tracking UID of something."""

    item: Item
    tracking_uid: str

    @property
    def is_group(self) -> bool:
        """Whether it stands among the imaging measurements as a finding."""
        return self.item.name == GROUP

    def numbers(self) -> Iterator[tuple[Term, float, str]]:
        """(concept, value, unit) of each row."""
        for child in self.item.children:
            if child.value_type == "NUM" and child.name is not None and child.number is not None:
                yield child.name, *child.number

    def segments(self) -> list[tuple[str, int]]:
        """(SOP Instance UID, segment number) of what it points at."""
        return [
            (str(reference.ReferencedSOPInstanceUID), int(number))
            for child in self.item.children
            if child.value_type == "IMAGE"
            for reference in child.dataset.get("ReferencedSOPSequence") or []
            for number in several(reference.get("ReferencedSegmentNumber"))
        ]

    def of(self, value_type: str) -> list[Item]:
        """Its coordinates: SCOORD or SCOORD3D."""
        return [child for child in self.item.children if child.value_type == value_type]


def statements(root: Item) -> list[Statement]:
    """All in a report, wherever they stand."""
    return [
        Statement(item, str(child.dataset.get("UID") or ""))
        for item in root.walk()
        if item.value_type == "CONTAINER"
        for child in item.children
        if child.value_type == "UIDREF" and child.name == TRACKING
    ]


def several(value: object) -> list[int]:
    """One number or many, as numbers."""
    if value is None:
        return []
    return [int(v) for v in value] if hasattr(value, "__iter__") else [int(str(value))]


def graphic(item: Item, width: int) -> Array:
    """(n, width) Graphic Data."""
    values = np.array(item.graphic[1], float)
    return np.asarray(values[: len(values) // width * width].reshape(-1, width))


def image_of(item: Item, by_position: dict[tuple[int, ...], Item]) -> list[Name]:
    """The images that coordinates are selected from, by value or by reference (PS3.3 C.17.3.2.5)."""
    names: list[Name] = []
    for child in item.children:
        image = child if child.target is None else by_position.get(child.target)
        if image is not None and image.value_type == "IMAGE":
            for reference in image.dataset.get("ReferencedSOPSequence") or []:
                names += names_of(reference)
    return names


def positions(root: Item) -> dict[tuple[int, ...], Item]:
    """Every item by its position."""
    return {item.position: item for item in root.walk()}
