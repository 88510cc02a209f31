import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from node.dciodvfy import shown
from pipeline.encode import Part, encode, to_bytes
from pipeline.findings import Extra, Findings
from pipeline.imaging.read import FrameRef
from pipeline.proof import agreements
from pipeline.sessions.case import Wishes
from tests.support.findings import (
    STAMP,
    Grid,
    findings_on,
    planned,
    sited,
    spheres,
    with_rejected,
    write_classic,
    write_enhanced,
)
from tests.support.followed import with_follow_up
from tests.support.peers import run_tool

DCIODVFY, DCENTVFY, DSRDUMP = "/usr/bin/dciodvfy", "/usr/bin/dcentvfy", "/usr/bin/dsrdump"
PLASTIMATCH = "/usr/bin/plastimatch"

LOSSY = {
    "LossyImageCompression": "01",
    "LossyImageCompressionRatio": 8.5,
    "LossyImageCompressionMethod": "ISO_15444_1",
}


def _shown(path: Path) -> Path:
    """dicom3tools abort at integers of 32 bits: they get such an object with 16."""
    if "PixelData" not in (ds := dcmread(path, defer_size=64)) or ds.BitsAllocated != 32:
        return path
    copy = path.with_suffix(".shown")
    copy.write_bytes(shown(path.read_bytes()))
    return copy


def errors(tool: str, *paths: Path) -> list[str]:
    """The lines with errors."""
    done = run_tool(tool, *(_shown(path) for path in paths))
    assert done.returncode >= 0, f"{tool} was ended by a signal: {done.stderr}"
    said = (done.stdout + done.stderr).splitlines()
    return [line for line in said if line.startswith("Error")]


def write_objects(findings: Findings, folder: Path) -> dict[str, Path]:
    folder.mkdir()
    found = {}
    for encoded in encode(findings, STAMP):
        path = folder / f"{encoded.name}.dcm"
        path.write_bytes(to_bytes(encoded.dataset))
        found[encoded.name] = path
    return found


def many(grid: Grid, count: int) -> np.ndarray:
    """`count` spheres of 4 to 8 mm on a lattice, none touching another."""
    places = [(z, y, x) for z in range(6, grid.shape[0] - 5, 11) for y in range(6, 96, 11) for x in range(6, 96, 11)][
        :count
    ]
    return spheres(grid, *((place, 4.0 + n % 5) for n, place in enumerate(places)))


Writer = Callable[[Path, Grid], tuple[FrameRef, ...]]


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize(
    ("write", "grid", "lesions"),
    [
        (write_classic, Grid((24, 100, 100)), 1),
        (write_classic, Grid((24, 100, 100), (1.5, 0.9, 0.7), "oblique"), 3),
        (write_classic, Grid((24, 100, 100), orientation="sagittal"), 3),
        (write_classic, Grid((24, 100, 100)), 0),
        (write_classic, Grid((24, 100, 100)), 40),
        (write_enhanced, Grid((24, 100, 100), orientation="oblique"), 3),
        (write_enhanced, Grid((24, 100, 100)), 0),
    ],
    ids=["axial", "oblique", "sagittal", "none", "forty", "enhanced", "enhanced none"],
)
def test_dciodvfy_and_dcentvfy_find_no_errors(tmp_path: Path, write: Writer, grid: Grid, lesions: int) -> None:
    refs = write(tmp_path / "images", grid)
    objects = write_objects(findings_on(refs, grid, many(grid, lesions)), tmp_path / "objects")
    assert len(objects) == (4 if lesions else 1)
    for path in objects.values():
        assert errors(DCIODVFY, path) == []
    assert errors(DCENTVFY, *{r.path for r in refs}, *objects.values()) == []


