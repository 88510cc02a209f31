"""Real T1 series, written as DICOM as a scanner would, through a running node with the `srs` pipeline.

Two of the sixteen contrast-enhanced series by default; LANTERN_REAL_SERIES=16 (`make real`) sends all.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import Dataset, dcmread

from pipeline.core.job import State
from pipeline.datasets.nifti import Acquisition, write_series
from tests.e2e.test_walk import errors_of
from tests.support import node as n
from tests.support.peers import OrthancPeer, require

HOW_MANY = int(os.environ.get("LANTERN_REAL_SERIES", "2"))
SPACING_MM = (0.9375, 0.9375, 6.0)  # the files' own spacing of 1 mm is wrong
DCENTVFY = "/usr/bin/dcentvfy"


def volumes_of(seg: bytes, rtstruct: bytes, sr: bytes) -> list[tuple[str, float, float, float]]:
    """("BM01", volume in mm3 in SEG, in RTSTRUCT, in SR) of each lesion, each read from its own file alone.

    What follows the number is the site, which planning systems get in fewer letters.
    """
    by_seg = _seg_volumes(hd.seg.segread(BytesIO(seg)))
    by_rtstruct = _rtstruct_volumes(dcmread(BytesIO(rtstruct)))
    by_sr = _sr_volumes(dcmread(BytesIO(sr)))
    assert by_seg.keys() == by_rtstruct.keys() == by_sr.keys()
    return [(k, by_seg[k], by_rtstruct[k], by_sr[k]) for k in by_seg]


def _seg_volumes(seg: hd.seg.Segmentation) -> dict[str, float]:
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    between = float(measures.get("SpacingBetweenSlices", measures.SliceThickness))
    voxel = between * float(measures.PixelSpacing[0]) * float(measures.PixelSpacing[1])
    counts: dict[int, int] = {}
    for item, frame in zip(seg.PerFrameFunctionalGroupsSequence, np.atleast_3d(seg.pixel_array), strict=True):
        number = int(item.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        counts[number] = counts.get(number, 0) + int(frame.sum())
    return {str(s.TrackingID).partition("_")[0]: voxel * counts[int(s.SegmentNumber)] for s in seg.SegmentSequence}


def _rtstruct_volumes(rtss: Dataset) -> dict[str, float]:
    names = {int(r.ROINumber): str(r.ROIName).partition("_")[0] for r in rtss.StructureSetROISequence}
    return {
        names[int(roi.ReferencedROINumber)]: SPACING_MM[2] * sum(_area(c) for c in roi.ContourSequence)
        for roi in rtss.ROIContourSequence
    }


def _area(contour: Dataset) -> float:
    points = np.array(contour.ContourData, float).reshape(-1, 3)
    return float(np.linalg.norm(np.cross(points, np.roll(points, -1, axis=0)).sum(axis=0)) / 2)


def _sr_volumes(sr: Dataset) -> dict[str, float]:
    found: dict[str, float] = {}

    def walk(node: Dataset) -> None:
        items = {
            i.ConceptNameCodeSequence[0].CodeValue: i
            for i in node.get("ContentSequence", [])
            if "ConceptNameCodeSequence" in i
        }
        if "112039" in items and "118565006" in items:
            volume = items["118565006"].MeasuredValueSequence[0]
            assert volume.MeasurementUnitsCodeSequence[0].CodeValue == "mm3"
            name = str(items["112039"].TextValue).partition("_")[0]
            if name.startswith("BM"):  # "FP01" and the like are candidates that were turned down
                found[name] = float(volume.NumericValue)
        for item in node.get("ContentSequence", []):
            walk(item)

    walk(sr)
    return found


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_real_contrast_enhanced_series_come_back_with_objects_that_agree(
    tmp_path: Path, shared_data: Path, orthanc: OrthancPeer, capsys: pytest.CaptureFixture[str]
) -> None:
    scans = sorted((shared_data / "brain" / "btp_t1c").glob("*/*_Scan_T1.nii.gz"))[:HOW_MANY]
    tables = [n.destination("pacs", orthanc.ae_title, orthanc.dicom_port), n.route(["pacs"], "srs")]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        for k, scan in enumerate(scans):
            study = f"{scan.parent.name}-{scan.name.partition('_')[0]}"
            count = len(write_series(scan, tmp_path / study, Acquisition(seed=study), spacing_mm=SPACING_MM))
            assert n.dcmsend(node.port, tmp_path / study).returncode == 0
            job = node.ended(k + 1, within_s=300)[-1]
            assert job.state is State.DELIVERED, job.reason
            results = [r for _, r in node.ledger.results(job_id=job.id)]
            files = [(r.kind.value, orthanc.file(r.sop_instance_uid)) for r in results]
            objects = {f"{kind}-{k}" if kind in ("PM", "SC") else kind: dcm for k, (kind, dcm) in enumerate(files)}
            assert set(objects) >= {"SEG", "RTSTRUCT", "SR"}, f"{study}: no lesion found"
            assert "PM" in {kind for kind, _ in files}, f"{study}: no dose map"
            assert [e for dcm in objects.values() for e in errors_of(dcm, tmp_path)] == []
            rows = volumes_of(objects["SEG"], objects["RTSTRUCT"], objects["SR"])
            for label, seg, rtstruct, sr in rows:
                assert rtstruct == pytest.approx(seg, rel=0.02), f"{study} {label}"
                assert sr == pytest.approx(seg, rel=0.02), f"{study} {label}"
            assert _entity_errors(tmp_path / study, objects) == []
            worst = max(max(abs(r / s - 1), abs(x / s - 1)) for _, s, r, x in rows)
            with capsys.disabled():
                print(f"\n{study}: {count} images, {len(rows)} lesions, {sum(r[1] for r in rows) / 1000:.1f} cm3, "
                      f"volumes agree within {100 * worst:.2f} %", end="")  # fmt: skip


def _entity_errors(series: Path, objects: dict[str, bytes]) -> list[str]:
    for kind, dcm in objects.items():
        (series / f"result-{kind}.dcm").write_bytes(dcm)
    said = subprocess.run(
        [require(DCENTVFY), *map(str, sorted(series.iterdir()))], capture_output=True, text=True, check=False
    )
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_real_series_without_contrast_is_declined_and_runs_when_the_route_says_so(
    tmp_path: Path, shared_data: Path, make_orthanc: Callable[..., OrthancPeer]
) -> None:
    pacs = make_orthanc()
    to = n.destination("pacs", pacs.ae_title, pacs.dicom_port)
    series = shared_data / "brain" / "t1_dicom_siemens_trio"
    with n.RunningNode(tmp_path / "default", to, n.route(["pacs"], "srs")).serve() as node:
        n.dcmsend(node.port, series)
        (job,) = node.ended()
        assert job.state is State.DECLINED
        assert "contrast" in job.reason
    options = "options = { require_contrast = false, fill_missing_slices = 1 }"  # it lacks one image of 176
    with n.RunningNode(tmp_path / "told", to, n.route(["pacs"], "srs", more=options)).serve() as node:
        n.dcmsend(node.port, series)
        (job,) = node.ended(within_s=300)
        assert job.state is State.DELIVERED, job.reason
        (sr,) = [r for _, r in node.ledger.results() if r.kind.value == "SR"]
        report = dcmread(BytesIO(pacs.file(sr.sop_instance_uid)))
        said = " ".join(str(e.value) for e in report.iterall() if e.keyword == "TextValue")
        assert "without contrast agent" in said
        assert "missing" in said
