"""A picture of results: the RTSTRUCT's contours on the images that they refer to, lesion by lesion.

Drawn from the delivered files alone, by code that shares nothing with the encoder: contour points in patient
millimetres (PS3.3 C.8.8.6) are brought to image pixels with each image's own position, orientation and spacing
(PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

Points = NDArray[np.float64]

WINDOW_PERCENTILES = (1.0, 99.5)
"""Where black and white lie in the image's own distribution."""


@dataclass(frozen=True, slots=True)
class Panel:
    """One image (rows, columns), and the contours on it as (n, 2) arrays of (column, row) with a label and colour."""

    image: NDArray[np.float32]
    contours: tuple[tuple[str, tuple[float, float, float], Points], ...]
    title: str
    aspect: float


def draw(rtstruct: Path | None, images: Sequence[Path], png: Path, caption: str, most: int = 6) -> None:
    """Write a PNG with one panel per lesion, on the image where its contour is largest; at most `most` lesions.

    Without an RTSTRUCT (no lesion found) the middle image is shown, without a contour.
    """
    import matplotlib  # noqa: PLC0415 - heavy, and only a picture needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    panels = _panels(dcmread(rtstruct), images, most) if rtstruct else [_middle(images, "no lesion found")]
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4.2 * columns, 4.5 * rows), squeeze=False, facecolor="black")
    for axis in axes.flat:
        axis.axis("off")
    for axis, panel in zip(axes.flat, panels, strict=False):
        _paint(axis, panel)
    figure.text(0.5, 0.005, caption, color="white", ha="center", fontsize=8)
    figure.tight_layout(rect=(0, 0.03, 1, 1))
    figure.savefig(png, dpi=110, facecolor="black")
    pyplot.close(figure)


def _paint(axis: Any, panel: Panel) -> None:
    low, high = np.percentile(panel.image, WINDOW_PERCENTILES)
    axis.imshow(panel.image, cmap="gray", vmin=low, vmax=high, aspect=panel.aspect, interpolation="nearest")
    rightmost: dict[str, tuple[Points, tuple[float, float, float]]] = {}
    for label, colour, points in panel.contours:
        closed = np.vstack([points, points[:1]])
        axis.plot(closed[:, 0], closed[:, 1], color=colour, linewidth=1.2)
        right = points[points[:, 0].argmax()]
        if label not in rightmost or right[0] > rightmost[label][0][0]:
            rightmost[label] = (right, colour)
    for label, (right, colour) in rightmost.items():
        axis.annotate(label, tuple(right), color=colour, fontsize=8, xytext=(4, 0), textcoords="offset points")
    axis.set_title(panel.title, color="white", fontsize=9)


def _panels(rtss: Dataset, images: Sequence[Path], most: int) -> list[Panel]:
    by_uid = {str(ds.SOPInstanceUID): p for p in images for ds in [dcmread(p, stop_before_pixels=True)]}
    names = {int(roi.ROINumber): str(roi.ROIName) for roi in rtss.StructureSetROISequence}
    drawn: list[tuple[float, str, tuple[str, int]]] = []
    on_image: dict[tuple[str, int], list[tuple[str, tuple[float, float, float], Points]]] = {}
    for roi in rtss.ROIContourSequence:
        name, colour = names[int(roi.ReferencedROINumber)], _colour(roi)
        best: tuple[float, str, tuple[str, int]] | None = None
        for contour in roi.ContourSequence:
            if "ContourImageSequence" not in contour:
                continue  # drawn on a slice that was missing and filled: there is no image to show it on
            where = _image_of(contour)
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            on_image.setdefault(where, []).append((name, colour, points))
            if best is None or _area(points) > best[0]:
                best = (_area(points), name, where)
        if best:
            drawn.append(best)
    drawn.sort(reverse=True)
    if not drawn:
        return [_middle(images, "lesions on filled slices only")]
    return [_panel(by_uid[w[0]], w[1], on_image[w], name) for _, name, w in drawn[:most]]


def _image_of(contour: Dataset) -> tuple[str, int]:
    image = contour.ContourImageSequence[0]
    return str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber", 1))


def _panel(path: Path, frame: int, contours: list[tuple[str, tuple[float, float, float], Points]], name: str) -> Panel:
    ds = dcmread(path)
    pixels = _pixels(ds, frame)
    position, orientation, spacing = _plane(ds, frame)
    x, y = orientation[:3], orientation[3:]
    flat = [
        (label, colour, np.stack([(p - position) @ x / spacing[1], (p - position) @ y / spacing[0]], axis=1))
        for label, colour, p in contours
    ]
    return Panel(pixels, tuple(flat), f"{name}, image {_number(ds, frame)}", spacing[0] / spacing[1])


def _middle(images: Sequence[Path], title: str) -> Panel:
    headers = sorted((int(dcmread(p, stop_before_pixels=True).get("InstanceNumber") or 0), p) for p in images)
    ds = dcmread(headers[len(headers) // 2][1])
    frame = int(ds.get("NumberOfFrames") or 1) // 2 + 1
    _, _, spacing = _plane(ds, frame)
    return Panel(_pixels(ds, frame), (), title, spacing[0] / spacing[1])


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


def _number(ds: Dataset, frame: int) -> str:
    return str(frame) if "NumberOfFrames" in ds else str(ds.get("InstanceNumber", ""))


def _colour(roi: Dataset) -> tuple[float, float, float]:
    r, g, b = (int(c) / 255 for c in roi.get("ROIDisplayColor", (255, 255, 0)))
    return r, g, b


def _area(points: Points) -> float:
    """Area of a planar polygon in mm², by the vector shoelace formula."""
    return float(np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)) / 2)
