"""What a radiologist sees: OHIF in a headless Chromium before an Orthanc, asked what is on the screen and where."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pytest

from pipeline.findings import Findings
from pipeline.marks import MarkedStudy
from tests.support import viewed
from tests.support.peers import OrthancPeer
from tests.support.screen import (
    Picture,
    Slice,
    area_mm2,
    assert_bright,
    assert_drawn,
    assert_nothing_else,
    assert_outlined,
    circle,
    on_slice,
    once_drawn,
    slices,
)
from tests.support.screening import CENTERS, RADIUS, SPACING
from tests.support.viewer import Viewer

pytestmark = [pytest.mark.real("chromium"), pytest.mark.real("orthanc"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancPeer]:
    with OrthancPeer(tmp_path_factory.mktemp("pacs")) as peer:
        yield peer


@pytest.fixture(scope="module")
def viewer(pacs: OrthancPeer) -> Iterator[Viewer]:
    with Viewer(pacs) as started:
        yield started


@dataclass(frozen=True, slots=True)
class Head:
    """A head that is open in the viewer. places: its lesions; bare: the screen with each, before anything is loaded."""

    scene: viewed.Scene
    places: list[Slice]
    bare: list[Picture]

    @property
    def findings(self) -> Findings:
        assert isinstance(self.scene.found, Findings)
        return self.scene.found

    @property
    def labels(self) -> Any:
        assert self.findings.labels is not None
        return self.findings.labels.array


@pytest.fixture(scope="module", params=["axial", "oblique"])
def head(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pacs: OrthancPeer, viewer: Viewer
) -> Head:
    """Its lesions are the bright spots on the screen."""
    scene = viewed.head(tmp_path_factory.mktemp(request.param) / "head", request.param)
    pacs.upload(*scene.files)
    viewer.open(scene.study_uid)
    assert isinstance(scene.found, Findings)
    made = Head(scene, slices(scene.found), [])
    made.bare.extend(_bright(viewer, place) for place in made.places)
    return made


def _bright(viewer: Viewer, place: Slice) -> Picture:
    """The screen with the lesion, which is a bright spot on it."""
    viewer.turn_to(place.sop_instance_uid)
    once_drawn(lambda: assert_bright(viewer.screen(), viewer.project(place.corners_mm), place.label))
    return viewer.screen()


def _loaded(viewer: Viewer, head: Head, name: str) -> dict[str, Any]:
    """The one segmentation that the viewer holds after loading that object."""
    viewer.clear()
    viewer.load(head.scene.uid(name))
    (one,) = viewer.state()["segmentations"]
    return dict(one)


def _assert_only_lesions_are_outlined(viewer: Viewer, head: Head) -> None:
    for place, bare in zip(head.places, head.bare, strict=True):
        viewer.turn_to(place.sop_instance_uid)
        once_drawn(partial(_assert_outlined_alone, viewer, head, place, bare))


def _assert_outlined_alone(viewer: Viewer, head: Head, place: Slice, bare: Picture) -> None:
    drawn = viewer.screen()
    assert_drawn(bare, drawn, viewer.project(place.corners_mm), place.label)
    k = [f.sop_instance_uid for f in head.findings.frames].index(place.sop_instance_uid)
    there = [viewer.project(on_slice(head.findings, n, k).corners_mm) for n in np.unique(head.labels[k]) if n]
    assert_nothing_else(bare, drawn, viewer.state()["shown"]["canvas"], there)


@pytest.mark.parametrize("name", ["SEG", "SEG labelmap"])
def test_a_segmentation_lies_on_the_lesions(viewer: Viewer, head: Head, name: str) -> None:
    drawn = _loaded(viewer, head, name)
    lesions = head.findings.lesions
    assert [s["label"] for s in drawn["segments"] if s["number"]] == [n.label for n in lesions]
    assert {n.label for n in lesions} <= set(viewer.words())
    for lesion in lesions:
        seen = drawn["voxels"][str(lesion.number)]
        assert seen["voxels"] == np.count_nonzero(head.labels == lesion.number)
        assert seen["mm"] == pytest.approx(lesion.centroid_mm, abs=0.05)
    _assert_only_lesions_are_outlined(viewer, head)


def test_the_contours_of_a_structure_set_lie_on_the_lesions(viewer: Viewer, head: Head) -> None:
    drawn = _loaded(viewer, head, "RTSTRUCT")
    lesions = head.findings.lesions
    assert [s["label"] for s in drawn["segments"]] == [n.short_label for n in lesions]
    assert {n.short_label for n in lesions} <= set(viewer.words())
    for lesion in lesions:
        contours = [np.array(c) for c in drawn["contours_mm"][str(lesion.number)]]
        volume_mm3 = sum(area_mm2(c) for c in contours) * viewed.HEAD["spacing_mm"][0]
        assert volume_mm3 == pytest.approx(lesion.volume_mm3, rel=0.02)
    _assert_only_lesions_are_outlined(viewer, head)


def test_the_measurements_of_a_report_in_pixels_stand_at_the_lesions(viewer: Viewer, head: Head) -> None:
    viewer.open(head.scene.study_uid)  # afresh: a segmentation shown before brings arrows of its own
    viewer.load(head.scene.uid("SR 2d"))
    state = viewer.state()
    listed = {m["name"]: m for r in state["reports"] if r["sop"] == head.scene.uid("SR 2d") for m in r["measurements"]}
    marks = {a["tracking_uid"]: a for a in state["annotations"] if a["tracking_uid"]}
    assert listed.keys() == {n.label for n in head.findings.lesions}
    bare = {place.label: picture for place, picture in zip(head.places, head.bare, strict=True)}
    for place in head.places:
        (lesion,) = (n for n in head.findings.lesions if n.label == place.label)
        volume = f"{lesion.volume_mm3:.2f} mm3"
        assert {"label": "Volume", "value": volume} in listed[lesion.label]["labels"]
        assert marks[lesion.tracking_uid]["image"] == place.sop_instance_uid
        (outline,) = marks[lesion.tracking_uid]["points_mm"]["POLYLINE"]
        viewer.step_to(place.sop_instance_uid)
        once_drawn(partial(_assert_marked, viewer, bare[place.label], outline, place.label))
        assert_drawn_extent(np.array(outline), place)
        assert any(f"Volume: {volume}" in words for words in viewer.words())


def _assert_marked(viewer: Viewer, bare: Picture, outline_mm: Any, label: str) -> None:
    assert_outlined(bare, viewer.screen(), viewer.project(outline_mm), label)


def assert_drawn_extent(outline_mm: Any, place: Slice) -> None:
    for extreme in (np.min, np.max):
        assert extreme(outline_mm, axis=0) == pytest.approx(extreme(place.corners_mm, axis=0), abs=0.05)


def test_of_all_objects_of_a_head_the_viewer_refuses_key_objects_alone(viewer: Viewer, head: Head) -> None:
    assert {s["modality"] for s in viewer.state()["unsupported"]} == {"KO"}
    words = viewer.words()
    for kind in ("SEG", "RTSTRUCT", "SR", "PMAP", "KO"):
        assert kind in words


def test_a_report_that_points_at_segments_is_read_but_not_drawn(viewer: Viewer, head: Head) -> None:
    """OHIF 3.12 wants coordinates of every measurement (its issue 3390): such viewers are sent the report in pixels."""
    viewer.clear()
    viewer.load(head.scene.uid("SR"))
    state = viewer.state()
    (report,) = (r for r in state["reports"] if r["sop"] == head.scene.uid("SR"))
    assert {m["name"] for m in report["measurements"]} == {n.label for n in head.findings.lesions}
    assert not any(m["shown"] for m in report["measurements"])
    assert any("omething went wrong" in words for words in viewer.words())


def test_marks_on_mammograms_stand_where_they_were_seen(
    viewer: Viewer, pacs: OrthancPeer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scene = viewed.mammogram(tmp_path_factory.mktemp("mammogram") / "study")
    assert isinstance(scene.found, MarkedStudy)
    pacs.upload(*scene.files)
    viewer.open(scene.study_uid)
    view = scene.found.views[0]
    viewer.load(view.sop_instance_uid)
    mass = _on_plane(circle(CENTERS[view.role], RADIUS - 2))
    once_drawn(lambda: assert_bright(viewer.screen(), viewer.project(mass), view.role))
    bare = viewer.screen()
    viewer.load(scene.uid("SR"))
    state = viewer.state()
    assert {m["name"] for r in state["reports"] for m in r["measurements"] if m["shown"]} == {"M1", "M2"}
    marks = {a["image"]: a for a in state["annotations"] if a["tracking_uid"]}
    for seen in scene.found.views:
        (outline,) = marks[seen.sop_instance_uid]["points_mm"]["POLYLINE"]
        assert np.array(outline[:-1]) == pytest.approx(_on_plane(circle(CENTERS[seen.role], RADIUS)), abs=0.01)
    # Its arrows stay on the first image that a report has a mark on.
    assert state["shown"]["image"] == view.sop_instance_uid
    once_drawn(partial(_assert_marked, viewer, bare, _on_plane(circle(CENTERS[view.role], RADIUS)), view.role))
    assert any("Certainty of Finding: 63.10 %" in words for words in viewer.words())
    unknown = {s["modality"] for s in state["unsupported"]}
    assert unknown == {"SR", "PR", "KO"}, "OHIF 3.12 shows no Mammography CAD SR, presentation state and key objects"


def _on_plane(points_px: Any) -> Any:
    """(column, row) from the corner of a mammogram -> where OHIF puts it, mm from the centre of its first pixel."""
    return np.c_[(points_px - 0.5) * SPACING[0], np.zeros(len(points_px))]
