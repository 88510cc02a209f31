"""A physician's corrections, from a viewer to the PACS: what is kept, what is told, what is superseded."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from node.told import told
from pipeline.core.job import State
from pipeline.datasets.mr_writer import write_volume
from pipeline.imaging.structures import structures
from pipeline.phantom import t1c_phantom
from tests.support import node as n
from tests.support.edited import add_square, edited
from tests.support.peers import OrthancPeer


def objects_in(orthanc: OrthancPeer, modality: str) -> list[Dataset]:
    found = [dcmread(BytesIO(orthanc.file(uid))) for uid in orthanc.instances()]
    return [ds for ds in found if ds.Modality == modality]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_edited_structure_set_gives_a_superseding_plan_with_the_same_tracking_uids(
    tmp_path: Path, orthanc: OrthancPeer
) -> None:
    # Thick slices, each read alone: a model that reads a volume takes minutes here.
    grid = {"shape": (36, 112, 112), "spacing_mm": (5.0, 2.0, 2.0), "diameters_mm": (12.0, 20.0)}
    made = t1c_phantom(seed=7, lesions=4, **grid)  # type: ignore[arg-type]
    write_volume(made.image, tmp_path / "series")
    tables = [
        n.destination("pacs", orthanc.ae_title, orthanc.dicom_port),
        n.route(["pacs"], "srs", 5.0, 'when = { Modality = "MR" }'),
    ]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        assert n.dcmsend(node.port, tmp_path / "series").returncode == 0
        (job,) = node.ended(within_s=240)
        assert job.state is State.DELIVERED, node.log()
        (report,), (ours,) = objects_in(orthanc, "SR"), objects_in(orthanc, "RTSTRUCT")
        names = [s.name for s in structures(ours)]
        back = edited(ours, move=(names[0], (4.0, 0.0, 0.0)), delete=names[1])
        middle = np.asarray(made.image.affine) @ (*(0.55 * v for v in made.image.spatial_shape), 1)
        add_square(back, "GTV_new", middle[:3].tolist())
        (tmp_path / "back").mkdir()
        back.save_as(tmp_path / "back" / "edited.dcm")
        assert n.dcmsend(node.port, tmp_path / "back").returncode == 0
        _, again = node.ended(2, within_s=240)
        assert again.state is State.DELIVERED, node.log()
        newer = next(ds for ds in objects_in(orthanc, "SR") if ds.SOPInstanceUID != report.SOPInstanceUID)
    replaced = newer.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
    assert replaced.ReferencedSOPInstanceUID == report.SOPInstanceUID
    then = {t.label: t for t in told(report) if not t.rejected}
    now = [t for t in told(newer) if not t.rejected]
    kept = {s.name: s.tracking_uid for s in structures(ours)}
    assert [t.tracking_uid for t in now[:-1]] == [kept[name] for name in names if name != names[1]]
    assert now[-1].tracking_uid not in {t.tracking_uid for t in then.values()}
    assert all(t.sessions for t in now)
    words = " ".join(e.value for e in newer.iterall() if e.keyword == "TextValue")
    for said in ("moved by 4.0 mm", f"{names[1]}: deleted", "GTV_new: added", "Editor^Test"):
        assert said in words
    assert "Editor^Test" not in node.log()
