"""How large a pixel is in the plane of the breast, as far as anybody knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipeline.core.study import Instance

LONG_SIDE_MM = 240.0
"""Of an 18 x 24 cm film, and of the smaller detectors: what an image without a spacing is taken to be."""

DETECTORS_MM = {
    (3328, 2560): 0.07,
    (4096, 3328): 0.065,
    (2294, 1914): 0.094,
    (2850, 2394): 0.094,
    (3062, 2394): 0.094,
    (3518, 2800): 0.085,
    (5928, 4728): 0.05,
    (2964, 2364): 0.1,
}
"""(long, short side) of whole images of common detectors, and the size of their elements: to choose a scale by, where
the header was stripped of it. From memory of makers' data sheets; nothing is measured by them."""

MAGNIFIED = 1.25
"""Contact views reach 1.1 at the skin side of a thick breast, magnification views begin at 1.5."""


@dataclass(frozen=True, slots=True)
class Spacing:
    """Size of a pixel.

    mm:      (down, across) in the plane of the breast; None where nobody knows.
    working: the same, or what is assumed so that the image can be brought to a scale; never for measurements.
    words:   where it comes from.
    """

    mm: tuple[float, float] | None
    working: tuple[float, float]
    words: str


def magnification_of(image: Instance) -> float | None:
    """Estimated Radiographic Magnification Factor (0018,1114), or from the distances; None where nothing says."""
    factor = _positive(image.get("EstimatedRadiographicMagnificationFactor"))
    if factor:
        return factor
    detector, patient = (_positive(image.get(k)) for k in ("DistanceSourceToDetector", "DistanceSourceToPatient"))
    return detector / patient if detector and patient and detector >= patient else None


def spacing_of(image: Instance, shape: tuple[int, int]) -> Spacing:
    """Of an image of `shape` (rows, columns).

    Pixel Spacing counts when somebody calibrated it, or when it is all there is; else Imager Pixel Spacing at the front
    of the detector, divided by the magnification (PS3.3 10.7.1.3, C.8.11.7). Film scans have Nominal Scanned Pixel
    Spacing.
    """
    pixel, imager = _pair(image.get("PixelSpacing")), _pair(image.get("ImagerPixelSpacing"))
    calibrated = image.get("PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")
    if pixel and (calibrated or imager is None or not _close(pixel, imager)):
        return Spacing(pixel, pixel, "Pixel Spacing" + (", calibrated" if calibrated else ""))
    if imager:
        return _demagnified(imager, magnification_of(image))
    film = _pair(image.get("NominalScannedPixelSpacing"))
    if film:
        return Spacing(film, film, "Nominal Scanned Pixel Spacing, at the film")
    known = DETECTORS_MM.get((max(shape), min(shape)))
    size = known or LONG_SIDE_MM / max(shape)
    guess = f"{size:g} mm was assumed from the size of the image" if known else "the long side was taken as 240 mm"
    return Spacing(None, (size, size), f"unknown: nothing can be measured in mm; {guess}")


def _demagnified(imager: tuple[float, float], factor: float | None) -> Spacing:
    if factor is None or not 1.0 <= factor < 4.0:
        return Spacing(imager, imager, "Imager Pixel Spacing, at the detector; the magnification is not known")
    mm = (imager[0] / factor, imager[1] / factor)
    return Spacing(mm, mm, f"Imager Pixel Spacing divided by a magnification of {factor:.3g}")


def _pair(value: Any) -> tuple[float, float] | None:
    if not isinstance(value, tuple) or len(value) != 2:
        return None
    down, across = (_positive(v) for v in value)
    return (down, across) if down and across and max(down, across) < 5 else None


def _positive(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and value > 0 else None


def _close(a: tuple[float, float], b: tuple[float, float]) -> bool:
    return all(abs(x - y) <= 1e-3 * y for x, y in zip(a, b, strict=True))
