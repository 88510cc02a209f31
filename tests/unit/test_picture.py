"""The picture of results, drawn from the delivered files."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image
from pydicom import dcmread

from node.picture import draw, left_out
from node.picture_panels import panels
from node.told import told
from pipeline.core.result import Kind
from pipeline.encode import Part, encode, to_bytes
from pipeline.findings import Findings
from tests.support.findings import (
    STAMP,
    Grid,
    findings_on,
    sited,
    spheres,
    with_rejected,
    write_classic,
    write_enhanced,
)

GRID = Grid((12, 24, 20), (2.0, 1.5, 0.75), "coronal")
LABELS = spheres(GRID, ((5, 10, 10), 6.0))


def picture(findings: Findings, folder: Path) -> np.ndarray:
    """RGB, 0...1."""
    (made,) = (e.dataset for e in encode(findings, STAMP) if e.kind is Kind.RTSTRUCT)
    (folder / "rtstruct.dcm").write_bytes(to_bytes(made))
    images = list(dict.fromkeys(f.path for f in findings.frames))
    draw(folder / "rtstruct.dcm", images, folder / "out.png", "caption")
    return image.imread(folder / "out.png")[..., :3]


def coloured(pixels: np.ndarray) -> int:
    return int((np.ptp(pixels, axis=-1) > 0.3).sum())


@pytest.mark.parametrize("write", [write_classic, write_enhanced])
def test_the_contour_of_a_lesion_is_drawn_in_colour(tmp_path: Path, write: object) -> None:
    tmp_path.joinpath("images").mkdir()
    findings = findings_on(write(tmp_path / "images", GRID), GRID, LABELS)  # type: ignore[operator]
    assert coloured(picture(findings, tmp_path)) > 300


def test_a_lesion_that_reaches_into_a_filled_slice_is_shown_on_one_that_was_acquired(tmp_path: Path) -> None:
    frames = list(write_classic(tmp_path / "images", GRID))
    frames[5] = frames[4]
    assert coloured(picture(findings_on(tuple(frames), GRID, LABELS), tmp_path)) > 300


def test_a_lesion_on_a_filled_slice_alone_leaves_a_picture_without_contour(tmp_path: Path) -> None:
    frames = list(write_classic(tmp_path / "images", GRID))
    frames[5] = frames[4]
    only = np.where(np.arange(12)[:, None, None] == 5, LABELS, 0).astype(np.uint16)
    pixels = picture(findings_on(tuple(frames), GRID, only), tmp_path)
    assert coloured(pixels) == 0
    assert np.ptp(pixels) > 0.5


def test_monochrome1_images_are_shown_as_a_viewer_shows_them(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path / "images", GRID), GRID, LABELS)
    straight = picture(findings, tmp_path)
    for frame in findings.frames:
        ds = dcmread(frame.path)
        ds.PhotometricInterpretation = "MONOCHROME1"
        ds.PixelData = (4095 - ds.pixel_array).astype("<u2").tobytes()
        ds.save_as(frame.path)
    assert np.abs(picture(replace(findings), tmp_path) - straight).mean() < 0.01


def judged_picture(findings: Findings, folder: Path) -> np.ndarray:
    """RGB, 0...1, with what the report says."""
    made = {e.part: to_bytes(e.dataset) for e in encode(findings, STAMP)}
    paths = {part: folder / f"{part}.dcm" for part in made}
    for part, path in paths.items():
        path.write_bytes(made[part])
    images = list(dict.fromkeys(f.path for f in findings.frames))
    draw(paths.get(Part.RTSTRUCT), images, folder / "out.png", "caption", report=paths[Part.SR])
    return image.imread(folder / "out.png")[..., :3]


def test_an_unsure_outline_has_gaps_and_a_sure_one_has_none(tmp_path: Path) -> None:
    findings = findings_on(write_classic(tmp_path / "images", GRID), GRID, LABELS)
    drawn = {}
    for agreement in (0.95, 0.5):
        lesion = replace(findings.lesions[0], agreement=agreement)
        drawn[agreement] = coloured(judged_picture(replace(findings, lesions=(lesion,)), tmp_path))
    assert drawn[0.5] < drawn[0.95]


def test_a_rejected_candidate_has_a_panel_of_its_own_and_no_coloured_outline(tmp_path: Path) -> None:
    none = findings_on(write_classic(tmp_path / "images", GRID), GRID, np.zeros(GRID.shape, np.uint16))
    findings = with_rejected(none, GRID, LABELS)
    empty, one = judged_picture(none, tmp_path), judged_picture(findings, tmp_path)
    assert coloured(one) == 0
    assert not np.array_equal(empty[: one.shape[0]], one)
    sure = sited(findings_on(none.frames, GRID, LABELS))
    both = judged_picture(with_rejected(sure, GRID, LABELS), tmp_path)
    assert both.shape[1] > 1.8 * one.shape[1]


def test_lesions_without_a_panel_are_named(tmp_path: Path) -> None:
    grid = Grid((24, 44, 40))
    labels = spheres(grid, ((10, 20, 20), 8.0), ((16, 30, 12), 5.0), ((5, 10, 30), 5.0))
    found = findings_on(write_classic(tmp_path, grid), grid, labels)
    paths = {}
    for e in encode(found, STAMP):
        paths[e.part] = tmp_path / f"{e.part}.dcm"
        paths[e.part].write_bytes(to_bytes(e.dataset))
    images = [f.path for f in found.frames]
    of = told(dcmread(paths[Part.SR]))
    shown = panels(paths[Part.RTSTRUCT], images, of, 2, 0)
    assert left_out(of, shown) == ["lesion(s) without a panel: BM03"]
    assert left_out(of, panels(paths[Part.RTSTRUCT], images, of, 3, 0)) == []


@pytest.mark.parametrize(
    ("plane", "marks"),
    [("axial", ("R", "L", "A", "P")), ("coronal", ("R", "L", "H", "F")), ("sagittal", ("A", "P", "H", "F"))],
)
def test_the_edges_say_what_of_the_patient_lies_there(tmp_path: Path, plane: str, marks: tuple[str, ...]) -> None:
    grid = Grid((8, 16, 16), orientation=plane)
    found = findings_on(write_classic(tmp_path, grid), grid, np.zeros(grid.shape, np.uint16))
    (panel,) = panels(None, [f.path for f in found.frames], (), 1, 0)
    assert panel.marks == marks
