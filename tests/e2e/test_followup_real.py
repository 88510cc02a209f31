"""Two dates of eight real patients (brain/btp_t1c, glioblastoma on 6 mm slices), written as DICOM studies.

With the experts' masks as outlines of both dates, registration, matching and volumes are tried alone; then the models
outline both dates. One patient by default; LANTERN_REAL_SERIES=16 (`make real`) takes all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.contract import Earlier, Inputs, Runtime
from pipeline.core.study import Study
from pipeline.core.uid import derive_uid
from pipeline.encode import Stamp, encode, to_bytes
from pipeline.findings import Findings, Lesion
from pipeline.imaging.header import scan
from pipeline.imaging.read import read_volume
from pipeline.imaging.regions import measure
from pipeline.recipes.srs import PIPELINE
from pipeline.recipes.srs.recipe import BRAIN_METASTASIS
from tests.support.findings import STAMP
from tests.support.patients import AGREES, MISJUDGED, Date, Patient, tumour, written_patients


@pytest.fixture(scope="module")
def patients(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Patient]:
    return written_patients(shared_data, tmp_path_factory.mktemp("patients"))


def followed(patient: Patient) -> Findings:
    inputs = PIPELINE.select(patient.second.study, {"plan": False})
    assert isinstance(inputs, Inputs)
    (prior,) = scan(patient.folder)
    found = PIPELINE.run(PIPELINE.recall(inputs, Earlier(None, (prior,))), Runtime())
    assert isinstance(found, Findings)
    return found


def run(study: Study) -> Findings:
    inputs = PIPELINE.select(study, {"plan": False})
    assert isinstance(inputs, Inputs)
    found = PIPELINE.run(inputs, Runtime())
    assert isinstance(found, Findings)
    return found


def keep(findings: Findings, folder: Path) -> None:
    for encoded in encode(findings, Stamp(str(folder), STAMP.made_at, "0.1.0")):
        (folder / f"{encoded.name}.dcm").write_bytes(to_bytes(encoded.dataset))


def of_masks(date: Date, drawn_by: Findings) -> Findings:
    """The experts' tumours as findings on the series, with enhancing volumes as drawn."""
    series = read_volume(date.study.series[0])
    labels = series.volume.with_array(date.lesions)
    voxel = float(np.prod(series.volume.spacing))
    lesions = tuple(
        Lesion(
            number=m.number,
            label=f"BM{m.number:02d}",
            tracking_uid=derive_uid(date.study.study_instance_uid, str(m.number)),
            centroid_mm=m.centroid_mm,
            volume_mm3=m.volume_mm3,
            long_axis_mm=m.long_axis_mm,
            short_axis_mm=m.short_axis_mm,
            max_diameter_3d_mm=m.max_diameter_3d_mm,
            probability=1.0,
            enhancing_volume_mm3=float((date.truth & (date.lesions == m.number)).sum()) * voxel,
        )
        for m in measure(labels)
    )
    return Findings("t1c", drawn_by.algorithm, BRAIN_METASTASIS, labels, series.frames, lesions)


@pytest.fixture(scope="module")
def by_models(patients: list[Patient]) -> Iterator[dict[str, tuple[Findings, Findings]]]:
    done = {}
    for patient in patients:
        first = run(patient.first.study)
        keep(first, patient.folder)
        done[patient.name] = first, followed(patient)
    yield done


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_models_outlines_keep_the_tumours_uid_and_its_change_agrees_with_the_masks(
    patients: list[Patient], by_models: dict[str, tuple[Findings, Findings]], capsys: pytest.CaptureFixture[str]
) -> None:
    for patient in patients:
        first, second = by_models[patient.name]
        assert first.labels is not None
        assert second.labels is not None
        assert second.follow_up is not None
        before, ml_then = tumour(patient.first, first.labels)
        after, ml_now = tumour(patient.second, second.labels)
        assert second.lesions[after - 1].tracking_uid == first.lesions[before - 1].tracking_uid, patient.name
        change = second.follow_up.changes[after - 1]
        assert change.enhancing_percent is not None
        ratio, wanted = 1 + change.enhancing_percent / 100, ml_now / ml_then
        with capsys.disabled():
            print(f"\n{patient.name}: fit {second.follow_up.fit:.2f}; enhancing volume x {ratio:.2f}, in the masks "
                  f"x {wanted:.2f} ({ratio / wanted - 1:+.1%}); {change.words}", end="")  # fmt: skip
        assert (abs(ratio / wanted - 1) <= AGREES) == (patient.name not in MISJUDGED), MISJUDGED.get(patient.name)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_with_the_masks_as_outlines_every_tumour_keeps_its_uid_and_volumes_change_as_the_masks_do(
    patients: list[Patient], by_models: dict[str, tuple[Findings, Findings]], tmp_path: Path
) -> None:
    from pipeline.followup.change import Before
    from pipeline.followup.compare import Now, compare
    from pipeline.followup.drawn import drawn_in, sizes_in
    from pipeline.followup.match import match, relate
    from pipeline.followup.register import register

    for patient in patients:
        masks = [of_masks(date, by_models[patient.name][0]) for date in (patient.first, patient.second)]
        images = [read_volume(date.study.series[0]).volume for date in (patient.first, patient.second)]
        (tmp_path / patient.name).mkdir()
        keep(masks[0], tmp_path / patient.name)
        drawn = drawn_in(tmp_path / patient.name / "SEG.dcm", images[0])
        assert np.array_equal(drawn.labels.array, patient.first.lesions)
        then = {k: Before(*drawn.names[k], size) for k, size in sizes_in(drawn.labels, {}).items()}
        assert masks[1].labels is not None
        sizes = sizes_in(masks[1].labels, {})
        now = {x.number: Now(x.tracking_uid, x.label, sizes[x.number]) for x in masks[1].lesions}
        laid = register(*images)
        matched = match(relate(drawn.labels, masks[1].labels, laid), tuple(then), tuple(now))
        found = compare(matched, then, now)
        assert not found.gone, patient.name
        assert len(matched.pairs) == len(then)
        for number, change in zip(now, found.changes, strict=True):
            if number in matched.pairs:
                voxels = [int((d.lesions == k).sum()) for d, k in
                          ((patient.first, matched.pairs[number]), (patient.second, number))]  # fmt: skip
                assert change.tracking_uid == then[matched.pairs[number]].tracking_uid
                assert change.volume_percent == pytest.approx(100 * (voxels[1] / voxels[0] - 1), abs=0.5)
