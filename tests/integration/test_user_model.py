"""A user's own model in a node: what results say of it, and when the same images are new work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from node.analyze import analyze
from pipeline.core.errors import ConfigInvalid
from pipeline.core.job import State
from pipeline.execute import ExecutorOptions, Kind, make_executor
from pipeline.imaging.header import scan
from tests.support.blobs import blobs_volume, write_blobs
from tests.support.bundled import NAME
from tests.support.bundles import Level, monai_bundle, torchscript
from tests.support.desk import Node, route


@pytest.fixture
def series(tmp_path: Path) -> list[Path]:
    return write_blobs(tmp_path / "series")


@pytest.mark.parametrize(("form", "kind"), [("torchscript", "inline"), ("monai-bundle", "process")])
def test_a_users_model_is_run_on_a_study_and_every_result_names_it(
    tmp_path: Path, series: list[Path], form: str, kind: Kind
):
    grid = {"input__orientation": "SPL", "input__spacing_mm": [2.0, 1.0, 1.0]}
    folder = (
        torchscript(tmp_path / "m", Level(0.5), **grid)
        if form == "torchscript"
        else monai_bundle(tmp_path / "m", **grid)
    )
    (study,) = scan(series[0].parent)
    executor = make_executor(kind, ExecutorOptions(device="cpu", threads=1))
    done = analyze(study, NAME, tmp_path / "out", executor, {"bundle": str(folder)})
    executor.close()
    assert (done.outcome, done.reason) == ("completed", "")
    seg, sr = dcmread(tmp_path / "out" / "SEG.dcm"), dcmread(tmp_path / "out" / "SR.dcm")
    bright = blobs_volume().array > 800
    assert int(sum(frame.sum() for frame in seg.pixel_array)) == bright.sum()
    (made_by,) = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert made_by.AlgorithmName == "Level of ours"
    assert made_by.AlgorithmVersion.startswith("3.1+")
    texts = " ".join(_texts(sr))
    assert "Level of ours" in texts
    assert "T0: made in a test" in texts
    model = json.loads((tmp_path / "out" / "summary.json").read_text())["model"]
    assert (model["name"], model["training"]) == ("Level of ours", "not stated by its owner")


def test_the_same_images_are_new_work_when_the_manifest_of_the_model_changed(tmp_path: Path, series: list[Path]):
    folder = monai_bundle(tmp_path / "m")
    node = Node(tmp_path / "node", (route(pipeline=NAME, options={"bundle": str(folder)}),))

    def key_after(level: float, name: str) -> str:
        monai_bundle(folder, level)
        fresh = Node(tmp_path / name, node.routes)
        fresh.receive(series)
        fresh.quiet()
        (job,) = fresh.jobs()
        return job.work.key

    first, again, other = key_after(0.5, "a"), key_after(0.5, "b"), key_after(0.6, "c")
    assert first == again
    assert first != other


def test_a_model_that_was_changed_behind_the_manifests_back_fails_the_job_with_a_hint(
    tmp_path: Path, series: list[Path]
):
    folder = monai_bundle(tmp_path / "m")
    (folder / "models/model.pt").write_bytes(b"something else")
    node = Node(tmp_path / "node", (route(pipeline=NAME, options={"bundle": str(folder)}),))
    node.receive(series)
    node.quiet()
    node.worker().tick()
    assert node.states() == [State.FAILED]
    assert "SHA-256" in node.jobs()[0].reason
    assert "sha256sum" in node.jobs()[0].reason


def test_a_bundle_that_is_not_there_is_said_by_check(tmp_path: Path):
    from node.wiring import settings_from

    file = tmp_path / "lantern.toml"
    file.write_text(f'[pipelines."{NAME}"]\nbundle = "nowhere"\n\n[[route]]\nname = "r"\npipeline = "{NAME}"\n')
    with pytest.raises(ConfigInvalid, match=r"lantern\.toml:1: .*nowhere: no lantern\.toml can be read"):
        settings_from(file)
    monai_bundle(tmp_path / "nowhere")
    assert settings_from(file).routes[0].options == {"bundle": str(tmp_path / "nowhere")}


def _texts(item: Dataset) -> list[str]:
    return [str(e.value) for e in item.iterall() if e.VR in ("LO", "LT", "ST", "UT", "SH", "UC")]
