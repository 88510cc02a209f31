"""The networks' probability as a Parametric Map: what is read back is what was said, where it was said."""

import pickle
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import RLELossless

from pipeline.contract import Runtime
from pipeline.core.errors import OurFault
from pipeline.core.uid import derive_uid
from pipeline.encode import Part, encode, to_bytes
from pipeline.encode.probability import STEP
from pipeline.findings import Extra, Findings
from pipeline.recipes.srs import lesions
from pipeline.recipes.srs.examine import Examined, Gathered
from pipeline.recipes.srs.segmentation import SHOWN_FROM, Reading, cut_out
from tests.support.findings import ORIENTATIONS, STAMP, Grid, findings_on, spheres, write_classic, write_enhanced
from tests.support.peers import run_tool

SPACE = derive_uid("frame of reference")
GRID = Grid((12, 40, 36), (2.0, 1.0, 1.0))
LABELS_AT = ((5, 12, 12), 9.0), ((8, 28, 24), 7.0)


def seen(grid: Grid, folder: Path, *, enhanced: bool = False, lesions: bool = True) -> Findings:
    """Findings with a probability that is low everywhere, high in lesions, and differs from voxel to voxel."""
    labels = spheres(grid, *LABELS_AT)
    noise = np.random.default_rng(3).random(grid.shape, np.float32)
    probability = np.where(labels > 0, 0.6 + 0.4 * noise, 0.04 * noise).astype(np.float32)
    probability[1, 2, 3] = 0.3  # a candidate that is no lesion
    frames = (write_enhanced if enhanced else write_classic)(folder, grid)
    findings = findings_on(frames, grid, labels if lesions else 0 * labels, extras=frozenset({Extra.PROBABILITY_MAP}))
    whole = hd.Volume(probability, grid.affine, "PATIENT", frame_of_reference_uid=SPACE)
    return replace(findings, probability=cut_out(whole))


def written(findings: Findings) -> bytes:
    return to_bytes(next(e.dataset for e in encode(findings, STAMP) if e.part is Part.PROBABILITY))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_every_voxel_is_read_back_in_its_place_within_half_a_step(tmp_path: Path, orientation: str) -> None:
    findings = seen(Grid((12, 40, 36), (2.0, 1.0, 0.9), orientation), tmp_path)
    said = findings.probability
    assert said is not None
    read = hd.pm.ParametricMap.from_dataset(dcmread(BytesIO(written(findings)))).get_volume(
        apply_real_world_transform=True
    )
    index = np.stack(np.meshgrid(*(np.arange(n) for n in said.spatial_shape), indexing="ij"), -1).reshape(-1, 3)
    there = read.map_reference_to_indices(said.map_indices_to_reference(index))
    assert np.abs(there - np.rint(there)).max() < 1e-3
    values = read.array[tuple(np.rint(there).astype(int).T)]
    assert np.abs(values - said.array.reshape(-1)).max() <= STEP / 2 + 1e-6
    assert read.spatial_shape == said.spatial_shape


def test_the_map_says_what_its_numbers_are_and_which_images_they_lie_on(tmp_path: Path) -> None:
    findings = seen(GRID, tmp_path)
    ds = dcmread(BytesIO(written(findings)))
    paths = {f.sop_instance_uid: f.path for f in findings.frames}
    assert (ds.file_meta.TransferSyntaxUID, ds.BitsAllocated, ds.BitsStored) == (RLELossless, 16, 16)
    (mapping,) = ds.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "1"
    assert mapping.QuantityDefinitionSequence[0].ConceptCodeSequence[0].CodeValue == "110854"
    assert mapping.RealWorldValueLastValueMapped * mapping.RealWorldValueSlope == 1.0
    assert "not calibrated" in ds.ImageComments
    assert ds.SeriesDescription.startswith("Probability map, RESEARCH USE ONLY")
    for group in ds.PerFrameFunctionalGroupsSequence:
        (image,) = group.DerivationImageSequence[0].SourceImageSequence
        lies_at = dcmread(paths[image.ReferencedSOPInstanceUID], stop_before_pixels=True).ImagePositionPatient
        assert float(group.PlanePositionSequence[0].ImagePositionPatient[2]) == pytest.approx(float(lies_at[2]))


def test_frames_of_a_multi_frame_source_are_named_by_their_numbers(tmp_path: Path) -> None:
    findings = seen(GRID, tmp_path, enhanced=True)
    ds = dcmread(BytesIO(written(findings)))
    said = {
        float(g.PlanePositionSequence[0].ImagePositionPatient[2]): int(
            g.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber
        )
        for g in ds.PerFrameFunctionalGroupsSequence
    }
    assert said == {GRID.position(k)[2]: k + 1 for k in range(1, 1 + len(said))}


