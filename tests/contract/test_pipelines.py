"""What every registered pipeline owes to its callers. A new pipeline adds a line to SAMPLES and nothing else."""

from __future__ import annotations

import hashlib
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline import registry, weights
from pipeline.contract import Declined, Inputs, Pipeline, Runtime
from pipeline.core.study import Instance, Series, Study
from pipeline.findings import Findings
from pipeline.marks import MarkedStudy
from tests.support.heads import THICK, phantom_study
from tests.support.marked import four_views

SAMPLES: dict[str, Callable[[Path], Study]] = {
    "mammography": four_views,
    "srs": lambda folder: phantom_study(folder, 101, lesions=3, diameters_mm=(15.0, 25.0), **THICK)[1],
}
"""For each pipeline a study in which it finds something."""

NAMES = registry.names()


@dataclass(frozen=True)
class Ran:
    pipeline: Pipeline
    inputs: Inputs
    findings: Any
    again: Any


@pytest.fixture(scope="module", params=NAMES)
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """One pipeline, run twice on its sample."""
    name = request.param
    pipeline = registry.get(name)
    inputs = pipeline.select(SAMPLES[name](tmp_path_factory.mktemp(name)), {})
    assert isinstance(inputs, Inputs), inputs
    first, again = (pipeline.run(inputs, Runtime(seed=5)) for _ in range(2))
    assert isinstance(first, Findings | MarkedStudy)
    assert type(again) is type(first)
    return Ran(pipeline, inputs, first, again)


@pytest.fixture
def ran(either: Ran) -> Ran:
    """One that finds lesions in a volume."""
    if not isinstance(either.findings, Findings):
        pytest.skip("says marks on images")
    return either


@pytest.fixture
def marked(either: Ran) -> Ran:
    """One that says marks on images."""
    if not isinstance(either.findings, MarkedStudy):
        pytest.skip("finds lesions in a volume")
    return either


def test_there_is_a_sample_for_every_registered_pipeline():
    assert set(NAMES) == set(SAMPLES)


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_has_the_name_it_is_registered_under(name: str):
    pipeline = registry.get(name)
    assert pipeline.name == name
    assert pipeline.roles


@pytest.mark.parametrize("name", NAMES)
def test_loading_a_pipeline_imports_no_heavy_library(name: str):
    code = f"import sys; from pipeline import registry; registry.get({name!r}).algorithm; "
    code += "print(sorted({'torch', 'monai', 'ray', 'sklearn'} & sys.modules.keys()))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


VALUES = st.one_of(st.none(), st.text(max_size=12), st.integers(), st.floats(), st.tuples(st.floats(), st.floats()))
KEYWORDS = [
    *("Modality", "SeriesDescription", "ProtocolName", "ContrastBolusAgent", "ImageType", "ScanningSequence"),
    *("RepetitionTime", "EchoTime", "InversionTime", "SliceThickness", "SpacingBetweenSlices", "PixelSpacing"),
    *("ImageOrientationPatient", "ImagePositionPatient", "NumberOfFrames", "Rows", "Columns", "BodyPartExamined"),
    *("SeriesNumber", "MRAcquisitionType", "FrameOfReferenceUID"),
]


@st.composite
def studies(draw: st.DrawFn) -> Study:
    """Any study that a node may have filed, sensible or not."""
    series = []
    for s in range(draw(st.integers(0, 3))):
        uid = f"1.2.{s + 1}"
        modality = draw(st.sampled_from(["MR", "CT", "MG", "SR", "OT", ""]))
        sop_class = draw(st.sampled_from(["1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2", "1.2.3"]))
        header = draw(st.dictionaries(st.sampled_from(KEYWORDS), VALUES, max_size=12))
        instances = tuple(
            Instance(
                f"{uid}.{i}", sop_class, uid, "1.2", "1.2.840.10008.1.2.1", modality, Path("nowhere"), header=header
            )
            for i in range(draw(st.integers(1, 12)))
        )
        series.append(Series(uid, instances))
    return Study("1.2", tuple(series))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(study=studies())
def test_select_answers_for_any_study_from_headers_alone(name: str, study: Study):
    pipeline = registry.get(name)
    answer = pipeline.select(study, {})
    if isinstance(answer, Declined):
        assert len(answer.reason) > 10
    else:
        assert set(answer.series) <= set(pipeline.roles)
        assert all(i in study.instances for s in answer.series.values() for i in s.instances)
        assert set(answer.why) == set(answer.series)


def test_the_same_seed_gives_the_same_findings(ran: Ran):
    first, again = ran.findings, ran.again
    assert first.lesions == again.lesions
    assert first.remarks == again.remarks
    assert first.labels is not None
    assert again.labels is not None
    assert np.array_equal(first.labels.array, again.labels.array)


def test_labels_lie_on_the_grid_of_the_series_they_are_drawn_on(ran: Ran):
    labels, frames = ran.findings.labels, ran.findings.frames
    source = {i.sop_instance_uid for i in ran.inputs[ran.findings.drawn_on].instances}
    assert labels is not None
    assert len(frames) == labels.spatial_shape[0]
    assert {f.sop_instance_uid for f in frames} <= source
    assert labels.array.dtype == np.uint16


