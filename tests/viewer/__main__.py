"""`make viewer-shots`: the demo's studies, read by the pipelines that are shipped, as OHIF shows their results.

Pictures for README, in tests/viewer/pictures: a segmentation, a structure set and a report on a head, a report on a
mammogram. Takes some minutes, since the pipelines run.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image

from node.analyze import analyze
from node.demo_studies import Pipeline, Sample, made_up
from pipeline.contract import Found
from pipeline.execute.inline import InlineExecutor
from pipeline.execute.options import ExecutorOptions
from pipeline.findings import Findings
from tests.support import viewed
from tests.support.peers import OrthancPeer
from tests.support.screen import slices
from tests.support.viewer import Viewer

PICTURES = Path(__file__).parent / "pictures"
SIZE = (1360, 768)


def main() -> None:
    """Make all pictures anew."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lantern-shots-") as temporary:
        work = Path(temporary)
        head, mammograms = (_scene(sample, work / sample.pipeline) for sample in made_up(list(Pipeline), work))
        with OrthancPeer(work / "orthanc") as pacs, Viewer(pacs, SIZE) as viewer:
            pacs.upload(*head.files, *mammograms.files)
            _show_head(viewer, head)
            _show_mammogram(viewer, mammograms)


def _scene(sample: Sample, folder: Path) -> viewed.Scene:
    images = sorted(i.path for s in sample.study.series for i in s.instances)
    return viewed.scene(images, _found(sample, folder / "analyzed"), folder / "results", ("", " 2d"))


def _found(sample: Sample, out: Path) -> Found:
    done = analyze(sample.study, sample.pipeline.value, out, InlineExecutor(ExecutorOptions(device="cpu")))
    if done.findings is None:
        sys.exit(f"{sample.pipeline.value}: {done.outcome}: {done.reason}")
    return done.findings


def _show_head(viewer: Viewer, scene: viewed.Scene) -> None:
    assert isinstance(scene.found, Findings)
    largest = max(slices(scene.found), key=lambda place: len(place.corners_mm))
    viewer.open(scene.study_uid)
    for name in ("SEG", "RTSTRUCT"):
        viewer.clear()
        viewer.load(scene.uid(name))
        viewer.turn_to(largest.sop_instance_uid)
        _keep(viewer, name.lower())
    viewer.open(scene.study_uid)  # afresh: a segmentation shown before brings arrows of its own
    viewer.panel("trackedMeasurements")
    viewer.load(scene.uid("SR 2d"))
    viewer.step_to(largest.sop_instance_uid, most=len(scene.found.lesions))
    _keep(viewer, "report")


def _show_mammogram(viewer: Viewer, scene: viewed.Scene) -> None:
    viewer.open(scene.study_uid)
    viewer.load(scene.uid("SR"))
    _keep(viewer, "mammogram")


def _keep(viewer: Viewer, name: str) -> None:
    path = PICTURES / f"{name}.png"
    viewer.screen(path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(200, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
