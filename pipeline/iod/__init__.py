"""What real systems refuse: a DICOM object against the rules of its attributes, from its bytes alone."""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.iod import contours, frames, identity, macros, pixels, required, text, tree, values
from pipeline.iod.breach import Breach, Found, gathered
from pipeline.iod.identity import differing
from pipeline.iod.read import File, read
from pipeline.iod.required import copied_keywords
from pipeline.iod.text import lost_text

__all__ = ["Breach", "check", "check_set", "copied_keywords", "gathered", "lost_text", "references"]


def check(data: bytes) -> tuple[Breach, ...]:
    """What is wrong with a DICOM file of any kind. Never raises, whatever the bytes are.

    Value Representations, multiplicity and character sets of every attribute (PS3.5 6); attributes of type 1 and 2 for
    every IOD that highdicom's tables know (PS3.3); UIDs against the File Meta Information; the size of pixel data;
    references and codes; and what Segmentations, Parametric Maps, structure sets and reports need besides.
    """
    return _checked(read(data))


def check_set(files: Sequence[bytes]) -> tuple[tuple[Breach, ...], ...]:
    """The same of objects that are sent together, in their order; and what they contradict each other in."""
    known = [read(data) for data in files]
    between = differing([file.root for file in known])
    return tuple((*_checked(file), *more) for file, more in zip(known, between, strict=True))


def references(data: bytes) -> frozenset[str]:
    """The SOP Instance UIDs that an object refers to, anywhere in it."""
    items = read(data).root.walk()
    return frozenset(uid for item in items if (uid := item.text("ReferencedSOPInstanceUID")))


def _checked(file: File) -> tuple[Breach, ...]:
    return gathered(_found(file))


def _found(file: File) -> Found:
    yield from ((words, Breach(words)) for words in file.faults)
    items = tuple(file.root.walk())
    yield from identity.breaches(file)
    for item in items:
        yield from text.breaches(item)
    yield from values.breaches((*items, file.meta))
    yield from required.breaches(file.root, items)
    yield from macros.breaches(items)
    yield from pixels.breaches(file.root, file.meta.text("TransferSyntaxUID"))
    yield from frames.breaches(file.root)
    yield from contours.breaches(file.root)
    yield from tree.breaches(file.root)