@pytest.mark.real("dicom3tools")
@pytest.mark.real("dcmtk")
@pytest.mark.parametrize(
    ("lesions", "rejected", "drawn", "kinds"),
    [
        (3, 0, False, {"SEG", "RTSTRUCT", "KO", "SR"}),
        (3, 2, False, {"SEG", "RTSTRUCT", "KO", "SR"}),
        (3, 2, True, {"SEG", "RTSTRUCT", "KO", "SR", "SEG_REJECTED"}),
        (0, 2, False, {"SR"}),
        (0, 2, True, {"SR", "SEG_REJECTED"}),
    ],
    ids=["sites", "rejected", "rejected drawn", "rejected only", "rejected only, drawn"],
)
@pytest.mark.parametrize("write", [write_classic, write_enhanced], ids=["classic", "enhanced"])
def test_sites_verdicts_and_rejected_candidates_make_objects_without_errors_that_dsrdump_reads(
    tmp_path: Path, write: Writer, lesions: int, rejected: int, drawn: bool, kinds: set[str]
) -> None:
    grid = Grid((24, 100, 100), (1.5, 0.9, 0.7), "oblique")
    refs = write(tmp_path / "images", grid)
    findings = sited(findings_on(refs, grid, many(grid, lesions)))
    if rejected:
        findings = with_rejected(findings, grid, np.flip(many(grid, rejected), (1, 2)).copy(), drawn=drawn)
    objects = write_objects(findings, tmp_path / "objects")
    assert objects.keys() == kinds
    for path in objects.values():
        assert errors(DCIODVFY, path) == []
    assert errors(DCENTVFY, *{r.path for r in refs}, *objects.values()) == []
    done = run_tool(DSRDUMP, "+Pl", objects["SR"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Measurement Group") == max(lesions, 1)
    assert done.stdout.count("Rejected candidate, not a lesion") == rejected
    assert done.stdout.count("Referenced Segment") == lesions + rejected * drawn


@pytest.mark.real("dicom3tools")
@pytest.mark.real("dcmtk")
@pytest.mark.parametrize(
    ("write", "grid"),
    [
        (write_classic, Grid((24, 100, 100))),
        (write_classic, Grid((24, 100, 100), (1.5, 0.9, 0.7), "oblique")),
        (write_classic, Grid((24, 100, 100), (4.0, 0.9, 0.9), "coronal")),
        (write_enhanced, Grid((24, 100, 100), orientation="oblique")),
    ],
    ids=["axial", "oblique", "thick coronal", "enhanced"],
)
def test_a_plan_makes_objects_without_errors_and_a_report_that_dsrdump_reads(
    tmp_path: Path, write: Writer, grid: Grid
) -> None:
    refs = write(tmp_path / "images", grid)
    findings = sited(findings_on(refs, grid, many(grid, 5)))
    name = [n.short_label for n in findings.lesions]
    wishes = Wishes(sessions=3, excluded=frozenset(name[-1:]))
    objects = write_objects(planned(findings, wishes, gy={name[0]: (27.0, 3)}), tmp_path / "objects")
    doses = {f"{kind}_{session}" for kind in ("PM", "RTDOSE") for session in (1, 2, 3)}
    assert objects.keys() == {"SEG", "RTSTRUCT", "KO", "SR", *doses, "SC_1", "SC_2"}
    for path in objects.values():
        assert errors(DCIODVFY, path) == []
    assert errors(DCENTVFY, *{r.path for r in refs}, *objects.values()) == []
    done = run_tool(DSRDUMP, "+Pl", objects["SR"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"Proposed treatment session")') == 3
    assert done.stdout.count('"Dose Image")') == 6 + 3  # in the sessions, and of the maps among the other objects
    assert "ESTIMATE - NOT FOR TREATMENT" in done.stdout


@pytest.mark.real("dicom3tools")
@pytest.mark.parametrize(("lesions", "lossy"), [(0, {}), (3, {}), (3, LOSSY)], ids=["none", "three", "lossy"])
def test_pages_have_no_errors_without_a_plan_and_with_an_earlier_study(
    tmp_path: Path, lesions: int, lossy: dict[str, object]
) -> None:
    grid = Grid((24, 100, 100))
    refs = write_classic(tmp_path / "images", grid, **lossy)
    findings = findings_on(refs, grid, many(grid, lesions), extras=frozenset({Extra.PAGE}))
    objects = write_objects(with_follow_up(findings) if lesions else findings, tmp_path / "objects")
    assert {name for name in objects if name.startswith("SC")} == ({"SC_1", "SC_2"} if lesions else {"SC_1"})
    for path in objects.values():
        assert errors(DCIODVFY, path) == []
    assert errors(DCENTVFY, *{r.path for r in refs}, *objects.values()) == []


@pytest.mark.real("plastimatch")
@pytest.mark.parametrize("orientation", ["axial", "coronal", "oblique"])
def test_plastimatch_finds_v12_in_the_rt_dose(tmp_path: Path, orientation: str) -> None:
    grid = Grid((24, 100, 100), (1.5, 0.9, 0.9), orientation)
    findings = planned(findings_on(write_classic(tmp_path / "images", grid), grid, many(grid, 4)), Wishes(sessions=2))
    objects = write_objects(findings, tmp_path / "objects")
    assert findings.planned is not None
    for session in findings.planned.plan.sessions:
        nrrd = tmp_path / f"dose_{session.number}.nrrd"
        run_tool(PLASTIMATCH, "convert", "--input", objects[f"RTDOSE_{session.number}"], "--output-dose-img", nrrd)
        image = sitk.ReadImage(str(nrrd))
        gy = sitk.GetArrayFromImage(image)
        assert np.count_nonzero(gy >= 12) * np.prod(image.GetSpacing()) / 1000 == pytest.approx(
            session.v12_ml, rel=0.01
        )


@pytest.mark.real("dicom3tools")
def test_dciodvfy_finds_an_error_when_there_is_one(tmp_path: Path) -> None:
    grid = Grid((12, 24, 20))
    refs = write_classic(tmp_path / "images", grid)
    findings = findings_on(refs, grid, spheres(grid, ((5, 10, 10), 6.0)))
    _, rtstruct, *_ = encode(findings, STAMP)
    del rtstruct.dataset.StructureSetROISequence[0].ROIGenerationAlgorithm
    rtstruct.dataset.StructureSetLabel = ""
    path = tmp_path / "broken.dcm"
    path.write_bytes(to_bytes(rtstruct.dataset))
    assert errors(DCIODVFY, path)


@pytest.mark.real("dcmtk")
@pytest.mark.parametrize("lesions", [0, 2])
def test_dsrdump_reads_the_report(tmp_path: Path, lesions: int) -> None:
    grid = Grid((24, 100, 100))
    refs = write_classic(tmp_path / "images", grid)
    objects = write_objects(findings_on(refs, grid, many(grid, lesions)), tmp_path / "objects")
    if lesions:
        keys = run_tool(DSRDUMP, "+Pl", objects["KO"])
        assert keys.returncode == 0, keys.stderr
        assert keys.stdout.count("Best illustration of finding") == lesions and "Key Object Description" in keys.stdout
    done = run_tool(DSRDUMP, "+Pl", objects["SR"])
    assert done.returncode == 0, done.stderr
    assert "Imaging Measurement Report" in done.stdout
    assert done.stdout.count("Referenced Segment") == lesions
    assert ("Not detected" in done.stdout) == (lesions == 0)


@pytest.mark.real("plastimatch")
@pytest.mark.parametrize(
    "grid",
    [
        Grid((60, 70, 64)),
        Grid((60, 70, 64), orientation="feet first"),
        Grid((60, 70, 64), orientation="coronal"),
        Grid((60, 70, 64), orientation="sagittal"),
        Grid((60, 70, 64), orientation="oblique"),
        Grid((24, 78, 90), (2.5, 0.9, 0.7)),
        Grid((24, 78, 90), (2.5, 0.9, 0.7), "coronal"),
        Grid((24, 78, 90), (2.5, 0.9, 0.7), "sagittal"),
        Grid((24, 78, 90), (2.5, 0.9, 0.7), "oblique"),
    ],
    ids=lambda grid: f"{grid.orientation} {grid.spacing_mm}",
)
def test_plastimatch_and_the_proof_find_the_volume_of_the_mask_in_the_structure_set(tmp_path: Path, grid: Grid) -> None:
    at = ((0.3, 0.3, 0.3), (0.3, 0.7, 0.7), (0.7, 0.3, 0.7), (0.7, 0.7, 0.3), (0.5, 0.5, 0.15), (0.8, 0.8, 0.8))
    centres = [tuple(round(c * n) for c, n in zip(centre, grid.shape, strict=True)) for centre in at]
    labels = spheres(grid, *zip(centres, (20.0, 12.0, 8.0, 5.0, 4.0, 3.0), strict=True))
    findings = findings_on(write_classic(tmp_path / "images", grid), grid, labels)
    objects = write_objects(findings, tmp_path / "objects")
    convert = ["--input", objects["RTSTRUCT"], "--referenced-ct", tmp_path / "images"]
    run_tool(PLASTIMATCH, "convert", *convert, "--output-prefix", tmp_path / "m", "--prefix-format", "nrrd")
    for lesion in findings.lesions:
        mask = sitk.ReadImage(str(tmp_path / "m" / f"{lesion.label}.nrrd"))
        volume_mm3 = np.count_nonzero(sitk.GetArrayFromImage(mask)) * np.prod(mask.GetSpacing())
        assert volume_mm3 == pytest.approx(lesion.volume_mm3, rel=0.005)
    ours = agreements([objects["RTSTRUCT"].read_bytes()], findings)
    assert len(ours) == len(findings.lesions) == 6
    assert [a.volume_ratio for a in ours] == pytest.approx([1.0] * 6, abs=1e-4)


def test_ten_lesions_on_a_whole_oblique_head_are_encoded(tmp_path: Path) -> None:
    grid = Grid((180, 256, 256), orientation="oblique")
    labels = np.zeros(grid.shape, np.uint16)
    labels[:, :100, :100] = many(Grid((180, 100, 100)), 10)
    findings = findings_on(write_classic(tmp_path, grid), grid, labels)
    made = {e.part: e.dataset for e in encode(findings, STAMP)}
    shutil.rmtree(tmp_path)
    assert len(made[Part.SEG].SegmentSequence) == len(made[Part.RTSTRUCT].ROIContourSequence) == 10
