"""Organs at risk, brain and target volumes that a person drew, in the place of what atlas and network say."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipeline.core.errors import GeometryUnusable
from pipeline.imaging.solids import holds, points_in, solid
from pipeline.imaging.structures import Structure, is_margin_named
from pipeline.sessions.dosemap import Mask, Target, target_of

Coordinates = npt.NDArray[np.float64]

BRAIN, BRAINSTEM, OPTIC, COCHLEA = "brain", "brainstem", "optic pathway", "cochlea"
CHIASM, NERVE, TRACT = "optic chiasm", "optic nerve", "optic tract"

_NAMES = {
    BRAIN: r"(whole)?brain|brainwhole|(gesamt|ganz)?(ge)?hirn|encephale|cerveau",
    BRAINSTEM: r"brainstem|(ge)?hirnstamm|stammhirn|tronc(cerebral)?",
    CHIASM: r"(opt(ic)?)?chiasm(a)?|chiasm(a)?(opt(ic(um|us)?|ique)?)|sehnervenkreuzung",
    NERVE: r"opt(ic)?(nrv|nerve|n)s?|nerv(us)?opt(icus)?|nopt(icus)?|sehnerv(en)?|nerfs?optiques?",
    TRACT: r"opt(ic)?(trc|tract)s?|tract(us)?opt(icus)?|sehtrakt|tractusoptique|bandeletteoptique",
    OPTIC: r"optic?(al)?(pathways?|apparatus|system)|optics|sehbahn(en)?|voiesoptiques",
    COCHLEA: r"cochleae?|cochlees?|schnecken?",
}
"""What organs are called, TG-263 and the habits of German and French: without sides, accents and what parts words."""

_ELSE = (
    r"hippocamp|amygdal|hypothalam|thalam|pituit|hypophys|pineal|epiphys|ventri[ck]|o?edema|odem|falx|tentori|sinus|"
    r"arter|vein|vene|vessel|gefass|carotid|basilar|corpus|callos|balken|capsul|putamen|pallid|caudat|nucle|fornix|"
    r"optic|chiasm|cochlea|retina|lens|linse|eye|auge|globe|orbit|skull|schadel|bone|knochen|external|body|skin|haut|"
    r"patient|couch|mask|air(?![a-z])|luft|iso(dos|cent|zent)|dos(e|is)|\d+ ?gy|help|hilf|dummy|marker|poi(?![a-z])|"
    r"artifa|artefa|clip|control|kontroll|contralat|normal"
)
"""What else is drawn in heads. Lobes and cerebellum are not among them: lesions are called after where they lie."""

_SIDES = {
    "left": {"l", "lt", "left", "li", "links", "linke", "linker", "sin", "g", "gauche"},
    "right": {"r", "rt", "re", "right", "rechts", "rechte", "rechter", "dex", "d", "droit", "droite"},
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[~^+&]")
_PTV = re.compile(r"ptv", re.IGNORECASE)

WHOLE_OPTIC = frozenset({CHIASM, f"left {NERVE}", f"right {NERVE}"})
"""With these the optic pathway was drawn; with fewer, they are added to the atlas'."""

HALF = 0.5
"""A PTV is of the lesion of which it holds more than this share, a brain is one that holds that of the network's."""


def organ_named(name: str) -> str | None:
    """What an ROI of that name is ("OpticNrv_L": "left optic nerve"); None for others, margins and parts of organs."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = [w.lower() for w in _WORD.findall(plain)]
    sides = [side for side, called in _SIDES.items() if called & set(words)]
    rest = "".join(w for w in words if not any(w in called for called in _SIDES.values()))
    organ = next((organ for organ, called in _NAMES.items() if re.fullmatch(called, rest)), None)
    if organ in (NERVE, TRACT, COCHLEA):
        return f"{sides[0]} {organ}" if len(sides) == 1 else organ
    return organ if not sides else None


def is_something_else(name: str) -> bool:
    """Whether a name is that of something known that is no lesion: an organ, a part of the head, a margin, a dose."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    known = organ_named(name) is not None or is_margin_named(name) or _PTV.match(name) is not None
    return known or re.search(rf"(?<![a-z])(?:{_ELSE})", plain, re.IGNORECASE) is not None


def is_ptv(name: str, kind: str) -> bool:
    """Whether an ROI of that name and RT ROI Interpreted Type is a planning target volume."""
    return kind == "PTV" or (not kind and _PTV.match(name) is not None)


def kept(found: Sequence[Structure]) -> list[Structure]:
    """Those that take the place of something: organs with a name of theirs, the brain, PTVs; never a GTV."""
    return [s for s in found if s.kind != "GTV" and (organ_named(s.name) or is_ptv(s.name, s.kind))]


def tumours(found: Sequence[Structure]) -> list[Structure]:
    """The targets without what has the name of an organ; PTVs alone where no tumour was drawn without its margin."""
    targets = [s for s in found if s.is_target and not organ_named(s.name)]
    return [s for s in targets if not is_ptv(s.name, s.kind)] or targets


