"""What was measured on a lesion as rows of TID 1419 (PS3.16), and what the numbers mean, once a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import highdicom as hd
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from pipeline.encode.codes import AGREEMENT, CALIBRATED, ENHANCING_VOLUME, SURFACE_DISTANCE, THRESHOLD, organ, site_of
from pipeline.encode.text import plain
from pipeline.findings import Findings, Lesion, Sought, Verdict

_MM, _MM3, _PERCENT = codes.UCUM.Millimeter, codes.UCUM.CubicMillimeter, codes.UCUM.Percent
_LONG = Code("103339001", "SCT", "Long Axis")
_SHORT = Code("103340004", "SCT", "Short Axis")
_LARGEST_3D = Code("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh")


def finding_sites(lesion: Lesion, sought: Sought) -> list[Any]:
    """Finding Site with its laterality (TID 1419 rows 10, 11); none where none is known, or outside of all."""
    if lesion.verdict and lesion.verdict.barred and not lesion.site:
        return []
    where = site_of(lesion, sought)
    return [hd.sr.FindingSite(where[0], laterality=where[1])] if where else []


def measurements(lesion: Lesion) -> list[Any]:
    """All of a lesion: sizes, certainty, agreement, distances."""
    rows = [*sizes(lesion), *certainty(lesion)]
    if lesion.agreement is not None:
        rows.append(number(AGREEMENT, 100 * lesion.agreement, _PERCENT, derivation=codes.SCT.Mean))
    return rows + [_distance(name, mm) for name, mm in lesion.distances_mm.items()]


def sizes(lesion: Lesion) -> list[Any]:
    """Volumes and diameters."""
    rows = [number(codes.SCT.Volume, lesion.volume_mm3, _MM3)]
    if lesion.enhancing_volume_mm3 is not None:
        rows.append(number(ENHANCING_VOLUME, lesion.enhancing_volume_mm3, _MM3))
    rows.append(number(_LONG, lesion.long_axis_mm, _MM))
    rows.append(number(_SHORT, lesion.short_axis_mm, _MM))
    return [*rows, largest_diameter(lesion)]


def largest_diameter(lesion: Lesion) -> Any:
    """The one in space, by which doses are prescribed."""
    return number(_LARGEST_3D, lesion.max_diameter_3d_mm, _MM)


def certainty(lesion: Lesion) -> list[Any]:
    """Certainty of Finding in percent: that of the verdict, else the mean of the network's own numbers, if any."""
    if lesion.probability is None:
        return []
    how = {"method": CALIBRATED} if lesion.is_calibrated else {} if lesion.verdict else {"derivation": codes.SCT.Mean}
    return [number(codes.DCM.CertaintyOfFinding, 100 * lesion.probability, _PERCENT, **how)]


def threshold(verdict: Verdict) -> Any:
    """From which certainty on a candidate is kept, in percent."""
    return number(THRESHOLD, 100 * verdict.threshold, _PERCENT)


def definitions(findings: Findings) -> tuple[str, ...]:
    """One sentence for each kind of number in the report that a name alone does not define."""
    described = (*findings.lesions, *findings.rejected)
    if not described:
        return ()
    return (
        "Diameters run from corner to corner of voxels: Long Axis is the largest within one image of the series, "
        "Short Axis the largest at a right angle to it in that image, the 3D diameter the largest in space.",
        *_on_certainty(described),
        *_when(
            any(lesion.agreement is not None for lesion in described),
            "Agreement is the mean overlap (Dice) of a lesion's outline with that in each single reading of the images "
            "(by each network, mirrored, in other planes); below 70 % the outline is unsure.",
        ),
        *_when(
            any(lesion.distances_mm for lesion in described),
            "Distances are the shortest from a lesion's surface to that of the structure named. The brainstem is that "
            "seen in the images, if it could be; an atlas places optic pathway and cochleae, good to about 5 mm.",
        ),
        *_when(
            any(lesion.enhancing_volume_mm3 is not None for lesion in described),
            "Volume is all within the outline; the volume of the enhancing part is given beside it.",
        ),
    )


def _on_certainty(described: Sequence[Lesion]) -> tuple[str, ...]:
    if all(lesion.probability is None for lesion in described):
        return ("Outlines that a person drew or changed have no certainty.",)
    verdicts = [lesion.verdict for lesion in described if lesion.verdict]
    if not verdicts:
        return ("Certainty of Finding is the network's mean probability within the outline; it is not calibrated.",)
    kept_from = ", ".join(sorted({f"{100 * v.threshold:.1f}" for v in verdicts}))
    kept = f"Candidates are kept from {kept_from} % on, but for those that something else bars, which is then said."
    if not all(v.calibrated for v in verdicts):
        return (f"Certainty of Finding is a score of the false-positive step, not calibrated for this model. {kept}",)
    return (
        "Certainty of Finding is the calibrated probability that a candidate is a lesion: of candidates at 80 %, "
        f"about 80 in 100 should be lesions, in data like those it was calibrated on. {kept}",
    )


def _when(said: bool, sentence: str) -> tuple[str, ...]:
    return (sentence,) if said else ()


def _distance(name: str, distance_mm: float) -> Any:
    sites, side = organ(plain(name))
    return number(
        codes.DCM.Distance,
        distance_mm,
        _MM,
        method=SURFACE_DISTANCE,
        derivation=codes.SCT.Minimum,
        finding_sites=[hd.sr.FindingSite(site, laterality=side) for site in sites],
    )


def number(name: Any, value: float, unit: Any, **more: Any) -> Any:
    """One row, to a thousandth; a whole number stays one."""
    return hd.sr.Measurement(name, value if isinstance(value, int) else round(float(value), 3), unit, **more)
