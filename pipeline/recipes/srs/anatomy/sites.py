"""The words for places in the brain: DICOM codes, sides, and names short enough for planning systems."""

from __future__ import annotations

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.findings import Site

LEFT, RIGHT = codes.SCT.Left, codes.SCT.Right

PLACES: dict[str, tuple[Code, str, str]] = {
    "FRONTAL": (codes.SCT.FrontalLobe, "frontal lobe", "FRONTAL"),
    "PARIETAL": (codes.SCT.ParietalLobe, "parietal lobe", "PARIETAL"),
    "TEMPORAL": (codes.SCT.TemporalLobe, "temporal lobe", "TEMPORAL"),
    "OCCIPITAL": (codes.SCT.OccipitalLobe, "occipital lobe", "OCCIPIT"),
    "INSULA": (codes.SCT.Insula, "insula", "INSULA"),
    "THALAMUS": (codes.SCT.Thalamus, "thalamus", "THALAMUS"),
    "BASAL_GANGLIA": (codes.SCT.CorpusStriatum, "basal ganglia", "BASALGANG"),
    "CEREBELLUM": (codes.SCT.Cerebellum, "cerebellum", "CEREB"),
    "LATERAL_VENTRICLE": (codes.SCT.LateralVentricle, "lateral ventricle", "VENTRICLE"),
    "THIRD_VENTRICLE": (codes.SCT.ThirdVentricle, "third ventricle", "VENTRICLE3"),
    "FOURTH_VENTRICLE": (codes.SCT.FourthVentricle, "fourth ventricle", "VENTRICLE4"),
    "BRAINSTEM": (codes.SCT.BrainStem, "brainstem", "BRAINSTEM"),
    "PITUITARY": (codes.SCT.Pituitary, "pituitary gland", "PITUITARY"),
}
"""By name: code, words, and the name in at most nine characters, so that the side in front makes eleven."""

IN_THE_MIDDLE = frozenset({"THIRD_VENTRICLE", "FOURTH_VENTRICLE", "BRAINSTEM", "PITUITARY"})


def site_of(place: str, *, left: bool | None) -> Site:
    """The site of that name in PLACES; the side is left out of what lies in the middle, and None says near it.

    A wrong side in an archive is worse than none: who cannot be sure gives None.
    """
    code, words, short = PLACES[place]
    if place in IN_THE_MIDDLE:
        return Site(code, None, words, place, short)
    if left is None:
        return Site(code, None, f"{words}, near the midline", f"M_{place}", f"M_{short}")
    side, word, letter = (LEFT, "left", "L") if left else (RIGHT, "right", "R")
    return Site(code, side, f"{word} {words}", f"{letter}_{place}", f"{letter}_{short}")