def organs_of(
    drawn: Sequence[Structure], atlas: Mapping[str, Coordinates]
) -> tuple[dict[str, Coordinates], tuple[str, ...]]:
    """Points (n, 3) of each organ, those that were drawn in the place of the atlas'; and what is to be said of it."""
    found, remarks = _filled(drawn)
    organs: dict[str, Coordinates] = dict(atlas)
    optic = {organ: made for organ, made in found.items() if organ == OPTIC or NERVE in organ or _is_middle(organ)}
    for organ, made in found.items():
        if organ not in optic and organ != BRAIN:
            organs[organ] = np.concatenate([points_in(m) for _, m in made])
            remarks.append(f"The {organ} is the one that was drawn ({_names(made)}).")
    if optic:
        made = [m for several in optic.values() for m in several]
        points = np.concatenate([points_in(m) for _, m in made])
        whole = OPTIC in optic or optic.keys() >= WHOLE_OPTIC or OPTIC not in atlas
        organs[OPTIC] = points if whole else np.concatenate([points, atlas[OPTIC]])
        words = "is the one that was drawn" if whole else "is the atlas' with what was drawn of it"
        remarks.append(f"The {OPTIC} {words} ({_names(made)}).")
    return organs, tuple(remarks)


def _is_middle(organ: str) -> bool:
    return organ == CHIASM or TRACT in organ


def _filled(drawn: Sequence[Structure]) -> tuple[dict[str, list[tuple[str, hd.Volume]]], list[str]]:
    found: dict[str, list[tuple[str, hd.Volume]]] = {}
    remarks: list[str] = []
    for structure in drawn:
        organ = organ_named(structure.name)
        if organ is None or organ == BRAIN:
            continue
        made = _solid(structure, remarks)
        if made is not None and made.array.any():
            found.setdefault(organ, []).append((structure.name, made))
    return found, remarks


def _solid(structure: Structure, remarks: list[str]) -> hd.Volume | None:
    try:
        return solid(structure)
    except GeometryUnusable as error:
        remarks.append(f"{structure.name} is not used: {error.message}.")
        return None


def _names(made: Sequence[tuple[str, hd.Volume]]) -> str:
    return ", ".join(name for name, _ in made)


def brain_of(drawn: Sequence[Structure], network: Mask, image: hd.Volume) -> tuple[Mask, tuple[str, ...]]:
    """The brain on the grid of an image: the one that was drawn, if it is about where the network sees it."""
    remarks: list[str] = []
    for structure in drawn:
        if organ_named(structure.name) != BRAIN:
            continue
        made = _solid(structure, remarks)
        if made is None:
            continue
        mask = _on(made, image)
        if (mask & network).sum() > HALF * max(network.sum(), mask.sum()):
            return mask, (*remarks, f"The brain is the one that was drawn ({structure.name}).")
        remarks.append(f"{structure.name} is not used: it is not where the brain is seen.")
    return network, tuple(remarks)


def _on(made: hd.Volume, image: hd.Volume) -> Mask:
    """The nearest voxels of a solid on the grid of an image."""
    to = np.linalg.inv(made.affine) @ image.affine
    shape = image.spatial_shape
    return np.asarray(
        ndimage.affine_transform(np.asarray(made.array), to[:3, :3], to[:3, 3], shape, order=0, mode="constant") > 0
    )


def _target(made: hd.Volume) -> Target:
    planes, rows, columns = made.spatial_shape
    return target_of(made, 1, (slice(0, planes), slice(0, rows), slice(0, columns)))


def targets_of(
    drawn: Sequence[Structure], names: Sequence[str], inside: Sequence[npt.NDArray[np.floating]]
) -> tuple[dict[int, Target], tuple[str, ...]]:
    """By number of the lesion, the PTV that holds most of it and of no other; and what is to be said.

    inside: of each lesion points (n, 3) that lie in it.
    """
    remarks: list[str] = []
    found: dict[int, tuple[Target, str]] = {}
    for structure in drawn:
        if not is_ptv(structure.name, structure.kind):
            continue
        made = _solid(structure, remarks)
        if made is None:
            continue
        held = [k for k, points in enumerate(inside) if holds(made, points).mean() > HALF]
        if len(held) > 1:
            remarks.append(f"{structure.name} holds {', '.join(names[k] for k in held)}: it is the target of none.")
        elif held:
            target = _target(made)
            if held[0] not in found or target.volume_mm3 < found[held[0]][0].volume_mm3:
                found[held[0]] = target, structure.name
    if found:
        pairs = ", ".join(f"{name} of {names[k]}" for k, (_, name) in sorted(found.items()))
        remarks.append(f"Targets are PTVs that were drawn: {pairs}. Doses still go by the diameters of the lesions.")
    return {k: target for k, (target, _) in found.items()}, tuple(remarks)
