"""What a radiologist sees: OHIF in a headless Chromium before an Orthanc, asked what is on the screen and where."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from pipeline.findings import Findings
from tests.support import viewed
from tests.support.peers import OrthancPeer
from tests.support.screen import Picture, Slice, assert_bright, assert_drawn, assert_nothing_else, on_slice, slices
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


@pytest.fixture(scope="module", params=["axial", "oblique"])
def head(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pacs: OrthancPeer) -> viewed.Scene:
    made = viewed.head(tmp_path_factory.mktemp(request.param) / "head", request.param)
    pacs.upload(*made.images, *made.results)
    return made


def _found(scene: viewed.Scene) -> Findings:
    assert isinstance(scene.found, Findings)
    return scene.found


def _only(state: dict[str, Any]) -> dict[str, Any]:
    (one,) = state["segmentations"]
    return dict(one)


def _bare(viewer: Viewer, places: list[Slice]) -> list[Picture]:
    """The image of each lesion before anything is loaded; its lesion is the bright spot in it."""
    pictures = []
    for place in places:
        viewer.turn_to(place.sop_instance_uid)
        pictures.append(viewer.screen())
        assert_bright(pictures[-1], viewer.project(place.corners_mm), place.label)
    return pictures


def _assert_outlined(viewer: Viewer, findings: Findings, places: list[Slice], bare: list[Picture]) -> None:
    for place, before in zip(places, bare, strict=True):
        viewer.turn_to(place.sop_instance_uid)
        drawn = viewer.screen()
        assert_drawn(before, drawn, viewer.project(place.corners_mm), place.label)
        k = [f.sop_instance_uid for f in findings.frames].index(place.sop_instance_uid)
        there = [viewer.project(on_slice(findings, n, k).corners_mm) for n in np.unique(_labels(findings)[k]) if n]
        assert_nothing_else(before, drawn, viewer.state()["shown"]["canvas"], there)


def _labels(findings: Findings) -> Any:
    assert findings.labels is not None
    return findings.labels.array


def test_the_segmentation_of_a_head_lies_on_its_lesions(viewer: Viewer, head: viewed.Scene) -> None:
    found, places = _found(head), slices(_found(head))
    viewer.open(head.study_uid)
    bare = _bare(viewer, places)
    viewer.load(head.objects["SEG"])
    drawn = _only(viewer.state())
    assert [s["label"] for s in drawn["segments"]] == [n.label for n in found.lesions]
    assert {n.label for n in found.lesions} <= set(viewer.words())
    for lesion in found.lesions:
        seen = drawn["voxels"][str(lesion.number)]
        assert seen["voxels"] == np.count_nonzero(_labels(found) == lesion.number)
        assert seen["mm"] == pytest.approx(lesion.centroid_mm, abs=0.05)
    _assert_outlined(viewer, found, places, bare)
