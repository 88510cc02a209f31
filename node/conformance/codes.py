"""The coded terms of created objects (PS3.2 A.8.3), the private ones also as the encoders' modules define them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from pydicom import Dataset
from pydicom.sr.coding import Code

import pipeline.encode
from node.conformance.model import Coded
from node.conformance.names import term
from pipeline.encode.codes import SCHEME

Key = tuple[str, str, str]


def codes_of(datasets: Iterable[Dataset]) -> tuple[tuple[Coded, ...], tuple[Coded, ...]]:
    """By scheme and value: the codes in these objects, and ours, also those that the encoders have for other findings.

    Without those that were copied from made-up images.
    """
    used = _used(datasets)
    ours = {key: by for key, by in used.items() if key[1] == SCHEME}
    for code in _defined():
        ours.setdefault((code.value, code.scheme_designator, code.meaning), {})
    return _listed({key: by for key, by in used.items() if key not in ours}), _listed(ours)


def _used(datasets: Iterable[Dataset]) -> dict[Key, dict[str, None]]:
    used: dict[Key, dict[str, None]] = {}
    for dataset in datasets:
        for item in _items(dataset):
            key = (str(item.CodeValue), str(item.get("CodingSchemeDesignator", "")), str(item.get("CodeMeaning", "")))
            used.setdefault(key, {})[term(str(dataset.SOPClassUID)).name] = None
    return used


def _items(dataset: Dataset) -> Iterator[Dataset]:
    for element in dataset:
        for item in element.value if element.VR == "SQ" else ():
            if "CodeValue" in item:
                yield item
            yield from _items(item)


def _listed(used: dict[Key, dict[str, None]]) -> tuple[Coded, ...]:
    kept = sorted((k for k in used if k[1] != "99MADEUP"), key=lambda k: (k[1], k[0]))
    return tuple(Coded(value, scheme, meaning, tuple(used[value, scheme, meaning])) for value, scheme, meaning in kept)


def _defined() -> Iterator[Code]:
    for module in _modules():
        for value in vars(module).values():
            yield from (code for code in _codes_in(value) if code.scheme_designator == SCHEME)


def _modules() -> Iterator[ModuleType]:
    package = pipeline.encode
    yield package
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(found.name)


def _codes_in(value: Any) -> Iterator[Code]:
    """A constant's codes, also those of a table of them."""
    if isinstance(value, Code):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _codes_in(inner)
    elif isinstance(value, tuple | list | frozenset) and type(value) in (tuple, list, frozenset):
        for inner in value:
            yield from _codes_in(inner)
