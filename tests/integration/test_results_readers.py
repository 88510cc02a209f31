"""Readers that share nothing with the encoder, on results of heads and mammograms: DCMTK, plastimatch, highdicom."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
import SimpleITK as sitk

from pipeline.findings import Findings
from tests.support import viewed
from tests.support.peers import run_tool

DSRDUMP, PLASTIMATCH = "/usr/bin/dsrdump", "/usr/bin/plastimatch"


@pytest.fixture(scope="module", params=["axial", "oblique"])
def head(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> viewed.Scene:
    return viewed.head(tmp_path_factory.mktemp(request.param) / "head", request.param)


def _findings(scene: viewed.Scene) -> Findings:
    assert isinstance(scene.found, Findings)
    assert scene.found.labels is not None
    return scene.found


def _dumped(path: Path) -> str:
    done = run_tool(DSRDUMP, "+Pl", path)
    assert done.returncode == 0, done.stderr
    assert "E:" not in done.stderr
    return done.stdout


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize(("name", "places"), [("SR", "Referenced Segment"), ("SR 2d", "Image Region")])
def test_dsrdump_reads_every_form_of_the_report_of_a_head(head: viewed.Scene, name: str, places: str) -> None:
    dumped = _dumped(head.objects[name][0])
    lesions = _findings(head).lesions
    assert dumped.count('"Measurement Group")') == len(lesions)
    assert dumped.count(f'"{places}")') >= len(lesions)
    for lesion in lesions:
        assert f'"{lesion.label}"' in dumped
        assert f'"{lesion.tracking_uid}"' in dumped


@pytest.mark.real("dcmtk")
def test_dsrdump_reads_both_reports_of_a_mammogram(tmp_path: Path) -> None:
    scene = viewed.mammogram(tmp_path / "study")
    dumped = _dumped(scene.objects["SR"][0])
    assert dumped.count('"Image Region")') == 2
    assert [dumped.count(f'"{name}"') for name in ("M1", "M2")] == [1, 1]
    assert "Mammography CAD Report" in _dumped(scene.objects["CADSR"][0])


@pytest.mark.parametrize("name", ["SEG", "SEG labelmap"])
def test_highdicom_reads_the_identical_mask_from_every_form_of_the_segmentation(head: viewed.Scene, name: str) -> None:
    labels = _findings(head).labels
    assert labels is not None
    read = hd.seg.segread(head.objects[name][0]).get_volume(combine_segments=True)
    found = np.zeros_like(labels.array)
    index = np.argwhere(read.array)
    back = labels.map_reference_to_indices(read.map_indices_to_reference(index))
    assert np.abs(back - back.round()).max() < 1e-3
    found[tuple(back.round().astype(int).T)] = read.array[tuple(index.T)]
    assert np.array_equal(found, labels.array)


@pytest.mark.real("plastimatch")
def test_plastimatch_reads_every_lesion_of_the_structure_set_where_it_is(head: viewed.Scene, tmp_path: Path) -> None:
    images = head.images[0].parent
    convert = ["--input", head.objects["RTSTRUCT"][0], "--referenced-ct", images]
    run_tool(PLASTIMATCH, "convert", *convert, "--output-prefix", tmp_path / "m", "--prefix-format", "nrrd")
    for lesion in _findings(head).lesions:
        mask = sitk.ReadImage(str(tmp_path / "m" / f"{lesion.short_label}.nrrd"))
        inside = np.argwhere(sitk.GetArrayFromImage(mask))
        assert len(inside) * np.prod(mask.GetSpacing()) == pytest.approx(lesion.volume_mm3, rel=0.02)
        centroid_mm = mask.TransformContinuousIndexToPhysicalPoint([float(v) for v in inside.mean(axis=0)[::-1]])
        assert centroid_mm == pytest.approx(lesion.centroid_mm, abs=0.5 * min(mask.GetSpacing()))
