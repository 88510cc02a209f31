"""Every form that objects can be written in, and readers of what was written that share nothing with the encoder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from itertools import product
from pathlib import Path

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from pipeline.core.forms import Coordinates, Form, Holes, Segments
from pipeline.core.result import Kind
from pipeline.findings import Findings
from tests.support.findings import Grid, findings_on, spheres, with_rejected, write_classic, write_enhanced
from tests.support.polygons import in_pixels, winding

SEG_FORMS = tuple(
    Form(segments=s, all_frames=a, per_lesion=p) for s, a, p in product(Segments, (False, True), (False, True))
)
FORMS = (
    *SEG_FORMS,
    *(replace(form, holes=Holes.XOR, coordinates=Coordinates.IMAGE) for form in SEG_FORMS),
    *(replace(form, holes=Holes.XOR) for form in SEG_FORMS[:2]),
    *(replace(form, coordinates=Coordinates.IMAGE) for form in SEG_FORMS[-2:]),
)
"""Every way of writing segmentations, structure sets and reports, and all of segmentations with both of reports."""

LEFT_OUT = tuple(
    Form(left_out=frozenset(kinds), coordinates=c)
    for kinds in ({Kind.SEG}, {Kind.RTSTRUCT}, {Kind.SEG, Kind.RTSTRUCT}, {Kind.SR}, {Kind.KO})
    for c in Coordinates
)
GRID = Grid((10, 26, 24), (2.0, 0.9, 0.7), "oblique")


def small_scene(grid: Grid = GRID) -> NDArray[np.uint16]:
    """Three lesions: a ball, one with a hole and an island in it, and one voxel."""
    labels = spheres(grid, ((4, 8, 7), 6.0))
    labels[5:7, 12:21, 10:20] = 2
    labels[5, 14:19, 12:18] = 0
    labels[5, 16, 14:16] = 2
    labels[8, 3, 20] = 3
    return labels


def small_findings(folder: Path, grid: Grid = GRID, *, enhanced: bool = False) -> Findings:
    """Of `small_scene`, with two rejected candidates that have a label volume."""
    write = write_enhanced if enhanced else write_classic
    findings = findings_on(write(folder, grid), grid, small_scene(grid))
    rejected = spheres(grid, ((3, 20, 5), 4.0), ((7, 5, 12), 4.0))
    return with_rejected(findings, grid, rejected, drawn=True)


def read_back(data: bytes) -> Dataset:
    """As whoever gets the file reads it."""
    return dcmread(BytesIO(data))


def labels_of_segmentations(files: Iterable[bytes], findings: Findings) -> NDArray[np.uint16]:
    """The labels again by highdicom, on the grid of the findings, by patient millimetres and tracking UIDs alone."""
    labels = findings.labels
    assert labels is not None
    found = np.zeros(labels.spatial_shape, np.uint16)
    number = {n.tracking_uid: n.number for n in findings.lesions}
    for data in files:
        seg = hd.seg.segread(BytesIO(data))
        volume = seg.get_volume(combine_segments=True)
        index = np.argwhere(volume.array)
        back = np.c_[index, np.ones(len(index))] @ np.asarray(volume.affine).T
        back = back @ np.linalg.inv(np.asarray(labels.affine)).T
        assert np.abs(back - back.round()).max() < 1e-3
        at = tuple(back[:, :3].round().astype(int).T)
        assert not found[at].any()
        uids = {n: str(seg.get_segment_description(n).tracking_uid) for n in seg.segment_numbers}
        found[at] = [number[uids[n]] for n in volume.array[tuple(index.T)]]
    return found


def labels_of_structure_sets(sets: Iterable[Dataset], findings: Findings) -> NDArray[np.uint16]:
    """The labels again by winding and parity; for single-frame images."""
    labels = findings.labels
    assert labels is not None
    headers = {f.sop_instance_uid: (i, dcmread(f.path, stop_before_pixels=True)) for i, f in enumerate(findings.frames)}
    found = np.zeros(labels.spatial_shape, np.uint16)
    for roi in (roi for ds in sets for roi in ds.ROIContourSequence):
        mask = np.zeros(labels.spatial_shape, bool)
        for contour in roi.ContourSequence:
            plane, image = headers[contour.ContourImageSequence[0].ReferencedSOPInstanceUID]
            turned = winding(in_pixels(contour, image), mask.shape[1:]) != 0
            mask[plane] = mask[plane] ^ turned if "XOR" in contour.ContourGeometricType else mask[plane] | turned
        assert not found[mask].any()
        found[mask] = roi.ReferencedROINumber
    return found


def items(sr: Dataset) -> Iterator[Dataset]:
    """Every content item of a report."""
    for item in sr.get("ContentSequence") or []:
        yield item
        yield from items(item)


def labels_of_image_regions(sr: Dataset, findings: Findings) -> NDArray[np.uint16]:
    """The labels again from the Image Regions (SCOORD) of the Measurement Groups."""
    labels = findings.labels
    assert labels is not None
    number = {n.tracking_uid: n.number for n in findings.lesions}
    frames = {(f.sop_instance_uid, f.frame_number): i for i, f in enumerate(findings.frames)}
    found = np.zeros(labels.spatial_shape, np.uint16)
    for group in (i for i in items(sr) if i.ConceptNameCodeSequence[0].CodeMeaning == "Measurement Group"):
        uid = next(i.UID for i in group.ContentSequence if i.ConceptNameCodeSequence[0].CodeValue == "112040")
        for region in (i for i in group.ContentSequence if i.ValueType == "SCOORD"):
            (image,) = region.ContentSequence
            named = image.ReferencedSOPSequence[0]
            plane = frames[named.ReferencedSOPInstanceUID, named.get("ReferencedFrameNumber")]
            points = np.array(region.GraphicData).reshape(-1, 2)
            assert (points[0] == points[-1]).all()
            inside = winding(points[:-1, ::-1] - 0.5, found.shape[1:]) != 0
            found[plane][inside] = number[str(uid)]
    return found


def referenced(ds: Dataset) -> set[str]:
    """Every SOP Instance UID that is named anywhere in an object."""
    found: set[str] = set()
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                found |= referenced(item)
        elif element.keyword == "ReferencedSOPInstanceUID":
            found.add(str(element.value))
    return found
