"""Series -> volume in patient millimetres; the only place where pixels are opened."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import iter_pixels
from pydicom.uid import DeflatedExplicitVRLittleEndian

from pipeline.core.errors import PixelsUnreadable
from pipeline.core.study import Series
from pipeline.imaging.frames import Frame, FrameRef, frames_of
from pipeline.imaging.header import MALFORMED
from pipeline.imaging.stack import Stack, stack

__all__ = ["FrameRef", "SeriesVolume", "read_frame", "read_volume"]

Pixels = NDArray[Any]

_NOT_DECODED: tuple[type[Exception], ...] = (*MALFORMED, RuntimeError)
"""Decoders are plug-ins and raise what they like; Pillow's word for a truncated file is OSError."""


@dataclass(frozen=True, slots=True)
class SeriesVolume:
    """A series as a volume.

    volume:  (slices, rows, columns) float32, rescaled; its affine maps that index to LPS mm. Slices ascend
             along the normal of the images (row direction x column direction), see `stack.Stack`.
    frames:  frames[i] is the image that slice i was read from. A slice that was missing, and was filled on
             demand, repeats the frame before it.
    remarks: sentences on what was left out, chosen or filled; empty when the series was plain.
    """

    volume: hd.Volume
    frames: tuple[FrameRef, ...]
    remarks: tuple[str, ...]

    @property
    def filled(self) -> tuple[int, ...]:
        """Indices of the slices that were missing, and were made up from their neighbours."""
        return tuple(k for k in range(1, len(self.frames)) if self.frames[k] == self.frames[k - 1])


def read_volume(series: Series, *, fill_missing: int = 0) -> SeriesVolume:
    """The series as one regular volume, float32, stored values rescaled (PS3.3 C.7.6.16.2.9, C.11.1).

    The order of files does not matter. Classic, Enhanced and Legacy Converted Enhanced images are read.

    fill_missing: up to this many single missing slices become the mean of their two neighbours, with a remark;
                  by default one missing slice makes the series unusable.

    Raises GeometryUnusable (the images make no volume, and why) or PixelsUnreadable.
    """
    made = stack(frames_of(series), _same_pixels, fill_missing)
    for frame in made.frames:
        _check_grey(frame)
    array, filled = _read_slices(made)
    reference = made.frames[0].get("FrameOfReferenceUID")
    volume = hd.Volume(array, made.affine, "PATIENT", frame_of_reference_uid=reference)
    return SeriesVolume(volume, _references(made), made.remarks + _remarks(made, filled))


def read_frame(ref: FrameRef) -> NDArray[np.float32]:
    """One image (rows, columns) to look at: stored values, so that bright is high, not rescaled.

    Raises PixelsUnreadable.
    """
    try:
        header = dcmread(ref.path, stop_before_pixels=True, specific_tags=["PhotometricInterpretation"], force=True)
        indices = None if ref.frame_number is None else [ref.frame_number - 1]
        pixels = next(iter_pixels(_openable(ref.path), indices=indices)).astype(np.float32)
    except _NOT_DECODED as error:
        raise _unreadable(ref, error) from error
    if pixels.ndim != 2:
        raise PixelsUnreadable(f"image {ref.sop_instance_uid} is no plane of grey values")
    return np.asarray(-pixels if header.get("PhotometricInterpretation") == "MONOCHROME1" else pixels)


def _remarks(made: Stack, filled: list[int]) -> tuple[str, ...]:
    said = []
    if any(f.get("PhotometricInterpretation") == "MONOCHROME1" for f in made.frames):
        said.append("MONOCHROME1 images were inverted, so that bright is high.")
    if filled:
        where = ", ".join(str(i + 1) for i in filled)
        said.append(
            f"Slice(s) {where} of the stack were missing and filled with the mean of their neighbours; nothing that "
            "is found there was seen."
        )
    return tuple(said)


def _references(made: Stack) -> tuple[FrameRef, ...]:
    at = np.searchsorted(made.slices, np.arange(made.slices[-1] + 1), side="right") - 1
    return tuple(made.frames[k].ref for k in at)


def _read_slices(made: Stack) -> tuple[NDArray[np.float32], list[int]]:
    """The array, and the indices of the slices that no image was read for."""
    by_file: dict[Path, list[tuple[int, Frame]]] = defaultdict(list)
    for position, frame in zip(made.slices, made.frames, strict=True):
        by_file[frame.ref.path].append((position, frame))
    array = np.empty((0, 0, 0), np.float32)
    for path, wanted in by_file.items():
        for (position, frame), pixels in zip(wanted, _decode(path, [f for _, f in wanted]), strict=True):
            if not array.size:  # allocated only now that pixels have shown that the header's size is no lie
                array = np.empty((made.slices[-1] + 1, *frame.shape), np.float32)
            array[position] = _rescaled(pixels, frame)
    filled = sorted(set(range(len(array))) - set(made.slices))
    for i in filled:
        array[i] = (array[i - 1] + array[i + 1]) / 2
    return array, filled


def _decode(path: Path, frames: list[Frame]) -> Iterator[Pixels]:
    """The stored values of these frames of one file, one after the other, so that few are in memory."""
    whole = frames[0].ref.frame_number is None
    indices = None if whole else [f.index for f in frames]
    try:
        for frame, pixels in zip(frames, iter_pixels(_openable(path), indices=indices), strict=True):
            if pixels.shape != frame.shape:
                raise PixelsUnreadable(f"image {frame.ref.sop_instance_uid} decodes to {pixels.shape} pixels")
            yield pixels
    except _NOT_DECODED as error:
        raise _unreadable(frames[0].ref, error) from error


def _unreadable(ref: FrameRef, error: Exception) -> PixelsUnreadable:
    return PixelsUnreadable(
        f"the pixels of image {ref.sop_instance_uid} do not decode ({type(error).__name__})",
        "the file may be truncated: send it again; `lantern doctor` lists the syntaxes that can be read",
    )


def _openable(path: Path) -> Path | Dataset:
    """What `iter_pixels` can read: it looks for the pixels in the file as it lies there, and misses deflated ones."""
    try:
        syntax = read_file_meta_info(path).get("TransferSyntaxUID")
    except MALFORMED:
        return path
    return dcmread(path) if syntax == DeflatedExplicitVRLittleEndian else path


def _check_grey(frame: Frame) -> None:
    samples, kind = frame.get("SamplesPerPixel"), frame.get("PhotometricInterpretation")
    if samples not in (None, 1) or kind not in (None, "MONOCHROME1", "MONOCHROME2"):
        raise PixelsUnreadable(
            f"image {frame.ref.sop_instance_uid} is in colour ({kind}), not grey values",
            "send the original images, not a colour map or a screen copy",
        )


def _rescaled(pixels: Pixels, frame: Frame) -> NDArray[np.float32]:
    """Stored values times Rescale Slope plus Rescale Intercept; of MONOCHROME1, the inverse of the stored range."""
    values = pixels.astype(np.float32)
    if frame.get("PhotometricInterpretation") == "MONOCHROME1":
        bits = int(frame.get("BitsStored") or 16)
        values = (-1.0 if frame.get("PixelRepresentation") == 1 else 2.0**bits - 1) - values
    slope = _number(frame.get("RescaleSlope"), 1.0) or 1.0
    return np.asarray(values * np.float32(slope) + np.float32(_number(frame.get("RescaleIntercept"), 0.0)))


def _number(value: Any, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default


def _same_pixels(frames: Iterable[Frame]) -> bool:
    each = [_rescaled(next(_decode(f.ref.path, [f])), f) for f in frames]
    return all(np.array_equal(each[0], other) for other in each[1:])
