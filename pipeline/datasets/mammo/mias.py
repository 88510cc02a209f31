"""mini-MIAS: 322 film mammograms (MLO), 200 um, in 1024 x 1024 PGM or PNG, and Info.txt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pipeline.core.errors import HeaderUnusable
from pipeline.datasets.mammo.case import (
    Case,
    Collection,
    Drawn,
    Finding,
    Pathology,
    circle,
    given,
    worst,
)
from pipeline.datasets.mammo.pictures import read_picture
from pipeline.datasets.mammo.tables import read_table
from pipeline.marks import Kind, Laterality

SPACING_MM, SIZE = 0.2, 1024

KINDS = {
    "CALC": Kind.CALCIFICATIONS,
    "CIRC": Kind.MASS,
    "SPIC": Kind.MASS,
    "MISC": Kind.MASS,
    "ARCH": Kind.DISTORTION,
    "ASYM": Kind.ASYMMETRY,
}
"""MISC is "other, ill-defined masses" in Info.txt."""

ON_AIR = ("mdb212", "mdb214")
"""Where the published centre lies outside of the breast, as seen on the pictures; kept as published, and remarked."""

_ENTRY = re.compile(r"^(mdb\d{3})\s+([FGD])\s+(NORM|CALC|CIRC|SPIC|MISC|ARCH|ASYM)\b(.*)$")
_SEVERITIES = {"B": Pathology.BENIGN, "M": Pathology.MALIGNANT}


def cases(folder: Path) -> Iterator[Case]:
    """The images that are there, in order; labels from Info.txt (as published) or labels.csv (y from the top).

    An image of which the labels say nothing is left out. Raises HeaderUnusable for a folder without labels or images.
    """
    entries = _entries(folder)
    for path in _images(folder):
        if path.stem in entries:
            yield _case(path, *entries[path.stem])


def _images(folder: Path) -> list[Path]:
    found = sorted(p for p in folder.rglob("mdb???.*") if p.suffix.lower() in (".pgm", ".png"))
    if not found:
        raise HeaderUnusable(f"no mini-MIAS image (mdb001.pgm …) is in {folder}", "give the folder of the data set")
    return found


def _entries(folder: Path) -> dict[str, tuple[str, tuple[Finding, ...]]]:
    texts, tables = sorted(folder.rglob("*.txt")), sorted(folder.rglob("labels.csv"))
    found = next(filter(None, (_from_info(path.read_text(encoding="latin-1")) for path in texts)), None)
    found = found or next(filter(None, map(_from_labels, tables)), None)
    if found:
        return found
    bare = [path.name for path in texts if path.stem.lower().startswith("info")] + [path.name for path in tables]
    if bare:
        raise HeaderUnusable(
            f"{bare[0]} in {folder} has no row of mini-MIAS (mdb001 G CIRC B 535 425 197)", "fetch it again"
        )
    raise HeaderUnusable(
        f"neither Info.txt nor labels.csv of mini-MIAS is in {folder}", "put Info.txt beside the images"
    )


def _from_info(text: str) -> dict[str, tuple[str, tuple[Finding, ...]]]:
    """Lines such as `mdb001 G CIRC B 535 425 197`; y counts from the bottom. Several lines for several findings."""
    found: dict[str, tuple[str, tuple[Finding, ...]]] = {}
    for match in filter(None, (_ENTRY.match(line.strip()) for line in text.splitlines())):
        name, tissue, kind, rest = match.groups()
        severity, *numbers = rest.split() or [""]
        place = [float(n) for n in numbers[:3]] if len(numbers) >= 3 and all(map(_is_number, numbers[:3])) else []
        if place:
            place[1] = SIZE - place[1]
        found[name] = (tissue, (*found.get(name, ("", ()))[1], *_finding(kind, severity, place)))
    return found


def _from_labels(path: Path) -> dict[str, tuple[str, tuple[Finding, ...]]]:
    columns = ("file", "tissue_f_g_d", "class", "severity_b_m", "x_px_left0", "y_px_top0", "radius_px")
    found: dict[str, tuple[str, tuple[Finding, ...]]] = {}
    for row in read_table(path, columns):
        name, tissue, kind, severity, *place = (row.get(c, "") for c in columns)
        numbers = [float(v) for v in place] if all(map(_is_number, place)) else []
        name = Path(name).stem
        found[name] = (tissue, (*found.get(name, ("", ()))[1], *_finding(kind, severity, numbers)))
    return found


def _is_number(text: str) -> bool:
    return text.isdigit()


def _finding(kind: str, severity: str, place: list[float]) -> tuple[Finding, ...]:
    """None for NORM. The centre is that of a pixel; three images have calcifications all over, without a centre."""
    if kind == "NORM":
        return ()
    pathology = _SEVERITIES.get(severity, Pathology.UNKNOWN)
    if not place:
        return (Finding(KINDS[kind], kind, Drawn.NOWHERE, pathology=pathology),)
    x, y, radius = place
    outline = circle(x + 0.5, y + 0.5, max(radius, 0.5))
    return (Finding(KINDS[kind], kind, Drawn.CIRCLE, outline, pathology),)


def _case(path: Path, tissue: str, findings: tuple[Finding, ...]) -> Case:
    """Pairs (1, 2), (3, 4), … are one woman; odd is right, even is left (Info.txt, note 1).

    So they hang. The markers on the films read mirrored, and name the other side: see the README.
    """
    number = int(path.stem[3:])
    patient = f"mias{(number + 1) // 2:03d}"
    return Case(
        collection=Collection.MIAS,
        name=path.stem,
        patient=patient,
        study=patient,
        laterality=Laterality.RIGHT if number % 2 else Laterality.LEFT,
        view="MLO",
        path=path,
        reader=partial(read_picture, path),
        finder=partial(given, findings),
        pathology=worst([f.pathology for f in findings]),
        spacing_mm=(SPACING_MM, SPACING_MM),
        density_words={"F": "fatty", "G": "fatty-glandular", "D": "dense-glandular"}.get(tissue, tissue),
        remarks=("The published centre of the finding lies outside of the breast.",) if path.stem in ON_AIR else (),
    )