def test_candidates_that_are_no_lesions_are_on_the_map_of_a_study_without_lesions(tmp_path: Path) -> None:
    parts = [e.part for e in encode(seen(GRID, tmp_path, lesions=False), STAMP)]
    assert parts == [Part.PROBABILITY, Part.SR]


def test_a_filled_slice_of_a_study_without_lesions_is_on_the_map_and_names_no_image(tmp_path: Path) -> None:
    findings = seen(GRID, tmp_path, lesions=False)
    assert findings.probability is not None
    wide = hd.Volume(np.full(GRID.shape, 0.3, np.float32), GRID.affine, "PATIENT", frame_of_reference_uid=SPACE)
    frames = list(findings.frames)
    frames[5] = frames[4]
    read = dcmread(BytesIO(written(replace(findings, frames=tuple(frames), probability=wide))))
    by_place = {
        float(g.PlanePositionSequence[0].ImagePositionPatient[2]): [
            s.ReferencedSOPInstanceUID for s in g.DerivationImageSequence[0].SourceImageSequence
        ]
        for g in read.PerFrameFunctionalGroupsSequence
    }
    expected = {GRID.position(k)[2]: [] if k == 5 else [f.sop_instance_uid] for k, f in enumerate(frames)}
    assert by_place == expected


def test_there_is_no_map_where_nobody_wants_one_or_no_network_was_asked(tmp_path: Path) -> None:
    findings = seen(GRID, tmp_path)
    for other in (replace(findings, extras=frozenset()), replace(findings, probability=None)):
        assert Part.PROBABILITY not in {e.part for e in encode(other, STAMP)}


@pytest.mark.parametrize("fault", ["mirrored", "between slices", "beside", "scaled"])
def test_a_map_that_does_not_lie_on_the_images_never_becomes_an_object(tmp_path: Path, fault: str) -> None:
    findings = seen(GRID, tmp_path)
    assert findings.probability is not None
    box = findings.probability
    shift = np.eye(4)
    shift[{"between slices": 0, "beside": 2}.get(fault, 0), 3] = 0.5 if fault in ("between slices", "beside") else 0
    scale = {"mirrored": [1.0, 1.0, -1.0, 1.0], "scaled": [1.0, 1.1, 1.1, 1.0]}.get(fault, [1.0] * 4)
    moved = hd.Volume(box.array, box.affine @ shift @ np.diag(scale), "PATIENT", frame_of_reference_uid=SPACE)
    with pytest.raises(OurFault, match="map of probability"):
        encode(replace(findings, probability=moved), STAMP)


def test_what_is_handed_over_is_cut_to_where_there_is_any_probability() -> None:
    array = np.zeros((60, 80, 90), np.float32)
    array[10, 20, 30] = array[12, 25, 31] = SHOWN_FROM
    array[50, 5, 5] = SHOWN_FROM - 0.01
    box = cut_out(hd.Volume(array, np.eye(4), "PATIENT"))
    assert box is not None
    assert box.spatial_shape == (3, 6, 2)
    assert tuple(box.affine[:3, 3]) == (10, 20, 30)
    assert len(pickle.dumps(box)) < 5000
    assert cut_out(hd.Volume(0 * array, np.eye(4), "PATIENT")) is None


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize("enhanced", [False, True], ids=["classic", "enhanced"])
def test_dciodvfy_finds_no_errors_in_a_map(tmp_path: Path, enhanced: bool) -> None:
    (tmp_path / "map.dcm").write_bytes(written(seen(GRID, tmp_path / "images", enhanced=enhanced)))
    done = run_tool("/usr/bin/dciodvfy", tmp_path / "map.dcm")
    assert [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")] == []


def test_model_1_hands_on_the_map_of_whatever_network_was_asked_and_only_where_it_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = np.zeros((20, 30, 30), np.float32)
    said[4:7, 10:12, 5:9] = 0.7
    t1c = hd.Volume(np.zeros_like(said), np.eye(4), "PATIENT", frame_of_reference_uid=SPACE)
    nothing = t1c.with_array(np.zeros(said.shape, np.uint16))
    reading = Reading(said, said, np.s_[0:0, 0:0, 0:0])  # as of a user's own model
    gathered = Gathered(None, reading, nothing, (), None)  # type: ignore[arg-type]
    monkeypatch.setattr(lesions, "examine", lambda *_: Examined(gathered, ()))
    with_map = lesions.seen_by_models(t1c, Runtime(), "", lesions.Beside(probability=True))
    without = lesions.seen_by_models(t1c, Runtime(), "", lesions.Beside())
    assert isinstance(with_map, lesions.Seen) and isinstance(without, lesions.Seen)
    assert with_map.probability is not None
    assert with_map.probability.spatial_shape == (3, 2, 4)
    assert np.allclose(with_map.probability.array, 0.7, atol=1e-3)
    assert with_map.probability.frame_of_reference_uid == SPACE
    assert without.probability is None
