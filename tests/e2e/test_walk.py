"""The whole walk: a PACS sends a study to a running node, and has the results back."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydicom import dcmread

from pipeline.core.job import State
from tests.support import node as n
from tests.support.blobs import write_blobs
from tests.support.bright import NAME
from tests.support.peers import OrthancPeer, eventually, require

DCIODVFY, DSRDUMP = "/usr/bin/dciodvfy", "/usr/bin/dsrdump"


def results_in(orthanc: OrthancPeer) -> dict[str, bytes]:
    """Modality -> file, of everything in the PACS that is not an MR image."""
    files = [orthanc.file(uid) for uid in orthanc.instances()]
    found = [(dcmread(BytesIO(f), stop_before_pixels=True).Modality, f) for f in files]
    return {modality: f for modality, f in found if modality != "MR"}


def errors_of(dcm: bytes, folder: Path) -> list[str]:
    require(DCIODVFY)
    file = folder / "object.dcm"
    file.write_bytes(dcm)
    said = subprocess.run([DCIODVFY, str(file)], capture_output=True, text=True, check=False)
    return [line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")]


def test_a_study_sent_by_dcmsend_comes_back_as_seg_rtstruct_ko_and_sr(tmp_path: Path, orthanc: OrthancPeer) -> None:
    write_blobs(tmp_path / "series")
    tables = [n.destination("pacs", orthanc.ae_title, orthanc.dicom_port), n.route(["pacs"], NAME)]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        sent = n.dcmsend(node.port, tmp_path / "series")
        assert sent.returncode == 0, sent.stderr
        (job,) = node.ended()
        assert job.state is State.DELIVERED, node.log()
        found = results_in(orthanc)
        assert set(found) == {"SEG", "RTSTRUCT", "KO", "SR"}
        for dcm in found.values():
            assert errors_of(dcm, tmp_path) == []
        (tmp_path / "sr.dcm").write_bytes(found["SR"])
        dump = subprocess.run([require(DSRDUMP), str(tmp_path / "sr.dcm")], capture_output=True, text=True, check=True)
        assert "BM02" in dump.stdout
        eventually(lambda: node.get("/readyz").status_code == 200)
        said = f"ready: {n.AE} takes DICOM on 127.0.0.1:{node.port}, http://127.0.0.1:{node.web_port}/healthz"
        assert node.log().count(said) == 1
        families = {f.name: f for f in text_string_to_metric_families(node.get("/metrics").text)}
        jobs = {s.labels["state"]: s.value for s in families["lantern_jobs"].samples}
        assert jobs["delivered"] == 1
        listed = node.run("jobs", "list", "--json")
        assert '"state": "delivered"' in listed.stdout
    assert "Traceback" not in node.log()


def test_nothing_of_the_patient_is_in_logs_ledger_or_metrics(tmp_path: Path, orthanc: OrthancPeer) -> None:
    name, number = "Zyxwvut^Patient", "PID-7654321"
    write_blobs(tmp_path / "series", patient_name=name, patient_id=number)
    tables = [n.destination("pacs", orthanc.ae_title, orthanc.dicom_port), n.route(["pacs"], NAME)]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        n.dcmsend(node.port, tmp_path / "series")
        node.ended()
        said = node.log() + node.get("/metrics").text + node.get("/readyz").text
        said += node.run("studies", "--json").stdout + node.run("jobs", "list", "--json").stdout
    ledger = b"".join(f.read_bytes() for f in (tmp_path / "node" / "data").glob("lantern.db*"))
    for secret in ("Zyxwvut", number):
        assert secret not in said
        assert secret.encode() not in ledger


def test_a_pacs_that_routes_by_itself_gets_each_result_once_and_no_loop_begins(
    tmp_path: Path, make_orthanc: Callable[..., OrthancPeer]
) -> None:
    everything = "function OnStoredInstance(id, tags, metadata, origin) SendToModality(id, 'LANTERN') end"
    pacs = make_orthanc(lua=everything)
    tables = [n.destination("pacs", pacs.ae_title, pacs.dicom_port), n.route(["pacs"], NAME, quiet_period_s=2)]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        pacs.know("LANTERN", n.AE, "127.0.0.1", node.port)
        pacs.upload(*write_blobs(tmp_path / "series"))
        node.ended()
        eventually(lambda: len(pacs.instances()) == 8 + 4, within_s=30)
        eventually(lambda: not pacs.get("/jobs", expand="") or node.ledger.open_receptions() == [], within_s=30)
        assert [j.state for j in node.ended()] == [State.DELIVERED]
        assert len(pacs.instances()) == 8 + 4


def test_results_go_by_stow_as_well(tmp_path: Path, orthanc: OrthancPeer) -> None:
    write_blobs(tmp_path / "series")
    tables = [n.stow("web", orthanc.dicomweb_url), n.route(["web"], NAME)]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        n.dcmsend(node.port, tmp_path / "series")
        assert node.ended()[0].state is State.DELIVERED, node.log()
    assert set(results_in(orthanc)) == {"SEG", "RTSTRUCT", "KO", "SR"}


def test_a_node_on_postgresql_does_the_same(tmp_path: Path, orthanc: OrthancPeer, postgres_url: str) -> None:
    write_blobs(tmp_path / "series")
    tables = [n.destination("pacs", orthanc.ae_title, orthanc.dicom_port), n.route(["pacs"], NAME)]
    with n.RunningNode(tmp_path / "node", *tables, database_url=postgres_url).serve() as node:
        n.dcmsend(node.port, tmp_path / "series")
        assert node.ended()[0].state is State.DELIVERED, node.log()
    assert set(results_in(orthanc)) == {"SEG", "RTSTRUCT", "KO", "SR"}


def test_a_pacs_that_is_down_gets_its_results_when_it_is_back(
    tmp_path: Path, make_orthanc: Callable[..., OrthancPeer]
) -> None:
    pacs = make_orthanc()
    pacs.kill()
    tables = [n.destination("pacs", pacs.ae_title, pacs.dicom_port), n.route(["pacs"], NAME)]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        write_blobs(tmp_path / "series")
        n.dcmsend(node.port, tmp_path / "series")
        eventually(lambda: [d for d in node.ledger.deliveries() if d.attempts > 1], within_s=60)
        pacs.start()
        assert node.ended()[0].state is State.DELIVERED
    assert len(pacs.instances()) == 4


def test_a_declined_study_says_why_and_sends_nothing(tmp_path: Path, orthanc: OrthancPeer) -> None:
    write_blobs(tmp_path / "series", contrast_agent="")
    tables = [n.destination("pacs", orthanc.ae_title, orthanc.dicom_port), n.route(["pacs"], "srs")]
    with n.RunningNode(tmp_path / "node", *tables).serve() as node:
        n.dcmsend(node.port, tmp_path / "series")
        (job,) = node.ended()
        assert job.state is State.DECLINED
        assert "contrast" in job.reason
        told = node.run("routes", "explain", job.work.study_instance_uid)
        assert "contrast" in told.stdout, told.stderr
    assert orthanc.instances() == {}


@pytest.mark.parametrize("victim", ["receive", "work", "deliver"])
def test_each_process_starts_and_ends_alone(tmp_path: Path, victim: str) -> None:
    with n.RunningNode(tmp_path / "node", n.route([], NAME)) as node:
        process = node.start(victim)
        eventually(lambda: any(p.startswith(victim) for p in node.ledger.heartbeats()), within_s=60)
        process.terminate()
        assert process.wait(30) == 0, node.log()


def test_a_study_that_the_pacs_has_more_of_waits_for_the_rest_and_then_runs_once(
    tmp_path: Path, orthanc: OrthancPeer
) -> None:
    files = write_blobs(tmp_path / "series")
    orthanc.upload(*files)
    peer = (
        f'[[peer]]\nname = "source"\nae_title = "{orthanc.ae_title}"\nhost = "127.0.0.1"\nport = {orthanc.dicom_port}\n'
    )
    with n.RunningNode(tmp_path / "node", peer, n.route([], NAME, 1.0, 'verify_with = "source"')).serve() as node:
        for name, part in (("first", files[:5]), ("rest", files[5:])):
            (tmp_path / name).mkdir()
            for f in part:
                (tmp_path / name / f.name).write_bytes(f.read_bytes())
        n.dcmsend(node.port, tmp_path / "first")
        (study,) = node.ledger.receptions()
        told = eventually(lambda: node.run("routes", "explain", study.study_instance_uid).stdout, within_s=30)
        assert "5 of the 8 images" in told
        assert node.ledger.jobs() == []
        n.dcmsend(node.port, tmp_path / "rest")
        (job,) = node.ended()
        assert job.work.verified
        assert len(node.ledger.inputs(job.id)) == 8