def test_segments_count_from_one_without_a_gap(ran: Ran):
    lesions, labels = ran.findings.lesions, ran.findings.labels
    assert lesions
    assert labels is not None
    assert [lesion.number for lesion in lesions] == list(range(1, len(lesions) + 1))
    assert set(np.unique(labels.array)) == set(range(len(lesions) + 1))


def test_lesions_lie_inside_the_volume_and_have_its_measures(ran: Ran):
    labels = ran.findings.labels
    assert labels is not None
    voxel_mm3 = float(np.prod(labels.spacing))
    for lesion in ran.findings.lesions:
        index = np.linalg.inv(labels.affine) @ [*lesion.centroid_mm, 1]
        assert ((index[:3] >= -0.5) & (index[:3] <= np.array(labels.spatial_shape) - 0.5)).all()
        assert lesion.volume_mm3 == pytest.approx((labels.array == lesion.number).sum() * voxel_mm3)
        assert 0 < lesion.short_axis_mm <= lesion.long_axis_mm <= lesion.max_diameter_3d_mm + 1e-6
        assert 0 < lesion.probability <= 1


def test_labels_and_tracking_uids_are_unique_and_fit_a_planning_system(ran: Ran):
    lesions = ran.findings.lesions
    assert len({lesion.tracking_uid for lesion in lesions}) == len({lesion.label for lesion in lesions}) == len(lesions)
    assert all(0 < len(lesion.label) <= 64 and 0 < len(lesion.short_label) <= 16 for lesion in lesions)


def test_everything_that_crosses_an_executor_pickles(either: Ran):
    for thing in (either.inputs, either.findings.algorithm):
        assert pickle.loads(pickle.dumps(thing)) == thing
    assert isinstance(pickle.loads(pickle.dumps(either.pipeline)), type(either.pipeline))


def test_findings_pickle_whole(ran: Ran):
    back = pickle.loads(pickle.dumps(ran.findings))
    assert np.array_equal(back.labels.array, ran.findings.labels.array)
    assert (back.lesions, back.frames) == (ran.findings.lesions, ran.findings.frames)


def test_marks_pickle_whole(marked: Ran):
    back = pickle.loads(pickle.dumps(marked.findings))
    assert (back.marks, back.rejected, back.views) == (
        marked.findings.marks,
        marked.findings.rejected,
        marked.findings.views,
    )
    assert all(np.array_equal(back.heat[role], heat) for role, heat in marked.findings.heat.items())


def test_the_same_images_give_the_same_marks(marked: Ran):
    first, again = marked.findings, marked.again
    assert (first.marks, first.rejected, first.composites) == (again.marks, again.rejected, again.composites)
    assert (first.views, first.breasts, first.score) == (again.views, again.breasts, again.score)
    assert first.remarks == again.remarks


def test_marks_count_from_one_and_lie_on_images_that_were_chosen(marked: Ran):
    study = marked.findings
    assert study.marks
    assert [m.number for m in study.marks] == list(range(1, study.count + 1))
    chosen = {s.first.sop_instance_uid: role for role, s in marked.inputs.series.items()}
    assert {v.sop_instance_uid: v.role for v in study.views}.items() <= chosen.items()
    views = {v.role: v for v in study.views}
    for mark in (*study.marks, *study.rejected):
        across, down = mark.center_px
        assert 0 <= across <= views[mark.role].columns
        assert 0 <= down <= views[mark.role].rows
        assert len(mark.outline_px) >= 3


def test_marks_have_scores_from_the_threshold_on_and_tracking_uids_of_their_own(marked: Ran):
    study = marked.findings
    every = (*study.marks, *study.rejected)
    assert len({m.tracking_uid for m in every}) == len(every)
    assert all(study.threshold <= m.score <= 1 for m in study.marks)
    assert all(m.verdict is None or m.verdict.kept for m in study.marks)
    assert all(0 <= v.score <= 1 for v in (*study.views, *study.breasts, study))


def test_what_was_attempted_names_views_that_were_read(marked: Ran):
    roles = {v.role for v in marked.findings.views}
    assert all(a.roles and set(a.roles) <= roles for a in marked.findings.attempts)
    assert set(marked.findings.heat) <= roles


@pytest.mark.parametrize("name", NAMES)
def test_the_folder_holds_a_model_card_and_the_weights_that_weights_toml_names(name: str):
    pipeline = registry.get(name)
    folder = Path(inspect.getfile(type(pipeline))).parent
    card = (folder / "README.md").read_text()
    models = registry.models_of(name)
    assert models
    origins = {d.name for d in weights.data(folder) if d.origin and d.licence}
    for model in models:
        assert hashlib.sha256((folder / model.file).read_bytes()).hexdigest() == model.sha256
        assert model.sha256 in card
        assert model.what
        assert model.licence
        assert model.data
        assert set(model.data) <= origins
    assert pipeline.algorithm.weights_sha256 == weights.fingerprint(folder)
    assert "esearch use only" in card
    assert pipeline.algorithm.evidence_tier
    assert pipeline.algorithm.training
