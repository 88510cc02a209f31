"""Findings -> RT Structure Set (PS3.3 A.19), one GTV for each lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import highdicom as hd
import numpy as np
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage
from scipy import ndimage

from pipeline.core.errors import OurFault
from pipeline.core.forms import Holes
from pipeline.encode.codes import code_item
from pipeline.encode.common import (
    Encoded,
    Part,
    Stamp,
    brief,
    date_and_time,
    described,
    dress,
    local_time,
    parameters,
    reference,
    revision,
    said_of_all,
)
from pipeline.encode.contours import IntArray, area, area_3d, outlines, rings
from pipeline.encode.proposal import RGB, colours, in_order, proposed
from pipeline.encode.source import Frame, Source, in_space
from pipeline.encode.text import short
from pipeline.findings import Algorithm, Findings, Lesion, Origin

VOLUME_TOLERANCE = 0.001
"""The polygons of a lesion may differ from its voxels by this share; what is left is the rounding of numbers."""

LONGEST_EXPLICIT = 0xFFFE
"""Bytes that a DS can have in Explicit VR (PS3.5 7.1.2); a longer one would have to be written as UN."""

_CONTOUR_DATA = Tag("ContourData")
_STUDY_CLASS = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management (retired): what RTReferencedStudySequence is written with everywhere."""


