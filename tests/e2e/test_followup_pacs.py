"""Two dates of real patients, one after the other, with Orthanc as the PACS that has the first: the follow-up's bar."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset, dcmread

from pipeline.core.job import State
from pipeline.followup.drawn import Drawn, drawn_in
from pipeline.imaging.read import read_volume
from tests.support import node as n
from tests.support.patients import AGREES, MISJUDGED, Date, Patient, tumour, written_patients
from tests.support.peers import OrthancPeer

CHANGE = "ENHANCING_CHANGE"


def results(pacs: OrthancPeer, date: Date, folder: Path) -> tuple[Drawn, Dataset]:
    """What the PACS now has of that date: the outlines on the images' grid, and the report."""
    held = [dcmread(BytesIO(pacs.file(uid))) for uid in pacs.instances()]
    ours = [ds for ds in held if ds.StudyInstanceUID == date.study.study_instance_uid]
    (segmentation,), (report,) = ([ds for ds in ours if ds.Modality == m] for m in ("SEG", "SR"))
    segmentation.save_as(folder / f"{report.StudyInstanceUID}.dcm")
    image = read_volume(date.study.series[0]).volume
    return drawn_in(folder / f"{report.StudyInstanceUID}.dcm", image), report


def changes(report: Dataset) -> dict[str, float]:
    """The change of the enhancing volume in percent, by the tracking UID of the lesion's group."""
    found = {}
    for item in report.iterall():
        if item.keyword == "ContentSequence":
            rows = list(item.value)
            uids = [str(row.UID) for row in rows if row.ValueType == "UIDREF"]
            said = [row for row in rows if row.ValueType == "NUM" and _code(row) == CHANGE]
            if uids and said:
                found[uids[0]] = float(said[0].MeasuredValueSequence[0].NumericValue)
    return found


def _code(row: Dataset) -> str:
    return str(row.ConceptNameCodeSequence[0].CodeValue)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.real("orthanc")
def test_the_first_date_is_fetched_tumours_keep_their_uid_and_change_as_the_masks_do(
    shared_data: Path, make_orthanc: Callable[..., OrthancPeer], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for patient in written_patients(shared_data, tmp_path):
        pacs = make_orthanc()
        for folder in ("1", "2"):
            # A node of its own for each date: all that it knows of the first comes from the PACS.
            _run(pacs, patient, folder, tmp_path / f"node-{patient.name}-{folder}")
        drawn, _ = results(pacs, patient.first, tmp_path)
        again, report = results(pacs, patient.second, tmp_path)
        before, ml_then = tumour(patient.first, drawn.labels)
        after, ml_now = tumour(patient.second, again.labels)
        uid = again.names[after][0]
        assert uid == drawn.names[before][0], patient.name
        ratio, wanted = 1 + changes(report)[uid] / 100, ml_now / ml_then
        with capsys.disabled():
            print(f"\n{patient.name}: enhancing volume x {ratio:.2f}, in the masks x {wanted:.2f} "
                  f"({ratio / wanted - 1:+.1%})", end="")  # fmt: skip
        assert (abs(ratio / wanted - 1) <= AGREES) == (patient.name not in MISJUDGED), MISJUDGED.get(patient.name)


def _run(pacs: OrthancPeer, patient: Patient, folder: str, home: Path) -> None:
    peer = f'[[peer]]\nname = "pacs"\nae_title = "{pacs.ae_title}"\nhost = "127.0.0.1"\nport = {pacs.dicom_port}\n'
    tables = (
        peer + 'retrieve = "get"\n',
        n.destination("pacs", pacs.ae_title, pacs.dicom_port),
        n.route(["pacs"], "srs", 1.0, 'priors_from = "pacs"'),
    )
    with n.RunningNode(home, *tables).serve() as node:
        images = patient.folder.parent / folder
        pacs.upload(*sorted(f for f in images.rglob("*") if f.is_file() and f.name.endswith(".dcm")))
        assert n.dcmsend(node.port, images).returncode == 0
        (job,) = node.ended(within_s=900)
        assert job.state is State.DELIVERED, node.log()
