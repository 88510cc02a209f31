from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from pipeline.core.result import Kind
from pipeline.encode import encode, to_bytes
from pipeline.findings import Findings
from tests.support.findings import (
    ALGORITHM,
    ORIENTATIONS,
    STAMP,
    Grid,
    findings_on,
    spheres,
    write_classic,
    write_enhanced,
)

TWO = (((10, 20, 20), 8.0), ((16, 30, 12), 5.0))


def seg_of(findings: Findings) -> hd.seg.Segmentation:
    made = {e.kind: e.dataset for e in encode(findings, STAMP)}
    return hd.seg.segread(BytesIO(to_bytes(made[Kind.SEG])))


def mask_of(seg: hd.seg.Segmentation, findings: Findings) -> np.ndarray:
    """The labels again, on the grid of the findings, by patient millimetres alone."""
    volume = seg.get_volume(combine_segments=True)
    found = np.zeros(findings.labels.spatial_shape, np.uint16)
    index = np.argwhere(volume.array)
    reference = np.c_[index, np.ones(len(index))] @ np.asarray(volume.affine).T
    back = reference @ np.linalg.inv(np.asarray(findings.labels.affine)).T
    assert np.abs(back - back.round()).max() < 1e-3
    found[tuple(back[:, :3].round().astype(int).T)] = volume.array[tuple(index.T)]
    return found


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("spacing_mm", [(1.0, 1.0, 1.0), (3.0, 0.9, 0.7)])
def test_every_voxel_comes_back_where_it_was(tmp_path: Path, orientation: str, spacing_mm: tuple[float, ...]) -> None:
    grid = Grid(orientation=orientation, spacing_mm=spacing_mm)
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, *TWO))
    assert np.array_equal(mask_of(seg_of(findings), findings), findings.labels.array)


@pytest.mark.parametrize("extra", [0, 2])
def test_a_multi_frame_source_gives_the_same_voxels_and_names_its_frames(tmp_path: Path, extra: int) -> None:
    grid = Grid(orientation="oblique")
    findings = findings_on(write_enhanced(tmp_path, grid, extra), grid, spheres(grid, *TWO))
    seg = seg_of(findings)
    assert np.array_equal(mask_of(seg, findings), findings.labels.array)
    named = {
        (g.SegmentIdentificationSequence[0].ReferencedSegmentNumber, int(i.ReferencedFrameNumber))
        for g in seg.PerFrameFunctionalGroupsSequence
        for i in g.DerivationImageSequence[0].SourceImageSequence
    }
    expected = {
        (n, findings.frames[s].frame_number)
        for n in (1, 2)
        for s in np.flatnonzero((findings.labels.array == n).any(axis=(1, 2)))
    }
    assert named == expected
    assert len(seg.SourceImageSequence) == 1


def test_each_frame_names_the_image_it_lies_on_and_takes_its_position(tmp_path: Path) -> None:
    grid = Grid(orientation="oblique", spacing_mm=(1.3, 0.9, 0.7))
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, *TWO))
    seg = seg_of(findings)
    slice_of = {f.sop_instance_uid: i for i, f in enumerate(findings.frames)}
    for group in seg.PerFrameFunctionalGroupsSequence:
        (image,) = group.DerivationImageSequence[0].SourceImageSequence
        position = [float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient]
        assert position == grid.position(slice_of[image.ReferencedSOPInstanceUID])
    assert len(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence) == grid.shape[0]


def test_frames_without_a_lesion_are_left_out(tmp_path: Path) -> None:
    grid = Grid()
    labels = spheres(grid, *TWO)
    seg = seg_of(findings_on(write_classic(tmp_path, grid), grid, labels))
    assert seg.NumberOfFrames == sum(int((labels == n).any(axis=(1, 2)).sum()) for n in (1, 2))


def test_segments_carry_codes_tracking_and_the_algorithm(tmp_path: Path) -> None:
    grid = Grid()
    findings = findings_on(write_classic(tmp_path, grid), grid, spheres(grid, *TWO))
    seg = seg_of(findings)
    for lesion, segment in zip(findings.lesions, seg.SegmentSequence, strict=True):
        assert (segment.SegmentNumber, segment.SegmentLabel) == (lesion.number, lesion.label)
        assert (segment.TrackingID, segment.TrackingUID) == (lesion.label, lesion.tracking_uid)
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "14799000"
        assert segment.AnatomicRegionSequence[0].CodeValue == "12738006"
        made_by = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert (made_by.AlgorithmName, made_by.AlgorithmVersion) == (ALGORITHM.name, ALGORITHM.version)
        assert f"weights_sha256={ALGORITHM.weights_sha256}" in made_by.AlgorithmParameters
        assert "evidence_tier=T1" in made_by.AlgorithmParameters
    assert seg.SegmentationType == "BINARY"
    colours = {tuple(s.RecommendedDisplayCIELabValue) for s in seg.SegmentSequence}
    assert len(colours) == 2


def test_a_lossy_source_makes_a_segmentation_that_says_so(tmp_path: Path) -> None:
    grid = Grid()
    refs = write_classic(tmp_path, grid, LossyImageCompression="01", LossyImageCompressionRatio=8.0)
    seg = seg_of(findings_on(refs, grid, spheres(grid, *TWO)))
    assert (seg.LossyImageCompression, float(seg.LossyImageCompressionRatio)) == ("01", 8.0)
