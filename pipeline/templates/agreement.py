"""Whether a report says of its images what they say themselves, and of its composites what these are made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydicom import Dataset

from pipeline.templates.check import Images
from pipeline.templates.fault import Fault
from pipeline.templates.items import Item, Term, term
from pipeline.templates.values import group

_SIDES = {
    "L": Term("80248007", "SCT"),
    "R": Term("73056007", "SCT"),
    "B": Term("63762007", "SCT"),
}
"""Image Laterality (0020,0062) -> CID 6022."""
_LATERALITY, _VIEW, _VIEWS = Term("111027", "DCM"), Term("111031", "DCM"), 4014
_COMPOSITE, _FINDING = Term("111015", "DCM"), Term("111059", "DCM")
_SCOPE = Term("111057", "DCM")
_ONE = (Term("111156", "DCM"), Term("111157", "DCM"))
_SEVERAL = Term("111158", "DCM")
"""CID 6036: on the only image, or on only one of the images; on multiple images."""

At = Mapping[tuple[int, ...], Item]


def faults(root: Item, images: Images) -> Iterator[Fault]:
    """Of the Image Library against headers (TID 4020), and of Scope of Feature against findings (TID 4005)."""
    at = {item.position: item for item in root.walk()}
    for item in root.walk():
        if item.value_type == "IMAGE" and item.image[1] in images:
            yield from _entry(item, images[item.image[1]])
        if item.name == _COMPOSITE:
            yield from _scope(item, at)


def _entry(entry: Item, header: Dataset) -> Iterator[Fault]:
    for child in entry.children:
        if child.name == _LATERALITY and _contradicts(child.code, _side(header)):
            said = str(header.ImageLaterality)
            yield Fault(child.path, f"the Image Laterality of the image is {said}, another side", "TID 4020 row 2")
        if child.name == _VIEW and _contradicts(child.code, _views(header)):
            yield Fault(child.path, "the View Code of the image is another one", "TID 4020 row 3")


def _contradicts(code: Term | None, known: frozenset[Term]) -> bool:
    return code is not None and bool(known) and code not in known


def _side(header: Dataset) -> frozenset[Term]:
    side = _SIDES.get(str(header.get("ImageLaterality") or "").strip().upper())
    return frozenset() if side is None else frozenset({side})


def _views(header: Dataset) -> frozenset[Term]:
    """Codes of the group alone: what another code means nobody here knows."""
    items = header.get("ViewCodeSequence") or []
    found = {term(str(i.get("CodeValue") or ""), str(i.get("CodingSchemeDesignator") or "")) for i in items}
    return frozenset(found & group(_VIEWS))


def _scope(feature: Item, at: At) -> Iterator[Fault]:
    for scope in (child for child in feature.children if child.name == _SCOPE):
        images = _shown_on(feature, at, frozenset())
        if scope.code in _ONE and len(images - {None}) > 1:
            words = "the scope says that the feature is on one image, and its findings are on several"
            yield Fault(scope.path, words, "TID 4005 row 2, CID 6036")
        if scope.code == _SEVERAL and len(images) == 1 and None not in images:
            words = "the scope says that the feature is on several images, and all of its findings are on one"
            yield Fault(scope.path, words, "TID 4005 row 2, CID 6036")


def _shown_on(item: Item, at: At, above: frozenset[tuple[int, ...]]) -> frozenset[tuple[int, ...] | None]:
    """Positions, in the Image Library, of what the findings below are drawn on; None stands for what is not known."""
    if item.position in above:
        return frozenset()
    found: set[tuple[int, ...] | None] = set()
    for child in item.children:
        shown = child if child.target is None else at.get(child.target)
        if child.relationship == "INFERRED FROM" and shown is not None and shown.name in (_COMPOSITE, _FINDING):
            found |= _shown_on(shown, at, above | {item.position})
        elif child.relationship == "INFERRED FROM":
            found.add(None)
        elif child.value_type == "SCOORD":
            found |= {below.target for below in child.children if below.relationship == "SELECTED FROM"}
    return frozenset(found) or frozenset({None})
