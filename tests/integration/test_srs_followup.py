"""The recipe on two dates of one synthetic head: tracking UIDs go on, and what cannot be compared does no harm."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pytest

from pipeline.contract import Earlier, Inputs, Runtime
from pipeline.core.study import Study
from pipeline.datasets.nifti import Acquisition, write_volume
from pipeline.encode import Stamp, encode, to_bytes
from pipeline.findings import Findings
from pipeline.followup.change import Status
from pipeline.imaging.header import scan
from pipeline.phantom import t1c_phantom
from pipeline.recipes.srs import PIPELINE
from tests.support.findings import STAMP
from tests.support.heads import THICK

OPTIONS = {"plan": False}


def written(folder: Path, date: str, volume: hd.Volume, results: Findings | None = None) -> Study:
    write_volume(volume, folder / "t1c", Acquisition(date=date, study=date, seed=date))
    for encoded in encode(results, Stamp(f"seed {date}", STAMP.made_at, "0.1.0")) if results else ():
        (folder / f"{encoded.name}.dcm").write_bytes(to_bytes(encoded.dataset))
    (study,) = scan(folder)
    return study


def run(now: Study, *priors: Study) -> Findings:
    inputs = PIPELINE.select(now, OPTIONS)
    assert isinstance(inputs, Inputs)
    found = PIPELINE.run(PIPELINE.recall(inputs, Earlier(None, priors)), Runtime())
    assert isinstance(found, Findings)
    return found


@pytest.fixture(scope="module")
def dates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Study, Findings]:
    """The same head and lesions on two dates, the second time 5 degrees turned and 8 mm away; findings of the first."""
    folder = tmp_path_factory.mktemp("dates")
    head = t1c_phantom(5, lesions=3, **THICK).image
    tilt = np.radians(5)
    motion = np.eye(4)
    motion[:2, :2] = [[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]]
    motion[:3, 3] = (8.0, -3.0, 6.0)
    first = written(folder / "1", "20260101", head)
    found = run(first)
    first = written(folder / "1", "20260101", head, found)
    return first, written(folder / "2", "20260301", hd.Volume(head.array, motion @ head.affine, "PATIENT")), found


def test_every_lesion_keeps_its_uid_with_our_segmentation_and_without(dates: tuple[Study, Study, Findings]) -> None:
    first, second, before = dates
    alone = run(second)
    images = Study(first.study_instance_uid, tuple(s for s in first.series if s.modality == "MR"))
    uids = {x.tracking_uid for x in before.lesions}
    assert before.lesions
    assert uids.isdisjoint(x.tracking_uid for x in alone.lesions)
    for prior, drawn in ((first, "segmented here"), (images, "models find")):
        found = run(second, prior)
        assert {x.tracking_uid for x in found.lesions} == uids
        assert found.follow_up is not None
        assert drawn in found.follow_up.drawn_by
        assert {c.status for c in found.follow_up.changes} == {Status.STABLE}
        assert not found.follow_up.gone
        assert found.follow_up.days == 59
        assert [x.volume_mm3 for x in found.lesions] == [x.volume_mm3 for x in alone.lesions]
        all_uids = [x.tracking_uid for x in (*found.lesions, *found.rejected)]
        assert len(set(all_uids)) == len(all_uids)
        assert any("Against the study of 2026-01-01" in remark for remark in found.remarks)


def test_another_head_under_the_same_patient_id_is_not_compared_and_harms_nothing(
    dates: tuple[Study, Study, Findings], tmp_path: Path
) -> None:
    _, second, _ = dates
    noise = np.random.default_rng(0).uniform(50, 400, (26, 192, 192)).astype(np.int16)
    other = t1c_phantom(5, lesions=0, **THICK).image.with_array(noise)
    found = run(second, written(tmp_path, "20260201", other))
    assert found.follow_up is None
    assert any(remark.startswith("Not compared with the earlier study") for remark in found.remarks)
    assert [x.tracking_uid for x in found.lesions] == [x.tracking_uid for x in run(second).lesions]
