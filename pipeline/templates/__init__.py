"""Structured reports against the templates and the IOD that they claim: faults in words."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom import Dataset

from pipeline.templates import agreement, iod
from pipeline.templates.check import Check
from pipeline.templates.fault import Fault
from pipeline.templates.items import tree
from pipeline.templates.mammography import ROOT

__all__ = ["Fault", "check_mammography_cad"]


def check_mammography_cad(report: Dataset, images: Iterable[Dataset] = ()) -> tuple[Fault, ...]:
    """The faults of a Mammography CAD SR (PS3.3 A.35.5, PS3.16 TID 4000-4023), in the order of the tree.

    images: headers of the images that it speaks of, as far as there are any; without them, conditions that depend
            on attributes of an image, whether coordinates lie inside it, and whether side and view are those that it
            states, are not looked at.
    """
    root = tree(report)
    headers = {str(image.get("SOPInstanceUID")): image for image in images}
    found = (
        *iod.faults(report, root, headers),
        *Check(root, headers).faults(ROOT),
        *agreement.faults(root, headers),
    )
    return tuple(sorted(dict.fromkeys(found), key=lambda f: [int(n) for n in f.where.split(" ")[0].split(".")]))
