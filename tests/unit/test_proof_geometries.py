"""Whatever way a series lies, what was encoded is read again where it was found; `make proof` tries 500 such series."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from pipeline.encode import encode, to_bytes
from pipeline.findings import Extra
from pipeline.followup.change import FollowUp
from pipeline.imaging.header import scan
from pipeline.imaging.read import FrameRef, read_volume
from pipeline.proof import agreements, prove
from pipeline.sessions.case import Wishes
from tests.support.findings import (
    ORIENTATIONS,
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
from tests.support.geometries import JITTERS, Scene, findings_in, holes, jitter, on_disk, scene

Writer = Callable[[Path, Grid], tuple[FrameRef, ...]]


def proven(made: Scene) -> float:
    """The worst centre in voxels; there are no faults."""
    with TemporaryDirectory() as folder:
        findings = findings_in(made, on_disk(Path(folder), made))
        files = [to_bytes(e.dataset) for e in encode(findings, STAMP)]
        assert [fault.words for fault in prove(files, findings)] == [], made.words
        found = agreements(files, findings)
    assert max(abs(a.volume_ratio - 1) for a in found) < 1e-3, made.words
    return max(a.off_voxels for a in found)


@seed(20261123)
@settings(max_examples=5, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000))
def test_a_random_geometry_is_read_again_where_it_was_found(number: int) -> None:
    assert proven(scene(number)) < 0.5


def test_random_geometries_are_of_every_kind_that_scanners_make() -> None:
    scenes = [scene(number) for number in range(1000, 1500)]
    traits = {trait for made in scenes for trait in (made.plane, *made.traits)}
    assert traits >= {
        "axial", "coronal", "sagittal", "feet first", "oblique", "negated cosines", "unequal spacing", "unsorted",
        "duplicated", "one missing", "enhanced", "cosines of 5 digits", "jittered cosines",
    }  # fmt: skip
    assert {made.jitter for made in scenes} >= set(JITTERS)
    spacing = np.array([made.grid.spacing_mm for made in scenes])
    assert (spacing.max(axis=1) / spacing.min(axis=1) > 4).any()
    assert (spacing[:, 1] != spacing[:, 2]).any()


@pytest.mark.parametrize("trait", ["unequal spacing", "unsorted", "duplicated", "one missing", "enhanced"])
def test_each_way_that_a_stack_may_be_irregular_is_read_again(trait: str) -> None:
    assert proven(next(made for made in map(scene, range(10_000)) if trait in made.traits)) < 0.5


@pytest.mark.parametrize(
    ("write", "most"),
    [(write_classic, 1e-7), (write_classic, 5e-5), (write_classic, 5e-4), (write_enhanced, 1e-5)],
    ids=["1e-7", "5e-5", "5e-4", "enhanced"],
)
def test_cosines_that_are_rounded_otherwise_in_each_image_lose_no_object(
    tmp_path: Path, write: Writer, most: float
) -> None:
    grid = Grid((10, 36, 32), (1.5, 1.0, 1.1), "oblique")
    write(tmp_path, grid)
    jitter(tmp_path, most, 1)
    (study,) = scan(tmp_path)
    read = read_volume(study.series[0])
    findings = findings_on(read.frames, grid, spheres(grid, ((4, 12, 10), 6.0), ((6, 24, 20), 4.0)))
    assert findings.labels is not None
    findings = replace(findings, labels=read.volume.with_array(findings.labels.array))
    findings = planned(findings, Wishes(sessions=1))
    objects = encode(replace(findings, extras=frozenset(Extra)), STAMP)
    assert {e.name for e in objects} >= {"SEG", "RTSTRUCT", "RTDOSE_1", "PM_1", "KO", "SR", "SC_1"}
    assert prove([to_bytes(e.dataset) for e in objects], findings) == ()


def test_lesions_with_holes_are_among_those_that_are_tried(tmp_path: Path) -> None:
    count = 0
    for number in range(1000, 1006):
        made = scene(number)
        count += holes(findings_in(made, on_disk(tmp_path / str(number), made)))
    assert count > 5


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("write", [write_classic, write_enhanced], ids=["classic", "enhanced"])
def test_a_full_report_with_sites_rejected_candidates_and_an_earlier_study_is_proven(
    tmp_path: Path, write: Writer, orientation: str
) -> None:
    grid = Grid((24, 52, 60), (4.0, 0.9, 0.7), orientation)
    labels = spheres(grid, ((5, 12, 12), 9.0), ((15, 28, 24), 7.0))
    findings = with_follow_up(sited(findings_on(write(tmp_path, grid), grid, labels)))
    assert isinstance(findings.follow_up, FollowUp)
    drawn = orientation != "axial"
    findings = with_rejected(findings, grid, np.flip(labels, (1, 2)).copy(), drawn=drawn)
    assert prove([to_bytes(e.dataset) for e in encode(findings, STAMP)], findings) == ()


def test_a_report_of_no_lesion_is_proven(tmp_path: Path) -> None:
    grid = Grid((6, 20, 16))
    findings = findings_on(write_classic(tmp_path, grid), grid, np.zeros(grid.shape, np.uint16))
    assert prove([to_bytes(e.dataset) for e in encode(findings, STAMP)], findings) == ()
