"""Key Object Selections (PS3.16 TID 2010): the images that are to be looked at first show what was found."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom import Dataset

from pipeline.proof.marked import Seen
from pipeline.proof.named import Name, names_of
from pipeline.proof.truth import Solid, Truth
from pipeline.templates.items import tree


def check_key_images(ds: Dataset, truth: Truth) -> Iterator[str]:
    """Each image shows a lesion, and each lesion is on one of them."""
    there = {uid: _best_seen(solid, truth) for uid, solid in truth.solids.items()}
    shown: set[str] = set()
    for number, name in enumerate((n for n in _images(ds) if n[0] in truth.images.by_uid), start=1):
        slices = set(truth.images.slices_of(*name))
        here = {uid for uid, on in there.items() if on & slices}
        shown |= here
        if not here:
            yield f"key image {number} shows no lesion"
    yield from (f"no key image shows {solid.name}" for uid, solid in truth.solids.items() if uid not in shown)


def check_key_views(ds: Dataset, seen: Seen) -> Iterator[str]:
    """Each view has a mark, and each with a mark is among them."""
    roles = {view.sop_instance_uid: role for role, view in seen.views.items()}
    wanted = {mark.role for mark in seen.marks.values()}
    shown = {roles[uid] for uid, _ in _images(ds) if uid in roles}
    yield from (f"{role} is a key image, and has no mark" for role in sorted(shown - wanted))
    yield from (f"{role} has a mark, and is no key image" for role in sorted(wanted - shown))


def _images(ds: Dataset) -> list[Name]:
    """All images that are pointed at, in their order."""
    items = (item for item in tree(ds).walk() if item.value_type == "IMAGE")
    references = (reference for item in items for reference in item.dataset.get("ReferencedSOPSequence") or [])
    return [name for reference in references for name in names_of(reference)]


def _best_seen(solid: Solid, truth: Truth) -> set[int]:
    """Its slices; of a lesion that is only where slices were made up, those of the images before them."""
    seen = {k for k in solid.slices if truth.plane(k) is not None}
    if seen:
        return seen
    before = solid.slices[0]
    while before > 0 and truth.plane(before) is None:
        before -= 1
    return {before}
