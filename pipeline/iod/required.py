"""Attributes of type 1 and 2 that an IOD asks for (PS3.3), by the tables that highdicom carries with it.

Conditional attributes (1C, 2C) have their conditions in sentences, which no table has: those that real systems refuse
are in the other modules of this folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from pipeline.iod.breach import IDENTIFYING, Breach, Found
from pipeline.iod.read import Item, Place, key_of

Keys = tuple[str, ...]

_PATIENT_STUDY = ("Patient", "Study")
_OF_ITEMS = frozenset({"sr-document-content"})
"""Modules whose tables hold what belongs to one value type alone: `tree` knows which."""

_BY_OTHERS = frozenset({"SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"})
"""Each functional group stands in the shared or in the per-frame item: `frames` knows which must be in one of them."""

_MORE_COPIED = frozenset({"OtherPatientIDs", "EthnicGroup"})
"""Retired since, and still in images."""


@dataclass(frozen=True, slots=True, eq=False)
class Module:
    """usage: M, C or U; asked: (keyword, type) by the keywords of the sequences that lead to them."""

    name: str
    usage: str
    of_patient: bool
    asked: Mapping[Keys, Sequence[tuple[str, str]]]
    top: frozenset[str]


@cache
def _tables() -> tuple[Mapping[str, str], Mapping[str, list[dict[str, str]]], Mapping[str, Module]]:
    """SOP Class -> IOD, IOD -> its modules, module -> what it asks for. Some 0.4 s, once in a process."""
    spec = find_spec("highdicom")
    assert spec is not None, "highdicom is one of our requirements"
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "_standard"
    classes = json.loads((folder / "sop_class_iod_map.json").read_bytes())
    iods = json.loads((folder / "iod_module_map.json").read_bytes())
    modules = json.loads((folder / "module_attribute_map.json").read_bytes())
    return classes, iods, {name: _module(name, rows) for name, rows in modules.items()}


def _module(name: str, rows: list[dict[str, Any]]) -> Module:
    asked: dict[Keys, list[tuple[str, str]]] = {}
    rows = [row for row in rows if tag_for_keyword(row["keyword"])]  # not of repeating groups (overlays, curves)
    for row in rows:
        keys = tuple(row["path"])
        if row["type"] in ("1", "2") and not (len(keys) == 1 and keys[0] in _BY_OTHERS):
            asked.setdefault(keys, []).append((row["keyword"], row["type"]))
    return Module(name, "", False, asked, frozenset(row["keyword"] for row in rows if not row["path"]))


@cache
def modules_of(sop_class_uid: str) -> tuple[Module, ...]:
    """Of the IOD of that SOP Class; none when it is not known."""
    classes, iods, modules = _tables()
    return tuple(
        Module(m["key"], m["usage"], m["ie"] in _PATIENT_STUDY, modules[m["key"]].asked, modules[m["key"]].top)
        for m in iods.get(classes.get(sop_class_uid, ""), ())
        if m["key"] in modules
    )


@cache
def copied_keywords() -> frozenset[str]:
    """Attributes of patient and study: results have them from the images."""
    _, iods, modules = _tables()
    names = {m["key"] for m in iods["segmentation"] if m["ie"] in _PATIENT_STUDY}
    return _MORE_COPIED.union(*(modules[name].top for name in names))


HANDED_ON = frozenset({
    "PositionReferenceIndicator", "TimezoneOffsetFromUTC", "LossyImageCompressionRatio", "LossyImageCompressionMethod",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "SoftcopyVOILUTSequence",
})  # fmt: skip
"""Beside patient and study: of the frame of reference, of compression, and of what a presentation state shows."""

_ACQUISITION = "109101"
"""Purpose of Reference (109101, DCM, Acquisition Equipment), in Contributing Equipment."""


def is_copied(keys: Keys, attribute: str | int) -> bool:
    """Whether an attribute at that place came from the images as it stands."""
    top = keys[0] if keys else attribute if isinstance(attribute, str) else key_of(attribute)
    return top in HANDED_ON or top in copied_keywords()


def of_scanner(root: Item) -> frozenset[Place]:
    """The items of Contributing Equipment that describe what made the images, in its own words."""
    return frozenset(
        item.place
        for item in root.items("ContributingEquipmentSequence")
        if any(code.text("CodeValue") == _ACQUISITION for code in item.items("PurposeOfReferenceCodeSequence"))
    )


def breaches(root: Item, items: Sequence[Item]) -> Found:
    """What is missing, or empty though its type is 1, in all items of an object."""
    modules = tuple(m for m in modules_of(root.text("SOPClassUID")) if _is_there(m, root))
    asked = _asked(modules)
    for item in items:
        for keyword, kind in asked.get(item.place.keys, ()):
            yield from _missing(item, keyword, kind)


@cache
def _asked(modules: tuple[Module, ...]) -> Mapping[Keys, Sequence[tuple[str, str]]]:
    """Of all modules together; what the first says of an attribute counts."""
    asked: dict[Keys, dict[str, str]] = {}
    for module in modules:
        for keys, rows in module.asked.items():
            if module.name not in _OF_ITEMS or (keys and keys[0] not in ("ContentSequence", "ReferencedSOPSequence")):
                for keyword, kind in rows:
                    asked.setdefault(keys, {}).setdefault(keyword, kind)
    return {keys: tuple(rows.items()) for keys, rows in asked.items()}


def _is_there(module: Module, root: Item) -> bool:
    """A conditional or optional module is there when one of its attributes of type 1 is that no other module has."""
    if module.usage == "M":
        return True
    if module.name in _SIGNS:
        return root.has(_SIGNS[module.name])
    own = _own(root.text("SOPClassUID"))
    return any(kind == "1" and key in own and root.has(key) for key, kind in module.asked.get((), ()))


@cache
def _own(sop_class_uid: str) -> frozenset[str]:
    """Top-level attributes that one module of the IOD has alone."""
    count = Counter(keyword for module in modules_of(sop_class_uid) for keyword in module.top)
    return frozenset(keyword for keyword, modules in count.items() if modules == 1)


_SIGNS = {"rt-dvh": "DVHSequence"}
"""Of modules whose other attributes may stand in the object for another reason."""


def _missing(item: Item, keyword: str, kind: str) -> Found:
    if kind == "2":
        words = "" if item.has(keyword) else "is missing, and its type is 2"
    else:
        state = "empty" if item.has(keyword) else "missing"
        words = "" if item.filled(keyword) else f"is {state}, and its type is 1"
    if words:
        keys = item.place.keys
        lost = not keys and not item.has(keyword) and keyword in IDENTIFYING | HANDED_ON
        yield (
            (keys, keyword, words),
            Breach(words, item.place.of(keyword), "PS3.3", is_copied(keys, keyword) and not lost),
        )