def structure_sets(findings: Findings, labels: hd.Volume, source: Source, stamp: Stamp) -> tuple[Encoded, ...]:
    """The RTSTRUCT of `findings`, which have at least one lesion; or one for each, where the form of `stamp` says so.

    ROI n is lesion n, alone or not; with a plan they stand in the order of the sessions, and in the colours of these.
    Contours lie on the planes of the source images, from the first slice of the labels to the last. A lesion with a
    hole has contours of CLOSEDPLANAR_XOR where the form says so, one without never. Raises OurFault when contours do
    not enclose the volume of the lesion's voxels.

    Explicit VR Little Endian, but for contours of some 2000 points and more: those only Implicit VR can hold as
    numbers, and a planning system would not look for them in UN (PS3.5 6.2.2).
    """
    lesions = in_order(findings)
    each = [(n.number, [n]) for n in lesions] if stamp.form.per_lesion else [(0, lesions)]
    drawn = _Drawn(labels, ndimage.find_objects(labels.array), _names(findings.lesions), colours(findings))
    return tuple(
        Encoded(Part.RTSTRUCT, _structure_set(number, some, drawn, findings, source, stamp), number)
        for number, some in each
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """What all structure sets of a run have in common: labels, where each lesion is in them, names and colours."""

    labels: hd.Volume
    windows: Sequence[tuple[slice, slice, slice]]
    names: Mapping[int, str]
    colours: Mapping[int, RGB]


def _structure_set(
    number: int, lesions: Sequence[Lesion], drawn: _Drawn, findings: Findings, source: Source, stamp: Stamp
) -> Dataset:
    ds = Dataset()
    ds.SOPClassUID = RTStructureSetStorage
    ds.FrameOfReferenceUID = source.frame_of_reference_uid
    ds.PositionReferenceIndicator = source.position_reference_indicator
    ds.OperatorsName = ""
    which = revision(findings, stamp)
    ds.StructureSetLabel = _label(which, number)
    ds.StructureSetName = brief(findings.algorithm, ", ".join(w for w in (which, drawn.names.get(number, "")) if w))
    ds.StructureSetDescription = short(said_of_all(findings), 1024)
    ds.StructureSetDate, ds.StructureSetTime = date_and_time(local_time(source, stamp))
    ds.ReferencedFrameOfReferenceSequence = [_frame_of_reference(source)]
    edited = findings.corrections
    if edited is not None and edited.sop_class_uid == RTStructureSetStorage:
        ds.PredecessorStructureSetSequence = [reference(edited.sop_class_uid, edited.sop_instance_uid)]
    ds.StructureSetROISequence = [_roi(n, drawn.names[n.number], findings, source) for n in lesions]
    ds.ROIContourSequence = [_roi_contour(n, drawn, source, stamp.form.holes) for n in lesions]
    ds.RTROIObservationsSequence = [_observation(n, drawn.names[n.number], findings) for n in lesions]
    ds.ApprovalStatus = "UNAPPROVED"
    made = dress(ds, Part.RTSTRUCT, source, findings, stamp, number)
    if _longest_contour(made) > LONGEST_EXPLICIT:
        made.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return made


def _label(which: str, number: int) -> str:
    """In 16 characters, and another for each lesion, since planning systems tell structure sets apart by it."""
    again = which.partition(",")[0]
    if number:
        return short(f"RESEARCH {again.replace('rev ', 'r')} {number}".replace("  ", " "), 16)
    return f"RESEARCH {again}" if again else "LANTERN RESEARCH"


def _longest_contour(ds: Dataset) -> int:
    """In bytes."""
    contours = (c for roi in ds.ROIContourSequence for c in roi.ContourSequence)
    return max(len(c.get_item(_CONTOUR_DATA).value) for c in contours)


def _frame_of_reference(source: Source) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = source.series_instance_uid
    series.ContourImageSequence = [
        reference(of_class, uid, **({"ReferencedFrameNumber": list(numbers)} if numbers else {}))
        for uid, (of_class, numbers) in source.instances.items()
    ]
    study = reference(_STUDY_CLASS, source.study_instance_uid)
    study.RTReferencedSeriesSequence = [series]
    frame_of_reference = Dataset()
    frame_of_reference.FrameOfReferenceUID = source.frame_of_reference_uid
    frame_of_reference.RTReferencedStudySequence = [study]
    return frame_of_reference


def _names(lesions: Sequence[Lesion]) -> dict[int, str]:
    """ROI names by lesion number, in 16 characters; where two would be one, the second ends in its number.

    In capitals or not is no difference: planning systems overlook it.
    """
    names: dict[int, str] = {}
    for lesion in lesions:
        name = short(lesion.short_label, 16) or f"LESION_{lesion.number}"
        taken = {other.upper() for other in names.values()}
        ends = (f"_{lesion.number}", *(f"_{lesion.number}_{k}" for k in range(1, len(lesions))))
        free = (name, *(name[: 16 - len(end)] + end for end in ends))
        names[lesion.number] = next(n for n in free if n.upper() not in taken)
    return names


def _roi(lesion: Lesion, name: str, findings: Findings, source: Source) -> Dataset:
    item = Dataset()
    item.ROINumber = lesion.number
    item.ReferencedFrameOfReferenceUID = source.frame_of_reference_uid
    item.ROIName = name
    words = ("RESEARCH USE ONLY", *proposed(findings, lesion), *described(lesion))
    item.ROIDescription = short("; ".join(words), 1024)
    item.ROIVolume = _decimal(lesion.volume_mm3 / 1000)  # cm3 (PS3.3 C.8.8.5)
    item.ROIGenerationAlgorithm = lesion.origin.value
    if lesion.origin is Origin.MANUAL:
        item.ROIGenerationDescription = "drawn by a person"
        return item
    if lesion.drawn_with not in ("", findings.algorithm.name):
        item.ROIGenerationDescription = short(lesion.drawn_with, 64)
        return item
    item.ROIGenerationDescription = brief(findings.algorithm)
    item.ROIDerivationAlgorithmIdentificationSequence = [_algorithm(findings.algorithm)]
    return item


def _algorithm(algorithm: Algorithm) -> Dataset:
    item = Dataset()
    item.AlgorithmFamilyCodeSequence = [code_item(algorithm.family)]
    item.AlgorithmName = short(algorithm.name, 64)
    item.AlgorithmVersion = short(algorithm.version, 64)
    item.AlgorithmParameters = ",".join(f"{name}={value}" for name, value in parameters(algorithm).items())
    item.AlgorithmSource = short(algorithm.manufacturer, 64)
    return item


def _observation(lesion: Lesion, name: str, findings: Findings) -> Dataset:
    item = Dataset()
    item.ObservationNumber = lesion.number
    item.ReferencedROINumber = lesion.number
    item.ROIObservationLabel = name
    item.ROIObservationDescription = short("; ".join((*proposed(findings, lesion), *described(lesion))), 1024)
    item.RTROIIdentificationCodeSequence = [code_item(findings.sought.finding)]
    item.RTROIInterpretedType = findings.sought.roi_type
    item.ROIInterpreter = ""
    return item


def _roi_contour(lesion: Lesion, drawn: _Drawn, source: Source, holes: Holes) -> Dataset:
    labels, window = drawn.labels, drawn.windows[lesion.number - 1]
    inside = labels.array[window] == lesion.number
    corner = np.array([window[1].start, window[2].start])
    polygons = [
        (polygon + corner, frame)
        for plane, frame in zip(inside, source.frames[window[0]], strict=True)
        for polygon in (rings(plane) if holes is Holes.XOR else outlines(plane))
    ]
    of_type = "CLOSEDPLANAR_XOR" if any(area(polygon) < 0 for polygon, _ in polygons) else "CLOSED_PLANAR"
    written = [_contour(polygon, frame, labels, of_type, k) for k, (polygon, frame) in enumerate(polygons, start=1)]
    volume_mm3 = sum(area_mm2 for _, area_mm2 in written) * float(labels.spacing[0])
    _check_volume(lesion, volume_mm3, int(inside.sum()) * float(np.prod(labels.spacing)))
    item = Dataset()
    item.ROIDisplayColor = list(drawn.colours[lesion.number])
    item.ReferencedROINumber = lesion.number
    item.ContourSequence = [contour for contour, _ in written]
    return item


def _contour(polygon: IntArray, frame: Frame, labels: hd.Volume, of_type: str, number: int) -> tuple[Dataset, float]:
    """One item of ContourSequence, and the area in mm2 of what is written in it, digits and all; of a hole negative."""
    written = [_decimal(v) for v in in_space(polygon, frame, labels).ravel()]
    item = Dataset()
    if not frame.filled:
        more = {} if frame.frame_number is None else {"ReferencedFrameNumber": frame.frame_number}
        item.ContourImageSequence = [reference(frame.sop_class_uid, frame.sop_instance_uid, **more)]
    item.ContourGeometricType = of_type
    item.NumberOfContourPoints = len(polygon)
    item.ContourNumber = number
    item[_CONTOUR_DATA] = _raw_decimals(written)
    area_mm2 = area_3d(np.array(written, dtype=float).reshape(-1, 3))
    return item, area_mm2 if area(polygon) > 0 else -area_mm2


def _decimal(value: float) -> str:
    """A DS of at most 16 bytes (PS3.5 6.2): a nanometre is as fine as anybody's ruler."""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _raw_decimals(values: list[str]) -> Any:
    """As it would come from a file: pydicom then makes numbers of it when somebody asks, not once for each point."""
    data = "\\".join(values).encode()
    data += b" " * (len(data) % 2)
    return RawDataElement(_CONTOUR_DATA, "DS", len(data), data, 0, False, True)


def _check_volume(lesion: Lesion, drawn_mm3: float, mask_mm3: float) -> None:
    if abs(drawn_mm3 - mask_mm3) > VOLUME_TOLERANCE * mask_mm3:
        raise OurFault(f"the contours of {lesion.label} enclose {drawn_mm3:.1f} mm3, its voxels {mask_mm3:.1f} mm3")
