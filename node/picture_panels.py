"""What the panels of a picture show, from the delivered files alone, by code that shares nothing with the encoder.

Contour points in patient millimetres (PS3.3 C.8.8.6) are brought to image pixels with each image's own position,
orientation and spacing (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from node.told import Told

Points = NDArray[np.float64]
Colour = tuple[float, float, float]

GREY: Colour = (0.72, 0.72, 0.72)
_CIRCLE = np.linspace(0, 2 * np.pi, 48, endpoint=False)
_UID = re.compile(r"Tracking UID ([0-9.]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Outline:
    """A closed line on an image. points: (n, 2), (column, row). rejected: a circle about a rejected candidate."""

    label: str
    colour: Colour
    points: Points
    unsure: bool = False
    rejected: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """One image (rows, columns), the outlines on it, and what is said about it.

    where:  which image it is.
    aspect: a pixel's height divided by its width.
    zoom:   (left, right, top, bottom) in pixels, the part to be shown enlarged; None for none.
    marks:  what of the patient lies at the left, right, top and bottom edge: R L A P H F (PS3.3 C.7.6.1.1.1).
    """

    image: NDArray[np.float32]
    outlines: tuple[Outline, ...]
    title: str
    where: str
    said: str
    colour: Colour
    aspect: float
    zoom: tuple[float, float, float, float] | None = None
    marks: tuple[str, str, str, str] = ("", "", "", "")


@dataclass(frozen=True, slots=True, eq=False)
class Plane:
    """Where an image, or one frame of it, lies in the patient (LPS mm). spacing: (between rows, between columns)."""

    path: Path
    uid: str
    frame: int
    position: Points
    orientation: Points
    spacing: tuple[float, float]

    def pixels_of(self, points: Points) -> Points:
        """(n, 3) in mm -> (n, 2) as (column, row)."""
        away = points - self.position
        return np.stack(
            [away @ self.orientation[:3] / self.spacing[1], away @ self.orientation[3:] / self.spacing[0]], axis=1
        )

    @property
    def marks(self) -> tuple[str, str, str, str]:
        """What lies at the left, right, top and bottom edge of the image as it is shown."""
        right, down = self.orientation[:3], self.orientation[3:]
        return _towards(-right), _towards(right), _towards(-down), _towards(down)

    def off(self, point: Points) -> float:
        """How far from the plane, in mm."""
        normal = np.cross(self.orientation[:3], self.orientation[3:])
        return float(abs((point - self.position) @ normal))

    def circle(self, centre: Points, diameter_mm: float) -> Points:
        """(n, 3) in mm: about the centre's foot in the plane."""
        x, y = self.orientation[:3], self.orientation[3:]
        return centre + diameter_mm / 2 * (np.outer(np.cos(_CIRCLE), x) + np.outer(np.sin(_CIRCLE), y))


@dataclass(frozen=True, slots=True, eq=False)
class _Contour:
    name: str
    tracking_uid: str
    colour: Colour
    plane: Plane
    points: Points


def panels(
    rtstruct: Path | None, images: Sequence[Path], of: Sequence[Told], most: int, most_rejected: int
) -> list[Panel]:
    """One for each lesion, on the image where its contour is largest, the largest first; then rejected candidates."""
    planes = _planes(images)
    by_uid = {t.tracking_uid: t for t in of if not t.rejected}
    rejected = [t for t in of if t.rejected and t.centre_mm]
    contours = _contours(dcmread(rtstruct), planes) if rtstruct else []
    largest: dict[str, _Contour] = {}
    for c in contours:
        if c.name not in largest or _area(c.points) > _area(largest[c.name].points):
            largest[c.name] = c
    shown = sorted(largest.values(), key=lambda c: -_area(c.points))[:most]
    made = [_lesion_panel(c, contours, by_uid, rejected) for c in shown]
    made += [_rejected_panel(t, planes, contours, by_uid, rejected) for t in rejected[:most_rejected]]
    return made or [_middle(planes, "lesions on filled slices only" if rtstruct else "no lesion found")]


def _lesion_panel(
    contour: _Contour, contours: Sequence[_Contour], by_uid: Mapping[str, Told], rejected: Sequence[Told]
) -> Panel:
    lesion = by_uid.get(contour.tracking_uid)
    outlines = _outlines(contour.plane, contours, by_uid, rejected)
    title = lesion.label if lesion else contour.name
    return _panel(
        contour.plane, outlines, title, _said(lesion), contour.colour, contour.plane.pixels_of(contour.points)
    )


def _rejected_panel(
    candidate: Told,
    planes: Sequence[Plane],
    contours: Sequence[_Contour],
    by_uid: Mapping[str, Told],
    rejected: Sequence[Told],
) -> Panel:
    centre = np.array(candidate.centre_mm)
    plane = min(planes, key=lambda p: p.off(centre))
    outlines = _outlines(plane, contours, by_uid, rejected)
    about = plane.pixels_of(plane.circle(centre, candidate.size_mm[0]))
    because = "\n" + shorten(f"because: {candidate.against[0]}", 70) if candidate.against else ""
    return _panel(plane, outlines, f"{candidate.label}: rejected", _said(candidate) + because, GREY, about)


def _said(lesion: Told | None) -> str:
    if lesion is None:
        return ""
    long_mm, short_mm = lesion.size_mm
    return "\n".join(
        ", ".join(p for p in parts if p)
        for parts in (
            (lesion.site, f"{long_mm:.1f} x {short_mm:.1f} mm"),
            (
                "" if lesion.certainty is None else f"probability {lesion.certainty:.0%}",
                "" if lesion.agreement is None else f"agreement {lesion.agreement:.0%}",
            ),
        )
    )


