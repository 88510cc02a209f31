"""Whether the value of a content item is one that its row allows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from pydicom.sr.codedict import codes

from pipeline.templates.items import Item, Term, term
from pipeline.templates.rows import Group, InLibrary, Number, Shape, Values

_LANGUAGES = ("RFC5646", "RFC3066", "IETF4646", "ISO639_2")
_POINTS = {"POINT": (1, 1), "CIRCLE": (2, 2), "ELLIPSE": (4, 4), "POLYLINE": (2, None), "MULTIPOINT": (1, None)}
"""How many points each Graphic Type has (PS3.3 C.18.6.1.2)."""


@cache
def group(cid: int) -> frozenset[Term]:
    """The codes of a context group, as pydicom knows them; empty for one that it does not."""
    try:
        concepts = getattr(codes, f"cid{cid}").concepts.values()
    except AttributeError:
        return frozenset()
    return frozenset(term(c.value, c.scheme_designator) for c in concepts)


def complaints(item: Item, values: Values | None, library: frozenset[tuple[int, ...]]) -> Iterator[str]:
    """Sentences on what is wrong with the value. library: positions of the images in the Image Library."""
    if item.target is None and item.is_empty:
        yield f"the {item.value_type} has no value"
        return
    match values:
        case Group():
            yield from _code(item, values)
        case Number():
            yield from _number(item, values)
        case Shape():
            yield from _shape(item, values)
        case InLibrary() if item.target is not None and item.target not in library:
            yield "the reference shall lead to an IMAGE of the Image Library"
    if item.value_type == "SCOORD":
        yield from _points(item)


def _code(item: Item, values: Group) -> Iterator[str]:
    code, known = item.code, group(values.cid)
    if code is None or values.extensible:
        return
    if values.cid == 5000:
        if code.scheme not in _LANGUAGES:
            yield f"({code.value}, {code.scheme}) is no code of a language (CID 5000)"
    elif known and code not in known:
        yield f"({code.value}, {code.scheme}) is not in CID {values.cid}"


def _number(item: Item, values: Number) -> Iterator[str]:
    value, unit = item.number or (0.0, "")
    if values.units and unit not in values.units:
        yield f"the unit is {unit!r}, and shall be {' or '.join(values.units)}"
    if (values.low is not None and value < values.low) or (values.high is not None and value > values.high):
        yield f"{value:g} is out of range ({values.low} to {'any' if values.high is None else values.high})"
    if values.whole and value != int(value):
        yield f"{value:g} shall be an integer"


def _shape(item: Item, values: Shape) -> Iterator[str]:
    kind, _ = item.graphic
    if kind not in values.types:
        yield f"the Graphic Type is {kind or 'empty'}, and shall be {' or '.join(values.types)}"


def _points(item: Item) -> Iterator[str]:
    kind, data = item.graphic
    if kind not in _POINTS:
        yield f"{kind or 'an empty value'} is no Graphic Type"
        return
    least, most = _POINTS[kind]
    count = len(data) / 2
    if count != int(count) or count < least or (most is not None and count > most):
        yield f"{len(data)} numbers do not make a {kind}"
