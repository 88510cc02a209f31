"""Cases that lie as DICOM: MR series with a SEG or an RTSTRUCT that refers to them, in one folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import RTStructureSetStorage, SegmentationStorage

from pipeline.core.errors import GeometryUnusable
from pipeline.core.study import Series, Study
from pipeline.evaluation.cases.case import Case, Entry, Mask, make_case
from pipeline.evaluation.cases.contours import structure_masks
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.imaging.references import series_named

LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
"""Label Map Segmentation (Supplement 243); pydicom 3.0 has no name for it."""

TRUTH_CLASSES = (str(SegmentationStorage), LABEL_MAP_STORAGE, str(RTStructureSetStorage))


def dicom_entries(data: Path) -> list[Entry]:
    """One case for each SEG or RTSTRUCT whose MR series lies in the folder too."""
    found = []
    # Studies of one patient belong together; who it is goes into no report.
    patients: dict[str, str] = {}
    for study in scan(data):
        patient = str(study.instances[0].get("PatientID") or study.study_instance_uid)
        group = patients.setdefault(patient, f"patient-{len(patients) + 1}")
        for number, truth in enumerate(_truths(study), start=1):
            series = _referenced(truth, study)
            if series is not None:
                name = f"{group}/{series.series_instance_uid[-12:]}-truth{number}"
                found.append(Entry(name, "T2", partial(_load, name, group, series, truth)))
    return found


def _truths(study: Study) -> list[Path]:
    return sorted(i.path for i in study.instances if i.sop_class_uid in TRUTH_CLASSES)


def _referenced(path: Path, study: Study) -> Series | None:
    """The image series the object names; if it names none that is here, the only MR series of the study."""
    wanted = series_named(dcmread(path, stop_before_pixels=True))
    images = [s for s in study.series if s.first.sop_class_uid not in TRUTH_CLASSES]
    named = [s for s in images if s.series_instance_uid in wanted]
    mr = [s for s in images if s.modality == "MR"]
    return named[0] if named else mr[0] if len(mr) == 1 and not wanted else None


def _load(name: str, group: str, series: Series, truth: Path) -> Case:
    read = read_volume(series)
    ds = dcmread(truth)
    contours = ds.SOPClassUID == RTStructureSetStorage
    mask = structure_masks(ds, read.volume) if contours else _segments(ds, read.volume, name)
    source = "RTSTRUCT" if contours else "SEG"
    return make_case(
        name, group, "T2", read.volume, mask, drawn="tumour", remarks=(f"truth from a {source}", *read.remarks)
    )


def _segments(ds: Dataset, image: hd.Volume, name: str) -> Mask:
    """All segments together, on the grid of the image. Raises GeometryUnusable when they lie on another."""
    seg = hd.seg.Segmentation.from_dataset(ds, copy=False)
    try:
        found = seg.get_volume(combine_segments=False, rescale_fractional=False, allow_missing_positions=True)
        array = np.asarray(found.array)
        flat = found.with_array((array.reshape(*array.shape[:3], -1) > 0).any(axis=3).astype(np.uint8))
        return np.asarray(flat.match_geometry(image, tol=1e-2).array > 0, np.bool_)
    except (ValueError, RuntimeError) as error:  # highdicom's words for frames off the grid
        raise GeometryUnusable(
            f"{name}: the segmentation does not lie on the grid of its series ({error})",
            "evaluate against a segmentation that was drawn on the images themselves",
        ) from error