def _outlines(
    plane: Plane, contours: Sequence[_Contour], by_uid: Mapping[str, Told], rejected: Sequence[Told]
) -> tuple[Outline, ...]:
    found = [
        Outline(c.name, c.colour, plane.pixels_of(c.points), bool(told and told.is_unsure))
        for c in contours
        if c.plane is plane
        for told in [by_uid.get(c.tracking_uid)]
    ]
    for candidate in rejected:
        centre, reach_mm = np.array(candidate.centre_mm), candidate.size_mm[0] / 2
        if plane.off(centre) <= max(reach_mm, 1.0):
            circle = plane.pixels_of(plane.circle(centre, 1.4 * candidate.size_mm[0]))
            found.append(Outline(candidate.label.split("_")[0], GREY, circle, rejected=True))
    return tuple(found)


def _panel(plane: Plane, outlines: tuple[Outline, ...], title: str, said: str, colour: Colour, about: Points) -> Panel:
    ds = dcmread(plane.path)
    image = _pixels(ds, plane.frame)
    number = str(plane.frame) if "NumberOfFrames" in ds else str(ds.get("InstanceNumber", ""))
    aspect = plane.spacing[0] / plane.spacing[1]
    zoom = _zoom(about, plane, image.shape)
    return Panel(image, outlines, title, f"image {number}", said, colour, aspect, zoom, plane.marks)


def _zoom(about: Points, plane: Plane, shape: tuple[int, ...]) -> tuple[float, float, float, float] | None:
    """A square in mm of three times what is in its middle; None where the whole image is hardly more than that."""
    middle = (about.min(axis=0) + about.max(axis=0)) / 2
    pixel = np.array(plane.spacing[::-1])
    half_mm = max(8.0, 1.5 * float((np.ptp(about, axis=0) * pixel).max()))
    if 2 * half_mm > 0.5 * float(min(shape[1] * pixel[0], shape[0] * pixel[1])):
        return None
    left, top = middle - half_mm / pixel
    right, bottom = middle + half_mm / pixel
    return float(left), float(right), float(top), float(bottom)


def _planes(images: Sequence[Path]) -> list[Plane]:
    headers = [(dcmread(p, stop_before_pixels=True), p) for p in images]
    headers.sort(key=lambda h: int(h[0].get("InstanceNumber") or 0))
    return [
        Plane(path, str(ds.SOPInstanceUID), frame, *_plane(ds, frame))
        for ds, path in headers
        for frame in range(1, int(ds.get("NumberOfFrames") or 1) + 1)
    ]


def _contours(rtss: Dataset, planes: Sequence[Plane]) -> list[_Contour]:
    """All that name an image: what lies on a slice that was missing and filled cannot be shown on one."""
    at = {(p.uid, p.frame): p for p in planes}
    rois = {int(roi.ROINumber): roi for roi in rtss.StructureSetROISequence}
    found = []
    for item in rtss.ROIContourSequence:
        roi = rois[int(item.ReferencedROINumber)]
        uid = _UID.search(str(roi.get("ROIDescription", "")))
        for contour in item.ContourSequence:
            if "ContourImageSequence" in contour:
                points = np.array(contour.ContourData, float).reshape(-1, 3)
                plane = at[_image_of(contour)]
                found.append(_Contour(str(roi.ROIName), uid[1] if uid else "", _colour(item), plane, points))
    return found


def _image_of(contour: Dataset) -> tuple[str, int]:
    image = contour.ContourImageSequence[0]
    return str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber", 1))


def _middle(planes: Sequence[Plane], title: str) -> Panel:
    plane = planes[len(planes) // 2]
    image = _pixels(dcmread(plane.path), plane.frame)
    aspect = plane.spacing[0] / plane.spacing[1]
    return Panel(image, (), title, "", "", (1.0, 1.0, 1.0), aspect, marks=plane.marks)


def _towards(direction: Points) -> str:
    """The letter of the patient's side that a direction in LPS points to most."""
    axis = int(np.abs(direction).argmax())
    return ("RL", "AP", "FH")[axis][int(direction[axis] > 0)]


def _pixels(ds: Dataset, frame: int) -> NDArray[np.float32]:
    pixels = ds.pixel_array.astype(np.float32)
    if ds.get("PhotometricInterpretation") == "MONOCHROME1":
        pixels = -pixels
    return pixels[frame - 1] if pixels.ndim == 3 else pixels


def _plane(ds: Dataset, frame: int) -> tuple[Points, Points, tuple[float, float]]:
    """ImagePositionPatient, ImageOrientationPatient and PixelSpacing of an image or of one frame of it."""
    position = _find(ds, frame, "PlanePositionSequence", "ImagePositionPatient")
    orientation = _find(ds, frame, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = _find(ds, frame, "PixelMeasuresSequence", "PixelSpacing")
    return np.array(position, float), np.array(orientation, float), (float(spacing[0]), float(spacing[1]))


def _find(ds: Dataset, frame: int, sequence: str, keyword: str) -> Any:
    if keyword in ds:
        return ds[keyword].value
    own = ds.PerFrameFunctionalGroupsSequence[frame - 1]
    groups = own if sequence in own else ds.SharedFunctionalGroupsSequence[0]
    return groups[sequence].value[0][keyword].value


def _colour(roi: Dataset) -> Colour:
    r, g, b = (int(c) / 255 for c in roi.get("ROIDisplayColor", (255, 255, 0)))
    return r, g, b


def _area(points: Points) -> float:
    """Area of a planar polygon in mm², by the vector shoelace formula."""
    return float(np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)) / 2)
